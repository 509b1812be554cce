"""Who is asking: the three grants of ``public/auth``, tokens, and the header schemes of REST."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
import re
from dataclasses import dataclass
from typing import Any

from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_SECOND

from .wire import RequestParams, RpcError, whole

__all__ = ["Auth", "Token", "signature"]

FULL_SCOPE = dict.fromkeys(("account", "block_trade", "trade", "wallet"), "read_write")
RANK = {"none": 0, "read": 1, "read_write": 2}
SIGNATURE_LIFE_MS = 60_000
SESSIONS_PER_KEY = 16
_FIELDS = re.compile(r"(\w+)=([^,\s]+)")


def signature(secret: str, text: str) -> str:
    r"""HMAC-SHA256 in lower-case hex.

    Parameters
    ----------
    secret : str
        Client secret.
    text : str
        What is signed: ``timestamp\nnonce\ndata`` for ``client_signature``,
        ``timestamp\nnonce\nMETHOD\nURI\nBODY\n`` for a REST header.

    Returns
    -------
    str

    Examples
    --------
    >>> signature("AMANDASECRECT", "1576074319000\n1iqt2wls\n")[:16]
    '56590594f97921b0'
    """
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass(slots=True, eq=False)
class Token:
    """An access token and what it allows."""

    access: str
    refresh: str
    client_id: str
    user_id: int
    scope: dict[str, str]
    expires_ns: int
    connection: int | None
    session: str | None = None

    def allows(self, need: str) -> bool:
        """Whether the scope covers ``trade:read_write`` and the like."""
        area, _, level = need.partition(":")
        return RANK[self.scope.get(area, "none")] >= RANK[level]

    def scope_text(self) -> str:
        """Scope as the answer shows it."""
        parts = [f"{area}:{level}" for area, level in self.scope.items() if level != "none"]
        parts.append(f"session:{self.session}" if self.session else "connection")
        return " ".join([*parts, "mainaccount"])


class Auth:
    """Clients, their tokens and used nonces.

    Parameters
    ----------
    secrets : dict of str to str
        By client id.
    users : dict of str to int
        User id of each client.
    life_s : int
        Life of a token.
    seed : int
        Of the tokens' text.
    """

    def __init__(self, secrets: dict[str, str], users: dict[str, int], life_s: int, seed: int) -> None:
        self._secrets = dict(secrets)
        self._users = users
        self._life_s = life_s
        self._random = random.Random(seed)
        self._by_access: dict[str, Token] = {}
        self._by_refresh: dict[str, Token] = {}
        self._nonces: set[tuple[str, str]] = set()
        self._revoked: dict[str, str] = {}  # their secrets, by client id

    def grant(
        self, params: RequestParams, connection: int | None, now_ns: int
    ) -> tuple[Token, dict[str, Any]]:
        """Answer ``public/auth``.

        Parameters
        ----------
        params : RequestParams
        connection : int, optional
            The socket it came over; its tokens die with it, except those of a named session.
        now_ns : int

        Returns
        -------
        token : Token
        result : dict

        Raises
        ------
        RpcError
            13004 for wrong credentials, -32602 for a wrong grant.
        """
        state = params.text("state", None)
        grant = params.choice("grant_type", ("client_credentials", "client_signature", "refresh_token"))
        if grant == "refresh_token":
            old = self._by_refresh.get(params.text("refresh_token"))
            if old is None:
                raise RpcError(13009, {"reason": "invalid_token"})
            token = self._issue(old.client_id, dict(old.scope), old.session, connection, now_ns, self._life_s)
        else:
            client_id = params.text("client_id")
            self._check(grant, client_id, params, now_ns)
            scope, session, life = self._scope(params.text("scope", ""))
            token = self._issue(client_id, scope, session, connection, now_ns, life)
        result = {
            "access_token": token.access,
            "refresh_token": token.refresh,
            "expires_in": (token.expires_ns - now_ns) // NS_PER_SECOND,
            "scope": token.scope_text(),
            "token_type": "bearer",
            "enabled_features": [],
        }
        if state is not None:
            result["state"] = state
        return token, result

    def _check(self, grant: str, client_id: str, params: RequestParams, now_ns: int) -> None:
        refused = RpcError(13004)
        if grant == "client_credentials":
            self._compare(self._secrets.get(client_id), params.text("client_secret"), refused)
            return
        sent_ms, nonce = params.integer("timestamp"), params.text("nonce", "")
        text = f"{sent_ms}\n{nonce}\n{params.text('data', '')}"
        self._accept(client_id, text, params.text("signature"), nonce, sent_ms, now_ns, refused)

    def _accept(
        self, client_id: str, text: str, signed: str, nonce: str, sent_ms: int, now_ns: int, refused: RpcError
    ) -> None:
        """Accept a signature once, and only while it is fresh."""
        secret = self._secrets.get(client_id)
        self._compare(None if secret is None else signature(secret, text), signed, refused)
        old = abs(now_ns // NS_PER_MILLISECOND - sent_ms) > SIGNATURE_LIFE_MS
        if old or (nonce and (client_id, nonce) in self._nonces):
            raise refused
        self._nonces.add((client_id, nonce))

    @staticmethod
    def _compare(wanted: str | None, given: str, refused: RpcError) -> None:
        # As bytes: texts beyond ASCII cannot be compared in constant time.
        if wanted is None or not hmac.compare_digest(wanted.encode(), given.encode()):
            raise refused

    def _scope(self, text: str) -> tuple[dict[str, str], str | None, int]:
        """Read a requested scope: areas, name of the session, life in seconds."""
        scope, session, life = dict(FULL_SCOPE), None, self._life_s
        for part in text.split():
            area, _, value = part.partition(":")
            if area == "session" and value:
                session = value
            elif area == "expires" and (seconds := whole(value)) is not None:
                life = min(seconds, self._life_s)
            elif area in scope and value in RANK:
                scope[area] = value
        return scope, session, life

    def _issue(
        self,
        client_id: str,
        scope: dict[str, str],
        session: str | None,
        connection: int | None,
        now_ns: int,
        life_s: int,
    ) -> Token:
        token = Token(
            access=f"{now_ns // NS_PER_MILLISECOND}.{self._random.getrandbits(160):040x}",
            refresh=f"{now_ns // NS_PER_MILLISECOND}.{self._random.getrandbits(160):040x}",
            client_id=client_id,
            user_id=self._users[client_id],
            scope=scope,
            expires_ns=now_ns + life_s * NS_PER_SECOND,
            connection=None if session else connection,
            session=session,
        )
        self._by_access[token.access] = self._by_refresh[token.refresh] = token
        if session:
            self._evict(client_id)
        return token

    def _evict(self, client_id: str) -> None:
        """Keep sixteen named sessions a key, dropping the one that would expire first."""
        named: dict[str, list[Token]] = {}
        for token in self._by_access.values():
            if token.client_id == client_id and token.session:
                named.setdefault(token.session, []).append(token)
        if len(named) > SESSIONS_PER_KEY:
            oldest = min(named.values(), key=lambda tokens: max(token.expires_ns for token in tokens))
            for token in oldest:
                self.revoke(token)

    def revoke(self, token: Token) -> None:
        """Forget a token."""
        self._by_access.pop(token.access, None)
        self._by_refresh.pop(token.refresh, None)

    def revoke_key(self, client_id: str, revoked: bool) -> None:
        """Make a key and all its tokens invalid, or the key valid again."""
        if not revoked:
            self._secrets.update(
                {client_id: self._revoked.pop(client_id)} if client_id in self._revoked else {}
            )
        elif client_id in self._secrets:
            self._revoked[client_id] = self._secrets.pop(client_id)
            for token in [t for t in self._by_access.values() if t.client_id == client_id]:
                self.revoke(token)

    def connection_lost(self, connection: int) -> None:
        """Forget the tokens of a socket."""
        for token in [t for t in self._by_access.values() if t.connection == connection]:
            self.revoke(token)

    def holds(self, token: Token, now_ns: int) -> bool:
        """Whether a token is still good."""
        return self._by_access.get(token.access) is token and token.expires_ns > now_ns

    def by_access(self, access: str, now_ns: int) -> Token:
        """Token of its text.

        Raises
        ------
        RpcError
            13009 if it is unknown or has expired.
        """
        token = self._by_access.get(access)
        if token is None or token.expires_ns <= now_ns:
            raise RpcError(13009, {"reason": "invalid_token"})
        return token

    def by_header(self, header: str, method: str, uri: str, body: str, now_ns: int) -> Token:
        """Token of an ``Authorization`` header: bearer, basic or signed.

        Raises
        ------
        RpcError
            13009 if it does not hold.
        """
        scheme, _, rest = header.partition(" ")
        refused = RpcError(13009, {"reason": "invalid_token"})
        if scheme.lower() == "bearer":
            return self.by_access(rest.strip(), now_ns)
        if scheme.lower() == "basic":
            try:
                client_id, _, given = base64.b64decode(rest, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise refused from None
            self._compare(self._secrets.get(client_id), given, refused)
            return self._for_one_request(client_id, now_ns)
        if scheme.lower() != "deri-hmac-sha256":
            raise refused
        fields = dict(_FIELDS.findall(rest))
        client_id, sent, nonce = fields.get("id", ""), fields.get("ts", ""), fields.get("nonce", "")
        sent_ms = whole(sent)
        if sent_ms is None:
            raise refused
        text = f"{sent}\n{nonce}\n{method.upper()}\n{uri}\n{body}\n"
        self._accept(client_id, text, fields.get("sig", ""), nonce, sent_ms, now_ns, refused)
        return self._for_one_request(client_id, now_ns)

    def _for_one_request(self, client_id: str, now_ns: int) -> Token:
        return Token("", "", client_id, self._users[client_id], dict(FULL_SCOPE), now_ns + 1, None)
