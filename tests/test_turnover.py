"""Laws of hedge policies against the theorems they generalise, quadrature, and simulation."""

import math

import numpy as np
import pytest

from gammacore import black76
from gammacore.backtest.simulation.experiment import Experiment
from gammacore.backtest.simulation.models import GBM
from gammacore.backtest.simulation.montecarlo import simulate
from gammacore.backtest.simulation.option_book import Costs, strangle
from gammacore.daycount import NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.hedging import (
    Band,
    Custom,
    FixedCost,
    Interval,
    Ladder,
    Move,
    Never,
    WhalleyWilmott,
    Zakamouline,
    theory,
)
from gammacore.hedging.turnover import LognormalPath, Power, hedge_rates
from support.reference.bands import band_law

F, MONTH, VOL = 60_000.0, 30 / 365, 0.6
ONE = np.ones(1)


def path(low, high=None, tau=MONTH, vol=VOL, hold=None, amount=1.0):
    high = low if high is None else high
    hold = tau if hold is None else hold
    return LognormalPath(F * ONE, tau * ONE, hold * ONE, low * ONE, high * ONE, vol * ONE, amount)


def one_option(strike, **options):
    """A straddle of half the size has the gamma of one option."""
    return path(strike, amount=0.5, **options)


def hourly(hours):
    return Interval(round(hours * 3.6e12))


def in_usd(turnover):
    return turnover._replace(p=turnover.p + 1.0)


# ---- theorems ----------------------------------------------------------------------


@pytest.mark.parametrize("strike", [45_000.0, 60_000.0, 70_000.0])
@pytest.mark.parametrize("hedges", [30, 720])
def test_interval_is_bertsimas_kogan_lo_and_leland(strike, hedges):
    where, policy = one_option(strike), Interval(round(MONTH / hedges * NS_PER_YEAR))
    law = hedge_rates(policy, where, VOL * ONE)
    variance = where.integral(law.variance, VOL * ONE)[0]
    bkl = theory.bertsimas_kogan_lo(F, strike, MONTH, VOL, hedges)
    assert math.sqrt(variance) == pytest.approx(bkl, rel=1e-8)
    vega = black76.greeks("call", F, strike, MONTH, VOL).vega
    cost = where.integral(in_usd(law.turnover), VOL * ONE)[0]
    assert cost == pytest.approx(theory.expected_cost_of_time_hedging(1.0, vega, MONTH, hedges), rel=1e-8)


@pytest.mark.parametrize("strike", [50_000.0, 60_000.0, 66_000.0])
@pytest.mark.parametrize("realised", [0.35, 0.6, 0.9])
def test_gamma_moments_are_ahmad_and_wilmotts(strike, realised):
    mean, sd = one_option(strike).gamma_moments(realised * ONE)
    gained = realised**2 - VOL**2
    aw = (F, strike, MONTH, VOL, realised)
    assert mean[0] * gained == pytest.approx(theory.ahmad_wilmott_mean(*aw), rel=1e-8, abs=1e-9)
    assert sd[0] * abs(gained) == pytest.approx(theory.ahmad_wilmott_sd(*aw), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("policy", "rule", "size"),
    [(Band(0.1), "centre", 0.1), (Band(0.1, True), "edge", 0.1), (Ladder(0.2, 0.4), "centre", 0.2)],
)
def test_bands_follow_the_law_at_every_moment(policy, rule, size):
    where = one_option(F)
    law = hedge_rates(policy, where, VOL * ONE)
    speed = 1.0
    known = band_law(rule, speed, size)
    assert law.turnover.factor == pytest.approx(known.turnover)
    assert law.variance.factor == pytest.approx(known.mean_square)


def test_an_asymmetric_band_is_that_of_its_exit_times():
    """From 0 to -b or a: mean time ab/s^2, mean size 2ab/(a+b), mean square (a^2 - ab + b^2)/6."""
    rng = np.random.default_rng(3)
    above, below, step = 0.3, 0.1, 1e-4
    x, moved, square = np.zeros(400), 0.0, 0.0
    total = 40_000
    for _ in range(total):
        x += math.sqrt(step) * rng.standard_normal(400)
        out = (x > above) | (x < -below)
        moved += np.abs(x[out]).sum()
        x[out] = 0.0
        square += np.mean(x**2)
    wide = theory.MONITORING * math.sqrt(step)
    law = hedge_rates(Band(above + wide, False, below + wide), one_option(F), VOL * ONE)
    assert law.turnover.factor == pytest.approx(moved / (400 * total * step), rel=0.03)
    assert law.variance.factor == pytest.approx(square / total, rel=0.03)


