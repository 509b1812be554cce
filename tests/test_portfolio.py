import pytest

from gammacore import inverse
from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_MINUTE
from gammacore.errors import LedgerError
from gammacore.events import Delivery, Fill, IndexPrice, Rejected
from gammacore.fees import DERIBIT
from gammacore.hedging import Target
from gammacore.ledger import Account
from gammacore.market import Market
from gammacore.orders import Leg, Order, Purpose
from gammacore.portfolio import Portfolio
from support.markets import FRIDAY, START, chains_of

PERP = Perpetual("BTC", Settlement.INVERSE)
CALL = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, 1)


def market(index=60e3):
    tape = Tape(chains_of([START], [index]))
    book = Market()
    book.apply(tape.snapshot(0))
    return book


def send(portfolio, episode, purpose, *legs):
    order = Order(f"{episode.number}-{purpose}-{episode.orders_sent}", episode.number, purpose, legs)
    episode.orders_sent += 1
    episode.pending[order.order_id] = order
    return order


def fill(portfolio, book, order, price, fee=0.0):
    leg = order.legs[0]
    portfolio.apply(
        Fill(book.ts_ns, order.order_id, order.episode, leg.instrument, leg.amount, price, price, fee), book
    )


def bought(portfolio, book, amount=1.0, price=0.03, fee=0.0003):
    episode = portfolio.begin(FRIDAY, PERP, book.index)
    fill(portfolio, book, send(portfolio, episode, Purpose.ENTRY, Leg(CALL, amount)), price, fee)
    return episode


def test_a_purchase_moves_cash_into_options_and_fees():
    portfolio, book = Portfolio(), market()
    episode = bought(portfolio, book)
    ledger = episode.ledger
    assert ledger.native_balance(Account.CASH) == pytest.approx(-0.0303)
    assert ledger.native_balance(Account.OPTIONS) == pytest.approx(0.03)
    assert ledger.balance(Account.FEES).usd == pytest.approx(0.0003 * 60e3)
    assert episode.premium == pytest.approx(0.03)


def test_delivery_pays_the_payoff_in_coin_less_its_capped_fee():
    # The exchange's worked example: a 100,000 call at a delivery of 125,000 pays 0.20 coin.
    option = Option("BTC", Settlement.INVERSE, FRIDAY, 100e3, 1)
    portfolio, book = Portfolio(DERIBIT), market(100e3)
    episode = portfolio.begin(FRIDAY, PERP, book.index)
    fill(portfolio, book, send(portfolio, episode, Purpose.ENTRY, Leg(option, 1.0)), 0.05)
    portfolio.apply(Delivery(FRIDAY, FRIDAY, 125e3), book)
    assert episode.ledger.native_balance(Account.OPTIONS) == 0.0
    assert episode.ledger.profit().coin == pytest.approx(0.15 - 0.00015)
    assert episode.close_reason == "delivery"
    assert not episode.open


def test_a_future_of_the_same_expiry_is_delivered_too():
    portfolio, book = Portfolio(), market()
    future = Future("BTC", Settlement.INVERSE, FRIDAY)
    episode = portfolio.begin(FRIDAY, future, book.index)
    fill(portfolio, book, send(portfolio, episode, Purpose.ENTRY, Leg(CALL, 1.0)), 0.03)
    fill(portfolio, book, send(portfolio, episode, Purpose.HEDGE, Leg(future, -30e3)), 60e3)
    portfolio.apply(Delivery(FRIDAY, FRIDAY, 50e3), book)
    assert episode.hedge.amount == 0.0
    assert episode.ledger.native_balance(Account.HEDGE_PNL) == pytest.approx(30e3 * (1 / 60e3 - 1 / 50e3))


def test_rejected_entries_leave_nothing():
    portfolio, book = Portfolio(), market()
    episode = portfolio.begin(FRIDAY, PERP, book.index)
    order = send(portfolio, episode, Purpose.ENTRY, Leg(CALL, 1.0))
    portfolio.apply(Rejected(book.ts_ns, order.order_id, episode.number, "no ask"), book)
    assert not portfolio.open
    assert portfolio.missing_quotes == 1
    assert not episode.ledger.entries


def test_exposure_of_each_target():
    portfolio, book = Portfolio(financed_in_usd=True), market()
    seen = inverse.greeks(1, 60e3, 60e3, 7 / 365, 0.6)
    episode = bought(portfolio, book, price=seen.price, fee=0.0)
    assert Target("coin_neutral").mismatch(episode, book) == pytest.approx(seen.net_delta)
    assert Target("black").mismatch(episode, book) == pytest.approx(seen.delta)
    # Equity is the option's value, so equity + net delta is the plain delta at entry.
    assert Target("usd_neutral").mismatch(episode, book) == pytest.approx(seen.delta)
    assert episode.ledger.native_balance(Account.CAPITAL) == pytest.approx(-seen.price, abs=1e-8)


@pytest.mark.parametrize(("dated", "left"), [(False, 0.5), (True, 1.0)])
def test_in_the_settlement_window_options_decay_against_a_perpetual_only(dated, left):
    portfolio, book = Portfolio(), market()
    hedge = Future("BTC", Settlement.INVERSE, FRIDAY) if dated else PERP
    episode = portfolio.begin(FRIDAY, hedge, book.index)
    fill(portfolio, book, send(portfolio, episode, Purpose.ENTRY, Leg(CALL, 1.0)), 0.03)
    book.apply(IndexPrice(FRIDAY - 15 * NS_PER_MINUTE, 63e3))
    net = book.exposure(CALL).net_delta
    assert net > 0.9
    assert Target("coin_neutral").mismatch(episode, book) == pytest.approx(left * net)


def test_pending_hedges_count_as_held():
    portfolio, book = Portfolio(), market()
    episode = bought(portfolio, book)
    before = Target("coin_neutral").mismatch(episode, book)
    send(portfolio, episode, Purpose.HEDGE, Leg(PERP, -12e3))
    assert Target("coin_neutral").mismatch(episode, book) == pytest.approx(before - 0.2)


def test_handing_over_moves_the_hedge_without_profit():
    portfolio, book = Portfolio(), market()
    old, new = bought(portfolio, book), bought(portfolio, book)
    fill(portfolio, book, send(portfolio, old, Purpose.HEDGE, Leg(PERP, -30e3)), 60e3)
    book.apply(IndexPrice(START + 1, 66e3))
    portfolio.hand_over(old, new, book)
    assert (old.hedge.amount, new.hedge.amount, new.hedge.average) == (0.0, -30e3, 66e3)
    assert old.ledger.native_balance(Account.HEDGE_PNL) == pytest.approx(
        30e3 * (1 / 60e3 - 1 / 66e3), abs=1e-8
    )
    other = portfolio.begin(FRIDAY, Future("BTC", Settlement.INVERSE, FRIDAY), 66e3)
    with pytest.raises(LedgerError, match="cannot hand"):
        portfolio.hand_over(new, other, book)
