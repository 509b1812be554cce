"""A recorded book without our own orders."""

from gammacore import _queue as q
from gammacore.backtest.replay.own_orders import without_own
from gammacore.execution.sent import SentOrder
from support.books import blocks

BID, ASK, BUY, SELL = q.BIDS, q.ASKS, q.BUY_TRADE, q.SELL_TRADE
OURS = q.OWN | q.LAST


def left(rows, *sent, size=100):
    """Kind, tick and amount of the rows that differ from those given, by their number."""
    found = [
        (int(kind), int(tick), float(amount))
        for block in without_own(blocks(rows, size), sent, 0.5, 1.0)
        for kind, tick, amount in zip(block.kind, block.tick, block.amount, strict=True)
    ]
    given = [(kind | (q.LAST if last else 0), tick, amount) for _, kind, tick, amount, last in rows]
    return {k: row for k, (row, before) in enumerate(zip(found, given, strict=True)) if row != before}


def test_levels_are_told_without_ours_while_it_rests():
    order = SentOrder(10, 50, 7.0, 50.0, True)
    rows = [(t, BID, 100, 20.0, True) for t in (9, 10, 49, 50)]
    assert left(rows, order) == {1: (BID | q.LAST, 100, 13.0), 2: (BID | q.LAST, 100, 13.0)}
    elsewhere = [(20, BID, 99, 20.0, True), (20, ASK, 100, 20.0, True), (20, SELL, 100, 9.0, True)]
    assert left(elsewhere, order) == {}


def test_no_level_is_told_below_nothing():
    """The order has left, and is not there yet."""
    rows = [(11, ASK, 100, 3.0, True), (12, ASK, 100, 0.0, True), (13, ASK, 100, 7.0, True)]
    gone = (ASK | q.LAST, 100, 0.0)
    assert left(rows, SentOrder(10, 50, -7.0, 50.0, True)) == {0: gone, 2: gone}


def test_after_a_fill_what_is_left_is_taken_out_and_the_trade_is_marked():
    """Sold 3 of 7 at 20 and the rest at 30, each in a trade of that amount; others traded as well."""
    order = SentOrder(10, 40, -7.0, 50.0, True, ((20, -3.0), (30, -4.0)))
    rows = [
        (15, ASK, 100, 10.0, True),
        (20, BUY, 100, 5.0, True),
        (20, BUY, 100, 3.0, True),
        (20, ASK, 100, 4.0, True),
        (25, BUY, 100, 4.0, True),
        (30, BUY, 100, 4.0, True),
        (35, ASK, 100, 9.0, True),
    ]
    found = {0: (ASK | q.LAST, 100, 3.0), 2: (BUY | OURS, 100, 3.0), 3: (ASK | q.LAST, 100, 0.0)}
    found[5] = (BUY | OURS, 100, 4.0)
    for size in (100, 4, 1):  # blocks that begin and end within the order
        assert left(rows, order, size=size) == found


def test_orders_that_take_leave_the_recording_as_it_is():
    taken = SentOrder(10, 12, 7.0, 50.0, False, ((11, 7.0),))
    assert left([(11, BUY, 100, 7.0, True), (11, BID, 100, 20.0, True)], taken) == {}
