import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gammacore import _core
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import FRESH_NS, Tape
from gammacore.contracts import Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import DataError
from gammacore.market import Market
from gammacore.settlement import clock_factor
from gammacore.volatility.estimate import Estimate
from support.markets import FRIDAY, START, build, chains_of, prices_of, random_path
from support.tapes import funding_of, minute_tape

CALL = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, 1)
PERP = Perpetual("BTC", Settlement.INVERSE)


def test_axis_merges_chains_and_bars_in_time():
    tape = minute_tape()
    assert (np.diff(tape.ts_ns) >= 0).all()
    assert (tape.chain_at >= 0).sum() == len(tape.chains.snapshot_ts)
    assert (tape.last_chain >= 0).all()
    same = np.flatnonzero(np.diff(tape.ts_ns) == 0)
    assert (tape.chain_at[same] >= 0).all()  # a chain stands before the bar of its moment


@pytest.mark.parametrize("kind", [np.int64, np.float64])
@pytest.mark.parametrize("places", [[], [0], [5], [0, 0, 2, 4, 5, 5]])
def test_numbers_are_put_in_among_others(places, kind):
    values, added = np.arange(5, dtype=kind), -1 - np.arange(len(places), dtype=kind)
    found = _core.spliced(values, np.array(places, np.int64), added)
    np.testing.assert_array_equal(found, np.insert(values, places, added))
    assert found.dtype == kind


def test_numbers_are_not_put_in_where_there_is_no_place():
    values = np.arange(5.0)
    for places in ([-1], [6], [3, 2]):
        with pytest.raises(ValueError, match="places must ascend from 0 to 5"):
            _core.spliced(values, np.array(places), np.zeros(len(places)))
    for added in (np.zeros(2), np.zeros(1, np.int64)):
        with pytest.raises(ValueError, match="one length"):
            _core.spliced(values, np.array([1]), added)


@pytest.mark.parametrize("ts", [[], [7], [0, 3, 6, 9], [0, 5, 6, 11, 11]])
def test_the_longest_step_is_counted(ts):
    steps = np.diff(np.array(ts, np.int64)).tolist()
    longest = max(steps, default=0)
    assert _core.longest_step(np.array(ts, np.int64)) == (longest, steps.count(longest))


def test_bars_before_the_first_chain_are_left_out():
    ts = START + NS_PER_MINUTE * np.arange(-5, 5)
    tape = Tape(chains_of([START], [60e3]), prices_of(ts, np.full(10, 60e3), NS_PER_MINUTE))
    assert tape.ts_ns[0] == START
    assert len(tape) == 6


def test_a_stale_bar_does_not_stand_for_the_index_of_a_chain():
    ts = np.array([START - NS_PER_HOUR])
    tape = Tape(chains_of([START], [60e3]), prices_of(ts, [50e3], NS_PER_HOUR))
    assert tape.index[0] == 60e3
    for old, index in ((FRESH_NS, 59e3), (FRESH_NS + 1, 60e3)):
        prices = prices_of(ts + NS_PER_HOUR - old, [59e3], NS_PER_MINUTE)
        assert Tape(chains_of([START], [60e3]), prices).index[0] == index


def test_what_is_known_between_chains_is_the_last_chain():
    tape = minute_tape()
    vol, clock = tape.iv(CALL, 0, len(tape)), tape.vol(CALL, 0, len(tape))
    rows = np.flatnonzero(
        (tape.chains.expiry_ns == FRIDAY) & (tape.chains.strike == 60e3) & (tape.chains.kind == 1)
    )
    recorded = tape.chains.iv[rows]
    live = tape.last_chain < len(recorded)
    np.testing.assert_array_equal(vol[live], recorded[tape.last_chain[live]])
    left = FRIDAY - tape.chains.snapshot_ts[tape.last_chain[live]]
    np.testing.assert_array_equal(clock[live], recorded[tape.last_chain[live]] * clock_factor(left))


def test_interpolation_meets_the_chains():
    known, between = minute_tape(), minute_tape(interpolate=True)
    published = np.flatnonzero((known.chain_at >= 0) & (known.ts_ns < FRIDAY))
    n = len(known)
    np.testing.assert_allclose(known.vol(CALL, 0, n)[published], between.vol(CALL, 0, n)[published])
    assert not np.allclose(known.vol(CALL, 0, n), between.vol(CALL, 0, n))


