"""What a notebook sees: runs, their results, chains as frames, all with their index and real times."""

import doctest
import html
import inspect
from functools import partial

import msgspec
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import gammacore as gc
from gammacore import inverse
from gammacore.api import runs
from gammacore.api.frames import analysed, chain_table, price_table
from gammacore.errors import CodeError, ConfigError, DataError
from gammacore.hedging import Interval

DAYS = {"market__days": 14}


@pytest.fixture(scope="module")
def result():
    return gc.backtest(**DAYS, hedge__band=0.05)


def test_the_package_shows_what_matters_and_nothing_else():
    assert set(dir(gc)) == {*gc.__all__, "__version__"}
    for name in gc.__all__:
        assert getattr(gc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'backtets'"):
        gc.backtets  # noqa: B018


def bars(step="1h", days=20):
    start = pd.date_range("2026-01-01", periods=days * 24, freq=step, tz="UTC")
    moves = 0.6 / np.sqrt(365 * 24) * np.random.default_rng(3).standard_normal(len(start))
    return pd.DataFrame({"close": 60e3 * np.exp(np.cumsum(moves))}, index=start)


def test_what_prices_realised_is_the_same_of_a_file_a_frame_and_a_series(tmp_path):
    frame = bars()
    file = tmp_path / "btcusdt_1h.csv"
    frame.assign(timestamp=frame.index).to_csv(file, index=False)
    known = frame["close"].set_axis(frame.index + pd.Timedelta("1h"))
    squares = (np.log(known).diff() ** 2).dropna()
    whole = np.sqrt(squares.sum() / len(squares) * 365 * 24)
    week = np.sqrt(squares.rolling(7 * 24).sum() / 7 * 365)
    for prices in (file, str(file), frame, known, frame.assign(timestamp=frame.index).reset_index(drop=True)):
        assert gc.realised_vol(prices) == pytest.approx(whole, rel=1e-12)
        found = gc.realised_vol(prices, "7D")
        assert (found.index == known.index).all()
        assert found.isna().sum() == 7 * 24
        np.testing.assert_allclose(found.dropna(), week.dropna(), rtol=1e-9)
    assert len(gc.plot_iv_rv(found + 0.05, found).data) == 2


def test_the_same_prices_are_the_same_in_any_order_unit_zone_and_type():
    known = bars(days=3)["close"]
    wanted, table = gc.realised_vol(known), price_table(known)
    times = known.index
    same = {
        "descending": known[::-1],
        "shuffled": known.sample(frac=1.0, random_state=1),
        "a row twice": pd.concat([known, known[5:6]]),
        "seconds": known.set_axis(times.as_unit("s")),
        "another zone": known.set_axis(times.tz_convert("Asia/Kolkata")),
        "nullable": known.astype("Float64"),
        "texts": known.map(repr),
    }
    for name, prices in same.items():
        before = prices.copy()
        assert gc.realised_vol(prices) == wanted, name
        found = price_table(prices).drop_duplicates().sort_values("timestamp")
        assert (found["timestamp"].to_numpy() == table["timestamp"].to_numpy()).all(), name
        pd.testing.assert_series_equal(prices, before)
    starts = times.as_unit("ms").asi8
    for name, column in {"timestamp": starts, "open_time": starts * 1000, "open_time_ms": starts}.items():
        frame = pd.DataFrame({name: column, "close": known.to_numpy()})
        assert gc.realised_vol(frame) == wanted
        assert gc.realised_vol(frame.set_index(name)) == wanted


def test_prices_that_cannot_be_right_realise_nothing(tmp_path):
    known = bars()["close"]
    for wrong in (None, 0.0, -1.0, np.inf):
        with pytest.raises(DataError, match=r"^prices: row 2026-01-01 03.*: expected a positive price, got"):
            gc.realised_vol(known.where(known.index != known.index[3], wrong), "1D")
    with pytest.raises(DataError, match=r"row 2026-01-01 03:00:00\+00:00: another .* has \d+(\.\d)?, not 1;"):
        gc.realised_vol(pd.concat([known, pd.Series(1.0, known.index[3:4])]))
    with pytest.raises(DataError, match=r"row 2026-01-01 00:00.*, column close: '1,5' is not a number"):
        gc.realised_vol(known.astype(str).where(known.index != known.index[0], "1,5"))
    for at in (-1, 99):
        bad = known.copy()
        bad.iloc[at] /= 100
        with pytest.raises(DataError, match=r"prices: bars that jump and come back, .* a bad print"):
            gc.realised_vol(bad)
    with pytest.raises(DataError, match=r"no column close; there are \['Close'\]"):
        gc.realised_vol(known.to_frame("Close"))
    with pytest.raises(DataError, match="expected a path, a pandas Series or DataFrame, got ndarray"):
        gc.realised_vol(known.to_numpy())
    with pytest.raises(DataError, match="window: expected a length such as 7D"):
        gc.realised_vol(known, "2 weekss")
    with pytest.raises(DataError, match="DatetimeIndex"):
        gc.realised_vol(known.reset_index(drop=True))
    with pytest.raises(DataError, match="nowhere"):
        gc.realised_vol(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="two or more are needed"):
        gc.realised_vol(known[:1])
    for window in ("-1D", "30min", "21D"):
        with pytest.raises(DataError, match=r"window: expected .* 0 days 01:00:00 .* 19 days 23:00:00"):
            gc.realised_vol(known, window)


def test_packages_that_can_be_called_stay_packages():
    import gammacore.backtest.replay.runner as runner
    import gammacore.breakeven

    assert runner.replay is gc.backtest.replay.runner.replay
    assert gammacore.breakeven.straddles is gc.breakeven.straddles
    assert callable(gc.backtest)


def test_a_result_is_short_and_begins_with_its_verdict(result):
    assert len(repr(result)) < 300
    assert result.verdict in repr(result)
    page = result._repr_html_()
    assert len(page) < 10_000
    assert html.escape(result.verdict) in page
    assert "says nothing about real profit" in page
    assert "<polyline" in page


def test_a_rounded_zero_of_a_result_has_no_sign(result):
    tables = result._tables
    money = {"total": {"usd": -0.00048, "coin": 0.0}, "max_drawdown": {"usd": -0.0, "coin": 0.0}}
    tables = msgspec.structs.replace(tables, summary=tables.summary | money)
    page = type(result)(tables)._repr_html_()
    assert "<th>P&amp;L</th><td>0.00 USD</td>" in page
    assert "<th>largest drawdown</th><td>0.00 USD</td>" in page


def test_tables_have_real_times_and_sum_to_the_profit(result):
    total = result.summary["total"]
    for table in (result.pnl, result.fills, result.hedges):
        assert isinstance(table.index, pd.DatetimeIndex)
        assert str(table.index.tz) == "UTC"
        assert "ts_ns" not in table
    assert {"entry", "expiry", "closed"} <= set(result.episodes.select_dtypes("datetimetz"))
    assert result.episodes["pnl_usd"].sum() == pytest.approx(total["usd"])
    assert result.pnl["pnl_usd"].iloc[-1] == pytest.approx(total["usd"])
    lines = result.attribution
    assert lines.loc["total", "usd"] == pytest.approx(total["usd"])
    assert lines.drop("total")["coin"].sum() == pytest.approx(total["coin"], abs=1e-9)
    assert len(result.hedges) == result.summary["n_hedges"]
    assert set(result.hedges["purpose"]) == {"hedge"}


def test_plots_are_figures_of_the_same_numbers(result):
    for figure in (result.plot.pnl(), result.plot.attribution()):
        assert isinstance(figure, go.Figure)
    drawn = result.plot.episode(0)
    own = result.hedges[result.hedges["episode"] == 0]
    assert sum(len(trace.x) for trace in drawn.data[1:]) == len(own)
    assert pd.Timestamp(drawn.data[0].x[0]) >= result.episodes.loc[0, "entry"]


def test_a_directory_is_loaded_as_it_was_written(result, tmp_path):
    page = result.report(tmp_path / "run")
    assert page.name == "report.html"
    again = gc.load(tmp_path / "run")
    assert again.verdict == result.verdict
    for name in ("episodes", "fills", "pnl", "attribution"):
        pd.testing.assert_frame_equal(
            getattr(again, name), getattr(result, name), check_dtype=False, check_freq=False
        )
    assert len(again.plot.pnl().data) == len(result.plot.pnl().data)
    with pytest.raises(DataError, match="no such directory"):
        gc.load(tmp_path / "ran")


def test_a_policy_of_ones_own_is_asked_when_the_rule_fires(result):
    half = gc.backtest(**DAYS, hedge__band=0.05, policy=lambda at: -0.5 * at.mismatch)
    assert len(half.hedges) > len(result.hedges)  # half of a mismatch is soon one again
    hourly = gc.backtest(**DAYS, policy=Interval(3_600_000_000_000))
    assert len(hourly.hedges) < len(hourly.episodes) * 14 * 24
    with pytest.raises(ConfigError, match=r"hedge\.rule = never never asks it"):
        gc.backtest(**DAYS, hedge__rule="never", policy=lambda at: 0.0)
    for policy in ("band", Interval):
        with pytest.raises(ConfigError, match="expected a hedge policy or a function"):
            gc.backtest(**DAYS, policy=policy)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"hedge__bnad": 1}, "did you mean"),
        ({"config": {"hedge": {"band": -1}}}, "hedge.band"),
        ({"signal": {"min_egde": 0.1}}, "did you mean"),
        ({"signal": "har"}, "signal: expected a mapping, such as .*; got 'har'"),
        ({"band": 0.1}, "did you mean hedge.band"),
        ({"vary": {"hedge.band": [0.1, 0.2]}}, "vary: one call is one run"),
        ({"hedge__band": 0.1, "hedge.band": 0.2}, "hedge.band: given twice"),
        ({"signal": {"forecast": "har"}, "signal__forecast": "forecast"}, "signal.forecast: given twice"),
        ({"chains": "a.csv", "data__chains": "b.csv"}, "data.chains: given twice"),
    ],
)
def test_a_wrong_setting_is_named(settings, told):
    with pytest.raises(ConfigError, match=told):
        gc.backtest(**settings)


