"""Lives behind a calibration: bought, told and booked as a backtest with a signal does."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gammacore.backtest.figures.calibration import calibrate_lives, headline
from gammacore.backtest.figures.lives import DAYS, lives_of, neutral
from gammacore.backtest.figures.position_ranking import rank_positions
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.sweep.cell_runs import run_cell
from gammacore.backtest.sweep.grid import cells
from gammacore.breakeven.recalibration import LONGEST_DAYS, Correction, Recalibration
from gammacore.cli.main import app
from gammacore.config import parse_config, with_overrides
from gammacore.data.recalibrations import load_recalibration, recalibration_text, rule_label
from gammacore.errors import ConfigError, DataError
from support.shared_data import recorded

SMALL = {"market": {"days": 24}, "entry": {"expiries": "any"}}


def config(**sections):
    sections["signal"] = {"forecast": "forecast", **sections.get("signal", {})}
    return parse_config(SMALL | sections)


@pytest.fixture(scope="module")
def found():
    return lives_of(config(), ("band", "never"))


def run(*words):
    return CliRunner().invoke(app, ["breakeven", "--calibrate", *words])


def test_every_expiry_is_bought_once_at_each_number_of_days(found):
    assert DAYS[-1] + 0.5 == LONGEST_DAYS
    band = found.lives[0]
    assert len(band) > 12
    assert len(set(zip(band.entry_ns.tolist(), band.expiry_ns.tolist(), strict=True))) == len(band)
    near = np.abs(band.days[:, None] - np.array(DAYS)).min(axis=1)
    assert near.max() <= 0.5
    assert np.all(band.end_ns == band.expiry_ns)  # held to delivery


def test_all_rules_have_the_same_lives_and_other_profits(found):
    band, never = found.lives
    assert band.entry_ns.tolist() == never.entry_ns.tolist()
    assert band.premium.tolist() == never.premium.tolist()
    assert np.all(band.profit != never.profit)
    assert np.all((band.probability > 0.0) & (band.probability < 1.0))


@pytest.mark.parametrize("number", [0, 1])
def test_a_backtest_with_the_signal_enters_what_was_told_and_books_the_same(found, number):
    """Those that promise enough are entered at that very chain, the others at a later one or never."""
    lives = found.lives[number]
    week = lives.take((lives.days >= 6.5) & (lives.days <= 7.5))
    least = float(np.median(week.probability))
    window = {"entry.min_days": 6.5, "entry.max_days": 7.5, "signal.min_probability": least}
    settings = with_overrides(config(), window | {"hedge.rule": lives.rule})
    done = replay(settings, load_market(settings).tape).episode_runs
    entered = {one.episode.expiry_ns: one.episode for one in done}
    kinds = set()
    for expiry, entry, chance, profit in zip(
        week.expiry_ns.tolist(), week.entry_ns.tolist(), week.probability, week.profit, strict=True
    ):
        kinds.add(chance >= least)
        if chance >= least:
            assert entered[expiry].entry_ns == entry
            assert entered[expiry].ledger.profit().coin == profit
        else:
            assert expiry not in entered or entered[expiry].entry_ns > entry
    assert kinds == {True, False}


def test_signal_size_and_limits_of_the_configuration_do_not_choose_lives(found):
    asked = config(
        signal={"min_edge": 0.5},
        size={"contracts": 3.0},
        limits={"max_open_episodes": 1},
        entry={"weekday": "monday"},
    )
    other = lives_of(asked, ("band",)).lives[0]
    assert other.entry_ns.tolist() == found.lives[0].entry_ns.tolist()
    assert other.premium == pytest.approx(3.0 * found.lives[0].premium)
    assert other.config.size.contracts == 3.0  # three are hedged in one band


def test_lives_that_have_not_ended_are_left_out(found):
    last = load_market(neutral(config(), "band")).tape.ts_ns[-1]
    assert found.open > 0
    assert found.lives[0].end_ns.max() <= last


def test_without_any_life_that_ended_it_says_so():
    with pytest.raises(DataError, match=r"nothing to calibrate from 2025-01-02.*was bought and ended"):
        lives_of(config(signal={"when": {"iv_less_forecast": {"max": -0.9}}}), ("band",))


def test_a_rule_without_a_chance_is_refused_alone_and_left_out_among_others():
    with pytest.raises(ConfigError, match=r"hedge\.rule"):
        lives_of(config(), ("snapshot",))
    told = lives_of(config(market={"days": 10}), ("band", "snapshot"))
    assert [one.rule for one in told.lives] == ["band"]
    assert told.left_out[0].startswith("snapshot: hedge.rule")


def test_few_straddles_conclude_nothing(found):
    verdict = headline(calibrate_lives(found.lives))
    assert "Nothing can be said" in verdict
    assert "weeks are too few" in verdict


def test_the_command_writes_page_figures_and_a_recalibration(tmp_path):
    out = tmp_path / "out"
    words = "--set", "market.days=24", "--rule", "band", "--rule", "never", "--out", str(out)
    shown = run(*words)
    assert shown.exit_code == 0, shown.output
    assert "Simulated quotes" in shown.output
    assert "BTC: chances and outcomes" in shown.output
    names = {"calibration.html", "calibration.json", "lives.csv", "recalibration_BTC.json"}
    assert names <= {path.name for path in out.iterdir()}
    document = json.loads(run(*words, "--json").stdout)
    assert document["rules"] == json.loads((out / "calibration.json").read_text())["rules"]
    assert [one["rule"] for one in document["rules"]] == ["band 0.1", "never"]
    assert document["rules"][0]["whole"]["straddles"] == sum(
        one["straddles"] for one in document["rules"][0]["by_days"].values()
    )
    page = (out / "calibration.html").read_text(encoding="utf-8")
    assert "Simulated quotes" in page
    assert document["verdict"]["BTC"] in page
    settings = config(signal={"recalibrate": str(out / "recalibration_BTC.json")})
    assert load_recalibration(settings) == Recalibration()  # too few to correct anything


def test_options_of_one_chain_and_several_coins_without_a_store_are_refused():
    assert "--at: is about one chain" in str(run("--at", "2025-01-10").exception)
    assert "--forecast: is about one chain" in str(run("--forecast", "0.5").exception)
    assert "needs --store" in str(run("--currency", "BTC,ETH").exception)
    alone = CliRunner().invoke(app, ["breakeven", "--rule", "band"])
    assert "--rule: is about --calibrate" in str(alone.exception)


# ---------------------------------------------------------------- the signal


HALVES = Recalibration((Correction(0, 0.0, -2.0, 0.0, 0.12, 100, 12),))  # every chance is 12 %


def test_a_recalibrated_signal_asks_the_corrected_chance_and_says_on_what_it_rests(tmp_path):
    path = tmp_path / "recalibration.json"
    path.write_text(recalibration_text([(config(), HALVES)]))
    asked = {"entry": SMALL["entry"] | {"min_days": 1.0}, "signal": {"min_probability": 0.13}}
    raw = config(**asked)
    tape = load_market(raw).tape
    assert replay(raw, tape).episode_runs
    corrected = with_overrides(raw, {"signal.recalibrate": str(path)})
    refused = replay(corrected, tape)
    assert not refused.episode_runs
    allowed = with_overrides(corrected, {"signal.min_probability": 0.11})
    assert replay(allowed, tape).episode_runs
    strategy, first = refused.desk.strategy, int(np.flatnonzero(tape.chain_at >= 0)[-1])
    event = tape.snapshot(first)
    expiry = strategy.entry.anchors(event.chain, event.ts_ns)[0]
    declined = strategy.plan(event.chain, expiry, event.ts_ns, event.estimate, 0.0)
    assert declined.reason == "the signal declines (P recalibrated on 100 straddles in 12 weeks)"


def test_a_ranking_corrects_lives_as_long_as_those_behind_it_and_no_others(tmp_path):
    path = tmp_path / "recalibration.json"
    path.write_text(recalibration_text([(config(), HALVES)]))
    ranked = rank_positions(config(signal={"recalibrate": str(path)}))
    assert ranked.told == "P recalibrated on 100 straddles in 12 weeks"
    rows = ranked.rows()
    short, long = (
        [one["recalibrated"] for one in rows if (one["days"] > 14.5) is late] for late in (False, True)
    )
    assert short == pytest.approx([0.1192] * len(short), abs=1e-4)
    assert short
    assert long
    assert np.all(np.isnan(long))
    assert "recalibrated" not in rank_positions(config()).rows()[0]


def test_a_sweep_asks_it_and_knows_when_the_file_has_changed(tmp_path):
    path = tmp_path / "recalibration.json"
    path.write_text(recalibration_text([(config(), HALVES)]))
    asked = {"min_probability": 0.3, "recalibrate": str(path)}
    grid = config(signal=asked, vary={"signal.min_probability": [0.11, 0.13]})
    first = cells(grid)
    allowed, refused = (run_cell(cell)["figures"]["n_episodes"] for cell in first)
    assert allowed > 0
    assert refused == 0
    path.write_text(recalibration_text([(config(), Recalibration())]))
    assert not {cell.key for cell in first} & {cell.key for cell in cells(grid)}


def test_a_correction_of_later_is_not_known_before(tmp_path):
    later = Recalibration((Correction(2**62, 0.0, -2.0, 0.0, 0.12, 100, 12),))
    path = tmp_path / "recalibration.json"
    path.write_text(recalibration_text([(config(), later)]))
    asked = config(signal={"min_probability": 0.3})
    tape = load_market(asked).tape
    plain = [one.episode.entry_ns for one in replay(asked, tape).episode_runs]
    same = replay(with_overrides(asked, {"signal.recalibrate": str(path)}), tape)
    assert [one.episode.entry_ns for one in same.episode_runs] == plain
    assert same.desk.strategy.signal.behind(int(tape.ts_ns[-1])).startswith("P as told")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"currency": "ETH"}, "is of currency BTC, and currency is ETH"),
        ({"hedge.band": 0.2}, r"has the hedge rules band 0\.1, not band 0\.2"),
        ({"hedge.rule": "move"}, "not move 1 sigma 1d"),
        ({"entry.structure": "strangle"}, "is of entry.structure straddle"),
        ({"entry.side": "short"}, "is of entry.side long"),
        ({"signal.window": "3d"}, "is of signal.forecast forecast 7d"),
        ({"signal.law": "gbm"}, "is of signal.law fitted"),
        ({"entry.max_days": 21.0}, r"entry\.max_days: expected at most 14\.5"),
    ],
)
def test_a_recalibration_of_other_lives_is_refused(tmp_path, changes, told):
    path = tmp_path / "recalibration.json"
    path.write_text(recalibration_text([(config(), HALVES)]))
    with pytest.raises(ConfigError, match=told):
        load_recalibration(with_overrides(config(), {"signal.recalibrate": str(path), **changes}))


def test_what_is_no_recalibration_is_refused(tmp_path):
    path = tmp_path / "recalibration.json"
    with pytest.raises(DataError, match="cannot be read"):
        load_recalibration(config(signal={"recalibrate": str(path)}))
    path.write_text('{"kind": "other", "lives": {}, "rules": {}}')
    with pytest.raises(DataError, match="expected a gammacore recalibration, got 'other'"):
        load_recalibration(config(signal={"recalibrate": str(path)}))
    path.write_text('{"rules": 3}')
    with pytest.raises(DataError, match="recalibrat"):
        load_recalibration(config(signal={"recalibrate": str(path)}))


def test_a_correction_of_other_dates_is_scored_on_these_and_changes_nothing_that_was_told(tmp_path, found):
    path = tmp_path / "recalibration.json"
    path.write_text(recalibration_text([(config(), HALVES)]))
    given = lives_of(config(signal={"recalibrate": str(path)}), ("band", "never"))
    assert given.left_out[0].startswith("never: signal.recalibrate")
    one = calibrate_lives(given.lives)[0]
    assert one.lives.probability.tolist() == found.lives[0].probability.tolist()
    assert one.later.straddles == len(one.lives)
    corrected = float(HALVES.corrections[0].apply(0.3))
    assert one.later.recalibrated == pytest.approx(np.mean((corrected - one.lives.paid) ** 2))
    assert one.later.constant == pytest.approx(np.mean((0.12 - one.lives.paid) ** 2))
    assert one.later.brier == pytest.approx(one.whole.brier.value)


def test_a_label_has_what_the_rule_depends_on():
    assert rule_label(config(hedge={"rule": "interval", "every": "6h"})) == "interval 6h"
    assert rule_label(config(hedge={"rule": "band", "band": 0.2, "to": "edge"})) == "band 0.2 edge"
    assert rule_label(config(hedge={"rule": "never"})) == "never"
    assert rule_label(config(size={"contracts": 100.0})) == "band 0.1 of 100"
    assert rule_label(config(hedge={"rule": "interval"}, size={"contracts": 100.0})) == "interval 1h"


def test_recorded_chains_are_calibrated():
    chains = recorded("data/deribit_options")
    prices = recorded("data/prices/btcusdt_binance_spot_1h.csv.gz")
    settings = parse_config(
        {
            "currency": "BTC",
            "data": {"chains": str(chains), "prices": str(prices), "end": "2026-03-01"},
        }
    )
    one = calibrate_lives(lives_of(settings, ("never",)).lives)[0]
    assert one.whole.straddles > 150
    assert one.whole.weeks >= 8
    total = one.whole.reliability.value - one.whole.resolution.value + one.whole.constant + one.whole.within
    assert total == pytest.approx(one.whole.brier.value, abs=1e-12)
    later, known = one.later, [one.recalibration.at(int(entry)) for entry in one.lives.entry_ns]
    assert later.straddles == sum(each is not None for each in known)
    squares = [
        (float(each.apply(chance)) - came) ** 2
        for each, chance, came in zip(known, one.lives.probability, one.lives.paid, strict=True)
        if each is not None
    ]
    assert later.recalibrated == pytest.approx(np.mean(squares))
    assert later.recalibrated == pytest.approx(later.constant, abs=0.005)