def future_changed(tape, cut, seed):
    """The same tape up to entry ``cut``, another market after it."""
    rng = np.random.default_rng(seed)
    later = tape.chains.ts_ns > tape.ts_ns[cut]
    chains = tape.chains
    for column in (chains.iv, chains.mark, chains.bid, chains.ask, chains.forward, chains.index):
        column[later] *= rng.uniform(0.5, 1.5)
    prices = tape.prices
    close = prices.close.copy()
    close[prices.ts_ns > tape.ts_ns[cut]] *= rng.uniform(0.5, 1.5)
    return Tape(chains, prices_of(prices.ts_ns, close, NS_PER_MINUTE), estimate=tape_estimate)


tape_estimate = Estimate("forecast", 12 * NS_PER_HOUR)


@pytest.mark.parametrize(
    "signal", [{}, {"signal.min_edge": -0.4, "signal.window": "12h"}], ids=["", "signal"]
)
@settings(max_examples=8, deadline=None)
@given(st.integers(1_000, 10_000), st.integers(0, 1000))
def test_decisions_do_not_depend_on_the_future(signal, cut, seed):
    wanted = {"hedge.rule": "band", "hedge.band": 0.05, "entry.expiries": "any", "entry.max_days": 14}
    config = build(wanted | signal)

    def decisions(tape):
        run = replay(config, tape)
        fills = [f for e in run.desk.portfolio.episodes for f in e.fills if f.ts_ns <= moment]
        # What a hedge of that very moment fills at is the market's answer, by the bar that follows.
        return [(f.ts_ns, f.order_id, f.amount, f.price if f.ts_ns < moment else None) for f in fills]

    tape = minute_tape(estimate=tape_estimate)
    moment = int(tape.ts_ns[cut])
    before = decisions(tape)
    assert before
    assert decisions(future_changed(minute_tape(), cut, seed)) == before


def test_an_estimate_knows_the_bars_before_the_first_chain():
    ts = START + NS_PER_HOUR * np.arange(-200, 30)
    path = random_path(3, 229)
    prices = prices_of(ts, path, NS_PER_HOUR)
    tape = Tape(chains_of([START + NS_PER_MINUTE], [path[200]]), prices, estimate=tape_estimate)
    known = tape_estimate.series(ts, path)[ts > START + NS_PER_MINUTE]
    assert tape.estimate[-1] == pytest.approx(known[-1], rel=0.02)  # the chain is one entry more
    assert np.isfinite(tape.estimate).all()


def test_interpolated_marks_do_look_ahead():
    config = build({"hedge.rule": "interval", "hedge.every": "1h"})
    cut = 200
    tape, other = minute_tape(interpolate=True), minute_tape(interpolate=True)
    other.chains.iv[other.chains.ts_ns > other.ts_ns[cut]] *= 1.3
    amounts = [
        [f.amount for f in replay(config, t).desk.portfolio.episodes[0].fills if f.ts_ns <= t.ts_ns[cut]]
        for t in (tape, other)
    ]
    assert amounts[0] != amounts[1]


def test_funding_is_known_when_it_is_published_and_owed_evenly():
    hour = NS_PER_HOUR
    ts = START + hour * np.arange(0, 25)
    tape = Tape(
        chains_of([START], [60e3]),
        prices_of(ts, np.full(25, 60e3), hour),
        funding_of([START + 8 * hour, START + 16 * hour], [8e-4, -4e-4], 8 * hour),
    )
    owed, known = tape.owed * 60e3, tape.interest * 60e3  # coin per coin of a long position
    bars = np.flatnonzero(tape.chain_at < 0)[[0, 4, 8, 12, 15, 16, 20, 24]]
    np.testing.assert_allclose(owed[bars], [0, 4e-4, 8e-4, 6e-4, 4.5e-4, 4e-4, 4e-4, 4e-4], atol=1e-18)
    # Nothing before the first publication, then the last rate; what was owed as soon as it is told;
    # nothing in a period that no rate was published for.
    np.testing.assert_allclose(known[bars], [0, 0, 8e-4, 12e-4, 15e-4, 4e-4, 2e-4, 4e-4], atol=1e-18)


