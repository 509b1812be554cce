"""Break-evens and chances against a simulation in numpy, and the pieces of the compiled law."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from gammacore import _core, _hedging, black76
from gammacore.breakeven import TradePlan, breakevens, paths, straddles
from gammacore.breakeven.paths import moves_of, steps_of
from gammacore.contracts import CALL, PUT, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR, parse_time
from gammacore.errors import ConfigError
from gammacore.events import ChainSlice
from gammacore.hedging import Band, FixedCost, Interval, Move, Never, WhalleyWilmott, Zakamouline
from gammacore.hedging.compiled import compiled_policy
from gammacore.hedging.policies import years_between
from gammacore.volatility import Density

F, NOW, IV, COST = 60_000.0, parse_time("2026-05-01T08:00"), 0.6, 3e-4
MEDIAN, LOG_SD = 0.6, 0.25
DAY = 1.0 / 365.0
RULES = {
    "never": Never(),
    "interval": Interval(NS_PER_HOUR),
    "band": Band(0.1),
    "edge": Band(0.05, to_edge=True),
    "whalley_wilmott": WhalleyWilmott(1e-3, COST),
    "zakamouline": Zakamouline(1e-3, COST),
    "fixed_cost": FixedCost(1e-3, 1.0),
    "move": Move(0.5),
}


def chain(strikes, days, inverse=False, half_spread=0.01, iv=IV):
    rows = [(k, kind) for k in strikes for kind in (CALL, PUT)]
    strike, kind = (np.array(column) for column in zip(*rows, strict=True))
    expiry, tau, unit = NOW + round(days * NS_PER_DAY), days * DAY, F if inverse else 1.0
    bid, ask, mark = (
        black76.price(kind, F, strike, tau, iv + off) / unit for off in (-half_spread, half_spread, 0)
    )
    settlement = Settlement.INVERSE if inverse else Settlement.LINEAR
    columns = np.full(len(rows), expiry), strike, kind.astype(np.int8), bid, ask, mark, np.full(len(rows), iv)
    return ChainSlice("BTC", settlement, F, {expiry: F}, *columns)


def weigh(quoted, plan, median=MEDIAN, log_sd=LOG_SD):
    return breakevens(quoted, NOW, straddles(quoted), plan, Density.around(median, log_sd))


# ---- a simulation in numpy -----------------------------------------------------------


class Straddle:
    """Hedged by the book: every rule by its own Python, looked at on every step."""

    def __init__(self, policy, days, strike, look, long=True):
        self.policy, self.tau, self.strike = policy, days * DAY, strike
        self.steps = round(self.tau / look)
        self.dt, self.sign = self.tau / self.steps, 1.0 if long else -1.0

    def shape(self, price, left, factor=1.0):
        """Delta, and gamma as a function: most rules ask for the first alone."""
        total = IV * factor * math.sqrt(left) if np.ndim(factor) == 0 else IV * factor * np.sqrt(left)
        d1 = np.log(price / self.strike) / total + 0.5 * total

        def gamma():
            return self.sign * 2.0 * np.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi) / (price * total)

        return self.sign * (2.0 * ndtr(d1) - 1.0), gamma

    def trade(self, step, price, held, last):
        """Coins to buy back of the hedge, and the price of the last decision."""
        policy, left = self.policy, self.tau - step * self.dt
        if isinstance(policy, Interval) and step % round(policy.every_ns / NS_PER_YEAR / self.dt):
            return 0.0, last
        delta, gamma_of = self.shape(price, left)
        if isinstance(policy, Zakamouline):
            delta, _ = self.shape(price, left, policy.vol_factor(price, gamma_of(), IV, left))
        mismatch = delta - held
        if step == 0 or isinstance(policy, Interval):
            return mismatch, last
        if isinstance(policy, Move):
            width = policy.threshold * IV * math.sqrt(policy.horizon_ns / NS_PER_YEAR)
            fired = np.abs(np.log(price / last)) > width
            return np.where(fired, mismatch, 0.0), np.where(fired, price, last)
        if isinstance(policy, WhalleyWilmott):
            width = np.cbrt(1.5 * policy.cost * price * gamma_of() ** 2 / policy.risk_aversion)
        elif isinstance(policy, FixedCost):
            width = (12.0 * policy.cost_per_trade * gamma_of() ** 2 / policy.risk_aversion) ** 0.25
        elif isinstance(policy, Zakamouline):
            a, cost = policy.risk_aversion, policy.cost
            width = cost / (a * price * IV**2 * left)
            width = width + 1.12 * cost**0.31 * left**0.05 * IV**-0.25 * np.sqrt(np.abs(gamma_of()) / a)
        else:
            width = policy.half_width
        edge = 0.0 if policy.centres else np.sign(mismatch) * width
        return np.where(np.abs(mismatch) > width, mismatch - edge, 0.0), last

    def run(self, moves):
        """Gain of options and hedge less the cost of all hedges but the first, and that cost; USD."""
        price = np.full(moves.shape[1], F)
        held, cash, traded, last = np.zeros((4, len(price)))
        last = last + F
        for step in range(self.steps):
            if not isinstance(self.policy, Never):
                trade, last = self.trade(step, price, held, last)
                held, cash = held + trade, cash + trade * price
                traded += np.abs(trade) * price * (step > 0)
            price = price * np.exp(moves[step])
        cost = COST * (traded + np.abs(held) * price)
        return self.sign * np.abs(price - self.strike) + cash - held * price - cost, cost


def gbm(vol, steps, dt, count, seed):
    """Log moves, a row a step, drawn as they are asked for."""
    rng = np.random.default_rng(seed)

    class Rows:
        shape = (steps, count)

        def __getitem__(self, step):
            half = rng.standard_normal(count // 2)
            return vol * math.sqrt(dt) * np.concatenate([half, -half]) - 0.5 * vol**2 * dt

    return Rows()


def outcomes(count, seed=5):
    rng = np.random.default_rng(seed)
    levels = (np.arange(count // 2) + 0.5) / (count // 2)
    return MEDIAN * np.exp(LOG_SD * ndtri(np.concatenate([rng.permutation(levels) for _ in range(2)])))


def first_cost(policy, days, strike):
    if isinstance(policy, Never):
        return 0.0
    total = IV * math.sqrt(days * DAY)
    return COST * F * abs(2.0 * ndtr(math.log(F / strike) / total + 0.5 * total) - 1.0)


class Compared(NamedTuple):
    breakeven: float
    simulated_breakeven: float
    probability: float
    simulated_probability: float

    @property
    def off(self):
        return self.breakeven - self.simulated_breakeven

    @property
    def points(self):
        return self.probability - self.simulated_probability


def against(policy, days, strike=F, long=True, look=DAY / 144, count=16_000):
    """Break-even and probability by the law and by the simulation, percent."""
    plan = TradePlan(policy=policy, hedge_cost=COST, look_every=look, long=long)
    found = weigh(chain((strike,), days), plan)
    lived, sign = Straddle(policy, days, strike, look, long), 1.0 if long else -1.0
    paid = sign * float(found.premium[0]) + first_cost(policy, days, strike)

    def worth(vol):
        return sign * sum(float(black76.price(kind, F, strike, days * DAY, vol)) for kind in (CALL, PUT))

    at = float(found.breakeven[0])
    _, cost = lived.run(gbm(np.full(count // 4, at), lived.steps, lived.dt, count // 4, 1))
    slope = (worth(at + 1e-3) - worth(at - 1e-3)) / 2e-3
    off = (worth(at) - paid - cost.mean()) / slope  # of the break-even, as its mean profit is not nil
    profit, _ = lived.run(gbm(outcomes(count), lived.steps, lived.dt, count, 2))
    chance = 100.0 * float(found.probability[0]), 100.0 * float(np.mean(profit > paid))
    return Compared(100.0 * at, 100.0 * (at - off), *chance)


@pytest.mark.parametrize("days", [0.9, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("name", RULES)
def test_break_even_and_chance_against_brute_force(name, days):
    """Within 0.2 points of volatility and a point of probability, and what 16 000 paths may be off by."""
    found = against(RULES[name], days)
    assert abs(found.off) < 0.2
    assert abs(found.points) < 1.0 + 2.0 * 0.4


@pytest.mark.parametrize("days", [11.0, 30.0])
@pytest.mark.parametrize("name", RULES)
def test_longer_lives_against_brute_force(name, days):
    found = against(RULES[name], days, look=DAY / 48, count=12_000)
    assert abs(found.off) < 0.2
    assert abs(found.points) < 1.0 + 2.0 * 0.45


@pytest.mark.parametrize("name", ["interval", "band", "whalley_wilmott"])
@pytest.mark.parametrize(("strike", "long"), [(62_000.0, True), (57_000.0, True), (60_000.0, False)])
def test_other_strikes_and_the_other_side_against_brute_force(name, strike, long):
    found = against(RULES[name], 3.0, strike, long)
    assert abs(found.off) < 0.2
    assert abs(found.points) < 1.0 + 2.0 * 0.4


def test_a_band_costs_little_where_the_delta_has_little_left_to_move():
    """Three hours before expiry a band of 0.1 trades a few times, not as often as its gamma would make it."""
    found = against(Band(0.1), 0.125, look=DAY / 1440)
    assert abs(found.off) < 0.5


# ---- many strikes --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["interval", "band", "whalley_wilmott"])
def test_strikes_between_those_that_are_simulated(name):
    """A chain simulates some strikes of an expiry; each alone is simulated by itself, and in more steps."""
    strikes = F * np.exp(np.linspace(-0.09, 0.09, 31))
    plan = TradePlan(policy=RULES[name], hedge_cost=COST, look_every=DAY / 144)
    together = weigh(chain(strikes, 7.0), plan)
    for row in (1, 8, 15, 16, 22):
        alone = weigh(chain(strikes[row : row + 1], 7.0), plan)
        assert together.breakeven[row] == pytest.approx(alone.breakeven[0], abs=0.002)
        assert together.probability[row] == pytest.approx(alone.probability[0], abs=0.015)
        assert together.deviation[row] == pytest.approx(alone.deviation[0], rel=0.04)


# ---- nobody hedges -------------------------------------------------------------------


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("strikes", [(60_000.0,), (64_000.0,), (52_000.0,)])
@pytest.mark.parametrize("exit_hours", [None, 36])
def test_an_unhedged_position_by_quadrature(inverse, long, strikes, exit_hours):
    """The profit at 200 000 equally likely prices of each outcome; in coin where it settles in coin."""
    days, quoted = 6.0, chain(strikes, 6.0, inverse)
    exit_ns = None if exit_hours is None else exit_hours * NS_PER_HOUR
    plan = TradePlan(policy=Never(), hedge_cost=COST, long=long, fill="mark", exit_before_ns=exit_ns)
    sure = weigh(quoted, plan, 0.66, 1e-9)
    left = 0.0 if exit_hours is None else exit_hours / 24 * DAY
    total = 0.66 * math.sqrt(days * DAY - left)
    price = F * np.exp(total * ndtri((np.arange(200_000) + 0.5) / 200_000) - 0.5 * total**2)
    worth = np.abs(price - strikes[0])
    if left:
        worth = sum(black76.price(kind, price, strikes[0], left, IV) for kind in (CALL, PUT))
    paid = float(sure.premium[0]) * (F if inverse else 1.0)
    profit = (worth / price - paid / F) * F if inverse else worth - paid
    profit = profit if long else -profit
    assert sure.probability[0] == pytest.approx(np.mean(profit > 0.0), abs=2e-4 if left == 0.0 else 2e-3)
    unit = F if inverse else 1.0
    assert sure.deviation[0] * unit == pytest.approx(profit.std(), rel=2e-3)


def test_a_forecast_mixes_the_chances_of_its_outcomes():
    plan = TradePlan(policy=Never(), hedge_cost=0.0)
    quoted = chain((F,), 6.0)
    mixed = weigh(quoted, plan)
    vols = MEDIAN * np.exp(LOG_SD * ndtri((np.arange(400) + 0.5) / 400))
    each = [float(weigh(quoted, plan, vol, 1e-9).probability[0]) for vol in vols]
    assert mixed.probability[0] == pytest.approx(np.mean(each), abs=1e-3)


# ---- walks, steps, paths -------------------------------------------------------------


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("width", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_the_formulas_of_a_walk_in_a_band(edge, width):
    """Turnover and mean square of a random walk of unit steps: the numbers of ``src_pyx/fan.h``."""
    a, b, c, g, e, f = (
        (0.7326, 0.094, 0.15, 1 / 3, 0.385, 0.1) if edge else (1.0326, 0.564, 0.45, 1 / 6, 0.19, 0.19)
    )
    rng, y, turnover, square, warm = np.random.default_rng(3), np.zeros(20_000), 0.0, 0.0, int(3 * width**2)
    steps = 200 + 10 * warm
    for step in range(warm + steps):
        y += rng.standard_normal(len(y))
        after = np.where(np.abs(y) > width, np.sign(y) * width * edge, y)
        if step >= warm:
            turnover += np.abs(after - y).mean() / steps
            square += np.square(after).mean() / steps
        y = after
    known = (width + c) / (width**2 + a * width + b) / (2.0 if edge else 1.0)
    assert turnover == pytest.approx(known, rel=0.01 if edge else 0.03)
    past = max(e * width - f, 0.0)
    assert square == pytest.approx(g * width**2 + past, rel=0.05, abs=0.03)


def test_steps_are_looks_where_there_are_few_of_them():
    hour, week = DAY / 24, 7 * DAY
    times = steps_of(np.array([DAY]), np.array([0.0]), hour)
    assert times == pytest.approx(hour * np.arange(25))
    partial = steps_of(np.array([DAY]), np.array([0.0]), 5 * hour)
    assert partial == pytest.approx(np.append(hour * np.arange(0, 24, 5), DAY))
    assert steps_of(np.array([DAY]), np.array([0.0]), math.inf) == pytest.approx([0.0, DAY])
    two = steps_of(np.array([DAY, week]), np.array([0.0, 0.0]), 12 * hour)
    assert np.any(np.isclose(two, DAY))
    assert two[-1] == pytest.approx(week)


@pytest.mark.parametrize(("ends", "left"), [([30], [0]), ([30, 37], [0, 0]), ([25, 25], [5, 12])])
def test_steps_are_even_in_the_root_of_the_time_left_and_never_shorter_than_a_look(ends, left):
    ends, left, look = DAY * np.array(ends, float), DAY * np.array(left, float), DAY / 24
    times = steps_of(ends, left, look)
    step = np.diff(times)
    assert step.min() > 0.5 * look
    assert len(step) <= paths.STEPS + 2 * paths.FEWEST
    assert times[-1] == ends.max()
    assert all(np.any(times == end) for end in ends)
    first = step[: len(step) // 3]
    if len(set(ends.tolist())) == 1:
        roots = np.sqrt(ends[0] + left.min() - times)
        assert np.diff(roots)[: len(first)] == pytest.approx(np.diff(roots)[0], rel=1e-6)


def test_moves_are_those_of_a_brownian_motion():
    moves, pace, vols = moves_of(steps_of(np.array([5 * DAY]), np.array([0.0]), DAY / 8))
    assert np.all(pace == 1.0)
    each = moves.reshape(len(moves), vols, -1).astype(float)
    assert np.abs(each.mean(axis=2)).max() < 1e-6
    assert np.square(each).sum(axis=0).mean() == pytest.approx(1.0, rel=1e-4)
    ends = each.sum(axis=0)
    assert ends.std(axis=1) == pytest.approx(1.0, abs=0.05)
    halves = np.corrcoef(moves[: len(moves) // 2].sum(axis=0), moves[len(moves) // 2 :].sum(axis=0))
    assert abs(halves[0, 1]) < 0.05


def test_every_level_of_instructions_gives_the_same_bits():
    times = np.ascontiguousarray(steps_of(np.array([5 * DAY]), np.array([0.0]), DAY / 8))
    moves, pace, vols = moves_of(times)
    legs = [[(math.log(k), 5 * DAY, len(times) - 1, 2.0, 1.0, IV)] for k in (0.95, 1.0)]
    levels = [k for k in range(len(_core.LEVELS)) if k <= _core.LEVELS.index(_core.simd_level())]
    for policy in RULES.values():
        fields = compiled_policy(Interval(0) if isinstance(policy, Interval) else policy, 1.0)
        found = []
        for level in levels:
            out = np.empty((3, 2, moves.shape[1]), np.float32)
            _hedging.fan(level, moves, pace, times, np.full(vols, 0.5), DAY / 1440, legs, fields, out)
            found.append(out)
        for one, other in itertools.pairwise(found):
            assert np.array_equal(one, other), policy


@pytest.mark.parametrize("amount", [2.0, -2.0])
@pytest.mark.parametrize("name", ["whalley_wilmott", "zakamouline"])
def test_one_leg_is_hedged_as_several_are(name, amount):
    """Widths of one leg have shorter formulas, which are not taken with a leg of no amount beside it."""
    times = np.ascontiguousarray(steps_of(np.array([5 * DAY]), np.array([0.0]), DAY / 8))
    moves, pace, vols = moves_of(times)
    legs = [
        [(math.log(k), 5 * DAY, len(times) - 1, amount, 0.5 * amount, IV)] for k in (0.85, 0.97, 1.0, 1.1)
    ]
    fields, found = compiled_policy(RULES[name], 1.0), []
    fields["risk_aversion"] *= F
    for each in (legs, [[leg, (*leg[:3], 0.0, 0.0, IV)] for (leg,) in legs]):
        out = np.empty((3, len(legs), moves.shape[1]), np.float32)
        level = _core.LEVELS.index(_core.simd_level())
        _hedging.fan(level, moves, pace, times, np.full(vols, 0.5), DAY / 1440, each, fields, out)
        found.append(out)
    one, several = found
    assert (one[1] > 0.0).mean() > 0.5  # it trades
    # A mismatch on the very edge of a band may fall to either side of it.
    assert np.quantile(np.abs(one - several), 0.999) < 1e-5
    assert one.mean(axis=2) == pytest.approx(several.mean(axis=2), rel=1e-4, abs=1e-6)


def test_the_fan_refuses_arrays_of_another_shape():
    times, moves = np.linspace(0.0, DAY, 3), np.zeros((2, 128), np.float32)
    pace = np.ones_like(moves)
    legs, out = [[(0.0, DAY, 2, 2.0, 1.0, IV)]], np.empty((3, 1, 128), np.float32)
    _hedging.fan(0, moves, pace, times, np.array([0.5]), DAY, legs, {"kind": _hedging.NEVER}, out)
    assert out[0] == pytest.approx(0.0, abs=1e-6)  # nothing moves, and the strike is the price
    for bad in (
        {"moves": np.zeros((2, 100), np.float32)},
        {"moves": np.zeros((2, 128))},
        {"out": np.empty((3, 1, 64), np.float32)},
        {"times": np.linspace(0.0, DAY, 5)},
    ):
        given = {"moves": moves, "times": times, "out": out} | bad
        with pytest.raises(ValueError, match="expected"):
            _hedging.fan(
                0, given["moves"], pace, given["times"], np.array([0.5]), DAY, legs, {"kind": 0}, given["out"]
            )


def test_how_often_must_be_known():
    with pytest.raises(ConfigError, match=r"hedge\.rule: how often chains are published"):
        years_between(Interval(0, snapshots_only=True), None)
    assert years_between(Interval(0, snapshots_only=True), 0.001) == 0.001
    assert years_between(Interval(NS_PER_HOUR), None) == pytest.approx(DAY / 24)
