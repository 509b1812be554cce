"""Nothing a server sends ends a session: every field of every message, set to what it cannot be."""

import copy
import math
import random

import msgspec
import pytest

from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit import methods as m
from gammacore.live import client as client_module
from gammacore.live.actions import CancelPlaced, Place, Query, QueryKind
from gammacore.live.attempts import Placed
from gammacore.live.audit import Audit
from gammacore.live.dispatch import Dispatch
from gammacore.live.journal import read
from gammacore.live.news import State
from gammacore.live.parity import check
from gammacore.live.parts import Parts
from gammacore.live.questions import ChainLook, DeliveryPrices, Locks
from gammacore.live.records import decode_event
from gammacore.live.risk_manager import Mode
from support.live_world import ID, SECRET, Process, lively
from support.local_exchange import Client as Holder
from support.watched_session import Noted, Played, Watched, hedged

MISSING = object()
WRONG = (None, MISSING, "NaN", "x", [], {}, True, -1, 10**30, 1e308, -1e308, [None], {"a": None})
PERPETUAL = "BTC-PERPETUAL"
LATER_NS = 20 * NS_PER_SECOND  # after an expiry
OWN = (  # what the session asks for itself
    "public/get_time",
    "public/auth",
    "public/set_heartbeat",
    "public/status",
    "private/enable_cancel_on_disconnect",
    "private/subscribe",
    "public/subscribe",
    "private/get_open_orders",
    "private/get_positions",
    "private/get_account_summary",
    "private/get_user_trades_by_currency_and_time",
)


def paths(value, path=()):
    """Every place in a message, the whole of it included; of lists the first element."""
    yield path
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    )
    for key, inner in items:
        yield from paths(inner, (*path, key))


def questions(hedger, client, label):
    """How each thing is asked for; the ids of the requests end in a list."""
    now_ns = hedger.now_ns()
    placed = Placed(now_ns, label, "0-hedge-9", 0, hedger.feed.perpetual, 10.0, 6e4, False, False, now_ns)
    expiry_ns = next(iter(hedger.desk.portfolio.open.values())).expiry_ns

    class Counted:
        """A session that notes its ids; an order is a request that the exchange does not understand."""

        def __init__(self, ids):
            self.ids = ids

        def request(self, method, params, **options):
            self.ids.append(client.request(method, params, **options))
            return self.ids[-1]

        def send_order(self, *args, **options):
            return self.request(m.BUY, {})

        def cancel(self, order_id):
            return self.request(m.CANCEL, {})

    def asking(make):
        def ask(ids):
            session = Counted(ids)
            hedger.asked._session = session
            make(parts._replace(session=session))

        return ask

    def send(action):
        def make(parts):
            told = hedger.bookings.trade, hedger.questions.locks.ask
            Dispatch(parts, hedger.asked, *told, hedger.now_ns, 5.0).send(action)

        return asking(make)

    def later():
        return expiry_ns + LATER_NS

    asked, take, now = hedger.asked, hedger.take, hedger.now_ns
    parts = Parts(*(getattr(hedger, name) for name in Parts._fields))
    return {
        "place": send(Place(placed)),
        "cancel": send(CancelPlaced(label, "1")),
        "look": send(Query(QueryKind.STATE, placed, "1")),
        "trades": send(Query(QueryKind.FILLS, placed, "1")),
        "chain": asking(lambda parts: ChainLook(parts, asked, take, now, 0).tick(now_ns)),
        "audit": asking(lambda parts: Audit(parts, asked, now, 0, hedger.bookings.moved).tick(now_ns)),
        "status": asking(lambda parts: Locks(parts, asked).ask()),
        "delivery": asking(lambda parts: DeliveryPrices(parts, asked, take, later).tick(later())),
    }


def wrong(value, path, put):
    """A copy of a message with one place set."""
    if not path:
        return {} if put is MISSING else put
    made = copy.deepcopy(value)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    if put is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = put
    return made


class Meddled(Watched):
    """A world that keeps what the exchange says, and may change it on the way."""

    def __init__(self):
        super().__init__()
        self.notes, self.answers, self.asked = {}, {}, {}
        self.meddle = None  # a method, or a channel's start, and what to make of its data

    def connect(self, url, timeout_s):
        return Meddling(self, super().connect(url, timeout_s))


