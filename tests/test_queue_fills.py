"""Orders in a recorded book: their place in the queue by hand and by an oracle, what ends its knowledge."""

import numpy as np
import pytest

from gammacore import _queue as q
from gammacore.backtest.replay.queue_fills import QueueFill, QueueModel, RecordedBook
from support.books import blocks, random_feed
from support.reference.queue_place import QueuePlace

BID, ASK, BUY, SELL = q.BIDS, q.ASKS, q.BUY_TRADE, q.SELL_TRADE
TOLD = [(0, q.CLEAR, 0, 0.0), (0, BID, 99, 8.0), (0, BID, 100, 10.0), (0, ASK, 101, 12.0), (0, ASK, 102, 5.0)]
WHOLE = [(*change, change is TOLD[-1]) for change in TOLD]


def recorded(rows, cancels="pro_rata", power=3.0, size=1_000_000):
    return RecordedBook(blocks(rows, size), 1.0, 1.0, QueueModel(cancels=cancels, power=power))


def book(*messages, **model):
    """A book told whole at 0, then one message each: (ts, kind, tick, amount)."""
    return recorded(WHOLE + [(*message, True) for message in messages], **model)


def rested(found, price=100.0, amount=5.0, buys=True):
    found.follow(0)
    order = found.rest(buys, price, amount)
    found.follow(2**62)
    return [(fill.ts_ns, fill.amount) for fill in found.fills(order)]


def test_trades_take_what_is_ahead_first():
    assert rested(book((1, SELL, 100, 4.0), (2, BID, 100, 6.0), (3, SELL, 100, 8.0))) == [(3, 2.0)]
    assert rested(book((1, SELL, 100, 10.0))) == []
    assert rested(book((1, SELL, 100, 11.0), (2, SELL, 100, 9.0))) == [(1, 1.0), (2, 4.0)]
    sells = book((1, BUY, 101, 14.0))
    assert rested(sells, 101.0, 5.0, buys=False) == [(1, 2.0)]


def test_no_fill_is_more_than_what_traded():
    # All that was ahead had gone before.
    assert rested(book((1, BID, 100, 0.0), (2, BID, 100, 3.0), (3, SELL, 100, 2.0))) == [(3, 2.0)]


def test_a_touch_fills_nothing_and_a_trade_beyond_fills_all():
    assert rested(book((1, BID, 100, 0.0), (2, ASK, 101, 3.0))) == []
    assert rested(book((1, SELL, 99, 1.0))) == [(1, 5.0)]
    assert rested(book((1, BUY, 101, 50.0))) == []
    assert rested(book((1, BID, 100, 0.0), (2, ASK, 100, 1.0))) == [(2, 5.0)]  # their best has come to us


@pytest.mark.parametrize(("cancels", "ahead"), [("behind", 10.0), ("pro_rata", 6.0), ("power", 6.0)])
def test_where_others_cancel(cancels, ahead):
    """10 ahead and 10 behind, of which 8 go."""
    found = book((1, BID, 100, 20.0), (2, BID, 100, 12.0), cancels=cancels)
    found.follow(0)
    order = found.rest(True, 100.0, 5.0)
    found.follow(2)
    assert found._book.left(order) == (5.0, pytest.approx(ahead))


@pytest.mark.parametrize(("cancels", "ahead"), [("pro_rata", 7.5 - 8 / 4), ("power", 7.5 - 8 / 28)])
def test_a_power_law_has_more_go_behind_where_more_is_behind(cancels, ahead):
    """7.5 ahead and 22.5 behind, of which 8 go: by the cube 27 of 28 from behind."""
    found = book((0, BID, 100, 7.5), (1, BID, 100, 30.0), (2, BID, 100, 22.0), cancels=cancels)
    found.follow(0)
    order = found.rest(True, 100.0, 5.0)
    found.follow(2)
    assert found._book.left(order)[1] == pytest.approx(ahead)


def test_what_a_trade_took_is_no_cancellation():
    """The level tells again what the trade has told."""
    found = book((1, SELL, 100, 6.0), (1, BID, 100, 4.0))
    found.follow(0)
    order = found.rest(True, 100.0, 5.0)
    found.follow(1)
    assert found._book.left(order) == (5.0, 4.0)


