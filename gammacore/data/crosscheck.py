"""Series of a store held against each other: chains and quotes against bars, funding against its unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gammacore.array_types import Array
from gammacore.contracts import CALL, Option
from gammacore.daycount import NS_PER_HOUR, NS_PER_YEAR, format_time

from .impossible import Day, Found
from .soundness import (
    CheckResult,
    bars_against_forwards,
    shift_of_hours,
    spikes,
    units_of_funding,
    units_of_iv,
)

__all__ = ["Series", "against_marks"]

Parts = dict[tuple[str, str, int], list[tuple[Array, Array]]]  # by currency, name and length of bars

HIGHEST_DVOL = 5.0  # 500 %; the highest of 2021 to 2026 is 1.7

NAMES = {
    "bars against the chains' forwards, |ln|": "off the bars",
    "chains' clock against the bars, hours": "shifted",
    "bars that jump and come back, |ln|": "spike",
    "funding a year, mean |rate|": "funding unit",
}


def against_marks(day: Day) -> Iterator[Found]:
    """Hold the volatilities of a day of chains or tickers against its marks, and both against their units."""
    if day.kind == "dvol":
        known = day.rows["close"][np.isfinite(day.rows["close"])]
        if known.size and np.median(known) > HIGHEST_DVOL:
            why = f"a median of {np.median(known):g}: percent, where fractions are needed"
            yield Found("iv unit", known.size, day.names[0], format_time(day.ts_ns[0]), why)
        return
    column = {"chains": "implied_volatility", "tickers": "mark_iv"}.get(day.kind)
    options = [one if isinstance(one, Option) else None for one in day.instruments]
    if column is None or not any(options) or not day.ts_ns.size:
        return
    kind = day.each([one.kind if one else CALL for one in options], np.int8)
    strike = day.each([one.strike if one else np.nan for one in options], np.float64)
    expiry = day.each([one.expiry_ns if one else 0 for one in options], np.int64)
    linear = day.currency in ("USDC", "USDT")
    rows, tau = day.rows, (expiry - day.ts_ns) / NS_PER_YEAR
    verdict = units_of_iv(
        kind, rows["mark_price"], rows["underlying"], strike, tau, rows[column], day.ts_ns, in_coin=not linear
    )
    if not verdict.sound:
        yield Found("iv unit", verdict.count, day.names[0], format_time(verdict.ts_ns), verdict.why)


class Series:
    """Collects, day by day, what is held against each other at the end."""

    def __init__(self) -> None:
        self._bars: Parts = {}
        self._funding: Parts = {}
        self._prices: dict[str, Parts] = {
            kind: {} for kind in ("chains", "quotes", "tickers", "index", "delivery")
        }

    def add(self, day: Day) -> None:
        """Take in the rows of a day; days of a kind and currency come in order."""
        rows = day.rows
        if day.kind == "candles":
            for k, part in day.groups():
                for width in np.unique(rows["interval_ns"][part]):
                    of = part[rows["interval_ns"][part] == width]
                    kept = (rows["ts_ns"][of] + width, rows["close"][of])
                    self._bars.setdefault((day.currency, day.names[k], int(width)), []).append(kept)
        elif day.kind == "funding":
            for k, part in day.groups():
                kept = (rows["ts_ns"][part], rows["funding_rate"][part])
                self._funding.setdefault((day.currency, day.names[k], 0), []).append(kept)
        elif day.kind == "chains" and day.ts_ns.size:
            for coin, kept in _next_forwards(day).items():
                self._prices["chains"].setdefault((day.currency, coin, 0), []).append(kept)
        elif day.kind in ("index", "delivery"):
            price = rows["price" if day.kind == "index" else "delivery_price"]
            for k, part in day.groups():
                kept = (rows["ts_ns"][part], price[part])
                self._prices[day.kind].setdefault((day.currency, day.names[k], 0), []).append(kept)
        elif day.kind in ("quotes", "tickers"):
            for k, part in day.groups():
                if not isinstance(day.instruments[k], Option):
                    middle = 0.5 * (rows["bid_price"][part] + rows["ask_price"][part])
                    kept = (rows["ts_ns"][part], middle)
                    self._prices[day.kind].setdefault((day.currency, day.names[k], 0), []).append(kept)

    def found(self, kind: str, currency: str) -> Iterator[tuple[int, Found]]:
        """Faults of the series of a kind and currency, with their times; after all kinds were added."""
        if kind == "candles":
            for name, parts in _of(self._bars, currency):
                ts_ns, close = _joined(parts)
                yield from _told(name, spikes(ts_ns, close))
        elif kind == "funding":
            for name, parts in _of(self._funding, currency):
                ts_ns, rate = _joined(parts)
                period = int(np.median(np.diff(ts_ns))) if ts_ns.size > 1 else NS_PER_HOUR
                yield from _told(name, units_of_funding(ts_ns, rate, max(period, 1)))
        for name, parts in _of(self._prices.get(kind, {}), currency):
            bars = self._bars_of(_coin(name))
            if bars is None:
                continue
            ts_ns, price = _joined(parts)
            yield from _told(name, bars_against_forwards(*bars, ts_ns, price))
            if kind == "chains":
                yield from _told(name, shift_of_hours(*bars, ts_ns, price))

    def _bars_of(self, coin: str) -> tuple[Array, Array] | None:
        """Bars of a coin: the shortest, and of these the longest series."""
        fitting = [key for key in self._bars if _coin(key[1]) == coin]
        if not fitting:
            return None
        best = min(fitting, key=lambda key: (key[2], -sum(part[0].size for part in self._bars[key])))
        return _joined(self._bars[best])


def _of(series: Parts, currency: str) -> Iterator[tuple[str, list[tuple[Array, Array]]]]:
    """Name and parts of the series of a currency."""
    yield from ((key[1], parts) for key, parts in series.items() if key[0] == currency)


def _told(name: str, verdict: CheckResult) -> Iterator[tuple[int, Found]]:
    if not verdict.sound:
        check = NAMES[verdict.check]
        yield verdict.ts_ns, Found(check, verdict.count, name, format_time(verdict.ts_ns), verdict.why)


def _joined(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    ts_ns, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(ts_ns, kind="stable")
    return ts_ns[order], values[order]


def _coin(name: str) -> str:
    """Coin of an instrument or index, also of another exchange's pair: BTC of BTC-PERPETUAL and BTCUSDT."""
    head = name.upper().partition("-")[0].partition("_")[0]
    for quote in ("USDT", "USDC", "USD"):
        head = head.removesuffix(quote) or head
    return head


def _next_forwards(day: Day) -> dict[str, tuple[Array, Array]]:
    """Forward of the next expiry of each chain, by coin."""
    options = [one if isinstance(one, Option) else None for one in day.instruments]
    expiry = day.each([one.expiry_ns if one else 0 for one in options], np.int64)
    forward = day.rows["underlying"]
    found = {}
    for coin in sorted({one.base for one in options if one}):
        of = day.each([bool(one and one.base == coin) for one in options], bool)
        rows = np.flatnonzero(of & (expiry > day.ts_ns) & np.isfinite(forward))
        rows = rows[np.lexsort((expiry[rows], day.ts_ns[rows]))]
        if rows.size:
            first = np.flatnonzero(np.diff(day.ts_ns[rows], prepend=-1))
            found[coin] = (day.ts_ns[rows][first], forward[rows][first])
    return found
