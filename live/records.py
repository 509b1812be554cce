"""Events and commands as bytes, and back: msgpack, arrays as their type and buffer, exact to the bit."""

from __future__ import annotations

import zlib
from typing import Any, TypeVar

import msgspec
import numpy as np

from gammacore.events import Event
from gammacore.orders import Command

LARGE = 2_048  # bytes, from which on a record is compressed: chains, which repeat themselves
PLAIN, PACKED = b"\x00", b"\x01"


def _from_array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    raise NotImplementedError(f"cannot record {type(value).__name__}")


def _to_array(kind: Any, value: Any) -> Any:
    (wanted,) = kind.__args__[1].__args__
    dtype, data = value
    if np.dtype(dtype) != np.dtype(wanted):
        raise ValueError(f"expected an array of {np.dtype(wanted)}, got {dtype}")
    return np.frombuffer(data, dtype)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_from_array)
_EVENT: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event, dec_hook=_to_array)
_COMMAND: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)


T = TypeVar("T")


def decode_fact(data: bytes, kind: type[T]) -> T:
    """Struct of its bytes.

    Raises
    ------
    ValueError
        If they are not of that kind.
    """
    return msgspec.msgpack.decode(_open(data), type=kind)


def encode(record: Any) -> bytes:
    """Bytes of an event, a command or any other struct."""
    data = _ENCODER.encode(record)
    return PLAIN + data if len(data) < LARGE else PACKED + zlib.compress(data, 1)


def _open(data: bytes) -> bytes:
    if data[:1] == PACKED:
        try:
            return zlib.decompress(data[1:])
        except zlib.error as error:
            raise ValueError(f"not a record: {error}") from error
    if data[:1] != PLAIN:
        raise ValueError("not a record")
    return data[1:]


def decode_event(data: bytes) -> Event:
    """Event of its bytes.

    Raises
    ------
    ValueError
        If they are no event.
    """
    return _EVENT.decode(_open(data))


def decode_command(data: bytes) -> Command:
    """Command of its bytes.

    Raises
    ------
    ValueError
        If they are no command.
    """
    return _COMMAND.decode(_open(data))
