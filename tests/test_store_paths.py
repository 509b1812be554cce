"""``--store``: the data of a run is found in a store; what is named wins, and what is missing is refused."""

import itertools
import json
import shutil

import pytest

import gammacore as gc
from gammacore.cli.main import BAD_INPUT
from gammacore.config import load_config, parse_config
from gammacore.data import Store
from gammacore.data.download import Plan, download
from gammacore.data.normal import delivery_rows
from gammacore.data.rows import day_of
from gammacore.data.throttle import Throttle
from gammacore.data.trade_chains import ChainRecipe, build_chains, load_spread_model
from gammacore.daycount import NS_PER_DAY, NS_PER_SECOND, parse_time
from gammacore.errors import ConfigError
from gammacore.store_paths import FIELDS, with_store
from support import store_world
from support.commands import run
from support.local_exchange import Client, make
from support.sol_market import as_store

SHORT = ["entry.min_days=0.5", "entry.max_days=60", "entry.expiries=any", "entry.schedule=roll"]
SHORT = [word for text in [*SHORT, "report.html=false"] for word in ("--set", text)]
BLACK = {"target": "black"}
LINEAR = ["--set", "hedge.target=black"]
FLAT = ["--set", "marks.source=flat", "--set", "marks.flat_days=1"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Two days of chains, bars and funding, as a recording leaves them; and of ETH, bars alone."""
    root = tmp_path_factory.mktemp("recorded")
    with Store(root) as store:
        world = store_world.sound()
        store_world.write(store, world)
        store.write("candles", "ETH", day_of(store_world.START), "ETH-PERPETUAL_1m_x", part(world["candles"]))
    return root


def part(rows):
    """Rows of the first day."""
    first = rows["ts_ns"] < store_world.START + NS_PER_DAY
    return {name: column[first] for name, column in rows.items()}


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory):
    """Everything of three days that an exchange offers, which is no chains."""
    root = tmp_path_factory.mktemp("downloaded")
    exchange = make(history_days=5, strikes=8, tick_ms=60_000)
    client, end = Client(exchange), exchange.now_ns // NS_PER_DAY * NS_PER_DAY

    def get(method, params):
        exchange.advance(exchange.now_ns + NS_PER_SECOND)
        return json.dumps(client.call(method, **params)).encode()

    plan = Plan(start_ns=end - 3 * NS_PER_DAY, end_ns=end)
    with Store(root) as store:
        download(store, plan, get, throttle=Throttle(1e6, 1_000_000, clock=itertools.count(0, 2).__next__))
    return root


@pytest.fixture(scope="module")
def modelled(downloaded, tmp_path_factory):
    """The same with chains modelled from its trades."""
    root = shutil.copytree(downloaded, tmp_path_factory.mktemp("modelled") / "data")
    recipe, spreads = ChainRecipe(min_chain=20, min_expiry=2), load_spread_model("BTC")
    with Store(root) as store:
        end = parse_time(max(store.days("option_trades", "BTC"))) + NS_PER_DAY
        build_chains(store, "BTC", end - 2 * NS_PER_DAY, end, recipe, spreads, as_of_ns=end)
    return root


@pytest.fixture
def told(monkeypatch, capsys, tmp_path):
    """Exit code, errors, and the JSON of a command that runs in a fresh folder."""
    monkeypatch.chdir(tmp_path)

    def asked(*words):
        code, out, err = run(monkeypatch, capsys, *map(str, words), "--json")
        return code, err, json.loads(out) if code == 0 else None

    return asked


def folders(root, **kinds):
    """Options that name folders of a store, as users had to."""
    return [
        word for name, kind in kinds.items() for word in (f"--{name}", str(root / "processed" / kind / "BTC"))
    ]


def same(told, words, others, *, nothing=("directory",)):
    """What a command says, which is what it says with other words."""
    found = [told(*some) for some in (words, others)]
    assert [code for code, _, _ in found] == [0, 0], found
    one, other = ({k: v for k, v in found.items() if k not in nothing} for _, _, found in found)
    assert one == other
    return one


def configuration(folder):
    return load_config(folder / "config.yaml")


def test_recorded_chains_bars_and_funding_are_found(told, recorded, tmp_path):
    words = folders(recorded, chains="chains", prices="candles", funding="funding")
    found = same(
        told,
        ["backtest", "--store", recorded, *SHORT, "--out", "one"],
        ["backtest", *words, *SHORT, "--out", "other"],
    )
    assert found["n_episodes"] == 1
    assert found["n_hedges"] > 0
    assert found["data"]["source"] == "recorded"
    one, other = (configuration(tmp_path / name) for name in ("one", "other"))
    assert one == other
    assert one.data.chains == str(recorded / "processed" / "chains" / "BTC")
    again = told("backtest", tmp_path / "one" / "config.yaml", "--out", "again")[2]
    assert again | {"directory": ""} == found | {"directory": ""}


def test_modelled_chains_are_found_where_none_were_recorded(told, modelled, tmp_path):
    words = folders(
        modelled, chains="chains_modelled", prices="candles", funding="funding", delivery="delivery"
    )
    words += ["--set", f"data.dvol={modelled / 'processed' / 'dvol' / 'BTC'}"]
    found = same(
        told,
        ["backtest", "--store", modelled, *SHORT, "--out", "one"],
        ["backtest", *words, *SHORT, "--out", "other"],
    )
    assert found["data"]["source"] == "modelled from trades"
    assert found["data"]["modelled"]
    assert configuration(tmp_path / "one") == configuration(tmp_path / "other")


def test_recorded_and_modelled_chains_are_never_mixed(told, recorded, tmp_path):
    root = shutil.copytree(recorded, tmp_path / "both")
    with Store(root) as store:
        rows = part(store_world.sound()["chains"])
        size = rows["ts_ns"].size
        rows |= {"forward_source": ["trades"] * size, "trades": [1] * size, "modelled": ["guessed"] * size}
        store.write("chains_modelled", "BTC", day_of(store_world.START), "6h_build", rows)
    found = told("backtest", "--store", root, *SHORT)[2]
    assert found["data"]["modelled"] == ""
    shutil.rmtree(root / "processed" / "chains")
    assert told("backtest", "--store", root, *SHORT)[2]["data"]["modelled"] == "guessed"


def test_every_command_finds_the_same(told, recorded):
    words = folders(recorded, chains="chains", prices="candles", funding="funding")
    store = ["--store", recorded]
    weighed = ["--forecast", "0.5"]
    ranked = same(told, ["breakeven", *store, *weighed], ["breakeven", *words, *weighed])
    assert not ranked["simulated"]
    assert ranked["positions"]
    lives = ["--calibrate", "--rule", "never", "--set", "signal.window=3h"]
    one, other = (told("breakeven", *some, *lives) for some in (store, words))
    assert one == other  # of two days no straddle has ended, but the chains were found and prices warmed up
    assert "nothing to calibrate from 2026-03-02T00:05 to 2026-03-04T00:00" in one[1]
    trials = [*SHORT, "--trials", "2"]
    assert same(told, ["check", *store, *trials], ["check", *words, *trials])["clean"]
    named = [f"data.{word[2:]}={path}" for word, path in zip(words[::2], words[1::2], strict=True)]
    named = [word for text in named for word in ("--set", text)]
    grid = [*SHORT, "--vary", "hedge.band=0.02,0.1", "--backend", "serial"]
    swept = same(told, ["sweep", *store, *grid, "--out", "a"], ["sweep", *named, *grid, "--out", "b"])
    assert (swept["n_cells"], swept["simulated_data"]) == (2, False)


def test_a_simulation_takes_price_bars_and_needs_no_chains(told, downloaded, recorded, tmp_path):
    words = ["simulate", "--set", "simulate.model=bootstrap", "--set", "simulate.frontier=false"]
    words += ["--paths", "500", "--set", "report.html=false"]
    bars = ["--prices", downloaded / "processed" / "candles" / "BTC"]
    same(told, [*words, "--store", downloaded, "--out", "one"], [*words, *bars, "--out", "other"])
    assert configuration(tmp_path / "one").data.chains is None
    code, err, _ = told(*words, "--store", recorded, "--set", "currency=SOL_USDC", *LINEAR)
    assert code == BAD_INPUT
    assert "no price bars of SOL_USDC, only of BTC, ETH" in err
    assert f"gammacore data download --currency USDC --store {recorded}" in err


def test_a_flat_volatility_needs_no_chains(told, downloaded, modelled, tmp_path):
    words = folders(downloaded, prices="candles", funding="funding", delivery="delivery")
    flat = [*FLAT, *SHORT]
    found = same(
        told,
        ["backtest", "--store", downloaded, *flat, "--out", "one"],
        ["backtest", *words, "--instruments", downloaded, *flat, "--out", "other"],
    )
    assert not found["simulated_data"]
    assert configuration(tmp_path / "one").data.instruments == str(downloaded)
    assert told("backtest", "--store", modelled, *flat, "--out", "more")[0] == 0
    assert configuration(tmp_path / "more").data.chains is None


def test_what_is_named_wins_over_the_store(told, recorded, modelled, tmp_path):
    bars = tmp_path / "bars"
    shutil.copytree(recorded / "processed" / "candles" / "BTC", bars)
    assert told("backtest", "--store", recorded, "--prices", bars, *SHORT, "--out", "option")[0] == 0
    option = configuration(tmp_path / "option").data
    assert (option.prices, option.funding) == (str(bars), str(recorded / "processed" / "funding" / "BTC"))
    (tmp_path / "own.yaml").write_text(f"data:\n  prices: {bars}\n  chains: null\n")
    assert told("backtest", "own.yaml", "--store", recorded, *SHORT, "--out", "file")[0] == 0
    file = configuration(tmp_path / "file").data
    assert (file.prices, file.chains) == (str(bars), str(recorded / "processed" / "chains" / "BTC"))
    less = ["--set", "data.funding=null", "--set", f"data.prices={bars}"]
    assert told("backtest", "--store", recorded, *less, *SHORT, "--out", "set")[0] == 0
    override = configuration(tmp_path / "set").data
    assert (override.prices, override.funding) == (str(bars), None)
    chains = folders(modelled, chains="chains_modelled", prices="candles")
    assert told("backtest", "--store", recorded, *chains, "--set", "data.funding=null", *SHORT)[0] == 0


def test_data_that_is_switched_off_does_not_lead_to_the_simulated_market(told, recorded, downloaded):
    for store, more, name in ((recorded, [], "chains"), (downloaded, FLAT, "prices")):
        code, err, _ = told("backtest", "--store", store, *more, "--set", f"data.{name}=null")
        assert code == BAD_INPUT
        assert f"data.{name}: is null, and without it nothing of store {store} can be used" in err


@pytest.mark.parametrize("command", ["backtest", "breakeven", "check", "sweep"])
def test_a_store_without_chains_is_refused(told, downloaded, command, tmp_path):
    more = ["--vary", "hedge.band=0.1,0.2"] if command == "sweep" else []
    code, err, _ = told(command, "--store", downloaded, *more)
    assert code == BAD_INPUT
    assert f"store {downloaded}: no chains of BTC, nor of any other currency; the exchange keeps no" in err
    assert "record them (gammacore data record), or import them (gammacore data import), or" in err
    build = f"gammacore data build-chains --currency BTC --start DAY --store {downloaded}"
    assert f"model them from its trades ({build}); its price bars are enough for a flat" in err
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_another_currency_is_refused_with_what_it_has(told, recorded, modelled):
    code, err, _ = told("backtest", "--store", recorded, "--currency", "ETH")
    assert code == BAD_INPUT
    assert "no chains of ETH, only of BTC;" in err
    assert "model them from downloaded trades" in err
    code, err, _ = told("check", "--store", modelled, "--set", "currency=SOL_USDC", *LINEAR)
    assert code == BAD_INPUT
    assert "no chains of SOL_USDC, only of BTC (modelled);" in err
    assert "build-chains" not in err
    code, err, _ = told("sweep", "--store", recorded, "--vary", "currency=BTC,ETH")
    assert code == BAD_INPUT
    assert "vary.currency" in err


def test_sweep_and_simulate_take_a_currency(told, recorded, tmp_path):
    grid = ["--vary", "hedge.band=0.02,0.1", "--backend", "serial"]
    code, err, _ = told("sweep", "--store", recorded, "--currency", "ETH", *grid)
    assert code == BAD_INPUT
    assert "no chains of ETH, only of BTC;" in err
    code, err, _ = told("sweep", "--currency", "ETH", "--vary", "currency=BTC,ETH")
    assert code == BAD_INPUT
    assert "--currency: vary.currency has the values of this grid; leave one out" in err
    days = ["--set", "market.days=14", "--set", "market.snapshot_hours=8", "--set", "report.html=false"]
    assert told("sweep", "--currency", "ETH", *days, *grid, "--out", "swept")[2]["currency"] == "ETH"
    one = ["simulate", "--set", "simulate.model=bootstrap", "--set", "simulate.frontier=false", *days]
    one += ["--set", "simulate.block_days=0.5"]  # of a day of bars
    for coin in ("BTC", "ETH"):
        assert told(*one, "--paths", "50", "--store", recorded, "--currency", coin, "--out", coin)[0] == 0
        found = configuration(tmp_path / coin)
        assert (found.currency, found.data.prices) == (coin, str(recorded / "processed" / "candles" / coin))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nothing", "store nothing: no such folder; fill a store with gammacore data download, gammacore"),
        ("file", "store file: is a file, not a folder; fill a store"),
        ("empty", "store empty: is no store, as it has no folder named processed; fill a store"),
        ("data/processed", "named processed; did you mean data?"),
        ("data/processed/chains/BTC", "named processed; did you mean data?"),
    ],
)
def test_a_folder_that_is_no_store_is_refused(told, tmp_path, place, words):
    for folder in ("empty", "data/processed/chains/BTC"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "file").write_text("")
    for command in ("backtest", "simulate"):
        code, err, found = told(command, "--store", place)
        assert (code, found) == (BAD_INPUT, None)
        assert words in err


def rows_of_funding(name):
    rows = part(store_world.sound()["funding"])
    return rows | {"instrument_name": [name] * rows["ts_ns"].size}


def test_of_all_coins_in_usdc_the_own_one_is_found(tmp_path):
    root, day = as_store(tmp_path), day_of(store_world.START)
    with Store(root) as store:
        store.write("chains", "USDC", day, "record-1", part(store_world.sound()["chains"]))
        for coin in ("BTC", "SOL"):
            name = f"{coin}_USDC-PERPETUAL"
            store.write("funding", "USDC", day, f"{name}_1h_download", rows_of_funding(name))
        store.write("delivery", "USDC", day, "btc_usdc_download", delivery_rows("btc_usdc", {day: 9.0}))
    config = with_store(parse_config({"currency": "SOL_USDC", "hedge": BLACK}), root).data
    found = {name: getattr(config, name) for name in FIELDS if getattr(config, name) is not None}
    processed = root / "processed"
    assert found == {
        "chains": str(processed / "chains" / "USDC"),
        "funding": str(processed / "funding" / "USDC" / "SOL_USDC-PERPETUAL_1h"),
    }
    flat = {"data": {"prices": "bars.csv"}, "marks": {"source": "flat"}, "hedge": BLACK}
    sol, bitcoin = (with_store(parse_config(flat | {"currency": c}), root) for c in ("SOL_USDC", "BTC_USDC"))
    assert sol.data.instruments == str(root)
    assert bitcoin.data.instruments is None  # the catalog says nothing of it


def test_the_python_api_takes_a_store(recorded):
    given = {"entry__min_days": 0.5, "entry__max_days": 60}
    given |= {"entry__expiries": "any", "entry__schedule": "roll"}
    processed = recorded / "processed"
    named = {"chains": processed / "chains" / "BTC", "prices": processed / "candles" / "BTC"}
    named |= {"data__funding": str(processed / "funding" / "BTC")}
    one = gc.backtest(store=recorded, **given)
    assert one.summary == gc.backtest(**named, **given).summary
    assert gc.breakeven(store=recorded, forecast=0.5).equals(gc.breakeven(forecast=0.5, **named))
    with pytest.raises(ConfigError, match="no chains of ETH, only of BTC"):
        gc.backtest(store=recorded, currency="ETH")


def test_the_python_api_simulates_from_a_store(recorded):
    few = {"simulate__model": "bootstrap", "simulate__paths": 50, "simulate__frontier": False}
    few |= {"simulate__block_days": 0.5}
    bars = recorded / "processed" / "candles" / "ETH"
    one = gc.simulate(store=recorded, currency="ETH", **few)
    assert one.config.data.prices == str(bars)
    assert one.config.data.chains is None
    assert one.summary == gc.simulate(prices=bars, currency="ETH", **few).summary
    with pytest.raises(ConfigError, match="no price bars of SOL_USDC, only of BTC, ETH"):
        gc.simulate(store=recorded, currency="SOL_USDC", hedge__target="black", **few)
