"""Every kind of page that commands write, in one folder."""

import pytest

from gammacore.backtest.replay.holder import holder_past
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.report.files import write_held
from gammacore.backtest.sweep.held_book import compare_hedges, held_config
from gammacore.cli import main as cli
from gammacore.cli.common import parse_overrides
from gammacore.data.account.rows import Execution
from support.markets import build

SHORT = ["market.days=14", "market.snapshot_hours=8"]
COMMANDS = {
    "one": ["backtest"],
    "two": ["backtest", "--set", "hedge.band=0.2"],
    "paths": ["simulate", "--paths", "100"],
    "grid": [
        *("sweep", "--backend", "serial", "--vary", "hedge.band=0.05,0.1", "--vary", "entry.side=long,short")
    ],
    "chances": ["breakeven", "--calibrate", "--rule", "never", "--rule", "band"],
}


def write_pages(folder, *, settings=()):
    """Run the commands with further settings; the pages, with the comparison beside their folders last."""
    given = [word for text in (*SHORT, *settings) for word in ("--set", text)]
    for name, words in COMMANDS.items():
        command(*words, *given, "--out", folder / name)
    command("compare", folder / "one", folder / "two", "--out", folder / "compare.html")
    write_book(folder / "book", settings)
    return [*sorted(folder.glob("*/*.html")), folder / "compare.html"]


def command(*words):
    """Run a command, which must succeed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["gammacore", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert not stop.value.code, words


def write_book(folder, settings):
    """Write the pages of an account's own book: the options and hedges of a run."""
    config = build(parse_overrides([*SHORT, *settings]) | {"hedge.scope": "book"})
    market = load_market(config)
    fills = [fill for one in replay(config, market.tape).accounts for fill in one.episode.option_fills()]
    rows = [
        Execution(f.ts_ns, f.instrument.name, f.amount, f.price, f.fee, str(k), "", "")
        for k, f in enumerate(fills)
    ]
    folder.mkdir()
    found = compare_hedges(held_config(config), market, holder_past(rows, [], market.tape, config.coin))
    write_held(found, market, folder)
