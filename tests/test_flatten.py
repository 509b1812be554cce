"""Closing without a session: the journal's own, never more than is there, a step further each time."""

import time

import msgspec
import pytest

from gammacore.contracts import parse
from gammacore.data.listings import published
from gammacore.deribit.news import OrderAnswer, OrderState, TradeNews, TradesPage
from gammacore.errors import RequestError
from gammacore.live import flatten
from gammacore.live.about import Began
from gammacore.live.flatten import FUTURE_STEPS, OPTION_STEPS, Closing, Held, limit_at
from support.messages import ticker

spec_for = published().spec_for

OPTION, PERPETUAL = "BTC-16JAN26-60000-C", "BTC-PERPETUAL"
SECOND = 1_000_000_000
BEGAN = Began(5 * SECOND, "1", "testnet", paper=False, speed=1.0)


class Position:
    def __init__(self, name, size):
        self.instrument, self.size = parse(name), size


class Listing:
    def __init__(self, spec):
        self.spec = spec


class Order:
    def __init__(self, filled_amount):
        self.filled_amount = filled_amount


class Exchange:
    """Answers calls; fills of every order the share that is next, all of it at last."""

    def __init__(self, positions, trades=(), shares=(), refuses="", unanswered=0):
        self.positions, self.trades, self.shares = dict(positions), list(trades), list(shares)
        self.refuses, self.orders = refuses, []
        self.unanswered = unanswered  # orders that fill and are not answered

    def now_ns(self):
        return 100 * SECOND

    def call(self, method, params, **_):
        name = method.name.partition("/")[2]
        if name == "get_positions":
            return [Position(*item) for item in self.positions.items()]
        if name == "get_user_trades_by_currency_and_time":
            return TradesPage(tuple(self.trades) if params["historical"] else (), False)
        if name == "get_instrument":
            return Listing(spec_for(parse(params["instrument_name"])))
        if name == "ticker":
            option = params["instrument_name"] == OPTION
            return ticker(
                parse(params["instrument_name"]), *((0.0095, 0.0105) if option else (59_990.0, 60_010.0))
            )
        if self.refuses:
            raise RequestError(self.refuses)
        self.orders.append((name, params))
        filled = params["amount"] * (self.shares.pop(0) if self.shares else 1.0)
        side = -1.0 if name == "sell" else 1.0
        self.positions[params["instrument_name"]] += side * filled
        if self.unanswered:
            self.unanswered -= 1
            self.trades.append(of(f"d{self.unanswered}", params["label"], side * filled))
            raise RequestError(f"{method.name}: the connection was lost")
        return OrderAnswer(Order(filled), ())


def close(exchange, positions, known=(), wait_s=5.0):
    held = Held(positions, ("g1-", "g2-"), frozenset(known), BEGAN, 5 * SECOND, "BTC")
    said = []
    return Closing(exchange, held, said.append).run(time.monotonic() + wait_s), said


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(flatten, "PAUSE_S", 0.0)


def sold(exchange):
    return [(side, params["instrument_name"], params["amount"]) for side, params in exchange.orders]


def of(trade_id, label, amount):
    """A trade of the option."""
    return TradeNews(
        50 * SECOND, trade_id, 1, f"x-{trade_id}", label, parse(OPTION), amount, 0.01,
        0.01, 60e3, 1e-8, "BTC", "T", OrderState.FILLED, 0.6, 60e3,
    )  # fmt: skip


def test_only_the_journals_own_is_closed_and_all_of_it():
    exchange = Exchange({OPTION: 7.0, PERPETUAL: -500.0})
    left, _ = close(exchange, {OPTION: 2.0, PERPETUAL: -500.0})
    assert left == {}
    assert sold(exchange) == [("sell", OPTION, 2.0), ("buy", PERPETUAL, 500.0)]
    assert exchange.positions == {OPTION: 5.0, PERPETUAL: 0.0}
    for _, params in exchange.orders:
        assert params["reduce_only"] is True
        assert params["time_in_force"] == "immediate_or_cancel"
        assert params["label"] == "direct-1388"  # the journal's first millisecond, 5000


@pytest.mark.parametrize("size", [1.5, 0.0, -3.0])
def test_never_more_than_the_account_holds_nor_the_other_way_round(size):
    exchange = Exchange({OPTION: size})
    left, _ = close(exchange, {OPTION: 2.0})
    assert left == {}
    assert sold(exchange) == ([("sell", OPTION, 1.5)] if size > 0.0 else [])


