"""What the account must hold before a session that hedges it begins."""

import pytest

from gammacore.contracts import Settlement, parse
from gammacore.errors import SessionError
from gammacore.live.held import demand_held
from gammacore.live.selection import Selection

LISTED = [parse(f"BTC-{day}-100000-{side}") for day in ("27MAR26", "24APR26") for side in "CP"]
HELD = [LISTED[0], LISTED[3], parse("BTC-PERPETUAL")]
BTC = Selection("BTC", Settlement.INVERSE)


@pytest.mark.parametrize(
    ("selection", "held", "told"),
    [
        (
            Selection("ETH", Settlement.INVERSE),
            HELD,
            "currency: the account holds no options of ETH, only of BTC; type --set currency=BTC",
        ),
        (
            BTC,
            [parse("BTC_USDC-27MAR26-100000-C")],
            "currency: the account holds no options of BTC, only of BTC_USDC; type --set currency=BTC_USDC",
        ),
        (
            BTC._replace(expiries=(parse("BTC-3APR26").expiry_ns,)),
            HELD,
            "--expiry 3APR26: no options of that day are listed; the nearest that are expire on 27MAR26",
        ),
        (
            BTC._replace(instruments=("BTC-27MAR26-100000-P",)),
            HELD,
            "--instrument BTC-27MAR26-100000-P: the account does not hold it; "
            "the nearest that it holds is BTC-27MAR26-100000-C",
        ),
        (
            BTC._replace(instruments=("BTC-27MAR26-100000-P",)),
            [],
            "--instrument BTC-27MAR26-100000-P: the account does not hold it; it holds no options",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest_that_is(selection, held, told):
    with pytest.raises(SessionError) as refused:
        demand_held(selection, held, LISTED)
    assert str(refused.value) == told


@pytest.mark.parametrize(
    "selection",
    [
        BTC,
        BTC._replace(expiries=(LISTED[0].expiry_ns,), instruments=(LISTED[0].name,)),
        BTC._replace(instruments=("BTC-*-P", "*-999999-C")),  # of patterns something may come
    ],
)
def test_what_is_there_is_not(selection):
    demand_held(selection, HELD, LISTED)
    demand_held(BTC, [], LISTED)  # nothing yet
