"""Profit day by day, from arrays: what statistics over many runs are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gammacore.backtest.replay import Tape
from gammacore.backtest.runner import Closed
from gammacore.contracts import Instrument, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_DAY
from gammacore.portfolio import Episode
from gammacore.valuation import value

__all__ = ["DayMarks", "daily_profit"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class DayMarks:
    """What options and hedges are worth at the end of each day of a tape.

    Kept, since the runs of a sweep mark the same contracts on the same days.

    Attributes
    ----------
    tape : Tape
    days : array of int
        Days (since 1970, UTC) that the tape touches.
    entries : array of int
        Last entry of each.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.days: Ints = np.arange(tape.ts_ns[0] // NS_PER_DAY, tape.ts_ns[-1] // NS_PER_DAY + 1)
        self.entries: Ints = np.searchsorted(tape.ts_ns, (self.days + 1) * NS_PER_DAY) - 1
        self.ts_ns, self.owed = tape.ts_ns[self.entries], tape.owed[self.entries]
        self._kept: dict[tuple[Instrument, int, int], Floats] = {}

    def mark(self, instrument: Instrument, start: int, stop: int) -> Floats:
        """Mark a contract on the days start..stop: USD, options by the model and as they settle."""
        key = instrument, start, stop
        if key not in self._kept:
            at = self.entries[start:stop]
            run = (int(at[0]), int(at[-1]) + 1) if len(at) else (0, 0)
            self._kept[key] = self._price(instrument, *run)[at - run[0]]
        return self._kept[key]

    def _price(self, instrument: Instrument, i: int, j: int) -> Floats:
        tape = self.tape
        if not isinstance(instrument, Option):
            return tape.future_price(instrument, i, j)
        expiry_ns = instrument.expiry_ns
        vol = tape.vol(instrument, i, j)
        return value(instrument, tape.forward(expiry_ns, i, j), tape.tau(expiry_ns, i, j), vol)  # type: ignore[no-any-return]


def daily_profit(closed: list[Closed], marks: DayMarks) -> Floats:
    """Profit of each day of a tape over all episodes, marked at the end of the day.

    Parameters
    ----------
    closed : list of Closed
    marks : DayMarks
        Of the tape that they ran on.

    Returns
    -------
    array, shape (days,)
        Settlement currency; the sum is the ledgers' profit.
    """
    total = np.zeros(len(marks.days) + 1)
    for done in closed:
        start, stop = np.searchsorted(marks.entries, (done.first, done.last)).tolist()
        total[start:stop] += _worth(done.episode, marks, start, stop)
        total[stop:] += done.episode.ledger.profit()[done.episode.ledger.native]  # it ends on that day
    return np.diff(total[:-1], prepend=0.0)


def _worth(episode: Episode, marks: DayMarks, start: int, stop: int) -> Floats:
    """Profit so far at the end of the days start..stop, before the episode's last."""
    bought = [fill for fill in episode.option_fills() if fill.ts_ns == episode.entry_ns]
    worth = np.full(stop - start, -sum(fill.amount * fill.price + fill.fee for fill in bought))
    for option, amount in episode.entered.items():
        worth += amount * marks.mark(option, start, stop)
    return worth + _hedged(episode, marks, start, stop) if stop > start else worth


def _hedged(episode: Episode, marks: DayMarks, start: int, stop: int) -> Floats:
    """Profit of the hedge so far: trades, fees and funding by running sums over the fills."""
    fills, instrument = episode.hedge_fills(), episode.hedge.instrument
    count = np.searchsorted(fills.ts_ns, marks.ts_ns[start:stop], side="right")

    def so_far(values: Floats) -> Floats:
        return np.concatenate([[0.0], np.cumsum(values)])[count]

    held, mark = so_far(fills.amount), marks.mark(instrument, start, stop)
    if instrument.settlement is Settlement.INVERSE:
        profit = so_far(fills.amount / fills.price) - held / mark
    else:
        profit = held * mark - so_far(fills.amount * fills.price)
    if type(instrument) is Perpetual:
        traded = np.searchsorted(marks.tape.ts_ns, fills.ts_ns, side="right") - 1
        paid = so_far(fills.amount * marks.tape.owed[traded])
        profit -= held * marks.owed[start:stop] - paid
    return profit - so_far(fills.fee)
