"""Draw the rooms and who imports whom: ``python tools/rooms_picture.py`` writes docs/img/rooms.svg.

A room is a package, or the single modules of a level of ``tests/test_layers.py``. It stands below all that
import it. An import that others lead to anyway has no arrow of its own.
"""

import ast
import graphlib
import io
import tokenize
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).resolve().parent.parent
TOP = ("backtest", "live", "exchange")  # folders beside gammacore/, installed in it
WIDTH, GUTTER, GAP, LINE = 400, 52, 24, 12
STYLE = """
svg { --ground: #fff; --box: #eef1f8; --edge: #5b6b95; --ink: #1b2333; --faint: #566078; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #161a22; --box: #252c3b; --edge: #93a3cf; --ink: #eef1f8; --faint: #aab4c8; }
}
.ground { fill: var(--ground) } .box { fill: var(--box); stroke: var(--edge) } #head { fill: var(--edge) }
text { font: 11px system-ui, sans-serif; fill: var(--ink) } .name { font-weight: 600; font-size: 12px }
.faint { fill: var(--faint) } .way { fill: none; stroke: var(--edge); marker-end: url(#head) }
"""
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" role="img">
<title>Rooms of gammacore and their imports</title><style>{style}</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 8 4 0 8z"/></marker></defs><rect class="ground" width="{width}" height="{height:.0f}"/>
{parts}</svg>
"""
Room = tuple[str, ...]
Place = tuple[float, float, float, float]  # left, top, width, height


def files(member: str) -> list[Path]:
    """Source of a module or package; the headers belong to ``_core``."""
    place = ROOT / ("" if member in TOP else "gammacore") / member
    compiled = list(ROOT.glob(f"src_pyx/{member}.pyx"))
    headers = list(ROOT.glob("src_pyx/*.h")) if member == "_core" else []
    return compiled + headers or [*place.rglob("*.py")] or [place.with_suffix(".py")]


def code_lines(path: Path) -> int:
    """Count lines; of Python those that hold more than a comment or a docstring."""
    text = path.read_text()
    if path.suffix != ".py":
        return sum(bool(line.strip()) for line in text.splitlines())
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.string.strip() and token.type != tokenize.COMMENT:
            found |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(found)


def imported(room: Room) -> set[str]:
    """Names of what a room imports from within gammacore; relative imports stay in their room."""
    paths = [path for member in room for path in files(member) if path.suffix == ".py"]
    paths = [path for path in paths if path.stem != "__main__"]  # an entry point is a command
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    names = [f"{n.module}.{a.name}" for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("gammacore.")}


def graph() -> dict[Room, set[Room]]:
    """Return what each room imports, the lowest rooms first."""
    tree = ast.parse((ROOT / "tests" / "test_layers.py").read_text()).body
    order = next(n.value for n in tree if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "ORDER")
    found: list[Room] = []
    for level in ast.literal_eval(order):
        packages = [m for m in sorted(level) if len(files(m)) > 1 and m[0] != "_" and m != "config"]
        single = tuple(sorted(set(level) - set(packages)))
        if single and not packages and found and len(found[-1]) > 1:
            found[-1] += single  # of two such levels one above the other
        else:
            found += [*((name,) for name in packages), *([single] if single else [])]
    home = {member: room for room in found for member in room}
    return {room: {home[name] for name in imported(room) & set(home)} - {room} for room in found}


def rows(direct: dict[Room, set[Room]]) -> dict[Room, int]:
    """Return the row of each room from the top: one below the lowest of those that import it."""
    found: dict[Room, int] = {}
    for room in reversed([*graphlib.TopologicalSorter(direct).static_order()]):  # refuses circles
        found[room] = 1 + max((found[other] for other in direct if room in direct[other]), default=-1)
    return found


def ways(direct: dict[Room, set[Room]], row: dict[Room, int]) -> list[tuple[Room, Room]]:
    """Return imports that no other import leads to, from above to below."""
    reached: dict[Room, set[Room]] = {}
    for room in sorted(direct, key=lambda room: -row[room]):
        reached[room] = direct[room].union(*(reached[other] for other in direct[room]))
    kept = [(room, other) for room in direct for other in direct[room]
            if not any(other in reached[near] for near in direct[room])]  # fmt: skip
    return sorted(kept, key=lambda pair: (row[pair[0]], pair))


def placed(row: dict[Room, int]) -> dict[Room, Place]:
    """Return where each room is drawn."""
    found: dict[Room, Place] = {}
    top = 30.0
    for number in range(max(row.values()) + 1):
        here = [room for room in row if row[room] == number]
        shares = [min(len(" ".join(room)), 60) + 20 for room in here]
        widths = [(WIDTH - GUTTER - 8 * len(here)) * share / sum(shares) for share in shares]
        texts = [wrap(", ".join(room), int(wide / 6.2)) for room, wide in zip(here, widths, strict=True)]
        height = 22.0 + LINE * max(map(len, texts))
        for k, (room, wide) in enumerate(zip(here, widths, strict=True)):
            found[room] = (8 + sum(widths[:k]) + 8 * k, top, wide, height)
        top += height + GAP
    return found


def arrow(start: Place, end: Place, lane: int) -> str:
    """Return a path to the next row (lane 0), or past the rows between by a lane at the right."""
    (x0, y0), (x1, y1) = (start[0] + start[2] / 2, start[1] + start[3]), (end[0] + end[2] / 2, end[1] - 1)
    if not lane:
        return f"M{x0:.1f} {y0} C{x0:.1f} {y0 + 14} {x1:.1f} {y1 - 16} {x1:.1f} {y1}"
    x0, x1 = x0 + start[2] / 2 - 6 - 5 * lane, x1 + end[2] / 2 - 4 - 5 * lane
    return f"M{x0:.1f} {y0} v{1 + 2 * lane} H{WIDTH - GUTTER + 6 * lane} V{y1 - 9 - lane} H{x1:.1f} V{y1}"


def drawn() -> str:
    """Return the picture."""
    row = rows(direct := graph())
    places, lines = placed(row), {room: sum(code_lines(f) for m in room for f in files(m)) for room in direct}
    total = f"{sum(lines.values()):,} lines of Python, Cython and C; arrows are imports"
    parts = [f'<text class="name" x="8" y="20">{total}</text>']
    lane = 0
    for above, under in ways(direct, row):
        lane += (far := row[under] - row[above] > 1)
        parts.append(f'<path class="way" d="{arrow(places[above], places[under], lane * far)}"/>')
    for room, (left, top, wide, high) in places.items():
        box, name = f'x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{high}"', "name" * (len(room) == 1)
        parts.append(f'<rect class="box" rx="4" {box}/>')
        parts += [f'<text class="{name}" x="{left + 6:.1f}" y="{top + 14 + LINE * k}">{text}</text>'
                  for k, text in enumerate(wrap(", ".join(room), int(wide / 6.2)))]  # fmt: skip
        parts.append(f'<text class="faint" x="{left + 6:.1f}" y="{top + high - 6}">{lines[room]:,}</text>')
    height = max(top + high for _, top, _, high in places.values()) + 8
    return FRAME.format(width=WIDTH, height=height, style=STYLE, parts="\n".join(parts))


if __name__ == "__main__":
    (ROOT / "docs" / "img" / "rooms.svg").write_text(drawn(), encoding="utf-8")