def test_fills_that_the_journal_never_heard_of_count_once_and_others_not():
    trades = [
        of("1", "g1-0-entry-0-0-0", 2.0),  # booked
        of("2", "g2-0-entry-0-0-1", 1.0),  # filled as the process died
        of("3", "the-holders", 4.0),
        of("4", "", 4.0),
    ]
    exchange = Exchange({OPTION: 20.0}, trades)
    left, _ = close(exchange, {OPTION: 2.0}, known=("1",))
    assert left == {}
    assert sold(exchange) == [("sell", OPTION, 3.0)]


def test_what_was_closed_before_is_not_closed_again_at_the_holders_cost():
    exchange = Exchange({OPTION: 5.0}, [of("9", "direct-1388", -2.0)])
    left, _ = close(exchange, {OPTION: 2.0})
    assert left == {}
    assert exchange.orders == []


@pytest.mark.parametrize(("shares", "amounts"), [((1.0,), [2.0]), ((0.5, 0.5, 1.0), [2.0, 1.0, 0.5])])
def test_an_order_whose_answer_was_lost_is_not_repeated_at_the_holders_cost(shares, amounts):
    exchange = Exchange({OPTION: 7.0}, shares=shares, unanswered=2)
    left, _ = close(exchange, {OPTION: 2.0})
    assert (left, exchange.positions) == ({}, {OPTION: 5.0})
    assert sold(exchange) == [("sell", OPTION, amount) for amount in amounts]


def test_each_try_goes_a_step_further():
    exchange = Exchange({OPTION: 2.0}, shares=[0.0, 0.5, 0.0])
    left, said = close(exchange, {OPTION: 2.0})
    assert left == {}
    prices = [params["price"] for _, params in exchange.orders]
    assert prices == [0.0095, 0.009, 0.0075, 0.005]
    assert [params["amount"] for _, params in exchange.orders] == [2.0, 2.0, 1.0, 1.0]
    assert said == [f"-1 {OPTION}"] * 2


def test_what_is_refused_remains_and_is_said():
    exchange = Exchange({OPTION: 2.0}, refuses="10009 not_enough_funds")
    left, said = close(exchange, {OPTION: 2.0}, wait_s=0.05)
    assert left == {OPTION: 2.0}
    assert said == [f"{OPTION}: 10009 not_enough_funds"]


@pytest.mark.parametrize(
    ("name", "held", "told"),
    [(OPTION, 2.0, "no buyer within the limit"), (PERPETUAL, -500.0, "no seller within the limit")],
)
def test_what_nobody_takes_remains_and_is_said(name, held, told):
    exchange = Exchange({name: held}, shares=[0.0] * 100_000)
    left, said = close(exchange, {name: held}, wait_s=0.05)
    assert left == {name: held}
    assert said == [f"{name}: {told}"]


@pytest.mark.parametrize(("name", "steps"), [(OPTION, OPTION_STEPS), (PERPETUAL, FUTURE_STEPS)])
@pytest.mark.parametrize("amount", [1.0, -1.0])
def test_limits_are_on_the_grid_and_never_better_than_the_step_allows(name, steps, amount):
    instrument = parse(name)
    quote = ticker(instrument, *((0.0095, 0.0105) if name == OPTION else (59_990.0, 60_010.0)))
    for step in range(len(steps) + 2):
        price, away = (
            limit_at(name, amount, quote, step, spec_for(instrument)),
            steps[min(step, len(steps) - 1)],
        )
        assert float(spec_for(instrument).round_price(price)) == price
        bound = quote.mark * (1.0 - away if amount > 0.0 else 1.0 + away)
        tick = spec_for(instrument).round_price(1e-9, "up")
        off, dust = (price - bound if amount > 0.0 else bound - price), 1e-9 * bound
        assert -dust <= off <= 2 * tick + dust


@pytest.mark.parametrize("amount", [1.0, -1.0])
def test_an_option_without_a_mark_is_closed_at_a_tick(amount):
    quote = ticker(parse(OPTION), float("nan"), float("nan"))
    assert limit_at(OPTION, amount, quote, 0, spec_for(parse(OPTION))) == 0.0001


def test_a_limit_stays_within_the_prices_that_the_exchange_accepts():
    instrument, most = parse(PERPETUAL), 60_000.0 * FUTURE_STEPS[-1]
    for low, high, sold, bought in (
        (59_990.0, 60_005.0, 59_990.0, 60_005.0),
        (0.0, 0.0, 6e4 - most, 6e4 + most),
    ):
        quote = msgspec.structs.replace(ticker(instrument, 59_990.0, 60_010.0), min_price=low, max_price=high)
        for amount, limit in ((10.0, sold), (-10.0, bought)):
            found = limit_at(PERPETUAL, amount, quote, len(FUTURE_STEPS), spec_for(instrument))
            assert found == pytest.approx(limit, abs=0.5)
