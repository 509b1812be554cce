"""Frames that are broken, hostile or out of place, and random lives of a session.

``GAMMACORE_FUZZ=1000000 pytest tests/test_live_hostile.py`` for more than the default number of frames.
"""

import json
import os
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gammacore.contracts import parse
from gammacore.live import news as n
from gammacore.live.news import State
from gammacore.live.protocol import DeribitProtocol
from support.deribit_wire import (
    NOW,
    ORDER,
    SECOND,
    TOKEN,
    TRADE,
    answer,
    credentials,
    heartbeat,
    notification,
    ready,
    refusal,
    reply,
)
from support.deribit_wire import method as method_of
from support.shared_data import ROOT

FRAMES = int(os.environ.get("GAMMACORE_FUZZ", "100000"))
ORDERS = {"private/buy", "private/sell", "private/edit", "private/close_position"}
OWN = {
    "public/auth", "public/test", "public/set_heartbeat", "private/enable_cancel_on_disconnect",
    "public/subscribe", "private/subscribe", "public/unsubscribe", "private/unsubscribe",
}  # fmt: skip
BOOK = "book.BTC-PERPETUAL.raw"
CHANNELS = [
    BOOK, "book.BTC-PERPETUAL.none.10.100ms", "ticker.BTC-PERPETUAL.raw", "quote.BTC-PERPETUAL",
    "trades.option.any.raw", "deribit_price_index.btc_usd", "deribit_volatility_index.btc_usd",
    "estimated_expiration_price.btc_usd", "markprice.options.btc_usd", "perpetual.BTC-PERPETUAL.raw",
    "instrument.state.any.any", "platform_state", "user.changes.any.any.raw", "user.orders.any.any.raw",
    "user.trades.any.any.raw", "user.portfolio.btc", "user.lock",
]  # fmt: skip


def seeds():
    """Frames as the exchange sends them, one of each kind at least."""
    base = {"timestamp": NOW // 1_000_000, "instrument_name": "BTC-PERPETUAL"}
    levels = {
        "change_id": 5,
        "bids": [["new", 99.5, 10.0]],
        "asks": [["new", 100.0, 5.0], ["new", 101.0, 7.0]],
    }
    index = {"timestamp": 1, "index_name": "btc_usd"}
    ticker = base | {"mark_price": 0.05, "mark_iv": 40.5, "best_bid_price": 0.04, "best_ask_price": None}
    data = {
        BOOK: base | levels | {"type": "snapshot"},
        "book.BTC-PERPETUAL.none.10.100ms": base | {"change_id": 7, "bids": [[1.0, 2.0]], "asks": []},
        "ticker.BTC-PERPETUAL.raw": ticker
        | {"instrument_name": "BTC-25DEC26-76000-C", "underlying_index": "x"},
        "quote.BTC-PERPETUAL": base | {"best_bid_price": 5.0, "best_bid_amount": 1, "best_ask_price": 6},
        "trades.option.any.raw": [TRADE | {"iv": 40.0}],
        "deribit_price_index.btc_usd": index | {"price": 60_000.0},
        "deribit_volatility_index.btc_usd": index | {"volatility": 40.0},
        "estimated_expiration_price.btc_usd": {"price": 60_000.0, "seconds": 100, "is_estimated": False},
        "markprice.options.btc_usd": [base | {"mark_price": 0.05, "iv": 0.4}],
        "perpetual.BTC-PERPETUAL.raw": base | {"index_price": 60_000.0, "interest": 1e-4},
        "instrument.state.any.any": base | {"state": "created"},
        "platform_state": {"locked": False, "price_index": "btc_usd"},
        "user.changes.any.any.raw": {
            "orders": [ORDER],
            "trades": [TRADE],
            "positions": [base | {"size": -10.0}],
        },
        "user.orders.any.any.raw": ORDER,
        "user.trades.any.any.raw": [TRADE],
        "user.portfolio.btc": {
            "currency": "BTC",
            "equity": 1.0,
            "balance": 1.0,
            "delta_total_map": {"btc_usd": 0.1},
        },
        "user.lock": {"locked": True, "currency": "BTC"},
    }
    frames = [notification(channel, value) for channel, value in data.items()]
    change = base | levels | {"type": "change", "prev_change_id": 5, "change_id": 6}
    frames += [notification(BOOK, change), heartbeat(), heartbeat("heartbeat")]
    for id_ in (1, 9, 10, 12, "s"):
        frames += [
            answer(id_, {"order": ORDER, "trades": [TRADE]}),
            answer(id_, TOKEN),
            answer(id_, CHANNELS),
        ]
        frames += [refusal(id_, code, "m", {"reason": "r"}) for code in (10028, 13009, -32602, 10041, 5)]
    return frames + recorded_frames()


def recorded_frames():
    folder = ROOT / "fixtures/deribit"
    files = sorted(folder.rglob("*.jsonl")) if folder.exists() else []
    return [line.encode() for path in files for line in path.read_text().splitlines() if len(line) < 4_000]


VALUES = [
    None, True, -1, 0, 2**63, 10**30, 1e308, -0.0, "", "x" * 300, "\ud800", "market_price", [], {}, [[]],
    [None], {"a": 1}, "BTC-PERPETUAL", 'BTC","id":1', "13JAN99", 1e-320, [["new", 1, 1]] * 50,
]  # fmt: skip


def mutate_bytes(rng, frame):
    frame = bytearray(frame)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(frame) + 1)
        match rng.randrange(5):
            case 0:
                frame[at:at] = rng.randbytes(rng.randint(1, 4))
            case 1:
                del frame[at : at + rng.randint(1, 40)]
            case 2:
                frame[at : at + 1] = rng.choice(
                    [b"{", b"}", b"[", b"]", b'"', b",", b":", b"-", b"e9", b"\\u0000"]
                )
            case 3:
                frame[at:at] = frame[rng.randrange(len(frame) + 1) :][: rng.randint(1, 60)]
            case _:
                del frame[at:]
    return bytes(frame)


