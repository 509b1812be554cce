"""The client over loopback: connecting, losing, coming back, reconciling, and never giving up."""

import itertools
import json
import logging
import random
import time

import pytest

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit import channels
from gammacore.deribit import news as d
from gammacore.deribit.codes import Fate
from gammacore.deribit.methods import GET_TIME
from gammacore.errors import RequestError, SessionError
from gammacore.exchange import Exchange as LocalExchange
from gammacore.exchange import ExchangeConfig
from gammacore.exchange.server import serving
from gammacore.live import news as n
from gammacore.live import reconnect
from gammacore.live.client import Client
from gammacore.live.clock import SteadyClock
from gammacore.live.credentials import Credentials
from gammacore.live.handler import conflated
from gammacore.live.news import State
from gammacore.live.reconcile import Seen
from support.client_runs import Recorder, run, seen
from support.deribit_wire import (
    KEY,
    NOW,
    ORDER,
    TOKEN,
    TRADE,
    answer,
    credentials,
    heartbeat,
    method,
    notification,
    refusal,
    reply,
)
from support.live_world import ID, SECRET
from support.scripted_exchange import CLOSE, Exchange, frame

PERPETUAL = parse("BTC-PERPETUAL")
STATE = "platform_state"
TICKER = "ticker.BTC-PERPETUAL.raw"
CHANGES = "user.changes.any.any.raw"
TICK = {"timestamp": NOW // 1_000_000, "instrument_name": "BTC-PERPETUAL", "mark_price": 60_000.0}
POSITION = {"instrument_name": "BTC-PERPETUAL", "size": 10.0}
ACCOUNT = {"currency": "BTC", "equity": 1.0, "balance": 1.0}


class Market:
    """What the exchange has; answers questions about it."""

    def __init__(self, exchange):
        self.orders, self.recent, self.historical = [], [], []
        exchange.on("private/get_open_orders", lambda _, message: self.orders)
        exchange.on("private/get_positions", lambda _, message: [POSITION])
        exchange.on("private/get_account_summary", lambda _, message: ACCOUNT)
        exchange.on("private/get_user_trades_by_currency_and_time", self.trades)
        self.page = 1_000

    def trades(self, _, message):
        params = message["params"]
        found = self.historical if params["historical"] else self.recent
        found = [trade for trade in found if trade["timestamp"] >= params["start_timestamp"]]
        return {"trades": found[: self.page], "has_more": len(found) > self.page}


def granted(tick):
    """Grants channels, and sends a tick with the market's."""

    def subscribed(connection, message):
        channels = message["params"]["channels"]
        told = frame(tick) if TICKER in channels else b""
        connection.sendall(frame(answer(message["id"], channels)) + told)

    return subscribed


@pytest.fixture
def exchange():
    with Exchange() as found:
        yield found


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(reconnect, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(reconnect, "LONGEST_DELAY_S", 0.05)
    monkeypatch.setattr(reconnect, "REFUSED_DELAY_S", 0.01)
    monkeypatch.setattr(reconnect, "LONGEST_REFUSED_S", 0.05)


def make(exchange, **options):
    options.setdefault("rng", random.Random(1))
    options.setdefault("since_ns", NOW)
    return Client(exchange.url, credentials(), **options)


# --------------------------------------------------------------------------- one connection


def test_reconciled_before_any_market_news(exchange):
    market = Market(exchange)
    market.orders, market.recent = [ORDER], [TRADE]
    ticks = notification(TICKER, TICK)
    exchange.on("public/subscribe", granted(ticks))
    client = make(exchange, channels=[TICKER])
    handler = run(client, seen(d.TickerNews))
    [found] = handler.of(n.Reconciled)
    assert [o.order_id for o in found.open_orders] == ["77"]
    assert [t.trade_id for t in found.trades] == ["t1"]
    assert (found.positions[0].size, found.accounts[0].equity) == (10.0, 1.0)
    assert handler.kinds().index("Reconciled") < handler.kinds().index("TickerNews")
    methods = exchange.methods()
    market = len(methods) - 1 - methods[::-1].index("public/subscribe")
    assert exchange.channels(1)[-1] == [TICKER]
    assert methods.index("private/get_open_orders") < market
    assert methods.index("private/subscribe") < methods.index("private/get_open_orders")
    assert client.state is State.LOST
    assert not client.reconciled


def test_an_order_leaves_at_once_and_its_trades_are_told_once(exchange):
    Market(exchange)

    def bought(connection, message):
        traded = notification(CHANGES, {"orders": [ORDER], "trades": [TRADE], "positions": []})
        connection.sendall(frame(traded))
        return {"order": ORDER, "trades": [TRADE, {**TRADE, "trade_id": "t2"}]}

    exchange.on("private/buy", bought)
    client = make(exchange)
    ids = []
    act = {n.Reconciled: lambda news: ids.append(client.send_order(PERPETUAL, 10.0, label="h"))}
    handler = run(client, seen(n.Answered), act)
    assert [t.trade_id for t in handler.of(d.TradeNews)] == ["t1", "t2"]
    assert [a.id for a in handler.of(n.Answered)] == ids
    [message] = [m for _, m in exchange.received if m["method"] == "private/buy"]
    assert message["params"]["amount"] == 10.0


def test_no_order_before_reconciliation(exchange):
    market = Market(exchange)
    exchange.on("private/get_positions", lambda _, message: refusal(message["id"], 10001))
    client = make(exchange, rng=random.Random(2))
    act = {n.StateChanged: lambda news: client.send_order(PERPETUAL, 1.0, label="h")}
    handler = run(client, seen(n.Reconnecting), act)
    assert "private/buy" not in exchange.methods()
    assert {r.code for r in handler.of(n.Refused)} == {0}
    assert "not reconciled: private/get_positions: 10001" in handler.of(n.Reconnecting)[0].reason
    assert market.page == 1_000


def test_news_during_reconciliation_are_neither_lost_nor_doubled(exchange):
    market = Market(exchange)
    open_, gone = ORDER, {**ORDER, "order_id": "78", "order_state": "cancelled"}
    stale = {**ORDER, "order_id": "79"}
    market.orders = [open_]
    market.recent = [TRADE]

    def positions(connection, message):
        changes = {
            "orders": [open_, gone, stale],
            "trades": [TRADE, {**TRADE, "trade_id": "live"}],
            "positions": [{**POSITION, "size": 5.0}],
        }
        connection.sendall(frame(notification(CHANGES, changes)))
        connection.sendall(frame(answer(message["id"], [POSITION])))
        connection.sendall(frame(notification(CHANGES, {"positions": [{**POSITION, "size": 30.0}]})))

    def orders(connection, message):  # answered after the news
        late.append(answer(message["id"], market.orders))

    def account(connection, message):
        connection.sendall(frame(late.pop()))
        return ACCOUNT

    late = []
    exchange.on("private/get_open_orders", orders)
    exchange.on("private/get_positions", positions)
    exchange.on("private/get_account_summary", account)
    client = make(exchange)
    handler = run(client, seen(d.PositionNews))
    [found] = handler.of(n.Reconciled)
    assert [t.trade_id for t in found.trades] == ["t1"]
    assert [t.trade_id for t in handler.of(d.TradeNews)] == ["live"]
    assert [o.order_id for o in handler.of(d.OrderNews)] == ["78"]
    assert [p.size for p in handler.of(d.PositionNews)] == [30.0]
    assert handler.kinds()[-6:-2] == ["Reconciled", "OrderNews", "TradeNews", "PositionNews"]


def test_a_fresh_session_is_not_told_of_what_was_before(exchange, quick):
    market = Market(exchange)
    client = make(exchange, since_ns=None)
    old = {**TRADE, "timestamp": client.now_ns() // 1_000_000 - 1_000}
    market.recent = [old]

    def lose(news):
        market.recent = [
            old,
            {**old, "trade_id": "t2", "timestamp": old["timestamp"] + 500},
        ]  # a slow clock of theirs
        exchange.drop()

    handler = run(client, seen(n.Reconciled, 2), {n.Reconciled: lose})
    first, second = handler.of(n.Reconciled)
    assert (first.trades, [t.trade_id for t in second.trades]) == ((), ["t2"])


def test_a_fresh_session_is_told_of_what_happens_while_it_asks(exchange):
    market = Market(exchange)
    client = make(exchange, since_ns=None)
    at = client.now_ns() // 1_000_000
    market.recent = [{**TRADE, "timestamp": at - 1_000}, {**TRADE, "trade_id": "live", "timestamp": at}]

    def account(connection, message):  # after the positions
        connection.sendall(frame(notification(CHANGES, {"trades": [market.recent[1]]})))
        return ACCOUNT

    exchange.on("private/get_account_summary", account)
    handler = run(client, seen(d.TradeNews))
    [found] = handler.of(n.Reconciled)
    assert (found.trades, found.earlier) == ((), (TRADE["trade_id"],))
    assert [t.trade_id for t in handler.of(d.TradeNews)] == ["live"]


def test_a_trade_before_the_first_positions_is_in_them(exchange):
    market = Market(exchange)
    client = make(exchange, since_ns=None)
    market.recent = [{**TRADE, "trade_id": "before", "timestamp": client.now_ns() // 1_000_000}]

    def positions(connection, message):
        connection.sendall(frame(notification(CHANGES, {"trades": market.recent})))
        return [POSITION]

    exchange.on("private/get_positions", positions)
    handler = run(client, seen(n.Reconciled))
    [found] = handler.of(n.Reconciled)
    assert (found.trades, found.earlier) == ((), ("before",))
    assert handler.of(d.TradeNews) == []


def test_trades_are_read_page_by_page_and_sorted(exchange):
    market = Market(exchange)
    at = NOW // 1_000_000
    # Several share a millisecond, across the ends of pages.
    trades = [{**TRADE, "trade_id": str(i), "trade_seq": i, "timestamp": at + i // 4} for i in range(20)]
    market.historical, market.recent, market.page = trades[:13], trades[10:], 7
    client = make(exchange, known_trades=["3"])
    handler = run(client, seen(n.Reconciled))
    [found] = handler.of(n.Reconciled)
    assert [t.trade_id for t in found.trades] == [str(i) for i in range(20) if i != 3]


def test_a_page_that_leads_nowhere_is_a_failure(exchange):
    market = Market(exchange)
    market.recent, market.page = [{**TRADE, "trade_id": str(i)} for i in range(9)], 4
    handler = run(make(exchange), seen(n.Reconnecting))
    assert "trades at" in handler.of(n.Reconnecting)[0].reason


def test_a_public_session(exchange):
    exchange.on("public/subscribe", granted(notification(TICKER, TICK)))
    client = Client(exchange.url, channels=[TICKER])
    handler = run(client, seen(d.TickerNews))
    assert exchange.methods() == ["public/set_heartbeat", "public/status", *["public/subscribe"] * 2]
    state = ["platform_state", "platform_state.public_methods_state"]
    assert exchange.channels(1) == [state, [TICKER]]
    assert handler.of(n.Reconciled) == []


def test_calls_before_running(exchange):
    Market(exchange)
    exchange.on("public/get_instruments", lambda _, message: [])
    exchange.on("public/get_index", lambda _, message: refusal(message["id"], 10020, "bad"))
    exchange.on("public/ticker", lambda _, message: None)
    client = make(exchange)
    assert client.call(method("public/get_instruments"), {"currency": "BTC"}) == []
    with pytest.raises(RequestError, match=r"^public/get_index: 10020 bad$"):
        client.call(method("public/get_index"), {})
    with pytest.raises(RequestError, match=r"^public/ticker: no answer in time$"):
        client.call(method("public/ticker"), {}, timeout_s=0.2)
    handler = Recorder(client, seen(n.Reconciled))

    def call_again(news):
        with pytest.raises(SessionError):
            client.call(method("public/test"), {})

    handler.act = {n.Reconciled: call_again}
    client.run(handler)
    assert len(handler.of(n.Reconciled)) == 1
    assert exchange.connections == 1


@pytest.mark.parametrize("code", [10028, 10047])  # the connection ends, and it stays
def test_a_reading_call_is_asked_again_after_a_refusal_that_allows_it(exchange, quick, code):
    Market(exchange)
    asked = []

    def listed(_, message):
        asked.append(message["params"])
        return refusal(message["id"], code, "too_many_requests") if len(asked) < 3 else []

    exchange.on("public/get_instruments", listed)
    client = make(exchange)
    assert client.call(method("public/get_instruments"), {"currency": "BTC"}) == []
    assert asked == [{"currency": "BTC"}] * 3
    assert exchange.connections == (3 if code == 10028 else 1)


def test_a_call_that_is_always_refused_ends_and_one_that_writes_is_not_repeated(exchange, quick):
    Market(exchange)
    for name in ("public/get_instruments", "private/cancel_all_by_currency"):
        exchange.on(name, lambda _, message: refusal(message["id"], 10028, "too_many_requests"))
    client = make(exchange)
    with pytest.raises(RequestError, match=r"^public/get_instruments: (no answer in time; )?10028 too_many"):
        client.call(method("public/get_instruments"), {"currency": "BTC"}, timeout_s=0.5)
    assert exchange.methods().count("public/get_instruments") > 1
    with pytest.raises(RequestError, match=r"^private/cancel_all_by_currency: 10028 too_many_requests$"):
        client.call(method("private/cancel_all_by_currency"), {})
    assert exchange.methods().count("private/cancel_all_by_currency") == 1


def test_a_call_whose_connection_is_lost_says_why(exchange):
    Market(exchange)
    exchange.on("private/get_positions", lambda _, message: refusal(message["id"], 10020, "bad currency"))
    exchange.on("public/ticker", lambda _, message: None)
    client = make(exchange)
    told = (
        "^public/ticker: the connection was lost: not reconciled: private/get_positions: 10020 bad currency"
    )
    with pytest.raises(RequestError, match=told):
        client.call(method("public/ticker"), {})


def test_calls_to_nobody_end(exchange, quick):
    exchange.close()
    client = make(exchange, timeout_s=0.5)
    with pytest.raises(RequestError, match="no answer in time"):
        client.call(method("public/test"), {}, timeout_s=0.3)
    assert client.attempts > 1


def test_idle_and_ticks(exchange):
    Market(exchange)
    client = make(exchange)
    handler = Recorder(client, lambda news: False)
    ticks = []

    def on_tick(now_ns):
        ticks.append(now_ns)
        if len(ticks) == 4:
            client.stop()

    handler.on_tick = on_tick
    client.run(handler)
    assert handler.idle >= 50
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    assert all(90e6 < step < 500e6 for step in steps)


def test_busy_poll(exchange):
    Market(exchange)
    exchange.on("public/subscribe", granted(notification(TICKER, TICK)))
    client = make(exchange, channels=[TICKER], busy_poll=True)
    handler = Recorder(client, lambda news: False)

    def on_idle():
        handler.idle += 1
        if handler.idle > 100 and handler.of(d.TickerNews):
            client.stop()

    handler.on_idle = on_idle
    client.run(handler)
    assert len(handler.of(d.TickerNews)) == 1


# --------------------------------------------------------------------------- many connections


def test_lost_and_found_again(exchange, quick):
    market = Market(exchange)
    exchange.on("public/subscribe", granted(notification(TICKER, TICK)))
    client = make(exchange, channels=[TICKER])

    def lose(news):
        market.recent = [{**TRADE, "timestamp": client.now_ns() // 1_000_000}]  # while we were away
        exchange.drop()

    handler = run(client, seen(d.TickerNews, 2), {d.TickerNews: lose})
    kinds = [k for k in handler.kinds() if k not in ("StateChanged", "StatusNews", "ClockSkew")]
    assert kinds == ["Reconciled", "TickerNews", "Reconnecting", "Reconciled", "TickerNews"]
    first, second = handler.of(n.Reconciled)
    assert (first.trades, [t.trade_id for t in second.trades]) == ((), ["t1"])
    assert exchange.methods(1) == exchange.methods(2)
    ids = [m["id"] for _, m in exchange.received]
    assert len(set(ids)) == len(ids)


def test_an_order_under_way_is_lost_with_the_connection(exchange, quick):
    Market(exchange)
    exchange.on("private/buy", lambda c, m: exchange.drop())
    client = make(exchange)
    ids = []

    def trade_once(news):
        if not ids:
            ids.append(client.send_order(PERPETUAL, 10.0, label="h"))

    handler = run(client, seen(n.Reconciled, 2), {n.Reconciled: trade_once})
    [lost] = handler.of(n.Lost)
    assert (lost.id, lost.fate) == (ids[0], Fate.UNKNOWN)
    assert exchange.methods().count("private/buy") == 1


@pytest.mark.parametrize("how", ["close frame", "refused handshake", "10028", "bad password", "silence"])
def test_it_never_gives_up(exchange, quick, how, monkeypatch):
    Market(exchange)
    count = []

    def trouble(connection, message):
        count.append(message)
        if len(count) > 4:
            return TOKEN
        if how == "close frame":
            connection.sendall(frame((4000).to_bytes(2, "big") + b"heartbeat close", opcode=CLOSE))
        elif how == "refused handshake":
            exchange.refuse = 1
            exchange.drop()
        elif how == "10028":
            return refusal(message["id"], 10028, "too_many_requests")
        elif how == "bad password":
            return refusal(message["id"], 13004, "invalid_credentials")
        return None

    if how == "silence":
        monkeypatch.setattr("gammacore.live.conversation.PATIENCE_S", 0.15)
    exchange.on("public/auth", trouble)
    client = make(exchange)
    handler = run(client, seen(n.Reconciled))
    again = handler.of(n.Reconnecting)
    assert [r.attempt for r in again] == list(range(2, len(again) + 2))
    assert len(again) >= 4
    wanted = {
        "close frame": "4000 heartbeat close", "10028": "10028", "bad password": "13004",
        "silence": "no answer to public/auth", "refused handshake": "429",
    }[how]  # fmt: skip
    assert any(wanted in r.reason for r in again)


@pytest.fixture
def logged():
    """Records of the live logger, whatever other tests have set on it."""
    records, logger = [], logging.getLogger("gammacore.live")
    handler, level = logging.Handler(), logger.level
    handler.emit = records.append
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_attempts_are_logged_and_hide_secrets(exchange, quick, logged):
    Market(exchange)
    exchange.on("public/auth", lambda c, m: refusal(m["id"], 13004, "invalid_credentials"))
    client = make(exchange, by_secret=True)
    handler = run(client, seen(n.Reconnecting, 3))
    lost = [record for record in logged if record.getMessage() == "connection lost"]
    assert [record.attempt for record in lost] == [2, 3, 4]
    assert all("13004" in record.reason and record.delay_s > 0 for record in lost)
    text = "".join(str(vars(record)) for record in logged) + repr(handler.news)
    assert KEY[1] not in text
    assert any(m["params"].get("client_secret") == KEY[1] for _, m in exchange.received)


def test_delays_double_up_to_a_limit_with_jitter():
    slept = []
    now = [NOW]

    def sleep(seconds):
        slept.append(seconds)
        now[0] += int(seconds * 1e9)

    client = Client("ws://127.0.0.1:9/", clock=lambda: now[0], sleep=sleep, rng=random.Random(3), timeout_s=1)
    handler = run(client, seen(n.Reconnecting, 12))
    delays = [r.delay_s for r in handler.of(n.Reconnecting)]
    for i, delay in enumerate(delays):
        ceiling = min(reconnect.FIRST_DELAY_S * 2 ** (i + 1), reconnect.LONGEST_DELAY_S)
        assert ceiling / 2 <= delay <= ceiling
    assert len(set(delays)) == 12
    assert max(slept) <= 0.1  # so that ticks go on
    assert sum(slept) == pytest.approx(sum(delays[:-1]), rel=0.01)


def test_a_session_that_lasted_starts_the_count_anew(exchange, quick):
    Market(exchange)
    offset = [0]

    def clock():
        return time.time_ns() + offset[0]

    def later(news):
        offset[0] += 61_000_000_000
        exchange.drop()

    client = make(exchange, clock=clock)
    handler = run(client, seen(n.Reconnecting, 3), {n.Reconciled: later})
    assert [r.attempt for r in handler.of(n.Reconnecting)] == [1, 1, 1]


def test_missing_private_channels_end_the_session(exchange, quick):
    Market(exchange)
    exchange.on("private/subscribe", lambda _, message: ["user.portfolio.btc"])
    handler = run(make(exchange), seen(n.Reconnecting))
    assert CHANGES in handler.of(n.Reconnecting)[0].reason


def test_channels_come_and_go(exchange, quick):
    Market(exchange)
    client = make(exchange)
    client.subscribe([TICKER])
    steps = iter([lambda: client.subscribe(["quote.X", TICKER]), lambda: client.unsubscribe([TICKER])])

    def act(news):
        if isinstance(news, n.Reconciled):
            exchange.on("private/get_positions", lambda _, message: [POSITION])
            client.request(method("public/test"), {})

    def next_step(news):
        step = next(steps, None)
        if step is None:
            client.drop("because we say so")
            return
        step()
        client.request(method("public/test"), {})

    handler = run(client, seen(n.Reconnecting), {n.Reconciled: act, n.Answered: next_step})
    assert handler.of(n.Reconnecting)[0].reason == "because we say so"
    asked = [
        (m["method"], m["params"]["channels"]) for _, m in exchange.received if "ubscribe" in m["method"]
    ]
    assert asked[0][1] == [CHANGES, "user.portfolio.btc", "user.lock"]
    assert asked[1:] == [
        ("public/subscribe", [STATE]),
        ("public/subscribe", [TICKER]),
        ("public/subscribe", ["quote.X"]),
        ("public/unsubscribe", [TICKER]),
    ]
    handler = run(client, seen(n.Reconciled))
    asked = [
        m["params"]["channels"] for c, m in exchange.received if m["method"] == "public/subscribe" and c == 2
    ]
    assert asked in ([[STATE], ["quote.X"]], [[STATE]])  # stopped as soon as reconciled


def test_what_a_handler_raises_ends_the_session(exchange):
    Market(exchange)

    def boom(news):
        raise ZeroDivisionError

    client = make(exchange)
    with pytest.raises(ZeroDivisionError):
        run(client, seen(d.TickerNews), {n.Reconciled: boom})
    assert client.state is State.LOST
    until = time.monotonic() + 5
    while not any(opcode == CLOSE for opcode, _ in exchange.raw) and time.monotonic() < until:
        time.sleep(0.01)
    assert any(opcode == CLOSE for opcode, _ in exchange.raw)


def test_a_handler_hears_what_its_own_stop_loses(exchange):
    Market(exchange)
    exchange.on("private/buy", lambda _, message: None)
    client = make(exchange)

    def buy_and_stop(news):
        client.send_order(PERPETUAL, 10.0, label="h")
        client.stop()

    handler = run(client, lambda news: False, {n.Reconciled: buy_and_stop})
    assert [(lost.method, lost.fate) for lost in handler.of(n.Lost)] == [("private/buy", Fate.UNKNOWN)]
    assert handler.news[-1].after is State.LOST


def test_what_is_refused_here_is_told_soon(exchange):
    Market(exchange)
    client = make(exchange)

    def too_many(news):
        for i in range(30):
            client.send_order(PERPETUAL, 10.0, label=f"h{i}")
        start.append(time.monotonic())

    start = []
    exchange.on("private/buy", lambda _, message: None)
    handler = run(client, seen(n.Refused), {n.Reconciled: too_many})
    assert handler.of(n.Refused)[0].message == "rate budget used up"
    assert time.monotonic() - start[0] < 0.09


def test_heartbeats_are_answered(exchange):
    Market(exchange)
    tick = frame(notification(TICKER, TICK))

    def tested(connection, message):
        connection.sendall(tick)
        return reply(message)

    exchange.on("public/test", tested)
    exchange.on(
        "public/subscribe", lambda c, m: c.sendall(frame(answer(m["id"], [TICKER])) + frame(heartbeat()))
    )
    handler = run(make(exchange, channels=[TICKER]), seen(d.TickerNews))
    assert exchange.methods().count("public/test") == 1
    assert handler.of(n.BadFrame) == []


def test_seen_trades_are_bounded(monkeypatch):
    monkeypatch.setattr("gammacore.live.reconcile.MOST_SEEN", 3)
    seen_ = Seen("ab")
    assert [seen_.add(x) for x in "abcdea"] == [False, False, True, True, True, True]


def test_the_clock_is_steady():
    clock = SteadyClock()
    assert abs(clock() - time.time_ns()) < 50_000_000
    readings = [clock() for _ in range(1_000)]
    assert readings == sorted(readings)
    clock.anchor()
    assert abs(clock() - time.time_ns()) < 50_000_000


@pytest.mark.parametrize("off_s", [5, -5])
def test_a_clock_that_was_set_right_is_read_anew(off_s, monkeypatch):
    """Ours does not jump; so once the machine's is right and ours is not, the session connects anew."""
    now, off = time.time_ns, [off_s * NS_PER_SECOND]
    local = LocalExchange(ExchangeConfig(clients={ID: SECRET}, start_ns=now(), expiries=1, history_days=1))
    monkeypatch.setattr("gammacore.live.skew.PAUSE_NS", 0)
    with serving(local) as port:
        monkeypatch.setattr("gammacore.live.clock.time.time_ns", lambda: now() + off[0])
        client = Client(f"ws://127.0.0.1:{port}/ws/api/v2", Credentials(ID, SECRET))

        def set_right(news):
            assert client.skew_s == pytest.approx(-off_s if off[0] else 0.0, abs=1.0)
            off[0] = 0
            client.request(GET_TIME, {})

        client.run(Recorder(client, seen(n.Reconciled, 2), act={n.Reconciled: set_right}))
    assert client.trouble == "the clock of this machine was set"
    assert abs(client.skew_s) < 1.0


def test_of_tickers_that_arrive_together_the_last_of_each_instrument_counts():
    def ticker(name, price):
        data = TICK | {"instrument_name": name, "mark_price": price}
        [news] = channels.decode_data(f"ticker.{name}.raw", json.dumps(data).encode(), NOW)
        return news

    one, two = "BTC-PERPETUAL", "ETH-PERPETUAL"
    other = n.ClockSkew(NOW, 1.0, 0.1)
    received = [ticker(one, 1.0), other, ticker(two, 5.0), ticker(one, 2.0), ticker(one, 3.0)]
    kept = conflated(received)
    assert [getattr(news, "mark", None) for news in kept] == [None, 5.0, 3.0]
    assert conflated([other, other]) == [other, other]
