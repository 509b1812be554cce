"""Chains from trades of a known surface: right values, nothing later, marked, resumed, refused."""

import itertools
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gammacore.cli.main import app
from gammacore.contracts import parse
from gammacore.data import Store, load_chains
from gammacore.data.check import chain_faults
from gammacore.data.download import Plan, download
from gammacore.data.listings import published
from gammacore.data.throttle import Throttle
from gammacore.data.trade_chains import ChainRecipe, build_chains, load_spread_model
from gammacore.data.trade_chains.build import NO_TRADES
from gammacore.data.trade_chains.chain import volatilities
from gammacore.data.trade_chains.forwards import Observations, basis_at, implied_basis
from gammacore.data.trade_chains.level import as_of_now
from gammacore.data.trade_chains.trades import Trades, out_of_sequence
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, year_fraction
from gammacore.errors import ConfigError, DataError
from gammacore.volatility import fit_surface
from support import trade_world
from support.drawn_trades import rows_of, write
from support.local_exchange import Client, make
from support.trade_world import DAYS, EXPIRIES, RATE, START, forward_at, index_at, vol_at

FEW = ChainRecipe(min_chain=50)  # the trades made here lie on one surface: few are enough
END = START + DAYS * NS_PER_DAY
LATER = END + NS_PER_DAY
SPREADS = load_spread_model("BTC")


def build(store, recipe=None, start=START, end=END, **others):
    return build_chains(store, "BTC", start, end, recipe or FEW, SPREADS, as_of_ns=LATER, **others)


def stored(folder, rows=None):
    store = Store(folder)
    write(store, "BTC", trade_world.trades() if rows is None else rows)
    return store


