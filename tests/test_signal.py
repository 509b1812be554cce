"""Entries filtered by break-even."""

import math

import numpy as np
import pytest

from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.build import FEED_NS, build_desk, build_weigher
from gammacore.daycount import NS_PER_HOUR, NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.forecasts import build_estimate
from gammacore.portfolio import Portfolio
from gammacore.strategy.structures import Picked
from support.markets import START, build, chains_of, prices_of, random_path

ASK = {"signal.min_probability": 0.5, "signal.window": "1d", "signal.log_sd": 0.25}


def quoted(iv=0.6, half=0.0005):
    return Tape(chains_of([START], [60e3], vol=iv, half=half)).snapshot(0).chain


def entries(chain, forecast, **changes):
    desk = build_desk(build(ASK | changes))
    return desk.strategy.entries(START, chain, Portfolio(), forecast, 0.0)


def test_it_enters_when_the_forecast_is_above_the_break_even():
    signal, chain = build_weigher(build(ASK)), quoted()
    (entry,) = entries(chain, 0.9)
    picked = Picked(tuple(chain.find(leg.instrument) for leg in entry.legs), (1.0, 1.0))
    breakeven = signal.weigh(chain, START, picked, 0.9, 0.0).breakeven[0]
    assert 0.6 < breakeven < 0.9
    assert entries(chain, breakeven * 1.02)
    assert not entries(chain, breakeven * 0.97)


def test_the_edge_counts_in_volatility():
    signal, chain = build_weigher(build(ASK)), quoted()
    wanted = {"signal.min_probability": None, "signal.min_edge": 0.05}
    picked = Picked((chain_row(chain, 1), chain_row(chain, -1)), (1.0, 1.0))
    breakeven = signal.weigh(chain, START, picked, 0.9, 0.0).breakeven[0]
    assert entries(chain, breakeven + 0.051, **wanted)
    assert not entries(chain, breakeven + 0.049, **wanted)


def chain_row(chain, kind):
    return int(np.flatnonzero((chain.strike == 60e3) & (chain.kind == kind))[0])


def test_a_short_enters_when_the_forecast_is_below():
    short = {"entry.side": "short"}
    assert entries(quoted(), 0.3, **short)
    assert not entries(quoted(), 0.7, **short)


@pytest.mark.parametrize("forecast", [math.nan, 0.0, -1.0])
def test_without_a_forecast_nothing_is_entered(forecast):
    assert not entries(quoted(), forecast)


def test_without_quotes_nothing_is_entered():
    chain = quoted()
    chain.ask[:] = np.nan
    assert not entries(chain, 2.0)
    assert entries(chain, 2.0, **{"costs.fill": "mark"})


def test_wide_spreads_and_fees_are_part_of_it():
    tight, wide = quoted(half=0.0001), quoted(half=0.006)
    edge = {"signal.min_probability": None, "signal.min_edge": 0.01}
    assert entries(tight, 0.70, **edge)
    assert not entries(wide, 0.70, **edge)


def test_a_backtest_enters_less_with_a_signal_than_without():
    ts = START + NS_PER_HOUR * np.arange(-48, 24 * 8)
    path = random_path(4, len(ts) - 1, dt=1 / (365 * 24))
    expiries = tuple(START + 24 * NS_PER_HOUR * day for day in range(7, 16))
    times = ts[48::6]
    chains = chains_of(times, path[48::6], expiries=expiries, strikes=tuple(np.arange(30e3, 110e3, 1e3)))
    rng = np.random.default_rng(1)
    chains.iv[:] *= np.repeat(rng.uniform(0.7, 1.3, len(times)), np.diff(chains.offsets))
    found = {}
    for name, asked in (("all", {}), ("signal", ASK), ("never", ASK | {"signal.min_edge": 0.9})):
        free = {"costs.fill": "mark", "execution.hedges": "maker", "costs.max_quote_age": None}
        config = build({"entry.expiries": "any"} | free | asked)
        tape = Tape(chains, prices_of(ts, path, NS_PER_HOUR), estimate=build_estimate(build(ASK)))
        found[name] = len(replay(config, tape).desk.portfolio.episodes)
    assert found["all"] >= found["signal"] > found["never"] == 0


def test_the_rule_looks_at_the_bars_of_a_backtest_and_at_the_feed_of_a_session():
    """Bars of six hours overshoot a band of 0.1: the same entry costs less to hedge than on live prices."""
    hours = 6 * NS_PER_HOUR
    ts = START + hours * np.arange(-8, 4)
    path = random_path(4, len(ts) - 1, dt=6 / (365 * 24))
    tape = Tape(chains_of([START], [60e3]), prices_of(ts, path, hours), estimate=build_estimate(build(ASK)))
    assert tape.look_ns == hours
    run = replay(build(ASK), tape)
    signal = run.desk.strategy.signal
    assert signal.look_every == hours / NS_PER_YEAR
    live = build_desk(build(ASK)).strategy.signal
    assert live.look_every == FEED_NS / NS_PER_YEAR
    chain = quoted()
    picked = Picked((chain_row(chain, 1), chain_row(chain, -1)), (1.0, 1.0))
    seldom, often = (each.weigh(chain, START, picked, 0.6, 0.0) for each in (signal, live))
    assert seldom.hedging[0] < 0.7 * often.hedging[0]
    assert seldom.breakeven[0] < often.breakeven[0]


def test_one_price_alone_says_nothing_of_a_spacing():
    assert Tape(chains_of([START], [60e3])).look_ns is None


def test_prices_carry_one_estimate():
    both = ASK | {"hedge.vol": "realised"}
    with pytest.raises(ConfigError, match=r"signal\.forecast: expected hedge\.vol and its window"):
        build(both)
    agreed = build(both | {"signal.forecast": "realised", "hedge.vol_window": "24h"})
    assert build_estimate(agreed).window_ns == 24 * NS_PER_HOUR


def test_a_rule_without_a_law_is_refused():
    with pytest.raises(ConfigError, match=r"hedge\.rule: a signal cannot know"):
        build(ASK | {"hedge.rule": "snapshot"})
    with pytest.raises(ConfigError, match=r"signal\.min_probability"):
        build({"signal.min_probability": 1.5})
    with pytest.raises(ConfigError, match=r"signal\.windw: unknown parameter; did you mean signal\.window"):
        build({"signal.windw": "1d"})
