"""Who we are at the exchange: first authentication, renewal of the token, and starting over."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.account import WireGranted
from gammacore.deribit.units import ms

from .credentials import Credentials

PAUSE_NS = 5 * NS_PER_SECOND  # between two attempts to start over
REFRESH_SHARE = 0.8  # of a token's life
SHORTEST_LIFE_S, LONGEST_LIFE_S = 10.0, 3e7


class Login:
    """Parameters of ``public/auth``, and when to call it.

    Parameters
    ----------
    credentials : Credentials
    by_secret : bool
        Send the secret itself instead of a signature.
    nonce : callable() -> str

    Attributes
    ----------
    refresh_ns : int
        When the token wants to be renewed; 0 without one.
    scope : str
        What was granted.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        by_secret: bool,
        nonce: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self.refresh_ns = 0
        self.scope = ""
        self._credentials = credentials
        self._by_secret = by_secret
        self._nonce = nonce
        self._refresh_token = ""
        self._at_ns = 0

    def first(self, now_ns: int, skew_ns: int = 0) -> dict[str, Any]:
        """Parameters that prove who we are; the exchange is ahead of our time by the skew."""
        self._at_ns = now_ns
        if self._by_secret:
            return self._credentials.by_secret()
        return self._credentials.by_signature(ms(now_ns + skew_ns), self._nonce())

    def refresh(self) -> dict[str, Any]:
        """Parameters that renew the token."""
        self.refresh_ns = 0
        return {"grant_type": "refresh_token", "refresh_token": self._refresh_token}

    def granted(self, granted: WireGranted, now_ns: int) -> None:
        """Take a token over."""
        life = min(max(granted.expires_in, SHORTEST_LIFE_S), LONGEST_LIFE_S)
        self.refresh_ns = now_ns + int(REFRESH_SHARE * life * NS_PER_SECOND)
        self.scope = granted.scope
        self._refresh_token = granted.refresh_token

    def may_start_over(self, now_ns: int) -> bool:
        """Whether the last attempt is long enough ago."""
        return now_ns - self._at_ns >= PAUSE_NS
