"""Build the compiled core; everything else is declared in pyproject.toml."""

import os
import sys
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

# backtest/, live/ and exchange/ stand at the top level of the tree but install
# inside gammacore: such generic names in site-packages would collide with
# other packages and be shadowed by a user's own backtest.py. config/ and
# examples/ hold files that `gammacore init` copies.
MAPPED = {
    "gammacore.backtest": "backtest",
    "gammacore.live": "live",
    "gammacore.exchange": "exchange",
    "gammacore.configurations": "config",
    "gammacore.examples": "examples",
}
INNER = [f"{name}.{inner}" for name, folder in MAPPED.items() for inner in find_packages(folder)]

# -O3 turns on full vectorisation (the inherited -O2 does not), the two -fno
# flags let gcc vectorise sqrt and selects without changing any IEEE result.
# Never -ffast-math: it would break NaN handling and set flush-to-zero at load.
# Never -march: the loops are compiled for each instruction set by attributes
# (src_pyx/levels.h), the rest must run anywhere.
# -ffp-contract=off: the same bits at every level (src_pyx/portable.h).
# tools/sanitize.py asks for less optimisation: sanitizers instrument the source, and -O3 takes them long.
FLAGS = (
    ["/O2"]
    if sys.platform == "win32"
    else [
        os.environ.get("GAMMACORE_OPTIMISE", "-O3"),
        "-fno-math-errno",
        "-fno-trapping-math",
        "-ffp-contract=off",
    ]
)
HEADERS = sorted(str(path) for path in Path("src_pyx").glob("*.h"))

extensions = [
    Extension(
        f"gammacore.{path.stem}",
        [str(path)],
        depends=HEADERS,
        include_dirs=["src_pyx", np.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=FLAGS,
    )
    for path in sorted(Path("src_pyx").glob("_*.pyx"))
]

setup(
    packages=[*find_packages(include=["gammacore", "gammacore.*"]), *MAPPED, *INNER],
    package_dir=MAPPED,
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        language_level=3,
        compiler_directives={
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
)
