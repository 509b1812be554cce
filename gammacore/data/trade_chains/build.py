"""Build chains from the option trades of a store, a day at a time.

A unit of work is one file: the chains of one currency on one day. Its presence says that it is complete, so
that the same call resumes after an interruption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from gammacore.daycount import NS_PER_DAY, parse_time
from gammacore.errors import DataError

from ..schemas import KINDS
from ..store import Store, day_of, days_between
from .chain import KIND, model_chain
from .forwards import future_basis, implied_basis
from .recipe import ChainRecipe
from .spread_model import SpreadModel
from .trades import TradeWindow

__all__ = ["Built", "build_chains"]

Progress = Callable[[str, int, int], None]
NO_TRADES = "days whose window reaches a day without downloaded trades"


class Built(msgspec.Struct):
    """What a build did.

    Attributes
    ----------
    series : str
        Name of the series in the store.
    days, before : int
        Days written now, and days that were there.
    chains, expiries, rows : int
        Built now.
    skipped : dict of str to int
        Chains (or whole days) that were not built, by reason.
    dropped : dict of str to int
        Expiries that were not built, in chains that were, by reason.
    left_out : dict of str to int
        Trades that did not count, by reason.
    forwards : dict of str to int
        Expiries built, by where their forward comes from.
    """

    series: str
    days: int = 0
    before: int = 0
    chains: int = 0
    expiries: int = 0
    rows: int = 0
    skipped: dict[str, int] = {}
    dropped: dict[str, int] = {}
    left_out: dict[str, int] = {}
    forwards: dict[str, int] = {}


def build_chains(
    store: Store,
    currency: str,
    start_ns: int,
    end_ns: int,
    recipe: ChainRecipe,
    spreads: SpreadModel,
    *,
    as_of_ns: int,
    progress: Progress | None = None,
) -> Built:
    """Build chains of whole days into the store.

    Parameters
    ----------
    store : Store
        With trades of options, and of dated futures or their candles if there are any.
    currency : str
        A coin with inverse options: BTC, ETH.
    start_ns, end_ns : int
        Midnights UTC, the end exclusive.
    recipe : ChainRecipe
    spreads : SpreadModel
    as_of_ns : int
        Now: days that are not over are left alone.
    progress : callable(name, done, total), optional

    Returns
    -------
    Built

    Raises
    ------
    DataError
        If there are no trades, or none of the period.
    """
    days = _days(store, currency, start_ns, min(end_ns, as_of_ns // NS_PER_DAY * NS_PER_DAY))
    done = Built(recipe.label(spreads.name))
    name = f"{done.series}_build"
    counts: dict[str, Counter[str]] = {key: Counter() for key in ("skipped", "dropped", "forwards")}
    there = set(store.days("option_trades", currency))
    window = TradeWindow(store, currency, recipe, as_of_ns)
    for at, day in enumerate(days):
        if progress is not None:
            progress(currency, at, len(days))
        if store.path(KIND, currency, day, name).exists():
            done.before += 1
            continue
        start = parse_time(day)
        if not all(day_of(start - back * NS_PER_DAY) in there for back in range(recipe.days_before + 1)):
            counts["skipped"][NO_TRADES] += 1
            continue
        trades = window.move_to(day)
        basis = [*future_basis(store, currency, day, as_of_ns, trades), implied_basis(trades)]
        chains = [
            model_chain(ts_ns, trades, window.listed(trades, ts_ns), basis, recipe, spreads)
            for ts_ns in recipe.times(start)
        ]
        built = [chain.rows for chain in chains if chain.rows is not None]
        columns: dict[str, Any] = {
            column: np.concatenate([rows[column] for rows in built]) if built else []
            for column in KINDS[KIND].columns
        }
        store.write(KIND, currency, day, name, columns)
        for chain in chains:
            if chain.rows is None:
                counts["skipped"][chain.why] += 1
            else:
                counts["dropped"] += chain.dropped
                counts["forwards"] += chain.forwards
        done.days += 1
        done.chains += len(built)
        done.rows += len(columns["ts_ns"])
    if progress is not None:
        progress(currency, len(days), len(days))
    done.expiries = sum(counts["forwards"].values())
    for key, found in (*counts.items(), ("left_out", window.left_out)):
        setattr(done, key, {reason: count for reason, count in sorted(found.items()) if count})
    return done


def _days(store: Store, currency: str, start_ns: int, end_ns: int) -> list[str]:
    there = store.days("option_trades", currency)
    if not there:
        raise DataError(
            f"{store.root}: no option trades of {currency}; "
            f"gammacore data download --kinds option_trades,future_trades --currency {currency} brings them"
        )
    days = days_between(start_ns, end_ns)
    if not set(days) & set(there):
        period = f"{days[0]} to {days[-1]}" if days else "days that are not over"
        raise DataError(
            f"{store.root}: no option trades of {currency} in the period ({period}); "
            f"there are some from {there[0]} to {there[-1]}"
        )
    return days
