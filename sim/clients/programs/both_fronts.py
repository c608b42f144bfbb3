"""A SWIG wrapper of CTP, unmodified: logs in to both fronts, lists contracts, counts ticks.

both_fronts.py MODULE FLOW OUT COUNT ID...

MODULE is openctp_ctp, openctp_tts or ctp_python, as the packages of PyPI are called.
"""

import importlib
import json
import os
import sys
import threading
import time

MODULE, FLOW, OUT, COUNT, IDS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5:]
if MODULE == "ctp_python":
    mdapi = tdapi = importlib.import_module("ctp")
else:
    mdapi = importlib.import_module(MODULE + ".thostmduserapi")
    tdapi = importlib.import_module(MODULE + ".thosttraderapi")
told = {"md": {"ticks": 0}, "td": {"instruments": 0}}
market_data, trader = threading.Event(), threading.Event()


class MdSpi(mdapi.CThostFtdcMdSpi):
    def OnFrontConnected(self):
        md.ReqUserLogin(mdapi.CThostFtdcReqUserLoginField(), 1)

    def OnRspUserLogin(self, login, info, request, last):
        told["md"]["login"] = login.TradingDay
        ids = IDS if mdapi is tdapi else [one.encode() for one in IDS]
        # ctp-python counts them by itself.
        md.SubscribeMarketData(*([ids] if mdapi is tdapi else [ids, len(ids)]))

    def OnRtnDepthMarketData(self, tick):
        # A field of each end of the struct.
        if tick.InstrumentID in IDS and len(tick.ActionDay) == 8 and tick.LastPrice > 0:
            told["md"]["ticks"] += 1
        if told["md"]["ticks"] >= COUNT:
            market_data.set()


class TdSpi(tdapi.CThostFtdcTraderSpi):
    def OnFrontConnected(self):
        request = tdapi.CThostFtdcReqAuthenticateField()
        request.BrokerID, request.UserID, request.AppID, request.AuthCode = "9999", "u", "a", "c"
        td.ReqAuthenticate(request, 1)

    def OnRspAuthenticate(self, answer, info, request, last):
        told["td"]["authenticated"] = [answer.AppID, info.ErrorID, request]
        login = tdapi.CThostFtdcReqUserLoginField()
        login.BrokerID, login.UserID = "9999", "u"
        td.ReqUserLogin(login, 2)

    def OnRspUserLogin(self, login, info, request, last):
        told["td"]["login"], told["td"]["front"] = login.TradingDay, login.FrontID
        threading.Thread(target=self.query).start()

    def query(self):
        while td.ReqQryInstrument(tdapi.CThostFtdcQryInstrumentField(), 3) != 0:
            time.sleep(0.2)

    def OnRspQryInstrument(self, instrument, info, request, last):
        told["td"]["instruments"] += 1
        told["td"][instrument.InstrumentID] = [
            instrument.ExchangeID, instrument.VolumeMultiple, instrument.PriceTick
        ]
        if last:
            trader.set()


md = mdapi.CThostFtdcMdApi.CreateFtdcMdApi(FLOW + "md")
td = tdapi.CThostFtdcTraderApi.CreateFtdcTraderApi(FLOW + "td")
spis = MdSpi(), TdSpi()
for api, spi in zip((md, td), spis):
    api.RegisterSpi(spi)
    api.RegisterFront("tcp://127.0.0.1:1")
    api.Init()
told["complete"] = [market_data.wait(60), trader.wait(60)]
told["versions"] = [
    mdapi.CThostFtdcMdApi.GetApiVersion(), tdapi.CThostFtdcTraderApi.GetApiVersion()
]
with open(OUT, "w") as file:
    json.dump(told, file)
# The interpreter's own end is not what is tested.
os._exit(0)
