"""``gammacore live``: start what a session needs, show it while it runs, and say what it came to.

The session is a process of its own (:mod:`.session`), so that nothing shown here can slow it down. For the
venue ``local`` a local exchange is started as well.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import msgspec
from rich.console import Console
from rich.live import Live

from gammacore.alerts import VARIABLE, Alerts, Level, apprise_sender
from gammacore.config import Config, parse_duration
from gammacore.daycount import format_time
from gammacore.errors import ConfigError, JournalError, SessionError

from .follow import Follower
from .limits import missing_limits, toothless_limits
from .session import Options, Venue, kill_file
from .view import Cache, final_report, screen
from .watch import Metrics, Watcher

__all__ = ["alerts_of", "exchange_process", "launch", "pull", "watch"]

REFRESH_S = 0.5
START_S = 30.0
END_S = 20.0


def launch(
    config: Config,
    venue: Venue,
    console: Console,
    *,
    journal: Path | None = None,
    dry_run: bool = False,
    shadow: bool = False,
    speed: float = 10.0,
    seed: int = 1,
    seconds: float | None = None,
) -> int:
    """Run a session until Ctrl-C, or for some seconds.

    Parameters
    ----------
    config : Config
    venue : {'local', 'testnet', 'production'}
    console : Console
    journal : Path, optional
        Default: a new one under ``results/``; one that is there is gone on with.
    dry_run : bool
        Send nothing, fill on paper; no account is needed.
    shadow : bool
        The same beside an account whose holder trades.
    speed, seed
        Of the local exchange.
    seconds : float, optional

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    ConfigError
        If production lacks limits, or has some that limit nothing.
    """
    if venue == "production" and not (dry_run or shadow):
        _need_limits(config)
    journal = _journal(config, venue) if journal is None else journal
    journal.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        environment, url = dict(os.environ), ""
        if venue == "local":
            name, secret = "gammacore", secrets.token_hex(16)
            url = stack.enter_context(exchange_process(name, secret, speed, seed))
            environment |= {"GAMMACORE_CLIENT_ID_TESTNET": name, "GAMMACORE_CLIENT_SECRET_TESTNET": secret}
        options = Options(
            venue=venue,
            journal=str(journal),
            url=url,
            speed=speed if venue == "local" else 1.0,
            paper=dry_run or shadow,
            account=not dry_run or shadow,
        )
        session = _start(config, options, environment)
        try:
            return _show(config, session, options, console, seconds)
        finally:
            _end(session)


def _need_limits(config: Config) -> None:
    """Refuse what has no limits, or limits that limit nothing."""
    if missing := missing_limits(config):
        raise ConfigError(f"{', '.join(missing)}: production needs these limits, and they are not set")
    if toothless := toothless_limits(config):
        raise ConfigError(f"{'; '.join(toothless)}: production refuses limits that limit nothing")


def _journal(config: Config, venue: Venue) -> Path:
    stamp = format_time(time.time_ns())[:19].replace(":", "").replace("-", "").replace("T", "-")
    return Path("results") / f"live-{venue}-{config.currency}-{stamp}.db"


@contextlib.contextmanager
def exchange_process(name: str, secret: str, speed: float, seed: int) -> Iterator[str]:
    """Local exchange in a process of its own; yields its WebSocket address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["exchange", "--port", str(port), "--client-id", name, "--speed", str(speed), "--seed", str(seed)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from gammacore.cli import main; main()", *words],
        env=os.environ | {"GAMMACORE_EXCHANGE_SECRET": secret},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the session; this ends after it
    )
    try:
        _wait_for_port(port, process)
        yield f"ws://127.0.0.1:{port}/ws/api/v2"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        process.kill()
        process.wait()


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            told = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise SessionError(f"the local exchange did not start: {told.strip()[-500:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise SessionError("the local exchange did not start in time")


def _start(config: Config, options: Options, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gammacore.live.session"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert process.stdin is not None
    given = {"config": msgspec.to_builtins(config), "options": msgspec.to_builtins(options)}
    process.stdin.write(msgspec.json.encode(given))
    process.stdin.close()
    return process


def _show(
    config: Config,
    session: subprocess.Popen[bytes],
    options: Options,
    console: Console,
    seconds: float | None,
) -> int:
    """Follow the journal until the session ends or is to end."""
    follower, cache = Follower(options.journal), Cache()
    watcher = Watcher(follower, alerts_of(config))
    until = None if seconds is None else time.monotonic() + seconds
    told = f"journal {options.journal}, log {options.journal}.log; Ctrl-C stops, gammacore kill halts"
    console.print(told, highlight=False, soft_wrap=True)
    live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
    with _passing_on(session) as asked:
        with live or contextlib.nullcontext():
            while session.poll() is None:
                if not asked and until is not None and time.monotonic() >= until:
                    signal.raise_signal(signal.SIGINT)
                _update(follower)
                watcher.look()
                if live is not None:
                    live.update(screen(follower, options.venue, options.paper, cache))
                time.sleep(REFRESH_S)
        _update(follower)
        watcher.look()
    if session.returncode:
        error = session.stderr.read().decode(errors="replace") if session.stderr else ""
        console.print(f"[bold red]the session failed:[/] {error.strip()[-2000:]}", highlight=False)
        return session.returncode
    console.print(final_report(follower))
    return 0


@contextlib.contextmanager
def _passing_on(session: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Hand Ctrl-C on to the session; yields those so far.

    It must not interrupt who reads the journal: a record taken by half would be missing for ever.
    """
    asked: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        session.send_signal(signal.SIGINT)  # the second one ends it at once

    before = signal.signal(signal.SIGINT, pass_on)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def alerts_of(config: Config) -> Alerts | None:
    """Alerts of a configuration, None if there is nobody to tell."""
    send = apprise_sender()
    if send is None:
        return None
    wanted = config.alerts
    level = Level[wanted.level.upper()]
    return Alerts(send, least=level, repeat_ns=parse_duration(wanted.repeat), per_hour=wanted.per_hour)


def watch(journal: Path, metrics_port: int | None, seconds: float | None = None) -> None:
    """Serve alerts and metrics of a session until it ends, or for some seconds.

    Raises
    ------
    ConfigError
        If there is nobody to tell.
    """
    follower = Follower(journal)
    if not journal.is_file():
        raise SessionError(f"{journal}: no such journal")
    follower.update()
    if follower.config is None:
        raise SessionError(f"{journal}: no session has started")
    alerts = alerts_of(follower.config)
    if alerts is None and metrics_port is None:
        raise ConfigError(f"{VARIABLE}: not set, and no --metrics-port: nothing to do")
    metrics = None if metrics_port is None else Metrics(metrics_port)
    watcher, until = Watcher(follower, alerts, metrics), time.monotonic() + (seconds or math.inf)
    try:
        while not follower.stopped and time.monotonic() < until:
            follower.update()
            watcher.look()
            time.sleep(REFRESH_S)
    finally:
        if metrics is not None:
            metrics.close()


def _update(follower: Follower) -> None:
    """Take in what is new; a journal that has not begun is no error yet."""
    with contextlib.nullcontext() if follower.desk else contextlib.suppress(JournalError):
        follower.update()


def _end(session: subprocess.Popen[bytes]) -> None:
    if session.poll() is None:
        session.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            session.wait(END_S)
        session.kill()
        session.wait()


def _looks_like_a_journal(path: Path) -> bool:
    """Go by the first bytes alone: a damaged journal must not be in the way of stopping."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def pull(journal: Path, *, flatten: bool) -> Path:
    """Throw the kill switch of a session; returns the file that keeps it thrown."""
    if not journal.is_file():
        raise SessionError(f"{journal}: no such journal")
    if not _looks_like_a_journal(journal):
        raise SessionError(f"{journal}: not a journal, so no session looks for a kill switch beside it")
    switch = kill_file(journal)
    switch.write_text("flatten\n" if flatten else "halt\n", encoding="utf-8")
    switch.chmod(0o600)
    return switch
