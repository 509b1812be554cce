"""The exact hedge under exponential utility against its asymptotic rules."""

import pytest

from gammacore import black76
from gammacore.errors import ConfigError
from gammacore.hedging import widths
from gammacore.hedging.hodges_neuberger import hodges_neuberger

SETTING = (100.0, 100.0, 1.0, 0.30)  # Hodges and Clewlow: a year, 30 %, no interest
GAMMA = black76.greeks("call", *SETTING).gamma


def continuous_half_width(cost, risk_aversion):
    """Half-width in continuous time: the lattice's falls short of it by a multiple of sqrt(dt)."""
    spacing = widths.whalley_wilmott(100.0, GAMMA, cost, risk_aversion) / 30
    coarse, fine = (
        hodges_neuberger(*SETTING, cost, risk_aversion, steps=steps, spacing=spacing).half_width
        for steps in (100, 400)
    )
    return 2 * fine - coarse


def test_whalley_wilmott_is_the_limit_of_small_costs():
    """The relative difference falls like cost^(1/3), so that the widths agree to cost^(2/3)."""
    gaps = {}
    for cost in (0.02, 0.003, 0.001):
        limit = widths.whalley_wilmott(100.0, GAMMA, cost, 0.1)
        gaps[cost] = 1 - continuous_half_width(cost, 0.1) / limit
    assert gaps[0.02] > gaps[0.003] > gaps[0.001] > 0
    assert gaps[0.001] < 0.05
    assert gaps[0.001] / gaps[0.02] == pytest.approx((0.001 / 0.02) ** (1 / 3), rel=0.5)


def test_zakamouline_is_nearer_than_whalley_wilmott_where_it_was_fitted():
    exact = continuous_half_width(0.01, 1.0)
    asymptotic = widths.whalley_wilmott(100.0, GAMMA, 0.01, 1.0)
    fitted = widths.zakamouline(100.0, -GAMMA, 0.30, 1.0, 0.01, 1.0).width
    assert abs(fitted - exact) < 0.6 * abs(asymptotic - exact)


@pytest.mark.parametrize("amount", [-1.0, 1.0])
def test_the_region_surrounds_the_hedge_and_opens_with_the_cost(amount):
    inner, outer = (
        hodges_neuberger(*SETTING, cost, 0.1, amount=amount, steps=60, spacing=0.004)
        for cost in (0.001, 0.01)
    )
    assert outer.lower < inner.lower < inner.upper < outer.upper
    assert inner.lower < inner.delta < inner.upper
    assert inner.delta * amount < 0


@pytest.mark.parametrize(
    ("change", "field"),
    [({"cost": 0.0}, "cost"), ({"risk_aversion": -1.0}, "risk_aversion"), ({"steps": 1}, "steps")],
)
def test_bad_input_is_named(change, field):
    case = {"spot": 100.0, "strike": 100.0, "tau": 1.0, "vol": 0.3, "cost": 0.01, "risk_aversion": 1.0}
    with pytest.raises(ConfigError, match=field):
        hodges_neuberger(**{**case, **change})
