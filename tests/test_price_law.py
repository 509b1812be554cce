"""The law of a coin's price: fitted to paths made by it, and the break-evens that follow from it."""

import math

import numpy as np
import pytest
from test_breakeven_law import COST, DAY, RULES, F, Straddle, chain, first_cost, weigh

from gammacore.breakeven import TradePlan
from gammacore.breakeven.paths import moves_of, steps_of
from gammacore.build import build_weigher
from gammacore.config import parse_config
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR
from gammacore.volatility.price_law import PRICE_LAWS, PriceLaw, fit_price_law

BTC = PRICE_LAWS["BTC"]


def lived(law, steps, dt, count, seed, base=0.6, now_sd=0.3):
    """Log moves of prices by a law from a variance that is known roughly, and what each path realises."""
    rng, share = np.random.default_rng(seed), law.jump_share
    alike = math.exp(-dt * 365.0 / law.variance_days)
    level = now_sd * rng.standard_normal(count)
    moves, squares = np.empty((steps, count)), np.zeros(count)
    for step in range(steps):
        variance = base**2 * np.exp(level)
        jumps = rng.poisson(law.jumps_per_year * dt, count)
        size = variance * share / law.jumps_per_year
        jumped = np.sqrt(jumps * size) * rng.standard_normal(count)
        smooth = variance * (1.0 - share) * dt
        moves[step] = np.sqrt(smooth) * rng.standard_normal(count) - 0.5 * smooth + jumped
        moves[step] -= law.jumps_per_year * dt * np.expm1(0.5 * size)
        squares += smooth + jumped**2
        fresh = law.variance_sd * math.sqrt(1.0 - alike**2)
        level = alike * level + fresh * rng.standard_normal(count)
    return moves, np.sqrt(squares / (steps * dt))


# ---- fit -----------------------------------------------------------------------------


def test_a_path_gives_its_law_back():
    law = PriceLaw(40.0, 0.2, 0.8, 10.0)
    moves, _ = lived(law, 24 * 365 * 6, DAY / 24, 1, 3, now_sd=0.8)
    ts = NS_PER_DAY * 18_000 + NS_PER_HOUR * np.arange(len(moves) + 1)
    found = fit_price_law(ts, 50e3 * np.exp(np.concatenate([[0.0], np.cumsum(moves[:, 0])])))
    # Jumps that are small beside an hour's move are not seen: fewer, and most of their share.
    assert 0.3 * law.jumps_per_year < found.jumps_per_year < 0.6 * law.jumps_per_year
    assert found.jump_share == pytest.approx(law.jump_share, abs=0.05)
    assert found.variance_sd == pytest.approx(law.variance_sd, rel=0.25)
    assert found.variance_days == pytest.approx(law.variance_days, rel=0.5)


def test_paths_that_have_no_law_are_refused():
    rng = np.random.default_rng(1)
    ts = NS_PER_DAY * 18_000 + NS_PER_HOUR * np.arange(3001)
    price = np.exp(np.cumsum(0.01 * rng.standard_normal(3001)))
    with pytest.raises(ValueError, match="no hour moved by more than 6 standard deviations"):
        fit_price_law(ts, price)
    with pytest.raises(ValueError, match="expected at least 2016 hours, got 999"):
        fit_price_law(ts[:1000], price[:1000])
    price[1500:] *= 1.2
    price[2500:] *= 0.8
    with pytest.raises(ValueError, match="expected a variance that lasts"):
        fit_price_law(ts, price)


@pytest.mark.parametrize("days", [0.5, 2.0, 20.0, 200.0])
def test_numbers_of_jumps_and_what_they_spread(days):
    years = days * DAY
    numbers, chances = BTC.numbers(years)
    mean = BTC.jumps_per_year * years
    assert chances.sum() == pytest.approx(1.0)
    assert chances @ numbers == pytest.approx(mean, rel=0.06)
    rng = np.random.default_rng(2)
    counts = rng.poisson(mean, 400_000)
    squares = np.where(counts > 0, rng.chisquare(np.maximum(counts, 1)), 0.0)
    logs = 0.5 * np.log(1.0 - BTC.jump_share + BTC.jump_variance(years) * squares)
    found = BTC.spread(years)
    assert found[0] == pytest.approx(logs.mean(), abs=0.005)
    assert math.sqrt(found[1]) == pytest.approx(logs.std(), rel=0.1)


