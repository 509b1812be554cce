"""Messages of the exchange, as the session receives them."""

import math

import msgspec

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.news import AccountNews, OrderNews, OrderState, TickerNews, TradeNews

PERPETUAL, CALL, PUT = parse("BTC-PERPETUAL"), parse("BTC-16JAN26-60000-C"), parse("BTC-16JAN26-60000-P")
S = NS_PER_SECOND
T0 = 1_000 * S


def ticker(instrument, bid, ask, low=0.0, high=0.0, ts=T0):
    nan = math.nan
    return TickerNews(
        ts, instrument, "open", (bid + ask) / 2, 60e3, bid, 1.0, ask, 1.0, low, high, nan, nan, 0.0, nan,
        nan, nan, nan, "", nan, nan,
    )  # fmt: skip


def order(p, state="open", filled=0.0, ts=T0, reason=""):
    side = 1 if p.amount > 0 else -1
    return OrderNews(
        ts, f"x-{p.label}", p.label, p.instrument, side, abs(p.amount), filled, math.nan, p.limit,
        OrderState(state), "limit", "", p.rests, False, reason,
    )  # fmt: skip


def trade(p, amount, number=1, ts=T0, price=None):
    return TradeNews(
        ts, f"t{number}-{p.label}", number, f"x-{p.label}", p.label, p.instrument, amount, price or p.limit,
        p.limit, 60e3, 1e-8, "BTC", "T", OrderState.OPEN, math.nan, math.nan,
    )  # fmt: skip


def perpetual(price=60_000.0, ts=T0, funding=0.0, index=60_000.0):
    made = ticker(PERPETUAL, price - 5, price + 5, ts=ts)
    return msgspec.structs.replace(made, mark=price, index=index, current_funding=funding)


def account(**changes):
    fields = {field.name: 0.0 for field in msgspec.structs.fields(AccountNews)}
    fields |= {"ts_ns": T0, "currency": "BTC", "margin_model": "segregated_sm"}
    fields |= {"portfolio_margining": False, "cross_collateral": False, "limits": None}
    return AccountNews(**(fields | {"margin_balance": 10.0} | changes))
