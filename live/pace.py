"""How an episode moves against what was paid for it: realised volatility, volatility paid, break-even."""

from __future__ import annotations

import logging
import math

import numpy as np

from gammacore import black76, inverse
from gammacore.build import build_weigher
from gammacore.config import Config
from gammacore.contracts import Option, Settlement
from gammacore.daycount import NS_PER_MINUTE, NS_PER_YEAR
from gammacore.desk import Desk
from gammacore.episode import Episode
from gammacore.errors import GammacoreError
from gammacore.events import Event, Fill, IndexPrice, Snapshot
from gammacore.market import Market
from gammacore.strategy.signal import Signal
from gammacore.strategy.structures import Picked
from gammacore.valuation import shape

EVERY_NS = (
    NS_PER_MINUTE  # between two prices that the realised volatility counts: ticks of a mark are smoothed
)
log = logging.getLogger("gammacore.live")


class Pace:
    """Realised volatility of an episode's forward since its entry.

    The root of the mean squared logarithmic return a year, from minute to minute (and over the minute that
    has begun), without a mean; beside it the same from hedge to hedge.

    Parameters
    ----------
    ts_ns : int
        Of the entry.
    forward : float
    paid, breakeven : float
        See :func:`paid_vol` and :func:`breakeven_vol`.
    """

    def __init__(self, ts_ns: int, forward: float, paid: float, breakeven: float) -> None:
        self.entry_ns, self.paid, self.breakeven = ts_ns, paid, breakeven
        self._ts_ns, self._forward = ts_ns, forward
        self._sum = 0.0
        self._hedge_ns, self._hedge_price, self._hedge_sum = ts_ns, forward, 0.0

    def price(self, ts_ns: int, forward: float) -> None:
        """Take a price in, if a minute has passed."""
        if ts_ns - self._ts_ns >= EVERY_NS:
            self._sum += math.log(forward / self._forward) ** 2
            self._ts_ns, self._forward = ts_ns, forward

    def hedged(self, ts_ns: int, forward: float) -> None:
        """Take note of a hedge."""
        self._hedge_sum += math.log(forward / self._hedge_price) ** 2
        self._hedge_ns, self._hedge_price = ts_ns, forward

    def realised(self, ts_ns: int, forward: float) -> float:
        """Realised volatility up to now, decimal; NaN at the entry itself."""
        return _vol(self._sum + math.log(forward / self._forward) ** 2, ts_ns - self.entry_ns)

    def at_hedges(self) -> float:
        """Realised volatility that the hedges saw, up to the last one; NaN before the first."""
        return _vol(self._hedge_sum, self._hedge_ns - self.entry_ns)


class Paces:
    """Paces of all episodes, from the events that a desk has handled."""

    def __init__(self) -> None:
        self._found: dict[int, Pace] = {}
        self._weigher: Signal | None = None

    def start(self, config: Config) -> None:
        """Learn how break-evens are to be found."""
        self._weigher = self._weigher or build_weigher(config)

    def of(self, episode: Episode) -> Pace | None:
        """Pace of an open episode of which the whole entry has been filled."""
        return self._found.get(episode.number) if episode.open else None

    def take(self, event: Event, desk: Desk) -> None:
        """Take in an event; the desk has handled it."""
        market = desk.market
        if not market.index > 0:
            return
        if isinstance(event, IndexPrice | Snapshot):
            for episode in desk.portfolio.open.values():
                if (pace := self._found.get(episode.number)) is not None:
                    pace.price(market.ts_ns, market.forward(episode.expiry_ns))
        if isinstance(event, Fill):
            self._filled(event, desk)

    def _filled(self, fill: Fill, desk: Desk) -> None:
        """Begin to measure an episode once all of its entry is there, and note its hedges."""
        episode = desk.portfolio.open.get(fill.episode)
        if episode is None or not episode.open:
            return
        forward = desk.market.forward(episode.expiry_ns)
        pace = self._found.get(episode.number)
        if pace is None and fill.order_id not in episode.pending:
            paid, breakeven = self._bought(episode, desk.market)
            self._found[episode.number] = Pace(desk.market.ts_ns, forward, paid, breakeven)
        elif pace is not None and fill.instrument == episode.hedge.instrument:
            pace.hedged(fill.ts_ns, forward)

    def _bought(self, episode: Episode, market: Market) -> tuple[float, float]:
        """Volatility paid and break-even; NaN where they cannot be found: who watches must not fail."""
        paid = breakeven = math.nan
        try:
            paid = paid_vol(episode, market)
            assert self._weigher is not None
            breakeven = breakeven_vol(episode, market, self._weigher, paid)
        except (ArithmeticError, GammacoreError, LookupError, ValueError) as error:
            log.warning("no break-even", extra={"episode": episode.number, "reason": str(error)})
        return paid, breakeven


def _vol(squares: float, spent_ns: int) -> float:
    return math.sqrt(squares * NS_PER_YEAR / spent_ns) if spent_ns > 0 else math.nan


def average_entry(episode: Episode) -> dict[Option, float]:
    """Average price that the options were opened at."""
    paid: dict[Option, tuple[float, float]] = {}
    for fill in episode.option_fills():
        option = fill.instrument
        if isinstance(option, Option) and episode.entered.get(option, 0.0) * fill.amount > 0:
            cost, amount = paid.get(option, (0.0, 0.0))
            paid[option] = cost + fill.amount * fill.price, amount + fill.amount
    return {option: cost / amount for option, (cost, amount) in paid.items()}


def paid_vol(episode: Episode, market: Market) -> float:
    """Volatility at which the options that were entered are worth what they cost, by the market's forward.

    Averaged by vega over the options. NaN if a price has no volatility.
    """
    total = weights = 0.0
    for option, price in average_entry(episode).items():
        forward, tau = market.forward(option.expiry_ns), market.tau(option.expiry_ns)
        model = inverse if option.settlement is Settlement.INVERSE else black76
        vol = float(model.implied_vol(option.kind, price, forward, option.strike, tau))
        vega = float(shape(option, forward, tau, vol).vega) if math.isfinite(vol) else math.nan
        weight = abs(episode.entered[option]) * vega
        total, weights = total + weight * vol, weights + weight
    return total / weights if weights else math.nan


def breakeven_vol(episode: Episode, market: Market, weigher: Signal, forecast: float) -> float:
    """Realised volatility at which the expected profit is nil after all costs, at the last chain's quotes.

    :mod:`gammacore.breakeven`, of a unit in which the largest leg is a coin. NaN where there is none, or an
    option that is held is not quoted.
    """
    chain, held = market.chain, episode.entered
    if chain is None or not held or not math.isfinite(forecast):
        return math.nan
    rows = [chain.find(option) for option in held]
    if any(row is None for row in rows):
        return math.nan
    largest = max(map(abs, held.values()))
    unit = largest if weigher.long else -largest
    picked = Picked(tuple(row for row in rows if row is not None), tuple(a / unit for a in held.values()))
    funding = market.funding_rate(chain.settlement)
    with np.errstate(all="ignore"):
        found = weigher.weigh(chain, market.chain_ts_ns, picked, forecast, funding).breakeven
    return float(found[0]) if len(found) else math.nan
