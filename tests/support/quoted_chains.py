"""A chain of exact prices from a stated smile."""

import numpy as np

from gammacore import inverse
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, parse_time, year_fraction
from gammacore.volatility import SSVI, SVI

NOW = parse_time("2026-03-02T10:00")
DAYS = np.array([1, 2, 4, 11, 25, 60, 120, 300])
EXPIRY = (NOW // NS_PER_DAY + DAYS) * NS_PER_DAY + 8 * NS_PER_HOUR
TAU = year_fraction(NOW, EXPIRY)
TRUTH = SSVI(rho=-0.25, eta=0.9, gamma=0.45, theta=0.55**2 * TAU)
FORWARD = 70_000 * np.exp(0.04 * TAU)


def chain(seed=None, per_side=12, half_spread=0.004):
    """Quotes around the truth, noise of half a half spread; calls and puts at every strike."""
    k = np.linspace(-2.5, 2.5, 2 * per_side + 1)
    columns = {name: [] for name in ("expiry_ns", "strike", "kind", "forward", "vol")}
    for i, raw in enumerate(TRUTH.raw()):
        at = k * 0.55 * np.sqrt(TAU[i])
        vol = np.sqrt(SVI(*raw).total_variance(at) / TAU[i])
        for kind in (1, -1):
            columns["expiry_ns"].append(np.full(k.size, EXPIRY[i]))
            columns["strike"].append(FORWARD[i] * np.exp(at))
            columns["kind"].append(np.full(k.size, kind))
            columns["forward"].append(np.full(k.size, FORWARD[i]))
            columns["vol"].append(vol)
    found = {name: np.concatenate(parts) for name, parts in columns.items()}
    vol = found.pop("vol")
    if seed is not None:
        vol = vol + 0.5 * half_spread * np.random.default_rng(seed).standard_normal(vol.size)
    tau = year_fraction(NOW, found["expiry_ns"])

    def price(at):
        return inverse.price(found["kind"], found["forward"], found["strike"], tau, at)

    return found | {"bid": price(vol - half_spread), "ask": price(vol + half_spread), "mark": price(vol)}


def with_vols(case, change):
    """The chain with other volatilities: ``change(expiry_ns, strike, forward, vol)``, and the same spread."""
    tau = year_fraction(NOW, case["expiry_ns"])
    columns = [case[name] for name in ("kind", "forward", "strike")]
    vol = inverse.implied_vol(case["kind"], case["mark"], *columns[1:], tau)
    moved = change(case["expiry_ns"], case["strike"], case["forward"], vol)
    shifts = {"bid": -0.004, "ask": 0.004, "mark": 0.0}
    return case | {name: inverse.price(*columns, tau, moved + by) for name, by in shifts.items()}