@pytest.mark.parametrize(
    ("at_ns", "window_ns", "ahead"), [(150, 100, 3.0), (150, 200, 1.5), (150, 50, 6.0), (150, 0, 6.0)]
)
def test_others_cancel_evenly_in_the_window_of_a_message(at_ns, window_ns, ahead):
    """Of 10 ahead 4 trade; the message at 200 tells that 6 were cancelled, of which some came before."""
    rows = [*WHOLE, (at_ns, SELL, 100, 4.0, True), (200, BID, 100, 0.0, True)]
    found = RecordedBook(blocks(rows), 1.0, 1.0, QueueModel(window_ns=window_ns))
    found.follow(0)
    order = found.rest(True, 100.0, 5.0)
    found.follow(at_ns)
    assert found._book.left(order) == (5.0, pytest.approx(ahead))


def test_two_trades_in_one_window_share_its_cancellations():
    """By 120 a fifth of 6 were cancelled, by 160 three fifths; no other level and message tells of them."""
    trades = [(120, SELL, 100, 2.0, True), (160, SELL, 100, 2.0, True)]
    rows = [*WHOLE, *trades, (200, BID, 99, 0.0, False), (200, BID, 100, 0.0, True)]
    found = RecordedBook(blocks(rows), 1.0, 1.0, QueueModel(window_ns=100))
    found.follow(0)
    order = found.rest(True, 100.0, 5.0)
    found.follow(160)
    assert found._book.left(order) == (5.0, pytest.approx(10.0 - 3.6 - 4.0))
    apart = [*WHOLE, *trades, (200, BID, 99, 0.0, True), (200, BID, 100, 0.0, True)]
    found = RecordedBook(blocks(apart), 1.0, 1.0, QueueModel(window_ns=100))
    found.follow(0)
    order = found.rest(True, 100.0, 5.0)
    found.follow(160)
    assert found._book.left(order) == (5.0, 6.0)


@pytest.mark.parametrize(("mark", "fills"), [(q.OWN, [(200, 5.0)]), (0, [])])
def test_a_trade_with_an_order_that_no_level_has_leaves_the_level_to_cancellations(mark, fills):
    """All 10 ahead are gone at 200: cancelled before the trade with ours, or 5 of them traded."""
    found = recorded([*WHOLE, (200, SELL | mark, 100, 5.0, True), (200, BID, 100, 0.0, True)])
    assert rested(found) == fills


@pytest.mark.parametrize(("cancels", "exponent"), [("behind", None), ("pro_rata", 1.0), ("power", 2.0)])
@pytest.mark.parametrize("seed", range(20))
def test_an_order_at_random_against_the_oracle(seed, cancels, exponent):
    rows = random_feed(seed, 4_000)
    rng = np.random.default_rng(seed)
    at_ns, buys = rows[int(rng.integers(500, 1_500))][0], bool(rng.integers(0, 2))
    found = recorded(rows, cancels, 2.0, size=777)
    found.follow(at_ns)
    bid, ask = found.quote()
    price = bid - rng.integers(0, 3) if buys else ask + rng.integers(0, 3)
    order = found.rest(buys, float(price), 30.0)
    found.follow(2**62)
    place = QueuePlace(rows, at_ns, buys, int(price), 30.0, exponent)
    assert [(fill.ts_ns, fill.amount) for fill in found.fills(order)] == place.fills
    assert found.left(order) == 30.0 - sum(amount for _, amount in place.fills)


# ---- what ends the knowledge ---------------------------------------------------------


def test_after_a_gap_nothing_fills_until_the_book_is_told_whole_and_the_place_is_the_last():
    rows = [*WHOLE, (1, q.GAP, 0, 0.0, True), (2, SELL, 99, 50.0, True)]
    rows += [(3, q.CLEAR, 0, 0.0, False), (3, BID, 100, 7.0, False), (3, ASK, 101, 9.0, True)]
    rows += [(4, SELL, 100, 7.0, True), (5, SELL, 100, 2.0, True)]
    found = recorded(rows)
    assert rested(found) == [(5, 2.0)]
    assert found.counts() == {"crossed": 0, "gaps": 1, "outside": 0}


