"""The client against the local exchange over loopback: trade, break, come back, agree."""

import random
import time

import pytest

from gammacore.contracts import parse
from gammacore.deribit import news as d
from gammacore.deribit.codes import Fate
from gammacore.deribit.news import OrderState
from gammacore.exchange.config import ExchangeConfig
from gammacore.exchange.exchange import Exchange
from gammacore.exchange.faults import Fault
from gammacore.exchange.server import serving
from gammacore.live import news as n
from gammacore.live import reconnect as module
from gammacore.live.client import Client
from gammacore.live.credentials import Credentials
from gammacore.live.news import State
from support.client_runs import Recorder, run, seen
from support.deribit_wire import method

PERPETUAL = parse("BTC-PERPETUAL")
TICKER, BOOK, QUOTE = "ticker.BTC-PERPETUAL.raw", "book.BTC-PERPETUAL.raw", "quote.BTC-PERPETUAL"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(module, "LONGEST_DELAY_S", 0.2)


@pytest.fixture
def exchange():
    # Its clock starts at ours, so that signatures are in time.
    found = Exchange(ExchangeConfig(seed=7, start_ns=time.time_ns(), tick_ms=50, history_days=1, strikes=3))
    with serving(found) as port:
        found.url = f"ws://127.0.0.1:{port}/ws/api/v2"
        yield found


def make(exchange, **options):
    options.setdefault("rng", random.Random(1))
    return Client(exchange.url, Credentials("gammacore", "local"), **options)


def test_trade_and_see_it_everywhere(exchange):
    client = make(exchange, channels=[TICKER, BOOK, QUOTE, "deribit_price_index.btc_usd"])
    rows = client.call(method("public/get_instruments"), {"currency": "BTC"})
    assert next(row for row in rows if row.instrument == PERPETUAL).spec.min_trade_amount == 10.0

    def buy(news):
        if not ids:
            ids.append(client.send_order(PERPETUAL, 20.0, label="first"))

    ids = []
    wanted = {d.TickerNews, d.BookNews, d.QuoteNews, d.IndexNews, d.TradeNews, d.PositionNews, n.Answered}
    handler = run(client, lambda news: wanted <= {type(piece) for piece in news}, {d.TickerNews: buy})
    assert handler.of(n.SubscriptionMissing) == handler.of(n.BadFrame) == []
    [done] = handler.of(n.Answered)
    assert done.result.order.state is OrderState.FILLED
    assert sum(trade.amount for trade in handler.of(d.TradeNews)) == 20.0
    assert len({trade.trade_id for trade in handler.of(d.TradeNews)}) == len(handler.of(d.TradeNews))
    assert handler.of(d.PositionNews)[-1].size == 20.0
    book = handler.of(d.BookNews)[-1]
    assert book.bids[0][0] < book.asks[0][0]
    again = run(make(exchange), seen(n.Reconciled))
    [found] = again.of(n.Reconciled)
    assert [p.size for p in found.positions if p.instrument == PERPETUAL] == [20.0]
    assert found.accounts[0].currency == "BTC"
    assert found.trades == ()


def test_what_rests_is_cancelled_when_we_go_and_trades_are_found_when_we_come(exchange):
    client = make(exchange, channels=[TICKER])
    prices = []

    def rest(news):
        if not prices:
            prices.append(round(news.mark * 0.98 * 2) / 2)
            client.send_order(PERPETUAL, 10.0, label="rests", limit=prices[0], post_only=True)

    def drop(news):
        exchange.inject(Fault(kind="drop", match="ticker"))

    handler = run(client, seen(n.Reconciled, 2), {d.TickerNews: rest, n.Answered: drop})
    [done] = handler.of(n.Answered)
    assert done.result.order.state is OrderState.OPEN
    first, second = handler.of(n.Reconciled)
    assert first.open_orders == second.open_orders == ()
    assert len(handler.of(n.Reconnecting)) == 1


