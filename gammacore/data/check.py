"""Hold our implied volatility against the one the exchange recorded."""

from typing import TypedDict

import numpy as np
import numpy.typing as npt

from gammacore import inverse
from gammacore.contracts import Settlement
from gammacore.data.chains import Chains, parity_forward

__all__ = ["Reproduction", "iv_reproduction"]

FloatArray = npt.NDArray[np.float64]


class Reproduction(TypedDict):
    """Error of recomputed against recorded volatilities, in volatility points.

    Attributes
    ----------
    rows : int
        Rows compared: those with a vega above the floor.
    failed : int
        Of these, rows whose mark has no implied volatility; they count as not within.
    median, p90, p99 : float
        Quantiles of the absolute error.
    within_0_1, within_0_5 : float
        Shares of rows with an error below 0.1 and 0.5 points.
    """

    rows: int
    failed: int
    median: float
    p90: float
    p99: float
    within_0_1: float
    within_0_5: float


def iv_reproduction(chains: Chains, *, min_vega: float = 2e-4) -> dict[str, Reproduction]:
    """Recompute implied volatilities from the marks and compare them with the recorded ones.

    Parameters
    ----------
    chains : Chains
        Of inverse options.
    min_vega : float
        Rows count whose vega is above this, in coin per volatility point: below it the
        rounding of the marks decides the volatility.

    Returns
    -------
    dict of str to Reproduction
        ``recorded`` uses the recorded forward of each row, ``parity`` the forward that
        put-call parity implies for the row's snapshot and expiry.

    Raises
    ------
    ValueError
        If the options are linear.
    """
    if chains.settlement is not Settlement.INVERSE:
        raise ValueError(f"iv_reproduction compares inverse options only, got {chains.currency}")
    forwards = parity_forward(chains)
    return {
        "recorded": _reproduction(chains, chains.forward, min_vega),
        "parity": _reproduction(chains, forwards.parity[forwards.group], min_vega),
    }


def _reproduction(chains: Chains, forward: FloatArray, min_vega: float) -> Reproduction:
    known = np.flatnonzero((forward > 0) & (chains.iv > 0) & np.isfinite(chains.mark))
    kind, strike, iv, mark = chains.kind[known], chains.strike[known], chains.iv[known], chains.mark[known]
    forward, tau = forward[known], chains.tau[known]
    vega_usd = inverse.greeks(kind, forward, strike, tau, iv).vega
    counted = vega_usd / 100.0 / forward > min_vega
    implied = inverse.implied_vol(
        kind[counted], mark[counted], forward[counted], strike[counted], tau[counted]
    )
    error = 100.0 * np.abs(implied - iv[counted])
    failed = np.isnan(error)
    quantiles = np.quantile(error[~failed], [0.5, 0.9, 0.99]) if not failed.all() else np.full(3, np.nan)
    rows = max(error.size, 1)
    return Reproduction(
        rows=error.size,
        failed=int(failed.sum()),
        median=float(quantiles[0]),
        p90=float(quantiles[1]),
        p99=float(quantiles[2]),
        within_0_1=float(np.count_nonzero(error < 0.1)) / rows,
        within_0_5=float(np.count_nonzero(error < 0.5)) / rows,
    )
