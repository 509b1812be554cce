"""Totals that are summed in compiled code against the steps of every line, one by one."""

import math

import numpy as np
import pytest

from gammacore import _core, _replay, black76
from gammacore import inverse as inverse_model
from gammacore.attribution import LINES, attribute
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.config import parse_config, with_overrides
from support.tapes import minute_tape

SETTINGS = [
    {},
    {"entry.structure": "strangle", "entry.side": "short"},
    {"hedge.instrument": "future"},
    {"hedge.target": "usd_neutral", "hedge.rule": "interval"},
    {"hedge.instrument": "forward", "hedge.target": "black", "hedge.lots": False, "costs.fill": "mark"},
    {"hedge.rule": "never", "exit.hours_before_expiry": 12.0},
    {"exit.hours_before_expiry": 7.123, "costs.max_quote_age": None},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_totals_are_the_sums_of_the_steps(setting):
    config = with_overrides(parse_config({}), {"entry.expiries": "any", "entry.max_days": 14.0} | setting)
    tape = minute_tape(days=14.2, linear=config.hedge.instrument == "forward")
    tape.interest = tape.owed = 1e-7 * np.sin(np.arange(len(tape)) / 3_000)
    run = replay(config, tape)
    assert len(run.episode_runs) >= 1
    for done in run.episode_runs:
        parts = attribute(done.episode, tape, done.last)
        for currency, slack in (("coin", 1e-11), ("usd", 1e-6)):
            steps = getattr(parts, currency)
            for line in LINES:
                total = getattr(parts.totals[line], currency)
                assert total == pytest.approx(math.fsum(steps[line]), rel=1e-9, abs=slack), line


@pytest.mark.parametrize("method", ["taylor", "revaluation"])
@pytest.mark.parametrize("priced", [True, False])
def test_time_passes_until_an_exit_between_two_entries(priced, method):
    """Options age from the last price to the exit, unless their published mark is the latest news."""
    setting = {"exit.hours_before_expiry": 7.123, "costs.max_quote_age": None, "costs.fill": "mark"}
    tape = minute_tape()
    if not priced:
        tape = Tape(tape.chains)
    run = replay(with_overrides(parse_config({}), setting), tape)
    done = run.episode_runs[0]
    exit_ns = done.episode.end_ns
    assert exit_ns not in tape.ts_ns
    parts = attribute(done.episode, tape, done.last, method)  # refuses what does not sum to the ledger
    assert parts.ts_ns[-1] == exit_ns > parts.ts_ns[-2]
    assert parts.coin["theta"][-1] < 0.0
    moved = sum(parts.coin[line][-1] for line in ("theta", "higher_order", "unexplained"))
    assert moved < 0.0 if priced else moved == pytest.approx(0.0, abs=1e-15)


def path(n, seed=1):
    rng = np.random.default_rng(seed)
    forward = 60e3 * np.exp(np.cumsum(1e-3 * rng.standard_normal(n + 1)))
    return forward, np.linspace(0.1, 0.05, n + 1), 0.5 + 0.1 * rng.random(n + 1), forward / 60e3, rng


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 512, 1_003])
def test_taylor_sums_of_a_plain_loop(inverse, n):
    forward, tau, vol, rate, _ = path(n)
    names = (
        "price",
        "net_delta" if inverse else "delta",
        "gamma",
        "theta",
        "vega",
        "vanna",
        "volga",
        "charm",
    )
    model = inverse_model if inverse else black76
    greeks = model.sensitivities(names, -1, forward, 61e3, tau, vol)
    expected = np.zeros((9, 2))
    for k in range(n):
        price, delta, gamma, theta, vega, vanna, volga, charm = (g[k] for g in greeks)
        f, move = forward[k], forward[k + 1] - forward[k]
        if inverse:  # gammacore.valuation.sensitivities
            move = 1 / forward[k + 1] - 1 / f
            delta, gamma, vanna, charm = -f * delta, f**3 * gamma, vega - f * vanna, theta - f * charm
            theta, vega, volga = theta / f, vega / f, volga / f
        passed, change = tau[k] - tau[k + 1], vol[k + 1] - vol[k]
        lines = [
            delta * move,
            gamma * move**2 / 2,
            theta * passed,
            vega * change,
            vanna * move * change,
            volga * change**2 / 2,
            charm * move * passed,
            greeks[0][k + 1] - price,
            move,
        ]
        expected += np.outer(lines, [1.0, rate[k + 1]])
    found = _core.taylor_sums(inverse, -1, 61e3, forward, tau, vol, rate)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max() + 1e-300)


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("fills", [0, 1, 5, 200])
def test_held_sums_of_a_plain_loop(inverse, fills):
    n = 300
    price, interest, _, rate, rng = path(n, fills)
    forward = price * (1 + 1e-3 * rng.random(n + 1))
    points = np.sort(rng.integers(0, n + 2, fills))  # several at one point, and some after the end
    amount, excess = rng.standard_normal((2, fills))
    expected = np.zeros((4, 2))
    for k in range(n):
        held = amount[points <= k].sum()
        extra = excess[points <= k][-1] if (points <= k).any() else 0.0
        move, with_forward = price[k + 1] - price[k], forward[k + 1] - forward[k]
        if inverse:
            move = 1 / price[k] - 1 / price[k + 1]
            with_forward = (1 / forward[k] - 1 / forward[k + 1]) * forward[k] / price[k]
        wanted, paid = held - extra, interest[k + 1] - interest[k]
        lines = [wanted * with_forward, wanted * (move - with_forward), extra * move, -held * paid]
        expected += np.outer(lines, [1.0, rate[k + 1]])
    found = _replay.held_sums(inverse, price, forward, interest, rate, points, amount, excess)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11 * np.abs(expected).max() + 1e-300)
    dated = _replay.held_sums(inverse, price, forward, None, rate, points, amount, excess)
    np.testing.assert_array_equal(dated[:3], found[:3])
    assert not dated[3].any()


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("at", [[], [0], [7], [0, 3, 4, 7]])
def test_mark_sums_of_a_plain_loop(inverse, at):
    """A mark moves what a step earned that ends there, and what the next one starts from."""
    forward, tau, vol, rate, rng = path(7)
    model = inverse_model if inverse else black76
    marks = model.price(1, forward, 61e3, tau, vol) * (1 + 0.01 * rng.standard_normal(8))
    beyond = np.zeros(8)
    beyond[at] = (marks - model.price(1, forward, 61e3, tau, vol))[at]
    expected = [math.fsum(np.diff(beyond)), math.fsum(np.diff(beyond) * rate[1:])]
    case = inverse, 1, 61e3, forward, tau, vol, rate
    found = _core.mark_sums(*case, np.array(at, np.int64), marks[at])
    assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12 * marks.max())
    with pytest.raises(ValueError, match="point 8 is not on a path to 7"):
        _core.mark_sums(*case, np.array([8]), marks[:1])
    with pytest.raises(ValueError, match="its point"):
        _core.mark_sums(*case, np.array([1]), marks[:2])


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("fills", [0, 1, 50])
def test_cost_sums_of_a_plain_loop(inverse, fills):
    """What a fill at the start costs belongs to the first step, what one at the end costs to the last."""
    price, _, _, rate, rng = path(20, fills)
    points = np.sort(rng.integers(0, 23, fills))
    amount, fee = rng.standard_normal((2, fills))
    mark = price[np.minimum(points, 20)]
    paid = mark * (1 + 1e-3 * rng.standard_normal(fills))
    slipped = amount * (1 / paid - 1 / mark if inverse else mark - paid)
    at = rate[np.clip(points, 1, 20)]
    expected = [[-fee.sum(), -(fee * at).sum()], [slipped.sum(), (slipped * at).sum()]]
    found = _replay.cost_sums(inverse, rate, points, amount, paid, mark, fee)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match=f"{fills} entries"):
        _replay.cost_sums(inverse, rate, points, amount, paid, mark, np.append(fee, 0.0))