def test_configurations_may_be_mappings_and_are_overridden():
    found = gc.backtest(
        {"market": {"days": 14}, "hedge": {"band": 0.2}}, hedge__band=0.05, entry__side="short"
    )
    assert (found.config.hedge.band, found.config.entry.side, found.config.market.days) == (0.05, "short", 14)


def test_two_results_are_compared(result, tmp_path):
    wide = gc.backtest(**DAYS, hedge__band=0.2)
    found = gc.compare(result, wide)
    difference = wide.summary["total"]["usd"] - result.summary["total"]["usd"]
    assert found.figures.loc["P&L, USD", "difference"] == pytest.approx(difference)
    assert found.configuration.to_dict("index") == {"hedge.band": {"first": 0.05, "second": 0.2}}
    assert len(repr(found)) < 5_000
    for shown in (repr(found), found._repr_html_()):
        assert f"{difference:+,.2f}" in shown
        assert "0.000000" not in shown
    first = result.report(tmp_path / "first").parent
    assert gc.compare(first, wide).figures.loc["P&L, USD", "difference"] == pytest.approx(difference)


def test_breakevens_and_simulations_come_as_tables():
    table = gc.breakeven(**DAYS, forecast=0.5)
    assert {"strikes", "breakeven", "probability"} <= set(table.columns)
    assert len(table) > 3
    assert gc.simulate(simulate__paths=500, simulate__frontier=False).summary["paths"] == 500


