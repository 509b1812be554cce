"""Which grids and fees a configuration decides by; a backtest in SOL by hand."""

import contextlib
import json

import pytest
from typer.testing import CliRunner

from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.sweep.grid import cells
from gammacore.build import build_desk
from gammacore.cli.main import app
from gammacore.config import parse_config, with_overrides
from gammacore.contracts import Option, parse
from gammacore.data.listings import load_listings, published, scheduled
from gammacore.episode import RESTED
from gammacore.errors import ConfigError
from gammacore.fees import DERIBIT
from gammacore.terms import check_grids, fees_of, grids_of, sources
from support.sol_market import CATALOG, as_csv, as_store, config_of, write

PERPETUAL, OPTION = parse("SOL_USDC-PERPETUAL"), parse("SOL_USDC-16JAN26-147d5-C")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("sol"))


def test_a_coin_that_nobody_knows_is_refused_with_what_to_do(folder):
    with pytest.raises(
        ConfigError,
        match="hedge.lots: no tick and lot of perpetuals on SOL_USDC is known; nearest of those known: "
        "perpetuals on ETH_USDC; name a catalog in data.instruments "
        r"\(gammacore data download --kinds instruments\), or set hedge.lots: false",
    ):
        build_desk(config_of(folder))


def test_the_store_of_the_chains_is_asked_unless_a_file_is_named(folder, tmp_path):
    root = as_store(tmp_path / "data")
    config = config_of(folder, chains=str(root / "processed" / "chains" / "USDC"))
    assert grids_of(config).of("SOL_USDC", "option").source == str(root.absolute())
    named = config_of(folder, chains=config.data.chains, instruments=str(folder / "catalog.json"))
    assert grids_of(named).of("SOL_USDC", "option").source == str(folder / "catalog.json")
    whence = folder / "catalog.json"
    assert sources(named, grids_of(named)) == [
        f"perpetuals on SOL_USDC: tick 0.01, lot 0.1, contract 0.1, fees 0.010% / 0.040%; {whence}",
        f"options on SOL_USDC: tick 0.1, lot 10, contract 10, fees 0.020% / 0.060%; {whence}",
    ]


def test_the_dated_schedule_stays_where_it_is_about_the_coin(folder):
    grids = load_listings(folder / "catalog.json", "SOL_USDC").over(published())
    assert fees_of(parse_config({}), grids) is DERIBIT
    assert [scheduled(family) for family in ("BTC", "ETH_USDC", "SOL_USDC")] == [True, True, False]
    fees = fees_of(config_of(folder), grids)
    for (_, own), (_, usual) in zip(fees.steps, DERIBIT.steps, strict=True):
        assert (own.option_taker, own.option_maker, own.future_taker) == (0.0006, 0.0002, 0.0004)
        assert (own.option_cap, own.option_delivery) == (usual.option_cap, usual.option_delivery)


@pytest.mark.parametrize("form", [as_csv, as_store])
@pytest.mark.parametrize("engine", ["auto", "desk"])
def test_a_backtest_in_sol_by_hand(folder, tmp_path, form, engine):
    config = config_of(folder, instruments=str(form(tmp_path / "catalog.csv")))
    run = replay(config, load_market(config).tape, engine=engine)
    assert run.engine.startswith("compiled" if engine == "auto" else "desk")
    (done,) = run.episode_runs
    episode = done.episode
    fills = [f for f in episode.option_fills() if f.ts_ns == episode.entry_ns]
    # The straddle asks 5.7 + 6.8 a coin: 475 USD buy 38, which is three contracts of ten.
    assert [(f.instrument.strike, f.amount, f.price) for f in fills] == [
        (140.0, 30.0, 5.7),
        (140.0, 30.0, 6.8),
    ]
    for fill in fills:  # 0.06 % of the index or 12.5 % of the price, a coin
        index = run.tape.price(done.first).price
        assert fill.fee == pytest.approx(30.0 * min(0.0006 * index, 0.125 * fill.price), abs=1e-8)
    hedges = episode.hedge_fills()
    assert len(hedges.amount) > 3
    columns = hedges.amount, hedges.price, hedges.fee, hedges.worked
    for amount, price, fee, worked in zip(*columns, strict=True):
        assert round(amount * 10) == pytest.approx(amount * 10, abs=1e-9)
        rate = 0.0001 if worked == RESTED else 0.0004
        assert fee == pytest.approx(rate * abs(amount) * price, abs=1e-8)
    assert all(isinstance(f.instrument, Option) for f in fills)


