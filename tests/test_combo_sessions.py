"""Sessions on the local exchange that trade structures as combos, in and out."""

import pytest

from gammacore.exchange.invariants import assert_invariants
from support.live_world import ID, SECRET, Process, World, lively
from support.local_exchange import Client

SECOND = 1 / 86_400  # of a day


@pytest.mark.parametrize(
    ("structure", "code", "legs"),
    [
        ("straddle", "STRD", 2),
        ("calendar", "CCAL", 2),
        ("iron_butterfly", "IBUT", 4),  # sold: the exchange lists the wings as bought
        ("risk_reversal", "RR", 2),
        ("ratio", "CSR12", 2),
    ],
)
def test_a_structure_is_entered_and_left_as_one_combo(tmp_path, structure, code, legs):
    world = World(seed=3, linear=(), expiries=4, strikes=8)
    config = lively(
        entry__structure=structure,
        entry__far_days=1.0,
        entry__max_days=2.5,
        exit__rules={"max_days": 20 * SECOND},
        execution__combo="prefer",
        hedge__band=0.2,
    )
    process = Process(world, tmp_path / "journal.db", config)
    process.run(60, lambda: any(not e.open for e in process.hedger.desk.portfolio.episodes))
    client = Client(world.exchange, ID, SECRET)
    trades = client.call("private/get_user_trades_by_currency", currency="BTC", count=1000, sorting="asc")
    options = [t for t in trades["trades"] if t["instrument_name"][-2:] in ("-C", "-P")]
    combos = [t for t in trades["trades"] if f"-{code}-" in t["instrument_name"]]
    entry, exit_ = combos[:2]
    assert {entry["direction"], exit_["direction"]} == {"buy", "sell"}
    assert entry["instrument_name"] == exit_["instrument_name"]
    assert {t["combo_id"] for t in options[: 2 * legs]} == {entry["instrument_name"]}
    for one, traded in ((entry, options[:legs]), (exit_, options[legs : 2 * legs])):
        sides = {
            side: sum(t["fee"] for t in traded if t["direction"] == side)
            for side in {t["direction"] for t in traded}
        }
        assert min(sides.values()) == 0.0 if len(sides) == 2 else min(sides.values()) > 0.0
        worth = sum((1 if t["direction"] == "buy" else -1) * t["amount"] * t["price"] for t in traded)
        side = 1 if one["direction"] == "buy" else -1
        assert worth == pytest.approx(side * one["amount"] * one["price"], abs=1e-12)
    (first, *_) = process.hedger.desk.portfolio.episodes
    assert len({fill.instrument for fill in first.option_fills()}) == legs
    assert not first.open
    process.close()
    assert_invariants(world.exchange.floor)
