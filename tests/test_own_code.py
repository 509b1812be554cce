"""Code of the user's own: where it may come from, what it decides, and what becomes of its mistakes."""

import hashlib
import json
import math
import os
import pickle

import numpy as np
import pytest

from gammacore import own_code
from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.holder import HolderTrade
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.own_trial import try_own_code
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.sweep.grid import cells
from gammacore.backtest.sweep.held_episode import obstacle_to_sharing
from gammacore.backtest.sweep.run import run_sweep
from gammacore.build import build_desk, build_policy
from gammacore.config import load_config, stated, with_overrides
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import CodeError, ConfigError, JournalError
from gammacore.exchange import MarketModel
from gammacore.forecasts import build_estimate
from gammacore.hedging import Band, Custom, Interval, Never
from gammacore.live.feed import Feed
from gammacore.live.parity import check
from gammacore.live.risk_manager import Mode
from gammacore.own_code import loading
from gammacore.own_code.trust import state_file
from gammacore.strategy.waiting import waiting
from support.commands import run
from support.live_world import Process, World, lively
from support.markets import FREE, START, build, tape_of
from support.own_files import RULES, noted, written
from support.pages import ROOT, blocks

TRUST = "GAMMACORE_TRUST"
EVERY = {
    "hedge.rule": "rules:half",
    "entry.structure": "rules:straddle",
    "signal.forecast": "rules:trailing",
    "exit.rules.own": ["rules:profit"],
    "size.rule": "rules:two",
}


