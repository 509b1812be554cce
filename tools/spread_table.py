"""Fit how wide options are quoted to recorded chains: gammacore/data/trade_chains/spread_models.json.

    python tools/spread_table.py DIR > gammacore/data/trade_chains/spread_models.json

DIR holds recorded chains with real quotes of BTC and ETH. The last quarter of the time is kept out of the fit
and judges it. The loss is that of the logarithm of the half spread, linear beyond 0.2, so that the model is
near the median and a few absent market makers do not count. Derivation: docs/data.md.
"""

import json
import sys
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from gammacore.data import Chains, best_forward, load_chains
from gammacore.data.listings import published
from gammacore.data.trade_chains.spread_model import features
from gammacore.daycount import NS_PER_HOUR, format_time

ROWS = 40_000  # drawn at random: more change the third digit
SHARE = 0.75
SCALE = 0.2
START = [-6.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
LEAST_NS = 2 * NS_PER_HOUR  # before expiry


def model(chains: Chains) -> dict[str, Any]:
    """Fit both sides of one coin."""
    listed = published().of(chains.currency, "option")
    assert listed is not None
    forward, tau = best_forward(chains), chains.tau
    half = 0.5 * (chains.ask - chains.bid)
    rows = np.flatnonzero(
        (half > 0) & (chains.iv > 0) & (chains.bid > 0) & (chains.expiry_ns - chains.ts_ns >= LEAST_NS)
    )
    found, deviations = features(forward[rows], chains.strike[rows], tau[rows], chains.iv[rows])
    tick = np.full(rows.size, listed.tick_size)
    for above, coarser in listed.tick_size_steps:
        tick[chains.mark[rows] >= above] = coarser
    wanted = np.log(half[rows])
    outside = chains.kind[rows] * deviations >= 0
    first, last = chains.span
    cut = first + int(SHARE * (last - first))
    before = chains.ts_ns[rows] < cut
    random = np.random.default_rng(1)

    def error(c: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.log(np.exp(found[at] @ c) + 0.5 * tick[at]) - wanted[at]

    fitted, words = {}, []
    for name, side in (("outside", outside), ("inside", ~outside)):
        train = random.permutation(np.flatnonzero(side & before))[:ROWS]
        test = np.flatnonzero(side & ~before)
        best = least_squares(error, START, args=(train,), loss="soft_l1", f_scale=SCALE)
        off = error(best.x, test)
        fitted[name] = [round(float(c), 4) for c in best.x]
        words.append(
            f"{name} the money {test.size:,} later quotes: median error {np.expm1(np.median(off)):+.0%}, "
            f"median absolute error {np.expm1(np.median(np.abs(off))):.0%}"
        )
    return {
        "name": f"{chains.currency} to {format_time(last)[:10]}",
        **fitted,
        "fitted": f"{rows.size:,} quotes recorded {format_time(first)[:10]} to {format_time(last)[:10]}, "
        f"fitted before {format_time(cut)[:10]}; {'; '.join(words)}",
    }


if __name__ == "__main__":
    models = {currency: model(load_chains(sys.argv[1], currency=currency)) for currency in ("BTC", "ETH")}
    print(json.dumps(models, indent=1))  # noqa: T201
