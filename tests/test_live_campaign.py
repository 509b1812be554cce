"""Sessions under faults of every kind and kills at any frame: client and exchange must agree on everything.

``GAMMACORE_CAMPAIGN=1000`` sets how many seeded sessions are run (default: a few), and
``GAMMACORE_CAMPAIGN_SEED`` the first seed.
"""

import os
import random
from collections import Counter

import msgspec
import pytest

from gammacore.contracts import Option, Settlement
from gammacore.daycount import parse_time
from gammacore.events import Fill
from gammacore.exchange import MarketModel
from gammacore.exchange.accounts import units
from gammacore.exchange.combos import ListedCombo
from gammacore.exchange.invariants import assert_invariants
from gammacore.live.parity import check
from gammacore.live.positions import Foreign
from support.campaign import CALM_S, TROUBLE_S, facts_of, hedged_once, lives, plan_of, run_batch
from support.campaign_others import Others, Watch
from support.live_world import ID, SECRET, Process, World, lively
from support.local_exchange import Client

SESSIONS = int(os.environ.get("GAMMACORE_CAMPAIGN", "16"))
FIRST_SEED = int(os.environ.get("GAMMACORE_CAMPAIGN_SEED", "0"))
BATCH = 4
LATCHES = {"positions", "unexpected trade", "wrong way", "order rate"}
LINEAR = {"currency": "BTC_USDC", "hedge.target": "black"}  # every fourth session is in USDC
SECOND = 1 / 86_400  # of a day
RULES = (
    {},
    {"exit__rules": {"max_days": 30 * SECOND, "drawdown": 0.1}},
    {"roll__when": {"max_days": 20 * SECOND}, "roll__into": {"structure": "strangle", "delta": 0.3}},
)


