"""Trades of the account into the desk, by hand: what is booked of each, by its ledger and its hedge."""

import math
from types import SimpleNamespace

import pytest

from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.contracts import parse
from gammacore.data.listings import published
from gammacore.deribit.news import OrderState, PositionMove, TradeNews
from gammacore.events import Fill
from gammacore.ledger import Account
from gammacore.live.bookings import Bookings
from gammacore.live.positions import Adopted, Positions
from gammacore.live.risk_manager import Mode
from gammacore.live.solvency import profit_usd
from support.live_world import lively
from support.markets import START, chains_of
from support.messages import CALL, PERPETUAL, PUT, S


class Books:
    """A desk that holds a straddle of a coin and is short 6,000 USD; what is booked into it, and told."""

    def __init__(self):
        self.desk = desk = build_desk(
            lively(entry__max_days=10.0, entry__expiries="fridays", hedge__band=5.0), published(), "book"
        )
        (order,) = desk.handle(Tape(chains_of([START], [60e3])).snapshot(0))
        for k, leg in enumerate(order.legs):
            desk.handle(Fill(START, order.order_id, 0, leg.instrument, leg.amount, 0.035, 0.034, 0.0, k == 1))
        self.facts, self.latched, self.booked = [], [], {"t9"}
        execution = SimpleNamespace(
            session="g1",
            has_booked=lambda trade_id: trade_id in self.booked,
            filled_by=lambda news: (None, math.inf),
            knows=lambda label: False,
        )
        parts = SimpleNamespace(
            desk=desk,
            feed=SimpleNamespace(perpetual=PERPETUAL),
            execution=execution,
            risk=SimpleNamespace(latch=lambda *told: self.latched.append(told)),
            journal=SimpleNamespace(told=self.facts.append),
            positions=Positions(desk.portfolio),
        )
        self.positions = parts.positions
        self.bookings = Bookings(parts, self.take, lambda: START + S)
        assert self.trade(PERPETUAL, -6_000.0)
        self.facts.clear()

    def take(self, event, fact=None):
        self.desk.handle(event)
        self.facts.append(fact)

    def trade(self, instrument, amount, price=60e3, **changes):
        return self.bookings.trade(told(instrument, amount, price, **changes))

    def moved(self, instrument, amount, price):
        way = 1 if amount > 0 else -1
        self.bookings.moved(PositionMove(START + S, 7, instrument, way, abs(amount), price), amount)

    @property
    def book(self):
        return self.desk.portfolio.book

    @property
    def fees(self):
        return self.book.ledger.balance(Account.FEES).coin


def told(instrument, amount, price, number="t1", fee=0.0, index=60e3, liquidity="T", label="", forced=False):
    return TradeNews(
        START + S, number, 1, "x1", label, instrument, amount, price, price, index, fee, "BTC", liquidity,
        OrderState.FILLED, math.nan, math.nan, forced,
    )  # fmt: skip


@pytest.fixture
def books():
    return Books()


@pytest.mark.parametrize(("price", "booked"), [(60_600.0, 60_600.0), (math.nan, 60e3)])
def test_a_hedge_that_moved_to_another_account_is_booked_at_the_price_told_or_the_mark(books, price, booked):
    before = profit_usd(books.desk)
    books.moved(PERPETUAL, 1_000.0, price)
    assert books.book.hedge.amount == -5_000.0
    lost = 1_000.0 * (booked / 60e3 - 1.0)  # bought back above the mark
    assert profit_usd(books.desk) - before == pytest.approx(-lost, rel=0.02, abs=1e-3)
    (fact,) = books.facts
    assert (fact.trade_id, fact.amount, fact.price, fact.forced) == ("moved-7", 1_000.0, booked, False)
    assert books.fees == 0.0


def test_what_moved_and_is_the_holders_may_have_no_price(books):
    for name in ("BTC-30JAN26-90000-C", "BTC-30JAN26", "ETH-PERPETUAL", "ETH-16JAN26-60000-C"):
        books.facts.clear()
        books.moved(parse(name), 2.0, math.nan)
        (fact,) = books.facts
        assert (fact.instrument, fact.amount) == (name, 2.0)
        assert math.isnan(fact.price)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("price", [0.03, math.nan])
def test_an_option_that_moved_is_booked_at_the_price_told_or_the_mark(books, price, listed):
    """Also where the last chain lacks it."""
    if not listed:
        books.desk.handle(Tape(chains_of([START + 2 * S], [60e3], strikes=(50e3,))).snapshot(0))
        assert not books.desk.market.prices(CALL)
    before, mark = profit_usd(books.desk), books.desk.market.model_mark(CALL)
    books.moved(CALL, -0.4, price)
    assert books.book.legs[CALL] == pytest.approx(0.6)
    lost = 0.4 * (mark - price) * 60e3 if price > 0 else 0.0
    assert profit_usd(books.desk) - before == pytest.approx(-lost, rel=0.02, abs=1e-3)


