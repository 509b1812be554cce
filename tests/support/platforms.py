"""Tests that need more of the system than Python promises everywhere say so with one of these marks."""

import os
import sys

import pytest

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals, links and file rights of POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs what Linux tells and limits of processes")
unprivileged = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read and write everything"
)
