"""Orders on paper, by hand: at which price each fills, what it pays, and when it does not."""

from types import SimpleNamespace

import pytest

from gammacore.contracts import parse
from gammacore.deribit import methods as m
from gammacore.deribit.news import OrderNews, OrderState, TradeNews
from gammacore.errors import SessionError
from gammacore.live.news import Answered
from gammacore.live.paper import Paper
from support.messages import CALL, PERPETUAL, T0, S, ticker

LINEAR = parse("BTC_USDC-16JAN26-60000-C")


class Desk:
    """A session on paper, the clock of the real one, and what its hedger is told."""

    def __init__(self):
        self.now, self.news = T0, []
        hedger = SimpleNamespace(on_news=self.news.append, on_tick=lambda now_ns: None)
        self.paper = Paper(SimpleNamespace(now_ns=lambda: self.now), lambda: hedger, alone=False)

    def quote(self, instrument, bid, ask):
        self.paper.on_news(ticker(instrument, bid, ask))

    def send(self, instrument, amount, limit, rests=False):
        """State of the order, its trades as (price, amount, fee, liquidity)."""
        self.news.clear()
        number = self.paper.send_order(instrument, amount, label="a", limit=limit, post_only=rests)
        self.paper.on_tick(self.now)
        (answer,) = [news for news in self.news if isinstance(news, Answered)]
        assert answer.id == number
        assert answer.result.trades == tuple(news for news in self.news if isinstance(news, TradeNews))
        return answer.result.order, self.trades

    @property
    def trades(self):
        return [(t.price, t.amount, t.fee, t.liquidity) for t in self.news if isinstance(t, TradeNews)]


@pytest.fixture
def desk():
    found = Desk()
    found.quote(PERPETUAL, 59_990.0, 60_010.0)
    found.quote(CALL, 0.03, 0.032)
    found.quote(LINEAR, 1_800.0, 1_900.0)
    return found


@pytest.mark.parametrize(
    ("instrument", "amount", "limit", "price", "fee"),
    [
        (PERPETUAL, 600.0, 60_020.0, 60_010.0, 600.0 / 60_010.0 * 5e-4),
        (PERPETUAL, -600.0, 59_980.0, 59_990.0, 600.0 / 59_990.0 * 5e-4),
        (PERPETUAL, 600.0, 60_010.0, 60_010.0, 600.0 / 60_010.0 * 5e-4),  # just reached
        (CALL, 2.0, 0.04, 0.032, 2.0 * 3e-4),
        (CALL, -2.0, 0.03, 0.03, 2.0 * 3e-4),
        (LINEAR, -2.0, 1_700.0, 1_800.0, 2.0 * 3e-4 * 60e3),
    ],
)
def test_a_taker_fills_whole_at_the_other_sides_best(desk, instrument, amount, limit, price, fee):
    order, trades = desk.send(instrument, amount, limit)
    assert trades == [(price, amount, pytest.approx(fee, abs=5.1e-9), "T")]
    assert (order.state, order.filled_amount) == (OrderState.FILLED, abs(amount))


@pytest.mark.parametrize(
    ("instrument", "amount", "limit"),
    [(PERPETUAL, 600.0, 60_009.5), (PERPETUAL, -600.0, 59_990.5), (parse("BTC-16JAN26-70000-C"), 1.0, 0.1)],
)
def test_a_taker_whose_limit_is_not_reached_or_that_has_no_quote_ends(desk, instrument, amount, limit):
    order, trades = desk.send(instrument, amount, limit)
    assert (order.state, order.filled_amount, trades) == (OrderState.CANCELLED, 0.0, [])


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_what_rests_fills_at_its_own_price_once_the_other_side_is_there(desk, side):
    order, trades = desk.send(PERPETUAL, side * 600.0, 60_000.0 - side * 10.0, rests=True)
    assert (order.state, trades) == (OrderState.OPEN, [])
    for away, filled in ((9.5, False), (10.5, True), (20.0, False)):  # of the other side, beyond 60,000
        desk.news.clear()
        other = 60_000.0 - side * away
        desk.quote(PERPETUAL, *((other - 20.0, other) if side > 0 else (other, other + 20.0)))
        assert desk.trades == ([(60_000.0 - side * 10.0, side * 600.0, 0.0, "M")] if filled else [])
        ended = [news for news in desk.news if isinstance(news, OrderNews)]
        assert [(one.state, one.filled_amount) for one in ended] == [(OrderState.FILLED, 600.0)] * filled


@pytest.mark.parametrize("everything", [True, False])
def test_what_is_cancelled_does_not_fill(desk, everything):
    order, _ = desk.send(PERPETUAL, 600.0, 59_990.0, rests=True)
    if everything:
        desk.paper.cancel_all()
    else:
        desk.paper.cancel(order.order_id)
    desk.quote(PERPETUAL, 59_000.0, 59_010.0)
    assert desk.trades == []
    desk.news.clear()
    desk.paper.request(m.GET_ORDER_STATE_BY_LABEL, {"label": "a"})
    desk.paper.on_tick(desk.now)
    assert [news.result[0].state for news in desk.news] == [OrderState.CANCELLED]


def test_ids_are_those_of_no_process_before(desk):
    later = Desk()
    later.now += S
    later.paper = Paper(SimpleNamespace(now_ns=lambda: later.now), lambda: None, alone=False)
    for one in (desk, later):
        one.paper.send_order(PERPETUAL, 600.0, label="a", limit=1e9, post_only=True)
    assert not {*desk.paper._open} & {*later.paper._open}


def test_an_order_without_a_limit_and_a_combo_are_refused(desk):
    for instrument, limit in ((PERPETUAL, None), ("BTC-FS-16JAN26_PERP", 1.0)):
        with pytest.raises(SessionError, match="on paper only orders with a limit"):
            desk.paper.send_order(instrument, 1.0, label="a", limit=limit)