# ---- chains as frames ----------------------------------------------------------------

NAMES = ["BTC-27MAR26-60000-C", "BTC-27MAR26-66000-P", "BTC-3APR26-60000-C"]
AT = pd.Timestamp("2026-03-20T08:00:00Z")
TAU = np.array([7, 7, 14]) / 365
PRICES = inverse.price([1, -1, 1], 60_000.0, [60e3, 66e3, 60e3], TAU, [0.6, 0.65, 0.55])
OURS = pd.DataFrame(
    {"instrument_name": NAMES, "mark_price": PRICES, "underlying": 60e3, "timestamp": AT},
    index=["a", "b", "c"],
)
EXCHANGE = OURS.rename(columns={"underlying": "underlying_price"}).assign(
    timestamp=AT.value // 10**6, mark_iv=[60.0, 65.0, 55.0]
)
TARDIS = OURS.rename(columns={"instrument_name": "symbol", "underlying": "underlying_price"}).assign(
    timestamp=AT.value // 10**3
)


@pytest.mark.parametrize("frame", [OURS, EXCHANGE, TARDIS], ids=["ours", "exchange", "tardis"])
def test_a_chain_frame_is_priced_on_its_own_index(frame):
    found = gc.chain.analyse(frame)
    assert list(found.index) == ["a", "b", "c"]
    np.testing.assert_allclose(found["vol"], [0.6, 0.65, 0.55], rtol=1e-10)
    np.testing.assert_allclose(found["tau"], TAU)
    wanted = inverse.greeks([1, -1, 1], 60_000.0, [60e3, 66e3, 60e3], TAU, [0.6, 0.65, 0.55])
    np.testing.assert_allclose(found["net_delta"], wanted.net_delta, rtol=1e-9)
    assert found["expiry"].iloc[0] == pd.Timestamp("2026-03-27T08:00Z")