def test_a_crossed_book_fills_nothing_while_it_is():
    found = book((1, BID, 103, 4.0), (2, SELL, 99, 50.0), (3, BID, 103, 0.0), (4, SELL, 100, 11.0))
    assert rested(found) == [(4, 1.0)]
    assert found.counts()["crossed"] == 1
    apart = book((1, BID, 103, 4.0), (2, BID, 99, 1.0))
    apart.follow(1)
    assert not apart.known


def test_changes_of_one_message_are_looked_at_together():
    """Bids move up before the asks that they pass are taken out: the message has not ended."""
    found = recorded([*WHOLE, (1, BID, 101, 4.0, False), (1, ASK, 101, 0.0, True)])
    found.follow(1)
    assert found.quote() == (101.0, 102.0)
    assert found.counts()["crossed"] == 0


def test_a_trade_on_the_other_side_of_the_book_is_counted_and_fills_nothing():
    found = book((1, SELL, 101, 50.0), (2, BUY, 100, 50.0))
    assert rested(found) == []
    assert found.counts()["outside"] == 2


def test_before_the_book_is_told_and_after_its_end_it_is_not_known():
    found = book((5, BID, 100, 9.0))
    assert not found.known
    found.follow(3)
    assert found.known
    found.follow(6)
    assert not found.known


# ---- takers ----------------------------------------------------------------------------


def test_a_taker_gets_what_is_shown_up_to_its_limit_once():
    found = book((1, ASK, 101, 3.0), (2, ASK, 101, 3.0))
    found.follow(0)
    parts = [QueueFill(0, 101.0, 12.0, False), QueueFill(0, 102.0, 2.0, False)]
    assert found.take(True, 102.0, 14.0) == parts
    assert found.take(True, 102.0, 14.0) == [QueueFill(0, 102.0, 3.0, False)]  # nothing is taken twice
    assert found.take(True, 101.0, 14.0) == []
    found.follow(1)
    assert found.take(True, 101.0, 14.0) == [QueueFill(1, 101.0, 3.0, False)]  # the level was told again
    assert [(part.price, part.amount) for part in found.take(False, 99.0, 11.0)] == [
        (100.0, 10.0),
        (99.0, 1.0),
    ]


def test_a_post_only_order_that_would_take_is_moved_inside_the_spread_or_refused():
    found = book((1, SELL, 100, 40.0), (2, BUY, 101, 40.0))
    found.follow(0)
    assert found.rest(True, 101.0, 1.0, fixed=True) is None
    assert found.rest(False, 100.0, 1.0, fixed=True) is None
    moved = found.rest(True, 105.0, 1.0), found.rest(False, 95.0, 1.0)
    found.follow(2)
    assert [found.fills(order)[0].price for order in moved] == [100.0, 101.0]


def test_an_order_is_cancelled_once():
    found = book()
    found.follow(0)
    order = found.rest(False, 101.0, 2.0)
    assert (found.left(order), found.cancel(order), found.cancel(order)) == (2.0, 2.0, 0.0)


def test_prices_far_from_all_others_make_room():
    found = book((1, BID, 5, 1.0), (2, ASK, 200_000, 1.0), (3, BID, 100, 0.0), (4, BID, 99, 0.0))
    found.follow(4)
    assert found.quote() == (5.0, 101.0)
    with pytest.raises(ValueError, match="too far from the others"):
        book((1, ASK, 2**30, 1.0)).follow(2)


def test_columns_of_different_length_and_blocks_out_of_turn_are_refused():
    found = q.QueueBook(1.0, 1.0)
    ts, kind, tick, amount = next(blocks([(5, BID, 100, 1.0, True)]))
    with pytest.raises(ValueError, match="different length"):
        found.load(ts, kind, tick, amount[:0])
    found.load(ts, kind, tick, amount)
    with pytest.raises(ValueError, match="was not followed to its end"):
        found.load(ts, kind, tick, amount)
    for _ in range(q.MOST_ORDERS):
        found.place(BID, 100, 1.0)
    with pytest.raises(ValueError, match=f"more than {q.MOST_ORDERS} orders"):
        found.place(BID, 100, 1.0)
