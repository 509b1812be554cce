"""What runs have in common and where they differ, in figures.

The first run is what the others are held against: every difference is another run less the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_DAY, parse_time

from ..figures.verdict import usd_words
from .compare_runs import StoredRun
from .tables import flattened
from .view import ordered

DRAWS = 10_000
LEVEL = 0.95
MEASURES = ("pnl_over_premium", "pnl_usd", "pnl_coin")


class Figure(NamedTuple):
    """A headline figure: dotted key of the summary, how it is called and written; ``coin`` if in coin."""

    key: str
    label: str
    form: str
    unit: str = ""
    coin: bool = False


FIGURES = (
    Figure("total.usd", "P&L", "+,.2f", "USD"),
    Figure("total.coin", "P&L", "+,.6f", coin=True),
    Figure("return_on_premium", "Return on premium", "+.2%"),
    Figure("return_on_margin", "Return on margin", "+.2%"),
    Figure("sharpe", "Sharpe ratio", "+.2f"),
    Figure("max_drawdown.usd", "Largest drawdown", ",.2f", "USD"),
    Figure("max_drawdown.coin", "Largest drawdown", ",.6f", coin=True),
    Figure("hit_rate", "Hit rate", ".1%"),
    Figure("mean_pnl_over_premium", "P&L over premium, mean", "+.2%"),
    Figure("std_pnl_over_premium", "P&L over premium, deviation", ".2%"),
    Figure("capture_ratio", "Capture ratio", "+.3f"),
    Figure("gamma_over_theta", "Gamma over theta", ".3f"),
    Figure("mean_iv_entry", "IV at entry, mean", ".2%"),
    Figure("mean_rv", "RV realised, mean", ".2%"),
    Figure("mean_rv_at_hedges", "RV at the hedges, mean", ".2%"),
    Figure("premium.usd", "Premium paid", ",.2f", "USD"),
    Figure("fees.usd", "Fees paid", ",.2f", "USD"),
    Figure("funding.usd", "Funding, + received", "+,.2f", "USD"),
    Figure("unexplained_share", "Unexplained", ".3%"),
    Figure("n_episodes", "Episodes", ",.0f"),
    Figure("n_hedges", "Hedges", ",.0f"),
)


def figure_values(run: StoredRun, key: str) -> float | None:
    """Value of a dotted key of a summary; None where it is missing."""
    found: Any = run.summary
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) else None


def _less(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def _same_coin(runs: Sequence[StoredRun]) -> bool:
    return len({run.coin for run in runs}) == 1


def headline_rows(runs: Sequence[StoredRun]) -> list[dict[str, Any]]:
    """Figures of all runs, and the differences from the first; figures in coin of one coin only."""
    rows = []
    for figure in FIGURES:
        if figure.coin and not _same_coin(runs):
            continue
        values = [figure_values(run, figure.key) for run in runs]
        if all(value is None for value in values):
            continue
        rows.append(
            {
                "figure": figure.key,
                "label": figure.label,
                "unit": runs[0].coin if figure.coin else figure.unit,
                "values": values,
                "differences": [_less(value, values[0]) for value in values[1:]],
            }
        )
    return rows


def config_differences(runs: Sequence[StoredRun]) -> list[dict[str, Any]]:
    """Dotted paths whose values are not the same in all runs, in the order of the first configuration."""
    flat = [flattened(run.config) for run in runs]
    names = dict.fromkeys(name for one in flat for name in one)
    rows = [{"path": name, "values": [one.get(name) for one in flat]} for name in names]
    return [row for row in rows if any(value != row["values"][0] for value in row["values"][1:])]


def attribution_lines(runs: Sequence[StoredRun]) -> dict[str, dict[str, list[float]]]:
    """Lines of all runs: by line, by currency, a value a run; zero for a line that a run does not have."""
    names = ordered({name: None for run in runs for name in run.summary["attribution"]})
    return {
        name: {
            unit: [float(run.summary["attribution"].get(name, {}).get(unit, 0.0)) for run in runs]
            for unit in ("usd", "coin")
        }
        for name in names
    }


def pairs_of(first: StoredRun, other: StoredRun) -> pd.DataFrame:
    """Episodes that both runs traded: the same expiry and strikes, the n-th with the n-th.

    Returns
    -------
    DataFrame
        ``expiry``, ``strikes``, and each column of the episodes with ``_first`` and ``_other``.
    """
    if first.episodes.empty or other.episodes.empty:
        return pd.DataFrame(columns=["expiry", "strikes"])
    keys = ["expiry", "strikes"]
    sides = [run.episodes.assign(nth=run.episodes.groupby(keys).cumcount()) for run in (first, other)]
    return sides[0].merge(sides[1], on=[*keys, "nth"], suffixes=("_first", "_other"))


def paired(first: StoredRun, other: StoredRun, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Differences of paired episodes: mean, standard error, interval.

    Parameters
    ----------
    first, other : StoredRun
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``run``; ``pairs``, ``same_entry`` (pairs entered at one moment), ``unpaired`` (episodes of the first
        and of the other without a partner), ``weeks``; and by measure ``mean``, ``standard_error`` and
        ``low``, ``high``, the ends of the 95 % interval. None where there is too little.
    """
    pairs = pairs_of(first, other)
    weeks = np.array([_week(expiry) for expiry in pairs["expiry"]], dtype=np.int64)
    measures = [name for name in MEASURES if name != "pnl_coin" or _same_coin([first, other])]
    same = int((pairs["entry_first"] == pairs["entry_other"]).sum()) if len(pairs) else 0
    return {
        "run": other.name,
        "against": first.name,
        "pairs": len(pairs),
        "same_entry": same,
        "unpaired": [len(first.episodes) - len(pairs), len(other.episodes) - len(pairs)],
        "weeks": len(np.unique(weeks)),
        "measures": {name: _difference(pairs, name, weeks, draws, seed) for name in measures},
    }


