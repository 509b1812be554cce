"""The state of an exchange in a file, so that it outlives its process.

The file is a pickle: load only what you have saved yourself.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path

from gammacore.errors import DataError

from .exchange import Exchange

__all__ = ["load", "save"]

VERSION = 1


def save(exchange: Exchange, path: Path) -> None:
    """Write everything but the connections, which end.

    Parameters
    ----------
    exchange : Exchange
        Its connections are ended as by a restart.
    path : Path
        Replaced at once, never half written.
    """
    exchange.restart(exchange.now_ns, 0.0)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(pickle.dumps((VERSION, exchange)))
    os.replace(draft, path)


def load(path: Path) -> Exchange:
    """Read what `save` wrote; its time goes on from where it stopped.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Exchange

    Raises
    ------
    DataError
        If the file is not such a state.
    """
    try:
        version, exchange = pickle.loads(path.read_bytes())
    except Exception as error:  # a pickle can fail in any way
        raise DataError(f"{path}: not the state of an exchange: {error}") from None
    if version != VERSION or not isinstance(exchange, Exchange):
        raise DataError(f"{path}: the state of another version")
    return exchange
