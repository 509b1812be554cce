"""What a book held through time, by expiry: delta, gamma and vega of its options, and its hedge."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd

from gammacore import black76, inverse
from gammacore.array_types import Floats, Ints
from gammacore.contracts import Option, Settlement
from gammacore.daycount import format_time

from ..replay.runs import Run
from ..replay.tape import Tape

__all__ = ["book_table"]

MOMENTS = 240  # evenly over the life of the book


def book_table(run: Run) -> pd.DataFrame:
    """Table of the options held at moments of a run, a row for each expiry, and one for the hedge.

    Parameters
    ----------
    run : Run

    Returns
    -------
    DataFrame
        ``time``, ``ts_ns``, ``expiry`` (empty for the hedge), ``delta_coin`` (net of the options' own value
        where they settle in coin), ``gamma_coin_per_percent``, ``vega_usd_per_point``.
    """
    tape, at = run.tape, _moments(run)
    by_expiry: dict[int, Floats] = defaultdict(lambda: np.zeros((3, len(at))))
    hedge = np.zeros(len(at))
    for done in run.traded:
        held: dict[Option, Floats] = defaultdict(lambda: np.zeros(len(at)))
        for fill in done.episode.option_fills():
            assert isinstance(fill.instrument, Option)
            held[fill.instrument][tape.ts_ns[at] >= fill.ts_ns] += fill.amount
        for option, amount in held.items():
            amount[tape.ts_ns[at] >= option.expiry_ns] = 0.0
            by_expiry[option.expiry_ns] += _greeks(option, amount, tape, at)
        fills = done.episode.hedge_fills()
        traded = np.searchsorted(fills.ts_ns, tape.ts_ns[at], side="right")
        running = np.concatenate([[0.0], np.cumsum(fills.amount)])[traded]
        price = tape.future_price(done.episode.hedge.instrument, 0, len(tape))[at]
        over = bool(done.episode.end_ns) & (tape.ts_ns[at] >= (done.episode.end_ns or 0))
        running = np.where(over, 0.0, running)  # a future's delivery is no fill
        hedge += running / price if done.episode.hedge.inverse else running
    rows = [_rows(tape, at, format_time(expiry)[:10], found) for expiry, found in sorted(by_expiry.items())]
    rows.append(_rows(tape, at, "", np.array([hedge, 0.0 * hedge, 0.0 * hedge])))
    return pd.concat(rows, ignore_index=True)


def _moments(run: Run) -> Ints:
    """Entries of the tape to look at."""
    if not run.episode_runs:
        return np.empty(0, np.int64)
    first, last = min(done.first for done in run.episode_runs), max(done.last for done in run.episode_runs)
    return np.unique(np.linspace(first, last, MOMENTS).astype(np.int64))


def _greeks(option: Option, amount: Floats, tape: Tape, at: Ints) -> Floats:
    """Delta, gamma and vega of an amount that changes; shape (3, moments)."""
    found = np.zeros((3, len(at)))
    held = np.flatnonzero(amount)
    if not held.size:
        return found
    i, j = int(at[held[0]]), int(at[held[-1]]) + 1
    k = at[held] - i
    forward, tau = tape.forward(option.expiry_ns, i, j)[k], tape.tau(option.expiry_ns, i, j)[k]
    case = option.kind, forward, option.strike, tau, tape.vol(option, i, j)[k]
    if option.settlement is Settlement.INVERSE:
        delta, gamma, vega = inverse.sensitivities(("net_delta", "gamma", "vega"), *case)
    else:
        delta, gamma, vega = black76.sensitivities(("delta", "gamma", "vega"), *case)
    found[:, held] = amount[held] * np.array([delta, 0.01 * gamma * forward, 0.01 * vega])
    return found


def _rows(tape: Tape, at: Ints, expiry: str, found: Floats) -> pd.DataFrame:
    ts = tape.ts_ns[at]
    return pd.DataFrame(
        {
            "time": [format_time(int(t)) for t in ts],
            "ts_ns": ts,
            "expiry": expiry,
            "delta_coin": found[0],
            "gamma_coin_per_percent": found[1],
            "vega_usd_per_point": found[2],
        }
    )
