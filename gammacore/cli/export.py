"""``gammacore export``: fills of a session or of a run, for other programs and for the tax office."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from zlib import crc32

import typer
from rich.console import Console

from gammacore.cli.common import JsonOption, document
from gammacore.errors import ConfigError, DataError

FORM = "deribit"


def export(
    source: Annotated[Path, typer.Argument(help="Journal of a session, or result directory of a backtest.")],
    format_: Annotated[
        str,
        typer.Option(
            "--format", help="deribit (transaction log), simple (executions) or koinly (realised profits)."
        ),
    ] = FORM,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; existing files are never overwritten (default: a new name)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export the fills of a session or backtest for other tools and for gammacore data import."""
    from gammacore.backtest.figures.statement import run_statement
    from gammacore.data.account.forms import FORMS, open_premium
    from gammacore.data.account.rows import cash, executions
    from gammacore.data.tables import existing
    from gammacore.live.statement import session_statement
    from gammacore.result_files import write_new

    if format_ not in FORMS:
        raise ConfigError(f"--format: {format_!r} is none of {', '.join(FORMS)}")
    form = FORMS[format_]
    made = run_statement(source) if existing(source).is_dir() else session_statement(source)
    if not made.rows:
        _say_nothing(source, as_json)
        return
    name = re.sub(r"[^A-Za-z0-9_]+", "-", made.name).strip("-")
    account = crc32(made.name.encode())
    target = out or Path(form.file.format(account=account, currency=made.currency, name=name))
    if not write_new(target, form.write(made)):
        raise DataError(f"{target}: exists already; move it, or choose another with --out")
    trades, change = len(executions(made.rows)), cash(made.rows)
    premium = open_premium(made) if format_ == "koinly" else 0.0
    if as_json:
        told = {"file": str(target), "format": format_, "rows": len(made.rows), "executions": trades}
        document({**told, "currency": made.currency, "change": float(change), "open_premium": premium})
        return
    console = Console()
    text = f"{target}: {trades:,} executions, {len(made.rows):,} rows, cash {change:+.8f} {made.currency}"
    console.print(text, highlight=False, soft_wrap=True)
    if premium:
        left = f"Options still open: their premium of {premium:+.8f} {made.currency} is in no row yet."
        console.print(left, highlight=False, soft_wrap=True)


def _say_nothing(source: Path, as_json: bool) -> None:
    if as_json:
        document({"file": None, "rows": 0, "executions": 0})
        return
    told = f"{source}: nothing was traded; no file was written"
    Console().print(told, highlight=False, soft_wrap=True)
