"""openctp-ctp, unmodified but for the library file behind it: logs in, subscribes, writes ticks.

openctp_client.py FLOW OUT COUNT ID...
"""

import json
import os
import struct
import sys
import threading

from openctp_ctp import thostmduserapi as mdapi

FLOW, OUT, COUNT, IDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
FIELDS = [
    name
    for name, value in vars(mdapi.CThostFtdcDepthMarketDataField).items()
    if isinstance(value, property) and name != "thisown"
]
told = {"version": mdapi.CThostFtdcMdApi.GetApiVersion(), "subscribed": [], "ticks": []}
done = threading.Event()


def plain(value):
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    return value


class Spi(mdapi.CThostFtdcMdSpi):
    def __init__(self, api):
        super().__init__()
        self.api = api

    def OnFrontConnected(self):
        request = mdapi.CThostFtdcReqUserLoginField()
        request.BrokerID, request.UserID, request.Password = "9999", "user", "secret"
        self.api.ReqUserLogin(request, 1)

    def OnRspUserLogin(self, login, info, request, last):
        told["login"] = [login.TradingDay, info.ErrorID if info else 0, info.ErrorMsg if info else ""]
        self.api.SubscribeMarketData([one.encode() for one in IDS], len(IDS))

    def OnRspSubMarketData(self, instrument, info, request, last):
        told["subscribed"].append([instrument.InstrumentID, info.ErrorID if info else 0, last])

    def OnRtnDepthMarketData(self, tick):
        told["ticks"].append({name: plain(getattr(tick, name)) for name in FIELDS})
        if len(told["ticks"]) >= COUNT:
            done.set()


api = mdapi.CThostFtdcMdApi.CreateFtdcMdApi(FLOW)
spi = Spi(api)
api.RegisterSpi(spi)
api.RegisterFront("tcp://127.0.0.1:1")
api.Init()
told["complete"] = done.wait(60)
told["day"] = api.GetTradingDay()
with open(OUT, "w") as file:
    json.dump(told, file)
# The interpreter's own end is not what is tested.
os._exit(0)
