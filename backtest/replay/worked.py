"""Hedges worked against bars: the steps of a session, and the market's answer to each.

A bar says nothing of the seconds within it. Whether an order that rests at its own side is traded through
before the patience ends is drawn, with the chance that the next bar leaves (``src_pyx/resting.h``); what is
not filled takes at the price that is then expected. The draw is of the moment and the side, so that orders of
one moment share it, and the fill is booked at the bar of the decision. Past the next bar nobody waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from gammacore import _replay
from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_SECOND
from gammacore.execution.pricing import Settings
from gammacore.execution.resting import LOOKS_S
from gammacore.execution.steps import NOTHING, GiveUp, Resting, Send, Step, Tried, Willing, leaves, next_step
from gammacore.orders import Order

from .next_bars import NextBars, nothing_after

TACTICS = {"taker": _replay.TAKER, "post_only": _replay.POST_ONLY, "maker": _replay.MAKER}


class Quote(Protocol):
    """Best price for the order's amount at a mark: of the other side, or of its ``own``."""

    def __call__(self, mark: float, *, own: bool = False) -> float: ...  # noqa: D102


class HasBars(Protocol):
    """A tape: its entries, and the bar after each, which is found when it is first asked for."""

    ts_ns: Ints

    @property
    def next_bars(self) -> NextBars: ...  # noqa: D102


class WorkedBars:
    """Bars of a tape as a book to work hedges against.

    Parameters
    ----------
    hedges : {'post_only', 'taker', 'maker'}
        See ``execution.hedges`` in the configuration; a ``maker`` always fills at its own side.
    settings : Settings
    seed : int
        Of the draws.
    tape : HasBars
    """

    def __init__(self, hedges: str, settings: Settings, seed: int, tape: HasBars) -> None:
        self.hedges, self.settings, self.seed = hedges, settings, seed
        self.patience_s = settings.patience_ns / NS_PER_SECOND
        self._tape = tape

    @cached_property
    def compiled(self) -> _replay.Working:
        """The same for compiled code; who takes asks nothing of the next bars."""
        takes = self.hedges == "taker"
        bars = nothing_after(len(self._tape.ts_ns)) if takes else self._tape.next_bars
        return _replay.Working(TACTICS[self.hedges], self.seed, self.patience_s, LOOKS_S, *bars)

    def work(self, order: Order, mark: float, ts_ns: int, quote: Quote) -> Send | GiveUp:
        """Work a hedge of one leg to its end.

        Returns
        -------
        Send or GiveUp
            The step that filled it, at its limit, and as a maker if it rests; or why none did.
        """
        (leg,), tried, now_ns = order.legs, NOTHING, ts_ns
        buys = leg.amount > 0
        while True:
            book = _Book(mark, quote)
            step: Step = next_step(order, tried, book, self.settings, ts_ns, now_ns, cancelled=False)
            if isinstance(step, GiveUp):
                return step
            assert step is not None, "a book that always has a price lets nobody wait"
            if not step.rests:
                return step
            filled, missed = self._rest(step.limit, mark, ts_ns, buys)
            if filled:
                return step
            now_ns = ts_ns + self.settings.patience_ns
            resting = Resting(ts_ns, step.limit)
            assert leaves(order, resting, book, self.settings, ts_ns, now_ns, cancelled=False)
            tried = Tried(0, ts_ns, rested=True, reason="out of patience")
            mark *= 1.0 - (1.0 if buys else -1.0) * missed

    def _rest(self, limit: float, mark: float, ts_ns: int, buys: bool) -> tuple[bool, float]:
        """Whether an order rests until it is traded through, and the mean move towards it if it is not."""
        if self.hedges == "maker":
            return True, 0.0
        entry = int(self._tape.ts_ns.searchsorted(ts_ns, side="right")) - 1
        return self.compiled.rests(entry, ts_ns, buys, limit, mark)

    def chances(
        self, at: Ints, ts_ns: Ints, amount: Floats, limit: Floats, mark: Floats, looks_s: float
    ) -> tuple[Floats, Floats]:
        """Chance that orders at their own side fill, and the mean move towards them if they do not.

        Parameters
        ----------
        at : array of int, shape (n,)
            Entries of the tape that they leave at.
        ts_ns, amount, limit, mark : array, shape (n,)
            Time, signed amount, price, and mark of the contract.
        looks_s : float
            Seconds between two prices.

        Returns
        -------
        chance, missed : array, shape (n,)
            The second as a share of the price.
        """
        bars, side = self._tape.next_bars, np.where(amount > 0, 1.0, -1.0)
        ends, opens, close = bars.ends[at], bars.opens[at], bars.close[at]
        reach = np.where(amount > 0, bars.low[at], bars.high[at])
        return _replay.rest(
            np.maximum(side * (1.0 - limit / mark), 0.0),
            side * (1.0 - close / opens),
            (ends - ts_ns) / NS_PER_SECOND,
            bars.variance[at],
            side * (1.0 - reach / opens),
            self.patience_s,
            looks_s,
        )


@dataclass(slots=True)
class _Book(Willing):
    """A book with prices on both sides: see :class:`gammacore.execution.steps.Seen`."""

    mark: float
    quote: Quote

    def limit(self, rests: bool, last: float | None) -> float:
        return self.quote(self.mark, own=rests)
