"""Frames: envelopes as they come in, requests and orders as they go out.

A frame is decoded in two steps, its envelope first, then the part that its channel or method names, so that
what nobody reads costs nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, Required, TypedDict, get_args

import msgspec

from gammacore.errors import SessionError

from .units import GRAIN_NS, Instrument, name_of

Raw = msgspec.Raw
LABEL = re.compile(r"[A-Za-z0-9_.:/#-]{1,64}")
TimeInForce = Literal["good_til_cancelled", "good_til_day", "fill_or_kill", "immediate_or_cancel"]

TIMES = get_args(TimeInForce)


class OrderOptions(TypedDict, total=False):
    """How an order is to be executed.

    Attributes
    ----------
    label : str
        Ours, 1 to 64 characters; unique, to find an order whose status is unknown.
    limit : float or None
        Price, on its grid; without one the order takes at the market.
    post_only : bool
        Never take; the exchange moves a crossing price.
    reject_post_only : bool
        Never take; the exchange rejects a crossing price.
    reduce_only : bool
        Never open or turn a position.
    time_in_force : str
    valid_until_ns : int or None
        The exchange executes nothing after it.
    """

    label: Required[str]
    limit: float | None
    post_only: bool
    reject_post_only: bool
    reduce_only: bool
    time_in_force: TimeInForce
    valid_until_ns: int | None


class Failure(msgspec.Struct, gc=False):
    """The ``error`` of an answer."""

    code: int
    message: str = ""
    data: Raw = Raw()


class NotificationParams(msgspec.Struct, gc=False):
    """Of a notification or a heartbeat."""

    channel: str = ""
    data: Raw = Raw()
    type: str = ""


class Envelope(msgspec.Struct, gc=False):
    """Every frame: an answer has ``id``, a notification ``method`` and ``params``; times in microseconds."""

    method: str = ""
    params: NotificationParams | None = None
    id: int | str | None = None
    result: Raw = Raw()
    error: Failure | None = None
    usIn: int = 0  # noqa: N815
    usOut: int = 0  # noqa: N815


decode_envelope: Callable[[bytes | str], Envelope] = msgspec.json.Decoder(Envelope).decode


def text_of(data: Raw) -> str:
    """Short text of an error's ``data``: its reason and parameter, or as it is."""
    try:
        return str(msgspec.json.decode(data))[:200] if bytes(data) else ""
    except (ValueError, RecursionError):
        return ""


def encode_request(id_: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Frame of any request."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})


def encode_order(
    id_: int,
    instrument: Instrument,
    amount: float,
    *,
    label: str,
    limit: float | None = None,
    post_only: bool = False,
    reject_post_only: bool = False,
    reduce_only: bool = False,
    time_in_force: TimeInForce = "good_til_cancelled",
    valid_until_ns: int | None = None,
) -> bytes:
    """Frame of a buy or sell, by the sign of ``amount``; see `DeribitProtocol.send_order`.

    Raises
    ------
    SessionError
        If an amount or a limit is not a number to trade at, or the label not one.
    """
    if not (math.isfinite(amount) and amount != 0.0):
        raise SessionError(f"amount must be finite and not zero, got {amount!r}")
    if limit is not None and not math.isfinite(limit):
        raise SessionError(f"limit must be finite, got {limit!r}")
    if limit is None and (post_only or reject_post_only):
        raise SessionError("an order that must not take needs a limit")
    if not LABEL.fullmatch(label):
        raise SessionError(f"label must be 1 to 64 letters, digits and -_.:/#, got {label!r}")
    if time_in_force not in TIMES:
        raise SessionError(f"time_in_force must be one of {', '.join(TIMES)}, got {time_in_force!r}")
    # Written by hand: a third of a microsecond, and every value is a number or a checked word.
    text = (
        f'{{"jsonrpc":"2.0","id":{id_},"method":"private/{"buy" if amount > 0.0 else "sell"}","params":{{'
        f'"instrument_name":"{name_of(instrument)}","amount":{abs(amount)!r},"label":"{label}",'
        f'"time_in_force":"{time_in_force}"'
    )
    text += ',"type":"market"' if limit is None else f',"type":"limit","price":{limit!r}'
    if post_only or reject_post_only:
        text += ',"post_only":true'
    if reject_post_only:
        text += ',"reject_post_only":true'
    if reduce_only:
        text += ',"reduce_only":true'
    if valid_until_ns is not None:
        text += f',"valid_until":{valid_until_ns // GRAIN_NS}'
    return (text + "}}").encode()
