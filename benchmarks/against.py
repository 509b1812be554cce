"""gammacore next to every other option library that is installed here.

    python benchmarks/against.py --out DIR

Installs nothing: a library that is missing, or does not import, is named and left out; the extra
`bench` lists them all. In each round every library is timed once, so a slow moment of the machine
hits all of them; the best and the median of the rounds are kept. Everything is on one thread. A
library is first held against gammacore on the same options and is not timed where it disagrees.
Writes against.md and, with matplotlib, against.png.

Inputs are shaped before the clock starts: a library that knows one forward per call gets the strikes
of that forward, one that knows total volatility gets total volatility, one that takes a single
call/put flag gets the calls and then the puts. Units of results (vega per 1 %, theta per day) are
brought to ours after the clock stops. There are no rates, as on Deribit.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import timeit
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from accuracy import ACCURACY, accuracy, disagreement, reason
from adapters import Peer, random_market
from baselines import Gammacore, ours
from peers import OTHERS
from rich.console import Console
from rich.progress import Progress

import gammacore

TASKS = {
    "price": "Price",
    "greeks": "Five Greeks",
    "implied_vol": "Implied volatility",
    "fused": "Implied volatility and Greeks in one call",
}
WINDOW = 2e-3  # seconds that one timing lasts at least


def present(only: Sequence[str]) -> tuple[list[Peer], dict[str, str]]:
    """Return the libraries that import, and why the others do not."""
    peers, absent = ours(), {}
    for name, make in OTHERS.items():
        if only and name not in only:
            continue
        try:
            peers.append(make())
        except Exception as error:
            absent[name] = reason(error)
    return peers, absent


# ---- Timing -------------------------------------------------------------------------


@dataclass
class Cell:
    """Times of one library, task and size, in ns per option."""

    repeats: int
    times: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.times)

    @property
    def median(self) -> float:
        return statistics.median(self.times)


@dataclass
class Row:
    """One library at one task."""

    peer: Peer
    task: str
    trouble: str = ""
    exactness: str = ""
    cells: dict[int, Cell] = field(default_factory=dict)

    @property
    def label(self) -> str:
        fewer = self.task == "greeks" and self.peer.greek_count < 5
        return self.peer.name + (f" ({self.peer.greek_count} of 5)" if fewer else "")


def measure(rows: list[Row], task: str, n: int, rounds: int, budget: float, tick: Callable[[], None]) -> None:
    """Time all rows at one size, in turn, round by round."""
    market = random_market(n)
    jobs: list[tuple[Row, Callable[[], Any]]] = []
    for row in rows:
        # The time at a tenth of the size or less tells; below 100 options the call itself is what costs.
        known = [cell.best * n * 1e-9 for size, cell in row.cells.items() if 100 <= size < n]
        if not row.trouble and min(known, default=0.0) <= budget:
            row.peer.before()
            run = row.peer.job(task, market).run
            run()
            once = min(timeit.repeat(run, number=1, repeat=2))
            row.cells[n] = Cell(max(1, math.ceil(WINDOW / once)))
            jobs.append((row, run))
    gc.collect()
    for _ in range(rounds):
        for row, run in jobs:
            row.peer.before()
            cell = row.cells[n]
            cell.times.append(timeit.timeit(run, number=cell.repeats) / cell.repeats / n * 1e9)
        tick()


# ---- Report -------------------------------------------------------------------------


def short(ns: float) -> str:
    return f"{ns:,.0f}" if ns >= 100 else f"{ns:.1f}" if ns >= 10 else f"{ns:.2f}"


def times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def order(rows: list[Row], sizes: Sequence[int]) -> list[Row]:
    """Fastest first, by the size that most of them have."""
    at = chart_size(sizes)
    return sorted(rows, key=lambda row: row.cells[at].best if at in row.cells else math.inf)


def chart_size(sizes: Sequence[int]) -> int:
    return 10_000 if 10_000 in sizes else sizes[-1]


def markdown(results: dict[str, list[Row]], sizes: Sequence[int], absent: dict[str, str]) -> str:
    """Return all tables."""
    lines = []
    for task, rows in results.items():
        reference = rows[0]
        titles = ["library", *(f"n = {size:,}" for size in sizes), "ratio", ACCURACY[task], "how"]
        titles = [part.strip() for title in titles for part in title.split("|")]
        lines += [f"### {TASKS[task]}", "", "| " + " | ".join(titles) + " |"]
        lines += ["|---|" + "---:|" * (len(titles) - 2) + "---|"]
        at = chart_size(sizes)
        for row in order(rows, sizes):
            name = f"**{row.label}**" if row is reference else row.label
            cells = [f"{name} {row.peer.version}"]
            for size in sizes:
                cell = row.cells.get(size)
                cells.append(f"{short(cell.best)} ({short(cell.median)})" if cell else "–")
            cell = row.cells.get(at)
            cells.append(times(cell.best / reference.cells[at].best) if cell else "–")
            blanks = ["–"] * len(ACCURACY[task].split("|"))
            cells += [part.strip() for part in row.exactness.split("|")] if row.exactness else blanks
            cells.append(row.trouble or row.peer.how.get(task, ""))
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines.append(
        f"ns per option, best of the rounds (median in brackets); ratio of the best times to gammacore's at "
        f"n = {chart_size(sizes):,}. u = 2^-53. One thread. A dash: not offered or too slow."
    )
    if absent:
        lines += ["", "Not here: " + "; ".join(f"{name} ({why})" for name, why in absent.items()) + "."]
    return "\n".join(lines) + "\n"


def plot(results: dict[str, list[Row]], sizes: Sequence[int], path: Path) -> None:
    """Draw a bar per library, a panel per task."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    at = chart_size(sizes)
    timed = {task: [row for row in order(rows, sizes) if at in row.cells] for task, rows in results.items()}
    heights = [len(rows) + 1.2 for rows in timed.values()]
    figure, panels = plt.subplots(
        len(timed),
        1,
        figsize=(9, 0.24 * sum(heights) + 0.7),
        height_ratios=heights,
        sharex=True,
        squeeze=False,
    )
    longest = max(row.cells[at].best for rows in timed.values() for row in rows)
    least = min(row.cells[at].best for rows in timed.values() for row in rows)
    for panel, (task, rows) in zip(panels[:, 0], timed.items(), strict=True):
        base = next(row for row in rows if row is results[task][0]).cells[at].best
        for i, row in enumerate(rows):
            ns = row.cells[at].best
            mine = isinstance(row.peer, Gammacore)
            colour = "#0072B2" if mine and row.peer.best else "#56B4E9" if mine else "#B8B8B8"
            panel.barh(i, ns, color=colour, height=0.72)
            ratio = "" if row is results[task][0] else f"   {times(ns / base)}×"
            panel.text(ns * 1.08, i, f"{short(ns)} ns{ratio}", va="center", fontsize=8)
        panel.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=8.5)
        for label, row in zip(panel.get_yticklabels(), rows, strict=True):
            if isinstance(row.peer, Gammacore):
                label.set_fontweight("bold")
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        panel.set_xlim(10 ** math.floor(math.log10(least)), longest * 12)
        panel.set_title(TASKS[task], loc="left", fontsize=10.5, fontweight="bold", pad=4)
        panel.grid(axis="x", color="#e4e4e4", linewidth=0.7)
        panel.set_axisbelow(True)
        panel.tick_params(length=0, axis="y")
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
    panels[-1, 0].set_xlabel(
        f"ns per option, one thread, {at:,} options, best of all rounds (log scale; × = times gammacore's)",
        fontsize=9,
    )
    figure.tight_layout(h_pad=0.9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    with Image.open(path) as picture:  # few colours, half the size
        small = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
    small.save(path, optimize=True)


def run(
    sizes: Sequence[int],
    rounds: int,
    only: Sequence[str],
    budget: float,
    quick: bool,
    console: Console,
) -> tuple[dict[str, list[Row]], dict[str, str]]:
    """Check, judge and time every library at every task that it offers."""
    peers, absent = present(only)
    for name, why in absent.items():
        console.log(f"left out: {name} ({why})")
    results: dict[str, list[Row]] = {}
    for task in TASKS:
        results[task] = [Row(peer, task) for peer in peers if hasattr(peer, task)]
    before = gammacore.simd_level()
    try:
        with Progress(console=console, transient=True) as progress:
            for task, rows in results.items():
                bar = progress.add_task(f"{TASKS[task]}: checking", total=len(rows))
                for row in rows:
                    row.trouble = disagreement(row.peer, task, rows[0].peer)
                    if "does not run" not in row.trouble:
                        row.exactness = accuracy(row.peer, task, quick)
                    if row.trouble:
                        console.log(f"{task}: {row.peer.name}: {row.trouble}")
                    progress.advance(bar)
                progress.reset(bar, description=f"{TASKS[task]}: timing", total=len(sizes) * rounds)
                for n in sizes:
                    measure(rows, task, n, rounds, budget, partial(progress.advance, bar))
                progress.remove_task(bar)
    finally:
        gammacore.use_level(before)
    return results, absent


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 100, 10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for against.md and .png")
    parser.add_argument(
        "--only", nargs="+", default=[], choices=OTHERS, metavar="NAME", help=" ".join(OTHERS)
    )
    parser.add_argument("--budget", type=float, default=0.5, help="skip a call expected to take longer, s")
    parser.add_argument("--quick", action="store_true", help="a few seconds: few rounds, sizes and points")
    options = parser.parse_args(argv)
    if options.quick:
        options.sizes = [n for n in options.sizes if n <= 10_000]
        options.rounds, options.budget = min(options.rounds, 3), 0.05
    options.sizes = sorted(set(options.sizes))
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run, then write the tables and the picture."""
    options = arguments(argv)
    console = Console(stderr=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results, absent = run(
            options.sizes, options.rounds, options.only, options.budget, options.quick, console
        )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "against.md").write_text(markdown(results, options.sizes, absent), encoding="utf-8")
    console.log(f"wrote {options.out / 'against.md'}")
    try:
        plot(results, options.sizes, options.out / "against.png")
        console.log(f"wrote {options.out / 'against.png'}")
    except ImportError:
        console.log("no matplotlib, no picture")


if __name__ == "__main__":
    main()
