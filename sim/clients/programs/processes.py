"""A strategy in several processes, each with its own API.

processes.py spawn|fork OUT COUNT ID...
"""

import json
import multiprocessing
import os
import sys
import tempfile

METHOD, OUT, COUNT, IDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]


def strategy(answers, ready):
    import threading

    from openctp_ctp import thostmduserapi as mdapi

    done = threading.Event()
    count = 0

    class Spi(mdapi.CThostFtdcMdSpi):
        def OnFrontConnected(self):
            api.ReqUserLogin(mdapi.CThostFtdcReqUserLoginField(), 1)

        def OnRspUserLogin(self, login, info, request, last):
            # Together: the market begins when both have subscribed.
            ready.wait()
            api.SubscribeMarketData([one.encode() for one in IDS], len(IDS))

        def OnRtnDepthMarketData(self, tick):
            nonlocal count
            count += 1
            if count >= COUNT:
                done.set()

    api = mdapi.CThostFtdcMdApi.CreateFtdcMdApi(tempfile.mkdtemp() + "/")
    spi = Spi()
    api.RegisterSpi(spi)
    api.RegisterFront("tcp://127.0.0.1:1")
    api.Init()
    done.wait(60)
    answers.put(count)
    answers.close()
    answers.join_thread()
    os._exit(0)


if __name__ == "__main__":
    context = multiprocessing.get_context(METHOD)
    answers, ready = context.Queue(), context.Barrier(2)
    children = [context.Process(target=strategy, args=(answers, ready)) for _ in range(2)]
    for child in children:
        child.start()
    counts = [answers.get(timeout=90) for _ in children]
    for child in children:
        child.join()
    with open(OUT, "w") as file:
        json.dump(counts, file)
