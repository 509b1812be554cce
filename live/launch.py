"""``gammacore live``: start what a session needs, show it while it runs, and report its result.

The session is a process of its own (:mod:`.session`), so that nothing shown here can slow it down. For the
venue ``local`` a local exchange is started as well. All of them end together: signals are passed on, and
each process notices when the one that started it is gone (:mod:`.orphan`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

import msgspec
from rich.console import Console
from rich.live import Live

from gammacore.alerts import alerts_of
from gammacore.build import build_desk
from gammacore.config import Config, stated
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_MINUTE, format_time
from gammacore.deribit.history import WITH_DVOL
from gammacore.errors import ConfigError, SessionError
from gammacore.forecasts import with_forecast
from gammacore.strategy.waiting import next_entry_ns

from .checkpoint import Checkpoints
from .credentials import Credentials
from .follow import Follower
from .heartbeat import heartbeat_of
from .journal import length
from .limits import missing_limits, toothless_limits
from .pace import Paces
from .retold import last_start
from .sample_book import EXPIRIES, open_book
from .session import CRASHED, NO_JOURNAL, SessionOptions, Venue
from .supervised import SIGNALS
from .view import Cache, final_report, screen
from .watch import Watcher

REFRESH_S = 0.5
START_S = 30.0
END_S = 20.0  # for a session that was asked to end; it takes ten itself
SAID, A_SECOND = 200_000, 15_000  # records whose replay is announced, and that a second replays
HUNG = 5  # exit code: the session did not end when it was asked to, and was killed


class Signals:
    """Hands signals on to the session; before there is one, they end what has been started.

    They must not interrupt who reads the journal: a record taken by half would be missing for ever.

    Attributes
    ----------
    asked : list of int
        Signals so far.
    asked_s : float
        When the first came.
    """

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.asked_s = 0.0
        self._session: subprocess.Popen[bytes] | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Signals:
        """Listen; SIGHUP stays ignored where it was (nohup)."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGINT:
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def pass_on_to(self, session: subprocess.Popen[bytes]) -> None:
        """Hand signals on to this process from now on."""
        self._session = session

    def stop(self, number: int = signal.SIGINT) -> None:
        """Ask the session to end; the second time at once."""
        self.asked_s = self.asked_s or time.monotonic()
        self.asked.append(number)
        if self._session is None:
            raise SystemExit(128 + number)
        self._session.send_signal(signal.SIGINT)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.stop(number)


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
    url: str = "",
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
    url : str
        Of a local exchange that runs; none is started then.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    ConfigError
        If production lacks limits, or has some that limit nothing; or if hedges are always to be makers.
    SessionError
        If a local exchange is to be started for a journal that has a past.
    """
    if config.execution.hedges == "maker":
        raise ConfigError(
            "execution.hedges: 'maker' is a bound for backtests, no exchange fills every hedge at rest; "
            "a session takes post_only or taker"
        )
    if venue == "production" and not (dry_run or shadow):
        _need_limits(config)
    config = session_forecast(config, venue)
    if venue == "local" and not url and journal is not None and journal.exists():
        _demand_fresh(journal)
    journal = _journal(config, venue) if journal is None else journal
    journal.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        signals = stack.enter_context(Signals())
        environment = dict(os.environ)
        if venue == "local" and not url:
            name, secret = "gammacore", secrets.token_hex(16)
            now_ns = time.time_ns()
            start_ns = first_moment(config, now_ns)
            if start_ns - now_ns > NS_PER_MINUTE:
                told = (
                    f"the local exchange starts at {format_time(start_ns)[:16]} UTC, when the entry rule fits"
                )
                console.print(told, highlight=False, soft_wrap=True)
            url = stack.enter_context(exchange_process(name, secret, speed, seed, start_ns, config.currency))
            environment |= {"GAMMACORE_CLIENT_ID_TESTNET": name, "GAMMACORE_CLIENT_SECRET_TESTNET": secret}
            if config.live.adopt == "all":
                count = open_book(config, url, Credentials(name, secret), speed)
                told = f"opened {count} options in {EXPIRIES} expiries in the local account, to have a book"
                console.print(told, highlight=False, soft_wrap=True)
        options = SessionOptions(
            venue=venue,
            journal=str(journal),
            url=url,
            speed=speed if venue == "local" else 1.0,
            paper=dry_run or shadow,
            account=not dry_run or shadow or config.live.adopt == "all",  # whose positions are hedged
            parent=os.getpid(),
        )
        follower = Follower(journal, paces=Paces())
        checkpoints = Checkpoints(journal, follower)
        if journal.exists():
            _say_replayed(journal, follower, console)
        alerts, heartbeat = alerts_of(config), heartbeat_of(config)
        session = start_session(config, options, environment, signals)
        watcher = Watcher(
            follower, alerts, alive=lambda: session.poll() is None, heartbeat=heartbeat, supervises=True
        )
        try:
            return _show(session, options, watcher, checkpoints, console, signals, seconds)
        except Exception as error:
            watcher.failed(f"{journal}: gammacore live has failed, the session is stopped: {error}")
            raise
        finally:
            end_session(session)


def _say_replayed(journal: Path, follower: Follower, console: Console) -> None:
    """Say so where a long replay comes before anything is traded or shown."""
    follower.update(0)  # begins at a checkpoint, if there is one
    records = length(journal) - follower.seq
    if records > SAID:
        told = f"{journal}: replays {records:,} records first, some {records / A_SECOND:,.0f} s"
        console.print(told, highlight=False, soft_wrap=True)


def _demand_fresh(journal: Path) -> None:
    """Refuse a journal with a past: the exchange that is to be started knows nothing of its positions."""
    if last_start(journal) is not None:
        raise SessionError(
            f"{journal}: belongs to another local exchange than the one that would be started; begin a new "
            "journal, or give that exchange's address to --url (gammacore exchange --state FILE keeps it)"
        )


def _need_limits(config: Config) -> None:
    """Refuse what has no limits, or limits that limit nothing."""
    if missing := missing_limits(config):
        raise ConfigError(f"{', '.join(missing)}: production needs these limits, and they are not set")
    if toothless := toothless_limits(config):
        raise ConfigError(f"{'; '.join(toothless)}: production refuses limits that limit nothing")


def first_moment(config: Config, now_ns: int) -> int:
    """Time at which a local exchange starts: the first, from now on, at which the strategy may enter."""
    entry = build_desk(config, published(), "book").strategy.entry
    found = next_entry_ns(entry, now_ns) if entry.enters else None
    return now_ns if found is None else found


def _journal(config: Config, venue: Venue) -> Path:
    stamp = format_time(time.time_ns())[:19].replace(":", "").replace("-", "").replace("T", "-")
    return Path("results") / f"live-{venue}-{config.currency}-{stamp}.db"


def session_forecast(config: Config, venue: Venue) -> Config:
    """Choose what ``signal.forecast: auto`` is in a session, by what the exchange has of the coin."""
    if not config.forecasts:
        return config
    kind = "combined" if config.coin in WITH_DVOL else "har"
    if config.hedge.vol in ("realised", "forecast") or venue == "local":  # whose history is of some weeks
        kind = "realised" if config.hedge.vol == "realised" else "forecast"
    return with_forecast(config, kind)


@contextlib.contextmanager
def exchange_process(
    name: str,
    secret: str,
    speed: float,
    seed: int,
    start_ns: int | None = None,
    family: str | None = None,
) -> Iterator[str]:
    """Local exchange in a process of its own; yields its WebSocket address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["exchange", "--port", str(port), "--client-id", name, "--speed", str(speed), "--seed", str(seed)]
    words += ["--parent", str(os.getpid())]
    words += [] if family is None else ["--list", family]
    if start_ns is not None:
        words += ["--start", format_time(start_ns)]
    with _errors() as (errors, told):
        process = subprocess.Popen(
            [sys.executable, "-c", "from gammacore.cli.main import main; main()", *words],
            env=os.environ | {"GAMMACORE_EXCHANGE_SECRET": secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the session; this ends after it
        )
    process.stderr = told
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


@contextlib.contextmanager
def _errors() -> Iterator[tuple[int, IO[bytes]]]:
    """File for what a process says of errors, and its reading end.

    A pipe that nobody reads would fill up and hold the process.
    """
    number, name = tempfile.mkstemp(prefix="gammacore-")
    try:
        told = open(name, "rb")  # noqa: SIM115 # of whoever waits for the process
        os.unlink(name)
        yield number, told
    finally:
        os.close(number)


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Let signals wait, also for a process that is started meanwhile, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_session(
    config: Config, options: SessionOptions, environment: dict[str, str], signals: Signals | None = None
) -> subprocess.Popen[bytes]:
    """Start the process of a session; ``signals`` reach it from then on."""
    given = {"config": stated(config), "options": msgspec.to_builtins(options)}
    # Held back until the session listens and is known here: none gets lost, none ends half a start.
    with _held_back(), _errors() as (errors, told):
        process = subprocess.Popen(
            [sys.executable, "-m", "gammacore.live.session"],
            stdin=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        process.stderr = told
        if signals is not None:
            signals.pass_on_to(process)
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended already; its exit code says why
        process.stdin.write(msgspec.json.encode(given))
        process.stdin.close()
    return process


def _show(
    session: subprocess.Popen[bytes],
    options: SessionOptions,
    watcher: Watcher,
    checkpoints: Checkpoints,
    console: Console,
    signals: Signals,
    seconds: float | None,
) -> int:
    """Follow the journal until the session ends or is to end; returns the exit code."""
    follower, cache = watcher.follower, Cache()
    until = None if seconds is None else time.monotonic() + seconds
    told = f"journal {options.journal}, log {options.journal}.log; Ctrl-C stops, gammacore kill halts"
    console.print(told, highlight=False, soft_wrap=True)
    live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
    hung = False
    with live or contextlib.nullcontext():
        while session.poll() is None:
            if not signals.asked and until is not None and time.monotonic() >= until:
                signals.stop()
            watcher.update()
            checkpoints.update()
            if live is not None:
                live.update(screen(follower, options.venue, options.paper, cache))
            if signals.asked and time.monotonic() - signals.asked_s > END_S:
                hung = True
                session.kill()
                session.wait()
                break
            _wait(session)
    watcher.update()
    if session.returncode == 0:
        console.print(final_report(follower))
        return 0
    why = _why_ended(session, hung)
    watcher.failed(f"{options.journal}: {why}")
    console.print(f"[bold red]the session failed:[/] {why.replace('[', chr(92) + '[')}", highlight=False)
    if hung:
        return HUNG
    return session.returncode if session.returncode > 0 else 128 - session.returncode


def _wait(session: subprocess.Popen[bytes]) -> None:
    """Wait for the next look, or for the end of the session."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        session.wait(REFRESH_S)


def _why_ended(session: subprocess.Popen[bytes], hung: bool) -> str:
    """Say how a session ended that was not to, in words for an alert."""
    error = session.stderr.read().decode(errors="replace").strip() if session.stderr else ""
    lines = [line.removeprefix("error: ") for line in error.splitlines() if line.strip()]
    said = lines[-1][-500:] if lines else "it gave no reason"
    code = session.returncode
    if hung:
        how = f"it did not end within {END_S:g} s after it was asked to, and was killed"
    elif code < 0:
        how = f"its process was ended by {signal.Signals(-code).name}"
    elif code in (NO_JOURNAL, CRASHED):
        how = f"it halted: {said}"
    else:
        return said  # it has sent nothing
    return f"{how}; the exchange cancels resting orders, positions stay and nobody hedges them"


def end_session(session: subprocess.Popen[bytes]) -> None:
    """Stop a session, kill it if it does not end by itself, and wait for it."""
    if session.poll() is None:
        session.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            session.wait(END_S)
        session.kill()
        session.wait()
    if session.stderr is not None:
        session.stderr.close()
