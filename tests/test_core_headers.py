"""The C headers by themselves: strict compilers, every level, the primitives' accuracy."""

import ctypes
import math
import platform
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

HEADERS = Path(__file__).parent.parent / "src_pyx"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = [
    "-std=c11",
    "-O1",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Werror",
    "-Wno-unused-function",
]
UNIT = 2.0**-53

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not COMPILERS or not HEADERS.exists(),
    reason="needs the sources and gcc or clang",
)

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


@pytest.mark.parametrize("header", ["levels.h", "hedge_levels.h", "margin_levels.h"])
@pytest.mark.parametrize("macro", ["GC_ALL", "GC_BASELINE_ONLY"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_headers_compile_strictly(compiler, macro, header, tmp_path):
    compile_c(compiler, f'#define {macro}\n#include "{header}"\n', tmp_path / "levels.o", "-c")


@pytest.mark.parametrize(
    "header", ["course.h", "held.h", "replay.h", "resting.h", "single.h", "svi_fit.h", "walk.h", "years.h"]
)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_scalar_headers_compile_strictly(compiler, header, tmp_path):
    compile_c(compiler, f'#include "{header}"\n', tmp_path / "scalar.o", "-c")


FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]  # those of setup.py
PRICING = """
#include "levels.h"
const gc_kernels *table(int level) { return gc_table(level); }
"""
HEDGING = """
#include "hedge_levels.h"
const gc_hedge_kernels *table(int level) { return gc_hedge_table(level); }
"""
MARGIN = """
#include "margin_levels.h"
gc_margin_kernel kernel(int level) { return gc_margin_kernel_of(level); }
"""
LOOP_HEADERS = {
    PRICING: ("block_loops.h", "black_loops.h", "greek_loops.h", "implied_loops.h"),
    HEDGING: ("paths.h", "hedge_loops.h", "fan_loops.h"),
    MARGIN: ("margin_loops.h",),
}
# Bytes in a vector at each level of the build.
WIDTHS = {"x86_64": {"baseline": 16, "avx2": 32, "avx512": 64}, "aarch64": {"baseline": 16}}


def vectorised_loops(use: str, tmp_path: Path) -> str:
    """gcc's report on the build of all levels."""
    source = tmp_path / "levels.c"
    source.write_text(use)
    command = ["gcc", *FLAGS, f"-I{HEADERS}", "-fopt-info-vec-optimized", "-c", str(source)]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "levels.o")], capture_output=True, text=True, check=True
    )
    return done.stderr


@pytest.mark.skipif("gcc" not in COMPILERS, reason="reads gcc's report")
@pytest.mark.skipif(platform.machine() not in WIDTHS, reason="another vector unit")
@pytest.mark.parametrize("use", LOOP_HEADERS, ids=["pricing", "hedging", "margin"])
def test_every_marked_loop_is_vectorised_at_every_level(use, tmp_path):
    # One store of another type, or one select too clever, and a loop silently runs at half speed.
    report = vectorised_loops(use, tmp_path)
    found = {
        (name, int(line), int(width))
        for name, line, width in re.findall(
            r"(\w+\.h):(\d+):\d+: optimized: +loop vectorized using (\d+) byte", report
        )
    }
    for name in LOOP_HEADERS[use]:
        lines = (HEADERS / name).read_text().splitlines()
        marked = [i + 2 for i, line in enumerate(lines) if line.strip() == "GC_INDEPENDENT"]
        marked += [i + 1 for i, line in enumerate(lines) if line.strip().startswith("GC_GREEK(")]
        assert marked
        for number, (level, width) in product(marked, WIDTHS[platform.machine()].items()):
            assert (name, number, width) in found, f"{level}, {name}:{number}: {lines[number - 1].strip()}"


SINGLE = """
#include "single.h"
float c_exp(float v) { return gc_single_exp(v); }
float c_log(float v) { return gc_single_log(v); }
float c_distribution(float d) { float n, phi; gc_single_normal(d, &n, &phi); return n; }
float c_density(float d) { float n, phi; gc_single_normal(d, &n, &phi); return phi; }
"""


def test_single_precision_is_good_to_some_two_millionths(tmp_path):
    target = tmp_path / "single.so"
    compile_c(COMPILERS[0], SINGLE, target, "-shared")
    library = ctypes.CDLL(str(target))
    for name in ("c_exp", "c_log", "c_distribution", "c_density"):
        function = getattr(library, name)
        function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    points = np.float32(np.linspace(-86.0, 86.0, 2001))
    found = np.array([library.c_exp(float(v)) for v in points])
    assert np.abs(found / np.exp(points.astype(float)) - 1.0).max() < 2e-7
    assert library.c_exp(-1e4) == library.c_exp(-87.0) > 0.0
    values = np.float32(np.exp(np.linspace(-60.0, 60.0, 2001)))
    exact = np.log(values.astype(float))
    found = np.array([library.c_log(float(v)) for v in values])
    assert (np.abs(found - exact) / np.maximum(np.abs(exact), 1.0)).max() < 2e-7
    assert library.c_log(0.0) == pytest.approx(math.log(1e-30), rel=1e-6)
    points = np.float32(np.linspace(-12.0, 12.0, 2401))
    for name, exact in (("c_distribution", mp.ncdf), ("c_density", mp.npdf)):
        found = [getattr(library, name)(float(d)) - float(exact(float(d))) for d in points]
        assert np.abs(found).max() < 2e-7


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
