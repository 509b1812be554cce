"""How much a run ties up: premium of what it holds, and margin of what it owes.

Initial margin is that of :mod:`gammacore.margin`: segregated and standard, options sold one by one, hedges in
one contract netted over all episodes.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.data.margins import published_margins
from gammacore.margin import future_margins, option_margins
from gammacore.valuation import value

from ..replay.runs import EpisodeRun, Run
from ..replay.tape import Tape
from .exposure import options_held


def capital_tied(run: Run) -> Floats:
    """Capital at every entry of the tape, after what was traded there.

    Parameters
    ----------
    run : Run

    Returns
    -------
    array, shape (entries,)
        Settlement currency: the premium paid for the options held, the initial margin of options
        sold and that of the hedges.
    """
    tape = run.tape
    total = np.zeros(len(tape))
    hedges: dict[Future | Perpetual, list[EpisodeRun]] = defaultdict(list)
    for done in run.accounts:
        hedges[done.episode.hedge.instrument].append(done)
        part = total[done.attribution.start : done.last + 1]
        for option, amounts in options_held(done).items():
            held = amounts[done.attribution.entries]
            if done.episode.entered.get(option, 0.0) > 0:
                part += _price_paid(done, option) * held
            else:
                part += -held * short_margin(tape, option, done.attribution.start, done.last + 1)
    for instrument, episodes in hedges.items():
        total += _hedge_margin(tape, instrument, episodes)
    return total


def _price_paid(done: EpisodeRun, option: Option) -> float:
    """Mean price at which an option was bought, settlement currency a coin; an account buys it in parts."""
    fills = [f for f in done.episode.option_fills() if f.instrument == option and f.amount > 0]
    return sum(f.amount * f.price for f in fills) / sum(f.amount for f in fills)


def short_margin(tape: Tape, option: Option, i: int, j: int) -> Floats:
    """Find the initial margin of a coin of an option sold at entries i..j."""
    forward = tape.forward(option.expiry_ns, i, j)
    unit = np.ones(j - i) if option.settlement is Settlement.INVERSE else forward
    mark = value(option, forward, tape.tau(option.expiry_ns, i, j), tape.vol(option, i, j)) / unit
    rates = published_margins().standard_at(int(tape.ts_ns[i]))
    return unit * option_margins(rates, option.kind, option.strike, forward, mark)[0]


def _hedge_margin(tape: Tape, instrument: Future | Perpetual, episodes: list[EpisodeRun]) -> Floats:
    """Find the initial margin of one contract, netted over the episodes that hold it."""
    amount = np.zeros(len(tape) + 1)
    for done in episodes:
        fills, parts = done.episode.hedge_fills(), done.attribution
        points = np.maximum(parts.points(fills.ts_ns), 0)
        at = np.minimum(parts.start + parts.next_at[points], len(tape))
        np.add.at(amount, at, fills.amount)
        if not isinstance(instrument, Perpetual):  # its delivery is no fill
            amount[min(done.last + 1, len(tape))] -= fills.amount.sum()
    held = np.cumsum(amount)[:-1]
    first = min(done.attribution.start for done in episodes)
    price = np.ones(len(tape))
    price[first:] = tape.future_price(instrument, first, len(tape))
    inverse = instrument.settlement is Settlement.INVERSE
    # What rounding leaves of a position that was closed is none.
    held = np.where(np.abs(held) > 1e-9 * np.abs(amount).max(), held, 0.0)
    coins = np.abs(held) / price if inverse else np.abs(held)
    rates = published_margins().standard_at(int(tape.ts_ns[first]))
    share, _ = future_margins(rates, instrument.base, coins)
    return np.where(coins > 0, coins * share * (1.0 if inverse else price), 0.0)
