"""Ways to recalibrate the chances of `gammacore breakeven --calibrate`, walk-forward.

    python tools/recalibration_table.py LIVES...

LIVES are the files lives.csv of calibrations. Every way is fitted to lives that had ended before the day of
an entry, each week counting once, and scored on that entry: mean Brier scores over the rules of each coin,
all on the same entries. Prints a table of docs/calibration.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from gammacore.breakeven.calibration import week_of
from gammacore.breakeven.recalibration import LEAST, recalibration
from gammacore.daycount import NS_PER_DAY, parse_time

Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def logistic(columns: Callable[[np.ndarray], np.ndarray]) -> Fit:
    """Logistic regression on columns of the chance, without a prior."""

    def fit(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        x = np.column_stack([np.ones_like(p), columns(p)])

        def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
            score = x @ at
            return float(w @ (np.logaddexp(0.0, score) - y * score)), x.T @ (w * (expit(score) - y))

        best = minimize(loss, np.zeros(x.shape[1]), jac=True).x
        return lambda new: expit(np.column_stack([np.ones_like(new), columns(new)]) @ best)

    return fit


def isotonic(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Rising steps, joined by lines."""
    order = np.argsort(p)
    steps = isotonic_regression(y[order], weights=w[order]).x
    return lambda new: np.interp(new, p[order], steps)


WAYS: dict[str, Fit] = {
    "logistic line without prior (Platt)": logistic(logit),
    "beta (Kull et al.)": logistic(lambda p: np.column_stack([np.log(p), -np.log1p(-p)])),
    "isotonic": isotonic,
}


def scores(lives: pd.DataFrame) -> dict[str, float]:
    """Mean squared distance of every way on the entries that a correction was known for."""
    entry, end = (np.array([parse_time(text) for text in lives[name]]) for name in ("entry", "end"))
    p, y = lives["probability"].to_numpy(), (lives["profit"] > 0).to_numpy(np.float64)
    fitted = recalibration(p, y > 0, entry, end)
    chances: dict[str, list[np.ndarray]] = {}
    outcomes = []
    for day in np.unique(entry // NS_PER_DAY):
        now, past = entry // NS_PER_DAY == day, end <= day * NS_PER_DAY
        known = fitted.at(int(day * NS_PER_DAY))
        if known is None:
            continue
        outcomes.append(y[now])
        _, at, counts = np.unique(week_of(entry[past]), return_inverse=True, return_counts=True)
        clipped = np.clip(p, LEAST, 1.0 - LEAST)
        told = {
            "as told": p[now],
            "constant": np.full(now.sum(), known.constant),
            "logistic line towards the constant": known.apply(p[now]),
        }
        for name, fit in WAYS.items():
            told[name] = fit(clipped[past], y[past], 1.0 / counts[at])(clipped[now])
        for name, chance in told.items():
            chances.setdefault(name, []).append(chance)
    came = np.concatenate(outcomes)
    return {name: float(np.mean((np.concatenate(each) - came) ** 2)) for name, each in chances.items()}


def main() -> None:
    """Print one row a way, one column a coin."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lives", type=Path, nargs="+")
    files = parser.parse_args().lives
    rows = pd.concat([pd.read_csv(path, keep_default_na=False) for path in files])
    by_coin = {
        coin: pd.DataFrame([scores(one) for _, one in own.groupby("rule")]).mean()
        for coin, own in rows.groupby("coin")
    }
    say = sys.stdout.write
    say("| walk-forward | " + " | ".join(by_coin) + " |\n" + "|---" * (1 + len(by_coin)) + "|\n")
    for name in next(iter(by_coin.values())).index:
        say(f"| {name} | " + " | ".join(f"{own[name]:.4f}" for own in by_coin.values()) + " |\n")


if __name__ == "__main__":
    main()