def test_times_may_be_the_index_or_given():
    frame = OURS.drop(columns="timestamp")
    np.testing.assert_allclose(gc.chain.analyse(frame, at="2026-03-20T08:00Z")["tau"], TAU)
    timed = frame.set_index(pd.DatetimeIndex([AT] * 3))
    np.testing.assert_allclose(gc.chain.analyse(timed)["tau"], TAU)


def test_nullable_types_and_missing_prices_have_no_volatility():
    frame = OURS.assign(mark_price=pd.array([PRICES[0], None, PRICES[2]], dtype="Float64"))
    vol = gc.chain.analyse(frame)["vol"]
    assert np.isnan(vol["b"])
    assert vol["a"] == pytest.approx(0.6)


def test_options_in_usdc_are_priced_in_usdc():
    frame = OURS.assign(
        instrument_name=[name.replace("BTC-", "BTC_USDC-") for name in NAMES], mark_price=PRICES * 60e3
    )
    found = gc.chain.analyse(frame)
    np.testing.assert_allclose(found["vol"], [0.6, 0.65, 0.55], rtol=1e-10)
    assert found["net_delta"].tolist() == found["delta"].tolist()  # nothing settles in coin
    in_coin = gc.chain.analyse(OURS)
    np.testing.assert_allclose(in_coin["delta"] - in_coin["net_delta"], PRICES, rtol=1e-10)
    mixed = pd.concat([frame.iloc[:1], OURS.iloc[:1]])
    with pytest.raises(DataError, match="two chains"):
        gc.chain.analyse(mixed)


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (OURS.drop(columns="mark_price"), "no column mark_price"),
        (OURS.drop(columns="timestamp"), "no time"),
        (OURS.assign(instrument_name="BTC-PERPETUAL"), "row a: BTC-PERPETUAL is no option"),
        (OURS.assign(instrument_name="BTC-32MAR26-1-C"), "row a: "),
        (OURS.assign(timestamp=17), "row a: time '17' is not a time: write ISO 8601 in UTC, or s, ms, us"),
        (OURS.assign(timestamp=[AT, AT, pd.NaT]), "row c: time 'NaT' is not a time"),
        (OURS.assign(timestamp=[AT.value / 1e6, np.nan, AT.value / 1e6]), "row b: time 'nan' is not a time"),
        (OURS.assign(timestamp="01/03/2026"), "row a: time '01/03/2026' is not a time"),
        (OURS.assign(mark_price=["0.05", "0,05", "0.1"]), "row b, column mark_price: '0,05' is not a number"),
        (OURS.assign(mark_price=True), "row a, column mark_price: .*True_? is not a number"),
        (pd.concat([OURS, OURS[["mark_price"]]], axis=1), "column mark_price is there more than once"),
        ("chain.csv", "chain: expected a pandas DataFrame, got str"),
    ],
)
def test_a_frame_that_says_too_little_is_refused_with_column_or_row(frame, told):
    with pytest.raises(DataError, match=told):
        analysed(frame)


