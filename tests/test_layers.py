"""Who may import whom, and what may read a clock or a file; see docs/design.md.

Imports inside functions and for types alone count like any other.
"""

import ast
import graphlib
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("backtest", "live", "exchange")  # stand at the top level, installed in gammacore

# Each room may import itself and what stands before it.
ORDER = [
    {
        "errors",
        "array_types",
        "tolerances",
        "_lazy",
        "_core",
        "_hedging",
        "_margin",
        "_replay",
        "_surface",
        "_tables",
    },
    {"_series"},
    {"_arrays", "implied"},
    {"black76", "black_scholes", "inverse", "chain", "settlement", "daycount"},
    {"contracts", "valuation", "fees", "margin"},
    {"volatility"},
    {"events", "legs", "orders"},
    {
        "ledger",
        "market",
        "episode",
        "netting",
        "portfolio",
        "expansion",
        "attribution",
        "scalps",
        "walk",
        "margin_use",
    },
    {"hedging"},
    {"execution"},
    {"breakeven"},
    {"strategy", "risk"},
    {"desk", "hedge"},
    {"deribit"},
    {"config", "data", "logging", "alerts", "result_files", "yaml_text", "serving", "terminal"},
    {"terms", "own_code", "store_paths"},
    {"build", "forecasts"},
    {"backtest", "live", "exchange"},
    {"api"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
# The wire knows instruments and times, and nothing of decisions.
DERIBIT_KNOWS = {"errors", "daycount", "contracts", "deribit"}
# What computes: the rest of the standard library has clocks, files, sockets, processes or logs.
PURE = {
    "__future__", "abc", "bisect", "calendar", "collections", "concurrent", "copy", "dataclasses", "decimal",
    "difflib", "enum", "fractions", "functools", "heapq", "itertools", "math", "operator", "re", "typing",
}  # fmt: skip
LAZY = {"gammacore._lazy", "gammacore._series"}  # what is loaded only when it is used
MAY_READ_DATES = {"gammacore.daycount"}  # texts and datetimes become nanoseconds there, and only there
ENTRIES = {"gammacore.live.__main__"}  # entry points are commands
LAUNCHERS = {"gammacore.live.launch"}

# Inside a room: modules of a line import those of their own line and of the lines before.
INSIDE = {
    "live": """
        news attempts credentials deadline awake orphan pace peak refusals room tail limits handler
        clock reconnect records about
        selection
        held
        budget skew states login requests subscriptions frames rest charged impossible
        conversation protocol rehearsal reconcile client
        actions execution feed positions
        solvency risk_manager journal aims asked parts watched
        audit questions bookings catalog dispatch adoption idle hedger dry
        retold parity checkpoint past follow heartbeat paper statement hedges_told
        supervised assemble sums view watch warm_up recorder recording
        session doctor killing flatten
        sample_book
        launch together
    """,
    "exchange": """
        agenda config day faults rate_limits wire
        coins
        price_model auth
        catalog
        combos
        accounts order_book mark_prices topics speed_bump combo_names
        trades combo_orders
        combo_fills
        connection matching
        portfolio_risk
        account_value past_market maker glance
        statements views
        floor
        publisher invariants
        clearing locks
        calls
        public trading
        private moving combo_methods
        public_history
        methods
        dispatcher
        exchange
        saved_state
        server
    """,
}


def modules():
    found = {}
    for folder in ("gammacore", *ROOMS):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = [
                *(("gammacore",) if folder != "gammacore" else ()),
                *path.relative_to(ROOT).with_suffix("").parts,
            ]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(name):
    path = MODULES[name]
    inside = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def known(target):
    """Module that a name is, or is in."""
    while target and target not in MODULES:
        target = target.rpartition(".")[0]
    return target


@cache
def imports_of(name):
    """Full names of what a module imports, with those of the things imported from a module."""
    return set(imported(name))


@cache
def modules_of(name):
    """Modules that a module imports."""
    return {known(target) for target in imports_of(name)} - {"", name}


def room_of(name):
    return "cli" if name in ENTRIES else name.split(".")[1] if "." in name else ""


def rooms_of(name):
    """Rooms that a module imports from, compiled ones as well."""
    return {target.split(".")[1] for target in imports_of(name) if target.startswith("gammacore.")}


HOUSE = [name for name in MODULES if name != "gammacore"]  # the package itself repeats names of several rooms


def test_every_module_has_a_room():
    assert {room_of(name) for name in HOUSE} <= set(LEVEL)


def test_lower_never_imports_higher():
    wrong = {
        (name, other)
        for name in HOUSE
        for other in rooms_of(name)
        if LEVEL.get(other, -1) > LEVEL[room_of(name)]
    }
    assert wrong == set()


def test_backtest_live_and_exchange_do_not_know_each_other():
    wrong = {
        (name, other)
        for name in HOUSE
        if room_of(name) in ROOMS
        for other in rooms_of(name) & (set(ROOMS) - {room_of(name)})
    }
    assert {pair for pair in wrong if not (pair[0] in LAUNCHERS and pair[1] == "exchange")} == set()


def test_the_wire_knows_nothing_of_decisions():
    for name in HOUSE:
        if room_of(name) == "deribit":
            assert rooms_of(name) <= DERIBIT_KNOWS, name


def test_the_exchange_keeps_its_own_encoding():
    """An exchange that wrote with our reader's structures would prove nothing of either."""
    for name in HOUSE:
        assert room_of(name) != "exchange" or "deribit" not in rooms_of(name), name


def test_up_to_the_desk_nothing_reads_a_clock_a_file_or_a_socket():
    for name in HOUSE:
        if LEVEL[room_of(name)] > LEVEL["desk"]:
            continue
        allowed = PURE | ({"datetime"} if name in MAY_READ_DATES else set())
        allowed |= {"importlib", "sys", "types"} if name in LAZY else set()
        standard = {target.partition(".")[0] for target in imports_of(name)} & sys.stdlib_module_names
        assert standard <= allowed, name
        for node in ast.walk(ast.parse(MODULES[name].read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("open", "print", "input", "eval", "exec", "__import__"), name
            elif isinstance(node, ast.Attribute):
                assert node.attr not in ("now", "today", "utcnow"), name


def test_no_circles():
    """Of any two modules at most one knows the other, on whatever way."""
    graph = {name: modules_of(name) - {"gammacore"} for name in HOUSE}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_the_rooms_of_the_backtest_stand_on_each_other():
    order = [{"replay"}, {"figures"}, {"sweep", "simulation"}, {"report"}]
    level = {room: at for at, rooms in enumerate(order) for room in rooms}
    inner = [name for name in HOUSE if name.startswith("gammacore.backtest.")]
    assert {name.split(".")[2] for name in inner} == set(level)
    wrong = {
        (name, other)
        for name in inner
        for other in modules_of(name)
        if other in inner and level[other.split(".")[2]] > level[name.split(".")[2]]
    }
    assert wrong == set()


@pytest.mark.parametrize("room", sorted(INSIDE))
def test_inside_a_room_lower_never_imports_higher(room):
    lines = [line.split() for line in INSIDE[room].strip().splitlines()]
    level = {f"gammacore.{room}.{name}": at for at, line in enumerate(lines) for name in line}
    wrong = {
        (name, other) for name in level for other in modules_of(name) if level.get(other, -1) > level[name]
    }
    assert wrong == set()
    pages = f"gammacore.{room}.dashboard"
    inside = {name for name in HOUSE if name.startswith(f"gammacore.{room}.") and not name.startswith(pages)}
    assert set(level) == inside - ENTRIES


def test_only_the_launcher_and_the_pages_stand_above_a_session():
    """What decides, sends and keeps does not know who starts it, nor who looks on."""
    above = ("launch", "dashboard", "watch", "view", "killing", "flatten", "doctor", "together")
    for name in HOUSE:
        part = name.split(".")[2] if room_of(name) == "live" and name.count(".") > 1 else ""
        if part and part not in above:
            assert not {
                other.split(".")[2] for other in modules_of(name) if other.startswith("gammacore.live.")
            } & {*above}, name


def test_units_of_the_wire_end_where_the_wire_does():
    """Milliseconds, percent and stamps are known to the wire's room and to the local exchange alone."""
    words = {"PERCENT", "NS_PER_MILLISECOND", "start_timestamp", "end_timestamp"}
    for name in HOUSE:
        pages = name.startswith("gammacore.live.dashboard")  # a browser counts milliseconds as well
        if room_of(name) in ("deribit", "exchange", "daycount") or pages:
            continue
        nodes = list(ast.walk(ast.parse(MODULES[name].read_text())))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        texts = {
            node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        methods = {text for text in texts if re.fullmatch(r"(public|private)/\w+", text)}
        assert not (names | texts) & words, name
        assert not methods, name