def mutate_value(rng, value):
    """The same JSON with a part exchanged, left out, or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.15:
            return {k: v for k, v in value.items() if k != key}
        if rng.random() < 0.05:
            return value | {
                rng.choice(["id", "method", "error", "result", "params", "data"]): rng.choice(VALUES)
            }
        return value | {key: mutate_value(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], mutate_value(rng, value[at]), *value[at + rng.randrange(2) :]]
    return rng.choice(VALUES)


def hostile(rng, pool):
    frame = rng.choice(pool)
    kind = rng.random()
    if kind < 0.35:
        return mutate_bytes(rng, frame)
    if kind < 0.9:
        value = json.loads(frame)
        for _ in range(rng.randint(1, 3)):
            value = mutate_value(rng, value)
        return json.dumps(value).encode(errors="surrogatepass")
    if kind < 0.92:
        return rng.choice([b"[", b'{"a":', b'{"params":{"data":[']) * rng.randint(1, 3_000)
    return frame if kind < 0.97 else rng.randbytes(rng.randrange(200))


def test_hostile_frames_never_raise_and_never_make_an_order():
    rng, pool = random.Random(20260101), seeds()
    protocol, sent, told, sessions = None, 0, 0, 0
    now_ns = NOW
    for i in range(FRAMES):
        if protocol is None or protocol.state is not State.READY or i % 5_000 == 0:
            protocol, sessions = ready(channels=CHANNELS, now_ns=now_ns), sessions + 1
        now_ns += rng.randrange(SECOND // 100)
        protocol.receive(hostile(rng, pool), now_ns)
        if i % 50 == 0:
            protocol.tick(now_ns)
        for frame in protocol.data_to_send():
            sent += 1
            assert json.loads(frame)["method"] in OWN
        told += len(protocol.events_received())
    assert told > FRAMES / 3
    assert sent < FRAMES / 10
    assert sessions < FRAMES / 20 + 2


def names():
    """Names of channels cut short or drawn out, at every dot."""
    for channel in CHANNELS:
        parts = channel.split(".")
        for i in range(len(parts)):
            yield from (".".join(parts[:i]), ".".join(parts[i:]), ".".join([*parts[:i], "", *parts[i:]]))
        yield channel + "." * 50


def test_any_data_on_channels_of_any_name():
    protocol = ready(channels=CHANNELS)
    data = [json.loads(frame).get("params", {}).get("data") for frame in seeds()]
    for channel in names():
        for value in [*data, None, 5, "x", [], {}]:
            protocol.receive(notification(channel, value), NOW)
            protocol.events_received()
    assert protocol.state is State.READY


@given(st.binary(max_size=400) | st.text(max_size=400))
@settings(max_examples=200)
def test_any_bytes_or_text(frame):
    protocol = PATIENT
    protocol.receive(frame, NOW)
    assert protocol.data_to_send() == []
    protocol.events_received()


PATIENT = ready(channels=CHANNELS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(CHANNELS), json_values)
@settings(max_examples=200)
def test_any_data_on_any_channel(channel, data):
    protocol = ready(channels=CHANNELS)
    protocol.receive(notification(channel, data), NOW)
    asked = [json.loads(frame)["method"] for frame in protocol.data_to_send()]
    assert set(asked) <= {"public/unsubscribe"}


def test_memory_stays_flat_under_a_flood():
    protocol = ready(channels=CHANNELS)
    flood = [heartbeat(), refusal(999, 13009), b"{", notification(BOOK, {}), notification("nobody", {})]
    for i in range(20_000):
        protocol.receive(flood[i % len(flood)], NOW + i)
        protocol.events_received()
        protocol.data_to_send()
    assert len(protocol._requests) <= 2


# --------------------------------------------------------------------------- random lives

PERPETUAL = parse("BTC-PERPETUAL")
ENDS = (n.Answered, n.Refused, n.Expired, n.Lost)


class Life(RuleBasedStateMachine):
    """Calls, frames, silence and losses in any order."""

    def __init__(self):
        super().__init__()
        self.now = NOW
        self.protocol = DeribitProtocol(credentials(), channels=["user.changes.any.any.raw", BOOK])
        self.unanswered = []
        self.asked = {}
        self.ended = {}
        self.orders = 0

    @initialize()
    def open(self):
        self.protocol.connection_made(self.now)

    def look(self):
        """Collect what the session says and sends."""
        frames = self.protocol.data_to_send()
        if self.protocol.state in (State.CLOSING, State.LOST):
            assert frames == []
        for frame in frames:
            message = json.loads(frame)
            self.unanswered.append(message)
            if message["method"] in ORDERS:
                self.orders -= 1
                assert self.orders >= 0
                assert self.protocol.state is State.READY
        for piece in self.protocol.events_received():
            if isinstance(piece, ENDS):
                assert piece.id in self.asked
                assert piece.id not in self.ended
                self.ended[piece.id] = piece

    @rule(amount=st.sampled_from([10.0, -20.0]), timeout=st.floats(0.1, 9.0))
    def order(self, amount, timeout):
        self.orders += 1
        id_ = self.protocol.send_order(PERPETUAL, amount, self.now, label="h", timeout_s=timeout)
        self.asked[id_] = "order"

    @rule(method=st.sampled_from(["public/get_time", "private/cancel_all", "private/get_transaction_log"]))
    def ask(self, method):
        self.asked[self.protocol.request(method_of(method), {}, self.now, timeout_s=3.0)] = method

    @rule(channels=st.lists(st.sampled_from(CHANNELS), max_size=3), leave=st.booleans())
    def choose(self, channels, leave):
        (self.protocol.unsubscribe if leave else self.protocol.subscribe)(channels, self.now)

    @precondition(lambda self: self.unanswered)
    @rule(data=st.data(), how=st.sampled_from(["well", "well", "well", "refused", "badly", "twice"]))
    def answered(self, data, how):
        message = self.unanswered.pop(data.draw(st.integers(0, len(self.unanswered) - 1)))
        result = {"order": ORDER, "trades": []} if message["method"] in ORDERS else reply(message)
        frame = answer(message["id"], {"?": 1} if how == "badly" else result, self.now)
        if how == "refused":
            frame = refusal(
                message["id"], data.draw(st.sampled_from([10009, 13009, 10041, 11044, 424242, 10028]))
            )
        for _ in range(2 if how == "twice" else 1):
            self.protocol.receive(frame, self.now)

    @rule(frame=st.sampled_from(seeds()))
    def hear(self, frame):
        self.protocol.receive(frame, self.now)

    @rule(seconds=st.floats(0.0, 40.0))
    def wait(self, seconds):
        self.now += int(seconds * SECOND)
        self.protocol.tick(self.now)

    @rule()
    def alive(self):
        self.protocol.receive(heartbeat("heartbeat"), self.now)

    @invariant()
    def honest(self):
        self.look()
        state = self.protocol.state
        due = self.protocol.next_deadline(self.now)
        assert (due is None) == (state in (State.CONNECTING, State.CLOSING, State.LOST))

    def teardown(self):
        self.protocol.connection_lost(self.now)
        self.look()
        assert self.protocol.state is State.LOST
        assert set(self.ended) == set(self.asked)
        self.ask("public/get_time")
        self.look()
        assert set(self.ended) == set(self.asked)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