class Meddling(Noted):
    def write(self, text):
        message = msgspec.json.decode(text)
        self.world.asked[message["id"]] = message["method"]
        super().write(text)

    def read(self, timeout_s):
        return [self._seen(frame) for frame in super().read(timeout_s)]

    def _seen(self, frame):
        world, message = self.world, msgspec.json.decode(frame)
        if message.get("method") == "subscription":
            name, holder, key = message["params"]["channel"], message["params"], "data"
            world.notes[".".join(name.split(".")[:2])] = name, holder[key]
        elif "result" in message:
            name, holder, key = world.asked.get(message["id"], ""), message, "result"
            if name not in world.answers or holder[key]:
                world.answers[name] = holder[key]
        else:
            return frame
        if world.meddle is not None and name.startswith(world.meddle[0]):
            changed = world.meddle[1](holder[key])
            if changed is not holder[key]:
                holder[key], world.meddle = changed, None
                return msgspec.json.encode(message)
        return frame


@pytest.fixture
def play(tmp_path, monkeypatch):
    def playing(script, world):
        process = Process(world, tmp_path / "j.db", lively(hedge__band=0.01, live__audit_every="30s"))
        monkeypatch.setattr(client_module, "connect", world.connect)
        process.client.run(Played(world, process, script(world, process.hedger)))
        process.close()
        assert check(tmp_path / "j.db").departure is None
        return process

    return playing


def receive(client, message):
    """Hand a frame to the session as if it came from the socket."""
    now_ns = client.now_ns()
    client._protocol.receive(msgspec.json.encode(message), now_ns)
    client._hand_over(now_ns)
    client._flush()


def every(value):
    return [(path, put) for path in paths(value) for put in WRONG]


def test_notifications(play):
    rng = random.Random(4)

    def script(world, hedger):
        client = hedger.session
        yield hedged(hedger)
        world.jump(0.02)
        yield 5.0
        kinds = {"ticker.BTC-PERPETUAL", "user.changes", "user.portfolio", "platform_state", "user.lock"}
        notes = dict(world.notes) | {"user.lock": ("user.lock", {"locked": False})}
        assert kinds <= set(notes)
        assert any(kind.endswith(("-C", "-P")) for kind in notes)
        for channel, data in notes.values():
            found = every(data)
            for path, put in rng.sample(found, min(len(found), 200)):
                message = {"method": "subscription", "params": {"channel": channel}}
                message["params"]["data"] = wrong(data, path, put)
                receive(client, message)
                if client.state is State.CLOSING:
                    yield lambda: client.reconciled
                elif hedger.risk.causes:
                    hedger.risk.causes.clear()
        yield 5.0
        assert client.reconciled

    play(script, Meddled())


@pytest.mark.parametrize(
    ("field", "value"),
    [("index_price", None), ("index_price", 0.0), ("mark_price", 0.0), ("current_funding", 1e300)],
)
def test_a_wrong_figure_of_the_perpetual_is_outlived(field, value, play):
    """For a while, with a move of the market that calls for a hedge."""

    def script(world, hedger):
        yield hedged(hedger)
        world.told[field] = value
        world.jump(0.02)
        yield 5.0
        world.jump(0.02)
        yield 5.0
        world.told.clear()
        before = len(world.orders())
        world.jump(-0.08)
        yield lambda: len(world.orders()) > before and hedger.quiet
        assert hedger.risk.mode is Mode.NORMAL
        assert math.isfinite(hedger.risk.profit_usd + hedger.feed.interest)
        assert hedger.feed.interest < 1.0

    play(script, Meddled())


def test_answers(play):
    def script(world, hedger):
        client = hedger.session
        yield hedged(hedger)
        holder = Holder(world.exchange, login=ID, secret=SECRET)
        label = world.orders()[-1]["params"]["label"]
        resting = {"instrument_name": PERPETUAL, "amount": 10, "price": 80_000, "label": "holder's"}
        order = holder.call("private/buy", **resting)["order"]
        [ours] = holder.call("private/get_order_state_by_label", currency="BTC", label=label)
        answers = {
            "place": holder.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market"),
            "cancel": holder.call("private/cancel", order_id=order["order_id"]),
            "look": [ours],
            "trades": holder.call("private/get_user_trades_by_order", order_id=ours["order_id"]),
            "chain": holder.call("public/get_book_summary_by_currency", currency="BTC", kind="option"),
            "audit": holder.call("private/get_positions", currency="any"),
            "status": holder.call("public/status"),
            "delivery": holder.call("public/get_delivery_prices", index_name="btc_usd", count=3),
        }
        asks, ids = questions(hedger, client, label), []
        for kind, result in answers.items():
            for path, put in every(result):
                asks[kind](ids)
                receive(client, {"id": ids[-1], "result": wrong(result, path, put)})
                if client.state is State.CLOSING:
                    yield lambda: client.reconciled
                hedger.risk.causes.clear()
            yield 1.0
        assert client.state is not State.LOST

    play(script, Meddled())


