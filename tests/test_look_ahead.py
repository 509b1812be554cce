"""Changing the future: nothing earlier may change, and a rule that looks ahead is found."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from gammacore.backtest.replay import tape as tapes
from gammacore.backtest.replay.look_ahead import PARTS, check_look_ahead, perturbed, told
from gammacore.backtest.replay.market import load_sources
from gammacore.cli.main import app
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, format_time, parse_time
from gammacore.errors import DataError
from gammacore.volatility.index_history import IndexHistory
from support.markets import build

SMALL = {"market.days": 15, "market.snapshot_hours": 8.0}
RULES = [
    {},
    {"hedge.target": "usd_neutral", "hedge.rule": "interval", "hedge.every": "1h"},
    {"hedge.instrument": "cheapest", "hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 1e-3},
    {"hedge.vol": "realised", "hedge.smile": "minimum_variance"},
    {"signal.min_edge": -0.5, "signal.forecast": "realised", "entry.schedule": "roll"},
    {
        "exit.rules": {"edge_gone": 0.0, "stop_loss": 0.2},
        "roll.when": {"moneyness": 0.4, "rv_pace": {"below": 0.9}},
        "roll.into": {"expiries": "any", "min_days": 2},
        "signal.when": {"iv_less_forecast": {"max": 0.5}, "term_structure": {"max": 1.0}},
    },
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_no_decision_knows_the_future(rule):
    found = check_look_ahead(build(SMALL | rule), trials=3, seed=1)
    assert found.parts == ("prices", "chains", "funding")
    assert len(found.trials) == 3 * 4
    assert found.clean, [told(trial.first) for trial in found.trials if trial.first]
    assert sum(trial.compared for trial in found.trials) > 20
    everything = [trial for trial in found.trials if trial.part == "all"]
    assert all(trial.later_changed for trial in everything if trial.ts_ns < max(t.ts_ns for t in everything))


def test_interpolated_marks_are_found_out():
    """Every bar is a decision then, so the run is short."""
    short = SMALL | {"market.days": 10, "entry.min_days": 0, "hedge.rule": "interval", "hedge.every": "4h"}
    found = check_look_ahead(build(short | {"marks.interpolate": True}), trials=4, seed=2)
    assert not found.clean
    assert {trial.part for trial in found.trials if trial.differences} >= {"chains"}


def test_a_volatility_index_of_the_future_would_be_found_out(tmp_path, monkeypatch):
    """A filter by the index as it was known: a level that is read a day early changes what is entered."""
    start = parse_time("2025-01-01")
    rng = np.random.default_rng(3)
    rows = [f"{format_time(start + k * NS_PER_HOUR)},{rng.uniform(0.3, 0.9):.4f}" for k in range(24 * 18)]
    (tmp_path / "dvol.csv").write_text("\n".join(["timestamp,iv", *rows]))
    wanted = {"signal.when": {"dvol": {"min": 0.6}}, "data.dvol": str(tmp_path / "dvol.csv")}
    config = build(SMALL | wanted | {"entry.min_days": 1, "entry.expiries": "any", "hedge.rule": "never"})
    found = check_look_ahead(config, trials=4, seed=1)
    assert (found.parts, found.clean) == (("prices", "chains", "funding", "dvol"), True)
    known = IndexHistory.at
    monkeypatch.setattr(IndexHistory, "at", lambda index, ts_ns: known(index, ts_ns + NS_PER_DAY))
    early = check_look_ahead(config, trials=4, seed=1)
    assert {trial.part for trial in early.trials if trial.differences} == {"dvol", "all"}


def test_funding_spread_by_its_final_sum_would_be_found_out(monkeypatch):
    """The fault that the check was made for: a rate known before the end of its period."""
    config = build(SMALL | RULES[1])
    whole = tapes.Tape._funding
    monkeypatch.setattr(tapes.Tape, "_funding", lambda tape, funding: (whole(tape, funding)[1],) * 2)
    found = check_look_ahead(config, trials=8, seed=1)
    assert {trial.part for trial in found.trials if trial.differences} == {"funding", "all"}


def test_only_what_comes_later_is_changed():
    config = build(SMALL)
    sources = load_sources(config)
    at = int(sources.prices.ts_ns[5_000])
    rng = np.random.default_rng(0)
    other = perturbed(sources._replace(delivery={at: 1.0, at + 1: 1.0}), at, PARTS, rng)
    assert other.delivery == {at: 1.0, at + 1: 1.04}
    for name, column in (("prices", "close"), ("chains", "iv"), ("funding", "rate")):
        ts = getattr(sources, name).ts_ns
        moved = getattr(getattr(other, name), column) != getattr(getattr(sources, name), column)
        np.testing.assert_array_equal(moved, ts > at)
    assert perturbed(sources, at, ("funding",), rng).prices is sources.prices


def test_nothing_decided_is_said():
    with pytest.raises(DataError, match="no order was sent"):
        check_look_ahead(build(SMALL | {"market.days": 10, "entry.weekday": "sunday"}))


def test_command():
    arguments = ["check", "--set", "market.days=15", "--trials", "2"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "No look-ahead bias found" in shown.output
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert found["clean"]
    assert len(found["trials"]) == 8
    assert [line.partition(";")[0] for line in found["grids"]] == [
        "perpetuals on BTC: tick 0.5, lot 10, contract 10",
        "futures on BTC: tick 2.5, lot 10, contract 10",
        "options on BTC: tick 0.0001, lot 0.1, contract 1",
    ]
    assert all(f"Grid of {line}" in shown.output.replace("\n", "") for line in found["grids"])


def test_command_of_a_run_that_looks_ahead(monkeypatch):
    whole = tapes.Tape._funding
    monkeypatch.setattr(tapes.Tape, "_funding", lambda tape, funding: (whole(tape, funding)[1],) * 2)
    arguments = ["check", "--set", "market.days=15", "--set", "hedge.target=usd_neutral"]
    shown = CliRunner().invoke(app, [*arguments, "--set", "hedge.rule=interval", "--set", "hedge.every=1h"])
    assert shown.exit_code == 1
    assert re.search(
        r"Look-ahead bias: with (all|funding) changed after \S+, .* BTC-PERPETUAL at", shown.output
    )
