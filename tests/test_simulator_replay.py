"""The Monte Carlo simulator, given a path, against the event-driven desk on the same path."""

import numpy as np
import pytest

from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.simulation.experiment import Experiment
from gammacore.backtest.simulation.models import GivenPaths
from gammacore.backtest.simulation.montecarlo import simulate
from gammacore.backtest.simulation.option_book import Costs, OptionLeg
from gammacore.build import build_policy
from gammacore.contracts import Option
from gammacore.daycount import NS_PER_YEAR
from gammacore.settlement import WINDOW
from support.markets import FREE, FRIDAY, START, build, chains_of, prices_of, random_path

STEPS = 7 * 144  # ten minutes
WEEK = (FRIDAY - START) / NS_PER_YEAR
POLICIES = [
    {"hedge.rule": "interval", "hedge.every": "3h"},
    {"hedge.rule": "band", "hedge.band": 0.04},
    {"hedge.rule": "band", "hedge.band": 0.06, "hedge.band_lower": 0.03, "hedge.to": "edge"},
    {"hedge.rule": "move", "hedge.move": 400.0, "hedge.move_unit": "usd"},
    {"hedge.rule": "move", "hedge.move": 0.008, "hedge.move_unit": "relative"},
    {"hedge.rule": "move", "hedge.move": 0.4},
    {"hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 5e-4, "hedge.cost": 5e-4},
    {"hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 5e-3, "hedge.cost": 5e-4, "hedge.to": "centre"},
    {"hedge.rule": "zakamouline", "hedge.risk_aversion": 5e-4, "hedge.cost": 5e-4},
    {"hedge.rule": "fixed_cost", "hedge.risk_aversion": 1e-3, "hedge.cost_per_trade": 5.0},
    {"hedge.rule": "never"},
]
ACCOUNTS = [
    {"marks.settlement": "linear", "hedge.target": "black"},
    {"hedge.target": "coin_neutral"},
    {"hedge.target": "coin_neutral", "hedge.ratio": 0.7, "hedge.target_delta": 0.02},
    {"hedge.target": "usd_neutral"},
    {"hedge.target": "black", "hedge.vol": 0.75},
]
BOOKS = [
    {"entry.structure": "straddle"},
    {"entry.structure": "straddle", "entry.side": "short", "size.contracts": 2.5},
    {"entry.structure": "strangle", "entry.delta": 0.2, "size.contracts": 0.7},
]


def profit(episode, final, delivered, inverse, owed=1.0):
    """Profit in the settlement currency from the fills alone, without the ledger's rounding to 1e-8.

    A premium borrowed in USD is ``owed`` times as many coins at the end.
    """
    total = 0.0
    for fill in episode.fills:
        if isinstance(fill.instrument, Option):
            worth = max(fill.instrument.kind * (delivered - fill.instrument.strike), 0.0)
            premium = fill.price * (owed if fill.amount > 0 else 1.0)
            total += fill.amount * ((worth / delivered if inverse else worth) - premium)
        else:
            moved = 1.0 / fill.price - 1.0 / final if inverse else final - fill.price
            total += fill.amount * moved
        total -= fill.fee
    return total


@pytest.mark.parametrize("seed", range(44))
def test_given_path_ends_like_the_desk(seed):
    ends_like_the_desk(seed, STEPS, averaging=False)


@pytest.mark.parametrize("seed", range(22))
def test_given_path_ends_like_the_desk_that_delivers_at_an_average(seed):
    ends_like_the_desk(seed, 672, averaging=True)  # steps of 15 minutes: two in the settlement window


def ends_like_the_desk(seed, steps, averaging):
    rng = np.random.default_rng(seed)
    account = ACCOUNTS[int(rng.integers(len(ACCOUNTS)))]
    book = BOOKS[int(rng.integers(len(BOOKS)))]
    fee, half_spread = 5e-4 * int(rng.integers(2)), int(rng.integers(3))
    costs = {
        "execution.hedges": "taker",
        "costs.hedge_taker_fee": fee,
        "costs.hedge_half_spread_bp": half_spread,
    }
    common = {"entry.min_days": 1, "entry.max_days": 7, "exit.delivery": "average" if averaging else "last"}
    config = build({**FREE, **common, **POLICIES[seed % len(POLICIES)], **account, **book, **costs})
    path = random_path(seed, steps, vol=0.9, dt=WEEK / steps)
    ts = START + np.arange(steps + 1, dtype=np.int64) * ((FRIDAY - START) // steps)
    inverse = config.marks.settlement == "listed"
    chains = chains_of(ts[:1], path[:1], half=0.0)
    delivered = np.trapezoid(path[-3:]) / 2 if averaging else path[-1]
    tape = Tape(
        chains,
        prices_of(ts, path, int(ts[1] - ts[0])),
        delivery={FRIDAY: delivered},
        linear=not inverse,
        averaging=averaging,
    )
    (done,) = replay(config, tape, engine="desk").episode_runs
    legs = done.episode.entered.items()
    experiment = Experiment(
        book=tuple(OptionLeg("call" if x.kind > 0 else "put", x.strike, WEEK, amount) for x, amount in legs),
        model=GivenPaths(path[None]),
        policy=build_policy(config),
        forward=path[0],
        implied=0.6,
        steps=steps,
        window=WINDOW if averaging else 0.0,
        settlement="inverse" if inverse else "linear",
        target=config.hedge.target,
        ratio=config.hedge.ratio,
        target_delta=config.hedge.target_delta,
        hedge_vol=config.hedge.vol,
        costs=Costs(proportional=fee, half_spread_bp=half_spread),
        hedge_at_start=config.hedge.rule in ("interval", "move"),
        liquidate=True,
    )
    run = simulate(experiment, columns=("pnl_usd",))
    hedges = [x for x in done.episode.fills if not isinstance(x.instrument, Option)]
    dust = 1e-12 * sum(abs(amount) for _, amount in legs)  # coins; the desk's is a little less
    assert int(run["trades"][0]) == sum(abs(x.amount) / (x.mark if inverse else 1.0) > dust for x in hedges)
    if config.hedge.target == "usd_neutral":  # hedges an equity that the ledger keeps to 1e-8 coin
        expected = path[-1] * profit(done.episode, path[-1], delivered, inverse, owed=path[0] / path[-1])
        assert run["pnl_usd"][0] == pytest.approx(expected, abs=2e-8 * path[0])
    else:
        expected = profit(done.episode, path[-1], delivered, inverse)
        assert run["pnl"][0] == pytest.approx(expected, abs=1e-10 * (1.0 if inverse else path[0]))