@pytest.mark.parametrize("target", ["usd_neutral", "coin_neutral"])
def test_later_funding_changes_no_earlier_order(target):
    setting = {"hedge.target": target, "hedge.rule": "interval", "hedge.every": "1h", "costs.funding": True}
    hour = NS_PER_HOUR
    ends = START + 8 * hour * np.arange(1, 25)
    rates = np.random.default_rng(3).normal(0, 2e-3, len(ends))
    when = START + 50 * hour + 1

    def orders(rates):
        run = replay(build(setting), minute_tape(funding=funding_of(ends, rates, 8 * hour)))
        fills = [fill for done in run.episode_runs for fill in done.episode.fills]
        return sorted((f.ts_ns, f.instrument.name, f.amount, f.price) for f in fills)

    first, second = orders(rates), orders(np.where(ends > when, rates + 0.05, rates))
    assert len([f for f in first if f[0] <= when]) > 20
    assert [f for f in first if f[0] <= when] == [f for f in second if f[0] <= when]
    assert (first == second) == (target == "coin_neutral")  # a later decision may know


@pytest.mark.parametrize(("averaging", "source"), [(True, "average"), (False, "last")])
def test_delivery_price(averaging, source):
    tape = minute_tape(averaging=averaging)
    settled = tape.delivery(FRIDAY)
    closes = tape.prices.close
    end = int(np.searchsorted(tape.prices.ts_ns, FRIDAY))
    expected = closes[end - 29 : end + 1].mean() if averaging else closes[end]
    assert (settled.price, settled.source) == (pytest.approx(expected), source)


def test_delivery_from_neighbours_a_file_or_not_at_all():
    times = [START, FRIDAY - 2 * NS_PER_HOUR, FRIDAY + 2 * NS_PER_HOUR]
    chains = chains_of(times, [60e3, 61e3, 63e3], expiries=(FRIDAY, FRIDAY + 7 * NS_PER_DAY))
    assert Tape(chains).delivery(FRIDAY) == (62e3, "interpolated", 62e3)
    assert Tape(chains, delivery={FRIDAY: 61_234.5}).delivery(FRIDAY) == (61_234.5, "file", 61_234.5)
    assert Tape(chains).delivery(FRIDAY + 7 * NS_PER_DAY) is None
    assert Tape(chains).delivery(START - 1) is None
    assert Tape(chains, delivery={START - 1: 61_234.5}).delivery(START - 1) == (61_234.5, "file", 61_234.5)


@pytest.mark.parametrize("given", [{}, {"delivery": {FRIDAY: 61_234.5}}])
@pytest.mark.parametrize("schedule", ["each_expiry", "roll"])
def test_options_and_hedge_end_at_one_price_where_no_bar_is_near(given, schedule):
    times = [*range(START, FRIDAY - NS_PER_HOUR, 6 * NS_PER_HOUR), FRIDAY - 2 * NS_PER_HOUR]
    times += [FRIDAY + 4 * NS_PER_HOUR, FRIDAY + 10 * NS_PER_HOUR]
    index = np.append(np.linspace(60e3, 61e3, len(times) - 2), [64e3, 64.5e3])
    chains = chains_of(times, index, expiries=(FRIDAY, FRIDAY + 7 * NS_PER_DAY))
    tape = Tape(chains, **given)
    price = given.get("delivery", {FRIDAY: 62e3})[FRIDAY]
    config = build({"entry.schedule": schedule, "entry.min_days": 1, "entry.expiries": "any"})
    run = replay(config, tape)
    done = next(d for d in run.episode_runs if d.episode.close_reason == "delivery")
    last = done.episode.fills[-1]
    assert (last.ts_ns, done.episode.delivery_price) == (FRIDAY, price)
    assert (last.mark, last.price) == (price, pytest.approx(price, rel=1e-4))
    # Nobody knows of the estimate afterwards: the same orders whatever comes.
    later = index * np.where(np.array(times) > FRIDAY, 1.2, 1.0)
    other = replay(config, Tape(chains_of(times, later, expiries=(FRIDAY, FRIDAY + 7 * NS_PER_DAY)), **given))

    def decided(run):
        fills = [f for d in run.episode_runs for f in d.episode.fills if f.ts_ns <= FRIDAY]
        return sorted((f.ts_ns, f.instrument.name, f.amount) for f in fills)

    assert decided(run) == decided(other)


