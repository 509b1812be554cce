"""Gives the account of a local exchange options to hedge, so that there is something to see."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gammacore.config import Config
from gammacore.contracts import CALL, Option, Settlement
from gammacore.daycount import NS_PER_DAY
from gammacore.deribit import methods as m
from gammacore.deribit.news import SummaryRow

from .client import Client
from .clock import scaled_clock
from .credentials import Credentials

EXPIRIES = 4
# Of each expiry in turn: kind (+1 call, -1 put), distance of the strike in listed strikes, amount in units.
WANTED = (
    ((1, 0, 4), (-1, 0, 4), (1, 2, -2)),
    ((-1, -1, 3), (1, 1, -2), (-1, -2, -1)),
    ((1, 0, 2), (-1, -1, -2)),
    ((1, 1, 4), (-1, -1, 2)),
)
UNIT = 0.5  # coins, or the next amount that trades
LEAST_NS = NS_PER_DAY  # to an expiry: hours before, options away from the money have no bid


def open_book(config: Config, url: str, credentials: Credentials, speed: float) -> int:
    """Trade ten options of four expiries as the holder of the account would; returns how many were filled.

    Parameters
    ----------
    config : Config
    url : str
        Of the local exchange.
    credentials : Credentials
    speed : float
        Of its clock.
    """
    client = Client(url, credentials, currencies=(config.settles_in,), clock=scaled_clock(url, speed))
    try:
        params = {"currency": config.settles_in, "kind": "option"}
        rows = client.call(m.GET_BOOK_SUMMARY_BY_CURRENCY, params)
        while not client.reconciled:
            client.call(m.GET_TIME, {})
        listed = client.call(m.GET_INSTRUMENTS, params)
        lots = {row.instrument: row.spec.min_trade_amount for row in listed if row.spec is not None}
        filled = 0
        for option, units in chosen(config, rows, client.now_ns()):
            lot = lots[option]
            amount = round(abs(units) * lot * math.ceil(round(UNIT / lot, 6)), 6)
            answer = client.call(
                m.BUY if units > 0 else m.SELL,
                {"instrument_name": option.name, "amount": amount, "type": "market"},
            )
            filled += answer.order.filled_amount > 0
        return filled
    finally:
        client.close()


def chosen(config: Config, rows: Sequence[SummaryRow], now_ns: int) -> list[tuple[Option, int]]:
    """Choose options around the money that live for another day, with signed amounts in units."""
    settlement = Settlement.LINEAR if config.linear else Settlement.INVERSE
    forwards: dict[int, float] = {}
    strikes: dict[int, set[float]] = {}
    for row in rows:
        option = row.instrument
        if isinstance(option, Option) and option.base == config.coin and option.settlement is settlement:
            forwards[option.expiry_ns] = row.forward
            strikes.setdefault(option.expiry_ns, set()).add(option.strike)
    found = []
    later = [expiry_ns for expiry_ns in sorted(strikes) if expiry_ns >= now_ns + LEAST_NS]
    for expiry_ns, legs in zip(later[:EXPIRIES], WANTED, strict=False):
        listed = sorted(strikes[expiry_ns])
        near = min(range(len(listed)), key=lambda at: abs(listed[at] - forwards[expiry_ns]))
        for kind, away, units in legs:
            strike = listed[min(max(near + away, 0), len(listed) - 1)]
            found.append((Option(config.coin, settlement, expiry_ns, strike, kind * CALL), units))
    return found