def test_arrays_of_different_lengths_are_refused():
    forward, tau, vol, rate, _ = path(5)
    with pytest.raises(ValueError, match="6 entries"):
        _core.taylor_sums(True, 1, 60e3, forward, tau[1:], vol, rate)
    with pytest.raises(ValueError, match="a kind"):
        _core.taylor_sums(True, 0, 60e3, forward, tau, vol, rate)
    none = np.empty(0)
    with pytest.raises(ValueError, match="one length"):
        _replay.held_sums(True, forward, forward[1:], None, rate, none.astype(int), none, none)
    with pytest.raises(ValueError, match="interest"):
        _replay.held_sums(True, forward, forward, rate[1:], rate, none.astype(int), none, none)
    with pytest.raises(ValueError, match="fills"):
        _replay.held_sums(True, forward, forward, None, rate, np.array([1]), none, none)


@pytest.mark.parametrize("places", [[1], [5], [1, 2, 6, 7], [3, 8]])
@pytest.mark.parametrize("shape", [(5,), (5, 3)])
def test_rows_are_repeated_where_something_was_added(shape, places):
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    at = np.arange(5 + len(places))
    for place in places:
        at[place:] -= 1
    if at[-1] == 4 and places[-1] <= 4 + len(places):
        np.testing.assert_array_equal(_core.repeated(values, places), values[at])
    else:
        with pytest.raises(ValueError, match="places must ascend"):
            _core.repeated(values, places)
    with pytest.raises(ValueError, match="contiguous"):
        _core.repeated(np.arange(10.0)[::2], places)
    with pytest.raises(ValueError, match="places must ascend"):
        _core.repeated(values, [0])
