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

from collections.abc import Mapping

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MILLISECOND, NS_PER_SECOND

from .agenda import Agenda
from .auth import Auth
from .catalog import ListedContract
from .clearing import Clearing
from .config import ExchangeConfig
from .connection import ABNORMAL, Close, Connection
from .dispatcher import Dispatcher
from .faults import Fault, FaultPlan, Faults, Kind
from .floor import Floor
from .locks import TradingLocks
from .price_model import Recorded
from .publisher import Publisher

__all__ = ["Exchange", "UnavailableError"]

MAX_CONNECTIONS = 32


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
    """A local Deribit.

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
    floor : Floor
        Prices, books and accounts.
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
        self.floor = floor = Floor(config, recorded)
        self.auth = Auth(config.clients, floor.users, config.token_life_s, config.seed)
        self._agenda = Agenda()
        self.publisher = Publisher(floor, self._agenda, self)
        floor.listeners.append(self.publisher)
        self.locks = TradingLocks(floor, self.publisher)
        self._clearing = Clearing(floor, self.publisher)
        self._dispatcher = Dispatcher(floor, self.auth, self.publisher, self.locks, self.faults, self)
        self.connections: dict[int, Connection] = {}
        self._next_connection = 0
        self.accepts_from_ns = config.start_ns
        self._tick_ns = config.tick_ms * NS_PER_MILLISECOND
        self._agenda.at(config.start_ns // self._tick_ns * self._tick_ns + self._tick_ns, "tick")
        day = (config.start_ns - 8 * NS_PER_HOUR) // NS_PER_DAY + 1
        self._agenda.at(day * NS_PER_DAY + 8 * NS_PER_HOUR, "settle")

    # Time

    def advance(self, now_ns: int) -> None:
        """Let time pass until a moment; everything that falls due happens in order.

        Parameters
        ----------
        now_ns : int
            Exchange time; a moment that has passed is ignored.
        """
        while self._agenda.next_ns() <= now_ns:
            due_ns, what, argument = self._agenda.pop()
            self.now_ns = max(self.now_ns, due_ns)
            if what == "tick":
                self._tick(self.now_ns)
                self._agenda.at(due_ns + self._tick_ns, "tick")
            elif what == "flush":
                self.publisher.flush(argument, self.now_ns)
            elif what == "release":
                self._dispatcher.release(self.now_ns)
            elif what == "settle":
                pause_ns = round(self.config.settlement_pause_s * NS_PER_SECOND)
                self._dispatcher.paused_until_ns = due_ns + pause_ns
                self._clearing.settle(self.now_ns)
                self.floor.publish(self.now_ns)
                self._agenda.at(due_ns + NS_PER_DAY, "settle")
            elif what == "mend":
                kind, subject = argument
                self._switch(kind, subject, False)
        self.now_ns = max(self.now_ns, now_ns)

    def release_at(self, due_ns: int) -> None:
        """Have held orders released at a moment."""
        self._agenda.at(due_ns, "release")

    def next_event_ns(self) -> int:
        """When something happens next, if nobody calls before."""
        held = [c.next_due_ns for c in self.connections.values() if c.next_due_ns is not None]
        return min([self._agenda.next_ns(), *held])

    def _tick(self, now_ns: int) -> None:
        floor = self.floor
        elapsed = now_ns - floor.market.now_ns
        floor.market.step(now_ns)
        for listing in sorted(self._active(), key=lambda x: x.name):
            floor.maker.quote(listing, now_ns)
            floor.maker.trade(listing, elapsed, now_ns)
        floor.engine.trigger(now_ns)
        self._clearing.liquidate(now_ns)
        floor.publish(now_ns)
        self.publisher.tick(now_ns)
        for connection in list(self.connections.values()):
            connection.watch(now_ns)
        self._break(now_ns)

    def _break(self, now_ns: int) -> None:
        """Do what faults on the clock say, and take back what they did for a while."""
        for index in ("", *sorted(self.floor.indices)):
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
            self._agenda.at(now_ns + round(fault.seconds * NS_PER_SECOND), "mend", (kind, subject))

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
            user_id = self.floor.users[client_id]
            for connection in self.connections.values():
                for topic in [t for t in connection.topics.values() if t.account == user_id]:
                    self.publisher.unsubscribe(topic, connection.number)
                    connection.topics.pop(topic.name, None)

    def _active(self) -> set[ListedContract]:
        """Instruments whose book is kept up: watched ones and those with orders of users."""
        found = self.publisher.watched()
        for orders in self.floor.engine.open.values():
            found |= {order.listing for order in orders.values()}
        return {listing for listing in found if listing.state == "open"}

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
            During a restart, and beyond `MAX_CONNECTIONS`.
        """
        self.advance(now_ns)
        if self.now_ns < self.accepts_from_ns:
            raise UnavailableError("restarting", 503)
        if len(self.connections) >= MAX_CONNECTIONS:
            raise UnavailableError("too many connections", 429)
        self._next_connection += 1
        connection = Connection(self, self._next_connection, self.config.max_queue)
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
        self.publisher.lost(connection.number)
        self.auth.connection_lost(connection.number)
        self._dispatcher.forget(connection)
        if connection.cancel_on_disconnect and not connection.graceful and connection.token is not None:
            account = self.floor.accounts[connection.token.user_id]
            for order in self.floor.engine.own_orders(account):
                if order.connection == connection.number:
                    self.floor.engine.cancel(order, self.now_ns, "cancel_on_disconnect")
            self.floor.publish(self.now_ns)

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
        self._dispatcher.frame(connection, text, self.now_ns)

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
        if self.now_ns < self.accepts_from_ns:
            return 503, ""
        return self._dispatcher.rest(http_method, uri, headers, body, self.now_ns)