# ---- paths ---------------------------------------------------------------------------


def test_moves_by_a_law_have_its_jumps_and_the_variance_of_a_brownian_motion():
    times = steps_of(np.array([5 * DAY]), np.array([0.0]), DAY / 8)
    moves, pace, vols = moves_of(times, few=True, law=BTC)
    share, squares = np.diff(times) / times[-1], np.square(pace.astype(float))
    assert share @ squares == pytest.approx(np.full(moves.shape[1], 1.0 - BTC.jump_share), rel=1e-5)
    assert np.square(moves).sum(axis=0).mean() == pytest.approx(1.0, abs=0.05)
    jumped = (pace < 0.0).sum(axis=0).reshape(vols, -1).mean(axis=1)
    assert jumped == pytest.approx(BTC.jumps_per_year * times[-1], rel=0.1)
    again = moves_of(times * 1.001, few=True, law=BTC)
    assert again.moves is moves  # lives that differ little share their paths


# ---- break-evens ---------------------------------------------------------------------


@pytest.fixture(scope="module", params=[1.0, 2.0, 5.0, 11.0])
def life(request):
    days = request.param
    steps = round(days * 48)
    moves, vol = lived(BTC, steps, days * DAY / steps, 16_000, 7)
    return days, moves, math.exp(np.log(vol).mean()), float(np.log(vol).std())


@pytest.mark.parametrize("name", ["never", "interval", "band", "whalley_wilmott", "zakamouline", "move"])
def test_chances_where_variance_and_jumps_are_random(life, name):
    """Within three points; evenly realised variance is further off where a jump decides: up to five."""
    days, moves, median, log_sd = life
    policy, look = RULES[name], DAY / 48
    profit, _ = Straddle(policy, days, F, look).run(moves)
    off = {}
    for law in (BTC, None):
        plan = TradePlan(policy=policy, hedge_cost=COST, look_every=look, law=law)
        found = weigh(chain((F,), days), plan, median, log_sd)
        paid = float(found.premium[0]) + first_cost(policy, days, F)
        off[law] = 100.0 * (float(found.probability[0]) - np.mean(profit > paid))
        if law is BTC:
            assert found.profit[0] == pytest.approx(np.mean(profit - paid), abs=0.03 * found.premium[0])
            assert found.deviation[0] == pytest.approx(profit.std(), rel=0.15)
    assert abs(off[BTC]) < 3.0
    if days <= 2.0 and name in ("interval", "band", "zakamouline"):
        assert abs(off[None]) > 3.0


def test_the_break_even_is_a_volatility_and_hardly_depends_on_the_law():
    plans = [
        TradePlan(policy=RULES["band"], hedge_cost=COST, law=law, look_every=DAY / 48) for law in (None, BTC)
    ]
    plain, fitted = (float(weigh(chain((F,), 7.0), plan).breakeven[0]) for plan in plans)
    assert fitted == pytest.approx(plain, abs=0.004)


def test_the_configuration_says_which_law():
    assert build_weigher(parse_config({})).law == BTC
    assert build_weigher(parse_config({"currency": "ETH"})).law == PRICE_LAWS["ETH"]
    assert build_weigher(parse_config({"currency": "SOL_USDC", "hedge": {"target": "black"}})).law == BTC
    plain = build_weigher(parse_config({"signal": {"law": "gbm"}}))
    assert plain.law is None
    quoted = chain((F,), 7.0)
    now = int(quoted.expiry_ns[0]) - round(7 * DAY * NS_PER_YEAR)
    assert plain.plan(quoted, now, 0.0).law is None
    assert build_weigher(parse_config({})).plan(quoted, now, 0.0).law == BTC
