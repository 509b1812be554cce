"""What netting saves on real chains: overlapping weeklies hedged as one book, against each by itself."""

from functools import cache

import pytest

from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.config import load_config
from gammacore.contracts import Option
from support.shared_data import recorded

OVERLAPPING = {"currency": "BTC", "data.end": "2026-03-15", "entry.min_days": 6.0, "entry.max_days": 23.0}
OVERLAPPING |= {"execution.hedges": "taker"}  # no draws, which differ between the two


@cache
def tape():
    bars = recorded("data/prices/btcusdt_binance_spot_1h.csv.gz")
    data = {
        "data.chains": str(recorded("data/deribit_options")),
        "data.prices": str(bars),
        "data.force": True,
    }
    return load_market(load_config(None, OVERLAPPING | data)).tape


def cost_of_hedging(scope, **changes):
    """Fees and spread of the hedges that were traded, coin."""
    run = replay(load_config(None, OVERLAPPING | {"hedge.scope": scope} | changes), tape())
    trades = [
        fill
        for done in run.traded
        for fill in done.episode.fills
        if not isinstance(fill.instrument, Option) and "-transfer-" not in fill.order_id
    ]
    return sum(fill.fee + fill.amount * (1.0 / fill.mark - 1.0 / fill.price) for fill in trades)


@pytest.mark.parametrize(("structure", "least", "most"), [("calendar", 0.40, 0.55), ("straddle", 0.03, 0.15)])
def test_what_netting_saves(structure, least, most):
    # Calendars offset each other, straddles of one sign do so only where they are struck apart.
    rule = {"entry.structure": structure, "hedge.rule": "interval", "hedge.every": "8h"}
    saved = 1.0 - cost_of_hedging("book", **rule) / cost_of_hedging("episode", **rule)
    assert least < saved < most


def test_a_band_in_coins_is_the_books():
    """Three straddles have three times the delta of one: the same band for all of them is a narrower one."""
    rule = {"hedge.rule": "band", "hedge.band": 0.05}
    assert cost_of_hedging("book", **rule) > 1.2 * cost_of_hedging("episode", **rule)
    wider = cost_of_hedging("book", **rule | {"hedge.band": 0.15})
    assert wider < cost_of_hedging("episode", **rule)
