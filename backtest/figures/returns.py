"""What the episodes of a run were worth at every entry of its tape, marked as the exchange marks them.

The one source of daily profits and drawdowns, for a backtest and for the cells of a sweep alike. Nothing
is explained on the way, so it costs little beside the replay.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.contracts import Option, Perpetual, Settlement, payoff_coin, payoff_usd
from gammacore.daycount import NS_PER_DAY
from gammacore.episode import Episode
from gammacore.valuation import value

from ..replay.runner import EpisodeRun
from ..replay.tape import Tape

Curves = dict[str, Floats]
KEPT = 16_000_000  # marks kept, 8 bytes each


class Marks:
    """Marks of options over the entries of a tape.

    Kept, since the cells of a sweep hold the same contracts over the same entries.

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
        self._kept: OrderedDict[tuple[Option, int, int], Floats] = OrderedDict()
        self._size = 0

    def option(self, option: Option, i: int, j: int) -> Floats:
        """Mark an option at entries i..j: the published mark where there is one, else the model's."""
        key = option, i, j
        if key not in self._kept:
            tape, expiry_ns = self.tape, option.expiry_ns
            case = tape.forward(expiry_ns, i, j), tape.tau(expiry_ns, i, j), tape.vol(option, i, j)
            published = tape.recorded_marks(option, i, j)
            self._kept[key] = np.where(np.isfinite(published), published, value(option, *case))
            self._size += j - i
            while self._size > KEPT and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
        return self._kept[key]


def profit_curves(runs: list[EpisodeRun], marks: Marks) -> Curves:
    """Cumulative profit of all episodes at every entry of the tape.

    Parameters
    ----------
    runs : list of EpisodeRun
    marks : Marks
        Of the tape that they ran on.

    Returns
    -------
    dict of 'coin' and 'usd' to array, shape (entries,)
        The last values are the ledgers' profit.
    """
    hedges = []
    for done in runs:
        fills = done.episode.hedge_fills()
        traded = np.searchsorted(marks.tape.ts_ns, fills.ts_ns, side="right") - 1
        hedges.append(hedge_profit(done, marks.tape, traded, fills.amount, fills.price, fills.fee))
    profits = np.array([done.episode.ledger.profit() for done in runs]).reshape(-1, 2)
    return curves_of(runs, marks, hedges, profits)


def curves_of(runs: list[EpisodeRun], marks: Marks, hedges: list[Floats], profits: Floats) -> Curves:
    """Cumulative profit of the options of some episodes and of hedges that may be others than their own.

    Parameters
    ----------
    runs, marks
    hedges : list of array
        Profit of each hedge so far, see :func:`hedge_profit`.
    profits : array, shape (episodes, 2)
        What each episode ends with, coin and USD.
    """
    size = len(marks.tape)
    open_ = np.zeros((2, size))
    for done, hedge in zip(runs, hedges, strict=True):
        held = slice(done.first, done.last)
        worth = _options_worth(done.episode, marks, done.first, done.last) + hedge
        for total, part in zip(open_, _both(done.episode, worth, marks.tape, held), strict=True):
            total[held] += part
    open_ += _ended(runs, profits, size)
    return {"coin": open_[0], "usd": open_[1]}


def _ended(runs: list[EpisodeRun], profits: Floats, size: int) -> Floats:
    """Profit of the episodes that have ended by each entry, coin and USD; shape (2, size)."""
    last = np.array([done.last for done in runs], np.int64)
    order = np.argsort(last, kind="stable")
    so_far = np.concatenate([np.zeros((1, 2)), np.cumsum(profits[order], axis=0)])
    return np.repeat(so_far.T, np.diff([0, *last[order], size]), axis=1)


def daily_profit(curve: Floats, marks: Marks) -> Floats:
    """Profit of each day of a tape, marked at the end of the day; shape (days,)."""
    return np.diff(curve[marks.entries], prepend=0.0)


def _both(episode: Episode, worth: Floats, tape: Tape, held: slice) -> tuple[Floats, Floats]:
    """Profit in coin and in USD: equity at the rate of the moment less capital at the rate it came at."""
    if not len(worth):
        return worth, worth
    inverse = episode.ledger.native == 0
    rate = tape.index[held] if inverse else 1.0 / tape.index[held]
    other = worth * rate
    for part in episode.capital(float(tape.index[held][0])):
        k = max(int(np.searchsorted(tape.ts_ns[held], part.ts_ns, side="right")) - 1, 0)
        other[k:] += part.amount * (rate[k:] - (part.rate if inverse else 1.0 / part.rate))
    return (worth, other) if inverse else (other, worth)


def _options_worth(episode: Episode, marks: Marks, start: int, stop: int) -> Floats:
    """Profit of the options so far at entries start..stop, before the last, settlement currency."""
    ts, size = marks.tape.ts_ns, max(stop - start, 0)
    worth, held = np.zeros(size), dict[Option, Floats]()
    for fill in episode.option_fills():
        k = max(int(np.searchsorted(ts, fill.ts_ns, "right")) - 1 - start, 0)
        assert isinstance(fill.instrument, Option)
        worth[k:] -= fill.amount * fill.price + fill.fee
        held.setdefault(fill.instrument, np.zeros(size))[k:] += fill.amount
    over = {e: int(np.searchsorted(ts, e, "right")) - start for e in episode.delivered}
    for option, amount in held.items() if size else ():
        end = min(over.get(option.expiry_ns, size), size)
        worth[:end] += amount[:end] * marks.option(option, start, start + end)
        if end < size:
            payoff = payoff_coin if option.settlement is Settlement.INVERSE else payoff_usd
            worth[end:] += amount[end - 1] * payoff(option, episode.delivered[option.expiry_ns])
    for expiry_ns, fee in episode.delivery_fees.items():
        worth[int(np.searchsorted(ts, expiry_ns, "right")) - start :] -= fee
    return worth


def hedge_profit(
    done: EpisodeRun, tape: Tape, traded: Ints, amount: Floats, price: Floats, fee: Floats
) -> Floats:
    """Profit of a hedge so far: trades, fees and funding by running sums over its fills.

    Parameters
    ----------
    done : EpisodeRun
        Whose hedge, at every entry before its last.
    tape : Tape
    traded : array of int, shape (fills,)
        Entry of the tape that each was filled at.
    amount, price, fee : array, shape (fills,)
        See :class:`gammacore.episode.HedgeFills`.
    """
    start, stop, instrument = done.first, done.last, done.episode.hedge.instrument
    if stop == start:
        return np.empty(0)
    inverse = instrument.settlement is Settlement.INVERSE
    # One unit held is worth this much less at an entry, or more; the profit is what it was worth when bought.
    mark = tape.future_price(instrument, start, stop)
    unit = -1.0 / mark if inverse else mark.copy()
    paid = amount * (1.0 / price if inverse else -price) - fee
    if type(instrument) is Perpetual:
        unit -= tape.owed[start:stop]
        paid += amount * tape.owed[np.minimum(traded, stop)]
    within = traded < stop
    edges = np.concatenate([[0], traded[within] - start, [stop - start]])

    def so_far(values: Floats) -> Floats:
        return np.repeat(np.concatenate([[0.0], np.cumsum(values[within])]), np.diff(edges))

    unit *= so_far(amount)
    unit += so_far(paid)
    return unit
