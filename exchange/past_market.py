"""The time before the exchange opened: prices, trades, deliveries, made when first asked for.

All of it follows from the seed. The minutes before the start are a path that ends at the first
index; every instrument had a trade at regular distances since it was created.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import exp, sqrt
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from gammacore import inverse
from gammacore.array_types import Floats, Ints
from gammacore.contracts import Option
from gammacore.daycount import (
    FUNDING_PERIOD_NS,
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MILLISECOND,
    NS_PER_MINUTE,
    NS_PER_YEAR,
    SETTLEMENT_WINDOW_NS,
    format_time,
)

from .catalog import Catalog, ListedContract
from .config import ExchangeConfig
from .matching import IDS_PER_MS
from .price_model import PREMIUM_REVERSION, PriceModel
from .trades import Trade

__all__ = ["MinuteSeries", "PastMarket", "PastTrades"]

KEPT_A_MINUTE = exp(-PREMIUM_REVERSION / 60.0)


class MinuteSeries(NamedTuple):
    """Minutes of one coin, past and since."""

    ts_ns: Ints
    price: Floats
    """Index."""
    mark: Floats
    """Of the perpetual."""
    paid: Floats
    """Funding accumulated, as a fraction; differences count."""
    dvol: Floats


@dataclass(frozen=True, slots=True)
class PastTrades:
    """Trades of an instrument before the start, oldest first."""

    listing: ListedContract
    ts_ms: Ints
    number: Ints
    price: Ints
    lots: Ints
    side: Ints
    mark: Floats
    index: Floats
    vol: Floats

    def trade(self, k: int) -> Trade:
        """One of them, of nobody."""
        price = int(self.price[k])
        before = int(self.price[k - 1]) if k else price
        return Trade(
            number=int(self.number[k]),
            seq=k + 1,
            listing=self.listing,
            ts_ns=int(self.ts_ms[k]) * NS_PER_MILLISECOND,
            price=price,
            lots=int(self.lots[k]),
            side=int(self.side[k]),
            tick_direction=0 if price > before else 2 if price < before else 1,
            mark=float(self.mark[k]),
            index=float(self.index[k]),
            iv=round(100.0 * float(self.vol[k]), 2),
        )


class PastMarket:
    """What was before the start.

    Parameters
    ----------
    config : ExchangeConfig
    market : PriceModel
    catalog : Catalog
    origin_ms : int
        Where the numbering of trades begins.
    """

    def __init__(self, config: ExchangeConfig, market: PriceModel, catalog: Catalog, origin_ms: int) -> None:
        self._config = config
        self._market = market
        self._catalog = catalog
        self._origin_ms = origin_ms
        self._start_ns = config.start_ns
        self._series: dict[str, MinuteSeries] = {}
        self._settled: dict[str, float] = {}
        self._trades: dict[str, PastTrades] = {}
        self._tapes: dict[tuple[str, str], tuple[Ints, list[ListedContract], Ints]] = {}

    @property
    def first_ns(self) -> int:
        """Earliest moment there is anything about."""
        return self._start_ns - self._config.history_days * NS_PER_DAY

    def _rng(self, what: str) -> np.random.Generator:
        return np.random.default_rng([self._config.seed, crc32(what.encode())])

    # Minutes

    def series(self, base: str) -> MinuteSeries:
        """Minutes of a coin from the earliest to the last that is over."""
        before = self._series.get(base)
        if before is None:
            before = self._series[base] = self._make(base)
        since = self._market.coins[base].minutes
        if not since:
            return before
        columns = [np.array(column) for column in zip(*since, strict=True)]
        return MinuteSeries(*(np.concatenate(pair) for pair in zip(before, columns, strict=True)))

    def settlement_price(self, listing: ListedContract) -> float:
        """Price of a perpetual at the last 08:00 UTC before the start, or at the earliest minute there is."""
        found = self._settled.get(listing.name)
        if found is None:
            before = self._series.get(listing.base) or self._make(listing.base)
            at = self._start_ns - (self._start_ns - 8 * NS_PER_HOUR) % NS_PER_DAY
            place = max(int(np.searchsorted(before.ts_ns, at, side="right")) - 1, 0)
            found = self._settled[listing.name] = round(float(before.mark[place]), self._digits(listing.base))
        return found

    def _digits(self, base: str) -> int:
        return self._market.coins[base].model.digits

    def _make(self, base: str) -> MinuteSeries:
        market, rng = self._market, self._rng(base)
        model = market.coins[base].model
        last = self._start_ns // NS_PER_MINUTE
        count = self._config.history_days * 1_440
        ts = NS_PER_MINUTE * np.arange(last - count, last + 1, dtype=np.int64)
        moves = model.vol * np.sqrt(NS_PER_MINUTE / NS_PER_YEAR) * rng.standard_normal(count)
        opening = market.opening[base]
        index = opening * np.exp(-np.concatenate([np.cumsum(moves[::-1])[::-1], [0.0]]))
        recorded = market.recorded.get(base)
        if recorded is not None:
            index = np.interp(ts, recorded.ts_ns, recorded.price)
        premium = model.premium_vol * _reverting(rng, count + 1)
        damper, cap = self._config.funding_damper, market.cap(base)
        rate = np.clip(np.maximum(damper, premium) + np.minimum(-damper, premium), -cap, cap)
        paid = np.cumsum(rate) * NS_PER_MINUTE / FUNDING_PERIOD_NS
        return MinuteSeries(
            ts,
            np.round(index, model.digits),
            np.round(index * (1.0 + premium), model.digits),
            paid - paid[-1],
            np.round(market.opening_dvol[base] * (1.0 + 0.01 * _reverting(rng, count + 1)), 2),
        )

    def marks(self, listing: ListedContract, ts_ns: Ints) -> tuple[Floats, Floats, Floats]:
        """Give marks of an instrument, its index and volatility at some moments of the past."""
        series = self.series(listing.base)
        index, digits = np.interp(ts_ns, series.ts_ns, series.price), self._digits(listing.base)
        if listing.expiry_ns is None:
            return (
                np.round(np.interp(ts_ns, series.ts_ns, series.mark), digits),
                np.round(index, digits),
                index * 0.0,
            )
        model = self._market.coins[listing.base].model
        tau = np.maximum(listing.expiry_ns - ts_ns, 0) / NS_PER_YEAR
        forward = index * np.exp(model.carry * tau)
        if not isinstance(listing.instrument, Option):
            return np.round(forward, digits), np.round(index, digits), index * 0.0
        option = listing.instrument
        vol = np.round(self._market.past_vols(listing.base, forward, option.strike, tau), 4)
        price = inverse.price(option.kind, forward, option.strike, tau, vol)
        return np.round(price if listing.coin_settled else price * forward, 8), np.round(index, digits), vol

    # Trades

    def trades(self, listing: ListedContract) -> PastTrades:
        """Trades of an instrument before the start."""
        found = self._trades.get(listing.name)
        if found is None:
            found = self._trades[listing.name] = self._make_trades(listing)
        return found

    def _make_trades(self, listing: ListedContract) -> PastTrades:
        count, rng = listing.past_trades, self._rng(listing.name)
        slot = np.arange(count) + rng.random(count) * 0.9
        ts_ns = listing.created_ns + (slot * listing.trade_gap_ns).astype(np.int64)
        twins = np.arange(4, count, 5)
        ts_ns[twins] = ts_ns[twins - 1]  # trades that share a millisecond
        ts_ms = ts_ns // NS_PER_MILLISECOND
        number = (ts_ms - self._origin_ms) * IDS_PER_MS + 2 * (listing.row["instrument_id"] % 4_096)
        number[twins] += 1
        mark, index, vol = self.marks(listing, ts_ns)
        side = rng.choice(np.array([-1, 1]), count)
        away = mark + side * np.maximum(np.abs(mark) * 1e-5, listing.price(1))
        typical = 10.0 if listing.kind == "option" else (20_000.0 if listing.inverse else 0.25)
        sizes = typical * rng.lognormal(0.0, 1.0, count) * listing.lot[1] / listing.lot[0]
        price = [max(listing.snap(max(p, 0.0), up=bool(s > 0)), 1) for p, s in zip(away, side, strict=True)]
        lots = np.maximum(sizes.astype(np.int64), 1)
        return PastTrades(
            listing, ts_ms, number, np.array(price, dtype=np.int64), lots, side, mark, index, vol
        )

    @cached_property
    def expired(self) -> list[ListedContract]:
        """Instruments that expired in the last days before the start."""
        return self._catalog.list_expired(self._start_ns, self.delivery_price)

    def tape(self, currency: str, kind: str) -> tuple[Ints, list[ListedContract], Ints]:
        """All trades of a currency and kind: their numbers in order, whose they are, and which of its."""
        found = self._tapes.get((currency, kind))
        if found is None:
            listings = [
                x
                for x in (*self._catalog.by_name.values(), *self.expired)
                if x.past_trades and x.belongs(currency, kind)
            ]
            listings = list({x.name: x for x in listings}.values())
            numbers = [self.trades(x).number for x in listings]
            owner = np.repeat(np.arange(len(listings)), [len(n) for n in numbers])
            place = np.concatenate([np.arange(len(n)) for n in numbers] or [np.empty(0, np.int64)])
            joined = np.concatenate(numbers or [np.empty(0, np.int64)])
            order = np.argsort(joined, kind="stable")
            found = joined[order], [listings[k] for k in owner[order]], place[order]
            self._tapes[currency, kind] = found
        return found

    # Deliveries

    def delivery_price(self, base: str, expiry_ns: int) -> float:
        """Average of the index over the half hour before a past expiry."""
        series = self.series(base)
        inside = (series.ts_ns > expiry_ns - SETTLEMENT_WINDOW_NS) & (series.ts_ns <= expiry_ns)
        return float(series.price[inside].mean())

    @cached_property
    def deliveries(self) -> dict[str, list[dict[str, Any]]]:
        """Delivery prices of every day before the start by coin, oldest first."""
        first = (self.first_ns - 8 * NS_PER_HOUR) // NS_PER_DAY + 2
        last = (self._start_ns - 8 * NS_PER_HOUR) // NS_PER_DAY
        moments = [day * NS_PER_DAY + 8 * NS_PER_HOUR for day in range(first, last + 1)]
        return {
            base: [
                {"date": format_time(moment)[:10], "delivery_price": self.delivery_price(base, moment)}
                for moment in moments
            ]
            for base in self._market.coins
        }


def _reverting(rng: np.random.Generator, count: int) -> Floats:
    """Noise of unit variance that forgets itself as fast as the premium does, by the minute."""
    value, fresh, path = 0.0, sqrt(1.0 - KEPT_A_MINUTE**2), []
    for shock in rng.standard_normal(count).tolist():
        value = KEPT_A_MINUTE * value + fresh * shock
        path.append(value)
    return np.array(path)
