"""Who may see a page: addresses, the Host header, a token; and the headers of every answer.

A page on the loopback address can be reached from any site that the same browser shows, by a name that is
made to point to 127.0.0.1 (DNS rebinding). Such a request carries that name as its Host, and is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gammacore.errors import ConfigError
from gammacore.serving import host_is_ours

COOKIE = "gammacore-dashboard"
LEAST = 16  # characters of a token
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def token_of(given: str | None, host: str) -> tuple[str | None, bool]:
    """Token to ask for, and whether it was made here.

    Parameters
    ----------
    given : str or None
        ``auto`` makes one.
    host : str
        Address to be served at.

    Raises
    ------
    ConfigError
        If the address is not this machine's alone and there is no token, or it is too short.
    """
    if given == "auto":
        return secrets.token_urlsafe(24), True
    if given is None:
        if not is_loopback(host):
            raise ConfigError(
                f"--host {host}: others can reach this address, so a token is needed: --token auto makes "
                "one; GAMMACORE_DASHBOARD_TOKEN or --token-file give yours"
            )
        return None, False
    if len(given) < LEAST or not given.isascii() or not given.isprintable() or " " in given:
        raise ConfigError(
            f"the dashboard's token: expected at least {LEAST} characters of ASCII without spaces, "
            f"got {len(given)}; --token auto makes one"
        )
    return given, False


class Guard:
    """Application around the one that serves: refuses, or passes on.

    Parameters
    ----------
    app : ASGI application
    token : str or None
    names : iterable of str
        Host names that are allowed beside localhost and plain addresses.
    """

    def __init__(self, app: ASGIApp, token: str | None = None, names: Iterable[str] = ()) -> None:
        self._app, self._token = app, token
        self._names = {name.lower() for name in names} | {"localhost"}
        # The cookie proves that its holder knew the token, and is not the token itself.
        self.cookie = "" if token is None else hmac.new(token.encode(), COOKIE.encode(), "sha256").hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.decode() not in HEADERS]
                ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": kept + ours}
            await send(message)

        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, sending)

    def _refusal(self, scope: Scope) -> Response | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        if not host_is_ours(headers.get(b"host", []), self._names):
            return PlainTextResponse("this name is not served here", 421)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("only GET and HEAD", 405, {"allow": "GET, HEAD"})
        if self._token is None:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if given and _same(given[0], self._token):
            answer = RedirectResponse("/", 303)  # never to the path that came: //name is another site
            answer.set_cookie(COOKIE, self.cookie, path="/", httponly=True, samesite="strict")
            return answer
        if self._knows(headers):
            return None
        return PlainTextResponse(
            "a token is needed: open this page once with ?token=..., or send Authorization: Bearer ...",
            401,
            {"www-authenticate": "Bearer"},
        )

    def _knows(self, headers: dict[bytes, list[bytes]]) -> bool:
        assert self._token is not None
        for value in headers.get(b"authorization", []):
            scheme, _, given = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and _same(given.strip(), self._token):
                return True
        for value in headers.get(b"cookie", []):
            try:
                morsel = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            except CookieError:
                continue
            if morsel is not None and _same(morsel.value, self.cookie):
                return True
        return False


def _same(given: str, wanted: str) -> bool:
    """Compare in a time that says nothing about where they differ, nor about the length."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, wanted)]
    return hmac.compare_digest(*digests)