def test_what_the_session_asks_itself(play):
    rng = random.Random(5)

    def script(world, hedger):
        client = hedger.session
        yield hedged(hedger)
        client.drop("to see the answers again")
        yield lambda: client.reconciled
        for method in OWN:
            found = every(world.answers[method])
            for path, put in rng.sample(found, min(len(found), 25)):
                world.meddle = method, lambda result, path=path, put=put: wrong(result, path, put)
                client.drop("to ask again")
                yield lambda: not client.reconciled
                yield lambda: client.reconciled
                hedger.risk.causes.clear()
        before = len(world.orders())
        hedger.risk._latched.clear()
        world.jump(0.02)
        yield lambda: len(world.orders()) > before

    play(script, Meddled())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, None)
            for name in ("amount", "price", "trade_id", "instrument_name", "direction", "timestamp")
        ),
        ("amount", 0.0),
        ("price", 0.0),
        ("price", -1.0),
    ],
)
def test_an_own_trade_that_cannot_be_read_is_fetched_and_booked_once(field, value, play):
    def script(world, hedger):
        yield hedged(hedger)
        trades = []

        def spoil(data):
            trades.extend(data["trades"])
            return data | {"trades": [trade | {field: value} for trade in trades]} if trades else data

        world.meddle = "user.changes", spoil
        world.jump(0.02)
        yield lambda: bool(trades)
        yield lambda: not hedger.session.reconciled
        yield lambda: hedger.session.reconciled and hedger.quiet
        held = {name: p.size for name, p in world.account.positions.items() if p.lots}
        assert hedger.positions.own() == pytest.approx(held)
        assert hedger.risk.mode is Mode.NORMAL

    play(script, Meddled())


def test_a_trade_without_a_fee_is_booked_with_the_published_one(play, tmp_path):
    """The exchange's own figure is known here, and stays hidden from the session."""
    fees = {}

    def without(trades):
        fees.update((trade["trade_id"], trade["fee"]) for trade in trades)
        return [{name: value for name, value in trade.items() if name != "fee"} for trade in trades]

    class Feeless(Meddling):
        def _seen(self, frame):
            message = msgspec.json.decode(super()._seen(frame))
            for data in (message.get("result"), message.get("params", {}).get("data")):
                if isinstance(data, dict) and data.get("trades"):
                    data["trades"] = without(data["trades"])
            return msgspec.json.encode(message)

    class World(Meddled):
        def connect(self, url, timeout_s):
            return Feeless(self, super().connect(url, timeout_s))

    def script(world, hedger):
        yield hedged(hedger)
        world.jump(0.02)
        yield lambda: hedger.filled >= 4 and hedger.quiet

    process = play(script, World())
    booked = [decode_event(r.body) for r in read(tmp_path / "j.db") if r.name == "Fill"]
    assert process.hedger.filled == len(fees) == len(booked) >= 4
    assert [fill.fee for fill in booked] == pytest.approx(list(fees.values()), abs=1.1e-8)
    assert all(fill.fee > 0 for fill in booked)


FUTURE_MS = 8_000_000_000_000  # the year 2223


@pytest.mark.parametrize(
    "message", ["ticker.BTC-PERPETUAL", "public/get_book_summary_by_currency", "user.changes"]
)
def test_a_time_from_the_future_does_not_silence_the_session(message, play):
    def late(data):
        if message.startswith("ticker"):
            return data | {"timestamp": FUTURE_MS}
        if message == "user.changes":
            trades = [trade | {"timestamp": FUTURE_MS} for trade in data["trades"]]
            return data | {"trades": trades} if trades else data
        return [row | {"creation_timestamp": FUTURE_MS} for row in data]

    def script(world, hedger):
        yield hedged(hedger)
        world.meddle = message, late
        world.jump(0.02)
        yield lambda: world.meddle is None
        yield lambda: hedger.quiet
        before = len(world.orders("hedge"))
        world.jump(-0.04)
        yield lambda: len(world.orders("hedge")) > before
        yield lambda: hedger.quiet
        assert hedger.desk.market.ts_ns < world.now_ns + 61 * NS_PER_SECOND
        assert hedger.risk.mode is Mode.NORMAL

    play(script, Meddled())
