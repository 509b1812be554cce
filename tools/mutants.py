"""Break the code on purpose, one small change at a time, and see whether a test notices.

    python tools/mutants.py --count 60 --seed 1 live/hedger.py live/execution.py gammacore/desk.py

Draws changes at random from the files given (default: what decides and sends orders), runs the tests that
concern each file, and prints the changes that no test noticed. The tree must be clean: each file is written
back after its change. Exit code 1 if anything survived.
"""

from __future__ import annotations

import argparse
import ast
import functools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    "gammacore/desk.py", "gammacore/episode.py", "gammacore/portfolio.py", "gammacore/risk.py",
    "gammacore/execution/collar.py", "gammacore/execution/pricing.py", "gammacore/execution/steps.py",
    "live/aims.py", "live/attempts.py", "live/execution.py", "live/feed.py",
    "live/hedger.py", "live/limits.py", "live/positions.py", "live/reconcile.py", "live/refusals.py",
    "live/risk_manager.py", "live/watch.py",
)  # fmt: skip
# What runs a whole session in one process, the quick ones first.
SESSION_TESTS = (
    "test_live_execution", "test_live_risk", "test_desk", "test_portfolio", "test_live_limits",
    "test_live_follow", "test_live_guards", "test_live_campaign", "test_live_hedger", "test_live_outside",
)  # fmt: skip
SWAPS: dict[type, str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
    ast.And: "or", ast.Or: "and", ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*",
}  # fmt: skip
TIMEOUT_S = 180.0


class Mutant(NamedTuple):
    """A change of a file: the text from ``start`` to ``end`` becomes ``new``."""

    path: str
    line: int
    start: int
    end: int
    old: str
    new: str


class _Found(NamedTuple):
    node: ast.expr | ast.stmt
    new: str


def mutants_of(path: str) -> list[Mutant]:
    """List every change of a file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    data, made = text.encode(), []
    for node, new in _changes(ast.parse(text), text):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        made.append(Mutant(path, node.lineno, start, end, data[start:end].decode(), new))
    return made


def _changes(tree: ast.Module, text: str) -> Iterator[_Found]:
    """Yield changes inside of functions; logging, texts and annotations are left alone."""
    for function in _parts(tree, text):
        if isinstance(function, ast.FunctionDef):
            inside = (
                node for statement in function.body for node in _parts(statement, text, ast.FunctionDef)
            )
            for node in inside:
                yield from _changes_of(node, text)


def _parts(node: ast.AST, text: str, *but: type) -> Iterator[ast.AST]:
    """Walk a tree without log calls, texts and the kinds of nodes in ``but``."""
    if isinstance(node, (ast.JoinedStr, *but)):  # Python 3.11 does not know where parts of an f-string are
        return
    if isinstance(node, ast.Call) and (ast.get_source_segment(text, node.func) or "").startswith("log."):
        return
    yield node
    for part in ast.iter_child_nodes(node):
        yield from _parts(part, text, *but)


def _changes_of(node: ast.AST, text: str) -> Iterator[_Found]:
    def source(part: ast.AST) -> str:
        return ast.get_source_segment(text, part) or ""

    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in SWAPS:
            yield _Found(node, f"(({source(left)}) {SWAPS[type(op)]} ({source(right)}))")
        case ast.BoolOp(op=op, values=values):
            yield _Found(node, "(" + f" {SWAPS[type(op)]} ".join(f"({source(v)})" for v in values) + ")")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPS:
            yield _Found(node, f"(({source(left)}) {SWAPS[type(op)]} ({source(right)}))")
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield _Found(node, f"({source(operand)})")
        case ast.If(test=test) | ast.IfExp(test=test):
            yield from (_Found(test, constant) for constant in ("True", "False"))
        case ast.Expr(value=ast.Call(func=called)) if not source(called).startswith("log."):
            yield _Found(node, "pass")


def tests_of(path: str) -> list[str]:
    """Name the test files that concern a file: its own, those that import it, those of a session."""
    module = "gammacore." + path.removesuffix(".py").replace("/", ".").removeprefix("gammacore.")
    stem = module.rpartition(".")[2]
    names = [f"test_{stem}", f"test_live_{stem}"]
    names += [name for name in SESSION_TESTS if module in _session_modules()]
    files = [ROOT / f"tests/{name}.py" for name in names]
    words = (f"from {module} import", f"from {module.rpartition('.')[0]} import {stem}\n")
    files += [f for f in sorted(ROOT.glob("tests/test_*.py")) if any(word in f.read_text() for word in words)]
    return [str(file) for file in dict.fromkeys(files) if file.exists()]


@functools.cache
def _session_modules() -> frozenset[str]:
    """Name the modules that a session in one process consists of."""
    words = [
        sys.executable,
        "-c",
        "import sys, gammacore.live.assemble, gammacore.live.client; print(*sys.modules)",
    ]
    return frozenset(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def survives(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether no test notices a change."""
    file = ROOT / mutant.path
    data = file.read_bytes()
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    clean = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # or the change outlives its file
    try:
        file.write_bytes(data[: mutant.start] + mutant.new.encode() + data[mutant.end :])
        done = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=TIMEOUT_S, check=False, env=clean)
        return done.returncode == 0
    except subprocess.TimeoutExpired:  # it hangs, which a person notices
        return False
    finally:
        file.write_bytes(data)


def say(text: str, where: TextIO = sys.stdout) -> None:
    """Write a line at once."""
    where.write(f"{text}\n")
    where.flush()


def main() -> int:
    """Draw, try and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", default=FILES)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if subprocess.run(["git", "diff", "--quiet", "--", *given.files], cwd=ROOT, check=False).returncode:
        parser.error("commit your changes first: the files are written")
    every = [mutant for path in given.files for mutant in mutants_of(path)]
    drawn = random.Random(given.seed).sample(every, min(given.count, len(every)))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # the file is written back
    alive, began = [], time.monotonic()
    for number, mutant in enumerate(drawn, 1):
        if survives(mutant, tests_of(mutant.path)):
            alive.append(mutant)
            say(f"survived: {mutant.path}:{mutant.line}: {mutant.old!r} -> {mutant.new!r}")
        done_s = time.monotonic() - began
        say(f"{number} of {len(drawn)}, {len(alive)} survived, {done_s:.0f} s", sys.stderr)
    say(f"{len(drawn)} mutants of {len(every)}: {len(drawn) - len(alive)} killed, {len(alive)} survived")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