@pytest.fixture(autouse=True)
def trusted(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv(TRUST, "1")


@pytest.fixture
def folder(tmp_path):
    written(tmp_path)
    return tmp_path


def project(folder, overrides):
    """Configuration of a file in a folder."""
    path = folder / "config.yaml"
    path.write_text("market: {days: 20}\n")
    return load_config(path, overrides)


def fills(run_):
    return [
        (f.ts_ns, f.instrument.name, f.amount, f.price)
        for done in run_.episode_runs
        for f in done.episode.fills
    ]


# ------------------------------------------------------------- where it comes from


@pytest.mark.parametrize(
    "text", ["../rules:half", "/tmp/rules:half", "a.rules:half", "rules:", ":half", "rules:a b"]
)
def test_a_path_is_no_module(text):
    with pytest.raises(ConfigError, match=r"hedge\.rule: expected one of .*or module:function of a file"):
        build({"hedge.rule": text})


def test_only_the_configurations_folder_is_looked_in(tmp_path, monkeypatch):
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    written(elsewhere)
    monkeypatch.chdir(elsewhere)
    monkeypatch.syspath_prepend(str(elsewhere))
    with pytest.raises(ConfigError, match=r"rules:half needs the file .*home/rules\.py, which does not"):
        project(home, {"hedge.rule": "rules:half"})
    written(home, name="ruls")
    with pytest.raises(ConfigError, match=r"did you mean ruls:half\?"):
        project(home, {"hedge.rule": "rules:half"})
    (home / "rules.py").symlink_to(elsewhere / "rules.py")
    with pytest.raises(ConfigError, match="a link out of the configuration's folder"):
        project(home, {"hedge.rule": "rules:half"})
    found = load_config(None, {"hedge.rule": "rules:half"})  # without a file: the current folder
    assert found.code["rules"].path == str(elsewhere / "rules.py")


def test_the_file_is_noted_with_the_configuration_and_a_changed_one_is_refused(folder):
    config = project(folder, EVERY)
    digest = hashlib.sha256(RULES.encode()).hexdigest()
    assert {module: file.sha256 for module, file in config.code.items()} == {"rules": digest}
    assert with_overrides(config, {"hedge.band": 0.2}).code == config.code
    (folder / "noted.yaml").write_text(json.dumps(stated(config)))
    assert load_config(folder / "noted.yaml") == config
    written(folder, RULES + "\n# changed\n")
    with pytest.raises(ConfigError, match=r"code\.rules: .*rules\.py has changed: its SHA-256 is"):
        load_config(folder / "noted.yaml")
    with pytest.raises(CodeError, match="is not the file that is asked for"):
        build_desk(config)


def test_code_of_values_that_vary_is_noted_too(folder):
    config = project(folder, {"vary": {"hedge.rule": ["band", "rules:half"]}})
    assert list(config.code) == ["rules"]
    with pytest.raises(CodeError, match=r"has no function hafl; did you mean half\?"):
        own_code.own_functions(project(folder, {"vary": {"hedge.rule": ["band", "rules:hafl"]}}))


# ------------------------------------------------------------- trust


def test_code_runs_only_once_it_was_confirmed_and_a_changed_file_is_asked_for_again(folder, monkeypatch):
    monkeypatch.setenv(TRUST, "")
    path = written(folder, RULES + f"\n# {folder}\n")  # another hash than in other tests
    config = project(folder, {"hedge.rule": "rules:half"})
    with pytest.raises(CodeError, match=r"was not confirmed; read it, then run gammacore check"):
        build_policy(config)
    assert own_code.remember(config.code["rules"].sha256, str(path))
    monkeypatch.setenv(TRUST, "")  # what is left is in the file
    assert json.loads(state_file().read_text()) == {config.code["rules"].sha256: str(path)}
    assert isinstance(build_policy(config), Custom)
    written(folder, RULES + f"\n# {folder}, again\n")
    with pytest.raises(CodeError, match="was not confirmed"):
        build_policy(project(folder, {"hedge.rule": "rules:half"}))


def test_the_command_asks_once_and_refuses_without_a_terminal(folder, monkeypatch, capsys):
    monkeypatch.setenv(TRUST, "")
    written(folder, RULES + f"\n# asked {folder}\n")
    project(folder, {})
    command = ["backtest", str(folder / "config.yaml"), "--set", "hedge.rule=rules:half"]
    command += ["--out", str(folder / "out"), "--json"]
    code, _, error = run(monkeypatch, capsys, *command)
    assert code == 2
    assert "there is no terminal; read the file, then give --trust" in error
    assert "half: 2 lines" in error
    assert not (folder / "out").exists()
    asked = []

    def answer(question, **options):
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", answer)
    assert run(monkeypatch, capsys, *command)[0] == 2  # the first answer is no
    assert run(monkeypatch, capsys, *command)[0] == 0
    monkeypatch.setenv(TRUST, "")
    command[command.index(str(folder / "out"))] = str(folder / "again")
    assert run(monkeypatch, capsys, *command)[0] == 0
    assert len(asked) == 2


def test_trust_of_the_command_line_is_remembered(folder, monkeypatch, capsys):
    monkeypatch.setenv(TRUST, "")
    written(folder, RULES + f"\n# flag {folder}\n")
    config = project(folder, {"hedge.rule": "rules:half"})
    command = [
        "check",
        str(folder / "config.yaml"),
        "--set",
        "hedge.rule=rules:half",
        "--trials",
        "1",
        "--json",
    ]
    assert run(monkeypatch, capsys, *command, "--json", "--trust")[0] == 0
    assert config.code["rules"].sha256 in os.environ[TRUST]
    monkeypatch.setenv(TRUST, "")
    assert own_code.confirmed(config.code["rules"].sha256)


# ------------------------------------------------------------- what it decides


def test_a_rule_of_ones_own_hedges_at_a_built_in_trigger(folder):
    tape, _, _ = tape_of(4)
    own = noted(build(FREE | {"hedge.rule": "rules:centre", "hedge.band": 0.05}), folder)
    found = replay(own, tape)
    assert found.engine == "compiled"
    assert fills(found) == fills(replay(build(FREE | {"hedge.band": 0.05}), tape))
    slowly = fills(replay(own, tape, engine="desk"))
    assert [fill[:2] for fill in slowly] == [fill[:2] for fill in fills(found)]
    assert [fill[2] for fill in slowly] == pytest.approx([fill[2] for fill in fills(found)], rel=1e-12)
    policy = build_policy(noted(build({"hedge.rule": "rules:half", "hedge.trigger": "interval"}), folder))
    assert policy.trigger == Interval(3_600_000_000_000)
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert build_policy(own) == Custom(Band(0.05), build_policy(own).rule)
    never = noted(
        build({"hedge.rule": "rules:half", "hedge.trigger": "interval", "hedge.every": "never"}), folder
    )
    with pytest.raises(ConfigError, match=r"hedge\.every: rules:half is asked by a trigger that never"):
        build_policy(never)


def test_a_structure_an_exit_and_a_size_of_ones_own(folder):
    tape, _, _ = tape_of(4)
    built_in = FREE | {"size.contracts": 2.0, "exit.rules": {"take_profit": 0.02}}
    asked = {"entry.structure": "rules:straddle", "size.rule": "rules:two"}
    asked["exit.rules"] = {"own": ["rules:profit"]}
    wanted = replay(build(built_in), tape)
    found = replay(noted(build(FREE | asked), folder), tape)
    assert fills(found) == fills(wanted)
    reasons = [done.episode.close_reason for done in found.episode_runs]
    assert "rules:profit" in reasons
    assert [r.replace("rules:profit", "take_profit") for r in reasons] == [
        done.episode.close_reason for done in wanted.episode_runs
    ]
    assert {done.episode.sized_by for done in found.episode_runs} == {"rule"}


def test_a_forecast_of_ones_own_is_asked_each_hour_with_the_past_alone(folder):
    config = project(folder, {"signal.forecast": "rules:trailing", "signal.window": "2d"})
    estimate = load_market(config).tape.estimate
    built_in = load_market(
        project(folder, {"signal.forecast": "realised", "signal.window": "2d", "signal.min_edge": -0.9})
    ).tape
    known = np.isfinite(estimate) & np.isfinite(built_in.estimate)
    turns = known & (np.diff(built_in.ts_ns // 3_600_000_000_000, prepend=0) > 0)
    assert turns.sum() > 300
    assert estimate[turns] == pytest.approx(built_in.estimate[turns], rel=1e-9)


def test_a_structure_that_the_chain_lacks_is_declined_and_a_wrong_row_is_a_mistake(folder):
    tape, _, _ = tape_of(4)

    def reasons(text):
        written(folder, text)
        config = noted(build(FREE | {"entry.structure": "rules:legs"}), folder)
        desk = build_desk(config)
        event = tape.snapshot(0)
        (expiry,) = desk.strategy.eligible(event.ts_ns, event.chain, desk.portfolio)
        return desk.strategy.plan(event.chain, expiry, event.ts_ns, 0.5, 0.0)

    nothing = reasons("def legs(chain): return []")
    assert nothing.reason == "rules:legs chooses no legs"
    assert "no marked option that it looks for" in reasons("def legs(chain): return [(None, 1.0)]").reason
    for rows, what in (("[(10**6, 1.0)]", "is none of"), ("[(0, 1.0), (0, 2.0)]", "is named twice")):
        with pytest.raises(CodeError, match=what):
            reasons(f"def legs(chain): return {rows}")
    with pytest.raises(CodeError, match="read-only"):
        reasons("def legs(chain):\n    chain.mark[0] = 1.0\n    return [(0, 1.0)]")


# ------------------------------------------------------------- mistakes


@pytest.mark.parametrize("field", [name for name in EVERY if name != "exit.rules.own"])
def test_code_that_raises_stops_a_backtest_with_line_and_moment(folder, field):
    line = RULES.splitlines().index("    return 1.0 / ratio") + 1
    config = project(folder, {field: "rules:broken"})
    with pytest.raises(
        CodeError, match=rf"rules\.py, line {line}: rules:broken: ZeroDivisionError: .*; at 2025-01"
    ):
        run_backtest(config)


@pytest.mark.parametrize(
    ("field", "answer", "wanted"),
    [
        ("hedge.rule", "float('nan')", "a delta to add"),
        ("hedge.rule", "'1'", "nothing wrong"),
        ("hedge.rule", "None", "a delta to add"),
        ("signal.forecast", "-0.5", "a volatility per year above 0, or NaN"),
        ("size.rule", "-1.0", "units, a finite number of at least 0"),
        ("entry.structure", "[1, 2]", r"a list of \(row, coins\)"),
        ("entry.structure", "[(0, 0.0)]", r"a list of \(row, coins\)"),
        ("exit.rules.own", "0.7", "True or False"),
        ("exit.rules.own", "None", "True or False"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(folder, field, answer, wanted):
    written(folder, f"def wrong(view): return {answer}\n")
    value = ["rules:wrong"] if field == "exit.rules.own" else "rules:wrong"
    config = project(folder, {field: value})
    if wanted == "nothing wrong":
        assert own_code.own_functions(config)
        return
    with pytest.raises(CodeError, match=f"rules:wrong: expected {wanted}"):
        run_backtest(config)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def half(at:\n", r"rules\.py, line 1: "),
        ("import nothing_of_the_name\n", r"rules\.py, line 1: ModuleNotFoundError"),
        ("x = 1\nraise SystemExit(3)\n", r"rules\.py, line 2: SystemExit: 3"),
        ("def halve(at): return 0.0\n", r"has no function half; did you mean halve\?"),
        ("x = 1\n", r"has no function half; it has no function"),
        ("half = 3\n", r"has no function half"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_where(folder, text, why):
    written(folder, text)
    with pytest.raises(CodeError, match=why):
        build_policy(project(folder, {"hedge.rule": "rules:half"}))


# ------------------------------------------------------------- the check


@pytest.fixture
def a_busy_machine(monkeypatch):
    """Calls may take a second each: what is sound here does not depend on what else runs."""
    for name in ("HEDGE_NS", "OTHERS_NS"):
        monkeypatch.setattr(f"gammacore.backtest.replay.own_trial.{name}", 1_000_000_000)


def test_the_check_tries_all_five(folder, a_busy_machine):
    config = project(folder, EVERY)
    found = {one.field: one for one in try_own_code(config)}
    assert set(found) == {
        "hedge.rule",
        "entry.structure",
        "signal.forecast",
        "exit.rules.own[0]",
        "size.rule",
    }
    for one in found.values():
        assert (one.sound, one.calls > 0, one.lines > 1) == (True, True, True), one


def test_the_check_finds_what_does_not_answer_twice_the_same(folder, monkeypatch, capsys):
    text = "import random\n\n\ndef half(at):\n    return -at.mismatch * random.random()\n"
    written(folder, text)
    project(folder, {})
    command = ["check", str(folder / "config.yaml"), "--set", "hedge.rule=rules:half", "--trials", "1"]
    code, out, _ = run(monkeypatch, capsys, *command, "--json")
    (one,) = json.loads(out)["own_code"]
    assert code == 1
    assert one["difference"].startswith("at 2025-01-")


def test_the_check_finds_what_is_too_slow_for_a_session(folder):
    written(folder, "import time\n\n\ndef half(at):\n    time.sleep(0.002)\n    return -at.mismatch\n")
    (one,) = try_own_code(project(folder, {"hedge.rule": "rules:half"}))
    assert (one.slow, one.sound, one.budget_us) == (True, False, 1_000.0)
    assert one.p99_us > 2_000.0


def test_the_functions_of_the_page_pass_the_check(folder, a_busy_machine, monkeypatch, capsys):
    page = ROOT / "docs" / "howto" / "own-code.md"
    functions = [text for _, text in blocks(page, {"python"})][:5]
    written(folder, "\n\n".join(functions))
    ((_, settings),) = blocks(page, {"yaml"})
    (folder / "config.yaml").write_text(settings + "market: {days: 30}\n")
    code, out, _ = run(monkeypatch, capsys, "check", str(folder / "config.yaml"), "--trials", "1", "--json")
    told = json.loads(out)
    assert (code, told["clean"]) == (0, True)
    assert len([one for one in told["own_code"] if one["calls"] and one["sound"]]) == 5


# ------------------------------------------------------------- sweeps


def test_cells_depend_on_what_is_in_the_file_and_not_on_where_it_is(folder, tmp_path_factory):
    grid = {"vary": {"hedge.rule": ["band", "rules:half"], "hedge.band": [0.1, 0.2]}}
    other = tmp_path_factory.mktemp("other")
    written(other)
    keys = [cell.key for cell in cells(project(folder, grid))]
    assert [cell.key for cell in cells(project(other, grid))] == keys
    written(other, RULES + "# another\n")
    changed = [cell.key for cell in cells(project(other, grid))]
    assert not set(changed) & set(keys)


def test_a_sweep_runs_it_in_other_processes_and_like_a_backtest(folder, monkeypatch):
    monkeypatch.delenv(TRUST)
    bands = [0.05, 0.1]  # workers that wait for more, and were started when nothing was confirmed
    plain = build({"vary": {"hedge.band": bands, "market.seed": [1, 2]}, "market.days": 14})
    assert run_sweep(plain, folder / "plain", workers=2).summary["n_failed"] == 0
    monkeypatch.setenv(TRUST, "1")
    config = project(folder, {"vary": {"hedge.rule": ["rules:half", "rules:centre"]}, "hedge.band": 0.05})
    found = run_sweep(config, folder / "out", workers=2)
    assert found.summary["n_failed"] == 0
    for row in found.table.to_dict("records"):
        alone = run_backtest(with_overrides(config, {"vary": {}, "hedge.rule": row["hedge.rule"]}))
        assert row["total_usd"] == pytest.approx(alone.summary["total"]["usd"], abs=1e-6)
        assert row["n_hedges"] == alone.summary["n_hedges"]


@pytest.mark.parametrize(
    ("decides", "why"),
    [
        ({"exit.rules.own": ["rules:profit"]}, "exit.rules.own: rules:profit may look at the hedge's profit"),
        ({"size.rule": "rules:two"}, "size.rule looks at the hedge's profit"),
        ({"size.equity_share": 0.1, "size.equity": 5.0}, "size.equity_share looks at the hedge's profit"),
    ],
)
def test_a_sweep_does_not_share_what_the_hedge_decides(folder, decides, why):
    config = project(folder, decides | {"vary": {"hedge.band": [0.05, 0.2]}})
    alone = [with_overrides(config, {"vary": {}, "hedge.band": band}) for band in (0.05, 0.2)]
    tape = load_market(config).tape
    assert obstacle_to_sharing(replay(alone[0], tape, policy=Never())) == why
    found = run_sweep(config, folder / "out", backend="serial").table
    wanted = [run_backtest(one).summary["total"]["usd"] for one in alone]
    assert found.sort_values("hedge.band")["total_usd"].tolist() == pytest.approx(wanted, abs=1e-6)


def test_a_result_holds_the_file_and_runs_again(folder, monkeypatch, capsys):
    project(folder, {})
    command = ["backtest", str(folder / "config.yaml"), "--set", "hedge.rule=rules:half", "--json"]
    code, first, _ = run(monkeypatch, capsys, *command, "--out", str(folder / "first"))
    assert (code, (folder / "first" / "rules.py").read_text()) == (0, RULES)
    again = ["backtest", str(folder / "first" / "config.yaml"), "--json", "--out", str(folder / "again")]
    code, second, _ = run(monkeypatch, capsys, *again)
    assert code == 0
    assert json.loads(first)["total"] == json.loads(second)["total"]


# ------------------------------------------------------------- live


def session(tmp_path, folder, **changes):
    world = World(models={"BTC": MarketModel(vol=1.5)}, linear=())
    return world, Process(world, tmp_path / "j.db", noted(lively(hedge__band=0.01, **changes), folder))


def test_a_session_decides_by_it_and_its_journal_retells_it(folder):
    settings = {"hedge__rule": "rules:half", "entry__structure": "rules:straddle", "size__rule": "rules:two"}
    world, process = session(folder, folder, **settings)
    assert process.run(60)
    episode = process.hedger.desk.portfolio.episodes[0]
    assert set(map(abs, episode.entered.values())) == {2.0}
    assert episode.sized_by == "rule"
    assert process.hedger.risk.mode is Mode.NORMAL
    process.close()
    assert check(folder / "j.db").departure is None
    written(folder, RULES + "# changed\n")
    for loaded in (loading._load, loading._module):  # as in another process
        loaded.cache_clear()
    with pytest.raises(CodeError, match=r"rules\.py: is not the file that is asked for: SHA-256"):
        check(folder / "j.db")
    with pytest.raises(JournalError, match=r"kept with another rules\.py \(SHA-256 \w{12}\.\.\., now"):
        Process(world, folder / "j.db", noted(lively(hedge__band=0.01, **settings), folder))


@pytest.mark.parametrize(
    "settings",
    [
        {"hedge__rule": "rules:broken"},
        {"entry__structure": "rules:broken"},
        {"size__rule": "rules:broken"},
        {"exit__rules": {"own": ["rules:broken"]}},
    ],
)
def test_code_that_fails_in_a_session_halts_it_and_says_where(folder, settings):
    _, process = session(folder, folder, **settings)
    process.run(40)
    risk = process.hedger.risk
    assert risk.mode is Mode.HALT
    assert any("rules:broken: ZeroDivisionError" in reason for reason in risk.reasons)
    process.close()
    found = check(folder / "j.db")
    assert found.departure is None


def test_a_forecast_in_percent_is_refused_and_a_wild_market_is_not_taken_for_one(folder):
    written(folder, "def percent(past): return 55.0\n")
    config = noted(build({"signal.forecast": "rules:percent", "signal.window": "1h"}), folder)
    ts = START + NS_PER_MINUTE * np.arange(200)
    calm = 60e3 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 8e-4, 200)))
    with pytest.raises(
        CodeError, match=r"signal\.forecast: 55 a year, .* moved by 0\.5\d*; expected a decimal, such"
    ):
        build_estimate(config).series(ts, calm)
    wild = 60e3 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.05, 200)))
    assert build_estimate(config).series(ts, wild)[-1] == 55.0


def test_a_forecast_that_fails_in_a_session_is_a_fault_and_not_a_crash(folder):
    config = noted(build({"signal.forecast": "rules:broken", "signal.window": "1h"}), folder)
    feed = Feed("BTC", estimate=build_estimate(config))
    hours = [(START + k * NS_PER_HOUR, 60e3 + k) for k in range(3)]
    feed.remember(hours)
    assert "rules:broken: ZeroDivisionError" in str(feed.fault)
    assert math.isnan(feed._vol)


def test_a_forecast_of_a_session_is_that_of_a_backtest(folder):
    config = noted(build({"signal.forecast": "rules:trailing", "signal.window": "6h"}), folder)
    _, price, ts = tape_of(4)
    feed = Feed("BTC", estimate=build_estimate(config))
    feed.remember(list(zip(ts[:100].tolist(), price[:100].tolist(), strict=True)))
    assert feed._vol == build_estimate(config).series(ts[:100], price[:100])[-1]


def test_why_a_session_waits_names_code_that_fails(folder):
    desk = build_desk(noted(build({"entry.structure": "rules:broken", "entry.expiries": "any"}), folder))
    tape, _, _ = tape_of(4)
    event = tape.snapshot(0)
    told = waiting(desk.strategy, event.ts_ns, event.chain, desk.portfolio, desk.limits)
    assert "rules:broken: ZeroDivisionError" in str(told)


def test_a_book_of_the_holder_is_hedged_by_it(folder):
    tape, _, _ = tape_of(4)
    chain = tape.snapshot(0).chain
    row = int(np.flatnonzero((chain.strike == 60e3) & (chain.kind == 1))[0])
    held = {"entry.structure": "none", "hedge.scope": "book", "hedge.band": 0.05}
    trade = HolderTrade(int(tape.ts_ns[3]), chain.option(row), 2.0, float(chain.mark[row]), 0.0)
    wanted = replay(build(FREE | held), tape, holder=[trade])
    found = replay(noted(build(FREE | held | {"hedge.rule": "rules:centre"}), folder), tape, holder=[trade])
    assert found.book.episode.hedges > 5
    assert found.book.episode.ledger.profit() == wanted.book.episode.ledger.profit()
