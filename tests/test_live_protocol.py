"""The session without a socket: every state, every fate, every deadline."""

import json

import pytest

from gammacore.contracts import parse
from gammacore.deribit import news as d
from gammacore.deribit.codes import AUTHORISATION, CODES, LOCAL, UNREADABLE, Action, Fate, look_up
from gammacore.errors import SessionError
from gammacore.live import news as n
from gammacore.live.budget import Budget, kind_of
from gammacore.live.news import State
from gammacore.live.protocol import DeribitProtocol
from gammacore.live.rehearsal import Rehearsal
from gammacore.live.skew import Skew
from gammacore.live.states import TRANSITIONS, Event
from support.deribit_wire import (
    KEY,
    NOW,
    ORDER,
    SECOND,
    TOKEN,
    TRADE,
    answer,
    credentials,
    heartbeat,
    method,
    notification,
    ready,
    refusal,
    reply,
    sent,
    serve,
)

PERPETUAL = parse("BTC-PERPETUAL")


def states(news):
    return [piece.after for piece in news if isinstance(piece, n.StateChanged)]


def only(protocol, kind):
    found = protocol.events_received()
    assert [type(piece) for piece in found] == [kind]
    return found[0]


def order(protocol, amount=10.0, now_ns=NOW, **options):
    return protocol.send_order(PERPETUAL, amount, now_ns, label="h", **options)


# --------------------------------------------------------------------------- the way to READY