@pytest.mark.parametrize("at", [2026, AT.value // 10**6, "01/03/2026", "soon", pd.NaT, 0.5])
def test_a_time_that_can_be_read_in_two_ways_is_refused(at):
    with pytest.raises(DataError, match=r"^at: "):
        gc.chain.analyse(OURS, at=at)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_times_of_a_chain_are_those_of_a_file(unit):
    """Each row has its unit, as each cell of a file has."""
    given = [AT.isoformat(), str(AT.value // unit), AT.tz_convert("America/New_York").isoformat()]
    np.testing.assert_allclose(gc.chain.analyse(OURS.assign(timestamp=given))["tau"], TAU)
    indexed = OURS.assign(timestamp=AT.value // unit).set_index(["timestamp", "instrument_name"])
    np.testing.assert_allclose(gc.chain.analyse(indexed)["tau"], TAU)
    assert len(gc.chain.analyse(indexed[:0])) == 0


def test_numbers_are_analysed_as_before_and_half_of_them_is_an_error():
    found = gc.chain.analyse([1], PRICES[:1], 60e3, [60e3], TAU[:1])
    assert found.vol == pytest.approx([0.6])
    with pytest.raises(TypeError, match="or a DataFrame"):
        gc.chain.analyse([1], PRICES[:1])


def test_plots_of_a_chain_show_its_volatilities():
    smile = gc.plot_smile(OURS)
    assert [trace.name for trace in smile.data] == ["27MAR26", "3APR26"]
    np.testing.assert_allclose(smile.data[0].y, [60.0, 65.0])
    assert len(gc.plot_smile(OURS, expiry="3APR26").data) == 1
    with pytest.raises(ValueError, match="no volatility of '1APR26'"):
        gc.plot_smile(OURS, expiry="1APR26")
    term = gc.plot_term_structure(OURS)
    assert len(term.data[0].x) == 2
    days = pd.date_range("2026-01-01", periods=3, tz="UTC")
    both = gc.plot_iv_rv(pd.Series([0.5, 0.6, 0.7], days), pd.Series([0.4, 0.5], days[1:]))
    np.testing.assert_allclose(both.data[1].y, [40.0, 50.0])


def two_arguments(at, other):
    return 0.0


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (lambda at: None, r"expected a delta to add, a finite number of coins, got None; at 2025-"),
        (lambda at: float("nan"), r"a finite number of coins, got nan; at 2025-"),
        (lambda at: at.mismatch > 0, r"a finite number of coins, got (True|False); at 2025-"),
        (lambda at: "1", r"a finite number of coins, got '1'; at 2025-"),
        (lambda at: at.nothing, r", line \d+: .*AttributeError: .*'nothing'; at 2025-"),
        (two_arguments, r"two_arguments: TypeError: .*'other'; at 2025-"),
    ],
)
def test_a_policy_that_fails_is_named_with_the_moment(policy, told):
    with pytest.raises(CodeError, match=rf"test_api\.py.*{told}"):
        gc.backtest(**DAYS, policy=policy)


NOTHING = TARDIS.assign(mark_price=np.nan)


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (
            lambda: gc.plot_smile(NOTHING),
            DataError,
            r"no price of its 3 options has a volatility \(NOT_FINITE 3\)",
        ),
        (
            lambda: gc.plot_smile(pd.concat([TARDIS, TARDIS.assign(timestamp=TARDIS["timestamp"] + 60)])),
            DataError,
            "3 of its 6 rows are of an option that comes before; expected the rows of one time",
        ),
        (
            lambda: gc.plot_smile(OURS.assign(instrument_name=["ETH" + NAMES[0][3:], *NAMES[1:]])),
            DataError,
            "options of BTC and ETH are several chains",
        ),
        (lambda: gc.plot_term_structure(NOTHING), DataError, "no price of its 3 options has a volatility"),
        (
            lambda: gc.plot_smile(TARDIS, "1JAN27"),
            ValueError,
            "of '1JAN27' in this chain; there are 27MAR26, 3APR26",
        ),
        (
            lambda: gc.plot_iv_rv(pd.Series([0.5]), pd.Series([0.5])),
            DataError,
            "implied: expected a Series with",
        ),
        *(
            (
                partial(gc.breakeven, forecast=wrong),
                ConfigError,
                "forecast: expected a positive number, such as",
            )
            for wrong in (60, 0, -0.6, float("nan"), True, "much", pd.Series([0.6]))
        ),
        (
            lambda: gc.plot_iv_rv(pd.Series(["a"], [AT]), pd.Series([0.5], [AT])),
            DataError,
            "implied: row .*: 'a' is not a number",
        ),
        (
            lambda: gc.plot_iv_rv(pd.Series([0.5], [AT]), pd.Series([0.5], pd.DatetimeIndex([None]))),
            DataError,
            "realised: row NaT: time 'NaT' is not a time",
        ),
        (lambda: gc.backtest(14), ConfigError, "config: expected a path, a mapping or a Config; got int"),
        (lambda: gc.load(7), DataError, "folder: expected the path of a result directory, got int"),
        (lambda: gc.compare(None, "."), DataError, "first: .* of a result directory, got None"),
    ],
)
def test_what_cannot_be_drawn_or_run_says_why(call, error, told):
    with pytest.raises(error, match=told):
        call()


def test_an_episode_that_is_not_there_is_refused(result):
    with pytest.raises(ValueError, match=f"no episode 99; there are {len(result.episodes)}, the last is "):
        result.plot.episode(99)


def test_times_without_a_zone_are_utc():
    days = pd.date_range("2026-01-01", periods=3)
    figure = gc.plot_iv_rv(
        pd.Series([0.5, 0.6, 0.7], days), pd.Series([0.4, 0.5, 0.6], days.tz_localize("UTC"))
    )
    assert [len(line.x) for line in figure.data] == [3, 3]
    twice = gc.plot_iv_rv(pd.Series([0.7, 0.5, 0.6], days[[2, 0, 0]]), pd.Series([0.4], days[:1]))
    assert [list(line.y) for line in twice.data] == [[50.0, 60.0, 70.0], [40.0]]
    assert figure.data[0].x[0] == figure.data[1].x[0]


def test_a_simulation_is_short():
    found = gc.simulate(simulate__paths=100, simulate__frontier=False)
    assert repr(found) == f"<Simulated BTC, 100 paths: {found.summary['verdict']}>"


def test_a_fault_in_a_frame_is_told_by_argument_and_row():
    prices = bars(days=5)["close"]
    for at in (0, 7):
        wrong = prices.copy()
        wrong.iloc[at] = -1.0
        with pytest.raises(DataError, match=rf"^prices: row {at} \(counted from 0\), column 'close': '-1.0'"):
            gc.simulate(prices=wrong, simulate__model="bootstrap", simulate__paths=100)
    strange = OURS.assign(
        mark_price=[0.03, -0.1, 0.02], implied_volatility=0.6, bid_price=0.01, ask_price=0.2
    )
    with pytest.raises(DataError, match=r"^chains: row 1 \(counted from 0\), column 'mark_price': '-0.1'"):
        gc.backtest(chains=strange, prices=prices)


@pytest.mark.parametrize(
    ("lines", "task"),
    [
        (1, "found = gc.chain.analyse(frame)['vol']"),
        (1, "found = gc.plot_smile(frame)"),
        (1, "found = gc.realised_vol('btcusdt_1h.csv', '7D')"),
        (3, "half = lambda at: -0.5 * at.mismatch\nfound = gc.backtest(market__days=14, policy=half).pnl"),
        (1, "found = gc.load('run').episodes"),
    ],
    ids=["price a chain", "its smile", "realised volatility", "a policy of one's own", "a result"],
)
def test_small_tasks_take_few_lines(lines, task, result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = bars()
    frame.assign(timestamp=frame.index).to_csv("btcusdt_1h.csv", index=False)
    result.report("run")
    known = {"gc": gc, "frame": TARDIS}
    exec(task, known)
    assert len(task.splitlines()) <= lines
    found = known["found"]
    assert len(found.data if isinstance(found, go.Figure) else found.dropna(how="all")) > 0


def test_frames_of_data_are_backtested_like_files(tmp_path):
    market = gc.backtest(**DAYS)
    assert market.summary["simulated_data"]
    from gammacore.backtest.replay.market import load_sources
    from gammacore.config import parse_config

    sources = load_sources(parse_config({"market": {"days": 14}}))
    chains, prices = sources.chains, sources.prices
    frame = pd.DataFrame(
        {
            "timestamp": pd.to_datetime(chains.ts_ns, utc=True),
            "symbol": np.array(chains.names)[chains.code],
            "underlying_price": chains.forward,
            "index_price": chains.index,
            "bid_price": chains.bid,
            "ask_price": chains.ask,
            "mark_price": chains.mark,
            "mark_iv": chains.iv * 100,
        }
    )
    closes = pd.Series(prices.close, pd.to_datetime(prices.ts_ns, utc=True), name="close")
    found = gc.backtest(chains=frame, prices=closes, costs__funding=False)
    same = gc.backtest(**DAYS, costs__funding=False)
    assert not found.summary["simulated_data"]
    assert found.summary["n_episodes"] == same.summary["n_episodes"]
    assert found.summary["total"]["usd"] == pytest.approx(same.summary["total"]["usd"], rel=1e-3)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"prices": [60e3, 61e3]}, "prices: expected a path or a pandas DataFrame, got list"),
        ({"chains": {"mark": 1}}, "chains: expected a path or a pandas DataFrame, got dict"),
        ({"chains": OURS["mark_price"]}, "chain: expected a pandas DataFrame, got Series"),
        (
            {"chains": OURS.assign(bid_price=0.01, ask_price=0.02, mark_iv=["60", "61 %", "62"])},
            "chain: row b, column implied_volatility: '61 %' is not a number",
        ),
    ],
)
def test_a_source_of_another_kind_is_refused(source, told):
    with pytest.raises(DataError, match=told):
        gc.backtest(**source)


