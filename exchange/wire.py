"""JSON-RPC as the exchange speaks it: errors, envelopes and the reading of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from gammacore.daycount import NS_PER_MILLISECOND

__all__ = [
    "MESSAGES",
    "REQUIRED",
    "RequestParams",
    "RpcError",
    "decode",
    "direction",
    "encode",
    "invalid",
    "milliseconds",
    "whole",
]

MESSAGES: Final = {
    10001: "error",
    10004: "order_not_found",
    10005: "price_too_low",
    10007: "price_too_high",
    10009: "not_enough_funds",
    10010: "already_closed",
    10019: "locked_by_admin",
    10020: "invalid_or_unsupported_instrument",
    10028: "too_many_requests",
    10029: "not_owner_of_order",
    10030: "must_be_websocket_request",
    10033: "not_implemented",
    10034: "trigger_price_too_high",
    10035: "trigger_price_too_low",
    10041: "settlement_in_progress",
    11030: "other_reject",
    11044: "not_open_order",
    11050: "bad_request",
    11051: "system_maintenance",
    11054: "post_only_reject",
    11098: "account_locked",
    13004: "invalid_credentials",
    13009: "unauthorized",
    13021: "forbidden",
    13032: "non_unique_order_label",
    13778: "raw_subscriptions_not_available_for_unauthorized",
    13888: "timed_out",
    -32601: "Method not found",
    -32602: "Invalid params",
}
"""Errors of the exchange that this one gives, by code."""

REQUIRED: Final[Any] = object()
LARGEST, MOST_DIGITS = 1e15, 20


class RpcError(Exception):
    """An answer with ``error`` instead of ``result``.

    Parameters
    ----------
    code : int
        One of `MESSAGES`.
    data : object, optional
        Goes out as ``error.data``.
    """

    def __init__(self, code: int, data: Any = None) -> None:
        super().__init__(code, data)
        self.code = code
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """Object under ``error``."""
        found: dict[str, Any] = {"code": self.code, "message": MESSAGES[self.code]}
        if self.data is not None:
            found["data"] = self.data
        return found


def invalid(reason: str, param: str | None = None) -> RpcError:
    """-32602 with the reason the exchange gives."""
    return RpcError(-32602, {"reason": reason} if param is None else {"reason": reason, "param": param})


def encode(message: Any) -> str:
    """JSON text of a message."""
    return msgspec.json.encode(message).decode()


class RequestParams:
    """Parameters of a request, read with the exchange's complaints.

    Parameters
    ----------
    values : mapping
        As sent.
    rest : bool
        Whether they came in a URL, where everything is text.
    """

    def __init__(self, values: Mapping[str, Any], *, rest: bool = False) -> None:
        self.values = values
        self.rest = rest

    def _get(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        if value is None:
            if default is REQUIRED:
                raise invalid("value is required" if self.rest else "value required", name)
            return default
        return value

    def has(self, name: str) -> bool:
        """Whether a value was given."""
        return self.values.get(name) is not None

    def text(self, name: str, default: Any = REQUIRED) -> Any:
        """Read a string."""
        value = self._get(name, default)
        if value is not default and not isinstance(value, str):
            raise invalid("value must be a string", name)
        return value

    def choice(self, name: str, options: Iterable[str], default: Any = REQUIRED) -> Any:
        """Read one of a few strings."""
        value = self._get(name, default)
        if value is not default and value not in options:
            raise invalid("invalid value", name)
        return value

    def number(self, name: str, default: Any = REQUIRED) -> Any:
        """Read a finite number; in a URL, its text."""
        value = self._get(name, default)
        if value is default:
            return value
        if self.rest and isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise invalid("value must be a number", name) from None
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise invalid("value must be a number", name)
        if abs(value) > LARGEST:  # no price, amount or time
            raise invalid("invalid value", name)
        return float(value)

    def integer(
        self, name: str, default: Any = REQUIRED, *, low: int | None = None, high: int | None = None
    ) -> Any:
        """Read a whole number; above ``high`` it is cut to it, below ``low`` it is refused."""
        value = self.number(name, default)
        if value is default:
            return value
        if value != int(value):
            raise invalid("value must be an integer", name)
        value = int(value)
        if low is not None and value < low:
            raise invalid(f"value must be >= {low}", name)
        return value if high is None else min(value, high)

    def flag(self, name: str, default: bool = False) -> bool:
        """Read a boolean; in a URL, its text."""
        value = self._get(name, default)
        if self.rest and value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise invalid("value must be a boolean", name)
        return value

    def texts(self, name: str) -> list[str]:
        """Read a list of strings; in a URL, JSON."""
        value = self._get(name, REQUIRED)
        if self.rest and isinstance(value, str):
            value = decode(value)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid("value must be a list", name)
        return value


def decode(text: str) -> Any:
    """Read JSON; None for what is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def whole(text: str) -> int | None:
    """Return the whole number that a text is, None if it is none."""
    return int(text) if text.isdecimal() and len(text) < MOST_DIGITS else None


def milliseconds(ts_ns: int) -> int:
    """Wire time of a moment."""
    return ts_ns // NS_PER_MILLISECOND


def direction(side: int) -> str:
    """``buy`` or ``sell``."""
    return "buy" if side > 0 else "sell"
