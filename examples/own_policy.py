"""A hedge rule of your own: asked where a built-in trigger fires, it says how much delta to add."""

from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.config import load_config
from gammacore.hedging import Band, Custom, Moment


def half_at_night(at: Moment) -> float:
    """Remove the mismatch by day; from 22:00 to 06:00 UTC, when spreads are wide, only half of it."""
    hour = at.ts_ns // 3_600_000_000_000 % 24
    return float(-at.mismatch) * (0.5 if hour >= 22 or hour < 6 else 1.0)


config = load_config(None)
tape = load_market(config).tape
for name, policy in (("band", Band(0.1)), ("half at night", Custom(Band(0.1), half_at_night))):
    run = replay(config, tape, policy=policy)
    profit = sum(done.episode.ledger.profit().coin for done in run.episode_runs)
    hedges = sum(done.episode.hedges for done in run.episode_runs)
    print(f"{name:>14}: {profit:+.4f} BTC, {hedges} hedges")  # noqa: T201
