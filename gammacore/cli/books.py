"""Several books under one command: ``gammacore live --currency BTC,ETH,BTC_USDC``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from gammacore.daycount import format_time
from gammacore.errors import ConfigError

if TYPE_CHECKING:
    from gammacore.config import Config

RESULTS = Path("results")


def currencies_of(text: str | None) -> list[str]:
    """Read currencies that are separated by commas; none given is none.

    Raises
    ------
    ConfigError
        If one is named twice.
    """
    found = [part.strip().upper() for part in (text or "").split(",") if part.strip()]
    for currency in found:
        if found.count(currency) > 1:
            raise ConfigError(f"--currency: {currency} is named twice")
    return found


def run_books(
    settings: Config,
    currencies: Sequence[str],
    words: Sequence[str],
    console: Console,
    *,
    journal: Path | None = None,
    seconds: float | None = None,
) -> int:
    """Run the same command for each currency; returns the worst exit code.

    Parameters
    ----------
    settings : Config
        What they have in common; each is checked with its own currency before anything starts.
    currencies : sequence of str
    words : sequence of str
        The command and its options but for currency and journal.
    console : Console
    journal : Path, optional
        Folder of the journals.
    seconds : float, optional

    Raises
    ------
    ConfigError
        If the configuration does not fit one of the currencies.
    """
    from gammacore.alerts import alerts_of
    from gammacore.config import with_overrides
    from gammacore.live.together import Together, run_together, start_book

    changes: dict[str, list[str]] = {}
    for currency in currencies:
        linear = "_" in currency and settings.hedge.target != "black"
        fitted = {"currency": currency} | ({"hedge.target": "black"} if linear else {})
        try:
            with_overrides(settings, fitted)
        except ConfigError as error:
            raise ConfigError(f"{currency}: {error}") from None
        changes[currency] = [f"{name}={value}" for name, value in fitted.items()]
    stamp = format_time(time.time_ns())[:19].replace(":", "").replace("-", "").replace("T", "-")
    folder = journal if journal is not None else RESULTS / f"books-{stamp}"
    if folder.is_file():
        raise ConfigError(f"--journal {folder}: of several books name a folder, it is a file")
    books = []
    for currency in currencies:
        own = [*words, "--journal", str(folder / f"{currency}.db")]
        for change in changes[currency]:
            own += ["--set", change]
        books.append(start_book(currency, own, folder / f"{currency}.db"))
    told = f"journals and logs in {folder}; Ctrl-C stops all, gammacore kill {folder}/{currencies[0]}.db one"
    console.print(told, highlight=False, soft_wrap=True)
    together = Together(
        books, settings.risk.together, alerts_of(settings), flatten=settings.risk.flatten_on_kill
    )
    return run_together(together, console, seconds)
