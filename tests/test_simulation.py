"""``gammacore simulate``: from a configuration to paths, figures and files."""

import csv
import json

import numpy as np
import pytest
import yaml

from gammacore import black76, inverse
from gammacore.backtest.report import write_simulation
from gammacore.backtest.simulation.montecarlo import LINES, price_paths
from gammacore.backtest.simulation.option_book import OptionLeg
from gammacore.backtest.simulation.run import experiment_of, run_simulation
from gammacore.config import load_config
from gammacore.daycount import NS_PER_HOUR
from gammacore.errors import ConfigError
from support.commands import run
from support.markets import build
from support.price_files import write

SMALL = {"simulate.paths": 400, "simulate.frontier_paths": 200, "simulate.days": 5}
RETURNS = np.random.default_rng(3).standard_t(5, 2_000) * 0.004


@pytest.fixture
def hours(tmp_path):
    """File of hourly prices, with a gap whose jump is nobody's return."""
    closes = [*(60e3 * np.exp(np.cumsum(RETURNS)))]
    closes[1_000:1_010] = [None] * 10
    closes[1_010:] = [3 * close for close in closes[1_010:]]
    return str(write(tmp_path / "btc_1h.csv", closes, step=NS_PER_HOUR))


def test_files_hold_what_the_summary_says(tmp_path):
    found = run_simulation(build(SMALL))
    write_simulation(found, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    paths = np.load(tmp_path / "paths.npz")
    assert summary["simulated_data"] is True
    assert len(paths["pnl"]) == summary["paths"] == 400
    assert summary["mean"] == pytest.approx(paths["pnl"].mean())
    assert summary["sd"] == pytest.approx(paths["pnl"].std(ddof=1))
    signs = {"fees": -1, "spread": -1}
    np.testing.assert_allclose(
        sum(signs.get(line, 1) * paths[line] for line in LINES), paths["pnl"], atol=1e-14
    )
    assert sum(summary["attribution"].values()) == pytest.approx(summary["mean"], abs=1e-14)
    assert summary["premium"] == pytest.approx(2 * inverse.price("call", 6e4, 6e4, 5 / 365, 0.6), rel=1e-12)
    assert list(summary["quantiles"].values()) == sorted(summary["quantiles"].values())
    with (tmp_path / "frontier.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["family"] for row in rows}) >= 6
    assert all(float(row["sd"]) > 0 for row in rows)
    page = (tmp_path / "report.html").read_text()
    assert all(row["title"] in page for row in summary["parameters"])
    assert f"{summary['sd']:,.6g} BTC" in page
    # The directory's own configuration gives the same paths again.
    again = run_simulation(load_config(tmp_path / "config.yaml", {"simulate.frontier": False}))
    np.testing.assert_array_equal(again.run["pnl"], paths["pnl"])


@pytest.mark.parametrize("model", ["gbm", "heston", "merton", "garch", "bootstrap"])
@pytest.mark.parametrize("settlement", ["inverse", "linear"])
def test_every_model_moves_the_price_as_much_as_it_says(model, settlement, hours):
    config = build(
        {
            **SMALL,
            "simulate.model": model,
            "simulate.paths": 3_000,
            "simulate.settlement": settlement,
            "simulate.frontier": False,
            "simulate.block_days": 1 / 24,  # longer blocks keep what autocorrelation the sample has
            "data.prices": hours,
        }
    )
    found = run_simulation(config)
    experiment = found.run.experiment
    assert experiment.steps == 120
    assert found.frontier is None
    expected = {
        "merton": np.sqrt(0.6**2 + 20 * (0.01**2 + 0.04**2)),
        "garch": np.std(RETURNS) * np.sqrt(8760),
        "bootstrap": np.std(RETURNS) * np.sqrt(8760),
    }.get(model, 0.6)
    ends = price_paths(experiment, paths=3_000, seed=1)[:, -1]
    vol = np.std(np.log(ends / 6e4)) / np.sqrt(5 / 365)
    assert vol == pytest.approx(expected, rel=0.15 if model == "garch" else 0.08)
    assert found.summary["accounting_currency"] == ("BTC" if settlement == "inverse" else "USD")


@pytest.mark.parametrize("model", ["gbm", "heston", "merton", "garch", "bootstrap"])
def test_every_model_takes_the_drift(model, hours):
    changes = {**SMALL, "simulate.model": model, "simulate.drift": 6.0, "data.prices": hours}
    experiment = experiment_of(build(changes))
    end = price_paths(experiment, paths=3_000, seed=1)[:, -1] / 6e4
    assert end.mean() == pytest.approx(np.exp(6.0 * 5 / 365), abs=4.5 * end.std() / np.sqrt(3_000))
    assert end.std() / np.sqrt(3_000) < 0.002  # the drift is 43 of these


def test_a_result_that_one_path_makes_is_refused():
    rare = {
        "simulate.model": "merton",
        "simulate.jumps_per_year": 0.1,
        "simulate.jump_mean": 1.0,
        "simulate.jump_sd": 0.5,
        "simulate.paths": 4_000,
        "simulate.settlement": "linear",
        "simulate.frontier": False,
        "simulate.days": 2,
    }
    with pytest.raises(
        ConfigError, match=r"simulate.paths: path \d+ of 4000 alone makes \d\d% of the variance"
    ):
        run_simulation(build(rare))
    assert run_simulation(build(rare | {"simulate.jumps_per_year": 0.0})).run.heaviest() < 0.05


def test_a_simulation_that_overflows_is_refused():
    with pytest.raises(ConfigError, match=r"simulate: \d+ of 400 paths end with no finite profit"):
        run_simulation(build({**SMALL, "simulate.frontier": False, "simulate.drift": 1e6}))


def test_books():
    short = experiment_of(build({"entry.side": "short", "size.contracts": 2.0, "simulate.days": 7}))
    assert short.book == (OptionLeg("call", 6e4, 7 / 365, -2.0), OptionLeg("put", 6e4, 7 / 365, -2.0))
    wide = experiment_of(build({"simulate.structure": "strangle", "entry.delta": 0.2})).book
    deltas = [black76.greeks(o.kind, 6e4, o.strike, o.expiry, 0.6).delta for o in wide]
    assert deltas == pytest.approx([0.2, -0.2], rel=1e-12)
    legs = [
        {"kind": "call", "strike": 66e3, "expiry": "30d", "amount": -2.0, "implied": 0.65},
        {"kind": "put", "strike": 50e3, "expiry": "10d"},
    ]
    own = build({"simulate.legs": legs, "simulate.settlement": "linear"})
    assert [leg.amount for leg in experiment_of(own).book] == [-2.0, 1.0]
    assert experiment_of(own).steps == 720
    premium = -2 * black76.price("call", 6e4, 66e3, 30 / 365, 0.65)
    premium += black76.price("put", 6e4, 50e3, 10 / 365, 0.6)
    small = run_simulation(
        load_config(None, {"simulate.legs": legs, "simulate.settlement": "linear"} | SMALL)
    )
    assert small.summary["premium"] == pytest.approx(premium, rel=1e-12)


def test_costs_are_those_of_the_configuration():
    costs = experiment_of(
        build({"execution.hedges": "maker", "costs.hedge_half_spread_bp": 2.0, "simulate.fixed_fee": 1e-5})
    ).costs
    assert (costs.proportional, costs.half_spread_bp, costs.fixed) == (0.00015, -2.0, 1e-5)
    assert (costs.option_fee, costs.option_fee_cap) == (0.0003, 0.125)


def test_resting_hedges_cost_what_they_are_expected_to():
    """Three seconds at 60 %: 70 % of the hedges rest until filled, and save fees rather than spread."""
    rest = experiment_of(build({"costs.hedge_half_spread_bp": 0.1})).costs
    take = experiment_of(build({"costs.hedge_half_spread_bp": 0.1, "execution.hedges": "taker"})).costs
    assert (take.proportional, take.half_spread_bp) == (0.00035, pytest.approx(0.1))
    share = (take.proportional - rest.proportional) / (0.00035 - 0.00015)
    assert share == pytest.approx(0.696, abs=0.001)
    second = 0.6 / np.sqrt(365 * 86_400) * 1e4
    assert rest.half_spread_bp == pytest.approx(share * 0.5826 * second + (1 - share) * 0.1, rel=1e-3)
    assert rest.one_way < take.one_way


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hedge.rule": "ladder"}, "hedge.rule: .*'ladder'"),
        ({"hedge.rule": "snapshot"}, "hedge.rule: .*'snapshot'"),
        ({"hedge.vol": "realised"}, "hedge.vol: .*'realised'"),
        ({"hedge.smile": "sticky_delta"}, "hedge.smile: .*'sticky_delta'"),
        ({"hedge.ignore_vol": True}, "hedge.ignore_vol: "),
        ({"hedge.leland": True, "hedge.rule": "interval"}, "hedge.leland: "),
        ({"simulate.model": "garch"}, "data.prices: .*'garch'"),
        ({"simulate.structure": "strangel"}, "simulate.structure: .*did you mean strangle"),
        (
            {"simulate.legs": [{"kind": "put", "strike": "atm+2"}]},
            r"simulate.legs\[0\].strike: a simulation lists no strikes; expected none to step, got \+2",
        ),
        ({"simulate.legs": [{"kind": "put", "expiry": "friday 2"}]}, r"simulate.legs\[0\].expiry: .* 30d"),
        ({"simulate.legs": [{"kind": "put", "strike": "leg 1"}]}, r"simulate.legs\[0\].strike: .* leg 1"),
        ({"simulate.paths": 1}, "simulate.paths"),
        ({"simulate.model": "hestn"}, "simulate.model"),
        ({"simulate.pths": 10}, "did you mean simulate.paths"),
        ({"simulate.legs": [{"kind": "call", "strike": -1.0}]}, r"simulate.legs\[0\].strike"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_field(changes, message):
    with pytest.raises(ConfigError, match=message):
        experiment_of(load_config(None, changes))


def test_command_prints_what_it_writes(monkeypatch, capsys, tmp_path):
    options = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
    folder = tmp_path / "out"
    code, out, _ = run(monkeypatch, capsys, "simulate", *options, "--seed", "5", "--out", str(folder))
    assert code == 0
    assert "Simulated paths" in out
    summary = json.loads((folder / "summary.json").read_text())
    assert f"{summary['sd']:+,.6g}" in out
    assert all(row["title"] in out for row in summary["parameters"])
    assert yaml.safe_load((folder / "config.yaml").read_text())["simulate"]["seed"] == 5


def test_a_mistake_leaves_nothing_behind(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "out"
    code, _, err = run(
        monkeypatch, capsys, "simulate", "--set", "simulate.model=bootstrap", "--out", str(folder)
    )
    assert code == 2
    assert "data.prices: needed for simulate.model = 'bootstrap'" in err
    assert not folder.exists()


@pytest.mark.parametrize("model", ["garch", "bootstrap"])
def test_a_forward_far_from_the_recorded_prices_is_told(model, tmp_path):
    closes = 0.1 * np.exp(np.cumsum(RETURNS))
    prices = str(write(tmp_path / "trx_1h.csv", closes, step=NS_PER_HOUR))
    given = {**SMALL, "simulate.model": model, "data.prices": prices, "currency": "TRX_USDC"}
    given |= {"hedge.target": "black", "simulate.frontier": False}
    [note] = run_simulation(build(given)).summary["notes"]
    assert note.startswith(f"simulate.forward is 60,000 USD, the recorded prices end at {closes[-1]:,g}: all")
    assert run_simulation(build(given | {"simulate.forward": 1.5 * closes[-1]})).summary["notes"] == []


@pytest.mark.parametrize(
    ("currency", "asked", "settlement"),
    [
        ("BTC", "listed", "inverse"),
        ("BTC", "linear", "linear"),
        ("SOL_USDC", "listed", "linear"),
        ("SOL_USDC", "inverse", "inverse"),
    ],
)
def test_options_settle_as_those_of_the_currency(currency, asked, settlement):
    config = build({**SMALL, "currency": currency, "hedge.target": "black", "simulate.settlement": asked})
    assert experiment_of(config).settlement == settlement


def test_a_policy_that_saves_nothing_is_not_praised():
    """Hedged at every step by either: the same, but for rounding."""
    settings = build({"simulate.paths": 200, "size.contracts": 1e5, "hedge.band": 0.1})
    assert "0% less risk" not in run_simulation(settings).summary["verdict"]