def _week(expiry: str) -> int:
    """Week of an expiry, from Monday to Sunday."""
    return int((parse_time(expiry) // NS_PER_DAY + 3) // 7)


def _difference(pairs: pd.DataFrame, name: str, weeks: Ints, draws: int, seed: int) -> dict[str, Any]:
    empty = {"mean": None, "standard_error": None, "low": None, "high": None}
    if not len(pairs):
        return empty
    found = (pairs[f"{name}_other"] - pairs[f"{name}_first"]).to_numpy(np.float64)
    known = np.isfinite(found)
    found, weeks = found[known], weeks[known]
    if not len(found):
        return empty
    low, high = resampled_interval(found, weeks, draws, seed)
    error = found.std(ddof=1) / math.sqrt(len(found)) if len(found) > 1 else math.nan
    values = {"mean": found.mean(), "standard_error": error, "low": low, "high": high}
    return {key: float(value) if math.isfinite(value) else None for key, value in values.items()}


def resampled_interval(
    values: Floats, groups: Ints, draws: int = DRAWS, seed: int = 0, level: float = LEVEL
) -> tuple[float, float]:
    """Percentile interval of a mean by drawing whole groups again.

    Parameters
    ----------
    values : array, shape (n,)
    groups : array of int, shape (n,)
        Values of one group are drawn together: those of one week share its prices.
    draws, seed : int
    level : float
        Such as 0.95.

    Returns
    -------
    (low, high)
        NaN for fewer than two groups.

    References
    ----------
    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979) 1-26;
    whole groups: C. Field, A. Welsh, "Bootstrapping clustered data", JRSS B 69 (2007) 369-390.
    """
    _, where = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(where, values), np.bincount(where).astype(np.float64)
    if len(sums) < 2:
        return math.nan, math.nan
    from arch.bootstrap import IIDBootstrap

    groups_again = IIDBootstrap(sums, sizes, seed=np.random.default_rng(seed))
    low, high = groups_again.conf_int(_ratio, draws, method="percentile", size=level)[:, 0].tolist()
    return low, high


def _ratio(sums: Floats, sizes: Floats) -> Floats:
    return np.atleast_1d(sums.sum() / sizes.sum())


def notes(runs: Sequence[StoredRun]) -> list[str]:
    """Say what makes a comparison doubtful."""
    found = []
    if not _same_coin(runs):
        found.append("The runs are in different coins: figures in coin are left out.")
    if len({run.summary.get("accounting_currency") for run in runs}) > 1:
        found.append("Some runs keep their accounts in coin, others in USD: returns are not of one kind.")
    spans = {(run.summary["data"].get("start"), run.summary["data"].get("end")) for run in runs}
    if len(spans) > 1:
        found.append("The runs cover different spans of time.")
    hashes = {str(_sources(run)) for run in runs}
    if len(hashes) > 1:
        found.append("The runs read different data.")
    versions = sorted({str(run.summary.get("gammacore")) for run in runs})
    if len(versions) > 1:
        found.append(f"The runs were made by different versions: {', '.join(versions)}.")
    return found


def _sources(run: StoredRun) -> Any:
    """Whatever tells one set of data from another."""
    data = run.summary["data"]
    if data.get("source") == "simulated":
        return [data.get("source"), run.config.get("market"), run.summary["currency"]]
    parts = (data.get(part) or {} for part in ("chains", "prices", "funding"))
    return [[file.get("sha256") for file in part.get("files", [])] for part in parts]


def verdict(first: StoredRun, other: StoredRun, pairs: dict[str, Any]) -> str:
    """Say in one sentence which run made more, and whether that is more than luck."""
    gap = _less(figure_values(other, "total.usd"), figure_values(first, "total.usd")) or 0.0
    much = f"{usd_words(abs(gap))} {'less' if gap < 0 else 'more'} than" if gap else "as much as"
    words = f"{other.name} made {much} {first.name}"
    found = pairs["measures"]["pnl_usd"]
    if found["low"] is None:
        return f"{words}; too few episodes in common to tell it from luck"
    sure = found["low"] > 0 or found["high"] < 0
    many = f"{usd_words(found['mean'], '+')} an episode over {pairs['pairs']} in common"
    low = usd_words(found["low"], "+").removesuffix(" USD")
    luck = "more than luck" if sure else "within luck"
    return f"{words}: {many}, {luck} (95 % interval {low} to {usd_words(found['high'], '+')})"


def comparison(runs: Sequence[StoredRun]) -> dict[str, Any]:
    """Everything that is compared, as one document."""
    pairs = [paired(runs[0], other) for other in runs[1:]]
    return {
        "verdict": [verdict(runs[0], other, found) for other, found in zip(runs[1:], pairs, strict=True)],
        "runs": [{"name": run.name, "directory": str(run.folder)} for run in runs],
        "simulated_data": any(run.summary.get("simulated_data") for run in runs),
        "modelled": "; ".join(sorted({run.summary["data"].get("modelled") or "" for run in runs} - {""})),
        "faults": list(
            dict.fromkeys(fault for run in runs for fault in run.summary["data"].get("faults", []))
        ),
        "notes": notes(runs),
        "figures": headline_rows(runs),
        "configuration": config_differences(runs),
        "attribution": attribution_lines(runs),
        "paired": pairs,
    }