def test_tables_keep_what_they_are_given():
    texts = chain_table(OURS.assign(bid_price=0.01, ask_price=0.02, mark_iv="60"))
    assert list(texts["implied_volatility"]) == [0.6] * 3
    table = chain_table(OURS.assign(bid_price=0.01, ask_price=0.02, iv=0.6))
    assert list(table["implied_volatility"]) == [0.6] * 3
    bars = price_table(pd.Series([1.0, 2.0], pd.date_range("2026-01-01", periods=2)))
    assert list(bars["timestamp"]) == [
        pd.Timestamp("2025-12-31", tz="UTC"),
        pd.Timestamp("2026-01-01", tz="UTC"),
    ]
    ohlc = pd.DataFrame({"close": [1.0, 2.0]}, pd.date_range("2026-01-01", periods=2))
    assert price_table(ohlc)["timestamp"].iloc[0] == pd.Timestamp("2026-01-01", tz="UTC")
    with pytest.raises(DataError, match="DatetimeIndex"):
        price_table(pd.Series([1.0]))


@pytest.mark.parametrize(
    "name", sorted(set(gc.__all__) - {"black76", "black_scholes", "inverse", "settlement"})
)
def test_everything_has_a_docstring(name):
    assert inspect.getdoc(getattr(gc, name))


def offered():
    """Functions and classes of ``import gammacore``, those of its numeric modules as well, by name."""
    for name in gc.__all__:
        found = getattr(gc, name)
        if name in ("backtest", "breakeven"):  # packages that are called
            yield name, getattr(runs, name)
        elif inspect.ismodule(found):
            yield from ((f"{name}.{n}", getattr(found, n)) for n in found.__all__)
        else:
            yield name, found


EXAMPLES = {name: one for name, one in offered() if inspect.isroutine(one) or name in gc.__all__}


@pytest.mark.parametrize("name", EXAMPLES)
def test_everything_has_an_example_that_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = EXAMPLES[name]
    text = inspect.getdoc(one)
    known = vars(inspect.getmodule(one)).copy()
    example = doctest.DocTestParser().get_doctest(text, known, name, None, None)
    assert example.examples
    told = []
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=told.append)
    assert found.failed == 0, "".join(told)
    assert list(tmp_path.iterdir()) == []
