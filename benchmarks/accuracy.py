"""How exact a library is: against exact answers, and against gammacore on market options."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mpmath as mp
import numpy as np
from adapters import Floats, Market, Peer, random_market
from baselines import d_terms
from scipy.special import ndtr

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.reference import mp_black

AGREE = 1e-6  # relative; a library further than this from gammacore is not timed
FULL = 8  # units of 2**-53, after conditioning: full accuracy
FORWARD = 61_357.25  # of the hard grid


def reason(error: BaseException) -> str:
    text = str(error).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    known = [line for line in lines if line.startswith("cannot ")] or lines
    brief = known[0] if len(known[0]) < 90 else known[0].split("/")[-1][:90]
    return f"{type(error).__name__}: {brief}"


def hard_cases(stride: int) -> list[mp_black.Case]:
    """Every so many of the hard grid, at a forward as markets have it: 1 would spare some a rounding."""
    cases = []
    with mp.workdps(mp_black.DIGITS):
        for kind, _, strike, s in mp_black.hard_grid()[::stride]:
            cases.append((kind, FORWARD, float(mp.mpf(strike) * FORWARD), s))
    return cases


def market_of(cases: Sequence[mp_black.Case], prices: Sequence[float]) -> Market:
    """Expiry in a year, so that total volatility is volatility."""
    kind, forward, strike, s = (np.array(column) for column in zip(*cases, strict=True))
    return Market(kind.astype(np.int8), forward, strike, np.ones(len(cases)), s, np.array(prices))


@dataclass(frozen=True)
class Truth:
    """Options with exact answers, and the errors of those that others give."""

    market: Market
    exact: list[mp.mpf]
    condition: list[mp.mpf]  # what the relative error is divided by

    def units(self, found: Floats) -> Floats:
        """Errors in units of 2**-53; infinite where there is no answer."""
        out = np.full(len(self.exact), np.inf)
        with mp.workdps(mp_black.DIGITS):
            for i, (value, exact, condition) in enumerate(
                zip(found.tolist(), self.exact, self.condition, strict=True)
            ):
                if math.isfinite(value) and value > 0:
                    out[i] = float(abs(mp.mpf(value) - exact) / (exact * condition)) / mp_black.UNIT
        return out


@cache
def price_truth(stride: int) -> Truth:
    cases, exact, condition = [], [], []
    with mp.workdps(mp_black.DIGITS):
        for case in hard_cases(stride):
            kind, *numbers, s = case
            value, vega = mp_black.black(kind, *map(mp.mpf, numbers), mp.mpf(s))
            if value > mp.mpf("1e-290"):
                cases.append(case)
                exact.append(value)
                condition.append(1 + s * vega / value)
    return Truth(market_of(cases, [0.0] * len(cases)), exact, condition)


@cache
def vol_truth(stride: int) -> Truth:
    """Vols of the rounded prices; only prices that hold at least four digits of their volatility."""
    cases, prices, exact, condition = [], [], [], []
    with mp.workdps(mp_black.DIGITS):
        for case in hard_cases(stride):
            price = mp_black.rounded_price(case)
            if mp_black.has_implied_vol(case, price):
                value, elasticity = mp_black.implied_total_vol(*case[:3], price, case[3])
                cases.append(case)
                prices.append(price)
                exact.append(value)
                condition.append(max(mp.mpf(1), elasticity))
    return Truth(market_of(cases, prices), exact, condition)


@cache
def greek_truth(n: int) -> tuple[Market, dict[str, list[mp.mpf]]]:
    market = random_market(n, seed=2)
    exact: dict[str, list[mp.mpf]] = {}
    with mp.workdps(mp_black.DIGITS):
        for kind, *row in market.rows("kind", "forward", "strike", "tau", "vol"):
            inputs = [mp.mpf(value) for value in row]
            greeks = mp_black.black76_greeks(kind, *inputs, mp.mpf(0))
            spot = mp_black.black_scholes_greeks(kind, *inputs, mp.mpf(0), mp.mpf(0))
            for name, value in (greeks | {"spot rho": spot["rho"]}).items():
                exact.setdefault(name, []).append(value)
    return market, exact


def answers(peer: Peer, task: str, market: Market, name: str) -> Floats:
    """Return NaN where the library raises."""
    peer.before()
    with np.errstate(all="ignore"):
        try:
            job = peer.job(task, market)
            return job.read(job.run())[name]
        except Exception:
            out = np.full(len(market), np.nan)
            for i in range(len(market)):
                try:
                    job = peer.job(task, market.take([i]))
                    out[i] = job.read(job.run())[name][0]
                except Exception:
                    continue
            return out


def accuracy(peer: Peer, task: str, quick: bool) -> str:
    """Say how exact a library is, in a table cell."""
    if task == "greeks":
        market, exact = greek_truth(20 if quick else 200)
        peer.before()
        job = peer.job(task, market)
        worst = ("", -1.0)
        for name, column in job.read(job.run()).items():
            truth = exact["spot rho" if name == "rho" and peer.rho == "spot" else name]
            with mp.workdps(mp_black.DIGITS):
                errors = [
                    float(abs(mp.mpf(v) - e) / abs(e)) for v, e in zip(column.tolist(), truth, strict=True)
                ]
            worst = max(worst, (name, max(errors)), key=lambda entry: entry[1])
        return f"{worst[1]:.1e} ({worst[0]})"
    name = "price" if task == "price" else "vol"
    stride = 40 if quick else 7 if task == "price" else 5
    truth = (price_truth if task == "price" else vol_truth)(stride)
    units = truth.units(answers(peer, task, truth.market, name))
    full = int(np.count_nonzero(units <= FULL))
    missing = int(np.count_nonzero(~np.isfinite(units)))
    wrong = int(np.count_nonzero(np.isfinite(units) & (units * mp_black.UNIT > AGREE)))
    worst_unit = units[np.isfinite(units)].max(initial=0.0)
    return f"{full} of {units.size} | {worst_unit:.2g} | {wrong + missing}"


ACCURACY = {
    "price": f"within {FULL} u | worst u | wrong or missing",
    "greeks": "worst relative error",
    "implied_vol": f"within {FULL} u | worst u | wrong or missing",
    "fused": f"vol within {FULL} u | worst u | wrong or missing",
}


def disagreement(peer: Peer, task: str, reference: Peer) -> str:
    """Say how a library differs from gammacore on market options; empty if it does not."""
    market = random_market(200, seed=3)
    for sample in (market, market.take([0])):
        reference.before()
        ours = reference.job(task, sample)
        expected = ours.read(ours.run())
        try:
            peer.before()
            job = peer.job(task, sample)
            found = job.read(job.run())
        except Exception as error:
            return f"does not run: {reason(error)}"
        for name, column in found.items():
            if name not in expected:
                continue
            truth = expected[name]
            if name == "rho" and peer.rho == "spot":
                _, d2 = d_terms(sample.forward, sample.strike, sample.total_vol)
                truth = sample.kind * sample.strike * sample.tau * ndtr(sample.kind * d2)
            with np.errstate(all="ignore"):
                worst = float(np.max(np.abs(column / truth - 1)))
            if not worst <= AGREE:
                return f"{name} off by {worst:.1e}, not timed"
    return ""
