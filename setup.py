"""Build the compiled core; everything else is declared in pyproject.toml."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py

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
# -g0: debugging information, which Python asks for, takes a quarter of the time and is of no use to a user.
# tools/sanitize.py asks for less optimisation: sanitizers instrument the source, and -O3 takes them long.
OPTIMISE = os.environ.get("GAMMACORE_OPTIMISE")
FLAGS = (
    ["/O2"]
    if sys.platform == "win32"
    else [
        *([OPTIMISE] if OPTIMISE else ["-O3", "-g0"]),
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
# Cython's own code for memoryviews, once: inside every extension it is most of what there is to compile.
SHARED = "gammacore._shared"
extensions.append(Extension(SHARED, ["src_pyx/_shared.c"], extra_compile_args=FLAGS))


class BuildPy(build_py):
    """Write the commit that is built beside the package, for ``gammacore --version``."""

    def run(self):
        super().run()
        if Path(".git").exists() and not self.editable_mode:
            command = ["git", "rev-parse", "--short=10", "HEAD"]
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            if found.returncode == 0:
                (Path(self.build_lib) / "gammacore" / "commit.txt").write_text(found.stdout)


setup(
    cmdclass={"build_py": BuildPy},
    options={"build_ext": {"parallel": os.cpu_count() or 1}},  # extensions side by side
    packages=[*find_packages(include=["gammacore", "gammacore.*"]), *MAPPED, *INNER],
    package_dir=MAPPED,
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        shared_utility_qualified_name=SHARED,
        nthreads=(os.cpu_count() or 1) if sys.platform == "linux" else 0,  # elsewhere processes start anew
        language_level=3,
        compiler_directives={
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
)