def test_a_cell_of_a_sweep_is_another_when_its_catalog_is(folder, tmp_path):
    path = tmp_path / "c.json"
    keys = []
    for lot in (0.1, 0.1, 0.2):
        path.write_text(json.dumps([CATALOG[0] | {"min_trade_amount": lot}, *CATALOG[1:]]))
        config = with_overrides(config_of(folder, instruments=str(path)), {"vary": {"hedge.band": [1.0]}})
        keys.append(cells(config)[0].key)
    assert keys[0] == keys[1] != keys[2]


def test_the_command_takes_a_catalog_and_says_so(folder, tmp_path):
    words = ["backtest", "--chains", str(folder / "chains.csv"), "--prices", str(folder / "SOL_prices.csv")]
    words += ["--currency", "SOL_USDC", "--set", "hedge.target=black", "--set", "costs.funding=false"]
    words += ["--set", "size.contracts=10", "--out", str(tmp_path / "out"), "--force-data", "--json"]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code != 0
    assert "no tick and lot of perpetuals on SOL_USDC" in str(refused.exception)
    done = CliRunner().invoke(app, [*words, "--instruments", str(folder / "catalog.json")])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["n_episodes"] == 1


@pytest.mark.parametrize(
    ("family", "contracts", "lot"),
    [
        ("SOL_USDC", 1.0, "10 SOL"),
        ("SOL_USDC", 15.0, "10 SOL"),
        ("BTC", 0.05, "0.1 BTC"),
        ("BTC", 0.15, "0.1 BTC"),
        ("ETH", 0.5, "1 ETH"),
    ],
)
def test_entries_of_other_than_whole_lots_are_refused(folder, family, contracts, lot):
    grids = load_listings(folder / "catalog.json", "SOL_USDC").over(published())
    hedge = {"target": "black", "lots": True}
    config = parse_config({"currency": family, "hedge": hedge, "size": {"contracts": contracts}})
    with pytest.raises(
        ConfigError,
        match=f"size.contracts: expected whole lots of options on {family}, {lot} each, got {contracts:g} ",
    ):
        check_grids(config, grids)
    for other in ({"hedge.lots": False}, {"entry.structure": "none"}, {"size": {"premium_usd": 1e3}}):
        check_grids(with_overrides(config, other), grids)
    check_grids(with_overrides(config, {"size.contracts": 10.0}), grids)


@pytest.mark.parametrize("contracts", [0.1, 0.3, 0.7, 1.1, 2.9, 1e5 + 0.1])
def test_sizes_that_floats_cannot_write_are_whole_lots(contracts):
    check_grids(parse_config({"size": {"contracts": contracts}}), published())


@pytest.mark.parametrize(
    ("entry", "contracts", "told"),
    [
        ({"structure": "ratio", "ratio": 1.5}, 0.1, "got 0.1 times entry.ratio 1.5"),
        ({"structure": "ratio", "ratio": 1.5}, 0.2, None),
        (
            {"legs": [{"kind": "call", "strike": "delta 0.25", "amount": 0.5}]},
            0.1,
            "got 0.1 times 0.5 of a leg",
        ),
        ({"legs": [{"kind": "call", "strike": "delta 0.25", "amount": 2}]}, 0.05, None),
        ({"structure": "strangle", "ratio": 1.5}, 0.1, None),
    ],
)
def test_each_leg_is_of_whole_lots(entry, contracts, told):
    config = parse_config({"entry": entry, "size": {"contracts": contracts}})
    refused = pytest.raises(ConfigError, match=told) if told else contextlib.nullcontext()
    with refused:
        check_grids(config, published())
