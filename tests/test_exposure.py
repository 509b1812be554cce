"""Deltas around hedges and what is held, against what the hedge was for and Black's equation."""

import numpy as np
import pytest

from gammacore.backtest.figures.exposure import expose, options_held
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.daycount import SETTLEMENT_WINDOW_NS
from support.markets import build

SMALL = {"market.days": 12, "market.snapshot_hours": 6.0, "hedge.rule": "interval", "hedge.every": "4h"}
EXACT = SMALL | {"hedge.lots": False, "costs.fill": "mark"}


def run_of(settings):
    config = build(settings)
    return replay(config, load_market(config).tape)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"entry.side": "short"},
        {
            "hedge.target": "usd_neutral",
            "costs.option_fees": False,
            "execution.hedges": "taker",
            "costs.hedge_taker_fee": 0.0,
        },
        {"hedge.target": "black"},
        {"hedge.instrument": "future"},
        {"hedge.instrument": "forward", "hedge.target": "black"},
    ],
)
def test_a_hedge_without_lots_leaves_no_delta(settings):
    run = run_of(EXACT | settings)
    assert run.episode_runs
    count = 0
    for done in run.episode_runs:
        seen = expose(run, done)
        hedged = np.array([purpose == "hedge" for purpose in seen.purposes])
        # What USD-neutral hedging looks at is the ledger's equity, rounded posting by posting to 1e-8,
        # at marks by the model, not as published (1e-6); a fee would be paid out of it after the decision.
        assert np.abs(seen.after[hedged]).max() < (1e-5 if "usd_neutral" in settings.values() else 1e-9)
        assert np.abs(seen.before[hedged]).max() > 0.01
        count += hedged.sum()
    assert count == sum(done.episode.hedges for done in run.episode_runs) > 50


def test_with_lots_less_than_half_a_lot_is_left():
    run = run_of(SMALL)
    for done in run.episode_runs:
        seen = expose(run, done)
        hedged = np.array([purpose == "hedge" for purpose in seen.purposes])
        left = np.abs(seen.after * done.attribution.hedge_price[seen.points])[hedged]
        assert 0 < left.max() <= 5.0 + 1e-6  # a lot of the perpetual is 10 USD


def test_a_band_is_reached_before_every_hedge_and_a_fill_moves_delta_by_its_amount():
    run = run_of(SMALL | {"hedge.rule": "band", "hedge.band": 0.08})
    for done in run.episode_runs:
        seen = expose(run, done)
        hedged = np.array([purpose == "hedge" for purpose in seen.purposes])
        assert np.abs(seen.before[hedged]).min() >= 0.08 - 1e-9
        moved = seen.fills.amount / done.attribution.hedge_price[seen.points]
        assert seen.after - seen.before == pytest.approx(moved, abs=1e-12)


def test_theta_is_what_blacks_equation_makes_of_gamma():
    """Without rates theta is -(vol F)^2 gamma / 2 for every option, so for a straddle at one volatility."""
    config = build(SMALL)
    market = load_market(config)
    run = replay(config, market.tape)
    done = run.episode_runs[0]
    seen, (option, *_) = expose(run, done), done.episode.entered
    size = len(done.attribution.forward)
    vol = market.tape.vol(option, done.attribution.start, done.attribution.start + size)
    forward = done.attribution.forward
    gamma_per_usd = 100 * seen.gamma[:size] / forward
    wanted = -0.5 * gamma_per_usd * (forward * vol) ** 2 / 365
    early = done.episode.expiry_ns - done.attribution.ts_ns[:size] > SETTLEMENT_WINDOW_NS  # where it decays
    assert early.sum() > 1_000
    assert seen.theta[:size][early] == pytest.approx(wanted[early], rel=2e-3)


def test_nothing_is_left_after_delivery():
    run = run_of(SMALL)
    done = next(d for d in run.episode_runs if d.episode.close_reason == "delivery")
    seen = expose(run, done)
    assert seen.delta[-1] == pytest.approx(0.0, abs=1e-12)
    assert seen.gamma[-1] == seen.theta[-1] == 0.0
    assert all(amounts[-1] == 0.0 and amounts[0] == 1.0 for amounts in options_held(done).values())


def test_a_fee_is_all_that_a_usd_neutral_hedge_leaves():
    run = run_of(
        EXACT
        | {
            "hedge.target": "usd_neutral",
            "execution.hedges": "taker",
            "costs.hedge_taker_fee": 0.001,
            "costs.funding": False,
        }
    )
    for done in run.episode_runs:
        seen = expose(run, done)
        hedged = np.array([purpose == "hedge" for purpose in seen.purposes])
        assert seen.after[hedged] == pytest.approx(
            -seen.fills.fee[hedged], abs=1e-5
        )  # marks as published, not by the model


def test_options_that_are_sold_before_expiry_are_held_no_longer():
    run = run_of(SMALL | {"exit.hours_before_expiry": 30, "market.days": 16, "costs.fill": "mark"})
    done = next(d for d in run.episode_runs if d.episode.exited)
    closed = done.attribution.ts_ns >= done.episode.close_ns
    for amounts in options_held(done).values():
        assert set(amounts[closed]) == {0.0}
        assert set(amounts[~closed]) == {1.0}
