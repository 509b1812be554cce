"""What choosing the best cell of a sweep is worth, in figures and in words.

A trial is a combination of decisions. Parameters of the market (:data:`grid.MARKET_PATHS`),
such as ``market.seed``, are no decisions: each trial's daily profits on all markets follow one
another, in the same order for all trials.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gammacore.array_types import Floats

from ..figures.overfitting import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    overfitting_probability,
    probabilistic_sharpe_ratio,
    sharpe_ratio,
    walk_forward,
)
from .grid import MARKET_PATHS, Cell

YEAR = math.sqrt(365)  # of a daily Sharpe ratio


class Trials(NamedTuple):
    """Combinations of decisions, and the profit of each on each day: shape (days, trials)."""

    decisions: list[dict[str, Any]]
    daily: Floats


def trials_of(cells: Sequence[tuple[Cell, dict[str, Any]]]) -> Trials:
    """Series of all trials that have a result on every market, in the order of the grid."""
    series: dict[str, dict[str, Floats]] = {}
    markets: dict[str, None] = {}
    for cell, result in cells:
        happened = {k: v for k, v in cell.overrides.items() if k.startswith(MARKET_PATHS)}
        decided = {k: v for k, v in cell.overrides.items() if k not in happened}
        markets[json.dumps(happened)] = None
        series.setdefault(json.dumps(decided), {})[json.dumps(happened)] = np.array(result["daily"])
    whole = {name: found for name, found in series.items() if len(found) == len(markets)}
    columns = [np.concatenate([found[market] for market in markets]) for found in whole.values()]
    daily = np.column_stack(columns) if columns else np.empty((0, 0))
    return Trials([json.loads(name) for name in whole], daily)


def judge(cells: Sequence[tuple[Cell, dict[str, Any]]]) -> dict[str, Any]:
    """Sharpe ratios of the best trial as they look, and as they are to be believed.

    Parameters
    ----------
    cells : sequence of (Cell, result)
        Finished cells in the order of the grid.

    Returns
    -------
    dict
        ``best``, ``deflated_sharpe_ratio``, ``overfitting``, ``walk_forward`` and ``notes``; None where
        there is too little data, and then a note says so. Sharpe ratios are per year of 365 days.
    """
    trials = trials_of(cells)
    days, count = trials.daily.shape
    if days < 2:
        return _nothing(days, count)
    ratios = np.array([sharpe_ratio(column) for column in trials.daily.T])
    known = ratios[np.isfinite(ratios)]
    if not len(known):
        return _nothing(days, count) | {"notes": ["No trial traded: there is nothing to judge."]}
    best = int(np.nanargmax(ratios))
    overfit = overfitting_probability(trials.daily)
    return {
        "n_trials": count,
        "n_days": days,
        "best": {
            "decisions": trials.decisions[best],
            "sharpe": _number(YEAR * ratios[best]),
            "probability_above_zero": _number(probabilistic_sharpe_ratio(trials.daily[:, best])),
        },
        "expected_best_of_luck": _number(YEAR * expected_maximum_sharpe(known)),
        "deflated_sharpe_ratio": _number(deflated_sharpe_ratio(trials.daily)),
        "overfitting": None if overfit is None else overfit._asdict(),
        "walk_forward": {
            name: _walked(trials, anchored) for name, anchored in (("anchored", True), ("rolling", False))
        },
        "notes": _notes(days, count, overfit is None),
    }


def verdict(judged: dict[str, Any]) -> str:
    """Say in one sentence what the best trial is worth, by :func:`judge`."""
    best, count = judged["best"], judged["n_trials"]
    if best is None:
        return "No trial has a Sharpe ratio: none traded, or none for two days."
    decisions = ", ".join(f"{name} = {value}" for name, value in best["decisions"].items())
    trials = f"{count:,} trial{'' if count == 1 else 's'}" + (f" ({decisions})" if decisions else "")
    sharpe, luck = f"{best['sharpe']:+.2f}", f"{judged['expected_best_of_luck']:+.2f}"
    words = f"The best of {trials} has a Sharpe ratio of {sharpe}; luck alone would give {luck}"
    if judged["deflated_sharpe_ratio"] is not None:
        words += f". Chance that it is more than luck: {judged['deflated_sharpe_ratio']:.0%}"
    if judged["overfitting"] is not None:
        words += f", that the winner is overfit: {judged['overfitting']['probability']:.0%}"
    return words


def _nothing(days: int, count: int) -> dict[str, Any]:
    return {
        "n_trials": count,
        "n_days": days,
        "best": None,
        "expected_best_of_luck": None,
        "deflated_sharpe_ratio": None,
        "overfitting": None,
        "walk_forward": {"anchored": None, "rolling": None},
        "notes": ["No trial has a result on two days: there is nothing to judge."],
    }


def _walked(trials: Trials, anchored: bool) -> dict[str, Any] | None:
    """List the steps of a walk forward, and sum up what was earned out of sample."""
    splits = walk_forward(trials.daily, anchored=anchored)
    if not splits:
        return None
    outside = np.concatenate([trials.daily[slice(*split.test), split.chosen] for split in splits])
    return {
        "splits": [
            {
                "train_days": list(split.train),
                "test_days": list(split.test),
                "decisions": trials.decisions[split.chosen],
                "sharpe_inside": YEAR * split.inside,
                "sharpe_outside": YEAR * split.outside,
            }
            for split in splits
        ],
        "sharpe_inside": float(np.mean([YEAR * split.inside for split in splits])),
        "sharpe_outside": _number(YEAR * sharpe_ratio(outside)),
        "profit_outside": float(outside.sum()),
    }


def _notes(days: int, count: int, no_overfitting: bool) -> list[str]:
    notes = []
    if count < 2:
        notes.append("One trial: nothing was chosen, so nothing can be overfitted.")
    elif no_overfitting:
        notes.append(f"{days} days are too few to cut into four blocks: no probability of overfitting.")
    if days < 90:
        notes.append(f"{days} days say little about a Sharpe ratio, whatever it is.")
    return notes


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
