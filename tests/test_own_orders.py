"""A recorded book without our own orders."""

import pytest

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
    order = SentOrder(10, 40, -7.0, 50.0, True, ((20, 50.0, -3.0), (30, 50.0, -4.0)))
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


# ---- what our orders took ----------------------------------------------------------------

TAKEN = SentOrder(10, 12, 9.0, 50.5, False, ((11, 50.0, 7.0), (11, 50.5, 2.0)))


def clean(rows, order=TAKEN):
    (block,) = without_own(blocks(rows), [order], 0.5, 1.0)
    columns = (block.ts_ns, block.kind & (q.LAST - 1), block.tick, block.amount, block.kind & q.LAST)
    return [tuple(map(float, row)) for row in zip(*columns, strict=True)]


def given(rows):
    return [(ts, kind, tick, amount, float(q.LAST if last else 0)) for ts, kind, tick, amount, last in rows]


def test_what_was_taken_is_given_back_until_the_next_message():
    """Both asks that we took from are told at 50; the message at 60 knows nothing of them."""
    trades = [(11, BUY, 100, 7.0, True), (11, BUY, 101, 2.0, True)]
    told = [(50, ASK, 100, 0.0, False), (50, BID, 90, 3.0, False), (50, ASK, 101, 20.0, True)]
    later = [(60, BUY, 101, 1.0, True), (60, BID, 90, 4.0, True)]
    back = [(50, ASK, 100, 7.0, False), (50, BID, 90, 3.0, False), (50, ASK, 101, 22.0, True)]
    out_again = [(60, ASK, 100, 0.0, False), (60, ASK, 101, 20.0, False)]
    found = clean([*trades, *told, *later])
    assert found == given([*trades, *back, later[0], *out_again, later[1]])


def test_of_one_millisecond_the_last_message_tells_what_was_taken():
    told = [(11, ASK, 100, 9.0, True), (11, ASK, 100, 2.0, True), (60, ASK, 100, 5.0, True)]
    back = [told[0], (11, ASK, 100, 9.0, True), (60, ASK, 100, 2.0, False), told[2]]
    assert clean(told) == given(back)


@pytest.mark.parametrize(
    "rows",
    [
        [(50, BID, 100, 20.0, True), (60, BID, 90, 1.0, True)],  # the other side
        [(11 + 100_000_001, ASK, 100, 0.0, True), (2**40, BID, 90, 1.0, True)],  # told too late for it
        [(50, ASK, 100, 0.0, False), (50, BID, 100, 5.0, True), (60, BID, 90, 1.0, True)],  # bids are there
        [(50, ASK, 100, 0.0, True)],  # no message would take it out again
    ],
)
def test_what_cannot_be_given_back_is_left_as_it_was_told(rows):
    assert clean(rows) == given(rows)


def test_what_we_sold_is_given_back_to_the_bids():
    sold = SentOrder(10, 12, -7.0, 49.5, False, ((11, 50.0, -7.0),))
    told = [(50, BID, 100, 1.0, False), (50, ASK, 101, 3.0, True), (60, BID, 90, 1.0, True)]
    assert clean(told, sold) == given(
        [(50, BID, 100, 8.0, False), *told[1:2], (60, BID, 100, 1.0, False), told[2]]
    )
