"""Which forecast ``auto`` is: the best that the data is enough for, told in the result, as if named."""

import re

import numpy as np
import pytest

from gammacore.backtest.figures.position_ranking import rank_positions
from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.market import load_sources
from gammacore.backtest.sweep.cell_runs import run_cell
from gammacore.backtest.sweep.grid import cells
from gammacore.config import parse_config, with_overrides
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.errors import JournalError
from gammacore.forecasts import choose_forecast, errors_of
from gammacore.live.launch import session_forecast
from gammacore.live.past import past_of
from gammacore.volatility.index_history import IndexHistory
from gammacore.volatility.learned_estimate import LEARNS_NS
from support.live_world import Process, World, lively
from support.markets import build
from support.shared_data import recorded

START = 19_000 * NS_PER_DAY
HOURS = np.arange(24 * 500)
TS = START + NS_PER_HOUR * HOURS
PRICE = 60e3 * np.exp(np.cumsum(np.random.default_rng(2).normal(0.0, 0.006, len(HOURS))))
INDEX = IndexHistory(TS[::24], np.full(500, 0.6), NS_PER_DAY, NS_PER_DAY)
LATE = int(TS[-1])


@pytest.mark.parametrize(
    ("first", "at_ns", "index", "kind", "why"),
    [
        (0, LATE, INDEX, "combined", "reach back far enough"),
        (0, LATE, None, "har", "no volatility index is named"),
        (0, LATE + 3 * NS_PER_DAY, INDEX, "har", "the volatility index says nothing"),
        (0, START + LEARNS_NS - NS_PER_DAY, INDEX, "forecast", "395 days of prices before .* are needed"),
        (len(TS) - 24 * 30, LATE, INDEX, "forecast", "these begin"),
        (len(TS), LATE, INDEX, "forecast", "there are none"),
    ],
)
def test_it_is_the_best_that_is_known_at_the_first_decision(first, at_ns, index, kind, why):
    chosen = choose_forecast(parse_config({}), TS[first:], PRICE[first:], index, at_ns)
    assert chosen.kind == kind
    assert re.search(why, chosen.why)


@pytest.mark.parametrize("vol", ["realised", "forecast"])
def test_prices_that_carry_the_hedges_estimate_carry_no_other(vol):
    assert choose_forecast(parse_config({"hedge": {"vol": vol}}), TS, PRICE, INDEX, LATE).kind == vol


def test_nobody_chooses_where_no_decision_needs_one():
    assert not load_sources(build({"market.days": 10})).forecast.kind
    results = run_backtest(build({"market.days": 10}))
    assert results.config.signal.forecast == "auto"
    assert results.summary["data"]["forecast"] == ""


def test_the_simulated_market_has_too_few_prices_and_says_so():
    asked = build({"market.days": 30, "signal.min_edge": -0.3})
    results = run_backtest(asked)
    assert results.config.signal.forecast == "forecast"
    assert results.summary["data"]["forecast"].startswith("forecast: 395 days of prices before 20")
    named = run_backtest(with_overrides(asked, {"signal.forecast": "forecast"}))
    assert len(named.fills)
    assert named.fills.equals(results.fills)


DAYS = {"data.start": "2026-04-02", "data.end": "2026-04-12"}  # after a month of the perpetual
ASKED = {"entry.expiries": "any", "signal.min_edge": -0.3}


@pytest.mark.parametrize(
    ("prices", "dvol", "kind"),
    [
        ("btcusdt_binance_spot_1h", "btc_dvol_1h", "combined"),
        ("btcusdt_binance_spot_1h", None, "har"),
        ("btc_perpetual_deribit_1h", "btc_dvol_1h", "forecast"),
    ],
)
def test_a_run_ranking_and_sweep_are_those_of_the_forecast_named(prices, dvol, kind):
    data = recorded("data/deribit_options").parent
    config = build(
        {
            **DAYS,
            **ASKED,
            "data.chains": str(data / "deribit_options/BTC_2026-04.csv.gz"),
            "data.prices": str(data / f"prices/{prices}.csv.gz"),
            "data.dvol": None if dvol is None else str(data / f"dvol/{dvol}.csv.gz"),
        }
    )
    named = with_overrides(config, {"signal.forecast": kind})
    found, asked = run_backtest(config), run_backtest(named)
    assert found.config.signal.forecast == kind
    assert found.summary["data"]["forecast"].startswith(f"{kind}: ")
    assert len(found.fills)
    assert found.fills.equals(asked.fills)
    ranked, known = rank_positions(config), rank_positions(named)
    assert (ranked.forecast, known.forecast) == (kind, kind)
    assert ranked.found.forecast.tolist() == known.found.forecast.tolist()
    swept = run_cell(cells(with_overrides(config, {"vary": {"hedge.band": [0.1, 0.2]}}))[0])
    assert swept["figures"]["total"] == found.summary["total"]["coin"]


@pytest.mark.parametrize(
    ("settings", "venue", "kind"),
    [
        ({"currency": "BTC"}, "production", "combined"),
        ({"currency": "ETH"}, "testnet", "combined"),
        ({"currency": "SOL_USDC", "hedge": {"target": "black"}}, "production", "har"),
        ({"currency": "BTC"}, "local", "forecast"),
        ({"hedge": {"vol": "realised"}}, "production", "realised"),
    ],
)
def test_a_session_takes_what_the_exchange_has_the_history_for(settings, venue, kind):
    config = parse_config({"signal": {"min_edge": 0.0}, **settings})
    chosen = session_forecast(config, venue)
    assert chosen.signal.forecast == kind
    assert errors_of(chosen) is not None
    idle = parse_config(settings)
    assert session_forecast(idle, venue) is idle


def test_a_journal_of_before_goes_on_where_no_decision_needs_a_forecast(tmp_path):
    path = tmp_path / "journal.db"
    world = World()
    Process(world, path, lively(signal__forecast="forecast")).close()
    assert past_of(path, lively(), world.now_ns).start_ns is None
    with pytest.raises(JournalError, match="kept with"):
        past_of(path, lively(signal__min_edge=0.0), world.now_ns)