def run_session(seed, path):
    """One session: trouble with kills, calm, and then what is held against what; returns what happened."""
    rng = random.Random(seed)
    model = MarketModel(vol=rng.choice([0.6, 1.5, 3.0]))
    settles = rng.random() < 0.3  # 08:00 falls into the trouble, with a delivery
    start = "2026-11-26T07:58:50Z" if settles else "2026-11-25T12:00:00Z"
    settlement = {1: {"currency": "ETH"}, 3: LINEAR}.get(seed % 4, {"currency": "BTC"})
    plan, listed = plan_of(rng, settlement["currency"]), ("BTC",) if settlement is LINEAR else ()
    model = msgspec.structs.replace(model, spot=2_750.0) if seed % 4 == 1 else model
    world = World(
        seed, plan, models={settlement["currency"][:3]: model}, linear=listed, start_ns=parse_time(start)
    )
    config = lively(
        **settlement,
        execution__hedges=rng.choice(["post_only", "taker"]),
        hedge__to=rng.choice(["centre", "edge"]),
        hedge__band=rng.choice([0.01, 0.03]),
        size__contracts=rng.choice([0.3, 2.0, 15.0]),  # the last is more than the best quotes have
        execution__slippage_bp=rng.choice([0.0, 5.0]),
        hedge__orphan=rng.choice(["close", "close", "keep"]),
        entry__side=rng.choice(["long", "long", "short"]),
        entry__min_days=0.0 if settles else 0.1,
        entry__max_days=0.5 if settles and rng.random() < 0.7 else 3.0,
        execution__options=rng.choice(["take", "post", "mid_then_take"]),
        execution__option_exits=rng.choice(["take", "post", "mid_then_take"]),
        execution__option_patience=rng.choice(["3s", "20s"]),
        execution__improve_every=rng.choice(["1s", "5s"]),
        execution__combo=rng.choice(["never", "prefer"]),
        **RULES[seed // 4 % len(RULES)],
    )
    others, watch = Others(world, config, rng, TROUBLE_S), Watch(world, config)

    def on_tick(hedger):
        others.tick()
        watch.look(hedger)

    world.on_tick = on_tick
    happened = lives(world, path, config, rng)
    process = Process(world, path, config)
    # News of an option may take the delta out of the band; the desk hedges at the price that comes next.
    process.run(CALM_S, lambda: process.hedger.quiet and in_band(process.hedger.desk, config.hedge.band))
    happened.update(kind for _, kind, _ in world.exchange.faults.fired)
    happened.update(others.done)
    happened |= compare(world, process, path, config, settles)
    happened |= Counter(longest_exposed_s=round(watch.longest_s))
    return happened


def compare(world, process, path, config, settles):
    hedger, account = process.hedger, world.account
    assert not LATCHES & set(hedger.risk.causes), hedger.risk.causes
    process.close()
    assert_invariants(world.exchange.floor)
    (placed, booked, others), fills = facts_of(path)
    # Orders and fills: every trade of the exchange is booked, once, and nothing else.
    theirs = Client(world.exchange, ID, SECRET).call(
        "private/get_user_trades_by_currency", currency=config.settles_in, count=1000, sorting="asc"
    )["trades"]
    listed = world.exchange.floor.catalog.by_name
    theirs = [t for t in theirs if not isinstance(listed[t["instrument_name"]], ListedCombo)]  # legs count
    prefix = placed[0].label.partition("-")[0] if placed else "none"
    mine = [t for t in theirs if t["label"].startswith(prefix)]
    assert Counter(b.trade_id for b in booked) == Counter(t["trade_id"] for t in mine)
    assert len([f for f in fills if type(f) is Fill]) == len(booked)
    baseline = hedger.positions.baseline
    outside = {fact.trade_id for fact in others} | set(baseline.trades)
    assert outside == {t["trade_id"] for t in theirs} - {t["trade_id"] for t in mine}
    labels = {p.label: p for p in placed}
    assert len(labels) == len(placed)  # no label was used twice
    at_exchange = [o for o in world.exchange.floor.engine.orders.values() if o.account == account.user_id]
    at_exchange = [o for o in at_exchange if o.label.startswith(prefix)]
    assert len({o.label for o in at_exchange}) == len(at_exchange)  # no order was accepted twice
    assert {o.label for o in at_exchange} <= set(labels)
    assert hedged_once(placed, booked)
    assert hedger.quiet
    assert not [o for o in at_exchange if o.state == "open"]
    # Positions and money.
    positions = {name: p.size for name, p in account.positions.items() if p.lots}
    expected = Counter(hedger.positions.own())
    expected.update(hedger.positions.others)
    expected.update(baseline.sizes)
    # What the holder had of an expiry is delivered.
    expected = {n: size for n, size in expected.items() if abs(size) > 1e-9 and listed[n].state == "open"}
    assert positions == pytest.approx(expected), (positions, expected, others)
    whole = not baseline.sizes and not any(
        isinstance(fact, Foreign) for fact in others
    )  # the desk's books are the account's
    wallet, spent = account.wallet(config.settles_in), 0
    for fill in fills:
        assert fill.instrument.settlement is (Settlement.LINEAR if config.linear else Settlement.INVERSE)
        spent += units(fill.fee)
        if isinstance(fill.instrument, Option):
            spent += units(fill.amount * fill.price)
    if not settles and whole:
        assert wallet.balance == wallet.deposited - spent
    if whole:
        compare_equity(world, config, hedger.desk, fills, wallet.deposited - spent)
    # Decisions.
    assert check(path).departure is None
    desk = hedger.desk
    assert in_band(desk, config.hedge.band)
    delivered = [e for e in desk.portfolio.episodes if e.close_reason == "delivery"]
    by_rule = sum(e.exited for e in desk.portfolio.episodes)
    rolled = sum(e.heir is not None for e in desk.portfolio.episodes)
    rested = sum(fill.maker and isinstance(fill.instrument, Option) for fill in fills)
    return Counter(
        orders=len(placed),
        fills=len(fills),
        options_at_rest=rested,
        combos=sum(p.combo is not None for p in placed),
        deliveries=len(delivered),
        by_rule=by_rule,
        rolled=rolled,
    )


def in_band(desk, half_width):
    """Whether every episode that waits for nothing is within its band, up to two lots."""
    held = [e for e in desk.portfolio.open.values() if e.open and not e.pending]
    mismatches = [abs(float(desk.hedge.target.mismatch(e, desk.market))) for e in held]
    return all(mismatch <= half_width + 20 / desk.market.index for mismatch in mismatches)


def compare_equity(world, config, desk, fills, cash):
    """Futures and deliveries, up to the funding of a minute or two."""
    client = Client(world.exchange, ID, SECRET)
    summary = client.call("private/get_account_summary", currency=config.settles_in)
    mark = client.call("public/ticker", instrument_name=f"{config.currency}-PERPETUAL")["mark_price"]
    ours = cash / 1e8
    for fill in fills:
        if not isinstance(fill.instrument, Option):
            ours += fill.amount * (mark - fill.price if config.linear else 1 / fill.price - 1 / mark)
    for episode in desk.portfolio.episodes:
        for entry in episode.ledger.entries:
            if entry.memo == "delivery":
                ours += (entry.usd if config.linear else entry.coin) / 1e8
            elif entry.memo == "delivery fee":
                ours -= (entry.usd if config.linear else entry.coin) / 1e8
    funding = 5e-6 * (mark if config.linear else 1.0)
    assert summary["equity"] - summary["options_value"] == pytest.approx(ours, abs=funding)


@pytest.mark.parametrize("batch", range(0, SESSIONS, BATCH))
def test_sessions_under_faults(batch, tmp_path, capsys):
    seeds = range(FIRST_SEED + batch, FIRST_SEED + min(batch + BATCH, SESSIONS))
    run_batch(run_session, seeds, tmp_path, capsys)
