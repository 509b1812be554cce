"""What holds for every test: which gammacore is imported, how property tests search, what Ctrl-C does."""

import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("support")

# The installed package is what is tested, here and in every process that a test starts: the tree's folder
# gammacore/ has no compiled core where a wheel is installed, and must not come first.
ROOT = Path(__file__).parents[1]
sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != ROOT]
os.environ["PYTHONSAFEPATH"] = "1"
if "PYTEST_XDIST_WORKER" not in os.environ:  # recorded chains are read once a run; nothing is left behind
    KEPT = tempfile.TemporaryDirectory(prefix="gammacore-kept-")
    os.environ["GAMMACORE_CACHE"] = KEPT.name


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Give a worker neighbouring tests, which share what they built; when done it takes from others."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


# No deadline, since machines are shared; the same examples everywhere on CI.
settings.register_profile(
    "gammacore",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    max_examples=int(os.environ.get("GAMMACORE_EXAMPLES", "50")),
)
settings.load_profile("gammacore")

# A shell starts what runs in the background with SIGINT ignored, and every process that a test starts would
# inherit that: Ctrl-C could not be tried.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)
