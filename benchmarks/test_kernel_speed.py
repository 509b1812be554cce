"""Guard: no kernel may lose a third of its speed against a plain-libm twin.

    pytest benchmarks/test_kernel_speed.py

Both sides are compiled into one library (kernel_twins.c) and called in turn, and the shortest call counts, so
the ratio is a matter of the code and the compiler, hardly of the machine's load. The ratios below are the
smaller ones of two processors, a Zen 5 and a Xeon that lowers its clock for wide vectors, with gcc 12 and
glibc 2.36; a test fails at two thirds of them.
"""

import ctypes
import platform
import shutil
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]  # those of setup.py
LEVELS = ("baseline", "avx2", "avx512")

# Time of the twin over time of the kernel.
RATIOS = {
    "price": (1.15, 2.2, 3.7),
    "greeks": (1.27, 2.2, 3.2),
    "implied": (6.5, 13.0, 19.2),
    "chain": (4.1, 7.4, 10.3),
}
KEEP = 2 / 3
ROUNDS = 1_000
TRIES = 3  # a run that was disturbed all along is not evidence

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("gcc"), reason="needs gcc and libm"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="ratios of another architecture"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    target = tmp_path_factory.mktemp("twins") / "twins.so"
    source = ROOT / "benchmarks" / "kernel_twins.c"
    command = ["gcc", *FLAGS, "-shared", "-fPIC", f"-I{ROOT / 'src_pyx'}", source, "-o", target, "-lm"]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(target))
    library.prepare()
    return library


class Twin:
    """The twin, called once for every tenth call of the kernel; ``best_s`` is its shortest call."""

    def __init__(self, call):
        self.call, self.rounds, self.best_s = call, 0, float("inf")

    def __call__(self):
        self.rounds += 1
        if self.rounds % 10 == 1:  # it is slow and steady
            start = time.perf_counter()
            self.call()
            self.best_s = min(self.best_s, time.perf_counter() - start)


@pytest.mark.parametrize(("kernel", "level"), list(product(RATIOS, range(len(LEVELS)))))
def test_no_kernel_loses_a_third_of_its_speed(library, benchmark, kernel, level):
    if not library.use_level(level):
        pytest.skip(f"this processor has no {LEVELS[level]}")
    ours, twin = getattr(library, f"our_{kernel}"), Twin(getattr(library, f"twin_{kernel}"))
    benchmark.group = f"{kernel} of 1,000 options"
    benchmark.extra_info["level"] = LEVELS[level]
    benchmark.pedantic(ours, setup=twin, rounds=ROUNDS * TRIES)
    ratio = twin.best_s / benchmark.stats.stats.min
    benchmark.extra_info["ratio"] = ratio
    assert ratio >= KEEP * RATIOS[kernel][level]
