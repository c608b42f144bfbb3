"""Publishes ticks as the service that tickdeck replaces did: a dict, json.dumps, nats-py.

Prints the seconds from the first message to the flush after the last.
"""
import asyncio
import json
import sys
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import nats

SHANGHAI = timezone(timedelta(hours=8))
MISSING = 1.7976931348623157e308


def field(at):
    """A tick as the CTP binding hands it over: attributes of an object."""
    price = 3500.0 + at % 50
    tick = SimpleNamespace(
        InstrumentID=f"rb{2601 + at % 600}", TradingDay="20250912", ActionDay="20250912",
        UpdateTime="09:30:01", UpdateMillisec=500 * (at % 2), LastPrice=price, Volume=at,
        Turnover=price * at * 10, OpenInterest=150000.0 + at, OpenPrice=3500.0, HighestPrice=3600.0,
        LowestPrice=3400.0, PreClosePrice=3490.0, PreSettlementPrice=3495.0,
        PreOpenInterest=140000.0, ClosePrice=MISSING, SettlementPrice=MISSING,
        AveragePrice=35000.0, UpperLimitPrice=3800.0, LowerLimitPrice=3200.0)
    for level in range(1, 6):
        setattr(tick, f"BidPrice{level}", price - level)
        setattr(tick, f"AskPrice{level}", price + level)
        setattr(tick, f"BidVolume{level}", 10 + level)
        setattr(tick, f"AskVolume{level}", 20 + level)
    return tick


def number(value):
    return None if value == MISSING else value


def payload(tick, seq):
    """The dict of one tick, without what is missing."""
    stamp = datetime.strptime(f"{tick.ActionDay} {tick.UpdateTime}", "%Y%m%d %H:%M:%S")
    stamp = stamp.replace(microsecond=tick.UpdateMillisec * 1000, tzinfo=SHANGHAI)
    data = {
        "vt_symbol": f"{tick.InstrumentID}.SHFE", "symbol": tick.InstrumentID, "exchange": "SHFE",
        "timestamp": stamp.isoformat(timespec="milliseconds"), "trading_day": tick.TradingDay,
        "action_day": tick.ActionDay, "last_price": number(tick.LastPrice), "volume": tick.Volume,
        "turnover": number(tick.Turnover), "open_interest": number(tick.OpenInterest),
        "open_price": number(tick.OpenPrice), "high_price": number(tick.HighestPrice),
        "low_price": number(tick.LowestPrice), "pre_close": number(tick.PreClosePrice),
        "pre_settlement_price": number(tick.PreSettlementPrice),
        "pre_open_interest": number(tick.PreOpenInterest),
        "close_price": number(tick.ClosePrice), "settlement_price": number(tick.SettlementPrice),
        "average_price": number(tick.AveragePrice), "limit_up": number(tick.UpperLimitPrice),
        "limit_down": number(tick.LowerLimitPrice),
    }
    for level in range(1, 6):
        data[f"bid_price_{level}"] = number(getattr(tick, f"BidPrice{level}"))
        data[f"bid_volume_{level}"] = getattr(tick, f"BidVolume{level}")
        data[f"ask_price_{level}"] = number(getattr(tick, f"AskPrice{level}"))
        data[f"ask_volume_{level}"] = getattr(tick, f"AskVolume{level}")
    data["local_time"] = datetime.now(SHANGHAI).isoformat()
    data["seq"] = seq
    data["source"] = "ctp"
    data = {key: value for key, value in data.items() if value is not None}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


async def main(url, messages):
    ticks = [field(at) for at in range(1000)]
    client = await nats.connect(url)
    started = time.perf_counter()
    for seq in range(messages):
        tick = ticks[seq % 1000]
        await client.publish(f"market.tick.SHFE.{tick.InstrumentID}", payload(tick, seq))
    await client.flush()
    print(time.perf_counter() - started)
    await client.close()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
