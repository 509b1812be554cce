"""Episodes as they are held without a hedge, prepared to be hedged by many policies.

What is held does not depend on how it is hedged. So one replay without hedging finds the episodes, where
each may be hedged, at which costs, and what its options are worth meanwhile.
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np

from gammacore import _replay
from gammacore.array_types import Floats
from gammacore.contracts import Future
from gammacore.episode import Episode, HedgePosition
from gammacore.ledger import Account
from gammacore.netting import NettedPortfolio
from gammacore.strategy.exits import OF_HEDGE

from ..replay.compiled import CompiledHedger
from ..replay.price_block import PriceBlock
from ..replay.runs import EpisodeRun, Run
from ..replay.tape import Tape


class HeldEpisode(NamedTuple):
    """One episode between its entry and its end.

    ``start`` is the first entry of the tape at which it may be hedged; ``parts`` are the runs from there
    in which it may be, cut where decisions wait for another episode's delivery and where fees change.
    """

    done: EpisodeRun
    block: PriceBlock
    start: int
    parts: list[tuple[slice, _replay.Contract]]
    heir: bool  # takes the hedge of the one before over
    cash: tuple[int, int]
    closing: _replay.Contract  # with the fees of its end
    last: tuple[float, float, float]  # price, rate and funding accumulator of its end
    options: Episode  # the same options without a hedge, for what prices them
    value: Floats  # of the options, at every entry

    @property
    def end_ns(self) -> int:
        """When its hedge is closed."""
        return max(self.done.episode.close_ns, self.done.episode.entry_ns)

    @property
    def delivered(self) -> bool:
        """Whether its options were delivered."""
        return self.done.episode.close_reason == "delivery"


def obstacle_to_sharing(run: Run) -> str | None:
    """Say why the episodes of a run cannot be hedged apart from its event loop, or None where they can."""
    if isinstance(run.desk.portfolio, NettedPortfolio):
        return "hedge.scope: a book has one hedge for all of them"
    rules = run.config.exit.rules
    for name in OF_HEDGE:
        if getattr(rules, name) is not None:
            return f"exit.rules.{name} looks at the hedge's profit"
    if rules.own:
        return f"exit.rules.own: {rules.own[0]} may look at the hedge's profit"
    for name in run.config.size.of_equity:
        return f"size.{name} looks at the hedge's profit"
    if run.config.size.equity is not None:
        return "size.equity: whether the account is liquidated depends on the hedge's profit"
    if run.config.roll.when.active:
        return "roll.when hands hedges over within the event loop"
    if run.missing_quotes and any(done.episode.exited for done in run.episode_runs):
        return "an exit found no quote at first"
    if any(isinstance(done.episode.hedge.instrument, Future) for done in run.episode_runs):
        return "futures are delivered by the event loop only"
    if any(len(done.episode.expiries) > 1 for done in run.episode_runs):
        return "options of several expiries are delivered by the event loop only"
    if run.skipped:
        return "some episodes were left out"
    return None


def prepare(run: Run, hedger: CompiledHedger) -> list[HeldEpisode]:
    """Prepare the episodes of a run that hedged nothing.

    Parameters
    ----------
    run : Run
        By :class:`gammacore.hedging.Never`.
    hedger : CompiledHedger
        For the costs of its exchange.
    """
    episodes: list[HeldEpisode] = []
    for done in run.episode_runs:
        episodes.append(_prepared(run, hedger, done, episodes[-1] if episodes else None))
    return episodes


def _prepared(run: Run, hedger: CompiledHedger, done: EpisodeRun, before: HeldEpisode | None) -> HeldEpisode:
    tape, episode = run.tape, done.episode
    start, end = done.first, done.last
    heir = (
        before is not None
        and not run.desk.strategy.entry.each_expiry
        and before.done.episode.close_reason == "delivery"
        and before.done.episode.close_ns == episode.entry_ns
    )
    if heir:  # its first decision waits for the delivery of what it replaces
        start = int(np.searchsorted(tape.ts_ns, episode.entry_ns, side="right")) - 1
    stop = end + 1
    if episode.close_reason == "delivery":
        stop = int(np.searchsorted(tape.ts_ns, episode.expiry_ns, side="left"))
    elif episode.exited and (published := _published_at(tape, episode.close_ns)) is not None:
        stop = published
    block = PriceBlock(tape, start, max(end, start) + 1)
    parts = _parts(run, hedger, done, start, stop, heir)
    options = copy(episode)
    options.hedge, options.legs = HedgePosition(episode.hedge.instrument), dict(episode.entered)
    instrument = episode.hedge.instrument
    closing = hedger.contract(instrument, max(episode.close_ns, episode.entry_ns))
    price = block.future_price(instrument)
    last = float(price[-1]), float(block.index[-1]), float(block.interest[-1])
    if episode.close_reason == "delivery":  # perpetuals alone are unwound then
        spot = tape.spot_at_delivery(episode.expiry_ns, max(end, start))
        last = spot, spot, last[2]
    value = block.options_value(options.legs)
    cash = _cash(done)
    return HeldEpisode(done, block, start, parts, heir, cash, closing, last, options, value)


def _published_at(tape: Tape, ts_ns: int) -> int | None:
    """Entry of a chain of a moment, at which what is due is closed before anything is hedged."""
    first, last = (int(np.searchsorted(tape.ts_ns, ts_ns, side)) for side in ("left", "right"))
    found = np.flatnonzero(tape.chain_at[first:last] >= 0)
    return first + int(found[0]) if found.size else None


def _parts(
    run: Run, hedger: CompiledHedger, done: EpisodeRun, start: int, stop: int, heir: bool
) -> list[tuple[slice, _replay.Contract]]:
    """Find the runs in which decisions are taken: not while a delivery is waited for."""
    ts, number = run.tape.ts_ns, done.episode.number
    waits = [
        d.episode.expiry_ns
        for d in run.episode_runs
        if d.episode.number != number
        and d.episode.close_reason == "delivery"
        and not (heir and d.episode.expiry_ns <= ts[start])
    ]
    cuts = [(int(np.searchsorted(ts, t, "left")), int(np.searchsorted(ts, t, "right"))) for t in waits]
    steps = [int(np.searchsorted(ts, step)) for step, _ in hedger.exchange.fees.steps]
    cuts = sorted(cut for cut in [*cuts, *zip(steps, steps, strict=True)] if start < cut[1] and cut[0] < stop)
    runs, first = [], start
    for a, b in [*cuts, (stop, stop)]:
        if a > first:
            contract = hedger.contract(done.episode.hedge.instrument, int(ts[first]))
            runs.append((slice(first - start, a - start), contract))
        first = max(first, b)
    # An entry is looked at with its chain, and with the bar of that moment, unless these wait for a delivery.
    if runs and not heir and runs[0][0].start == 0 and start and ts[start - 1] == ts[start]:
        runs.insert(0, (slice(0, 1), runs[0][1]))
    return runs


def _cash(done: EpisodeRun) -> tuple[int, int]:
    """Cash in units after the entry."""
    coin = usd = 0
    for entry in done.episode.ledger.entries:
        if entry.ts_ns == done.episode.entry_ns:
            sign = (entry.debit is Account.CASH) - (entry.credit is Account.CASH)
            coin, usd = coin + sign * entry.coin, usd + sign * entry.usd
    return coin, usd
