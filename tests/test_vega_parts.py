"""Level, term, skew and moneyness under the line vega, on markets where each moves alone."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import gammacore as gc
from gammacore import inverse
from gammacore.attribution import attribute
from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.figures.vega_parts import PARTS, ChainSmiles
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.report import write_results
from gammacore.config import load_config
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.errors import DataError
from gammacore.valuation import sensitivities
from support.commands import run
from support.markets import FREE, START, build, chains_of, prices_of
from support.shared_data import recorded
from support.tapes import minute_tape

EXPIRIES = tuple(START + week * 7 * NS_PER_DAY for week in range(1, 8))
FRONT = EXPIRIES[0]
HELD = FREE | {"hedge.rule": "never", "entry.min_days": 6.9, "entry.max_days": 7.1, "exit.delivery": "last"}


STRIKES = tuple(np.arange(40e3, 81e3, 2e3))


def tape_with(smile, forward=lambda day: 60e3 + 0 * day, strikes=STRIKES, **options):
    """Chains every six hours for six days, marked at ``smile(k, day, expiry_ns)``, with any bars."""
    times = START + np.arange(25) * 6 * NS_PER_HOUR
    chains = chains_of(times, forward((times - START) / NS_PER_DAY), expiries=EXPIRIES, strikes=strikes)
    day = (chains.ts_ns - START) / NS_PER_DAY
    vol = smile(np.log(chains.strike / chains.forward), day, chains.expiry_ns)
    mark = inverse.price(chains.kind, chains.forward, chains.strike, chains.tau, vol)
    return Tape(replace(chains, iv=vol, mark=mark), averaging=False, **options)


def resting(k):
    return 0.6 - 0.1 * k + 0.3 * k**2


def wave(day):
    return 0.05 * np.sin(1.7 * day) + 0.02 * day


def held_call(tape, **changes):
    leg = {"kind": "call", "strike": "delta 0.25", "expiry": "6d-8d", "amount": 1}
    config = build(HELD | {"entry.legs": [leg]} | changes)
    return replay(config, tape).episode_runs[0]


def parts_of(tape, **changes):
    """USD of each part of a call held for six days, and of the whole line."""
    lines = held_call(tape, **changes).attribution
    totals = lines.vega_parts(ChainSmiles(tape)).totals
    return {name: money.usd for name, money in totals.items()}, lines.totals["vega"].usd


MOVES = {
    "level": lambda k, day, expiry_ns: resting(k) + wave(day),
    "term": lambda k, day, expiry_ns: resting(k) + np.where(expiry_ns == FRONT, wave(day), 0.0),
    "skew": lambda k, day, expiry_ns: resting(k) + 4.0 * wave(day) * k,
}


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("part", MOVES)
def test_what_moves_alone_is_all_of_vega(part, side):
    parts, vega = parts_of(tape_with(MOVES[part]), **{"entry.side": side})
    assert abs(vega) > 30.0
    assert parts[part] == pytest.approx(vega, rel=0.02)
    for name in set(PARTS) - {part}:
        assert abs(parts[name]) < 0.02 * abs(vega), name


def test_a_smile_that_stays_moves_an_option_along_it():
    tape = tape_with(lambda k, day, expiry_ns: resting(k) - 0.5 * k, lambda day: 60e3 + 500 * day)
    parts, vega = parts_of(tape)
    assert abs(vega) > 30.0
    assert parts["moneyness"] == pytest.approx(vega, rel=0.02)


def test_interpolated_marks_have_interpolated_parts():
    hours = START + np.arange(1, 145) * NS_PER_HOUR
    tape = tape_with(
        MOVES["level"], prices=prices_of(hours, np.full(144, 60e3), NS_PER_HOUR), interpolate=True
    )
    parts, vega = parts_of(tape)
    assert parts["level"] == pytest.approx(vega, rel=0.02)
    (own,) = held_call(tape).episode.entered
    moved, (first, end) = ChainSmiles(tape), np.searchsorted(tape.ts_ns, (hours[30], hours[33]), side="right")
    level = moved.moved(own, first - 1, end)[:, 0]  # three hours between two chains
    assert np.diff(level) == pytest.approx(np.full(3, (wave(1.5) - wave(1.25)) / 6), abs=1e-5)


def test_the_mark_of_one_option_alone_is_rest():
    (own,) = held_call(tape_with(MOVES["level"])).episode.entered

    def smile(k, day, expiry_ns):
        own_rows = (expiry_ns == FRONT) & (np.abs(k - np.log(own.strike / 60e3)) < 1e-9)
        return resting(k) + np.where(own_rows, 0.3 * (day > 2.9), 0.0)

    parts, vega = parts_of(tape_with(smile))
    assert abs(vega) > 30.0
    assert parts["rest"] == pytest.approx(vega, rel=0.05)


@pytest.mark.parametrize("settlement", [{}, {"linear": True}], ids=["inverse", "linear"])
@pytest.mark.parametrize("options", [{}, {"interpolate": True}], ids=["last", "interpolated"])
def test_the_rest_is_vega_times_what_marks_did_beyond_the_smiles(options, settlement):
    """Summed by a plain loop, it agrees with what the other parts leave of the line."""
    tape = minute_tape(days=6.5, **options, **settlement)
    config = build(
        {
            "entry.expiries": "any",
            "entry.max_days": 14.0,
            "exit.hours_before_expiry": 24.0,
            "hedge.instrument": "forward" if settlement else "perpetual",
            "hedge.target": "black" if settlement else "coin_neutral",
            "hedge.lots": not settlement,
            "costs.fill": "mark",
        }
    )
    runs = replay(config, tape).episode_runs
    assert runs
    native = 1 if settlement else 0
    for done in runs:
        found, vega = done.attribution.vega_parts(ChainSmiles(tape)).totals, done.attribution.totals["vega"]
        steps, rate = rest_of(done, tape), done.attribution.rate[1:]
        assert found["rest"][native] == pytest.approx(sum(steps), rel=1e-7, abs=1e-12)
        other = sum(steps / rate if native else steps * rate)
        assert found["rest"][1 - native] == pytest.approx(other, rel=1e-7, abs=1e-12)
        assert found["rest"][native] != pytest.approx(vega[native], rel=0.01)
        for unit in (0, 1):
            assert math.fsum(money[unit] for money in found.values()) == pytest.approx(vega[unit], abs=1e-12)


def rest_of(done, tape):
    """Vega times what the tape's volatilities move beyond the smiles at each step, option by option."""
    smiles, lines = ChainSmiles(tape), done.attribution
    first, end = lines.start, lines.start + len(lines.ts_ns)
    assert (np.diff(lines.at) == 1).all()  # every point is an entry of the tape
    steps = np.zeros(len(lines.ts_ns) - 1)
    for option in done.episode.entered:
        trades = [fill for fill in done.episode.option_fills() if fill.instrument == option]
        case = tape.forward(option.expiry_ns, first, end), tape.tau(option.expiry_ns, first, end)
        vol, moved = tape.vol(option, first, end), smiles.moved(option, first, end)
        vega = sensitivities(option, *case, vol).vega
        for k in range(len(vol) - 1):
            amount = sum(fill.amount for fill in trades if fill.ts_ns <= lines.ts_ns[k])
            steps[k] += amount * vega[k] * (vol[k + 1] - vol[k] - sum(moved[k + 1, :4] - moved[k, :4]))
    return steps


