"""What the episodes of a run were worth at every entry of its tape, marked as the exchange marks them.

The one source of daily profits and drawdowns, for a backtest and for the cells of a sweep alike. Nothing
is explained on the way, so it costs little beside the replay.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gammacore import _replay
from gammacore.array_types import Floats, Ints
from gammacore.contracts import Future, Option, Perpetual, Settlement, payoff_coin, payoff_usd
from gammacore.daycount import NS_PER_DAY
from gammacore.episode import Episode
from gammacore.valuation import value

from ..replay.runs import EpisodeRun
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


class Holding(NamedTuple):
    """What an episode was worth from its first entry to before its last, but for the trades of its hedge.

    It is the same however the options are hedged.

    Attributes
    ----------
    first, last : int
    native : int
        0 where the account is in coin, 1 where in USD.
    options, unit, rate : array, shape (entries,)
        Profit of the options so far; of one unit of the hedge since it was worth nothing; units of the other
        currency for one of the native.
    since, put_in, owed : array, shape (parts,)
        Entry at which capital was put in, how much, and what it was worth in the other currency.
    """

    first: int
    last: int
    native: int
    options: Floats
    unit: Floats
    rate: Floats
    since: Ints
    put_in: Floats
    owed: Floats


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
    total, last = np.zeros((2, len(marks.tape))), np.array([done.last for done in runs], np.int64)
    for done in runs:
        one = holding_of(done, marks)
        native, other = (total[c, one.first : one.last] for c in (one.native, 1 - one.native))
        _replay.add_worth(native, other, *one[3:6], *_hedge_trades(done, marks.tape), *one[6:])
    profits = np.array([done.episode.ledger.profit() for done in runs]).reshape(-1, 2)
    order = np.argsort(last, kind="stable")
    so_far = np.cumsum(profits[order], axis=0)
    for earned, (start, end) in zip(so_far, pairwise([*last[order].tolist(), len(marks.tape)]), strict=True):
        total[:, start:end] += earned[:, None]
    return {"coin": total[0], "usd": total[1]}


def holding_of(done: EpisodeRun, marks: Marks) -> Holding:
    """Find what an episode was worth but for the trades of its hedge."""
    tape, episode, held = marks.tape, done.episode, slice(done.first, done.last)
    inverse = episode.ledger.native == 0
    rate = tape.index[held] if inverse else 1.0 / tape.index[held]
    put_in = episode.capital(float(tape.index[done.first])) if len(rate) else []
    since = np.searchsorted(tape.ts_ns[held], [part.ts_ns for part in put_in], side="right") - 1
    amount = np.array([part.amount for part in put_in], np.float64)
    return Holding(
        done.first,
        done.last,
        episode.ledger.native,
        _options_worth(episode, marks, done.first, done.last),
        _unit_worth(episode.hedge.instrument, tape, held),
        rate,
        np.maximum(since, 0),
        amount,
        amount * [part.rate if inverse else 1.0 / part.rate for part in put_in],
    )


def _unit_worth(instrument: Future | Perpetual, tape: Tape, held: slice) -> Floats:
    """Worth of one unit of a hedge at each entry: less what it was when bought is its profit."""
    mark = tape.future_price(instrument, held.start, held.stop)
    unit = -1.0 / mark if instrument.settlement is Settlement.INVERSE else mark.copy()
    if type(instrument) is Perpetual:
        unit -= tape.owed[held]
    return unit


def _hedge_trades(done: EpisodeRun, tape: Tape) -> tuple[Ints, Floats, Floats]:
    """Trades of a hedge: entry of its episode at which each was filled, signed amount, and cash brought."""
    fills, instrument = done.episode.hedge_fills(), done.episode.hedge.instrument
    traded = np.searchsorted(tape.ts_ns, fills.ts_ns, side="right") - 1
    inverse = instrument.settlement is Settlement.INVERSE
    cash = fills.amount * (1.0 / fills.price if inverse else -fills.price) - fills.fee
    if type(instrument) is Perpetual:
        cash += fills.amount * tape.owed[np.minimum(traded, done.last)]
    return traded - done.first, np.ascontiguousarray(fills.amount), cash


def daily_profit(curve: Floats, marks: Marks) -> Floats:
    """Profit of each day of a tape, marked at the end of the day; shape (days,)."""
    return np.diff(curve[marks.entries], prepend=0.0)


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
