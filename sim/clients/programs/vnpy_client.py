"""vn.py's CTP gateway, unmodified but for the two library files behind it.

vnpy_client.py OUT COUNT ID.EXCHANGE...
"""

import json
import os
import sys
import threading
import time

from vnpy.event import EventEngine
from vnpy.trader.constant import Exchange
from vnpy.trader.engine import MainEngine
from vnpy.trader.event import EVENT_CONTRACT, EVENT_LOG, EVENT_TICK, EVENT_ACCOUNT
from vnpy.trader.object import SubscribeRequest
from vnpy_ctp import CtpGateway

OUT, COUNT, SYMBOLS = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
told = {"logs": [], "contracts": {}, "ticks": [], "accounts": []}
listed, done, account = threading.Event(), threading.Event(), threading.Event()


def on_log(event):
    told["logs"].append(event.data.msg)
    if "合约信息查询成功" in event.data.msg:
        listed.set()


def on_contract(event):
    contract = event.data
    told["contracts"][contract.vt_symbol] = [contract.size, contract.pricetick, contract.name]


def on_account(event):
    told["accounts"].append([event.data.accountid, event.data.balance])
    account.set()


def on_tick(event):
    tick = event.data
    told["ticks"].append(
        [tick.vt_symbol, tick.volume, tick.last_price, tick.open_interest, tick.turnover,
         tick.bid_price_1, tick.bid_volume_1, tick.ask_price_1, tick.ask_volume_1]
    )
    if len(told["ticks"]) >= COUNT:
        done.set()


engine = EventEngine()
main = MainEngine(engine)
for kind, handler in (
    (EVENT_LOG, on_log), (EVENT_CONTRACT, on_contract), (EVENT_TICK, on_tick),
    (EVENT_ACCOUNT, on_account),
):
    engine.register(kind, handler)
main.add_gateway(CtpGateway)
main.connect(
    {
        "用户名": "user",
        "密码": "secret",
        "经纪商代码": "9999",
        "交易服务器": "127.0.0.1:1",
        "行情服务器": "127.0.0.1:1",
        "产品名称": "app",
        "授权编码": "code",
        "柜台环境": "实盘",
    },
    "CTP",
)
told["listed"] = listed.wait(60)
for symbol in SYMBOLS:
    name, exchange = symbol.split(".")
    main.subscribe(SubscribeRequest(symbol=name, exchange=Exchange(exchange)), "CTP")
told["complete"] = done.wait(60)
told["account"] = account.wait(60)
time.sleep(0.2)
with open(OUT, "w") as file:
    json.dump(told, file)
# The interpreter's own end is not what is tested.
os._exit(0)
