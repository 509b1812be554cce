"""How far real fills were from simulated ones, as measured on sessions, and what that makes of a profit.

The files are those of ``gammacore parity JOURNAL --fills STORE --json``: each hedge of a session beside the
same order in the recorded book. What real fills cost more, over their fees, is carried to the fees of a
backtest's hedges; hedges are drawn with replacement for its band.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gammacore.array_types import Floats
from gammacore.errors import DataError

from .performance import number

__all__ = ["measured_fills"]

DRAWS, SEED, SIDES = 2_000, 7, (0.05, 0.95)
COLUMNS = ("filled", "maker", "simulated_maker", "fee", "cost")


def measured_fills(files: Sequence[str], profit: float, fees: float) -> dict[str, Any] | None:
    """Carry what sessions measured to a backtest.

    Parameters
    ----------
    files : sequence of str
        Of ``gammacore parity --fills --json``.
    profit, fees : float
        Of the backtest, and of its hedges, settlement currency.

    Returns
    -------
    dict or None
        None without a file: ``hedges`` compared, maker shares of both, ``cost_over_fees`` with its 5 and 95 %
        quantiles, and the profit with that much more cost.

    Raises
    ------
    DataError
        If a file is not one of those, or has no hedge that was compared.
    """
    if not files:
        return None
    filled, maker, simulated, fee, cost = np.concatenate([_read(Path(name)) for name in files], axis=1)
    if not abs(fee.sum()) > 0.0:
        raise DataError(f"report.fill_parity: the hedges of {', '.join(files)} paid no fees to compare with")
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(len(fee), size=(DRAWS, len(fee)))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = cost[drawn].sum(axis=1) / np.abs(fee[drawn].sum(axis=1))
    low, high = np.quantile(shares[np.isfinite(shares)], SIDES)
    middle = float(cost.sum() / abs(fee.sum()))
    size = np.abs(filled)
    return {
        "hedges": len(fee),
        "maker_share": number(float(np.average(maker, weights=size))),
        "simulated_maker_share": number(float(np.average(simulated, weights=size))),
        "cost_over_fees": {"low": float(low), "mean": middle, "high": float(high)},
        "pnl": {
            "low": profit - abs(fees) * float(high),
            "mean": profit - abs(fees) * middle,
            "high": profit - abs(fees) * float(low),
        },
    }


def _read(path: Path) -> Floats:
    """Columns of the hedges that were compared, shape (columns, hedges)."""
    wanted = "expected what gammacore parity --fills --json writes"
    try:
        hedges = json.loads(path.expanduser().read_text())["hedges"]
        rows = np.array([[float(hedge[name]) for name in COLUMNS] for hedge in hedges], np.float64)
    except OSError as error:
        raise DataError(f"report.fill_parity: {path}: {error.strerror}") from None
    except (ValueError, TypeError, LookupError) as error:
        raise DataError(f"report.fill_parity: {path}: {wanted} ({type(error).__name__}: {error})") from None
    if not rows.size:
        raise DataError(f"report.fill_parity: {path}: no hedge was compared; {wanted} of hedges")
    if not np.all(np.isfinite(rows)) or math.isclose(float(np.abs(rows[:, 0]).sum()), 0.0):
        raise DataError(f"report.fill_parity: {path}: a hedge has no figures; {wanted}")
    return rows.T
