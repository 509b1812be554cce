"""``gammacore dashboard``: a session in the browser, from another process that only reads its journal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gammacore.cli.common import JsonOption, document, stoppable

if TYPE_CHECKING:
    from gammacore.live.dashboard.source import Source

RESULTS = Path("results")
ENVIRONMENT = "GAMMACORE_DASHBOARD_TOKEN"


def dashboard(
    journal: Annotated[
        list[Path] | None,
        typer.Option(help="Journals, or a folder of them (default: the newest in results/)."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; needs a token unless it is this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for a free one.", min=0, max=65_535)] = 8_050,
    token: Annotated[
        str | None,
        typer.Option(
            help=f"auto makes and prints a token that the page asks for; {ENVIRONMENT} sets your own."
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token; only its owner may be able to read it.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Another host name under which browsers reach the page.")
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Show the journal from its start.")] = False,
    speed: Annotated[
        float, typer.Option(help="Replay speed: seconds of the journal per second.", min=0.01)
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Print the current state to the terminal and exit.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a session in the browser: positions, profit, hedges, limits. Reads its journal only."""
    from gammacore.errors import ConfigError

    books = _journals(journal or [])
    one = None if not books else next(iter(books.values())) if len(books) == 1 else None
    if once:
        if len(books) > 1:
            raise ConfigError("--once: shows one session; name one --journal")
        _once(one, as_json)
        return
    if as_json:
        raise ConfigError("--json: goes with --once; the page has its state at /state")
    from gammacore.live.dashboard.guard import token_of
    from gammacore.live.dashboard.web import serve

    asked, made = token_of(_token(token, token_file), host)
    if len(books) > 1:
        several = {label: _source(path, replay, speed) for label, path in books.items()}
        _announce(host, port, ", ".join(books), asked if made else None)
        with stoppable("the sessions go on"):
            serve(several, host, port, token=asked, names=name or ())
        return
    source = _source(one, replay, speed)
    shown = source.path if source.path is not None else "the first journal in results/"
    _announce(host, port, str(shown), asked if made else None)
    with stoppable("the session goes on"):
        serve(source, host, port, token=asked, names=name or ())


def _journals(given: list[Path]) -> dict[str, Path]:
    """Journals by the name of their page; a folder stands for all that it has."""
    from gammacore.errors import ConfigError

    files = [file for path in given for file in (sorted(path.glob("*.db")) if path.is_dir() else [path])]
    if given and not files:
        raise ConfigError(f"--journal {given[0]}: no journal in this folder")
    books = {file.stem: file for file in files}
    if len(books) < len(files):
        raise ConfigError("--journal: two journals have the same name; the page of each is named after it")
    return books


def _token(option: str | None, file: Path | None) -> str | None:
    """Token of the file, of the option, or of the environment; never of the command line."""
    from gammacore.errors import ConfigError

    if option not in (None, "auto"):  # the value is not repeated: it may be the token
        raise ConfigError(
            "--token: everybody on this machine can read a command line; the only value is auto. "
            f"Put a token of yours into {ENVIRONMENT}, or into a file for --token-file"
        )
    if file is None:
        return option or os.environ.get(ENVIRONMENT) or None
    if option is not None:
        raise ConfigError("--token-file: goes without --token auto, which makes another")
    try:
        if file.stat().st_mode & 0o077:
            raise ConfigError(f"--token-file {file}: others can read it; chmod 600 {file}")
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {file}: cannot be read: {error}") from None


def _source(journal: Path | None, replay: bool, speed: float) -> Source:
    from gammacore.errors import ConfigError
    from gammacore.live.dashboard.source import JournalTail, Replay, newest

    path = journal if journal is not None else newest(RESULTS)
    if not replay:
        if speed != 1.0:
            raise ConfigError("--speed: goes with --replay; a session has its own")
        return JournalTail(path, RESULTS)
    if path is None:
        raise ConfigError("--replay: no journal in results/; give --journal")
    return Replay(path, speed)


def _announce(host: str, port: int, what: str, token: str | None) -> None:
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/"
    told = f"Dashboard of {what} on {address}"
    console = Console()
    console.print(
        f"{told}; Ctrl-C ends it, the session goes on", highlight=False, markup=False, soft_wrap=True
    )
    if token is not None:
        opened = f"Open it once with the token: {address}?token={token}"
        console.print(opened, highlight=False, markup=False, soft_wrap=True)


def _once(journal: Path | None, as_json: bool) -> None:
    """Read the journal to its end, and show it."""
    from gammacore.errors import JournalError
    from gammacore.live.dashboard.board import Board
    from gammacore.live.dashboard.session import past_words
    from gammacore.live.dashboard.source import JournalTail

    source = JournalTail(journal, RESULTS)
    board = Board(source)
    with stoppable():
        while board.read(10_000):
            pass
    if board.follower.desk is None:
        raise JournalError(f"waiting for {source.waiting}; there is nothing to show yet")
    if as_json:
        document(board.state())
        return
    from gammacore.live.view import screen

    began = board.story.began
    venue, paper = (began.venue, began.paper) if began is not None else (str(source.path), False)
    console = Console()
    console.print(screen(board.follower, venue, paper))
    if said := past_words(board):
        console.print(said, style="bold red", highlight=False, markup=False)
