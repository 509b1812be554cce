"""The exchange: time in, text in, text out; no socket, no clock, no thread.

::

    exchange = Exchange(ExchangeConfig(seed=1))
    connection = exchange.connect(exchange.now_ns)
    connection.receive('{"jsonrpc":"2.0","id":1,"method":"public/get_time"}', exchange.now_ns)
    exchange.advance(exchange.now_ns + 60 * 10**9)
    frames = connection.pop()

Whoever drives it owns the clock: every call takes the exchange time, which never goes back.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from typing import Any

import msgspec

from gammacore.contracts import to_units
from gammacore.daycount import (
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MICROSECOND,
    NS_PER_MILLISECOND,
    NS_PER_SECOND,
)

from . import clearing
from .accounts import Account, Position, worth
from .auth import Auth, Token
from .calls import Call
from .catalog import Catalog, Listing
from .config import ExchangeConfig
from .connection import ABNORMAL, Close, Connection
from .engine import Engine, Touched
from .faults import Fault, FaultPlan, Faults, Kind
from .feed import Feed
from .limits import MATCHING, Limits
from .locks import Locks
from .maker import Maker
from .market import Market, Recorded
from .methods import METHODS, WEBSOCKET_ONLY, scope_of
from .past import Past
from .pricing import Pricing
from .views import Views
from .wire import Params, RpcError, encode

__all__ = ["Exchange", "UnavailableError"]

MAKER_ID, STRANGERS_ID, FIRST_USER_ID = 1, 2, 10_580
OPEN_USD, OPEN_COINS = 50_000_000.0, 500.0  # open interest of a perpetual at the start
TICK, LATER = 0, 1  # at one moment the market moves first


class UnavailableError(ConnectionError):
    """The exchange accepts no connection now: it restarts, or too many are open.

    Attributes
    ----------
    status : int
        HTTP status of the refusal.
    """

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


class Exchange:
    """A simulated Deribit.

    Parameters
    ----------
    config : ExchangeConfig, optional
    faults : FaultPlan, optional
    recorded : dict of str to Recorded, optional
        Index prices to follow, by coin.

    Attributes
    ----------
    now_ns : int
        Exchange time reached.
    faults : Faults
        What is armed and what has fired.
    """

    def __init__(
        self,
        config: ExchangeConfig | None = None,
        faults: FaultPlan | None = None,
        recorded: dict[str, Recorded] | None = None,
    ) -> None:
        self.config = config = config or ExchangeConfig()
        self.now_ns = config.start_ns
        self.faults = Faults(faults or FaultPlan(), config.start_ns)
        self.market = Market(config, recorded)
        self.catalog = Catalog(config, self.market)
        self.pricing = Pricing(self.catalog, self.market)
        self.accounts = {
            MAKER_ID: Account(MAKER_ID, "maker", house=True),
            STRANGERS_ID: Account(STRANGERS_ID, "strangers", house=True),
        }
        users = {client_id: FIRST_USER_ID + k for k, client_id in enumerate(config.clients)}
        for client_id, user_id in users.items():
            self.accounts[user_id] = account = Account(user_id, client_id)
            for currency, amount in config.deposits.items():
                account.wallet(currency).balance = account.wallet(currency).deposited = to_units(amount)
        self.currencies = (*config.models, *(("USDC",) if config.linear else ()))
        self.indices = {x.index for x in self.catalog.by_name.values()}
        self.perpetuals = [x for x in self.catalog.by_name.values() if x.expiry_ns is None]
        self.auth = Auth(config.clients, users, config.token_life_s, config.seed)
        self.limits = Limits(config.matching_rate, config.matching_burst)
        origin_ms = (config.start_ns - (config.history_days + 1) * NS_PER_DAY) // NS_PER_MILLISECOND
        self.engine = Engine(self.catalog, self.market, self.pricing, self.accounts, origin_ms)
        self.views = Views(self.engine, self.market, self.pricing, self.accounts)
        self.past = Past(self)
        self.views.past = self.past
        self._open_interest()
        self.clearing = clearing.Clearing(self)
        self.maker = Maker(
            self.engine,
            self.pricing,
            self.accounts[MAKER_ID],
            self.accounts[STRANGERS_ID],
            config.depth,
            config.flow_per_minute,
            config.seed,
        )
        self.locks = Locks(self)
        self.feed = Feed(self)
        self.connections: dict[int, Connection] = {}
        self.accepts_from_ns = config.start_ns
        self.paused_until_ns = 0
        self._reported: set[int] = set()
        self._next_connection = 0
        self._random = random.Random(config.seed)
        self._events: list[tuple[int, int, int, str, Any]] = []
        self._event_count = 0
        self._tick_ns = config.tick_ms * NS_PER_MILLISECOND
        self.at(config.start_ns // self._tick_ns * self._tick_ns + self._tick_ns, "tick", None)
        day = (config.start_ns - 8 * NS_PER_HOUR) // NS_PER_DAY + 1
        self.at(day * NS_PER_DAY + 8 * NS_PER_HOUR, "settle", None)

    def _open_interest(self) -> None:
        """Begin with what strangers hold in the perpetuals, and the market maker against them."""
        for listing in self.perpetuals:
            lots = round((OPEN_USD if listing.inverse else OPEN_COINS) / listing.amount(1))
            mark, interest = self.pricing.mark(listing).price, self.engine.interest(listing)
            for account, signed in ((self.accounts[STRANGERS_ID], lots), (self.accounts[MAKER_ID], -lots)):
                value = worth(listing, listing.amount(signed), mark)
                held = Position(listing, signed, value, value, interest=interest)
                account.positions[listing.name] = held

    # Time

    def at(self, due_ns: int, what: str, argument: Any) -> None:
        """Arrange for something to happen at a moment."""
        self._event_count += 1
        order = TICK if what == "tick" else LATER
        heapq.heappush(self._events, (due_ns, order, self._event_count, what, argument))

    def advance(self, now_ns: int) -> None:
        """Let time pass until a moment; everything that falls due happens in order.

        Parameters
        ----------
        now_ns : int
            Exchange time; a moment that has passed is ignored.
        """
        while self._events and self._events[0][0] <= now_ns:
            due, _, _, what, argument = heapq.heappop(self._events)
            self.now_ns = max(self.now_ns, due)
            if what == "tick":
                self._tick(self.now_ns)
                self.at(due + self._tick_ns, "tick", None)
            elif what == "flush":
                self.feed.flush(argument, self.now_ns)
            elif what == "settle":
                self.paused_until_ns = due + round(self.config.settlement_pause_s * NS_PER_SECOND)
                self.clearing.settle(self.now_ns)
                self.tell(self.now_ns)
                self.at(due + NS_PER_DAY, "settle", None)
            elif what == "mend":
                kind, subject = argument
                self._switch(kind, subject, False)
        self.now_ns = max(self.now_ns, now_ns)

    def next_event_ns(self) -> int:
        """When something happens next, if nobody calls before."""
        moments = [self._events[0][0]]
        moments += [c.next_due_ns for c in self.connections.values() if c.next_due_ns is not None]
        return min(moments)

    def _tick(self, now_ns: int) -> None:
        elapsed = now_ns - self.market.now_ns
        self.market.step(now_ns)
        for listing in sorted(self._active(), key=lambda x: x.name):
            self.maker.quote(listing, now_ns)
            self.maker.trade(listing, elapsed, now_ns)
        self.engine.trigger(now_ns)
        self.clearing.liquidate(now_ns)
        self.tell(now_ns)
        self.feed.tick(now_ns)
        for connection in list(self.connections.values()):
            connection.watch(now_ns)
        self._break(now_ns)

    def _break(self, now_ns: int) -> None:
        """Do what faults on the clock say, and take back what they did for a while."""
        for index in ("", *sorted(self.indices)):
            self._break_for("lock", index, now_ns)
        self._break_for("maintenance", "", now_ns)
        for client_id in self.config.clients:
            self._break_for("lock_account", client_id, now_ns)
            self._break_for("revoke", client_id, now_ns)
        fault = self.faults.fires("restart", "", now_ns)
        if fault is not None:
            self.restart(now_ns, fault.seconds)

    def _break_for(self, kind: Kind, subject: str, now_ns: int) -> None:
        fault = self.faults.fires(kind, subject, now_ns)
        if fault is not None:
            self._switch(kind, subject, True)
            self.at(now_ns + round(fault.seconds * NS_PER_SECOND), "mend", (kind, subject))

    def _switch(self, kind: Kind, subject: str, on: bool) -> None:
        if kind == "lock":
            self.locks.lock(subject, on)
        elif kind == "maintenance":
            self.locks.maintain(on)
        elif kind == "lock_account":
            self.locks.lock_account(subject, on)
        else:
            self.revoke(subject, on)

    def revoke(self, client_id: str, revoked: bool = True) -> None:
        """Make a key invalid, or valid again; its tokens and its private channels end.

        Parameters
        ----------
        client_id : str
        revoked : bool
        """
        self.auth.revoke_key(client_id, revoked)
        if revoked:
            user_id = self.auth.user_of(client_id)
            for connection in self.connections.values():
                for topic in [t for t in connection.topics.values() if t.account == user_id]:
                    self.feed.unsubscribe(topic, connection.number)
                    connection.topics.pop(topic.name, None)

    def _active(self) -> set[Listing]:
        """Instruments whose book is kept up: watched ones and those with orders of users."""
        found = self.feed.watched()
        for orders in self.engine.open.values():
            found |= {order.listing for order in orders.values()}
        return {listing for listing in found if listing.state == "open"}

    def tell(self, now_ns: int) -> None:
        """Publish what has changed since the last time."""
        what = self.engine.touched
        if what.books or what.trades or what.orders:
            self.engine.touched = Touched()
            self.clearing.log_trades(what.trades, now_ns)
            self.feed.touched(what, now_ns)

    # Looking up

    def find(self, name: str) -> Listing | None:
        """Instrument of a name."""
        found = self.catalog.by_name.get(name)
        if found is None:
            # It may have expired before the start; those are listed when first asked for.
            found = next((listing for listing in self.past.expired if listing.name == name), None)
        return found

    def options_on(self, index: str) -> list[Listing]:
        """Open options on an index."""
        return [x for options in self.catalog.chains.values() for x in options if x.index == index]

    def quote(self, listing: Listing, now_ns: int) -> None:
        """Bring the book of an instrument up to date because somebody looks at it."""
        self.maker.quote(listing, now_ns)
        self.tell(now_ns)

    # Connections

    def connect(self, now_ns: int) -> Connection:
        """Open a WebSocket connection.

        Parameters
        ----------
        now_ns : int

        Returns
        -------
        Connection

        Raises
        ------
        UnavailableError
            During a restart, and beyond 32 connections.
        """
        self.advance(now_ns)
        if self.now_ns < self.accepts_from_ns:
            raise UnavailableError("restarting", 503)
        if len(self.connections) >= 32:
            raise UnavailableError("too many connections", 429)
        self._next_connection += 1
        connection = Connection(self, self._next_connection, self.now_ns)
        self.connections[connection.number] = connection
        return connection

    def deliver(self, number: int, subject: str, frame: str) -> None:
        """Send a frame to a connection, if it is still there."""
        connection = self.connections.get(number)
        if connection is not None:
            connection.send(subject, frame)

    def connection_closed(self, connection: Connection) -> None:
        """Forget a connection, and cancel its orders if it asked for that."""
        self.connections.pop(connection.number, None)
        self.feed.lost(connection.number)
        self.auth.connection_lost(connection.number)
        if connection.cancel_on_disconnect and not connection.graceful and connection.token is not None:
            account = self.accounts[connection.token.user_id]
            for order in self.engine.own_orders(account):
                if order.connection == connection.number:
                    self.engine.cancel(order, self.now_ns, "cancel_on_disconnect")
            self.tell(self.now_ns)

    def has_reported(self, connection: Connection) -> bool:
        """Whether the end of a connection has been taken; from now on it has."""
        known = connection.number in self._reported
        self._reported.add(connection.number)
        return known

    def restart(self, now_ns: int, seconds: float) -> None:
        """End all connections and accept none for a while; accounts, orders and books survive.

        Parameters
        ----------
        now_ns : int
        seconds : float
            Until connections are accepted again.
        """
        self.advance(now_ns)
        self.accepts_from_ns = self.now_ns + round(seconds * NS_PER_SECOND)
        for connection in list(self.connections.values()):
            connection.close(Close(ABNORMAL, "restart"))

    def inject(self, fault: Fault) -> None:
        """Arm another fault while running; its times count from the start of the exchange."""
        self.faults.add(fault)

    # Requests

    def handle(self, connection: Connection, text: str) -> None:
        """Answer one frame of a connection."""
        now_ns = self.now_ns
        request = _decode(text)
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            data = "invalid json" if request is None else None
            connection.send("", self._envelope({}, error=RpcError(11050, data), now_ns=now_ns))
            return
        method = request["method"]
        if self.faults.fires("lost_request", method, now_ns):
            connection.close(Close(ABNORMAL, "dropped"))
            return
        call = Call(self, method, Params(_mapping(request.get("params"))), now_ns, connection, None)
        answer, error = self._answer(request, call, connection.token)
        if self.faults.fires("lost_response", method, now_ns):
            connection.close(Close(ABNORMAL, "dropped"))
        if self._random.random() < self.config.notify_first:
            self.tell(now_ns)  # whether the answer or what it caused comes first is left open
        connection.send(method, answer)
        if error is not None and error.code == 10028:
            connection.close(Close(ABNORMAL, "too_many_requests"))
        for action in call.after if connection.closed is None else ():
            action()
        self.tell(now_ns)

    def request(
        self, http_method: str, uri: str, headers: Mapping[str, str], body: str, now_ns: int
    ) -> tuple[int, str]:
        """Answer one REST request.

        Parameters
        ----------
        http_method : {'GET', 'POST'}
        uri : str
            Path and query as sent, such as ``/api/v2/public/ticker?instrument_name=BTC-PERPETUAL``.
        headers : mapping
            Of which ``authorization`` is read.
        body : str
            Of a POST.
        now_ns : int

        Returns
        -------
        status : int
            200, or 400 for every error; 502 where a fault loses the request or its answer, 503 during
            a restart.
        body : str
        """
        self.advance(now_ns)
        now_ns = self.now_ns
        if now_ns < self.accepts_from_ns:
            return 503, ""
        request, rest = _rest_request(http_method, uri, body)
        if request is None:
            return 400, self._envelope({}, error=RpcError(11050, "bad request"), now_ns=now_ns)
        method = request["method"]
        if self.faults.fires("lost_request", method, now_ns):
            return 502, ""
        call = Call(self, method, Params(_mapping(request.get("params")), rest=rest), now_ns, None, None)
        try:
            header = headers.get("authorization")
            token = self.auth.by_header(header, http_method, uri, body, now_ns) if header else None
        except RpcError as error:
            return 400, self._envelope(request, error=error, now_ns=now_ns)
        answer, failure = self._answer(request, call, token)
        self.tell(now_ns)
        if self.faults.fires("lost_response", method, now_ns):
            return 502, ""
        return (200 if failure is None else 400), answer

    def _answer(
        self, request: dict[str, Any], call: Call, token: Token | None
    ) -> tuple[str, RpcError | None]:
        try:
            result = self._run(call, token)
        except RpcError as error:
            return self._envelope(request, error=error, now_ns=call.now_ns), error
        return self._envelope(request, result=result, now_ns=call.now_ns), None

    def _run(self, call: Call, token: Token | None) -> Any:
        method, now_ns = call.method, call.now_ns
        handler = METHODS.get(method)
        if handler is None:
            raise RpcError(-32601)
        if call.params.has("access_token"):
            token = self.auth.by_access(call.params.text("access_token"), now_ns)
        elif token is not None and token.access:
            if method.startswith("public/") and not self.auth.holds(token, now_ns):
                token = None  # a login is how to get another
            else:
                token = self.auth.by_access(token.access, now_ns)
        who = "address" if token is None else str(token.user_id)
        if not self.limits.allow(who, method, now_ns) or self.faults.fires(
            "too_many_requests", method, now_ns
        ):
            raise RpcError(10028)
        if method in WEBSOCKET_ONLY and call.connection is None:
            raise RpcError(10030)
        if token is not None:
            call.caller = self.accounts[token.user_id]
        if method.startswith("private/"):
            if token is None:
                raise RpcError(13009, {"reason": "invalid_token"})
            if not token.allows(scope_of(method)):
                raise RpcError(13021, {"reason": f"{scope_of(method)} required"})
        if method in MATCHING and (
            now_ns < self.paused_until_ns or self.faults.fires("settlement", method, now_ns)
        ):
            raise RpcError(10041)
        locked = self.locks.refusal(call)
        if locked is not None:
            raise locked
        return handler(call)

    def _envelope(
        self, request: dict[str, Any], *, result: Any = None, error: RpcError | None = None, now_ns: int
    ) -> str:
        received = now_ns // NS_PER_MICROSECOND
        took = self._random.randrange(150, 900)
        envelope: dict[str, Any] = {"jsonrpc": "2.0"}
        if request.get("id") is not None:
            envelope["id"] = request["id"]
        if error is None:
            envelope["result"] = result
        else:
            envelope["error"] = error.as_json()
        return encode(
            envelope
            | {
                "usIn": received,
                "usOut": received + took,
                "usDiff": took,
                "testnet": self.config.testnet,
            }
        )


def _decode(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _rest_request(http_method: str, uri: str, body: str) -> tuple[dict[str, Any] | None, bool]:
    """Request of a REST call, and whether its parameters are texts of a URL."""
    from urllib.parse import parse_qsl, urlsplit

    parts = urlsplit(uri)
    method = parts.path.removeprefix("/api/v2").strip("/")
    if http_method == "GET":
        return ({"method": method, "params": dict(parse_qsl(parts.query))} if method else None), True
    request = _decode(body)
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return None, False
    return request, False
