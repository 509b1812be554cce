"""Resting hedge orders: where they are put, when they fill, and that none is left behind."""

import math

import msgspec
import numpy as np
import pytest

from gammacore.backtest.replay import runner
from gammacore.backtest.replay.build import build_exchange
from gammacore.backtest.replay.quiet import QuietBars
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.synthetic import flat_chains
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.daycount import NS_PER_MINUTE
from gammacore.errors import ConfigError
from gammacore.events import Fill, Rejected
from gammacore.hedging.ladder import rung_price
from gammacore.orders import Cancel, Leg, Purpose
from support.markets import START, build, prices_of, random_path
from support.tapes import YEAR, market

LADDER = {
    "hedge.rule": "ladder",
    "hedge.band": 0.05,
    "entry.min_days": 1,
    "costs.max_quote_age": None,
    "execution.hedges": "taker",
}


def walk(config, tape):
    """Run the loop and keep every command and event."""
    desk, exchange = build_desk(config), build_exchange(config)
    log = []
    handle = desk.handle

    def watched(event):
        commands = handle(event)
        log.append((event, commands))
        return commands

    desk.handle = watched
    run_through(config, tape, desk, exchange)
    return desk, exchange, log


def run_through(config, tape, desk, exchange):
    """Replay a tape by a desk and an exchange that are at hand, event by event."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "build_desk", lambda config, **_: desk)
        patch.setattr(runner, "build_exchange", lambda *_: exchange)
        replay(config, tape, engine="desk")


def opened(config, tape):
    """A desk that has seen the first chain and its fills, and its only open episode."""
    desk, exchange = build_desk(config), build_exchange(config)
    queue = [tape.snapshot(0)]
    for event in queue:
        exchange.observe(event)
        for command in desk.handle(event):
            queue += exchange.submit(command)
    (episode,) = [e for e in desk.portfolio.open.values() if e.open]
    return desk, episode


@pytest.mark.parametrize("target", ["coin_neutral", "black"])
def test_orders_rest_where_the_mismatch_reaches_the_edge(target):
    config = build({**LADDER, "hedge.target": target, "hedge.lots": False})
    desk, _, log = walk(config, market(3, config))
    rested = 0
    for _, commands in log[:400]:
        rested += sum(getattr(c, "limit", None) is not None for c in commands)
    assert rested > 20
    tape = market(3, config)
    desk, episode = opened(config, tape)
    for order in episode.resting.values():
        (leg,) = order.legs
        edge = -leg.amount / order.limit
        assert abs(edge) == pytest.approx(0.05)
        moved = desk.market
        scale = order.limit / moved.index
        moved.index *= scale
        assert desk.hedge.target.mismatch(episode, moved) == pytest.approx(edge, abs=1e-7)
        moved.index /= scale


def test_fills_keep_the_mismatch_in_the_band_at_maker_fees():
    config = build({**LADDER, "hedge.outer": 0.12})
    run = replay(config, market(4, config))
    assert run.engine.startswith("desk: resting orders")
    hedges = [f for d in run.episode_runs for f in d.episode.fills if f.order_id.split("-")[1] == "hedge"]
    makers = [f for f in hedges if f.fee == 0.0]
    assert len(makers) > 0.8 * len(hedges) > 20
    for fill in makers:  # through the limit, never only at it
        assert fill.mark < fill.price if fill.amount > 0 else fill.mark > fill.price
        assert fill.price % 0.5 == 0
    taker = replay(build({**LADDER, "hedge.rule": "band"}), market(4, config))
    fees = [sum(d.attribution.totals["fees"].coin for d in r.episode_runs) for r in (run, taker)]
    assert abs(fees[0]) < 0.6 * abs(fees[1])


@pytest.mark.parametrize("cheaper", [2.0**17, 2.0**24])
def test_hedges_of_a_cheaper_coin_are_as_many_and_as_much_larger(cheaper):
    path, ts = random_path(3, 3 * 1440), START + NS_PER_MINUTE * np.arange(3 * 1440 + 1)
    hedges = []
    for price, amount in ((path, 1.0), (path / cheaper, cheaper)):
        prices = prices_of(ts, price, NS_PER_MINUTE)
        tape = Tape(flat_chains(prices, "BTC", 0.6, 1.0), prices, linear=True, averaging=False)
        config = build({**YEAR, **LADDER, "size.contracts": amount, "hedge.band": 0.05 * amount})
        found = [e.episode.hedge_fills() for e in replay(config, tape).episode_runs]
        hedges.append(
            (
                np.concatenate([fills.ts_ns for fills in found]),
                np.concatenate([fills.amount for fills in found]) / amount,
            )
        )
    assert len(hedges[0][0]) > 50
    np.testing.assert_array_equal(hedges[0][0], hedges[1][0])
    np.testing.assert_allclose(hedges[0][1], hedges[1][1], rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_rests_once_the_options_are_gone(seed):
    entry = [{"exit.hours_before_expiry": 20}, {"entry.schedule": "roll", "entry.expiries": "any"}][seed % 2]
    config = build({**LADDER, **entry})
    desk, exchange, log = walk(config, market(seed, config))
    alive = {order_id for e in desk.portfolio.open.values() for order_id in e.resting}
    assert set(exchange.resting) == alive
    for episode in desk.portfolio.episodes:
        if not episode.open:
            assert not episode.resting
            assert episode.hedge.amount == 0.0
    assert log[0][0].ts_ns >= START


@pytest.fixture
def resting():
    """A desk with a straddle whose two orders rest, its episode, and the next chain."""
    config = build(LADDER)
    tape = market(3, config)
    desk, episode = opened(config, tape)
    assert len(episode.resting) == 2
    return desk, episode, msgspec.structs.replace(tape.snapshot(0), ts_ns=tape.snapshot(0).ts_ns + 1)


def test_orders_rest_on_the_tick_away_from_the_market(resting):
    desk, episode, _ = resting
    market = desk.market
    for order in episode.resting.values():
        (leg,) = order.legs
        exact = rung_price(desk.hedge.target, episode, market, math.copysign(0.05, -leg.amount))
        away = exact - order.limit if leg.amount > 0 else order.limit - exact
        assert 0.0 < away < 0.5
        assert order.limit % 0.5 == 0.0


def test_beside_a_hedge_on_its_way_nothing_rests(resting):
    desk, episode, snapshot = resting
    rested = [Cancel(order_id, episode.number) for order_id in episode.resting]
    taker = desk._order(episode, Purpose.HEDGE, (Leg(episode.hedge.instrument, 10.0),))
    assert [c for c in desk.handle(snapshot) if getattr(c, "episode", None) == episode.number] == rested
    assert not episode.resting
    desk.handle(Rejected(snapshot.ts_ns, taker.order_id, episode.number, "lost"))
    desk.handle(msgspec.structs.replace(snapshot, ts_ns=snapshot.ts_ns + 1))
    assert len(episode.resting) == 2


def test_between_expiry_and_delivery_nothing_is_put_to_rest(resting):
    desk, episode, _ = resting
    (order_id, order), (left, _) = episode.resting.items()
    (leg,) = order.legs
    fill = Fill(
        episode.expiry_ns, order_id, episode.number, leg.instrument, leg.amount, order.limit, order.limit, 0.0
    )
    assert desk.handle(fill) == [Cancel(left, episode.number)]
    assert not episode.resting


def test_an_edge_that_the_delta_cannot_reach_has_no_order():
    config = build({**LADDER, "hedge.band": 1.5})  # of a straddle of one coin
    tape = market(3, config)
    _, episode = opened(config, tape)
    assert not episode.resting


def test_bars_may_be_skipped(monkeypatch):
    """Handling every bar gives the same fills as handling those at which something happens."""
    config = build(LADDER)
    tape = market(6, config)
    skipped = walk(config, tape)[0]
    desk, exchange = build_desk(config), build_exchange(config)
    monkeypatch.setattr(QuietBars, "next", lambda bars, i: i)
    run_through(config, tape, desk, exchange)
    for a, b in zip(skipped.portfolio.episodes, desk.portfolio.episodes, strict=True):
        assert a.fills == b.fills


def test_short_options_are_refused_and_have_no_rung():
    with pytest.raises(ConfigError, match=r"^hedge.rule: 'ladder' hedges long options only"):
        build({**LADDER, "entry.side": "short"})
    config = build({"entry.min_days": 1, "entry.side": "short", "costs.max_quote_age": None})
    tape = market(3, config)
    desk, episode = opened(config, tape)
    assert rung_price(desk.hedge.target, episode, desk.market, 0.05) is None
    assert np.isfinite(desk.market.index)
