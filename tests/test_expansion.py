"""Lines of one option along a path: derivatives, sums, orders of what is left."""

import numpy as np
import pytest

from gammacore.contracts import Option, Settlement
from gammacore.expansion import MODEL_LINES, model_lines
from gammacore.valuation import sensitivities, value
from support.markets import FRIDAY

COIN = Option("BTC", Settlement.INVERSE, FRIDAY, 62e3, 1)
USD = Option("BTC", Settlement.LINEAR, FRIDAY, 62e3, -1)
OPTIONS = pytest.mark.parametrize("option", [COIN, USD], ids=["inverse", "linear"])
METHODS = pytest.mark.parametrize("method", ["taylor", "revaluation"])


def worth(option, axis, t, vol):
    """Value as a function of the price that the hedge is linear in, and of time: 0.05 years to go."""
    forward = 1 / axis if option.settlement is Settlement.INVERSE else axis
    return value(option, forward, 0.05 - t, vol)


def slope(function, x, h):
    """First derivative by central differences, fourth order."""
    return (8 * (function(x + h) - function(x - h)) - function(x + 2 * h) + function(x - 2 * h)) / (12 * h)


@OPTIONS
@pytest.mark.parametrize("forward", [50e3, 61e3, 75e3])
def test_sensitivities_are_derivatives(option, forward):
    at = sensitivities(option, forward, 0.05, 0.6)
    x = 1 / forward if option.settlement is Settlement.INVERSE else forward

    def delta(t=0.0, vol=0.6):
        return slope(lambda y: worth(option, y, t, vol), x, 1e-3 * x)

    assert at.delta == pytest.approx(delta(), rel=1e-6)
    gamma = slope(lambda y: slope(lambda z: worth(option, z, 0.0, 0.6), y, 1e-3 * x), x, 1e-3 * x)
    assert at.gamma == pytest.approx(gamma, rel=1e-5)
    assert at.theta == pytest.approx(slope(lambda t: worth(option, x, t, 0.6), 0.0, 1e-5), rel=1e-6)
    assert at.vega == pytest.approx(slope(lambda v: worth(option, x, 0.0, v), 0.6, 1e-3), rel=1e-6)
    assert at.vanna == pytest.approx(slope(lambda v: delta(vol=v), 0.6, 1e-3), rel=1e-4)
    assert at.charm == pytest.approx(slope(lambda t: delta(t=t), 0.0, 1e-4), rel=1e-4)
    volga = slope(lambda v: slope(lambda w: worth(option, x, 0.0, w), v, 1e-3), 0.6, 1e-3)
    assert at.volga == pytest.approx(volga, rel=1e-4)


def path(scale, steps=40, seed=1):
    rng = np.random.default_rng(seed)
    forward = 61e3 * np.exp(np.cumsum(scale * 0.02 * rng.standard_normal(steps)))
    vol = 0.6 + scale * 0.03 * rng.standard_normal(steps)
    return forward, 0.05 - scale**2 * 0.001 * np.arange(steps), vol


@OPTIONS
@METHODS
def test_lines_sum_to_the_move_of_the_model(option, method):
    forward, tau, vol = path(1.0)
    model = value(option, forward, tau, vol)
    lines = model_lines(option, forward, tau, vol, model, method)
    assert set(lines) == set(MODEL_LINES)
    total = np.sum(list(lines.values()), axis=0)
    np.testing.assert_allclose(total, np.diff(model), rtol=0, atol=1e-14 * np.abs(model).max())
    assert all(np.abs(line).max() > 0 for line in lines.values())


@OPTIONS
@METHODS
def test_what_is_left_vanishes_faster_than_second_order(option, method):
    """A step a tenth as large, in a hundredth of the time, leaves about a thousandth, not a hundredth."""
    left = []
    for scale in (0.1, 0.01):
        forward, tau, vol = path(scale)
        lines = model_lines(option, forward, tau, vol, value(option, forward, tau, vol), method)
        left.append(np.abs(lines["higher_order"]).max())
    assert left[1] < 2e-3 * left[0]


@OPTIONS
def test_methods_agree_on_small_steps(option):
    forward, tau, vol = path(0.01)
    model = value(option, forward, tau, vol)
    one, two = (model_lines(option, forward, tau, vol, model, m) for m in ("taylor", "revaluation"))
    for line in ("delta", "gamma", "theta", "vega", "vanna", "volga", "charm"):
        np.testing.assert_allclose(two[line], one[line], rtol=0.05, atol=0.02 * np.abs(one[line]).max())


@OPTIONS
def test_repricing_is_exact_in_each_direction_alone(option):
    """A jump of 30 %, a month at once, a volatility that doubles: all of it in one pair of lines."""
    base = [np.array([60e3, 60e3]), np.array([0.1, 0.1]), np.array([0.6, 0.6])]
    for k, (jump, names) in enumerate(
        ((1.3, ("delta", "gamma")), (0.2, ("theta",)), (2.0, ("vega", "volga")))
    ):
        state = [values.copy() for values in base]
        state[k][1] *= jump
        model = value(option, *state)
        lines = model_lines(option, *state, model, "revaluation")
        assert sum(lines[name][0] for name in names) == pytest.approx(np.diff(model)[0], rel=1e-12)
        others = [abs(lines[name][0]) for name in MODEL_LINES if name not in names]
        assert max(others) < 1e-12 * np.abs(model).max()
