"""The efficient frontier: points, lines of theory, the table of parameters."""

import msgspec
import numpy as np
import pytest

from gammacore.backtest.simulation.experiment import Experiment
from gammacore.backtest.simulation.frontier import families, frontier, theory_lines
from gammacore.backtest.simulation.models import GBM, GivenPaths
from gammacore.backtest.simulation.montecarlo import simulate
from gammacore.backtest.simulation.option_book import Costs, OptionLeg, straddle
from gammacore.build import build_policy
from gammacore.errors import ConfigError
from gammacore.hedging import Band, Interval
from support.markets import build

MONTH = 30 / 365


def experiment(**changes):
    base = {
        "book": straddle(100.0, MONTH),
        "model": GBM(0.6),
        "policy": Band(0.1),
        "steps": 720,
        "costs": Costs(proportional=5e-4),
    }
    return Experiment(**(base | changes))


@pytest.fixture(scope="module")
def long_straddle():
    seen = []
    found = frontier(
        experiment(), paths=2000, seed=5, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (len(seen), len(seen))
    return found


def test_points_are_simulations_on_common_numbers(long_straddle):
    point = long_straddle.points["interval"][3]
    run = simulate(experiment(policy=point.policy), paths=2000, seed=5, columns=("fees", "spread"))
    assert (point.cost, point.sd, point.trades) == (run.mean("fees"), run.sd(), run.mean("trades"))
    assert point.cost_error == pytest.approx(run.standard_error("fees"), rel=1e-3)
    own = simulate(experiment(), paths=2000, seed=5)
    assert long_straddle.chosen.sd == own.sd()
    assert set(long_straddle.points) == {
        "interval",
        "band",
        "band_edge",
        "move",
        "whalley_wilmott",
        "zakamouline",
    }


def test_dearer_hedging_leaves_less(long_straddle):
    for points in long_straddle.points.values():
        ordered = sorted(points, key=lambda point: point.cost)
        assert [p.sd for p in ordered] == sorted((p.sd for p in ordered), reverse=True)


def test_time_points_lie_on_their_line(long_straddle):
    line = next(line for line in long_straddle.lines if "Bertsimas" in line.name)
    for point in long_straddle.points["interval"]:
        hedges = MONTH * 365 * 24 / point.parameter
        if 20 < hedges <= 360:  # the formula is of first order; at every step the last hedge weighs
            expected = np.exp(np.interp(np.log(point.cost), np.log(line.cost), np.log(line.sd)))
            assert point.sd == pytest.approx(expected, rel=0.09)


def test_band_law_lines_cross_the_points_of_narrow_bands(long_straddle):
    # The law is for bands the mismatch crosses often; expiry ends that, so it is a rough guide.
    line = next(line for line in long_straddle.lines if line.name.startswith("band to the edge"))
    point = long_straddle.points["band_edge"][0]
    expected = np.exp(np.interp(-np.log(point.cost), -np.log(line.cost), np.log(line.sd)))
    assert 0.6 < expected / point.sd < 1.1


def test_parameter_table_for_a_budget(long_straddle):
    rows = {row.family: row for row in long_straddle.parameter_table(cost=0.25)}
    assert list(rows)[-1] == "interval"
    assert rows["interval"].sd > rows["band"].sd > rows["band_edge"].sd > rows["whalley_wilmott"].sd
    assert 0.4 < rows["whalley_wilmott"].sd / rows["interval"].sd < 0.65
    # the parameter does what the table says
    run = simulate(
        experiment(policy=Band(rows["band_edge"].parameter, to_edge=True)),
        paths=2000,
        seed=5,
        columns=("fees", "spread"),
    )
    assert run.mean("fees") == pytest.approx(0.25, rel=0.03)
    assert run.sd() == pytest.approx(rows["band_edge"].sd, rel=0.03)


def test_parameter_table_for_a_taste(long_straddle):
    taste = 0.1
    rows = long_straddle.parameter_table(risk_aversion=taste)
    totals = [row.cost + 0.5 * taste * row.sd**2 for row in rows]
    assert totals == sorted(totals)
    for row in rows:
        points = long_straddle.points[row.family]
        assert (
            row.cost + 0.5 * taste * row.sd**2 <= min(p.cost + 0.5 * taste * p.sd**2 for p in points) + 1e-9
        )
    # the optimal rule comes near the parameter that is optimal for that taste
    ww = next(row for row in rows if row.family == "whalley_wilmott")
    assert 0.3 < ww.parameter / taste < 3.0


def test_table_needs_one_wish(long_straddle):
    for wish in ({}, {"cost": 0.1, "risk_aversion": 1.0}, {"cost": -1.0}):
        with pytest.raises(ConfigError, match="expected one of them"):
            long_straddle.parameter_table(**wish)
    assert long_straddle.parameter_table(cost=1e-9) == []


def test_free_hedging_has_no_frontier():
    with pytest.raises(ConfigError, match=r"costs: .*frontier"):
        frontier(experiment(costs=Costs()))


def test_coin_is_usd_at_the_forward():
    scale = 60_000.0
    coin = experiment(book=straddle(scale, MONTH), forward=scale, settlement="inverse")
    usd = experiment(book=straddle(scale, MONTH), forward=scale)
    for a, b in zip(theory_lines(coin), theory_lines(usd), strict=True):
        assert a.name == b.name
        assert a.cost * scale == pytest.approx(b.cost, rel=0.02)
        assert a.sd * scale == pytest.approx(b.sd, rel=0.02)


def test_families_follow_the_costs_and_the_model():
    fixed = experiment(costs=Costs(fixed=0.01))
    assert [f.name for f in families(fixed)][-1] == "fixed_cost"
    assert "whalley_wilmott" not in {f.name for f in families(fixed)}
    given = experiment(model=GivenPaths(np.full((3, 721), 100.0)), policy=Interval(0))
    assert theory_lines(given) == []
    later = msgspec.structs.replace(experiment(), book=(OptionLeg("call", 100.0, 1.0),), horizon=MONTH)
    assert all("fixed times" not in line.name for line in theory_lines(later))


def test_the_options_of_a_choice_make_its_policy(long_straddle):
    """What is copied to the command line is what was simulated, to the digits shown."""
    made = {family.name: family.make for family in long_straddle.families}
    for row in long_straddle.parameter_table(risk_aversion=1e-2):
        parts = row.options.split()
        assert parts[::2] == ["--set"] * (len(parts) // 2)
        raw = {path: value for path, _, value in (part.partition("=") for part in parts[1::2])}
        config = build({**{p: _number(v) for p, v in raw.items()}, "hedge.cost": 5e-4})
        chosen, simulated = build_policy(config), made[row.family](row.parameter)
        assert type(chosen) is type(simulated)
        for ours, theirs in zip(
            msgspec.structs.astuple(chosen), msgspec.structs.astuple(simulated), strict=True
        ):
            same = ours == theirs or ours == pytest.approx(
                theirs, rel=0.2 if row.family == "interval" else 1e-3
            )
            assert same, (row, chosen, simulated)


def _number(text):
    try:
        return float(text)
    except ValueError:
        return text
