"""Build the core with address and undefined-behaviour sanitizers and run its tests.

    python tools/sanitize.py [pytest arguments]

Linux with gcc or clang. The instrumented package goes to a temporary folder that comes first on
the import path; what is installed stays as it is. The interpreter is not instrumented, so the
sanitizer's library is preloaded and leak detection, which would report the interpreter, is off.
Any report ends the run with an error. Without arguments: the tests that reach every kernel at every
level, which takes about a minute.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = [
    "test_attribution_sums",
    "test_held_episodes",
    "test_simulator_replay",
    "test_hedging_core",
    "test_simd",
    "test_chain",
    "test_arrays",
    "test_settlement",
    "test_svi",
    "test_implied",
    "test_black76",
    "test_plain_csv",
]
# They spend their time in mpmath, or on what others reach, too.
LEFT_OUT = "last_tier or hard_grid or (rolled_hedges and neutral)"
# -g1 names the lines of a report; describing every variable, too, takes a third of the build.
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1"


def preload(compiler: str) -> str:
    """Path of the address sanitizer's shared library."""
    name = "libclang_rt.asan-x86_64.so" if "clang" in compiler else "libasan.so"
    found = subprocess.run(
        [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        raise SystemExit(f"{compiler} has no {name}")
    return found


def main() -> int:
    """Build, test, and return pytest's exit status."""
    compiler = os.environ.get("CC") or str(sysconfig.get_config_var("CC")).split()[0]
    chosen = [*(f"tests/{name}.py" for name in TESTS), "-k", f"not ({LEFT_OUT})", "-n", "2"]
    arguments = sys.argv[1:] or chosen
    with tempfile.TemporaryDirectory() as folder:
        lib, temp = f"{folder}/lib", f"{folder}/temp"
        build = [sys.executable, "setup.py", "-q", "build", "--build-lib", lib, "--build-temp", temp]
        environment = os.environ | {"CFLAGS": FLAGS, "LDFLAGS": FLAGS, "GAMMACORE_OPTIMISE": "-O1"}
        subprocess.run(build, cwd=ROOT, env=environment, check=True)
        paths = [lib, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {
            "LD_PRELOAD": preload(compiler),
            "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONMALLOC": "malloc",
        }
        where = "import gammacore._core as c; print(c.__file__)"
        shown = subprocess.run(
            [sys.executable, "-c", where],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if not shown.startswith(folder):
            raise SystemExit(f"the instrumented build is not what is imported, but {shown.strip()}")
        # -s: a report goes straight to the terminal, and the process ends there.
        command = [
            sys.executable,
            "-P",
            "-m",
            "pytest",
            "-q",
            "-x",
            "-s",
            "-p",
            "no:cacheprovider",
            *arguments,
        ]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
