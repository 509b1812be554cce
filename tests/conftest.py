"""Property tests: no deadline, since machines are shared; the same examples everywhere on CI."""

import contextlib
import os
import signal

from hypothesis import settings

settings.register_profile("gammacore", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("gammacore")

# A shell starts what runs in the background with SIGINT ignored, and every process that a test starts would
# inherit that: Ctrl-C could not be tried.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)
