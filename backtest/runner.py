"""Run a configuration over a tape: desk and exchange in one loop.

The loop is ``for event: exchange.observe; for order in desk.handle(event): exchange.submit``.
Bars at which the desk would decide nothing are skipped (``Desk.quiet``): handling them would
leave the same state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gammacore.attribution import Attribution, attribute
from gammacore.backtest.exchange import SimulatedExchange
from gammacore.backtest.replay import PriceBlock, Settled, Tape
from gammacore.config import Config, parse_duration
from gammacore.desk import Desk, Hedge
from gammacore.events import Delivery, Event, Timer
from gammacore.expansion import Method
from gammacore.fees import DERIBIT
from gammacore.hedging import Band, Interval, Never, Policy
from gammacore.portfolio import Episode, Portfolio
from gammacore.risk import Limits
from gammacore.strategy import EntryRule, ExitRule, GammaScalp, SizeRule

__all__ = ["Closed", "Run", "build_desk", "build_exchange", "build_policy", "replay"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WINDOW = 512  # bars looked ahead at a time: long enough to vectorise, short enough not to waste
Progress = Callable[[int, int], None]


class Closed:
    """An episode that ended, or was carried at marks, and what it traded on.

    Attributes
    ----------
    episode : Episode
    first, last : int
        Entries of the tape at which it began and ended.
    """

    def __init__(self, episode: Episode, tape: Tape, last: int, method: Method) -> None:
        self.episode, self.last = episode, last
        self.first = int(np.searchsorted(tape.ts_ns, episode.entry_ns, side="right")) - 1
        self._tape, self._method = tape, method

    @cached_property
    def attribution(self) -> Attribution:
        """Its explanation, worked out when first asked for: a sweep never asks."""
        return attribute(self.episode, self._tape, self.last, self._method)


class Run(NamedTuple):
    """Everything a report needs.

    Attributes
    ----------
    closed : list of Closed
        Episodes that traded, in order of entry; one still open at the end is carried at marks.
    skipped : int
        Episodes left out: fewer chains than ``entry.min_snapshots``, or unfinished and dropped.
    deliveries : dict of expiry_ns to Settled
    missing_quotes : int
        Orders that found no quote.
    """

    config: Config
    tape: Tape
    desk: Desk
    closed: list[Closed]
    skipped: int
    deliveries: dict[int, Settled]
    missing_quotes: int


def build_policy(config: Config) -> Policy:
    """Hedge policy of a configuration."""
    rule = config.hedge
    if rule.rule == "never" or (rule.rule == "interval" and rule.every == "never"):
        return Never()
    if rule.rule == "band":
        return Band(rule.band, to_edge=rule.to == "edge")
    if rule.rule == "snapshot":
        return Interval(0, snapshots_only=True)
    return Interval(parse_duration(rule.every, "hedge.every"))


def build_desk(config: Config) -> Desk:
    """Desk of a configuration: strategy, policy, hedge, portfolio, limits."""
    entry = config.entry
    strategy = GammaScalp(
        EntryRule(
            structure=entry.structure,
            delta=entry.delta,
            long=entry.side == "long",
            each_expiry=entry.schedule == "each_expiry",
            fridays_only=entry.expiries == "fridays",
            weekday=None if entry.weekday is None else WEEKDAYS.index(entry.weekday),
            min_days=entry.min_days,
            max_days=entry.max_days,
        ),
        SizeRule(config.size.contracts, config.size.premium_usd, config.hedge.lots),
        ExitRule(config.exit.hours_before_expiry),
    )
    fees = DERIBIT if config.costs.option_fees else None
    return Desk(
        strategy,
        build_policy(config),
        Hedge(config.hedge.instrument, config.hedge.target, config.hedge.lots),
        Portfolio(fees, financed_in_usd=config.hedge.target == "usd_neutral"),
        Limits(config.limits.max_open_episodes, config.limits.max_contracts),
        averaging=config.exit.delivery == "average",
    )


def build_exchange(config: Config) -> SimulatedExchange:
    """Exchange of a configuration."""
    costs = config.costs
    age = None if costs.max_quote_age is None else parse_duration(costs.max_quote_age)
    return SimulatedExchange(
        costs.fill,
        DERIBIT,
        option_fees=costs.option_fees,
        hedge_fee=costs.hedge_fee,
        half_spread=costs.hedge_half_spread_bp * 1e-4,
        on_ticks=config.hedge.lots,
        max_quote_age_ns=age,
        averaging=config.exit.delivery == "average",
    )


class _Replay:
    """The loop and its position on the tape."""

    def __init__(self, tape: Tape, desk: Desk, exchange: SimulatedExchange) -> None:
        self.tape, self.desk, self.exchange = tape, desk, exchange
        self.deliveries: dict[int, Settled] = {}

    def run(self, progress: Progress | None) -> None:
        """Walk the whole tape."""
        tape, i, n = self.tape, 0, len(self.tape)
        while i < n:
            self._wake(int(tape.ts_ns[i]))
            if tape.chain_at[i] >= 0:
                self._dispatch(tape.snapshot(i))
                i += 1
            else:
                i = self._bars(i, self._end_of_bars(i))
            if progress is not None:
                progress(i, n)
        self._wake(int(tape.ts_ns[-1]) + 1)

    def _dispatch(self, event: Event) -> None:
        """One event and everything that follows from it at the same moment."""
        queue = deque([event])
        while queue:
            news = queue.popleft()
            self.exchange.observe(news)
            for order in self.desk.handle(news):
                queue.extend(self.exchange.submit(order))

    def _next_wake(self) -> tuple[int | None, bool]:
        """Next delivery or deadline of what is held, and whether it is a delivery."""
        expiry = min((e.expiry_ns for e in self.desk.portfolio.open.values() if e.open), default=None)
        deadline = self.desk.next_deadline()
        if expiry is None or (deadline is not None and deadline < expiry):
            return deadline, False
        return expiry, True

    def _wake(self, until_ns: int) -> None:
        """Deliveries and deadlines before ``until_ns``, in order of time."""
        while True:
            due, is_delivery = self._next_wake()
            if due is None or due >= until_ns:
                return
            if is_delivery:
                settled = self.tape.delivery(due)
                if settled is None:  # the recording ends at this very moment, without a price
                    return
                self.deliveries[due] = settled
                self._dispatch(Delivery(due, due, settled.price))
            else:
                self._dispatch(Timer(due))

    def _end_of_bars(self, i: int) -> int:
        """End of the run of bars that starts at ``i``: the next chain or the next wake-up."""
        tape = self.tape
        j = self._next_chain[i]
        due, _ = self._next_wake()
        if due is not None:
            j = min(j, int(np.searchsorted(tape.ts_ns, due, side="right")))
        return max(j, i + 1)

    @cached_property
    def _next_chain(self) -> list[int]:
        """Entry of the next chain after each entry (the tape's length after the last)."""
        entries = np.append(np.flatnonzero(self.tape.chain_at >= 0), len(self.tape))
        following = np.searchsorted(entries, np.arange(len(self.tape)), side="right")
        return entries[following].tolist()  # type: ignore[no-any-return]

    def _bars(self, i: int, j: int) -> int:
        """Bars i..j: hand those that need a decision to the desk, skip the quiet ones."""
        block = PriceBlock(self.tape, i, j)
        while i < j:
            stop = min(j, i + WINDOW)
            quiet = self.desk.quiet(block.window(i, stop))
            i += quiet
            if i < stop:
                for event in self._bar_events(block, i):
                    self._dispatch(event)
                i += 1
            elif i == j:  # the books must know the last price before what comes next
                for event in self._bar_events(block, i - 1):
                    self.exchange.observe(event)
                    self.desk.book.apply(event)
        return j

    def _bar_events(self, block: PriceBlock, i: int) -> list[Event]:
        held = [o for e in self.desk.portfolio.open.values() for o in e.legs] if self.tape.interpolate else []
        return [*(block.ticker(option, i) for option in held), self.tape.price(i)]


def replay(config: Config, tape: Tape, progress: Progress | None = None) -> Run:
    """Run a configuration over a tape.

    Parameters
    ----------
    config : Config
    tape : Tape
    progress : callable(done, total), optional
        Called as the tape advances.

    Returns
    -------
    Run
    """
    desk, exchange = build_desk(config), build_exchange(config)
    loop = _Replay(tape, desk, exchange)
    loop.run(progress)
    closed, skipped = [], 0
    for episode in desk.portfolio.episodes:
        if not episode.entered:
            continue
        unfinished = episode.number in desk.portfolio.open
        done = _close(episode, tape, desk, config.report.attribution)
        dropped = unfinished and config.exit.unfinished == "drop"
        if dropped or _chains_seen(tape, done) < config.entry.min_snapshots:
            skipped += 1
        else:
            closed.append(done)
    return Run(config, tape, desk, closed, skipped, loop.deliveries, desk.portfolio.missing_quotes)


def _close(episode: Episode, tape: Tape, desk: Desk, method: Method) -> Closed:
    if episode.number in desk.portfolio.open:
        values = {option: desk.book.mark(option) for option in episode.legs}
        desk.portfolio.mark(episode, desk.book, values)
        last = len(tape) - 1
    else:
        last = int(np.searchsorted(tape.ts_ns, episode.end_ns, side="right")) - 1
    episode.ledger.assert_invariants()
    return Closed(episode, tape, last, method)


def _chains_seen(tape: Tape, done: Closed) -> int:
    """Chains from entry to end that listed every option held."""
    first, end = done.first, done.last + 1
    seen = tape.chain_at[first:end] >= 0
    for option in done.episode.entered:
        seen &= np.isfinite(tape.recorded_marks(option, first, end))
    return int(seen.sum())
