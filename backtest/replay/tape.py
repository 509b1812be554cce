"""A recorded or simulated market as one time axis of events.

The axis merges published chains with price bars. Between two chains, a forward is the
bar's price times the basis of the last chain and a volatility is the last one published:
what was known at the time. Only with ``interpolate`` (a look-ahead, for comparison with
studies that do the same) are both interpolated in time between chains.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gammacore import _core
from gammacore.array_types import Floats, Ints
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.data import Chains, Funding, Prices
from gammacore.data.delivery import delivery_from_prices
from gammacore.daycount import NS_PER_SECOND, SETTLEMENT_WINDOW_NS
from gammacore.errors import DataError
from gammacore.events import ChainSlice, IndexPrice, Snapshot
from gammacore.settlement import clock_factor, expected_delivery, years_left
from gammacore.volatility.estimate import AnyEstimate
from gammacore.volatility.index_history import IndexHistory
from gammacore.volatility.smile import Stickiness

from .chain_forwards import forwards_of, recorded_index
from .contract_rows import ContractRows
from .next_bars import NextBars, next_bars
from .smile import smile_slopes

FRESH_NS = 90 * NS_PER_SECOND


class Settled(NamedTuple):
    """A delivery price and where it comes from.

    ``spot`` is the price of the underlying at that moment where the tape has none of the last 90 seconds:
    the delivery price is the best there is. None where it has one.
    """

    price: float
    source: str
    spot: float | None


class Tape:
    """The time axis of a replay.

    Parameters
    ----------
    chains : Chains
        Option chains of one currency.
    prices : Prices, optional
        Price bars of the underlying; without them the chains' own index is the price.
    funding : Funding, optional
        Funding of the perpetual.
    delivery : mapping of expiry_ns to USD, optional
        Known delivery prices.
    linear : bool
        Value inverse options in USD at their forward, as if they were linear.
    forward : {'recorded', 'parity'}
        Forward of an expiry: median of the recorded ones, or implied by put-call parity.
    interpolate : bool
        Interpolate basis and volatility between chains (look-ahead).
    averaging : bool
        Deliver at the 30-minute average, and value options as what they are then: of an average.
    estimate : AnyEstimate, optional
        Of volatility, published with every price; none if not given.
    stickiness : 'minimum_variance' or float, optional
        How volatilities of fixed strikes move with the forward, see
        :func:`gammacore.volatility.smile.smile_slopes`; none published if not given.
    dvol : IndexHistory, optional
        The exchange's volatility index, published with every chain.
    forecast : str
        What ``signal.forecast: auto`` is on this data; empty where nobody asked.

    Attributes
    ----------
    ts_ns, index, interest : arrays, shape (n,)
        Time, price of the underlying, funding accumulator of every entry: what decisions may know of.
    owed : array, shape (n,)
        Funding accumulator by the final rate of every period, spread evenly over it: for profits.
    chain_entries : array
        Entries that publish a chain.
    chain_forwards : list of dict of expiry_ns to USD
        Forwards of every chain.
    """

    def __init__(
        self,
        chains: Chains,
        prices: Prices | None = None,
        funding: Funding | None = None,
        delivery: Mapping[int, float] | None = None,
        *,
        linear: bool = False,
        forward: str = "recorded",
        interpolate: bool = False,
        averaging: bool = True,
        estimate: AnyEstimate | None = None,
        stickiness: Stickiness | None = None,
        dvol: IndexHistory | None = None,
        forecast: str = "",
    ) -> None:
        if not len(chains.snapshot_ts):
            raise DataError("no option chains to replay")
        self.chains, self.prices, self.forecast = chains, prices, forecast
        self.settlement = Settlement.LINEAR if linear else chains.settlement
        self.converts = linear and chains.settlement is Settlement.INVERSE
        self.interpolate, self.averaging = interpolate, averaging
        self._delivery = dict(delivery or {})
        self.chain_forwards = forwards_of(chains, forward)
        self._contracts = ContractRows(chains)
        self._vol_cache: dict[Option, Floats] = {}
        self._marks: dict[Option, Floats] = {}
        self._basis_cache: dict[int, Floats] = {}
        self._merge()
        self.interest, self.owed = self._funding(funding)
        unknown = np.broadcast_to(np.float64(np.nan), len(self))  # no memory of its own
        self.fixed: Floats = self._fixed() if averaging else unknown
        self.estimate: Floats = unknown if estimate is None else self._estimated(estimate)
        self._slopes = None if stickiness is None else smile_slopes(chains, self.chain_forwards, stickiness)
        self._slope_cache: dict[Option, Floats] = {}
        self._dvol = dvol

    def _merge(self) -> None:
        """Build the axis: chains and bars by time, a chain before a bar of the same moment."""
        chain_ts = self.chains.snapshot_ts
        bars = self.prices
        # Bars before the first chain could not be acted upon.
        first = int(np.searchsorted(bars.ts_ns, chain_ts[0])) if bars is not None else 0
        bar_ts = bars.ts_ns[first:] if bars is not None else np.empty(0, np.int64)
        close = bars.close[first:] if bars is not None else np.empty(0)
        self.chain_index = self._chain_index(chain_ts)
        places = bar_ts.searchsorted(chain_ts)
        self.ts_ns: Ints = _core.spliced(bar_ts, places, chain_ts)
        self.index: Floats = _core.spliced(close, places, self.chain_index)
        self.chain_entries: Ints = places + np.arange(len(chain_ts))
        self._chain_starts: list[int] = self.chain_entries.tolist()

    def _chain_index(self, chain_ts: Ints) -> Floats:
        """Price of the underlying at each chain: a fresh bar, so that no two sources mix, or its own."""
        own = recorded_index(self.chains, self.chain_forwards)
        if self.prices is None or not len(self.prices.ts_ns):
            return own
        last = np.searchsorted(self.prices.ts_ns, chain_ts, side="right") - 1
        fresh = (last >= 0) & (chain_ts - self.prices.ts_ns[np.maximum(last, 0)] <= FRESH_NS)
        return np.where(fresh, self.prices.close[np.maximum(last, 0)], own)

    def _estimated(self, estimate: AnyEstimate) -> Floats:
        """Estimate at every entry; it knows the bars before the first chain, too."""
        bars, first = self.prices, self.ts_ns[0]
        early = np.flatnonzero(bars.ts_ns < first) if bars is not None else np.empty(0, np.int64)
        ts, price = self.ts_ns, self.index
        if bars is not None and early.size:
            ts, price = np.concatenate([bars.ts_ns[early], ts]), np.concatenate([bars.close[early], price])
        return estimate.series(ts, price)[early.size :]

    def _funding(self, funding: Funding | None) -> tuple[Floats, Floats]:
        """Funding accumulators: as known at the time, and as owed by the final rates.

        A period's rate is its final sum, published at its end. Until then the rate of the period before
        accrues in its place, for one period at most; the publication replaces it by what was owed.
        """
        if funding is None:
            nothing = np.zeros(len(self))
            return nothing, nothing
        unit = 1.0 / self.index[:-1] if self.settlement is Settlement.INVERSE else self.index[:-1]
        units = np.concatenate([[0.0], np.cumsum(np.diff(self.ts_ns) / funding.period_ns * unit)])

        def until(ts_ns: Ints) -> Floats:  # owed at a rate of 1 a period; linear between entries
            return np.asarray(np.interp(ts_ns, self.ts_ns, units))

        rate, starts = funding.rate, funding.ts_ns - funding.period_ns
        settled = np.concatenate([[0.0], np.cumsum(rate * (until(funding.ts_ns) - until(starts)))])
        published = np.searchsorted(funding.ts_ns, self.ts_ns, side="right")
        last, following = np.maximum(published - 1, 0), np.minimum(published, len(rate) - 1)
        current = (published > 0) & (self.ts_ns < funding.ts_ns[last] + funding.period_ns)
        known = np.where(current, rate[last] * (units - until(funding.ts_ns[last])), 0.0)
        begun = (published < len(rate)) & (self.ts_ns > starts[following])
        owed = np.where(begun, rate[following] * (units - until(starts[following])), 0.0)
        return settled[published] + known, settled[published] + owed

    def _fixed(self) -> Floats:
        """Average of the index since the settlement window of an expiry began, NaN outside of windows.

        The index moves in a straight line from one entry to the next.
        """
        fixed, ts = np.full(len(self), np.nan), self.ts_ns
        for expiry_ns in np.unique(self.chains.expiry_ns).tolist():
            opens = expiry_ns - SETTLEMENT_WINDOW_NS
            i, j = np.searchsorted(ts, (opens, expiry_ns), side="right").tolist()
            if i == j:
                continue
            first = np.interp(opens, ts[max(i - 1, 0) : i + 1], self.index[max(i - 1, 0) : i + 1])
            price, at = np.append(first, self.index[i:j]), np.append(opens, ts[i:j])
            area = np.cumsum(0.5 * (price[1:] + price[:-1]) * np.diff(at))
            fixed[i:j] = area / (ts[i:j] - opens)
        return fixed

    def __len__(self) -> int:
        return len(self.ts_ns)

    @cached_property
    def last_chain(self) -> Ints:
        """Number of the last chain published at or before each entry."""
        lengths = np.diff(self.chain_entries, append=len(self))
        return np.repeat(np.arange(len(lengths)), lengths)

    def chain_before(self, i: int) -> int:
        """Return the number of the last chain published at or before entry ``i``."""
        return bisect_right(self._chain_starts, i) - 1

    def next_chain(self, i: int) -> int:
        """First entry after ``i`` that publishes a chain, or the end."""
        number = bisect_right(self._chain_starts, i)
        return self._chain_starts[number] if number < len(self._chain_starts) else len(self)

    @cached_property
    def chain_at(self) -> Ints:
        """Number of the chain that each entry publishes, -1 for a bar."""
        published = np.full(len(self), -1)
        published[self.chain_entries] = np.arange(len(self.chain_entries))
        return published

    @cached_property
    def look_ns(self) -> int | None:
        """Time between two prices that a hedge rule sees: the median; None where there is but one."""
        longest, times = _core.longest_step(self.ts_ns)
        if 2 * times > len(self) - 1:  # of more than half, whatever the others are
            return longest or None
        steps = np.diff(self.ts_ns)
        steps = steps[steps > 0]
        return int(np.median(steps)) if len(steps) else None

    @cached_property
    def next_bars(self) -> NextBars:
        """The bar after each entry, for orders that rest."""
        return next_bars(self.ts_ns, self.index, self.prices)

    def publishes(self, i: int) -> bool:
        """Whether an entry publishes a chain."""
        return self._chain_starts[self.chain_before(i)] == i

    def snapshot(self, i: int) -> Snapshot:
        """Event of an entry that publishes a chain."""
        number = self.chain_before(i)
        rows = slice(*self.chains.offsets[number : number + 2].tolist())
        chains = self.chains
        forwards = self.chain_forwards[number]
        expiry = chains.expiry_ns[rows]
        unit: Floats | float = 1.0
        if self.converts:
            unit = np.array([forwards.get(int(e), np.nan) for e in expiry])
        return Snapshot(
            int(self.ts_ns[i]),
            ChainSlice(
                base=chains.base,
                settlement=self.settlement,
                index=float(self.chain_index[number]),
                forwards=forwards,
                expiry_ns=expiry,
                strike=chains.strike[rows],
                kind=chains.kind[rows],
                bid=chains.bid[rows] * unit,
                ask=chains.ask[rows] * unit,
                mark=chains.mark[rows] * unit,
                iv=chains.iv[rows],
                slope=None if self._slopes is None else self._slopes[rows],
                bid_size=chains.bid_size[rows],
                ask_size=chains.ask_size[rows],
            ),
            float(self.interest[i]),
            float(self.estimate[i]),
            float(self.fixed[i]),
            *(() if self._dvol is None else self._dvol.at(int(self.ts_ns[i]))),
        )

    def price(self, i: int) -> IndexPrice:
        """Event of an entry that is a price bar."""
        return IndexPrice(
            self.ts_ns.item(i),
            self.index.item(i),
            self.interest.item(i),
            self.estimate.item(i),
            self.fixed.item(i),
        )

    def at_chains(self, values: Floats, i: int, j: int, expiry_ns: int | None = None) -> Floats:
        """Bring per-chain values (NaN where unknown) to entries i..j: last known or interpolated.

        Interpolated values of an expiry stand still in its settlement window.
        """
        level = self._level(values, i, j, expiry_ns)
        return np.full(j - i, level) if isinstance(level, float) else level

    def _level(self, values: Floats, i: int, j: int, expiry_ns: int | None = None) -> float | Floats:
        """Do the same, but say one number where the last known is the same at all entries."""
        if self.interpolate:
            known = np.flatnonzero(np.isfinite(values))
            if not known.size:
                return np.nan
            at = self.ts_ns[i:j]
            if self.averaging and expiry_ns is not None:
                at = np.minimum(at, expiry_ns - SETTLEMENT_WINDOW_NS)
            return np.interp(at, self.chains.snapshot_ts[known], values[known])
        return self._known(values, i, j)

    def _known(self, values: Floats, i: int, j: int) -> float | Floats:
        """Last known of per-chain values at entries i..j; one number where it is the same at all of them."""
        if j <= i:
            return np.empty(0)
        first, last = self.chain_before(i), self.chain_before(j - 1)
        level = _last_known(values, first)
        later = values[first + 1 : last + 1]
        if all(value == level or not math.isfinite(value) for value in later.tolist()):
            return level
        return _carried(np.append(level, later))[self.last_chain[i:j] - first]

    def forward(self, expiry_ns: int, i: int, j: int) -> Floats:
        """Forward of an expiry at entries i..j; in the settlement window of the average it delivers at."""
        traded = self.underlying(expiry_ns, i, j)
        if not (self.averaging and j > i and expiry_ns - self.ts_ns[j - 1] < SETTLEMENT_WINDOW_NS):
            return traded
        return np.asarray(expected_delivery(traded, expiry_ns - self.ts_ns[i:j], self.fixed[i:j]))

    def underlying(self, expiry_ns: int, i: int, j: int) -> Floats:
        """Forward of an expiry as it trades at entries i..j."""
        if expiry_ns not in self._basis_cache:
            numbers, forwards = self._forwards.get(expiry_ns, ([], []))
            basis = self._contracts.nothing.copy()
            basis[numbers] = forwards / self.chain_index[numbers]
            self._basis_cache[expiry_ns] = basis
        return self.index[i:j] * self._level(self._basis_cache[expiry_ns], i, j)

    @cached_property
    def _forwards(self) -> dict[int, tuple[list[int], list[float]]]:
        """Chains that have a forward of each expiry, and the forwards."""
        found: dict[int, tuple[list[int], list[float]]] = {}
        for number, forwards in enumerate(self.chain_forwards):
            for expiry_ns, forward in forwards.items():
                numbers, values = found.setdefault(expiry_ns, ([], []))
                numbers.append(number)
                values.append(forward)
        return found

    def iv(self, option: Option, i: int, j: int) -> Floats:
        """Mark volatility of an option as it was quoted, at entries i..j."""
        return self.at_chains(self._contracts.quoted(option, self.chains.iv), i, j)

    def vol(self, option: Option, i: int, j: int) -> Floats:
        """Volatility of an option's mark at entries i..j, on the clock of :meth:`tau`; see `Market`."""
        return self.at_chains(self.chain_vols(option), i, j, option.expiry_ns)

    def vols(self, option: Option, i: int, j: int) -> float | Floats:
        """Say the same; one number where it is the same at all entries."""
        return self._level(self.chain_vols(option), i, j, option.expiry_ns)

    def chain_vols(self, option: Option) -> Floats:
        """Volatility of an option's mark in every chain as :meth:`vol` has it, NaN where there is none."""
        if option not in self._vol_cache:
            self._vol_cache[option] = self._on_clock(option, self._contracts.quoted(option, self.chains.iv))
        return self._vol_cache[option]

    def _on_clock(self, option: Option, quoted: Floats) -> Floats:
        """Bring quoted values of an option to the clock of the average; those of its window do not count."""
        if not self.averaging:
            return quoted
        values: Floats = quoted * clock_factor(option.expiry_ns - self.chains.snapshot_ts)
        return values if np.isfinite(values).any() else quoted

    def slope(self, option: Option, i: int, j: int) -> Floats:
        """Change of an option's volatility with the logarithm of its forward at entries i..j.

        That of the last chain, whatever is interpolated: a publication between chains has none.
        """
        if self._slopes is None:
            return np.zeros(j - i)
        if option not in self._slope_cache:
            self._slope_cache[option] = self._on_clock(option, self._contracts.quoted(option, self._slopes))
        level = self._known(self._slope_cache[option], i, j)
        return np.full(j - i, level) if isinstance(level, float) else level

    @cached_property
    def _published(self) -> Ints:
        """Entries at the moment of a chain: the chain's own, and a bar of the same time."""
        ends = np.searchsorted(self.ts_ns, self.chains.snapshot_ts, side="right")
        counts = ends - self.chain_entries
        return np.arange(counts.sum()) + np.repeat(ends - np.cumsum(counts), counts)

    def published_marks(self, option: Option, i: int, j: int) -> tuple[Ints, Floats]:
        """Entries between i and j at which a mark was published, and the marks in the accounting currency."""
        if option not in self._marks:
            rows, numbers = self._contracts.rows(option)
            marks = self._contracts.nothing.copy()
            unit: Floats | float = 1.0
            if self.converts:
                unit = np.array([self.chain_forwards[n].get(option.expiry_ns, np.nan) for n in numbers])
            marks[numbers] = self.chains.mark[rows] * unit
            self._marks[option] = marks
        first, last = self._published.searchsorted((i, j))
        entries = self._published[first:last]
        marks = self._marks[option][self.chain_entries.searchsorted(entries, side="right") - 1]
        known = np.isfinite(marks)
        return entries[known], marks[known]

    def recorded_marks(self, option: Option, i: int, j: int) -> Floats:
        """Return the marks published at entries i..j in the accounting currency, NaN where there is none."""
        entries, marks = self.published_marks(option, i, j)
        recorded = np.full(j - i, np.nan)
        recorded[entries - i] = marks
        return recorded

    def tau(self, expiry_ns: int, i: int, j: int) -> Floats:
        """Years to expiry at entries i..j, see :meth:`years`."""
        return self.years(expiry_ns, self.ts_ns[i:j])

    def years(self, expiry_ns: int, ts_ns: Ints) -> Floats:
        """Years to expiry, not below zero; less what the average takes, see :class:`Market`."""
        return years_left(expiry_ns, ts_ns, averaging=self.averaging)

    def forward_later(self, expiry_ns: int, i: int, ts_ns: int) -> float:
        """Forward of an expiry at a time between entry ``i`` and the next, at the prices of that entry."""
        traded = float(self.underlying(expiry_ns, i, i + 1)[0])
        if not self.averaging:
            return traded
        return float(expected_delivery(traded, expiry_ns - ts_ns, float(self.fixed[i])))

    def future_listed(self, expiry_ns: int, i: int) -> bool:
        """Whether the last chain at entry ``i`` took an expiry's forward from a listed future."""
        number = self.chain_before(i)
        rows = slice(*self.chains.offsets[number : number + 2])
        return not self.chains.synthetic[rows][self.chains.expiry_ns[rows] == expiry_ns].any()

    def future_price(self, instrument: Future | Perpetual, i: int, j: int) -> Floats:
        """Mark of a hedge instrument at entries i..j."""
        return self.forward(instrument.expiry_ns, i, j) if isinstance(instrument, Future) else self.index[i:j]

    def tell(self, prices: Mapping[int, float]) -> None:
        """Take over delivery prices that an account was told, where no file has them."""
        self._delivery = dict(prices) | self._delivery

    def delivery(self, expiry_ns: int) -> Settled | None:
        """Delivery price of an expiry, None if the tape ends before it."""
        after = int(self.ts_ns.searchsorted(expiry_ns, side="right"))
        fresh = after > 0 and expiry_ns - self.ts_ns[after - 1] <= FRESH_NS
        found = self._delivery_price(expiry_ns, after, fresh)
        return None if found is None else Settled(*found, None if fresh else found[0])

    def _delivery_price(self, expiry_ns: int, after: int, fresh: bool) -> tuple[float, str] | None:
        """Price and source; entry ``after`` is the first later one, the one before it may be fresh."""
        if expiry_ns in self._delivery:
            return self._delivery[expiry_ns], "file"
        if after == 0 or (after == len(self) and not fresh):
            return None
        if self.averaging and self.prices is not None:
            average = delivery_from_prices(self.prices, expiry_ns)
            if np.isfinite(average):
                return float(average), "average"
        if fresh:
            return float(self.index[after - 1]), "last"
        # A fact of the past for which only neighbours were recorded: no decision depends on it.
        around = slice(after - 1, after + 1)
        return float(np.interp(expiry_ns, self.ts_ns[around], self.index[around])), "interpolated"

    def spot_at_delivery(self, expiry_ns: int, i: int) -> float:
        """Price of the underlying when an expiry that entry ``i`` comes before is delivered."""
        settled = self.delivery(expiry_ns)
        return float(self.index[i]) if settled is None or settled.spot is None else settled.spot


def _last_known(values: Floats, at: int) -> float:
    """Latest finite value at or before a place, NaN if there is none."""
    while at >= 0 and not math.isfinite(values.item(at)):
        at -= 1
    return values.item(at) if at >= 0 else math.nan


def _carried(values: Floats) -> Floats:
    """Every value that is not finite replaced by the last one that is."""
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), -1))
    return np.where(last >= 0, values[np.maximum(last, 0)], np.nan)