def test_a_private_session_step_by_step():
    channels = ("user.changes.any.any.raw", "ticker.BTC-PERPETUAL.raw")
    protocol = DeribitProtocol(credentials(), channels=channels)
    assert sent(protocol) == []
    protocol.connection_made(NOW)
    [time] = sent(protocol)
    assert (time["method"], time["params"]) == ("public/get_time", {})
    protocol.receive(answer(time["id"], NOW // 1_000_000), NOW)
    [login] = sent(protocol)
    assert (login["method"], login["params"]["grant_type"]) == ("public/auth", "client_signature")
    assert login["params"]["timestamp"] == NOW // 1_000_000
    assert KEY[1] not in json.dumps(login)
    protocol.receive(answer(login["id"], TOKEN), NOW)
    setup = sent(protocol)
    methods = ["public/set_heartbeat", "public/status", "private/enable_cancel_on_disconnect"]
    assert [m["method"] for m in setup] == methods
    assert setup[0]["params"] == {"interval": 10}
    assert setup[2]["params"] == {"scope": "connection"}
    protocol.receive(answer(setup[2]["id"], "ok"), NOW)
    protocol.receive(answer(setup[1]["id"], {"locked": "false"}), NOW)
    assert sent(protocol) == []
    protocol.receive(answer(setup[0]["id"], "ok"), NOW)
    asked = sent(protocol)
    assert {m["method"]: m["params"]["channels"] for m in asked} == {
        "private/subscribe": [channels[0]],
        "public/subscribe": [channels[1]],
    }
    assert protocol.state is State.SUBSCRIBING
    for message in asked:
        protocol.receive(answer(message["id"], message["params"]["channels"]), NOW)
    assert protocol.state is State.READY
    assert protocol.scope == TOKEN["scope"]
    assert states(protocol.events_received()) == [
        State.AUTHENTICATING,
        State.CONFIGURING,
        State.SUBSCRIBING,
        State.READY,
    ]


def test_a_public_session_sets_its_heartbeat_and_asks_what_is_locked():
    protocol = DeribitProtocol()
    protocol.connection_made(NOW)
    assert [m["method"] for m in serve(protocol)] == ["public/set_heartbeat", "public/status"]
    assert protocol.state is State.READY


def test_by_secret():
    protocol = DeribitProtocol(credentials(), by_secret=True)
    protocol.connection_made(NOW)
    [time] = sent(protocol)
    protocol.receive(answer(time["id"], NOW // 1_000_000), NOW)
    [login] = sent(protocol)
    assert login["params"] == {
        "grant_type": "client_credentials",
        "client_id": KEY[0],
        "client_secret": KEY[1],
    }


STEPS = {  # what is asked on the way, and what would be no answer to it
    "public/auth": 5,
    "public/set_heartbeat": None,  # any result will do
    "private/enable_cancel_on_disconnect": None,
    "private/subscribe": 5,
}


def up_to(method):
    """A session on its way, and the request that waits for its answer."""
    protocol = DeribitProtocol(credentials(), channels=["user.changes.any.any.raw"])
    protocol.connection_made(NOW)
    waiting = sent(protocol)
    while waiting[0]["method"] != method:
        message = waiting.pop(0)
        protocol.receive(answer(message["id"], reply(message)), NOW)
        waiting += sent(protocol)
    return protocol, waiting[0]


@pytest.mark.parametrize("method", STEPS)
def test_silence_on_the_way_ends_the_session(method):
    protocol, _ = up_to(method)
    protocol.tick(NOW + 11 * SECOND)
    assert (protocol.state, protocol.reason) == (State.CLOSING, f"no answer to {protocol.reason[13:]}")
    assert protocol.reason[13:] in STEPS
    assert protocol.data_to_send() == []
    assert protocol.next_deadline(NOW) is None


@pytest.mark.parametrize("method", [m for m in STEPS if not m.endswith("/subscribe")])
def test_a_refusal_on_the_way_ends_the_session(method):
    protocol, message = up_to(method)
    protocol.receive(refusal(message["id"], 10001), NOW)
    assert (protocol.state, protocol.reason) == (State.CLOSING, f"{method} refused: 10001 no")
    assert protocol.data_to_send() == []


def test_a_refused_subscription_is_told():
    protocol, message = up_to("private/subscribe")
    protocol.receive(refusal(message["id"], 10001), NOW)
    [missing] = [p for p in protocol.events_received() if isinstance(p, n.SubscriptionMissing)]
    assert (missing.channels, missing.reason) == (("user.changes.any.any.raw",), "10001 no")
    assert protocol.state is State.READY


@pytest.mark.parametrize("method", [m for m, bad in STEPS.items() if bad is not None])
def test_an_unreadable_answer_on_the_way_ends_the_session(method):
    protocol, message = up_to(method)
    protocol.receive(answer(message["id"], STEPS[method]), NOW)
    assert (protocol.state, protocol.reason) == (State.CLOSING, f"unreadable answer to {method}")


def test_the_table_of_transitions_leaves_no_state_behind():
    for state in State:
        if state is not State.LOST:
            assert TRANSITIONS[state, Event.CLOSED] is State.LOST
    assert not [state for state, _ in TRANSITIONS if state is State.LOST]
    assert set(TRANSITIONS.values()) | {State.CONNECTING} == set(State)


def test_calls_that_make_no_sense_raise():
    protocol = ready()
    with pytest.raises(SessionError):
        protocol.connection_made(NOW)
    with pytest.raises(SessionError):
        order(protocol, 0.0)
    with pytest.raises(SessionError):
        DeribitProtocol(heartbeat_s=9)
    assert protocol.data_to_send() == []


# --------------------------------------------------------------------------- requests


def test_an_order_and_its_answer():
    protocol = ready()
    id_ = order(protocol, limit=60_000.0)
    [message] = sent(protocol)
    assert (message["id"], message["method"]) == (id_, "private/buy")
    protocol.receive(answer(id_, {"order": ORDER, "trades": [TRADE]}), NOW + SECOND)
    found = only(protocol, n.Answered)
    assert (found.id, found.method, found.ts_ns) == (id_, "private/buy", NOW + SECOND)
    assert found.result.order.order_id == "77"
    assert found.result.trades[0].amount == 10.0


def test_a_refusal_says_why_and_what_became_of_it():
    protocol = ready()
    id_ = order(protocol)
    data = {"reason": "must conform to tick size", "param": "price"}
    protocol.receive(refusal(id_, -32602, "Invalid params", data), NOW)
    found = only(protocol, n.Refused)
    assert (found.id, found.code, found.fate) == (id_, -32602, Fate.REJECTED)
    assert "tick size" in found.data


@pytest.mark.parametrize("row", CODES.values(), ids=lambda row: row.name)
def test_every_code_of_the_table(row):
    protocol = ready()
    id_ = order(protocol, now_ns=NOW + 10 * SECOND)
    sent(protocol)
    protocol.receive(refusal(id_, row.code, row.name), NOW + 10 * SECOND)
    news = protocol.events_received()
    refusals = [piece for piece in news if isinstance(piece, n.Unauthorised)]
    assert [piece.code for piece in refusals] == ([row.code] if row.code in AUTHORISATION else [])
    first, *more = [piece for piece in news if piece not in refusals]
    assert (first.id, first.code, first.message, first.fate) == (id_, row.code, row.name, row.fate)
    asked = [m["method"] for m in sent(protocol)]
    assert (protocol.state is State.CLOSING) == (row.action is Action.DROP)
    assert [piece.after for piece in more] == ([State.CLOSING] if row.action is Action.DROP else [])
    assert asked == (["public/auth"] if row.action is Action.REAUTHENTICATE else [])
    later = order(protocol, now_ns=NOW + 10 * SECOND)
    refused_here = row.action in (Action.DROP, Action.BACK_OFF)
    assert [p.id for p in protocol.events_received()] == ([later] if refused_here else [])


def test_the_table_has_the_documented_codes():
    documented = [*range(10000, 10008), *range(10009, 10042), *range(10043, 10050), 10066, 11008, 11021]
    documented += [
        11029,
        11030,
        11031,
        *range(11035, 11040),
        *range(11041, 11053),
        11054,
        11055,
        11056,
        11094,
    ]
    documented += [
        11098,
        12003,
        12004,
        12005,
        12998,
        13004,
        13008,
        *range(13009, 13013),
        *range(13018, 13022),
    ]
    documented += [13025, 13028, 13030, 13031, 13032, 13040, 13042, 13043, 13403, 13503, 13666, 13777, 13778]
    documented += [13888, 13901, -32602, -32601, -32700, -32000]
    assert set(CODES) == set(documented)
    assert len({row.name for row in CODES.values()}) == len(CODES)


def test_a_code_that_nobody_knows_may_mean_anything():
    assert look_up(4242).fate is Fate.UNKNOWN
    protocol = ready()
    protocol.receive(refusal(order(protocol), 4242), NOW)
    assert only(protocol, n.Refused).fate is Fate.UNKNOWN


def test_an_answer_that_cannot_be_read_leaves_the_order_s_fate_open():
    protocol = ready()
    id_ = order(protocol)
    protocol.receive(answer(id_, {"order": {"order_id": 5}}), NOW)
    bad, refused = protocol.events_received()
    assert isinstance(bad, n.BadFrame)
    assert (refused.id, refused.code, refused.fate) == (id_, UNREADABLE, Fate.UNKNOWN)


def test_deadlines():
    protocol = ready()
    slow = order(protocol, timeout_s=5.0)
    quick = protocol.request(method("public/get_time"), {}, NOW, timeout_s=1.0)
    assert protocol.next_deadline(NOW) == NOW + SECOND
    protocol.tick(NOW + SECOND - 1)
    assert protocol.events_received() == []
    protocol.tick(NOW + SECOND)
    found = only(protocol, n.Expired)
    assert (found.id, found.fate) == (quick, Fate.RETRY)
    protocol.tick(NOW + 5 * SECOND)
    found = only(protocol, n.Expired)
    assert (found.id, found.method, found.fate) == (slow, "private/buy", Fate.UNKNOWN)


def test_a_late_answer_still_tells_about_the_order():
    protocol = ready()
    id_ = order(protocol)
    protocol.tick(NOW + 6 * SECOND)
    protocol.events_received()
    protocol.receive(answer(id_, {"order": ORDER, "trades": [TRADE]}), NOW + 7 * SECOND)
    found = protocol.events_received()
    assert [type(piece) for piece in found] == [d.OrderNews, d.TradeNews]
    protocol.receive(answer(id_, {"order": ORDER, "trades": [TRADE]}), NOW + 7 * SECOND)
    assert "no request" in only(protocol, n.BadFrame).reason


def test_a_lost_connection_loses_what_waits():
    protocol = ready()
    bought = order(protocol)
    read = protocol.request(method("private/get_positions"), {"currency": "BTC"}, NOW)
    sent(protocol)
    protocol.connection_lost(NOW + 1, "gone")
    first, second, last = protocol.events_received()
    assert (first.id, first.fate, second.id, second.fate) == (bought, Fate.UNKNOWN, read, Fate.RETRY)
    assert (last.after, last.reason) == (State.LOST, "gone")
    for call in (
        lambda: order(protocol),
        lambda: protocol.cancel("77", NOW),
        lambda: protocol.cancel_all(NOW),
    ):
        id_ = call()
        found = only(protocol, n.Refused)
        assert (found.id, found.code, found.fate) == (id_, LOCAL, Fate.REJECTED)
    protocol.receive(heartbeat(), NOW)
    protocol.tick(NOW + 100 * SECOND)
    protocol.connection_lost(NOW)
    assert protocol.events_received() == []
    assert protocol.data_to_send() == []


def test_orders_wait_for_ready_and_for_nothing_that_blocks():
    protocol = DeribitProtocol(credentials())
    order(protocol)
    assert "connecting" in only(protocol, n.Refused).message
    protocol.connection_made(NOW)
    protocol.events_received()
    order(protocol)
    assert "not authenticated" in only(protocol, n.Refused).message
    protocol = ready()
    protocol.blocked = "not reconciled"
    order(protocol)
    assert only(protocol, n.Refused).message == "not reconciled"
    protocol.cancel("77", NOW)
    assert [m["method"] for m in sent(protocol)] == ["private/cancel"]
    public = ready(public=True)
    order(public)
    assert "not authenticated" in only(public, n.Refused).message


def test_the_budget_refuses_orders_and_lets_cancels_through():
    protocol = ready()
    ids = [order(protocol) for _ in range(30)]
    assert 10 <= len(sent(protocol)) <= 18
    refused = protocol.events_received()
    assert {piece.message for piece in refused} == {"rate budget used up"}
    assert {piece.fate for piece in refused} == {Fate.REJECTED}
    assert set(ids) > {piece.id for piece in refused}
    protocol.cancel_all(NOW)
    protocol.cancel_label("h", NOW)
    assert [m["method"] for m in sent(protocol)] == ["private/cancel_all", "private/cancel_by_label"]
    order(protocol, now_ns=NOW + 10 * SECOND)
    assert len(sent(protocol)) == 1


def test_what_can_wait_waits_for_the_budget_in_order():
    protocol = ready()
    ids = [protocol.request(method("private/get_transaction_log"), {}, NOW, timeout_s=60) for _ in range(5)]
    now_ns, got = NOW, [m["id"] for m in sent(protocol)]
    assert got == ids[:1]
    while len(got) < 5:
        due = protocol.next_deadline(now_ns)
        assert now_ns < due <= now_ns + 2 * SECOND
        now_ns = due
        protocol.tick(now_ns)
        got += [m["id"] for m in sent(protocol)]
    assert got == ids
    assert NOW + 3 * SECOND < now_ns < NOW + 6 * SECOND
    assert protocol.events_received() == []


def test_nobody_jumps_the_queue():
    protocol = ready()
    ids = [protocol.request(method("private/get_transaction_log"), {}, NOW) for _ in range(3)]
    sent(protocol)
    protocol.request(method("private/get_transaction_log"), {}, NOW + 2 * SECOND)  # could go, but others wait
    assert sent(protocol) == []
    protocol.tick(NOW + 2 * SECOND)
    assert [m["id"] for m in sent(protocol)] == ids[1:2]


def test_what_waited_too_long_was_not_sent():
    protocol = ready()
    ids = [protocol.request(method("private/get_transaction_log"), {}, NOW, timeout_s=2) for _ in range(5)]
    protocol.tick(NOW + SECOND)
    gone = [m["id"] for m in sent(protocol)]
    protocol.tick(NOW + 2 * SECOND)
    found = {piece.id: piece for piece in protocol.events_received()}
    assert gone == ids[:2]
    assert [type(found[id_]) for id_ in ids] == [n.Expired, n.Expired, n.Refused, n.Refused, n.Refused]
    assert (found[ids[4]].code, found[ids[4]].fate) == (LOCAL, Fate.REJECTED)
    protocol.tick(NOW + 9 * SECOND)
    assert sent(protocol) == []


def test_an_answer_to_what_was_not_sent_is_no_answer():
    protocol = ready()
    ids = [protocol.request(method("private/get_transaction_log"), {}, NOW) for _ in range(3)]
    protocol.receive(answer(ids[-1], {}), NOW)
    assert "no request" in only(protocol, n.BadFrame).reason
    protocol.connection_lost(NOW)
    lost = [piece for piece in protocol.events_received() if isinstance(piece, n.Lost)]
    assert [(piece.id, piece.fate) for piece in lost] == [
        (ids[0], Fate.RETRY), (ids[1], Fate.REJECTED), (ids[2], Fate.REJECTED),
    ]  # fmt: skip


def test_limits_that_the_exchange_tells_are_adopted():
    protocol = ready()
    id_ = protocol.request(method("private/get_account_summary"), {"currency": "BTC"}, NOW)
    sent(protocol)
    pair = {"rate": 30, "burst": 100}
    limits = {"non_matching_engine": pair, "matching_engine": {"trading": {"total": pair}}}
    protocol.receive(answer(id_, {"currency": "BTC", "equity": 1, "balance": 1, "limits": limits}), NOW)
    for _ in range(60):
        order(protocol)
    assert len(sent(protocol)) == 60


# --------------------------------------------------------------------------- staying alive


def test_test_requests_are_answered_once_at_a_time():
    protocol = ready()
    for _ in range(50):
        protocol.receive(heartbeat(), NOW)
    [message] = sent(protocol)
    assert message["method"] == "public/test"
    protocol.receive(answer(message["id"], {"version": "1"}), NOW)
    protocol.receive(heartbeat("heartbeat"), NOW)
    assert sent(protocol) == []
    protocol.receive(heartbeat(), NOW)
    assert len(sent(protocol)) == 1
    assert protocol.events_received() == []


def test_silence_ends_the_session():
    protocol = ready()
    protocol.receive(heartbeat("heartbeat"), NOW + 20 * SECOND)
    protocol.tick(NOW + 49 * SECOND)
    assert protocol.state is State.READY
    assert protocol.next_deadline(NOW + 49 * SECOND) == NOW + 50 * SECOND
    protocol.tick(NOW + 50 * SECOND)
    assert (protocol.state, protocol.reason) == (State.CLOSING, "silent for 30 s")


def test_a_token_is_renewed_before_it_ends():
    protocol = ready()
    now_ns = NOW
    for _ in range(3):
        due = now_ns + 720 * SECOND
        protocol.receive(heartbeat("heartbeat"), due - 1)
        assert protocol.next_deadline(due - 1) == due
        protocol.tick(due)
        [message] = sent(protocol)
        assert message["params"] == {"grant_type": "refresh_token", "refresh_token": TOKEN["refresh_token"]}
        protocol.receive(answer(message["id"], TOKEN, due), due)
        now_ns = due
    assert protocol.events_received() == []


def test_a_token_that_is_not_renewed_is_asked_for_afresh():
    protocol = ready()
    due = NOW + 720 * SECOND
    protocol.receive(heartbeat("heartbeat"), due)
    protocol.tick(due)
    [message] = sent(protocol)
    protocol.receive(refusal(message["id"], 13009, "unauthorized"), due)
    [message] = sent(protocol)
    assert message["params"]["grant_type"] == "client_signature"
    protocol.receive(refusal(message["id"], 13004, "invalid_credentials"), due)
    assert protocol.state is State.CLOSING
    assert "13004" in protocol.reason


@pytest.mark.parametrize("life", [-1e300, 0, 1e300])
def test_odd_lives_of_tokens(life):
    protocol = DeribitProtocol(credentials())
    protocol.connection_made(NOW)
    [login] = sent(protocol)
    protocol.receive(answer(login["id"], {**TOKEN, "expires_in": life}), NOW)
    serve(protocol)
    assert protocol.next_deadline(NOW) >= NOW + 8 * SECOND


def logins_after_13009(protocol, seconds):
    now_ns = NOW + seconds * SECOND
    protocol.receive(refusal(protocol.request(method("private/get_positions"), {}, now_ns), 13009), now_ns)
    return [message for message in sent(protocol) if message["method"] == "public/auth"]


def test_authentication_is_not_repeated_while_it_is_under_way():
    protocol = ready()
    assert [len(logins_after_13009(protocol, seconds)) for seconds in (6, 7, 12, 14)] == [1, 0, 0, 0]


def test_authentication_is_not_repeated_at_once():
    protocol = ready()
    assert logins_after_13009(protocol, 4) == []  # too soon after the first
    [login] = logins_after_13009(protocol, 6)
    protocol.receive(answer(login["id"], TOKEN), NOW + 6 * SECOND)
    assert [len(logins_after_13009(protocol, seconds)) for seconds in (7, 10, 11)] == [0, 0, 1]


def test_an_error_without_id():
    protocol = ready()
    frame = {"jsonrpc": "2.0", "error": {"code": 11050, "message": "bad_request", "data": "invalid json"}}
    protocol.receive(json.dumps(frame), NOW)
    assert "11050" in only(protocol, n.BadFrame).reason
    frame["error"] = {"code": 10028, "message": "too_many_requests"}
    protocol.receive(json.dumps(frame), NOW)
    assert protocol.state is State.CLOSING


def test_clocks_are_compared():
    protocol = ready()
    for off, told in ((0.2, 0), (-3.0, 1), (4.0, 1)):
        id_ = protocol.request(method("public/get_time"), {}, NOW)
        protocol.receive(answer(id_, 1, NOW + int(off * SECOND)), NOW)
        skews = [p for p in protocol.events_received() if isinstance(p, n.ClockSkew)]
        assert protocol.skew_s == pytest.approx(off)
        assert len(skews) == (told if off < 0 else 0)  # once a minute is enough


def test_close_is_for_the_owner_of_the_socket_to_do():
    protocol = ready()
    order(protocol)
    protocol.close(NOW, "enough")
    assert protocol.data_to_send() == []
    protocol.connection_lost(NOW, "socket closed")
    assert protocol.reason == "enough"


# --------------------------------------------------------------------------- channels


def test_missing_channels_are_named():
    protocol = ready()
    protocol.subscribe(["ticker.A.raw", "ticker.B.raw", "user.portfolio.BTC", "ticker.A.raw"], NOW)
    for message in sent(protocol):
        got = ["ticker.B.raw"] if message["method"] == "public/subscribe" else ["user.portfolio.btc"]
        protocol.receive(answer(message["id"], got), NOW)
    assert only(protocol, n.SubscriptionMissing).channels == ("ticker.A.raw",)
    protocol.subscribe(["ticker.A.raw", "ticker.B.raw"], NOW)  # only what we have not
    [message] = sent(protocol)
    assert message["params"]["channels"] == ["ticker.A.raw"]
    protocol.receive(refusal(message["id"], 13778), NOW)
    assert "13778" in only(protocol, n.SubscriptionMissing).reason


def test_many_channels_go_in_batches():
    protocol = ready()
    protocol.subscribe([f"ticker.{i}.raw" for i in range(1_201)], NOW)
    assert [len(m["params"]["channels"]) for m in sent(protocol)] == [500, 500, 201]
    protocol.unsubscribe(["ticker.5.raw", "ticker.nobody.raw"], NOW)
    [message] = sent(protocol)
    assert (message["method"], message["params"]["channels"]) == ("public/unsubscribe", ["ticker.5.raw"])


def book(kind, change_id, bids=(), asks=(), previous=None):
    data = {
        "type": kind, "timestamp": 1, "instrument_name": "BTC-PERPETUAL", "change_id": change_id,
        "bids": bids, "asks": asks,
    }  # fmt: skip
    if previous is not None:
        data["prev_change_id"] = previous
    return notification(BOOK, data)


BOOK = "book.BTC-PERPETUAL.raw"


def booked(**options):
    protocol = ready(channels=[BOOK], **options)
    bids = [["new", 99.5, 10], ["new", 99.0, 20], ["new", 98.5, 30]]
    asks = [["new", 100.0, 11], ["new", 100.5, 21]]
    protocol.receive(book("snapshot", 5, bids, asks), NOW)
    return protocol


def test_a_book_is_kept_from_its_changes():
    protocol = booked(book_depth=2)
    found = only(protocol, d.BookNews)
    assert (found.bids, found.asks) == (((99.5, 10), (99.0, 20)), ((100.0, 11), (100.5, 21)))
    bids = [["delete", 99.5, 0.0], ["change", 99.0, 25], ["delete", 12.0, 0]]
    asks = [["new", 99.75, 1], ["delete", 100.5, 0]]
    protocol.receive(book("change", 9, bids, asks, previous=5), NOW)
    found = only(protocol, d.BookNews)
    assert (found.change_id, found.bids) == (9, ((99.0, 25), (98.5, 30)))
    assert found.asks == ((99.75, 1), (100.0, 11))
    assert protocol.book(BOOK).asks(1) == ((99.75, 1),)
    assert len(protocol.book(BOOK).bids()) == 2


def test_a_gap_is_told_once_and_the_book_asked_for_again():
    protocol = booked()
    protocol.events_received()
    protocol.receive(book("change", 9, previous=6), NOW)
    assert only(protocol, n.Gap).channel == BOOK
    assert protocol.book(BOOK) is None
    protocol.receive(book("change", 10, previous=9), NOW)
    assert protocol.events_received() == []
    [leave] = sent(protocol)
    assert (leave["method"], leave["params"]["channels"]) == ("public/unsubscribe", [BOOK])
    protocol.receive(answer(leave["id"], [BOOK]), NOW)
    [again] = sent(protocol)
    assert (again["method"], again["params"]["channels"]) == ("public/subscribe", [BOOK])
    protocol.receive(answer(again["id"], [BOOK]), NOW)
    protocol.receive(book("snapshot", 12, [["new", 98.0, 1]]), NOW)
    assert only(protocol, d.BookNews).bids == ((98.0, 1),)
    protocol.receive(book("change", 15, previous=13), NOW)
    assert only(protocol, n.Gap).channel == BOOK


@pytest.mark.parametrize("end", ["refused", "missing", "silent"])
def test_a_book_that_cannot_be_had_again_ends_the_session(end):
    protocol = booked()
    protocol.receive(book("change", 9, previous=6), NOW)
    [leave] = sent(protocol)
    protocol.receive(answer(leave["id"], [BOOK]), NOW)
    [again] = sent(protocol)
    if end == "silent":
        protocol.tick(NOW + 11 * SECOND)
    else:
        protocol.receive(answer(again["id"], []) if end == "missing" else refusal(again["id"], 10001), NOW)
    assert protocol.state is State.CLOSING


def test_a_snapshot_replaces_the_book():
    protocol = booked()
    protocol.receive(book("snapshot", 6, [["new", 90.0, 1]], [["new", 110.0, 2]]), NOW)
    assert protocol.book(BOOK).bids() == ((90.0, 1),)
    assert protocol.book(BOOK).asks() == ((110.0, 2),)


def test_a_change_before_any_snapshot_is_a_gap():
    protocol = ready(channels=[BOOK])
    protocol.receive(book("change", 9, previous=0), NOW)
    assert only(protocol, n.Gap).channel == BOOK


def test_books_of_nobody_and_windows():
    protocol = ready(channels=["book.BTC-PERPETUAL.none.10.100ms"])
    window = {
        "timestamp": 1, "instrument_name": "BTC-PERPETUAL", "change_id": 3,
        "bids": [[5.0, 1.0]], "asks": [[6.0, 2]],
    }  # fmt: skip
    protocol.receive(notification("book.BTC-PERPETUAL.none.10.100ms", window), NOW)
    assert only(protocol, d.BookNews).asks == ((6.0, 2.0),)


def test_news_pass_and_bad_news_are_named():
    protocol = ready()
    index = {"timestamp": 1, "price": 5, "index_name": "btc_usd"}
    protocol.receive(notification("deribit_price_index.btc_usd", index).decode(), NOW)  # text is as good
    assert only(protocol, d.IndexNews).price == 5.0
    protocol.receive(notification("deribit_price_index.btc_usd", {}), NOW)
    assert only(protocol, n.BadFrame).channel == "deribit_price_index.btc_usd"
    for frame in (
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        "text",
        b'{"id":{}}',
        b'{"method":"x"}',
    ):
        protocol.receive(frame, NOW)
        assert only(protocol, n.BadFrame).channel == ""
    assert protocol.state is State.READY


def test_nothing_secret_is_ever_news():
    protocol = DeribitProtocol(credentials(), by_secret=True, channels=["user.changes.any.any.raw"])
    protocol.connection_made(NOW)
    serve(protocol)
    protocol.receive(heartbeat("heartbeat"), NOW + 720 * SECOND)
    protocol.tick(NOW + 720 * SECOND)
    [message] = sent(protocol)
    protocol.receive(answer(message["id"], {**TOKEN, "expires_in": "x"}), NOW + 720 * SECOND)
    protocol.connection_lost(NOW + 720 * SECOND)
    text = repr(protocol.events_received()) + repr(credentials()) + repr(vars(protocol))
    for secret in (KEY[1], TOKEN["access_token"], TOKEN["refresh_token"]):
        assert secret not in text


def test_a_rehearsal_goes_all_the_way_and_nowhere():
    rehearsal = Rehearsal(NOW)
    inner = rehearsal.protocol
    assert inner.state is State.READY
    gone, put = [], inner._requests.put
    inner._requests.put = lambda request, now_ns: gone.append(request.method.name) or put(request, now_ns)
    frames = [notification("user.lock", {}), heartbeat("heartbeat"), b"", b"\xff", refusal(9_999, 10009)]
    for i in range(1_000):
        rehearsal.run(frames[i % 5], NOW + i * SECOND)
    assert gone == ["private/buy"] * 1_000
    assert len(inner._requests) == 0
    assert inner.events_received() == inner.data_to_send() == []
    rehearsal.run(refusal(None, 10028), NOW + 1_000 * SECOND)  # ends it, harmlessly
    assert inner.state is not State.READY
    rehearsal.run(b"", NOW + 1_001 * SECOND)
    assert inner.data_to_send() == []
    assert rehearsal.protocol.state is State.READY  # and goes on


def test_a_rehearsal_outlives_a_question_that_nobody_answers():
    rehearsal = Rehearsal(NOW)
    for k in range(10):
        rehearsal.run(heartbeat("test_request"), NOW + k * 30 * SECOND)
        rehearsal.run(b"", NOW + (k * 30 + 29) * SECOND)
    rehearsal.run(b"", NOW + 300 * SECOND)
    assert rehearsal.protocol.state is State.READY


def test_one_budget_and_one_count_of_ids_for_all_connections():
    budget, ids = Budget(), iter(range(100, 10_000))
    first = ready(budget=budget, ids=ids)
    last = [order(first) for _ in range(30)][-1]
    second = ready(budget=budget, ids=ids)
    assert order(second) > last
    assert only(second, n.Refused).message == "rate budget used up"
    assert kind_of("private/buy") == "order"


def test_the_login_is_signed_with_the_exchanges_time():
    ahead = 600 * SECOND  # theirs, of ours
    protocol = DeribitProtocol(credentials())
    protocol.connection_made(NOW)
    [time] = sent(protocol)
    protocol.receive(answer(time["id"], 0, NOW + ahead), NOW)
    [login] = sent(protocol)
    assert login["params"]["timestamp"] == (NOW + ahead) // 1_000_000
    skewed = [piece for piece in protocol.events_received() if isinstance(piece, n.ClockSkew)]
    assert [piece.seconds for piece in skewed] == [600.0]


@pytest.mark.parametrize("how", ["refused", "unreadable"])
def test_a_login_without_their_time_takes_the_skew_that_is_known(how):
    skew = Skew()
    skew.measure(NOW, NOW, (NOW - 90 * SECOND) // 1_000, (NOW - 90 * SECOND) // 1_000)
    protocol = DeribitProtocol(credentials(), skew=skew)
    protocol.connection_made(NOW)
    [time] = sent(protocol)
    said = refusal(time["id"], 11056) if how == "refused" else b'{"id":%d,"result":null}' % time["id"]
    protocol.receive(said, NOW)
    [login] = sent(protocol)
    assert (login["method"], login["params"]["timestamp"]) == (
        "public/auth",
        (NOW - 90 * SECOND) // 1_000_000,
    )


def test_a_clock_that_is_right_again_is_told_once():
    skew, later = Skew(), NOW + 120 * SECOND
    off = (NOW + 5 * SECOND) // 1_000
    assert skew.measure(NOW, NOW, off, off).seconds == 5.0
    assert skew.measure(NOW, NOW, off, off) is None  # once a minute
    assert skew.measure(later, later, later // 1_000, later // 1_000).seconds == 0.0
    assert skew.measure(later, later, later // 1_000, later // 1_000) is None


@pytest.mark.parametrize("answer_to", ["refused", "unreadable", "read"])
def test_a_session_does_without_a_status(answer_to):
    protocol, request = up_to("public/status")
    said = {
        "refused": refusal(request["id"], -32601),
        "unreadable": answer(request["id"], [1]),
        "read": answer(request["id"], {"locked": True}),
    }[answer_to]
    protocol.receive(said, NOW)
    serve(protocol)
    assert protocol.state is not State.CLOSING
    found = [piece for piece in protocol.events_received() if isinstance(piece, d.StatusNews)]
    assert [piece.locked for piece in found] == ([True] if answer_to == "read" else [])