def test_both_methods_have_the_same_parts():
    tape = minute_tape()
    done = replay(build({"entry.expiries": "any", "entry.max_days": 14.0}), tape).episode_runs[0]
    taylor, repriced = (
        attribute(done.episode, tape, done.last, method).vega_parts(ChainSmiles(tape)).totals
        for method in ("taylor", "revaluation")
    )
    for name in PARTS:
        assert taylor[name].usd == pytest.approx(repriced[name].usd, rel=1e-9, abs=1e-9)


def test_without_smiles_all_is_rest():
    few = tape_with(MOVES["level"], strikes=(55e3, 60e3, 65e3))
    run = replay(build(HELD), few)
    found = run.episode_runs[0].attribution.vega_parts(ChainSmiles(few))
    assert found.totals["rest"] == run.episode_runs[0].attribution.totals["vega"]
    assert found.unknown_ns == found.held_ns > 0


def test_a_chain_without_a_smile_takes_both_of_its_steps_to_the_rest():
    tape = tape_with(MOVES["level"])
    done = held_call(tape)
    (own,) = done.episode.entered
    chains = tape.chains
    dropped = (chains.ts_ns == chains.snapshot_ts[12]) & (chains.expiry_ns == FRONT)
    chains.iv[dropped & (chains.strike != own.strike)] = np.nan
    smiles = ChainSmiles(tape)
    level = np.diff(smiles.moved(own, 0, len(tape))[:, 0])
    expected = np.diff(wave(np.arange(25) / 4))
    assert np.abs(expected[11:13]).min() > 1e-3
    expected[11:13] = 0.0
    assert level == pytest.approx(expected, abs=1e-5)
    assert done.attribution.vega_parts(smiles).unknown_ns == 6 * NS_PER_HOUR


