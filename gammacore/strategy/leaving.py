"""Whether an episode is to be closed or rolled now, and what rules must remember to say so."""

from __future__ import annotations

import math

from gammacore import black76
from gammacore.contracts import Option
from gammacore.daycount import NS_PER_HOUR, NS_PER_YEAR
from gammacore.episode import Episode
from gammacore.events import Event, Fill, Snapshot
from gammacore.market import Market
from gammacore.orders import Purpose
from gammacore.portfolio import Portfolio
from gammacore.strategy.equity import profit_of
from gammacore.strategy.exits import ExitRule, Holding, breakeven_vol, first_expiry_ns, premium_of
from gammacore.strategy.filters import VolIndex
from gammacore.strategy.gamma_scalp import Declined, Entry, GammaScalp

__all__ = ["Leaving", "Roll"]

SAMPLE_NS = NS_PER_HOUR  # between two prices of realised volatility: quotes of seconds jump without moving


class Roll:
    """When to replace an episode, and by what.

    Parameters
    ----------
    when : ExitRule
    into : GammaScalp
        Its entry rule says what is entered; that an expiry was traded before does not count.
    """

    def __init__(self, when: ExitRule, into: GammaScalp) -> None:
        self.when, self.into = when, into

    def plan(
        self, event: Snapshot, episode: Episode, funding: float, equity: float = math.nan
    ) -> Entry | Declined:
        """Position to open in place of an episode, or why there is none; changes nothing."""
        rule, ts_ns = self.into, event.ts_ns
        expiries = rule.eligible(ts_ns, event.chain, Portfolio())
        if not expiries or not rule.on_weekday(ts_ns):
            return Declined("roll.into allows no expiry that is listed now")
        index = VolIndex(event.dvol, event.dvol_rank)
        found = rule.plan(event.chain, expiries[-1], ts_ns, event.estimate, funding, index, equity)
        if isinstance(found, Entry) and {leg.instrument for leg in found.legs} == set(episode.legs):
            return Declined("roll.into chooses the options that are held")
        return found


class _Memory:
    """What rules must know of an episode's past; money as of :class:`Holding`."""

    def __init__(self, episode: Episode, market: Market) -> None:
        paid: dict[Option, float] = {}
        for fill in episode.option_fills():
            if isinstance(fill.instrument, Option):
                paid[fill.instrument] = paid.get(fill.instrument, 0.0) + fill.amount * fill.price
        self.premium = premium_of(paid.values()) or math.nan  # of nothing there are no shares
        self.peak = 0.0
        self.gamma, self.theta = gamma_theta(episode, market)
        self.breakeven = breakeven_vol(self.gamma, self.theta)
        self.start_ns = self.sampled_ns = market.ts_ns
        self.index = market.index
        self.squares = self.gained = self.paid = 0.0

    def sample(self, market: Market, gamma: float, theta: float) -> None:
        """Add what the price did since the last sample, once that is an hour ago."""
        if market.ts_ns - self.sampled_ns < SAMPLE_NS:
            return
        square = math.log(market.index / self.index) ** 2
        self.squares += square
        self.gained += 0.5 * self.gamma * square
        self.paid -= self.theta * (market.ts_ns - self.sampled_ns) / NS_PER_YEAR
        self.sampled_ns, self.index, self.gamma, self.theta = market.ts_ns, market.index, gamma, theta

    @property
    def realised(self) -> float:
        years = (self.sampled_ns - self.start_ns) / NS_PER_YEAR
        return math.sqrt(self.squares / years) if years else math.nan

    @property
    def ratio(self) -> float:
        return self.gained / self.paid if self.paid else math.nan


