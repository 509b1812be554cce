"""How an episode moves against what was paid for it: realised volatility, volatility paid, break-even.

Time counts as on the variance clock of the coin: a weekend, over which prices hardly move, is short, and who
holds one is not behind for it.
"""

from __future__ import annotations

import logging
import math

import msgspec
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
from gammacore.volatility.clock import VarianceClock
from gammacore.volatility.forecast_errors import coin_clock

EVERY_NS = (
    NS_PER_MINUTE  # between two prices that the realised volatility counts: ticks of a mark are smoothed
)
DAYS = 365.0  # of the year that volatilities are for
log = logging.getLogger("gammacore.live")


class Pace:
    """Realised volatility of an episode's forward since its entry.

    The root of the mean squared logarithmic return a year, from minute to minute (and over the minute that
    has begun), without a mean; beside it the same from hedge to hedge. A year is as long as the break-even
    has it: of the episode's life as much counts as spent as has passed of it on the clock.

    Parameters
    ----------
    ts_ns, end_ns : int
        Of the entry, and of the end that the break-even is for.
    forward : float
    paid, breakeven : float
        See :func:`paid_vol` and :func:`breakeven_vol`.
    clock : VarianceClock, optional
        Default: the calendar's.
    """

    def __init__(
        self,
        ts_ns: int,
        end_ns: int,
        forward: float,
        paid: float,
        breakeven: float,
        clock: VarianceClock | None = None,
    ) -> None:
        self.entry_ns, self.paid, self.breakeven = ts_ns, paid, breakeven
        self._clock, self._end_ns = clock or VarianceClock.calendar(), end_ns
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
        return self._vol(self._sum + math.log(forward / self._forward) ** 2, ts_ns)

    def at_hedges(self) -> float:
        """Realised volatility that the hedges saw, up to the last one; NaN before the first."""
        return self._vol(self._hedge_sum, self._hedge_ns)

    def _vol(self, squares: float, ts_ns: int) -> float:
        if ts_ns <= self.entry_ns:
            return math.nan
        passed, life = self._clock.elapsed(self.entry_ns, [ts_ns, self._end_ns]).tolist()
        return math.sqrt(squares / (passed / life * (self._end_ns - self.entry_ns) / NS_PER_YEAR))


class Paces:
    """Paces of all episodes, from the events that a desk has handled."""

    def __init__(self) -> None:
        self._found: dict[int, Pace] = {}
        self._weigher: Signal | None = None
        self._clock: VarianceClock | None = None

    def start(self, config: Config) -> None:
        """Learn how break-evens are to be found, and on which clock."""
        self._weigher = self._weigher or build_weigher(config)
        self._clock = coin_clock(config.coin)

    def of(self, episode: Episode) -> Pace | None:
        """Pace of an open episode of which the whole entry has been filled."""
        return self._found.get(episode.number) if episode.open else None

    def told(self, episode: Episode, market: Market) -> str:
        """Describe a pace in per cent a day, for alerts, screen and dashboard; empty where there is none."""
        pace = self.of(episode)
        if pace is None or market.ts_ns <= pace.entry_ns:
            return ""
        seen = pace.realised(market.ts_ns, market.forward(episode.expiry_ns))
        bound = "needed" if is_long(episode) else "at most"
        even = "no break-even" if math.isnan(pace.breakeven) else f"{bound} {_a_day(pace.breakeven)}"
        return f"pace {_a_day(seen)} a day, {even}"

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
            now_ns = desk.market.ts_ns
            end_ns = self._end_ns(episode, now_ns)
            self._found[episode.number] = Pace(now_ns, end_ns, forward, paid, breakeven, self._clock)
        elif pace is not None and fill.instrument == episode.hedge.instrument:
            pace.hedged(fill.ts_ns, forward)

    def _end_ns(self, episode: Episode, now_ns: int) -> int:
        """When the options are left, as the break-even has it; at least a minute from now."""
        expiry_ns = min((option.expiry_ns for option in episode.legs), default=episode.expiry_ns)
        exit_ns = expiry_ns - ((self._weigher and self._weigher.exit_before_ns) or 0)
        return exit_ns if exit_ns > now_ns else max(expiry_ns, now_ns + EVERY_NS)

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


def is_long(episode: Episode) -> bool:
    """Whether more options are held than are sold: moves are earned."""
    return sum(episode.legs.values()) > 0.0


def _a_day(vol: float) -> str:
    return f"{100 * vol / math.sqrt(DAYS):.2f} %"


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

    :mod:`gammacore.breakeven`, of as many units as the largest leg has coins. NaN where there is none, or an
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
    weigher = msgspec.structs.replace(weigher, units=largest)
    with np.errstate(all="ignore"):
        found = weigher.weigh(chain, market.chain_ts_ns, picked, forecast, funding).breakeven
    return float(found[0]) if len(found) else math.nan