SMALL = {"market.days": 14, "report.vega_parts": True, "hedge.rule": "interval", "hedge.every": "4h"}


@cache
def small():
    return run_backtest(build(SMALL))


def test_the_tables_have_the_parts():
    results = small()
    summary, episodes = results.summary, results.episodes
    assert list(summary["vega_parts"]) == list(PARTS)
    assert 0.0 <= summary["vega_unknown_share"] < 0.2
    for unit in ("coin", "usd"):
        parts = [summary["vega_parts"][name][unit] for name in PARTS]
        assert math.fsum(parts) == pytest.approx(summary["attribution"]["vega"][unit], abs=1e-9)
        columns = episodes[[f"vega_{name}_{unit}" for name in PARTS]]
        assert columns.sum(axis=1).to_numpy() == pytest.approx(episodes[f"vega_{unit}"].to_numpy(), abs=1e-9)
        assert columns.sum().to_numpy() == pytest.approx(np.array(parts), abs=1e-9)


def test_a_book_sums_over_its_episodes_and_the_residual():
    summary = run_backtest(build(SMALL | {"hedge.scope": "book"})).summary
    for unit in ("coin", "usd"):
        parts = [money[unit] for money in summary["vega_parts"].values()]
        assert math.fsum(parts) == pytest.approx(summary["attribution"]["vega"][unit], abs=1e-9)
        assert abs(parts[-1]) < max(map(abs, parts))


def test_the_page_shows_them_below_vega(tmp_path):
    write_results(small(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    rows = page[page.index("<td>vega</td>") :][:4_000]
    places = [rows.index(f"<td>{name}</td>") for name in (*PARTS, "vanna")]
    assert places == sorted(places)
    assert "The indented parts sum to vega." in page


def test_the_terminal_shows_them_below_vega(monkeypatch, capsys, tmp_path):
    settings = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}".lower())]
    words = ["backtest", *settings, "--set", "report.html=false", "--out", str(tmp_path / "run")]
    code, out, _ = run(monkeypatch, capsys, *words)
    assert code == 0
    shown = [line.split()[1] for line in out.splitlines() if len(line.split()) > 3]
    first = shown.index("vega")
    assert shown[first : first + 7] == ["vega", *PARTS, "vanna"]


def test_nobody_is_told_of_parts_that_were_not_asked_for():
    result = gc.backtest(market__days=14)
    assert result.summary["vega_parts"] is None
    assert not [name for name in result.episodes if name.startswith("vega_level")]
    with pytest.raises(DataError, match="report__vega_parts=True"):
        _ = result.vega_parts
    asked = gc.backtest(market__days=14, report__vega_parts=True)
    assert asked.vega_parts["usd"].sum() == pytest.approx(asked.attribution.loc["vega", "usd"])


def test_recorded_straddles_are_explained_by_the_smiles():
    """Deribit's marks lie on smooth smiles: little is left, and smiles are known nearly always."""
    data = {"data.chains": str(recorded("data/deribit_options")), "data.end": "2026-02-15"}
    config = load_config("config/weekly_straddle.yaml", data | {"report.vega_parts": True})
    results = run_backtest(config, load_market(config))
    summary, episodes = results.summary, results.episodes
    parts = {name: money["usd"] for name, money in summary["vega_parts"].items()}
    assert math.fsum(parts.values()) == pytest.approx(summary["attribution"]["vega"]["usd"], abs=1e-9)
    assert summary["vega_unknown_share"] < 0.02
    rest, whole = episodes["vega_rest_usd"].abs().sum(), episodes["vega_usd"].abs().sum()
    assert rest < 0.05 * whole
    # What the volatility at the money did is most of why weeks differ.
    both = episodes["vega_level_usd"] + episodes["vega_term_usd"]
    assert np.corrcoef(both, episodes["vega_usd"])[0, 1] > 0.6