@pytest.mark.parametrize("kind", ["lost_response", "lost_request"])
def test_the_fate_of_a_lost_order_is_found_by_reconciling(exchange, kind):
    exchange.inject(Fault(kind=kind, match="private/buy"))
    client = make(exchange)

    def buy(news):
        if not ids:
            ids.append(client.send_order(PERPETUAL, 10.0, label="lost"))

    ids = []
    handler = run(client, seen(n.Reconciled, 2), {n.Reconciled: buy})
    [lost] = handler.of(n.Lost)
    assert (lost.id, lost.fate) == (ids[0], Fate.UNKNOWN)
    trades = [t for r in handler.of(n.Reconciled) for t in r.trades] + handler.of(d.TradeNews)
    wanted = ["lost"] if kind == "lost_response" else []
    assert [t.label for t in trades] == wanted


def test_a_gap_in_a_book_is_mended(exchange):
    client = make(exchange, channels=[BOOK])

    def gap(news):
        if len(handler.of(d.BookNews)) == 3:
            exchange.inject(Fault(kind="gap", match="book"))

    def mended(news):
        return isinstance(news[-1], d.BookNews) and seen(n.Gap)(news)

    handler = Recorder(client, mended, {d.BookNews: gap})
    client.run(handler)
    assert len(handler.of(n.Gap)) == 1
    assert handler.of(n.Reconnecting) == []


@pytest.mark.parametrize("kind", ["too_many_requests", "slow_reader", "restart"])
def test_ends_that_the_exchange_makes(exchange, kind):
    client = make(exchange, channels=[TICKER])

    def break_(news):
        if len(handler.of(n.Reconciled)) == 1 and not exchange.faults.fired:
            match = {"too_many_requests": "public/get_time", "slow_reader": "ticker", "restart": ""}[kind]
            exchange.inject(Fault(kind=kind, match=match, seconds=0.3))
            client.request(method("public/get_time"), {})

    handler = Recorder(client, seen(n.Reconciled, 2), {d.TickerNews: break_})
    client.run(handler)
    assert len(handler.of(n.Reconnecting)) >= 1
    assert client.state is State.LOST


def test_broken_frames_and_doubles_are_survived(exchange):
    exchange.inject(Fault(kind="malformed", match="ticker", probability=0.3, count=5))
    exchange.inject(Fault(kind="duplicate", match="user.changes", probability=1.0, count=None))
    client = make(exchange, channels=[TICKER])

    def buy(news):
        if not ids:
            ids.append(client.send_order(PERPETUAL, 10.0, label="once"))

    ids = []

    def enough(news):
        return seen(n.BadFrame, 2)(news) and seen(d.TradeNews)(news)

    handler = run(client, enough, {d.TickerNews: buy})
    assert sum(t.amount for t in handler.of(d.TradeNews)) == 10.0
    assert handler.of(n.Reconnecting) == []


def test_random_faults_end_in_agreement(exchange):
    """Orders under drops and lost answers: what we were told of trades is what we hold."""
    rng = random.Random(5)
    client = make(exchange, channels=[TICKER])
    kinds = ["drop", "lost_response", "lost_request", "restart"]
    count = [0]

    def act(news):
        count[0] += 1
        if count[0] % 4 == 0 and client.reconciled:
            client.send_order(PERPETUAL, rng.choice([-10.0, 10.0, 20.0]), label=f"o{count[0]}")
        if count[0] % 9 == 0:
            kind = rng.choice(kinds)
            match = "private/" if kind.startswith("lost") else "ticker" if kind == "drop" else ""
            exchange.inject(Fault(kind=kind, match=match, seconds=0.1))

    handler = Recorder(client, lambda news: False, {d.TickerNews: act}, seconds=60.0)
    started = time.monotonic()

    def on_tick(now_ns):
        if time.monotonic() - started > 6.0:
            client.stop()

    handler.on_tick = on_tick
    client.run(handler)
    known = [t.trade_id for t in told(handler)]
    last = run(make(exchange, since_ns=0, known_trades=known), seen(n.Reconciled))
    trades = told(handler) + told(last)
    assert len({t.trade_id for t in trades}) == len(trades)
    [found] = last.of(n.Reconciled)
    held = sum(p.size for p in found.positions if p.instrument == PERPETUAL)
    assert sum(t.amount for t in trades) == held
    assert len(handler.of(n.Reconciled)) >= 3


def told(handler):
    return [t for r in handler.of(n.Reconciled) for t in r.trades] + handler.of(d.TradeNews)
