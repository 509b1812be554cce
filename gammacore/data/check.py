"""Hold recorded chains against their own marks and forwards, and against prices."""

from dataclasses import replace
from typing import TypedDict

import numpy as np

from gammacore import inverse
from gammacore.array_types import Floats
from gammacore.contracts import Settlement
from gammacore.data.chain_files import MODELLED
from gammacore.data.chains import Chains, parity_forward
from gammacore.data.prices import Prices
from gammacore.data.quality import Finding
from gammacore.data.soundness import (
    CheckResult,
    bars_against_forwards,
    shift_of_hours,
    sides_swapped,
    units_of_iv,
)
from gammacore.daycount import format_time

__all__ = ["HARMLESS", "Reproduction", "chain_faults", "chain_verdicts", "iv_reproduction"]

HARMLESS = (
    MODELLED,
    "quotes of zero, read as none",
    "mark outside bid and ask",
    "no mark",
    "no forward",
    "no index",
    "no volatility",
    "no listed future (synthetic forward)",
    "files ignored (not chains, or another currency)",
    "chains gathered from a sweep",
    "rows replaced by a newer one of their sweep",
)
"""Findings of `load_chains` that sound recordings have too; any other is a fault."""


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


def chain_faults(chains: Chains) -> list[Finding]:
    """Return the findings of the loader that are faults, and chains that repeat the one before."""
    faults = [one for one in chains.quality.problems if one.check not in HARMLESS]
    return faults + [one for one in [_copied(chains)] if one.count]


def chain_verdicts(chains: Chains, prices: Prices | None = None) -> list[CheckResult]:
    """Hold chains against their units, their index and, where there are any, price bars.

    Parameters
    ----------
    chains : Chains
    prices : Prices, optional
        Of the same coin.

    Returns
    -------
    list of CheckResult
        Of every check that was made.
    """
    c, first = chains, chains.offsets[:-1]
    at, forward = chains.snapshot_ts, chains.forward[first]
    inverse_ = chains.settlement is Settlement.INVERSE
    verdicts = [
        units_of_iv(c.kind, c.mark, c.forward, c.strike, c.tau, c.iv, c.ts_ns, in_coin=inverse_),
        sides_swapped(c.bid, c.ask, c.ts_ns),
        replace(bars_against_forwards(at, c.index[first], at, forward), check="index against forwards, |ln|"),
    ]
    if prices is not None:
        verdicts.append(bars_against_forwards(prices.ts_ns, prices.close, at, forward))
        verdicts.append(shift_of_hours(prices.ts_ns, prices.close, at, forward))
    return verdicts


def _copied(chains: Chains) -> Finding:
    """Count chains with every price of the one before."""
    columns = (chains.code, chains.forward, chains.bid, chains.ask, chains.mark)
    edges = chains.offsets.tolist()
    copied = [
        k
        for k, (a, b, c) in enumerate(zip(edges, edges[1:], edges[2:], strict=False), 1)
        if b - a == c - b and all(np.array_equal(x[a:b], x[b:c], equal_nan=x.dtype == float) for x in columns)
    ]
    example = f"that of {format_time(chains.snapshot_ts[copied[0]])}" if copied else ""
    return Finding("chains that repeat the one before", len(copied), chains.snapshot_ts.size, example)


def _reproduction(chains: Chains, forward: Floats, min_vega: float) -> Reproduction:
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
