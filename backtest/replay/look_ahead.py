"""Whether a decision knew the future: change what comes after it, and decide again.

All data dated later than a decision is changed at random: price bars, chains, funding, delivery prices.
Orders up to that moment must stay what they were. Orders after it should change, otherwise the trial
proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as changed
from typing import NamedTuple

import numpy as np

from gammacore.config import Config
from gammacore.daycount import format_time
from gammacore.errors import DataError

from .market import Sources, build_tape, load_sources
from .runner import replay
from .runs import Run

PARTS = ("prices", "chains", "funding", "delivery", "dvol")
_NAMES = ("chains", "prices", "funding", "delivery", "dvol")  # fields of Sources
Order = tuple[int, int, str, str, float]  # time, episode, purpose and number, instrument, amount


class LookAheadDifference(NamedTuple):
    """An order that changed although nothing known at its time did; None where there was none."""

    before: Order | None
    after: Order | None


class Trial(NamedTuple):
    """One moment after which one kind of data, or all of it, was changed.

    Attributes
    ----------
    part : str
        One of :data:`PARTS`, or ``all``.
    ts_ns : int
        Data after this moment was changed.
    compared : int
        Orders up to it.
    differences : int
    first : LookAheadDifference or None
    later_changed : bool
        Whether any order after it changed.
    """

    part: str
    ts_ns: int
    compared: int
    differences: int
    first: LookAheadDifference | None
    later_changed: bool


class LookAhead(NamedTuple):
    """All trials; ``parts`` are those that the configuration has data of, ``decisions`` all its moments."""

    parts: tuple[str, ...]
    decisions: int
    trials: list[Trial]
    faults: tuple[str, ...] = ()  # of data that was forced

    @property
    def clean(self) -> bool:
        """Whether no order changed."""
        return not any(trial.differences for trial in self.trials)


def check_look_ahead(
    config: Config,
    *,
    trials: int = 12,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LookAhead:
    """Change the future of a backtest's data and look whether its past decisions change.

    Parameters
    ----------
    config : Config
    trials : int
        Moments tried for each kind of data, and for all of it; drawn from the moments of decisions.
    seed : int
        Of the moments and of what the data is changed to.
    progress : callable(done, total), optional

    Returns
    -------
    LookAhead

    Raises
    ------
    ConfigError, DataError
        As of :func:`~gammacore.backtest.replay.market.load_market`, and if nothing is decided at all.
    """
    sources = load_sources(config)

    def decided(changed_sources: Sources) -> list[Order]:
        return orders_of(replay(config, build_tape(config, changed_sources)))

    known = decided(sources)
    if not known:
        raise DataError("no order was sent, so there is no decision to check")
    rng = np.random.default_rng(seed)
    moments = sorted({order[0] for order in known})
    parts = tuple(part for part in PARTS if _has(config, sources, part))
    found, total = [], trials * (len(parts) + 1)
    for part in ("all", *parts):
        for ts_ns in _drawn(moments, trials, rng):
            again = decided(perturbed(sources, ts_ns, parts if part == "all" else (part,), rng))
            found.append(_trial(part, ts_ns, known, again))
            if progress is not None:
                progress(len(found), total)
    return LookAhead(parts, len(moments), found, sources.faults)


def perturbed(sources: Sources, ts_ns: int, parts: tuple[str, ...], rng: np.random.Generator) -> Sources:
    """Change everything of some parts that is dated after a moment.

    A bar that was open at the moment keeps its open. Prices and forwards move by some 5 %, quotes and
    volatilities by a third (their index, too), rates by 0.3 %.
    """
    chains, prices, funding, delivery, dvol = (getattr(sources, part) for part in _NAMES)
    if "prices" in parts and prices is not None:
        factor = np.where(prices.ts_ns > ts_ns, np.exp(rng.normal(0.05, 0.05, len(prices.ts_ns))), 1.0)
        opened = np.where(prices.ts_ns - prices.interval_ns >= ts_ns, factor, 1.0)
        first = None if prices.open is None else prices.open * opened
        prices = changed(prices, close=prices.close * factor, open=first, high=None, low=None)
    if "chains" in parts:
        later = chains.ts_ns > ts_ns
        moved, quoted = np.where(later, 1.07, 1.0), np.where(later, 1.3, 1.0)
        chains = changed(
            chains,
            forward=chains.forward * moved,
            index=chains.index * moved,
            iv=chains.iv * quoted,
            mark=chains.mark * quoted,
            bid=chains.bid * quoted,
            ask=chains.ask * quoted,
        )
    if "funding" in parts and funding is not None:
        funding = changed(funding, rate=np.where(funding.ts_ns > ts_ns, funding.rate + 3e-3, funding.rate))
    if "delivery" in parts and delivery is not None:
        delivery = {at: price * (1.04 if at > ts_ns else 1.0) for at, price in delivery.items()}
    if "dvol" in parts and dvol is not None:
        dvol = changed(dvol, vol=np.where(dvol.ts_ns > ts_ns, dvol.vol * 1.3, dvol.vol))
    return sources._replace(chains=chains, prices=prices, funding=funding, delivery=delivery, dvol=dvol)


def _has(config: Config, sources: Sources, part: str) -> bool:
    return getattr(sources, part) is not None and (part != "funding" or config.costs.funding)


def _drawn(moments: list[int], count: int, rng: np.random.Generator) -> list[int]:
    """Draw moments of decisions without repeating one, as far as there are enough."""
    return sorted(rng.choice(moments, min(count, len(moments)), replace=False).tolist())


def orders_of(run: Run) -> list[Order]:
    """List what was ordered, in order: the price of a fill is the market's, and not decided."""
    return sorted(
        (fill.ts_ns, episode.number, fill.order_id, fill.instrument.name, fill.amount)
        for episode in run.desk.portfolio.episodes
        for fill in episode.fills
    )


def _trial(part: str, ts_ns: int, known: list[Order], again: list[Order]) -> Trial:
    before, after = (sorted(o for o in orders if o[0] <= ts_ns) for orders in (known, again))
    gone, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    first = LookAheadDifference(gone[0] if gone else None, new[0] if new else None) if gone or new else None
    return Trial(part, ts_ns, len(before), max(len(gone), len(new)), first, known != again)


def told(difference: LookAheadDifference) -> str:
    """Say how an order changed."""
    before, after = (
        "no order" if o is None else f"{o[4]:+g} {o[3]} at {format_time(o[0])}" for o in difference
    )
    return f"{before} became {after}"