# ---- expectations ---------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(60_000.0, 60_000.0), (52_000.0, 68_000.0), (59_000.0, 61_000.0)])
@pytest.mark.parametrize(("p", "q", "rel"), [(3, 2, 1e-9), (2, 1, 1e-9), (8 / 3, 4 / 3, 0.02), (2, 0, 1e-9)])
def test_moments_against_quadrature(low, high, p, q, rel):
    where, sigma = path(low, high), 0.75
    x = np.linspace(-9.0, 9.0, 40_001)  # gamma is narrow close to expiry
    weight = np.exp(-0.5 * x * x)
    weight /= weight.sum()
    for node in (0, 5, 12, 15):
        t, left = where.t[0, node], where.left[0, node]
        spread = sigma * math.sqrt(t)
        price = F * np.exp(spread * x - 0.5 * spread**2)
        gamma = sum(black76.greeks("call", price, k, left, VOL).gamma for k in (low, high))
        found = where.moment(p, q, np.array([[sigma]]))[0, node]
        assert found == pytest.approx(float(weight @ (price**p * gamma**q)), rel=rel)


def test_weights_are_those_of_time():
    whole, part = path(F), path(F, hold=0.5 * MONTH)
    assert whole.weight.sum() == pytest.approx(MONTH)
    assert part.weight.sum() == pytest.approx(0.5 * MONTH)
    assert part.t.min() > 0
    assert part.t.max() < 0.5 * MONTH
    assert (part.weight * part.t).sum() == pytest.approx(0.5 * (0.5 * MONTH) ** 2)


# ---- simulation ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "cost_within", "sd_within"),
    [
        (hourly(4), 0.03, 0.07),
        (Band(0.1), 0.07, 0.15),
        (Band(0.1, True), 0.07, 0.15),
        (Move(1.0), 0.09, 0.14),
        (WhalleyWilmott(1e-3, 5e-4), 0.06, 0.08),
        (WhalleyWilmott(1e-3, 5e-4, False), 0.06, 0.08),
        (FixedCost(1e-3, 1.0), 0.05, 0.07),
        (Zakamouline(1e-3, 5e-4), 0.03, 0.35),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize(("low", "high"), [(60_000.0, 60_000.0), (56_000.0, 66_000.0)])
@pytest.mark.parametrize("realised", [0.5, 0.6, 0.75])
def test_cost_and_deviation_against_simulation(policy, cost_within, sd_within, low, high, realised):
    tau, steps = 14 / 365, 14 * 24 * 6
    run = simulate(
        Experiment(
            book=strangle(low, high, tau),
            model=GBM(realised),
            policy=policy,
            forward=F,
            implied=VOL,
            steps=steps,
            costs=Costs(proportional=1.0),
        ),
        paths=6_000,
        seed=11,
        columns=("fees",),
    )
    where, sigma = path(low, high, tau), realised * ONE
    law = hedge_rates(policy, where, sigma, look=tau / steps)
    first = abs(
        black76.greeks("call", F, high, tau, VOL).delta + black76.greeks("put", F, low, tau, VOL).delta
    )
    cost = where.integral(in_usd(law.turnover), sigma)[0] + first * F
    assert cost == pytest.approx(run.mean("fees"), rel=cost_within)
    _, sd = where.gamma_moments(sigma)
    found = math.hypot((realised**2 - VOL**2) * sd[0], math.sqrt(where.error(law.variance, sigma)[0]))
    assert found == pytest.approx(float(np.std(run["pnl"] + run["fees"])), rel=sd_within)


# ---- what cannot be -----------------------------------------------------------------------


def test_never_costs_nothing_and_a_custom_rule_is_its_trigger():
    where = path(F)
    assert where.integral(hedge_rates(Never(), where, VOL * ONE).turnover, VOL * ONE)[0] == 0.0
    custom = Custom(Band(0.1), lambda at: 0.0)
    assert hedge_rates(custom, where, VOL * ONE) == hedge_rates(Band(0.1), where, VOL * ONE)


def test_how_often_must_be_known():
    where = path(F)
    with pytest.raises(ConfigError, match=r"hedge\.rule: how often chains"):
        hedge_rates(Interval(0, snapshots_only=True), where, VOL * ONE)
    every = hedge_rates(Interval(0, snapshots_only=True), where, VOL * ONE, every=1 / 365)
    assert every == hedge_rates(hourly(24), where, VOL * ONE)


def test_a_mismatch_is_held_to_what_the_delta_still_moves():
    where, sigma = path(F), VOL * ONE
    wide = Power(100.0, 2.0, 2.0, 0.0)  # the square of a band of ten coins
    most = where.integral(Power(where.left, 4.0, 4.0, 2.0), sigma)[0]
    assert where.error(wide, sigma)[0] == pytest.approx(most)
