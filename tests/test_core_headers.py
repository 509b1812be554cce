"""The C headers by themselves: strict compilers, repeated inclusion, the primitives' accuracy."""

import ctypes
import math
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

HEADERS = Path(__file__).parent.parent / "src_pyx"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = ["-std=c11", "-O3", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused-function"]
UNIT = 2.0**-53

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not COMPILERS or not HEADERS.exists(),
    reason="needs the sources and gcc or clang",
)

# Two copies of every loop in one file, as a build for several instruction sets has them.
TWICE = """
#define GC_TARGET
#define GC_SUFFIX _one
#include "{header}"
#undef GC_SUFFIX
#define GC_SUFFIX _two
#include "{header}"
"""

PRIMITIVES = """
#include "normal.h"
double c_exp(double v) { return gc_exp(v); }
double c_log_ratio(double b, double a) { return gc_log_ratio(b, a); }
double c_log_1p_ratio(double m, double p) { return gc_log_1p_ratio(m, p); }
double c_mills(double y) { return gc_mills(y); }
double c_bachelier(double y) { return gc_bachelier(y); }
"""


def compile_c(compiler: str, source: str, target: Path, *flags: str) -> None:
    path = target.with_suffix(".c")
    path.write_text(source)
    command = [compiler, *STRICT, "-fPIC", f"-I{HEADERS}", *flags, str(path), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("header", ["black_loops.h", "implied_loops.h"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_headers_compile_strictly_and_twice(compiler, header, tmp_path):
    compile_c(compiler, TWICE.format(header=header), tmp_path / "twice.o", "-c")


FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math"]  # those of setup.py
ONCE = """
#define GC_SUFFIX
#define GC_TARGET
#include "{header}"
"""
CALLS = {
    "black_loops.h": """
void price(int k, const gc_inputs *i, ptrdiff_t n, double *o) { gc_price(k, i, n, o); }
void greeks(int k, const gc_inputs *i, ptrdiff_t n, double *const *o) { gc_greeks(k, i, n, o); }
""",
    "implied_loops.h": """
void iv(int k, const gc_inputs *i, ptrdiff_t n, double *o, signed char *s) { gc_implied_vol(k, i, n, o, s); }
""",
}


@pytest.mark.skipif("gcc" not in COMPILERS, reason="reads gcc's report")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="another vector unit")
@pytest.mark.parametrize("header", list(CALLS))
def test_every_marked_loop_is_vectorised(header, tmp_path):
    # One store of another type, or one select too clever, and a loop silently runs at half speed.
    source = tmp_path / "loops.c"
    source.write_text(ONCE.format(header=header) + CALLS[header])
    command = ["gcc", *FLAGS, f"-I{HEADERS}", "-fopt-info-vec-optimized", "-c", str(source)]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "loops.o")], capture_output=True, text=True, check=True
    )
    report = done.stderr
    for name in (header, "block_loops.h"):
        lines = (HEADERS / name).read_text().splitlines()
        marked = [i + 2 for i, line in enumerate(lines) if line.strip() == "GC_INDEPENDENT"]
        assert marked
        for number in marked:
            assert re.search(rf"{name}:{number}:\d+: optimized: +loop vectorized", report), (
                f"{name}:{number}: {lines[number - 1].strip()}"
            )


@pytest.fixture(scope="module")
def primitives(tmp_path_factory):
    target = tmp_path_factory.mktemp("core") / "primitives.so"
    compile_c(COMPILERS[0], PRIMITIVES, target, "-shared")
    library = ctypes.CDLL(str(target))
    for name in ("c_exp", "c_log_ratio", "c_log_1p_ratio", "c_mills", "c_bachelier"):
        function = getattr(library, name)
        function.restype = ctypes.c_double
        function.argtypes = [ctypes.c_double] * (2 if "ratio" in name else 1)
    return library


def units(found: float, exact: mp.mpf) -> float:
    return float(abs(mp.mpf(found) - exact) / abs(exact)) / UNIT


def test_exp(primitives):
    with mp.workdps(40):
        points = np.concatenate([np.linspace(-707, 709, 1500), np.linspace(-1, 1, 501)])
        assert max(units(primitives.c_exp(v), mp.exp(mp.mpf(v))) for v in points.tolist()) <= 3
    assert primitives.c_exp(0.0) == 1.0
    assert primitives.c_exp(-709.0) == primitives.c_exp(-math.inf) == 0.0
    assert primitives.c_exp(710.0) == primitives.c_exp(math.inf) == math.inf
    assert math.isnan(primitives.c_exp(math.nan))


def test_log_ratio_keeps_relative_accuracy_at_one(primitives):
    rng = np.random.default_rng(1)
    with mp.workdps(40):
        for exponent in (*np.linspace(-15, 0, 200), *np.linspace(0, 2.8, 200)):
            a = math.exp(rng.uniform(-20, 20))
            b = a * (1 + 10**exponent)
            exact = mp.log(mp.mpf(b) / mp.mpf(a))
            assert units(primitives.c_log_ratio(b, a), exact) <= 4
            m = a * 10 ** (4 * exponent)
            exact = mp.log1p(mp.mpf(m) / mp.mpf(a))
            assert units(primitives.c_log_1p_ratio(m, a), exact) <= 5
    assert primitives.c_log_ratio(3.0, 3.0) == 0.0


def test_normal_tails(primitives):
    with mp.workdps(60):
        for y in np.concatenate([np.linspace(0, 40, 800), np.geomspace(1e-12, 1, 100)]).tolist():
            z = mp.mpf(y)
            mills = mp.ncdf(-z) / mp.npdf(z)
            assert units(primitives.c_mills(y), mills) <= 6
            assert units(primitives.c_bachelier(y), 1 - z * mills) <= 6
