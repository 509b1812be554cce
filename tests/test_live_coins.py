"""Sessions in coins that settle in USDC alone: lots, ticks and fees of the exchange's catalog."""

import msgspec
import pytest

from gammacore.contracts import Grids, Option
from gammacore.daycount import parse_time
from gammacore.exchange import ExchangeConfig
from gammacore.exchange.coins import grids, with_families
from gammacore.live.about import CatalogRead
from gammacore.live.follow import Follower
from gammacore.live.journal import read
from gammacore.live.records import decode_event, decode_fact
from support.live_world import Process, World, lively


def world_of(family, start, **changes):
    listed = with_families(ExchangeConfig(models={}, linear=()), (family,))
    models = {base: msgspec.structs.replace(model, **changes) for base, model in listed.models.items()}
    return World(models=models, linear=listed.linear, start_ns=parse_time(start))


def config_of(family, units, **changes):
    return lively(
        **{
            "currency": family,
            "hedge__target": "black",
            "hedge__band": 0.02 * units,
            "size__contracts": units,
            "entry__min_days": 0.0,
            "entry__max_days": 0.5,
        }
        | changes
    )


def equity(world):
    return world.exchange.floor.views.summary(world.account, "USDC")["equity"]


@pytest.mark.parametrize(
    ("family", "units", "lot", "strike"), [("SOL_USDC", 20.0, 0.1, "-1"), ("XRP_USDC", 2_000.0, 1.0, "-0d")]
)
def test_a_straddle_is_entered_hedged_and_delivered_and_sums(tmp_path, family, units, lot, strike):
    world = world_of(family, "2026-11-26T07:54:00Z", vol=4.0)
    before = equity(world)
    process = Process(world, tmp_path / "j.db", config_of(family, units, hedge__band=0.01 * units))
    assert process.run(480)
    process.close()
    follower = Follower(tmp_path / "j.db")
    follower.update()
    assert follower.departure is None
    fills = [decode_event(r.body) for r in read(tmp_path / "j.db") if r.name == "Fill"]
    options = [f for f in fills if isinstance(f.instrument, Option)]
    hedges = [f for f in fills if not isinstance(f.instrument, Option)]
    assert {f.amount for f in options} == {units}
    assert all(f.instrument.name.startswith(f"{family}-26NOV26{strike}") for f in options)
    assert len(hedges) > 2
    for fill in hedges:
        assert grids().spec_for(fill.instrument).round_amount(fill.amount) == fill.amount
        assert abs(fill.amount / lot - round(fill.amount / lot)) < 1e-9
    for fill in fills:
        assert grids().spec_for(fill.instrument).is_on_tick(fill.price)
    (episode,) = process.hedger.desk.portfolio.episodes
    assert (episode.close_reason, episode.hedge.amount) == ("delivery", 0.0)
    explained = follower.explain()
    assert sum(money.usd for money in explained.lines.values()) == pytest.approx(
        explained.total.usd, abs=1e-8
    )
    assert equity(world) - before == pytest.approx(explained.total.usd, abs=1e-6)


def test_the_catalog_is_in_the_journal_and_a_later_process_decides_by_its_own(tmp_path):
    world, path = world_of("SOL_USDC", "2026-11-25T12:00:00Z"), tmp_path / "j.db"
    config = config_of("SOL_USDC", 20.0, entry__max_days=3.0)
    first = Process(world, path, config)
    assert first.run(30)
    first.close()
    for listing in world.exchange.floor.catalog.by_name.values():
        if listing.kind == "future":
            listing.row["min_trade_amount"] = 0.5
    second = Process(world, path, config)
    perpetual = second.hedger.feed.perpetual
    assert second.hedger.desk.hedge.leg(perpetual, 0.6, 140.0).amount == 0.5
    second.run(5)
    second.close()
    told = [decode_fact(r.body, CatalogRead) for r in read(path) if r.name == "CatalogRead"]
    assert [Grids(fact.rows).spec_for(perpetual).min_trade_amount for fact in told] == [0.1, 0.5]
    follower = Follower(path)
    follower.update()
    assert follower.departure is None
    assert follower.desk.hedge.leg(perpetual, 0.6, 140.0).amount == 0.5