class Leaving:
    """Decides what is closed and rolled.

    Parameters
    ----------
    exits : ExitRule
    roll : Roll, optional

    Attributes
    ----------
    held_on : dict of int to str
        Why episodes are not rolled although a rule says so; a note, no decision depends on it.
    """

    def __init__(self, exits: ExitRule, roll: Roll | None = None) -> None:
        self.exits, self.rolls = exits, roll
        self.held_on: dict[int, str] = {}
        self._priced = exits.priced or (roll is not None and roll.when.priced)
        self._memories: dict[int, _Memory] = {}
        self._seen: dict[int, Holding] = {}  # of the chain being published

    @property
    def active(self) -> bool:
        """Whether anything is closed before its delivery."""
        return self.exits != ExitRule() or self.rolls is not None

    def note(self, event: Event, portfolio: Portfolio, market: Market) -> None:
        """Remember what an event says of the episodes held; called before any question."""
        self._seen = {}
        if not self._priced or not isinstance(event, Snapshot | Fill):
            return
        for number in [n for n in self._memories if n not in portfolio.open]:
            del self._memories[number]
        for episode in portfolio.open.values():
            if not episode.open or any(o.purpose is Purpose.ENTRY for o in episode.pending.values()):
                continue
            if first_expiry_ns(episode) <= event.ts_ns:
                continue  # waiting for its delivery
            if episode.number not in self._memories:
                self._memories[episode.number] = _Memory(episode, market)
            if isinstance(event, Snapshot):
                self._seen[episode.number] = self._look(episode, market)

    def _look(self, episode: Episode, market: Market) -> Holding:
        memory = self._memories[episode.number]
        gamma, theta = gamma_theta(episode, market)
        memory.sample(market, gamma, theta)
        value = sum(amount * market.mark(option) for option, amount in episode.legs.items())
        profit = profit_of(episode, market, value)
        memory.peak = max(memory.peak, profit)
        first = first_expiry_ns(episode)
        return Holding(
            ts_ns=market.ts_ns,
            entry_ns=episode.entry_ns,
            first_expiry_ns=first,
            legs=tuple(episode.legs.items()),
            premium=memory.premium,
            value=value,
            profit=profit,
            peak=memory.peak,
            forward=market.forward(first),
            moneyness=nearest_strike(episode, market, first),
            gamma=gamma,
            theta=theta,
            breakeven=breakeven_vol(gamma, theta),
            breakeven_entry=memory.breakeven,
            forecast=market.estimate,
            realised=memory.realised,
            gamma_over_theta=memory.ratio,
        )

    def exit(self, episode: Episode, ts_ns: int) -> str:
        """Name the rule that closes an episode now, empty if none does."""
        return self._fired(self.exits, episode, ts_ns)

    def roll(self, episode: Episode, ts_ns: int) -> str:
        """Name the rule that rolls an episode now, empty if none does."""
        return "" if self.rolls is None else self._fired(self.rolls.when, episode, ts_ns)

    def _fired(self, rule: ExitRule, episode: Episode, ts_ns: int) -> str:
        due = rule.deadline(episode)
        if due is not None and ts_ns >= due[0]:
            return due[1]
        held = self._seen.get(episode.number)
        return "" if held is None else rule.fired(held)

    def deadline(self, episode: Episode) -> int | None:
        """When a rule of time closes an episode, None if none does."""
        due = self.exits.deadline(episode)
        return None if due is None else due[0]


def gamma_theta(episode: Episode, market: Market) -> tuple[float, float]:
    """Sum up gamma and theta of the options held, in the units of :class:`Holding`."""
    gamma = theta = 0.0
    for option, amount in episode.legs.items():
        forward, tau = market.forward(option.expiry_ns), market.tau(option.expiry_ns)
        seen = black76.sensitivities(
            ("gamma", "theta"), option.kind, forward, option.strike, tau, market.vol(option)
        )
        gamma += amount * float(seen[0]) * forward**2
        theta += amount * float(seen[1])
    return gamma, theta


def nearest_strike(episode: Episode, market: Market, expiry_ns: int) -> float:
    """Return the deviations from the forward to the nearest strike of an expiry."""
    forward, root = market.forward(expiry_ns), math.sqrt(market.tau(expiry_ns))
    return min(
        abs(math.log(forward / option.strike)) / (market.vol(option) * root) if root else math.inf
        for option in episode.legs
        if option.expiry_ns == expiry_ns
    )
