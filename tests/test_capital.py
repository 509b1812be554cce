"""Capital of a run against the margin of each of its positions, one by one."""

import numpy as np
import pytest

from gammacore.backtest.figures.capital import capital_tied
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.contracts import Option, Perpetual, Settlement
from gammacore.data.margins import published_margins
from gammacore.margin import position_margin
from gammacore.valuation import value
from support.markets import build

SMALL = {"market.days": 16, "market.snapshot_hours": 12.0, "hedge.rule": "interval", "hedge.every": "8h"}


def run_of(settings):
    config = build(SMALL | settings)
    return replay(config, load_market(config).tape)


def by_hand(run, i):
    """Premium and margin at an entry of the tape, position by position."""
    tape, ts = run.tape, int(run.tape.ts_ns[i])
    total, hedges, rates = 0.0, {}, published_margins().standard_at(ts)
    for done in run.episode_runs:
        fills = [fill for fill in done.episode.fills if fill.ts_ns <= ts]
        over = np.isfinite(done.episode.delivery_price) and ts > tape.ts_ns[done.last]
        held = {}
        for fill in fills:
            if isinstance(fill.instrument, Option):
                held[fill.instrument] = held.get(fill.instrument, 0.0) + fill.amount
            elif not (over and not isinstance(fill.instrument, Perpetual)):
                hedges[fill.instrument] = hedges.get(fill.instrument, 0.0) + fill.amount
        for option, amount in held.items() if not over else ():
            if amount > 0:
                total += next(f.price for f in fills if f.instrument == option) * amount
            elif amount < 0:
                forward = float(tape.forward(option.expiry_ns, i, i + 1)[0])
                mark = value(
                    option,
                    forward,
                    tape.tau(option.expiry_ns, i, i + 1)[0],
                    tape.vol(option, i, i + 1)[0],
                )
                total += position_margin(rates, option, amount, float(mark), forward).initial
    for instrument, amount in hedges.items():
        price = float(tape.future_price(instrument, i, i + 1)[0])
        total += position_margin(rates, instrument, amount, price, price).initial
    return total


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"entry.side": "short"},
        {"hedge.instrument": "future"},
        {"entry.side": "short", "entry.structure": "strangle", "entry.delta": 0.2},
        {"entry.side": "short", "marks.settlement": "linear", "hedge.target": "black"},
        {"exit.hours_before_expiry": 20},
    ],
)
def test_it_is_the_sum_over_positions(settings):
    run = run_of(settings)
    tied = capital_tied(run)
    # Where a delivery or a chain and a bar share a moment, what is held depends on which is asked.
    moments, count = np.unique(run.tape.ts_ns, return_counts=True)
    shared = {done.episode.expiry_ns for done in run.episode_runs} | set(moments[count > 1].tolist())
    looked = [i for i in range(0, len(tied), 997) if int(run.tape.ts_ns[i]) not in shared]
    assert len(looked) > 15
    assert [tied[i] for i in looked] == pytest.approx([by_hand(run, i) for i in looked], rel=1e-9, abs=1e-12)
    assert tied.max() > 0


def test_a_straddle_bought_ties_up_its_premium_and_little_more():
    run = run_of({"hedge.rule": "never"})
    tied = capital_tied(run)
    first = run.episode_runs[0]
    assert first.episode.hedge.instrument.settlement is Settlement.INVERSE
    assert tied[first.attribution.start] == pytest.approx(first.episode.premium, abs=1e-12)