def test_linear_accounting_values_marks_at_the_forward():
    chains = chains_of([START], [60e3])
    coin, usd = Tape(chains).snapshot(0).chain, Tape(chains, linear=True).snapshot(0).chain
    assert usd.settlement is Settlement.LINEAR
    np.testing.assert_allclose(usd.mark, coin.mark * 60e3)
    np.testing.assert_allclose(usd.ask, coin.ask * 60e3)


def test_nothing_to_replay():
    chains = chains_of([START], [60e3])
    empty = type(chains)(
        **{f: getattr(chains, f) for f in chains.__slots__} | {"snapshot_ts": np.empty(0, np.int64)}
    )
    with pytest.raises(DataError, match="no option chains"):
        Tape(empty)


def test_book_and_tape_see_one_average_in_the_settlement_window():
    tape = minute_tape()
    market, last = Market(), 0.0
    opens = FRIDAY - 30 * NS_PER_MINUTE
    for i in range(len(tape)):
        market.apply(tape.snapshot(i) if tape.chain_at[i] >= 0 else tape.price(i))
        if not FRIDAY - NS_PER_HOUR < tape.ts_ns[i] <= FRIDAY:
            continue
        for name in ("forward", "underlying", "tau"):
            assert getattr(market, name)(FRIDAY) == pytest.approx(
                getattr(tape, name)(FRIDAY, i, i + 1)[0], rel=1e-13
            )
        assert market.vol(CALL) == tape.vol(CALL, i, i + 1)[0]
        if tape.ts_ns[i] > opens:
            steps = (tape.ts_ns >= opens) & (tape.ts_ns <= tape.ts_ns[i])
            mean = np.trapezoid(tape.index[steps], tape.ts_ns[steps]) / (tape.ts_ns[i] - opens)
            assert tape.fixed[i] == pytest.approx(mean, rel=1e-12)
            last = tape.forward(FRIDAY, i, i + 1)[0]
    # At the expiry the forward is the average that is delivered, but for how a bar counts.
    assert last == pytest.approx(tape.delivery(FRIDAY).price, rel=5e-5)


def test_without_averaging_there_is_no_window():
    tape, plain = minute_tape(), minute_tape(averaging=False)
    i, j = np.searchsorted(tape.ts_ns, (FRIDAY - 20 * NS_PER_MINUTE, FRIDAY))
    np.testing.assert_array_equal(plain.forward(FRIDAY, i, j), plain.underlying(FRIDAY, i, j))
    np.testing.assert_array_equal(plain.vol(CALL, i, j), plain.iv(CALL, i, j))
    assert np.isnan(plain.fixed).all()
    assert not np.array_equal(tape.forward(FRIDAY, i, j), tape.underlying(FRIDAY, i, j))


def test_what_is_interpolated_of_an_expiry_stands_still_in_its_settlement_window():
    """Chains an hour and 10 minutes before the expiry, known to be 1 and 2; 30 of 50 minutes pass first."""
    chains = chains_of(FRIDAY - np.array([60, 10]) * NS_PER_MINUTE, [60e3, 60e3])
    ts = FRIDAY - np.array([45, 30, 20, 10, 5]) * NS_PER_MINUTE
    prices = prices_of(ts, np.full(5, 60e3), 5 * NS_PER_MINUTE)
    for averaging, late in ((True, [1.6, 1.6, 1.6, 1.6, 1.6]), (False, [1.6, 1.8, 2.0, 2.0, 2.0])):
        tape = Tape(chains, prices, interpolate=True, averaging=averaging)
        found = tape.at_chains(np.array([1.0, 2.0]), 0, len(tape), FRIDAY)
        np.testing.assert_allclose(found, [1.0, 1.3, *late], rtol=1e-12)


def test_a_forward_between_entries_is_the_average_that_is_expected():
    tape, plain = minute_tape(), minute_tape(averaging=False)
    at = FRIDAY - 10 * NS_PER_MINUTE
    i = int(np.searchsorted(tape.ts_ns, at, side="right")) - 1
    traded = float(tape.underlying(FRIDAY, i, i + 1)[0])
    assert plain.forward_later(FRIDAY, i, at + NS_PER_MINUTE) == traded
    expected = tape.forward_later(FRIDAY, i, at + NS_PER_MINUTE)
    assert expected == pytest.approx(0.7 * float(tape.fixed[i]) + 0.3 * traded, rel=1e-12)
    assert abs(expected / traded - 1.0) > 1e-6
