"""Keys of an account: from the environment or the system's keyring, never from a configuration.

``GAMMACORE_CLIENT_ID`` and ``GAMMACORE_CLIENT_SECRET``, for the test exchange
``GAMMACORE_CLIENT_ID_TESTNET`` and ``GAMMACORE_CLIENT_SECRET_TESTNET``. The keyring (``pip install
'gammacore[keyring]'``) is asked for the same names under the service ``gammacore``.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import os
from collections.abc import Mapping
from typing import Any

from gammacore.errors import CredentialsError
from gammacore.logging import keep_secret

SERVICE = "gammacore"
ID, SECRET = "GAMMACORE_CLIENT_ID", "GAMMACORE_CLIENT_SECRET"


class Credentials:
    """A key; its secret is in no representation, and blotted out of all logs.

    Parameters
    ----------
    client_id : str
    client_secret : str

    Raises
    ------
    CredentialsError
        If one is empty.
    """

    __slots__ = ("_secret", "client_id")

    def __init__(self, client_id: str, client_secret: str) -> None:
        if not client_id.strip() or not client_secret.strip():
            raise CredentialsError("client id and secret must not be empty")
        self.client_id = client_id.strip()
        self._secret = client_secret.strip()
        keep_secret(self._secret)

    def __repr__(self) -> str:
        return f"Credentials({self.client_id!r})"

    def __reduce__(self) -> Any:
        raise TypeError("credentials are not written anywhere")

    @classmethod
    def load(cls, *, testnet: bool, environment: Mapping[str, str] | None = None) -> Credentials:
        """Read a key from the environment, otherwise from the keyring.

        Parameters
        ----------
        testnet : bool
            Names end in ``_TESTNET``: a key of one exchange is never offered to the other.
        environment : mapping, optional
            By default the process's.

        Raises
        ------
        CredentialsError
            If neither has both parts; the message names the variables.
        """
        suffix = "_TESTNET" if testnet else ""
        found = os.environ if environment is None else environment
        parts = [found.get(name + suffix, "") for name in (ID, SECRET)]
        if not any(parts):
            parts = [_from_keyring(name + suffix) for name in (ID, SECRET)]
        if not all(parts):
            raise CredentialsError(f"set {ID}{suffix} and {SECRET}{suffix}, or store them in the keyring")
        return cls(*parts)

    def by_secret(self) -> dict[str, Any]:
        """Parameters of ``public/auth`` that carry the secret itself."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self._secret,
        }

    def by_signature(self, timestamp_ms: int, nonce: str, data: str = "") -> dict[str, Any]:
        """Parameters of ``public/auth`` that prove the secret without carrying it.

        Parameters
        ----------
        timestamp_ms : int
            Milliseconds UTC, within a minute of the exchange's clock.
        nonce : str
            Used once.
        data : str
        """
        signature = self.sign(f"{timestamp_ms}\n{nonce}\n{data}")
        return {
            "grant_type": "client_signature",
            "client_id": self.client_id,
            "timestamp": timestamp_ms,
            "signature": signature,
            "nonce": nonce,
            "data": data,
        }

    def sign(self, text: str) -> str:
        """HMAC-SHA256 of a text, lower-case hexadecimal."""
        return hmac.new(self._secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _from_keyring(name: str) -> str:
    try:
        keyring = importlib.import_module("keyring")
        errors = importlib.import_module("keyring.errors")
    except ImportError:
        return ""
    try:
        return keyring.get_password(SERVICE, name) or ""
    except errors.KeyringError as error:
        raise CredentialsError(f"keyring: {type(error).__name__}") from None
