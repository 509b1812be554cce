"""Requests on their way in: who asks, whether it may, and the envelope of the answer."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from gammacore.daycount import NS_PER_MICROSECOND

from .auth import Auth, Token
from .calls import Call, Held
from .connection import ABNORMAL, Close, Connection
from .faults import Faults
from .floor import Floor
from .locks import TradingLocks
from .methods import METHODS, WEBSOCKET_ONLY, scope_of
from .publisher import Publisher
from .rate_limits import RequestLimits, is_matching
from .trading import answer_of
from .wire import RequestParams, RpcError, decode, encode

__all__ = ["Dispatcher"]

TOO_MANY_REQUESTS = 10028


class Clockwork(Protocol):
    """What the dispatcher needs of the exchange."""

    def release_at(self, due_ns: int) -> None:
        """Have held orders released at a moment."""

    def advance(self, now_ns: int) -> None:
        """Let time pass until a moment."""


class Dispatcher:
    """Answers to requests.

    Parameters
    ----------
    floor : Floor
    auth : Auth
    publisher : Publisher
    locks : TradingLocks
    faults : Faults
    clock : Clockwork
        What lets time pass.

    Attributes
    ----------
    paused_until_ns : int
        Until when the matching engine takes nothing, after a settlement.
    """

    def __init__(
        self,
        floor: Floor,
        auth: Auth,
        publisher: Publisher,
        locks: TradingLocks,
        faults: Faults,
        clock: Clockwork,
    ) -> None:
        self._floor = floor
        self._auth = auth
        self._publisher = publisher
        self._locks = locks
        self._faults = faults
        self._limits = RequestLimits(floor.config.matching_rate, floor.config.matching_burst)
        self._random = random.Random(floor.config.seed)
        self._clock = clock
        self._waiting: dict[str, tuple[dict[str, Any], Connection | None]] = {}
        self._entered: dict[str, str] = {}
        self.paused_until_ns = 0

    def frame(self, connection: Connection, text: str, now_ns: int) -> None:
        """Answer one frame of a connection."""
        request = decode(text)
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            broken = RpcError(11050, "invalid json" if request is None else None)
            connection.send("", self._envelope({}, error=broken, now_ns=now_ns))
            return
        method = request["method"]
        if self._faults.fires("lost_request", method, now_ns):
            connection.close(Close(ABNORMAL, "dropped"))
            return
        call = self._call(request, now_ns, connection)
        answer, error = self._answer(request, call, connection.token)
        if isinstance(answer, Held):
            self._waiting[answer.order.order_id] = request, connection
            self._clock.release_at(answer.until_ns)
            return
        self._send(connection, method, answer, error, now_ns)
        for action in call.after if connection.closed is None else ():
            action()
        self._floor.publish(now_ns)

    def release(self, now_ns: int) -> None:
        """Let held orders into their books, and answer those who wait for it."""
        for order, trades in self._floor.engine.release(now_ns):
            waiting = self._waiting.pop(order.order_id, None)
            if waiting is None:
                continue
            request, connection = waiting
            answer = self._envelope(request, result=answer_of(order, trades), now_ns=now_ns)
            if connection is None:
                self._entered[order.order_id] = answer
            else:
                self._send(connection, request["method"], answer, None, now_ns)
        self._floor.publish(now_ns)

    def forget(self, connection: Connection) -> None:
        """Nobody waits for answers any longer on a connection that has ended."""
        waiting = self._waiting.items()
        self._waiting = {order_id: kept for order_id, kept in waiting if kept[1] is not connection}

    def _send(
        self, connection: Connection, method: str, answer: str, error: RpcError | None, now_ns: int
    ) -> None:
        if self._faults.fires("lost_response", method, now_ns):
            connection.close(Close(ABNORMAL, "dropped"))
        if self._random.random() < self._floor.config.notify_first:
            self._floor.publish(now_ns)  # whether the answer or what it caused comes first is left open
        connection.send(method, answer)
        if error is not None and error.code == TOO_MANY_REQUESTS:
            connection.close(Close(ABNORMAL, "too_many_requests"))

    def rest(
        self, http_method: str, uri: str, headers: Mapping[str, str], body: str, now_ns: int
    ) -> tuple[int, str]:
        """Answer one REST request with a status and a body, as `Exchange.request` says."""
        request, in_url = _rest_request(http_method, uri, body)
        if request is None:
            return 400, self._envelope({}, error=RpcError(11050, "bad request"), now_ns=now_ns)
        method = request["method"]
        if self._faults.fires("lost_request", method, now_ns):
            return 502, ""
        try:
            header = headers.get("authorization")
            token = self._auth.by_header(header, http_method, uri, body, now_ns) if header else None
        except RpcError as error:
            return 400, self._envelope(request, error=error, now_ns=now_ns)
        answer, failure = self._answer(request, self._call(request, now_ns, None, in_url=in_url), token)
        if isinstance(answer, Held):  # a REST answer takes as long
            self._waiting[answer.order.order_id] = request, None
            self._clock.release_at(answer.until_ns)
            self._clock.advance(answer.until_ns)
            answer = self._entered.pop(answer.order.order_id)
        self._floor.publish(now_ns)
        if self._faults.fires("lost_response", method, now_ns):
            return 502, ""
        return (200 if failure is None else 400), answer

    def _call(
        self, request: dict[str, Any], now_ns: int, connection: Connection | None, *, in_url: bool = False
    ) -> Call:
        given = request.get("params")
        params = RequestParams(given if isinstance(given, dict) else {}, rest=in_url)
        return Call(
            self._floor,
            self._auth,
            self._publisher,
            self._locks,
            request["method"],
            params,
            now_ns,
            connection,
        )

    def _answer(
        self, request: dict[str, Any], call: Call, token: Token | None
    ) -> tuple[str | Held, RpcError | None]:
        try:
            result = self._run(call, token)
        except RpcError as error:
            return self._envelope(request, error=error, now_ns=call.now_ns), error
        if isinstance(result, Held):
            return result, None
        return self._envelope(request, result=result, now_ns=call.now_ns), None

    def _run(self, call: Call, token: Token | None) -> Any:
        handler = METHODS.get(call.method)
        if handler is None:
            raise RpcError(-32601)
        token = self._token(call, token)
        self._limit(call, token)
        if call.method in WEBSOCKET_ONLY and call.connection is None:
            raise RpcError(10030)
        if token is not None:
            call.caller = self._floor.accounts[token.user_id]
        self._permit(call, token)
        return handler(call)

    def _token(self, call: Call, token: Token | None) -> Token | None:
        """Token that a request is made with: the one it names, else that of its connection."""
        if call.params.has("access_token"):
            return self._auth.by_access(call.params.text("access_token"), call.now_ns)
        if token is None or not token.access:
            return token
        if call.method.startswith("public/") and not self._auth.holds(token, call.now_ns):
            return None  # a login is how to get another
        return self._auth.by_access(token.access, call.now_ns)

    def _limit(self, call: Call, token: Token | None) -> None:
        who = "address" if token is None else str(token.user_id)
        if not self._limits.allow(who, call.method, call.now_ns) or self._faults.fires(
            "too_many_requests", call.method, call.now_ns
        ):
            raise RpcError(TOO_MANY_REQUESTS)

    def _permit(self, call: Call, token: Token | None) -> None:
        """Refuse what the scope, a settlement or a lock stands against."""
        method, now_ns = call.method, call.now_ns
        if method.startswith("private/"):
            if token is None:
                raise RpcError(13009, {"reason": "invalid_token"})
            if not token.allows(scope_of(method)):
                raise RpcError(13021, {"reason": f"{scope_of(method)} required"})
        if is_matching(method) and (
            now_ns < self.paused_until_ns or self._faults.fires("settlement", method, now_ns)
        ):
            raise RpcError(10041)
        locked = self._locks.refusal(method, call.params, call.caller)
        if locked is not None:
            raise locked

    def _envelope(
        self, request: dict[str, Any], *, result: Any = None, error: RpcError | None = None, now_ns: int
    ) -> str:
        received = now_ns // NS_PER_MICROSECOND
        took = self._random.randrange(150, 900)
        number = request.get("id")
        return encode(
            {"jsonrpc": "2.0"}
            | ({} if number is None else {"id": number})
            | ({"result": result} if error is None else {"error": error.as_json()})
            | {
                "usIn": received,
                "usOut": received + took,
                "usDiff": took,
                "testnet": self._floor.config.testnet,
            }
        )


def _rest_request(http_method: str, uri: str, body: str) -> tuple[dict[str, Any] | None, bool]:
    """Request of a REST call, and whether its parameters are texts of a URL."""
    parts = urlsplit(uri)
    method = parts.path.removeprefix("/api/v2").strip("/")
    if http_method == "GET":
        return ({"method": method, "params": dict(parse_qsl(parts.query))} if method else None), True
    request = decode(body)
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return None, False
    return request, False
