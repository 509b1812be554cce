"""The direction of imports, and purity below the desk; see docs/design.md."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each room may import itself and what stands before it.
ORDER = [
    {"errors", "_core", "_surface", "_arrays", "implied"},
    {"black76", "black_scholes", "inverse", "chain", "settlement", "daycount"},
    {"contracts", "valuation", "fees", "margin"},
    {"volatility"},
    {"events", "orders"},
    {"book", "ledger", "portfolio", "expansion", "attribution", "scalps"},
    {"hedging"},
    {"breakeven"},
    {"strategy", "risk"},
    {"desk"},
    {"config", "data", "logging", "alerts", "result_files", "yaml_text"},
    {"build"},
    {"backtest", "live"},
    {"cli"},  # cli.py and its parts, one a command
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
IMPURE = {"time", "os", "socket", "pathlib", "random", "threading", "requests", "websocket"}


def find_modules():
    for path in sorted(ROOT.glob("gammacore/**/*.py")):
        room = path.relative_to(ROOT / "gammacore").parts[0].removesuffix(".py")
        if room != "__init__":
            yield ("cli" if room.startswith("cli_") else room), path
    for folder in ("backtest", "live"):
        for path in sorted((ROOT / folder).glob("**/*.py")):
            yield ("cli" if path.stem == "__main__" else folder), path  # an entry point is a command


MODULES = list(find_modules())


def imports(path):
    """Absolute module names that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            if node.module == "gammacore":
                yield from (f"gammacore.{alias.name}" for alias in node.names)


def rooms_imported(path):
    for name in imports(path):
        first, _, rest = name.partition(".")
        if first == "gammacore" and rest:
            room = rest.partition(".")[0]
            yield "cli" if room.startswith("cli_") else room


def test_every_module_has_a_room():
    assert {room for room, _ in MODULES} <= set(LEVEL)


@pytest.mark.parametrize(("room", "path"), MODULES, ids=lambda value: getattr(value, "name", value))
def test_lower_never_imports_higher(room, path):
    higher = {other for other in rooms_imported(path) if LEVEL.get(other, -1) > LEVEL[room]}
    assert not higher


@pytest.mark.parametrize(("room", "path"), MODULES, ids=lambda value: getattr(value, "name", value))
def test_backtest_and_live_do_not_know_each_other(room, path):
    other = {"backtest": "live", "live": "backtest"}.get(room)
    assert other not in set(rooms_imported(path))


@pytest.mark.parametrize(
    ("room", "path"),
    [(room, path) for room, path in MODULES if LEVEL[room] <= LEVEL["desk"]],
    ids=lambda value: getattr(value, "name", value),
)
def test_nothing_up_to_the_desk_reads_clock_file_or_socket(room, path):
    assert not {name.partition(".")[0] for name in imports(path)} & IMPURE
    calls = {
        n.func.id
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert "open" not in calls
