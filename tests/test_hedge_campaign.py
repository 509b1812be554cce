"""Accounts with ten options in four expiries, hedged and traded by hand meanwhile, under faults and kills.

``GAMMACORE_CAMPAIGN=500`` sets how many seeded sessions are run (default: a few), and
``GAMMACORE_CAMPAIGN_SEED`` the first seed.
"""

import math
import os
import random
from collections import Counter

import msgspec
import pytest

from gammacore.contracts import Option
from gammacore.daycount import parse_time
from gammacore.exchange import MarketModel
from gammacore.exchange.invariants import assert_invariants
from gammacore.live.follow import Follower, carried
from gammacore.live.parity import check
from support.campaign import CALM_S, TROUBLE_S, facts_of, hedged_once, lives, plan_of, run_batch
from support.campaign_book import SUB, SUB_SECRET, BookWatch, Market, in_band
from support.live_world import ID, SECRET, Process, World, lively
from support.local_exchange import Client

SESSIONS = int(os.environ.get("GAMMACORE_CAMPAIGN", "8"))
FIRST_SEED = int(os.environ.get("GAMMACORE_CAMPAIGN_SEED", "0"))
BATCH = 4
LATCHES = {"positions", "unexpected trade", "wrong way", "order rate", "option order", "adoption"}
CURRENCIES = ({"currency": "BTC"}, {"currency": "ETH"}, {"currency": "BTC"}, {"currency": "BTC_USDC"})


def run_session(seed, path):
    """One session: trouble with kills, calm, and then what is held against what; returns what happened."""
    rng = random.Random(seed)
    currency = CURRENCIES[seed % 4]
    linear = currency["currency"].endswith("USDC")
    model = MarketModel(vol=rng.choice([0.6, 1.5, 3.0]))
    model = msgspec.structs.replace(model, spot=2_750.0) if seed % 4 == 1 else model
    settles = rng.random() < 0.3  # 08:00 falls into the trouble, with a delivery
    start = "2026-11-26T07:58:50Z" if settles else "2026-11-25T12:00:00Z"
    world = World(
        seed,
        plan_of(rng, currency["currency"]),
        models={currency["currency"][:3]: model},
        linear=("BTC",) if linear else (),
        start_ns=parse_time(start),
        expiries=4,
        clients={ID: SECRET, SUB: SUB_SECRET},
    )
    config = lively(
        **currency,
        **({"hedge__target": "black"} if linear else {}),
        entry__structure="none",
        live__adopt="all",
        live__adopt_futures=rng.random() < 0.3,
        live__adopt_basis=rng.choice(["mark", "average"]),
        execution__hedges=rng.choice(["post_only", "taker"]),
        execution__slippage_bp=rng.choice([0.0, 5.0]),
        hedge__to=rng.choice(["centre", "edge"]),
        hedge__band=rng.choice([0.01, 0.03]),
        hedge__orphan=rng.choice(["close", "keep"]),
    )
    market, watch = Market(world, config, rng, TROUBLE_S), BookWatch(world, config)

    def on_tick(hedger):
        market.tick()
        watch.look(hedger)

    world.on_tick = on_tick
    happened = lives(world, path, config, rng)
    process = Process(world, path, config)
    hedger = process.hedger
    process.run(CALM_S, lambda: hedger.quiet and watch.content(hedger))
    happened.update(kind for _, kind, _ in world.exchange.faults.fired)
    happened.update(market.done)
    happened |= compare(world, process, path, config)
    return happened | Counter(longest_exposed_s=round(watch.longest_s))


def compare(world, process, path, config):
    hedger, account = process.hedger, world.account
    assert not LATCHES & set(hedger.risk.causes), hedger.risk.causes
    desk, shares = hedger.desk, hedger.positions.shares
    process.close()
    assert_invariants(world.exchange.floor)
    (placed, booked, others), fills = facts_of(path)
    assert not [p for p in placed if isinstance(p.instrument, Option)]  # never an option order
    theirs = Client(world.exchange, ID, SECRET).call(
        "private/get_user_trades_by_currency", currency=config.settles_in, count=1000, sorting="asc"
    )["trades"]
    prefix = placed[0].label.partition("-")[0] if placed else "none"
    mine = [t for t in theirs if t["label"].startswith(prefix)]
    assert Counter(b.trade_id for b in booked) == Counter(t["trade_id"] for t in mine)
    outside = {fact.trade_id for fact in others if not fact.trade_id.startswith("moved-")}
    assert outside | set(shares.baseline.trades) == {t["trade_id"] for t in theirs} - {
        t["trade_id"] for t in mine
    }
    assert len({p.label for p in placed}) == len(placed)
    at_exchange = [o for o in world.exchange.floor.engine.orders.values() if o.account == account.user_id]
    at_exchange = [o for o in at_exchange if o.label.startswith(prefix)]
    assert len({o.label for o in at_exchange}) == len(at_exchange)  # no order was accepted twice
    assert not [o for o in at_exchange if isinstance(o.listing.instrument, Option)]
    assert not [o for o in at_exchange if o.state == "open"]
    assert hedged_once(placed, booked)
    assert hedger.quiet
    # Everything that the account holds is in the book or known to be another's; all options are in it.
    expected = Counter(hedger.positions.own())
    for name in shares.names:
        expected[name] += shares.total(name)
    listed = world.exchange.floor.catalog.by_name
    held = {name: p.size for name, p in account.positions.items() if p.lots}
    assert held == pytest.approx(
        {n: size for n, size in expected.items() if abs(size) > 1e-9 and listed[n].state == "open"}
    )
    options = {n: size for n, size in held.items() if isinstance(listed[n].instrument, Option)}
    assert {n: s for n, s in hedger.positions.own().items() if "PERPETUAL" not in n} == pytest.approx(options)
    assert in_band(desk, config.hedge.band)
    assert_sums(desk)
    assert check(path).departure is None
    follower = Follower(path)
    follower.update()
    assert follower.explain() is not None  # raises where lines and ledgers differ
    delivered = [e for e in desk.portfolio.episodes if e.close_reason == "delivery"]
    return Counter(orders=len(placed), fills=len(fills), deliveries=len(delivered), options=len(options))


def assert_sums(desk):
    """Profits of all episodes and of the residual add up to the book's at marks."""
    portfolio = desk.portfolio
    whole = carried(portfolio.book, desk).ledger.profit()
    parts = [(e if e.end_ns else carried(e, desk)).ledger.profit() for e in portfolio.accounts]
    postings = sum(e.ledger.roundings for e in (*portfolio.accounts, portfolio.book)) + 2 * len(parts)
    for i, one in enumerate(whole):
        unit = 1e-8 if i == 0 else 1e-8 * max(desk.market.index, 1.0)
        assert abs(one - math.fsum(part[i] for part in parts)) <= postings * unit


@pytest.mark.parametrize("batch", range(0, SESSIONS, BATCH))
def test_books_are_hedged_under_faults(batch, tmp_path, capsys):
    seeds = range(FIRST_SEED + batch, FIRST_SEED + min(batch + BATCH, SESSIONS))
    run_batch(run_session, seeds, tmp_path, capsys)