def test_an_outside_trade_is_booked_with_the_fee_that_the_exchange_tells(books):
    books.trade(CALL, -0.4, 0.034, fee=0.000777)
    assert books.fees == pytest.approx(0.000777)
    assert books.book.legs[CALL] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("instrument", "price", "liquidity", "fee"),
    [
        (CALL, 0.034, "T", 0.4 * 0.0003),
        (PERPETUAL, 60e3, "T", 1_000.0 / 60e3 * 0.0005),
        (PERPETUAL, 60e3, "M", 0.0),
    ],
)
def test_without_one_the_published_fee_is_booked(books, instrument, price, liquidity, fee):
    amount = -0.4 if instrument == CALL else 1_000.0
    books.trade(instrument, amount, price, fee=math.nan, liquidity=liquidity)
    assert books.fees == pytest.approx(fee, abs=5.1e-9)


@pytest.mark.parametrize(("index", "charged"), [(50e3, 50e3), (0.9, 0.9), (0.0, 60e3), (math.nan, 60e3)])
def test_the_published_fee_is_of_the_index_of_the_trade_or_of_now(books, index, charged):
    linear = parse("BTC_USDC-16JAN26-60000-C")
    news = told(linear, 2.0, 1_500.0, fee=math.nan, index=index)
    assert books.bookings._with_fee(news).fee == pytest.approx(2.0 * 0.0003 * charged)


def test_a_trade_is_booked_once_however_often_it_is_told(books):
    """Also one of an order that is over: it is neither the holder's nor unexpected."""
    assert books.trade(PERPETUAL, 1_000.0, number="t9", label="g1-0-hedge-1-0-0")
    assert books.trade("BTC-FS-16JAN26_PERP", 1_000.0)
    assert (books.book.hedge.amount, books.facts, books.latched) == (-6_000.0, [], [])
    assert books.trade(PERPETUAL, 1_000.0, number="t8", label="g1-0-hedge-1-0-0")
    assert books.book.hedge.amount == -5_000.0
    assert books.latched == [("unexpected trade", "t8 of g1-0-hedge-1-0-0, which was over")]


@pytest.mark.parametrize(
    ("name", "amount", "price"),
    [("ETH-PERPETUAL", 1e5, 3e3), ("SOL_USDC-PERPETUAL", -50.0, 140.0), ("ETH-16JAN26-3000-C", 2.0, 0.05)],
)
def test_trades_in_other_coins_are_the_holders_whatever_their_price(books, name, amount, price):
    """Of a book of another currency on the same account, say; but none that is of no price at all."""
    assert books.trade(parse(name), amount, price, index=price)
    assert (books.latched, books.positions.others) == ([], {name: amount})
    assert not books.trade(parse(name), amount, math.inf)
    assert [told[0] for told in books.latched] == ["impossible trade"]
    assert books.positions.others == {name: amount}


def test_a_liquidation_is_said_and_stops_entries(books):
    books.trade(PERPETUAL, 1_000.0, label="liquidation", forced=True)
    assert books.latched == [
        ("liquidated", "liquidation by the exchange: +1000 BTC-PERPETUAL at 60000", Mode.HEDGE_ONLY)
    ]
    assert isinstance(books.facts[-1], Adopted)
    assert books.facts[-1].forced
    books.trade(parse("BTC-30JAN26-90000-C"), 1.0, 0.01, forced=True)  # of what the holder has
    assert len(books.latched) == 1


@pytest.mark.parametrize(("late", "booked"), [(2, 2), (61, 61), (3_600, 61)])
def test_a_fill_is_dated_as_told_but_not_far_ahead_and_its_mark_is_the_desks(books, late, booked):
    fill = Fill(START + late * S, "0-hedge-1", 0, PERPETUAL, 10.0, 60_050.0, 60_040.0, 0.0)
    dated = books.bookings.dated(fill)
    assert (dated.ts_ns, dated.price, dated.mark) == (START + booked * S, 60_050.0, 60e3)


def test_options_that_are_gone_say_what_becomes_of_their_hedge_once(books):
    for option in (CALL, PUT):
        books.trade(option, -1.0, 0.034, number=option.name)
    assert [(name, mode) for name, _, mode in books.latched] == [("options gone", Mode.HEDGE_ONLY)]
    assert books.latched[0][1] == (
        "all options of episode 0 were closed outside: hedge -6000 BTC-PERPETUAL is being closed"
    )
    books.trade(PERPETUAL, 1_000.0, number="t2")
    assert len(books.latched) == 1
