"""Why a run has nothing to show: no entry, no hedge; and which entries chains had no strikes for.

In words, with the first date that would have worked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from gammacore.array_types import Ints
from gammacore.config import Config, HedgeConfig
from gammacore.daycount import format_time
from gammacore.forecasts import forecast_needs
from gammacore.portfolio import Portfolio
from gammacore.strategy import EntryRule, GammaScalp, Refusal, SizeRule
from gammacore.strategy.filters import VolIndex

from ..replay.runs import Run
from ..replay.tape import Tape
from .exposure import expose

ANY_DAYS = 10_000.0
MOST_CHAINS = 2_000  # looked at for the first that would have worked


def reasons(run: Run, hedges: Sequence[int] | Ints) -> list[str]:
    """Say why nothing was entered, or nothing hedged, and which entries were refused, and why.

    Parameters
    ----------
    run : Run
    hedges : sequence of int
        Hedges of each of its episodes.

    Returns
    -------
    list of str
        A sentence each; empty where there is something to show and nothing was refused.
    """
    desk = run.desk
    refused = _refused(list(desk.strategy.refusals.values())) + _refused(list(desk.over_margin.values()))
    refused += _not_rolled(desk.leaving.held_on)
    if not run.episode_runs:
        # With refusals and no order, these are the reason.
        return refused if refused and not desk.portfolio.episodes else [*refused, _no_episode(run)]
    most = int(np.max(hedges))
    if run.config.hedge.rule == "never" or most > 1:
        return refused
    return [*refused, _no_hedge(run) if most == 0 else _one_hedge(run)]


def _refused(refusals: list[Refusal]) -> list[str]:
    """Count the entries that chains had no strikes for, with the first of them."""
    if not refusals:
        return []
    first = min(refusals, key=lambda one: one.first_ns)
    chains, n = sum(one.chains for one in refusals), len(refusals)
    return [
        f"{chains:,} {'entry' if chains == 1 else 'entries'} of {n:,} {'expiry' if n == 1 else 'expiries'} "
        f"refused: {first.why}; first at {format_time(first.first_ns)}."
    ]


def _not_rolled(held_on: dict[int, str]) -> list[str]:
    """Say which episodes a rule would have rolled, and why they were not."""
    if not held_on:
        return []
    counts = Counter(held_on.values()).most_common(3)
    told = "; ".join(f"{reason} ({count:,})" for reason, count in counts)
    what = "1 episode" if len(held_on) == 1 else f"{len(held_on):,} episodes"
    return [f"roll.when could not roll {what}, at least at first: {told}."]


def _no_episode(run: Run) -> str:
    episodes = run.desk.portfolio.episodes
    if run.skipped:
        return (
            f"No episode is shown: {run.skipped} left out, with fewer than entry.min_snapshots "
            f"({run.config.entry.min_snapshots}) chains, or unfinished with exit.unfinished: drop."
        )
    if episodes:
        counts = Counter(episode.close_reason or "not answered" for episode in episodes).most_common(3)
        told = "; ".join(f"{reason} ({count:,})" for reason, count in counts)
        return f"No entry was filled: {len(episodes):,} were ordered and refused: {told}."
    return _never_ordered(run.config, run.tape, run.desk.strategy)


@dataclass(frozen=True)
class _Condition:
    """A condition of entries, the parameters that state it, and the strategy without it."""

    names: str
    value: str
    without: GammaScalp


def _conditions(config: Config, strategy: GammaScalp) -> list[_Condition]:
    entry, rule = config.entry, strategy.entry

    def other(**changes: object) -> GammaScalp:
        return _varied(strategy, entry=msgspec.structs.replace(rule, **changes))

    found = [
        _Condition(
            "entry.min_days and entry.max_days",
            f"{entry.min_days:g} to {entry.max_days:g}",
            other(min_days=0.0, max_days=ANY_DAYS),
        )
    ]
    if rule.weekday is not None:
        found.append(_Condition("entry.weekday", str(entry.weekday), other(weekday=None)))
    if rule.fridays_only:
        found.append(_Condition("entry.expiries", entry.expiries, other(fridays_only=False)))
    if strategy.filters:
        filters = ", ".join(filter_.name for filter_ in strategy.filters)
        found.append(_Condition("signal.when", filters, _varied(strategy, filters=())))
    if budgets := strategy.size.budgets:
        found.append(_Condition("size", ", ".join(budgets), _varied(strategy, size=SizeRule())))
    return found


def _varied(strategy: GammaScalp, **changes: object) -> GammaScalp:
    names = ("entry", "size", "exit_rule", "signal", "filters")
    return GammaScalp(**{name: getattr(strategy, name) for name in names} | changes)


def _never_ordered(config: Config, tape: Tape, strategy: GammaScalp) -> str:
    asked = strategy.signal is not None
    plain = _varied(strategy, signal=None) if asked else strategy
    conditions = _conditions(config, plain)
    span = f"{format_time(int(tape.ts_ns[0]))} to {format_time(int(tape.ts_ns[-1]))}"
    chains = f"{len(tape.chains.snapshot_ts):,} chains from {span}"
    # The signal first: it asks much, and who would not be entered without it never came to be weighed.
    if asked and (first := _first_entry(tape, plain)) is not None:
        return _declined(config, tape, chains, first)
    for condition in conditions:
        first = _first_entry(tape, condition.without)
        if first is not None:
            return (
                f"No entry: {condition.names} ({condition.value}) excludes all {chains}. "
                f"Without it the first would have been at {format_time(first)}."
            )
    anything = _varied(
        strategy,
        entry=EntryRule(min_days=0.0, max_days=ANY_DAYS, fridays_only=False),
        signal=None,
        filters=(),
    )
    first = _first_entry(tape, _varied(anything, size=SizeRule()))
    if first is not None:
        names = ", ".join(f"{condition.names} ({condition.value})" for condition in conditions)
        return (
            f"No entry: of {chains} none meets {names} together. "
            f"Without them the first would have been at {format_time(first)}."
        )
    usable = np.isfinite(tape.chains.mark) & (tape.chains.iv > 0)
    return (
        f"No entry: of {chains} none has a call and a put with mark and volatility near the money "
        f"({int(usable.sum()):,} of {len(tape.chains):,} rows have both): look at gammacore chains check."
    )


def _declined(config: Config, tape: Tape, chains: str, first_ns: int) -> str:
    """Say that the signal declined all, and what it lacked for those that it could not weigh."""
    told = ", ".join(
        f"{name} {value:g}"
        for name in ("min_probability", "min_edge")
        if (value := getattr(config.signal, name)) is not None
    )
    events = (tape.snapshot(i) for i in np.flatnonzero(tape.chain_at >= 0)[:MOST_CHAINS].tolist())
    forecasts = [event.estimate for event in events]
    unknown = sum(not (math.isfinite(one) and one > 0.0) for one in forecasts)
    without = f"Without it the first would have been at {format_time(first_ns)}."
    if unknown == len(forecasts):
        return (
            f"No entry: the signal has no forecast at any of {chains}: it needs {forecast_needs(config)}. "
            + without
        )
    lacking = f", {unknown:,} of them without a forecast" if unknown else ""
    return f"No entry: signal ({told}) excludes all {chains}{lacking}. {without}"


def _first_entry(tape: Tape, strategy: GammaScalp) -> int | None:
    """Time of the first chain that a strategy would enter on."""
    for i in np.flatnonzero(tape.chain_at >= 0)[:MOST_CHAINS].tolist():
        event = tape.snapshot(i)
        index = VolIndex(event.dvol, event.dvol_rank)
        if strategy.entries(event.ts_ns, event.chain, Portfolio(), event.estimate, index=index):
            return event.ts_ns
    return None


def _one_hedge(run: Run) -> str:
    hedge, lives = run.config.hedge, [done.last - done.first for done in run.episode_runs]
    if max(lives) < 2:
        return "Every episode was hedged once: none saw a second price."
    rule = f"hedge.every {hedge.every} is longer than any life" if hedge.rule == "interval" else _rule(hedge)
    return f"Every episode was hedged at most once, when it was entered: {rule}."


def _rule(hedge: HedgeConfig) -> str:
    """Name what called for no hedge."""
    return {
        "band": f"hedge.band {hedge.band:g} coins",
        "interval": f"hedge.every {hedge.every}",
        "move": f"hedge.move {hedge.move:g} {hedge.move_unit}",
    }.get(hedge.rule, f"hedge.rule {hedge.rule}")


def _no_hedge(run: Run) -> str:
    """Say how far the delta went that called for nothing."""
    largest, when = 0.0, 0
    for done in run.episode_runs:
        delta = np.abs(expose(run, done).delta[:-1] if len(done.attribution.ts_ns) > 1 else np.zeros(1))
        k = int(np.argmax(delta))
        if delta[k] > largest:
            largest, when = float(delta[k]), int(done.attribution.ts_ns[k])
    state = _rule(run.config.hedge)
    at = f", at {format_time(when)}" if when else ""
    return f"Nothing was hedged: {state} never called for it. The largest delta was {largest:.4g} coins{at}."
