"""CPUs kept awake while a session waits for a price.

A processor that halts between two prices wakes late and with cold caches, a virtual one above all. As
long as a process holds this device of Linux open with a zero in it, idle processors spin in the kernel
instead (Documentation/power/pm_qos_interface). Other processes are not slowed down; it costs power.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

DEVICE = Path("/dev/cpu_dma_latency")
NONE_AT_ALL = bytes(4)  # microseconds to wake up in, a 32-bit number
log = logging.getLogger("gammacore.live")


@contextmanager
def awake(wanted: bool) -> Iterator[None]:
    """Keep all processors awake, if wanted. What stands in the way is logged, and costs latency only."""
    with ExitStack() as held:
        if wanted:
            try:  # never made where it is not there
                held.enter_context(DEVICE.open("r+b", buffering=0)).write(NONE_AT_ALL)
            except OSError as error:
                log.warning("processors may sleep", extra={"reason": f"{DEVICE}: {error.strerror}"})
        yield
