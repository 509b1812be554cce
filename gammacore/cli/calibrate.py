"""``gammacore breakeven --calibrate``: whether the chances that break-evens tell came true."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gammacore.cli.common import document, figure, progress_bar, show_warnings
from gammacore.errors import ConfigError
from gammacore.terminal import numbers

if TYPE_CHECKING:
    from gammacore.backtest.figures.calibration import RuleCalibration
    from gammacore.backtest.figures.lives import LivesFound
    from gammacore.breakeven.calibration import Calibration, Estimated
    from gammacore.config import Config

OUT = Path("results/calibration")


def refuse_options(given: Mapping[str, object]) -> None:
    """Refuse options that are about one chain.

    Raises
    ------
    ConfigError
        Naming the first that was given.
    """
    for option, value in given.items():
        if value is not None:
            raise ConfigError(
                f"{option}: is about one chain, and --calibrate takes all of them with signal.forecast; "
                "leave it out, or use --set"
            )


def run_calibration(configs: Sequence[Config], rules: Sequence[str], out: Path, *, as_json: bool) -> None:
    """Calibrate each coin; write and show what came of it.

    Parameters
    ----------
    configs : sequence of Config
        One a coin.
    rules : sequence of str
        Values of ``hedge.rule``; none: the configured one and the built-in ones.
    out : Path
        Folder of page, figures, lives and recalibrations.
    """
    from gammacore.backtest.figures.calibration import calibrate_lives
    from gammacore.backtest.figures.lives import RULES, lives_of
    from gammacore.backtest.report.files import CALIBRATION_PAGE, write_calibration
    from gammacore.result_files import result_directory

    found: list[RuleCalibration] = []
    sources: list[LivesFound] = []
    with result_directory(out) as folder:
        with progress_bar() as report:
            for config in configs:
                wanted = rules or (str(config.hedge.rule), *RULES)
                source = lives_of(config, wanted, _named(report, config.currency))
                found += calibrate_lives(source.lives)
                sources.append(source)
        write_calibration(found, [source.market for source in sources], folder, out)
    if as_json:
        document(_document(found, sources, out))
        return
    console = Console()
    for source in sources:
        show_warnings(
            console,
            source.market.faults,
            "quotes" if source.market.simulated else "",
            source.market.modelled,
        )
    _show(console, found)
    for source in sources:
        _tell(console, source)
    console.print(f"Results in {out}; open {out / CALIBRATION_PAGE}", highlight=False, soft_wrap=True)


def _named(report: Callable[[str, int, int], None], name: str) -> Callable[[int, int], None]:
    return lambda done, total: report(name, done, total)


def _document(found: list[RuleCalibration], sources: list[LivesFound], out: Path) -> dict[str, Any]:
    from gammacore.backtest.figures.calibration import by_coin, headline

    return {
        "directory": str(out),
        "verdict": {coin: headline(own) for coin, own in by_coin(found).items()},
        "simulated": any(source.market.simulated for source in sources),
        "modelled": [source.market.modelled for source in sources if source.market.modelled],
        "faults": [fault for source in sources for fault in source.market.faults],
        "still_open": sum(source.open for source in sources),
        "left_out": [why for source in sources for why in source.left_out],
        "rules": [one.document() for one in found],
    }


def _show(console: Console, found: list[RuleCalibration]) -> None:
    from gammacore.backtest.figures.calibration import by_coin, headline

    for coin, own in by_coin(found).items():
        console.print(f"[bold]{escape(headline(own))}[/]", highlight=False)
        console.print(_scores(coin, own))
        console.print(_later(coin, own))
    console.print(
        "P: mean chance of a profit told at entry. gain: Brier score of one constant chance less that of P, "
        "with its 95 % interval by drawing whole weeks again; above zero is skill.",
        highlight=False,
    )


def _table(title: str, *names: str) -> Table:
    return Table(
        Column("hedge rule", overflow="fold", min_width=15),
        *numbers(*names, no_wrap=True),
        title=title,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _scores(coin: str, own: list[RuleCalibration]) -> Table:
    shown = ("straddles", "weeks", "P", "paid", "Brier", "const.", "gain", "95 %")
    table = _table(f"{coin}: chances and outcomes", *shown)
    for one in own:
        table.add_row(one.label, *_cells(one.whole), style="bold")
        for name, scored in one.by_days:
            table.add_row(f"  {name} day{'' if name == '1' else 's'}", *_cells(scored))
    return table


def _cells(scored: Calibration | None) -> list[str]:
    if scored is None:
        return ["0", *["-"] * 7]
    return [
        f"{scored.straddles:,}",
        f"{scored.weeks:,}",
        figure(scored.promised, ".0%"),
        figure(scored.paid, ".0%"),
        _score(scored.brier.value),
        _score(scored.constant),
        _score(scored.gain.value, "+.3f"),
        _interval(scored.gain, "+.3f"),
    ]


def _interval(found: Estimated, form: str) -> str:
    if not math.isfinite(found.low):
        return "-"
    return f"{_score(found.low, form)} {_score(found.high, form)}"


def _score(value: float, form: str = ".3f") -> str:
    """Write a score, which is below 1, without its first zero."""
    return figure(value, form).replace("0.", ".", 1)


def _later(coin: str, own: list[RuleCalibration]) -> Table:
    shown = ("straddles", "weeks", "as\ntold", "recali-\nbrated", "const.\nthen", "gain", "95 %")
    table = _table(f"{coin}: Brier score walk-forward", *shown)
    for one in own:
        later = one.later
        if later is None:
            table.add_row(one.label, "0", *["-"] * 6)
            continue
        scores = (_score(value) for value in (later.brier, later.recalibrated, later.constant))
        gain = _score(later.gain.value, "+.3f"), _interval(later.gain, "+.3f")
        table.add_row(one.label, f"{later.straddles:,}", f"{later.weeks:,}", *scores, *gain)
    return table


def _tell(console: Console, source: LivesFound) -> None:
    if source.open:
        console.print(f"Still open when the data ends, and left out: {source.open:,}", highlight=False)
    for why in source.left_out:
        console.print(f"[bold yellow]Left out:[/] {escape(why)}", highlight=False, soft_wrap=True)