def series(folder, done):
    return folder / "processed" / "chains_modelled" / "BTC" / done.series


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A store with trades of three days, what a build of it said, and the chains."""
    folder = tmp_path_factory.mktemp("store")
    with stored(folder) as store:
        done = build(store)
    return folder, done, load_chains(series(folder, done), currency="BTC")


def test_the_surface_that_made_the_trades_is_found_again(world):
    _, done, chains = world
    # The window of the first day's chains begins before there are trades.
    assert done.skipped == {NO_TRADES: 1}
    assert (done.days, done.chains, done.expiries) == (2, 8, 24)
    assert chains.snapshot_ts.tolist() == [START + NS_PER_DAY + 6 * NS_PER_HOUR * n for n in range(8)]
    near = np.abs(np.log(chains.strike / chains.forward)) < 0.9 * np.sqrt(chains.tau)
    assert near.sum() > 300
    # The trades' volatilities are rounded to 0.01 points, and SVI is another form than the parabola. The
    # smile of this world stays at its strikes while the price moves; trades count at the moneyness they had.
    error = chains.iv[near] - vol_at(chains.strike[near], chains.expiry_ns[near])
    assert np.abs(error).max() < 0.006
    assert np.median(np.abs(error)) < 0.001


def test_forwards_come_from_the_trades_themselves(world):
    _, done, chains = world
    assert done.forwards == {"option trades": 24}
    # The index is that of the last trade, minutes before the chain.
    before = chains.ts_ns[:, None] - np.arange(0, 60, 5) * NS_PER_MINUTE
    assert (np.abs(chains.index[:, None] / index_at(before) - 1.0).min(axis=1) < 1e-12).all()
    basis = np.log(chains.forward / chains.index)
    assert basis == pytest.approx(RATE * np.asarray(chains.tau), abs=2e-5)
    assert chains.synthetic.all()


def test_quotes_lie_on_the_grid_around_the_mark(world):
    _, _, chains = world
    grid = published().spec_for(parse(chains.names[0]))
    quoted = np.isfinite(chains.bid)
    assert 0.5 < quoted.mean() < 1.0
    assert grid.is_on_tick(chains.bid[quoted]).all()
    assert grid.is_on_tick(chains.ask).all()
    assert (chains.bid[quoted] >= grid.tick_size).all()
    assert (chains.bid[quoted] <= chains.mark[quoted]).all()
    assert (chains.ask >= chains.mark).all()
    assert chain_faults(chains) == []


def test_chains_say_that_they_are_modelled(world):
    folder, _, chains = world
    assert "trades of 1d, levels of 2h, smiles of 6h" in chains.modelled
    assert "spreads BTC to 2026" in chains.modelled
    assert "modelled" in repr(chains)
    assert chains.between(*(chains.span[0], chains.span[0] + 1)).modelled == chains.modelled
    assert chains.quality.count("modelled from trades (no recording)") == len(chains)
    with Store(folder) as store:
        assert store.currencies("chains") == []  # where recordings are
        rows = store.read("chains_modelled", "BTC", as_of_ns=END)
        assert store.read("chains_modelled", "BTC", as_of_ns=int(rows["ts_ns"][0]) - 1)["ts_ns"].size == 0
    assert set(rows["forward_source"]) == {"option trades"}
    assert (rows["known_ns"] == rows["ts_ns"]).all()
    assert rows["trades"].min() >= 5


def test_nothing_after_a_chain_changes_it(world, tmp_path):
    _, _, chains = world
    rows = trade_world.trades()
    moment = chains.snapshot_ts[5]
    after = rows["ts_ns"] > moment
    rows["iv"][after] *= 2.0
    rows["index_price"][after] *= 1.1
    rows["known_ns"][rows["ts_ns"] == moment] += 1  # known a moment too late for this chain
    with stored(tmp_path, rows) as store:
        other = load_chains(series(tmp_path, build(store)), currency="BTC")
    for i in range(5):
        for name in ("strike", "iv", "forward", "bid", "ask"):
            expected = getattr(chains.snapshot(i), name)
            assert np.array_equal(getattr(other.snapshot(i), name), expected, equal_nan=True)
    assert np.median(other.snapshot(5).iv) == pytest.approx(np.median(chains.snapshot(5).iv), abs=1e-3)
    assert np.median(other.snapshot(6).iv) > 1.2 * np.median(chains.snapshot(6).iv)


def chain_at(folder, moment, rows, recipe=None):
    with stored(folder, rows) as store:
        chains = load_chains(series(folder, build(store, recipe)), currency="BTC")
    return chains.snapshot(chains.snapshot_ts.tolist().index(moment))


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("strike", "kind", "iv", "forward", "bid", "ask", "mark")
    )


def test_a_trade_counts_from_when_it_was_known(tmp_path):
    rows, moment = trade_world.trades(), START + 2 * NS_PER_DAY - 6 * NS_PER_HOUR
    late = (rows["ts_ns"] > moment - 2 * NS_PER_HOUR) & (rows["ts_ns"] <= moment)
    rows["known_ns"][late] += 3 * NS_PER_HOUR
    without = {name: column[~late] for name, column in rows.items()}
    assert same(chain_at(tmp_path / "late", moment, rows), chain_at(tmp_path / "without", moment, without))


def test_nothing_older_than_the_window_counts(tmp_path):
    rows, moment = trade_world.trades(), START + 2 * NS_PER_DAY - 6 * NS_PER_HOUR
    recipe = ChainRecipe(window_ns=9 * NS_PER_HOUR, min_chain=20, min_expiry=2)
    changed = rows | {"iv": np.where(rows["ts_ns"] <= moment - 9 * NS_PER_HOUR, 3.0, rows["iv"])}
    found = [chain_at(tmp_path / name, moment, one, recipe) for name, one in (("a", rows), ("b", changed))]
    assert same(*found)


def test_a_strike_is_not_listed_before_its_first_trade(tmp_path):
    rows = trade_world.trades()
    named = [trade_world.name_of(EXPIRIES[1], 90_000.0, kind) for kind in (1, -1)]
    first = START + NS_PER_DAY + 15 * NS_PER_HOUR
    rows = {
        name: column[~(np.isin(rows["instrument_name"], named) & (rows["ts_ns"] < first))]
        for name, column in rows.items()
    }
    began = int(rows["ts_ns"][np.isin(rows["instrument_name"], named)][0])
    with stored(tmp_path, rows) as store:
        chains = load_chains(series(tmp_path, build(store)), currency="BTC")
    listed = np.unique(chains.ts_ns[(chains.strike == 90_000.0) & (chains.expiry_ns == EXPIRIES[1])])
    assert listed.tolist() == [ts for ts in chains.snapshot_ts.tolist() if ts >= began]
    assert 0 < listed.size < chains.snapshot_ts.size


def test_strikes_are_listed_while_their_last_trade_is_young(tmp_path):
    rows = trade_world.trades()
    gone = (rows["instrument_name"] == trade_world.name_of(EXPIRIES[1], 90_000.0, 1)) | (
        rows["instrument_name"] == trade_world.name_of(EXPIRIES[1], 90_000.0, -1)
    )
    last = int(rows["ts_ns"][gone & (rows["ts_ns"] <= START + NS_PER_DAY // 2)][-1])
    rows = {name: column[~(gone & (rows["ts_ns"] > last))] for name, column in rows.items()}
    listed = {}
    for days in (1, 3):
        with stored(tmp_path / str(days), rows) as store:
            done = build(store, ChainRecipe(listed_ns=days * NS_PER_DAY, min_chain=50))
            chains = load_chains(series(tmp_path / str(days), done), currency="BTC")
        at = (chains.strike == 90_000.0) & (chains.expiry_ns == EXPIRIES[1])
        listed[days] = np.unique(chains.ts_ns[at]).size
        counts = np.unique(chains.kind[at], return_counts=True)[1]
        assert counts[0] == counts[1]  # the call and the put of a strike, whichever traded
    times = START + NS_PER_DAY + 6 * NS_PER_HOUR * np.arange(8)
    assert listed == {days: (times <= last + days * NS_PER_DAY).sum() for days in (1, 3)}
    assert 0 < listed[1] < listed[3]


def test_an_interrupted_build_resumes(world, tmp_path):
    folder, _, _ = world
    with stored(tmp_path) as store:

        def stop(name, done, total):
            assert (name, total) == ("BTC", DAYS)
            if done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build(store, progress=stop)
        first = build(store)
        second = build(store)
    assert (first.days, first.before, first.chains) == (1, 1, 4)
    assert (second.days, second.before, second.chains) == (0, 2, 0)
    at_once, resumed = (
        [file.read_bytes() for file in sorted((root / "processed/chains_modelled").rglob("*.parquet"))]
        for root in (folder, tmp_path)
    )
    assert len(at_once) == 2
    assert at_once == resumed


def test_another_recipe_is_another_series(tmp_path):
    with stored(tmp_path) as store:
        names = {build(store, recipe).series for recipe in (ChainRecipe(), ChainRecipe(blocks=False))}
    assert len(names) == 2
    with pytest.raises(DataError, match="name one"):
        load_chains(tmp_path / "processed" / "chains_modelled" / "BTC")


def test_too_few_trades_make_no_expiry_and_no_chain(tmp_path):
    with stored(tmp_path) as store:
        done = build(store, ChainRecipe(min_chain=100_000))
        assert done.skipped == {"fewer than 100000 trades": 8, NO_TRADES: 1}
        assert (done.days, done.chains, done.rows) == (2, 0, 0)
        assert build(store, ChainRecipe(min_chain=100_000)).before == 2  # a day without chains is complete
    rows = trade_world.trades()
    last = np.array([parse(name).expiry_ns == EXPIRIES[-1] for name in rows["instrument_name"]])
    rare = last & (np.cumsum(last) % 60 > 0)
    rows = {name: column[~rare] for name, column in rows.items()}
    with stored(tmp_path / "rare", rows) as store:
        done = build(store)
    assert done.dropped == {"fewer than 5 trades": 8}
    assert done.expiries == 16


def test_bad_trades_are_counted_and_left_out(world, tmp_path):
    _, _, chains = world
    rows = trade_world.trades()
    size = rows["ts_ns"].size
    bad = {name: column[:200].copy() for name, column in rows.items()}
    bad["ts_ns"] += NS_PER_DAY
    bad["known_ns"] += NS_PER_DAY
    bad["trade_id"] = np.array([f"bad-{i}" for i in range(200)], dtype=object)
    bad["trade_seq"][:] = 0
    bad["iv"][:10] = 0.0
    bad["iv"][10:20] = np.nan
    bad["iv"][20:40] = 5.01
    bad["price"][40:45] = 0.0
    bad["known_ns"][45:50] -= 1
    bad["instrument_name"][50:60] = "BTC-1MAR26-90000-C"  # expired the day before
    bad["instrument_name"][60:70] = "ETH-9MAR26-3000-C"
    bad["instrument_name"][70:75] = "BTC-FS-27MAR26_PERP"
    bad["liquidation"][75:200] = "T"
    bad["iv"][75:200] *= 3.0
    rows = {name: np.concatenate([rows[name], bad[name]]) for name in rows}
    twin = rows["ts_ns"] > 0
    rows["trade_seq"][np.flatnonzero(twin)[400]] = 1  # the instrument has had higher numbers
    with stored(tmp_path, rows) as store:
        done = build(store)
    assert done.left_out == {
        "at or after expiry": 10,
        "known before they happened": 5,
        "liquidations": 125,
        "no option of BTC": 15,
        "no price, amount or index": 5,
        "no volatility": 20,
        "timestamps out of order": 1,
        "volatility above 500%": 20,
    }
    assert size + 200 == rows["ts_ns"].size
    other = load_chains(series(tmp_path, done), currency="BTC")
    near = np.abs(np.log(other.strike / other.forward)) < 0.9 * np.sqrt(other.tau)
    assert np.median(np.abs(other.iv - vol_at(other.strike, other.expiry_ns))[near]) < 0.001
    assert other.snapshot_ts.tolist() == chains.snapshot_ts.tolist()


def test_numbers_that_contradict_the_time_are_the_fewest():
    subject = np.array([0, 1, 0, 0, 1, 0, 0])
    assert out_of_sequence(subject, np.array([1, 5, 9, 2, 4, 3, 4])).nonzero()[0].tolist() in ([1, 2], [2, 4])
    assert not out_of_sequence(subject, np.array([0, 1, 0, 0, 1, 0, 0])).any()


def test_there_must_be_trades_of_the_period(tmp_path):
    with (
        Store(tmp_path) as store,
        pytest.raises(DataError, match="no option trades of BTC; gammacore data download"),
    ):
        build(store)
    with stored(tmp_path) as store:
        with pytest.raises(DataError, match=r"in the period \(2027-.* there are some from 2026-03-02"):
            build_chains(
                store, "BTC", START + 400 * NS_PER_DAY, START + 410 * NS_PER_DAY, ChainRecipe(), SPREADS,
                as_of_ns=START + 500 * NS_PER_DAY,
            )  # fmt: skip
        # A day that is not over is left alone.
        done = build_chains(
            store, "BTC", START, END, ChainRecipe(), SPREADS, as_of_ns=END - NS_PER_HOUR
        )  # fmt: skip
        assert done.days == 1


@pytest.mark.parametrize(
    ("choice", "wrong"),
    [
        ("every_ns", 7 * NS_PER_HOUR), ("offset_ns", 6 * NS_PER_HOUR), ("window_ns", 0),
        ("window_ns", 8 * NS_PER_DAY), ("half_life_ns", 0), ("size_cap", 0.0), ("size_cap", float("nan")),
        ("listed_ns", NS_PER_HOUR), ("min_expiry", 0), ("min_chain", 0),
    ],
)  # fmt: skip
def test_choices_out_of_range_are_named(choice, wrong):
    with pytest.raises(ConfigError, match=choice.removesuffix("_ns")):
        ChainRecipe(**{choice: wrong})


def of_one_strike(vols, amounts, ages):
    n = len(vols)
    ts = np.array([START - age for age in ages])
    order = np.argsort(ts)
    full = [np.full(n, value) for value in (90_000.0, 1.0, 0.02, 0.0, 90_000.0)]
    full[3] = np.array(amounts)
    return Trades(ts, np.zeros(n, int), np.full(n, EXPIRIES[0]), *full, np.array(vols)).part(order)


def test_young_trades_count_more_and_a_block_no_more_than_the_cap():
    recipe = ChainRecipe(half_life_ns=NS_PER_HOUR, size_cap=5.0)
    trades = of_one_strike([0.4, 0.6], [1.0, 1.0], [0, 6 * NS_PER_HOUR])  # two half-lives of smiles
    found = volatilities(START, trades, np.full(2, 90_000.0), recipe)
    assert found.vol.tolist() == pytest.approx([(0.4 + 0.25 * 0.6) / 1.25])
    assert found.weight.tolist() == pytest.approx([1.25])
    trades = of_one_strike([0.4, 0.4, 0.9], [1.0, 1.0, 500.0], [0, 0, 0])
    found = volatilities(START, trades, np.full(3, 90_000.0), recipe)
    assert found.vol.tolist() == pytest.approx([(2 * 0.4 + 5 * 0.9) / 7])
    assert found.trades.tolist() == [3]


def test_what_the_level_did_since_is_added_to_old_trades_and_more_to_short_expiries():
    """A level of 50 % twelve hours ago and 54 % now at 30 days; at 7.5 days twice the change."""
    forward, n = 90_000.0, 40
    days = np.tile([7.5, 30.0], n)
    expiry = START + np.rint(days * NS_PER_DAY).astype(np.int64)
    strike = np.repeat(np.linspace(0.85, 1.2, n) * forward, 2)
    old = np.arange(2 * n) // 2 % 2 == 0
    ts = START - np.where(old, 12 * NS_PER_HOUR, NS_PER_MINUTE)
    flat = [np.full(2 * n, value) for value in (1.0, 0.02, 1.0, forward)]
    change = 0.04 * np.sqrt(30.0 / days)
    vol = 0.5 + np.where(old, 0.0, change)
    trades = Trades(ts, np.zeros(2 * n, int), expiry, strike, *flat, vol)
    kind = np.where(strike >= forward, 1, -1)
    surface = fit_surface(
        START, expiry, strike, kind, np.full(2 * n, forward), mark_vol=np.full(2 * n, 0.5), target="mark"
    )
    found = as_of_now(START, trades, np.full(2 * n, forward), surface, FEW, SPREADS)
    assert found.vol == pytest.approx(0.5 + change, abs=0.001)


def test_price_and_volatility_of_a_trade_imply_its_forward():
    rows = trade_world.trades(1)
    options = [parse(name) for name in rows["instrument_name"]]
    expiry = np.array([one.expiry_ns for one in options])
    strike, kind = (np.array([float(getattr(one, name)) for one in options]) for name in ("strike", "kind"))
    codes = np.zeros(expiry.size, int)
    trades = Trades(rows["ts_ns"], codes, expiry, strike, kind, rows["price"], rows["amount"],
                    rows["index_price"], rows["iv"])  # fmt: skip
    found = implied_basis(trades)
    assert found.basis.size > 0.3 * expiry.size
    expected = RATE * np.asarray(year_fraction(found.ts_ns, found.expiry_ns))
    assert np.abs(found.basis - expected).max() < 3e-4
    # The exchange's own example of an answer (docs of get_last_trades_by_currency): a forward 4.5 % a year
    # above the index.
    option = parse("BTC-25SEP20-6000-P")
    one = [np.array([value]) for value in (6_000.0, -1.0, 0.032, 0.5, 8_899.93, 0.7474)]
    when = np.array([1_590_470_616_101_000_000])
    documented = Trades(when, np.zeros(1, int), np.array([option.expiry_ns]), *one)
    assert implied_basis(documented).basis == pytest.approx([np.log(9033.317 / 8899.93)], abs=1e-6)


def test_the_basis_is_the_futures_where_they_trade_and_interpolated_where_nothing_does():
    now, expiry = START, np.array([START + 30 * NS_PER_DAY, START + 60 * NS_PER_DAY, START + 90 * NS_PER_DAY])

    def seen(of, basis, times=3, age=NS_PER_HOUR):
        return Observations(np.full(times, now - age), np.full(times, expiry[of]), np.full(times, basis))

    none = Observations(*(np.zeros(0, int) for _ in range(3)))
    found = basis_at(now, NS_PER_DAY, expiry, [seen(0, 0.01), none, seen(0, 0.02)])
    assert found.source.tolist() == [0, 3, 3]
    assert found.basis.tolist() == pytest.approx([0.01, 0.02, 0.03])  # at the rate of the one that is known
    found = basis_at(now, NS_PER_DAY, expiry, [none, seen(2, 0.03), seen(0, 0.02)])
    assert found.source.tolist() == [2, 3, 1]
    assert found.basis.tolist() == pytest.approx([0.02, 0.025, 0.03])
    later = seen(0, 0.01, age=-1)
    for other in (later, seen(0, 0.01, times=2), seen(0, 0.01, age=NS_PER_DAY)):
        found = basis_at(now, NS_PER_DAY, expiry, [other, none, none])
        assert found.source.tolist() == [3, 3, 3]
        assert found.basis.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", ["future_trades", "candles"])
def test_dated_futures_of_the_store_tell_the_forward(tmp_path, kind):
    ts = START + np.arange(DAYS * 24 * 12) * 5 * NS_PER_MINUTE
    name = "BTC-20MAR26"
    premium = 1.001  # over what the options say
    price = premium * forward_at(ts, np.full(ts.size, EXPIRIES[1]))
    with stored(tmp_path) as store:
        if kind == "future_trades":
            rows = rows_of(ts, [name] * ts.size, price, np.full(ts.size, 10.0), index_at(ts), 0.0)
            del rows["iv"]
            write(store, "BTC", rows, kind)
        else:
            for day in range(DAYS):
                part = (ts - START) // NS_PER_DAY == day
                start = ts[part]
                close = premium * forward_at(start + 5 * NS_PER_MINUTE, np.full(start.size, EXPIRIES[1]))
                columns = dict.fromkeys(("open", "high", "low", "close", "volume", "cost"), close)
                store.write(
                    "candles", "BTC", f"2026-03-0{2 + day}", f"{name}_5m_download",
                    {"ts_ns": start, "known_ns": start + 5 * NS_PER_MINUTE,
                     "instrument_name": [name] * start.size,
                     "interval_ns": np.full(start.size, 5 * NS_PER_MINUTE), **columns},
                )  # fmt: skip
        done = build(store)
    source = kind.replace("_", " ") if kind == "future_trades" else "future candles"
    assert done.forwards == {source: 8, "option trades": 16}
    chains = load_chains(series(tmp_path, done), currency="BTC")
    of_future = chains.expiry_ns == EXPIRIES[1]
    assert (chains.synthetic == ~of_future).all()
    basis = np.log(chains.forward / chains.index) - RATE * np.asarray(chains.tau)
    tolerance = 1e-5 if kind == "future_trades" else 5e-4  # a close is held against the last trade's index
    assert basis[of_future] == pytest.approx(np.log(premium), abs=tolerance)
    assert basis[~of_future] == pytest.approx(0.0, abs=2e-5)


def test_a_bid_below_a_tick_is_none():
    grid = published().spec_for(parse("BTC-20MAR26-90000-C"))
    mark, half = np.array([0.00005, 0.0003, 0.0051, 0.02]), np.array([0.0001, 0.0001, 0.0002, 0.0004])
    bid, ask = SPREADS.quotes(mark, half, grid)
    assert np.isnan(bid[0])
    assert bid[1:].tolist() == [0.0002, 0.0049, 0.0195]
    assert ask.tolist() == [0.0002, 0.0004, 0.0055, 0.0205]


def test_a_coin_without_a_spread_model_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"SOL_USDC: no spread model.*BTC, ETH"):
        load_spread_model("SOL_USDC")
    (tmp_path / "own.json").write_text('{"BTC": {"name": "own"}}')
    with pytest.raises(DataError, match=r"own\.json: no spread models"):
        load_spread_model("BTC", tmp_path / "own.json")


def test_the_command_builds_and_says_what_it_left_out(tmp_path):
    stored(tmp_path).close()
    words = ["data", "build-chains", "--start", "2026-03-02", "--end", "2026-03-05", "--store", str(tmp_path)]
    words += ["--every", "1d", "--offset", "12h", "--window", "12h", "--half-life", "3h", "--min-expiry", "2"]
    words += ["--min-chain", "50"]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.output
    assert "3 chains of 9 expiries" in first.output
    assert "Modelled, not recorded" in first.output
    again = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert (again["days"], again["before"], again["chains"]) == (0, 3, 0)
    chains = load_chains(again["chains_at"])
    assert [ts % NS_PER_DAY for ts in chains.snapshot_ts.tolist()] == [12 * NS_PER_HOUR] * 3
    wrong = CliRunner().invoke(app, [*words, "--every", "5h"])
    assert wrong.exit_code != 0
    assert "every" in str(wrong.exception or wrong.output)


def test_trades_downloaded_from_an_exchange_become_chains(tmp_path):
    exchange = make(history_days=8, strikes=8, tick_ms=60_000)
    client, end = Client(exchange), exchange.now_ns // NS_PER_DAY * NS_PER_DAY

    def get(method, params):
        exchange.advance(exchange.now_ns + NS_PER_SECOND)
        return json.dumps(client.call(method, **params)).encode()

    kinds = ("option_trades", "future_trades")
    plan = Plan(kinds=kinds, start_ns=end - 2 * NS_PER_DAY, end_ns=end)
    recipe = ChainRecipe(min_chain=20, min_expiry=2)
    with Store(tmp_path) as store:
        download(store, plan, get, throttle=Throttle(1e6, 1_000_000, clock=itertools.count(0, 2).__next__))
        done = build_chains(store, "BTC", end - NS_PER_DAY, end, recipe, SPREADS, as_of_ns=end)
        traded = store.read("option_trades", "BTC", as_of_ns=end)
    assert done.chains == 4
    assert set(done.forwards) == {"future trades"}
    chains = load_chains(series(tmp_path, done), currency="BTC")
    near = np.abs(np.log(chains.strike / chains.forward)) < np.sqrt(chains.tau) * 0.5
    assert np.median(chains.iv[near]) == pytest.approx(np.median(traded["iv"]), abs=0.03)
    assert np.abs(chains.forward / chains.index - 1.0).max() < 0.01
