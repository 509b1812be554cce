"""Processors kept from sleeping while a session waits for a price.

A processor that halts between two prices wakes late and with cold caches, a virtual one above all. As
long as a process holds this device of Linux open with a zero in it, idle processors spin in the kernel
instead (Documentation/power/pm_qos_interface). Other processes are not slowed down; it costs power.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["DEVICE", "awake"]

DEVICE = Path("/dev/cpu_dma_latency")
NONE_AT_ALL = bytes(4)  # microseconds to wake up in, a 32-bit number
log = logging.getLogger("gammacore.live")


@contextmanager
def awake(wanted: bool) -> Iterator[bool]:
    """Keep all processors awake, if wanted and allowed; yields whether they are.

    What stands in the way is logged, and costs latency only.
    """
    if not wanted:
        yield False
        return
    try:
        device = DEVICE.open("wb", buffering=0)
    except OSError as error:
        log.warning("processors may sleep", extra={"reason": f"{DEVICE}: {error.strerror}"})
        yield False
        return
    with device:
        device.write(NONE_AT_ALL)
        yield True
