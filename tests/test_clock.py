import numpy as np
import pytest

from gammacore.data import load_prices
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR, parse_time, year_fraction
from gammacore.volatility import VarianceClock, fit_clock
from support.shared_data import recorded

MONDAY = parse_time("2024-01-01")
WEEK = 7 * NS_PER_DAY
RAMP = np.linspace(0.5, 1.5, 168)


def profile(weekend=0.5):
    """Hours of day from 0.6 to 1.4, and a quiet weekend; mean 1."""
    hours = np.tile(1 + 0.4 * np.sin(np.arange(24) * 2 * np.pi / 24), 7)
    hours[120:] *= weekend
    return hours / hours.mean()


def history(weights, weeks, seed=0, vol=0.6, events=(), extra=0.0, per_hour=12):
    """Prices whose variance follows the weights, with stormy and calm weeks and fat tails."""
    rng = np.random.default_rng(seed)
    n = weeks * 168 * per_hour
    hour = (np.arange(n) // per_hour) % 168
    level = np.repeat(np.exp(0.5 * rng.standard_normal(weeks)), 168 * per_hour)
    variance = weights[hour] * level * vol**2 / (8760 * per_hour)
    for at in events:
        first = (at - MONDAY) // NS_PER_HOUR * per_hour
        variance[first : first + per_hour] += extra * level[first] * vol**2 / (8760 * per_hour)
    tails = rng.standard_t(6, n) / np.sqrt(1.5)
    price = 100 * np.exp(np.concatenate([[0.0], np.cumsum(np.sqrt(variance) * tails)]))
    return MONDAY + np.arange(n + 1) * (NS_PER_HOUR // per_hour), price


def test_whole_weeks_are_exact_from_any_moment():
    clock = VarianceClock(RAMP)
    start = MONDAY + np.random.default_rng(1).integers(0, WEEK, 500)
    for weeks in (1, 52, 500):
        expected = weeks * float(np.cumsum(RAMP)[-1]) / 8760
        np.testing.assert_array_equal(clock.elapsed(start, start + weeks * WEEK), expected)


def test_time_adds_up_and_runs_forward():
    clock = VarianceClock(RAMP, np.array([MONDAY, MONDAY + 1]), np.array([3.0, 1.0]))
    ts = np.sort(MONDAY + np.random.default_rng(2).integers(-2 * WEEK, 2 * WEEK, 1000))
    steps = clock.elapsed(ts[:-1], ts[1:])
    assert (steps >= 0).all()
    assert steps.sum() == pytest.approx(float(clock.elapsed(ts[0], ts[-1])), rel=1e-12)
    np.testing.assert_allclose(clock.elapsed(ts[1:], ts[:-1]), -steps)


def test_an_even_clock_is_the_calendar():
    ts = MONDAY + np.random.default_rng(3).integers(0, 3 * NS_PER_YEAR, 200)
    clock = VarianceClock.calendar()
    np.testing.assert_allclose(clock.elapsed(MONDAY, ts), year_fraction(MONDAY, ts), rtol=1e-12)


def test_an_hour_counts_its_weight_and_events_their_hours():
    clock = VarianceClock(RAMP, np.array([MONDAY + 5 * NS_PER_HOUR]), np.array([4.0]))
    quarter = NS_PER_HOUR // 4
    assert float(clock.elapsed(MONDAY, MONDAY + quarter)) == pytest.approx(RAMP[0] / 4 / 8760)
    inside = clock.elapsed(MONDAY + 5 * NS_PER_HOUR, MONDAY + 5 * NS_PER_HOUR + quarter)
    assert float(inside) == pytest.approx((RAMP[5] + 4) / 4 / 8760)


@pytest.mark.parametrize("grid", ["hour_of_week", "hour_and_weekend"])
def test_a_quiet_weekend_is_found(grid):
    """Fat tails (t with 6 degrees): a mean of 150 x 12 squares is off by 5 %, shrunk by less."""
    truth = profile()
    clock = fit_clock(*history(truth, 150), grid=grid)
    assert clock.weights.mean() == pytest.approx(1, abs=1e-12)
    error = clock.weights / truth - 1
    assert np.sqrt((error**2).mean()) < (0.05 if grid == "hour_of_week" else 0.03)
    assert abs(clock.weights[120:].sum() / truth[120:].sum() - 1) < 0.02


def test_shrinking_helps_where_data_are_few_and_gives_way_where_they_are_not():
    truth = profile()

    def error(weights, seed, shrink, weeks):
        clock = fit_clock(*history(weights, weeks, seed, per_hour=1), shrink=shrink)
        return np.sqrt(((clock.weights / weights - 1) ** 2).mean())

    raw, shrunk = (np.mean([error(truth, seed, flag, 30) for seed in range(8)]) for flag in (False, True))
    assert shrunk < 0.5 * raw
    # A profile that no hour-of-day curve has: the prior must not be forced upon it.
    odd = np.exp(0.4 * np.random.default_rng(5).standard_normal(168))
    odd /= odd.mean()
    assert error(odd, 0, True, 300) < 0.2


def test_events_are_found_and_the_year_keeps_its_length():
    events = MONDAY + (np.arange(20) * 3 + 2) * WEEK + 37 * NS_PER_HOUR + NS_PER_HOUR * 24
    ts, price = history(profile(), 70, events=events, extra=8.0)
    future = int(ts[-1]) + WEEK
    clock = fit_clock(ts, price, events={"release": [*events, future]})
    assert clock.event_hours[0] == pytest.approx(8, rel=0.25)
    assert clock.event_hours[-1] == clock.event_hours[0]  # the next one as the past ones
    assert float(clock.elapsed(ts[0], ts[-1])) == pytest.approx(
        year_fraction(int(ts[0]), int(ts[-1])), rel=1e-12
    )
    nothing = fit_clock(*history(profile(), 70, seed=4), events={"release": events})
    assert nothing.event_hours[0] < 1


def test_recorded_weekends_are_quiet():
    prices = load_prices(recorded("data/prices/btcusdt_binance_spot_1h.csv.gz"))
    clock = fit_clock(prices.ts_ns, prices.close)
    weekend, week = clock.weights[120:].mean(), clock.weights[:120].mean()
    assert 0.4 < weekend / week < 0.8
    assert (clock.weights > 0.2).all()
    assert (clock.weights < 4).all()
    first, last = int(prices.ts_ns[0]), int(prices.ts_ns[-1])
    assert float(clock.elapsed(first, last)) == pytest.approx(year_fraction(first, last), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VarianceClock(np.ones(24)), "weights: expected 168 of them"),
        (lambda: VarianceClock(np.r_[0.0, np.ones(167)]), r"weights\[0\]: expected a positive number, got 0"),
        (lambda: VarianceClock(RAMP, np.array([1])), "event_hours: expected one number for each"),
        (lambda: VarianceClock(RAMP, np.array([1]), np.array([-1.0])), "event_hours: expected numbers >= 0"),
        (lambda: VarianceClock(RAMP, event_width_ns=0), "event_width_ns: expected a positive time"),
        (lambda: fit_clock(*history(RAMP, 2)), "expected at least 4 weeks of hourly or finer bars, got 2"),
        (lambda: fit_clock(*history(RAMP, 5), grid="hour_of_weak"), "did you mean 'hour_of_week'"),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_float_times_are_refused():
    with pytest.raises(TypeError, match="to_ns: expected integer nanoseconds"):
        VarianceClock.calendar().elapsed(0, 1.5)
