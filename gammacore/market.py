"""What the desk knows of the market: index, forwards, volatilities, the last chain.

State is changed by events alone. A forward between two chains is the index times the
last known basis, a volatility is the last one published (sticky strike): nothing here
knows the future.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from gammacore.contracts import Future, Instrument, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, SETTLEMENT_WINDOW_NS
from gammacore.events import ChainSlice, Delivery, Event, Fill, IndexPrice, Snapshot, Ticker
from gammacore.settlement import averaged_tau, clock_factor, expected_delivery
from gammacore.valuation import Exposure, delta, exposure, settlement_weight, value

__all__ = ["Market"]


class Market:
    """Latest state of the market.

    Attributes
    ----------
    averaging : bool
        Whether options deliver at an average: see :mod:`gammacore.settlement`.
    ts_ns, data_ns : int
        Time of the last event, and of the last event that brought prices.
    index : float
        Price of the underlying, USD.
    interest : float
        Funding accumulator, see :class:`gammacore.events.IndexPrice`.
    chain : ChainSlice or None
        Last chain, published at ``chain_ts_ns``.
    """

    def __init__(self, averaging: bool = True) -> None:
        self.averaging = averaging
        self.ts_ns = 0
        self.data_ns = 0
        self.index = math.nan
        self.interest = 0.0
        self._older = self._newer = (0, 0.0)
        self.chain: ChainSlice | None = None
        self.chain_ts_ns = 0
        self._basis: dict[int, float] = {}
        self._vol: dict[Option, float] = {}
        self._slope: dict[Option, float] = {}
        self._iv: dict[Option, float] = {}
        self.estimate = math.nan  # of volatility, published with the prices
        self.dvol = self.dvol_rank = self.equity = math.nan  # of the last chain, see events.Snapshot
        self.fixed = math.nan  # average of the settlement window so far

    def funding_rate(self, settlement: Settlement) -> float:
        """Funding that a long perpetual paid lately, per year and as a fraction of notional.

        Over the last one to two days, 0 before a day has been seen.
        """
        since, reading = self._older
        years = (self.ts_ns - since) / NS_PER_YEAR
        if since == 0 or self.ts_ns - since < NS_PER_DAY:
            return 0.0
        unit = self.index if settlement is Settlement.INVERSE else 1.0 / self.index
        return (self.interest - reading) * unit / years

    def _note_interest(self) -> None:
        """Keep a reading of the funding accumulator that is between one and two days old."""
        if self.ts_ns - self._newer[0] >= NS_PER_DAY:
            self._older, self._newer = self._newer, (self.ts_ns, self.interest)

    def apply(self, event: Event) -> None:
        """Take over what the event says of the market."""
        self.ts_ns = event.ts_ns
        if isinstance(event, IndexPrice):
            self.data_ns = event.ts_ns
            self.index = event.price
            self.interest = event.interest
            self.estimate, self.fixed = event.estimate, event.fixed
            self._note_interest()
        elif isinstance(event, Fill):
            pass  # a trade of ours says nothing of the market
        elif isinstance(event, Snapshot):
            self._apply_chain(event)
        elif isinstance(event, Delivery):
            self.index = self.index if event.spot is None else event.spot
        elif isinstance(event, Ticker):
            self._note_vol(event.option, event.iv, event.ts_ns)
            if not self._in_window(event.option.expiry_ns, event.ts_ns):
                self._basis[event.option.expiry_ns] = event.forward / event.index

    def _apply_chain(self, event: Snapshot) -> None:
        chain = event.chain
        self.data_ns = event.ts_ns
        self.interest = event.interest
        self.estimate, self.fixed = event.estimate, event.fixed
        self.dvol, self.dvol_rank, self.equity = event.dvol, event.dvol_rank, event.equity
        self._note_interest()
        self.chain, self.chain_ts_ns, self.index = chain, event.ts_ns, chain.index
        for expiry_ns, forward in chain.forwards.items():
            if expiry_ns not in self._basis or not self._in_window(expiry_ns, event.ts_ns):
                self._basis[expiry_ns] = forward / chain.index
        # What has expired is still valued until its delivery is told.
        for option in [option for option in self._vol if option.expiry_ns < event.ts_ns - NS_PER_DAY]:
            del self._vol[option]
            self._iv.pop(option, None)
            self._slope.pop(option, None)
        for option in self._vol:
            self._read_vol(option)

    def _read_vol(self, option: Option) -> None:
        row = self.chain.find(option) if self.chain is not None else None
        if row is not None and self.chain is not None and self.chain.iv[row] > 0:
            slope = 0.0 if self.chain.slope is None else float(self.chain.slope[row])
            self._note_vol(option, float(self.chain.iv[row]), self.chain_ts_ns, slope)

    def _in_window(self, expiry_ns: int, ts_ns: int) -> bool:
        """Whether a quote is of the settlement window: of the average, by rules that nobody publishes."""
        return self.averaging and expiry_ns - ts_ns <= SETTLEMENT_WINDOW_NS

    def _note_vol(self, option: Option, iv: float, ts_ns: int, slope: float | None = None) -> None:
        """Keep a published volatility on the clock of the average; of the window, the one before it.

        The slope, which chains alone have, stays what it was where none is given.
        """
        self._iv[option] = iv
        if not self._in_window(option.expiry_ns, ts_ns):
            factor = clock_factor(option.expiry_ns - ts_ns) if self.averaging else 1.0
        elif math.isnan(self._vol.get(option, math.nan)):
            factor = 1.0
        else:
            return
        self._vol[option] = iv * factor
        if slope is not None:
            self._slope[option] = slope * factor

    def underlying(self, expiry_ns: int) -> float:
        """Forward of an expiry as it trades, USD."""
        return self.index * self._basis[expiry_ns]

    def forward(self, expiry_ns: int, ts_ns: int | None = None) -> float:
        """Forward of an expiry, USD; in the settlement window of the average that it delivers at.

        ``ts_ns`` is now if not given; a later time is looked at with the prices of now.
        """
        traded = self.underlying(expiry_ns)
        left_ns = expiry_ns - (self.ts_ns if ts_ns is None else ts_ns)
        if not self.averaging or left_ns >= SETTLEMENT_WINDOW_NS:
            return traded
        return float(expected_delivery(traded, left_ns, self.fixed))

    def iv(self, option: Option) -> float:
        """Last published mark volatility of an option as it was quoted (decimal), NaN if there was none."""
        self.vol(option)
        return self._iv.get(option, math.nan)

    def vol(self, option: Option) -> float:
        """Volatility of the last published mark of an option (decimal), NaN if there never was one.

        On the clock of :meth:`tau`: the value is that of the quoted one on the plain time to expiry.
        """
        vol = self._vol.get(option)
        if vol is None:
            self._vol[option] = math.nan
            self._read_vol(option)
            vol = self._vol[option]
        return vol

    def prices(self, option: Option) -> bool:
        """Whether the last chain has a volatility of an option."""
        row = self.chain.find(option) if self.chain is not None else None
        return row is not None and self.chain is not None and bool(self.chain.iv[row] > 0)

    def remember(self, instruments: Iterable[Instrument]) -> None:
        """Keep what is known of options that are about to be traded: the next chain may lack them."""
        for instrument in instruments:
            if isinstance(instrument, Option):
                self.vol(instrument)

    def slope(self, option: Option) -> float:
        """Change of an option's volatility with the logarithm of its forward, 0 where unknown."""
        self.vol(option)
        return self._slope.get(option, 0.0)

    def tau(self, expiry_ns: int, ts_ns: int | None = None) -> float:
        """Years to expiry (ACT/365F), not below zero; less what the average takes, if it delivers at one."""
        left_ns = expiry_ns - (self.ts_ns if ts_ns is None else ts_ns)
        return float(averaged_tau(left_ns)) if self.averaging else max(left_ns, 0) / NS_PER_YEAR

    def future_price(self, instrument: Future | Perpetual) -> float:
        """Mark of a hedge instrument: the index for a perpetual, else that expiry's forward."""
        return self.forward(instrument.expiry_ns) if type(instrument) is Future else self.index

    def exposure(self, option: Option) -> Exposure:
        """Value and deltas of an option at the last known forward and volatility."""
        expiry_ns = option.expiry_ns
        return exposure(option, self.forward(expiry_ns), self.tau(expiry_ns), self.vol(option))

    def settlement_weight(self, expiry_ns: int) -> float:
        """Share of the deltas of an expiry that its settlement window has left."""
        if not self.averaging or expiry_ns - self.ts_ns >= SETTLEMENT_WINDOW_NS:
            return 1.0
        return float(settlement_weight(expiry_ns, self.ts_ns))

    def options_delta(self, legs: Mapping[Option, float], plain: bool) -> float:
        """Delta in coin of several options: plain N(d1), or net of their own value in coin."""
        total, expiry_ns, forward, tau = 0.0, 0, 0.0, 0.0
        for option, amount in legs.items():
            if option.expiry_ns != expiry_ns:  # legs mostly share one
                expiry_ns = option.expiry_ns
                forward, tau = self.forward(expiry_ns), self.tau(expiry_ns)
            total += amount * delta(option, forward, tau, self.vol(option), plain)
        return total

    def published_mark(self, option: Option) -> float:
        """Mark that the chain has of an option, NaN if there is none or later news of prices."""
        if self.chain is None or self.data_ns != self.chain_ts_ns:
            return math.nan
        row = self.chain.find(option)
        mark = math.nan if row is None else float(self.chain.mark[row])
        return mark if math.isfinite(mark) else math.nan

    def mark(self, option: Option) -> float:
        """Mark of an option: the published one while it is the latest news, else the model's."""
        self.vol(option)  # noted even where it is not needed now: the next chain may lack it
        published = self.published_mark(option)
        return self.model_mark(option) if math.isnan(published) else published

    def model_mark(self, option: Option, ts_ns: int | None = None) -> float:
        """Value of an option by the model, now or at a later time at the prices of now."""
        case = self.forward(option.expiry_ns, ts_ns), self.tau(option.expiry_ns, ts_ns), self.vol(option)
        return float(value(option, *case))
