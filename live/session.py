"""The process that trades: one client, one hedger, one journal, one thread.

Whoever shows or supervises it is another process and reads the journal. A file beside the journal, its name
and ``.kill``, is the kill switch (``gammacore kill``): its text says whether to flatten.

Exit codes: 0 as asked for, 2 refused before anything was sent, 3 the journal can no longer be written (disk
full, files removed), 4 an error that nobody expected; its traceback is in the log.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal

import msgspec

from gammacore import __version__
from gammacore.alerts import Level, alerts_of
from gammacore.config import Config, parse_config
from gammacore.contracts import Grids
from gammacore.deribit import methods as m
from gammacore.deribit.addresses import PRODUCTION, TESTNET
from gammacore.deribit.news import AccountNews
from gammacore.errors import GammacoreError, JournalLostError, SessionError
from gammacore.logging import configure, redact
from gammacore.terms import fees_of

from .about import Began
from .assemble import build_hedger
from .awake import awake
from .catalog import grids_listed
from .client import Client
from .clock import demand_speed, scaled_clock
from .credentials import Credentials
from .hedger import Hedger
from .held import demand_held
from .journal import NO_ROOM, Journal
from .paper import Paper
from .past import Past, past_of
from .selection import Selection, selection_of
from .supervised import SIGNALS, Supervised, kill_file
from .warm_up import missed_funding, past_index, past_prices

Venue = Literal["local", "testnet", "production"]
URLS = {"testnet": TESTNET, "production": PRODUCTION}
REFUSED, NO_JOURNAL, CRASHED = 2, 3, 4  # exit codes
log = logging.getLogger("gammacore.live")


class SessionOptions(msgspec.Struct, frozen=True):
    """What a session needs beside its configuration.

    Attributes
    ----------
    venue : {'local', 'testnet', 'production'}
    journal : str
        Its path; the log stands beside it.
    url : str
        Of a local exchange; else the venue's own.
    speed : float
        Of a local exchange's clock.
    paper : bool
        Send nothing, fill on paper.
    account : bool
        Whether to log in; a dry run needs no account, a shadow watches one.
    parent : int
        Process that supervises the session, see ``live.orphaned``; 0 if nobody does.
    """

    venue: Venue
    journal: str
    url: str = ""
    speed: float = 1.0
    paper: bool = False
    account: bool = True
    parent: int = 0


class _StoppedError(BaseException):
    """A signal came before the session listened to news: it has sent nothing."""


def _stop_start(number: int, frame: FrameType | None) -> None:
    raise _StoppedError(f"signal {signal.Signals(number).name}")


def listen(handler: Callable[[int, FrameType | None], None]) -> None:
    """Hand signals to a handler; SIGHUP stays ignored where it was (nohup)."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGINT:
            signal.signal(number, handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # the parent held them back until now


class FailedError(Exception):
    """The session ended by an error while it traded; its cause says which, and is in the log."""


def run(config: Config, options: SessionOptions) -> str:
    """Trade until a signal or the kill switch; returns why it ended.

    Raises
    ------
    FailedError
        If an error ended it while it traded.
    GammacoreError
        If it cannot start: no credentials, a journal in use or of another configuration, ...
    """
    url = options.url or URLS.get(options.venue, "")
    if not url:
        raise SessionError("url: expected the address of the local exchange, got none")
    switch = kill_file(options.journal)
    if switch.exists():
        raise SessionError(f"{switch}: the kill switch is on; remove the file to trade again")
    # The local exchange has a time of its own, whatever its speed.
    clock = None
    if options.venue == "local":
        demand_speed(url, options.speed)
        clock = scaled_clock(url, options.speed)
    credentials = Credentials.load(testnet=options.venue != "production") if options.account else None
    now_ns = clock() if clock is not None else time.time_ns()
    past = past_of(options.journal, config, now_ns)
    if past.began is not None:
        past.began.demand_same(options.journal, options.venue, paper=options.paper)
    client = Client(
        url,
        credentials,
        currencies=(config.settles_in,),
        since_ns=past.since_ns,
        known_trades=past.known,
        busy_poll=config.live.busy_poll,
        conflate=True,
        clock=clock,
    )
    with Journal(options.journal) as journal:
        log.info("start", extra={"venue": options.venue, "journal": options.journal, "paper": options.paper})
        try:
            hedger, handler = _assembled(config, options, past, journal, client)
        except _StoppedError:
            journal.close(client.now_ns())
            raise
        supervised = Supervised(
            handler,
            hedger,
            client,
            journal,
            flatten=config.risk.flatten_on_kill,
            parent=options.parent,
            orphaned=config.live.orphaned,
        )
        listen(supervised.signalled)
        gc.collect()
        gc.freeze()  # collecting what is there now would be a pause, perhaps in the middle of an order
        gc.set_threshold(50_000, 20, 100)
        with awake(config.live.keep_awake):
            client.run(supervised)
        if supervised.failure is not None:
            raise FailedError from supervised.failure
        journal.close(max(client.now_ns(), hedger.desk.market.ts_ns))
        log.info("end", extra={"reason": supervised.asked})
        return supervised.asked


def _assembled(
    config: Config, options: SessionOptions, past: Past, journal: Journal, client: Client
) -> tuple[Hedger, Any]:
    """Hedger and handler of a session, with what the exchange must say before."""
    whose = read_account(client, config.settles_in).account if options.account else ""
    if past.began is not None:
        past.began.demand_account(options.journal, whose)
    catalog = read_catalog(client, config, options.account)
    selection = selection_of(config)
    if selection is not None and options.account and past.shares.baseline is None:
        _demand_selected(client, config, selection)
    made: list[Hedger] = []
    adopts = config.live.adopt != "none"
    fees = fees_of(config, catalog)
    paper = (
        Paper(client, lambda: made[0], alone=not options.account, adopts=adopts, schedule=fees)
        if options.paper
        else None
    )
    session = client if paper is None else paper
    made.append(build_hedger(config, past, journal, session, catalog=catalog, paper=options.paper))
    feed = made[0].feed
    if any(account.hedge.amount for account in past.held.portfolio.hedged):
        feed.interest += missed_funding(client, feed.perpetual, feed.ts_ns, past.held.market.index)
    if feed.volatility is not None:  # before the prices, whose estimate may look at it
        past_index(client, feed.base, feed.volatility)
    if feed.looks_back_ns:
        feed.remember(past_prices(client, feed.perpetual.name, feed.looks_back_ns))
    how = options.venue, options.paper, options.speed
    journal.told(Began(client.now_ns(), __version__, *how, os.getpid(), whose))
    return made[0], made[0] if paper is None else paper


def _demand_selected(client: Client, config: Config, selection: Selection) -> None:
    """Refuse to take over what the account does not hold."""
    held = client.call(m.GET_POSITIONS, {"currency": "any"}, timeout_s=30.0)
    named = [p.instrument for p in held if p.size and not isinstance(p.instrument, str)]
    asked = {"currency": config.settles_in, "kind": "option"}
    rows = client.call(m.GET_INSTRUMENTS, asked, timeout_s=30.0)
    demand_held(selection, named, [row.instrument for row in rows if not isinstance(row.instrument, str)])


def read_catalog(client: Client, config: Config, account: bool = True) -> Grids:
    """Ask for the grids of everything listed on the coin, and for what the account is charged.

    Without an account the fees are those that everyone pays.

    Raises
    ------
    ConfigError, SessionError
        If what is to be traded is not listed, or its figures cannot be.
    """
    rows = [
        row
        for kind in ("option", "future")
        for row in client.call(
            m.GET_INSTRUMENTS, {"currency": config.settles_in, "kind": kind}, timeout_s=30.0
        )
    ]
    fees = read_account(client, config.settles_in).fees if account else ()
    return grids_listed(rows, config).charged(fees, client.now_ns())


def read_account(client: Client, currency: str) -> AccountNews:
    """Ask for the account, with its number and its fees."""
    asked = {"currency": currency, "extended": True}
    return client.call(m.GET_ACCOUNT_SUMMARY, asked, timeout_s=30.0)


def main(words: list[str]) -> int:
    """Run with options and configuration as one JSON object on standard input; returns the exit code."""
    try:
        listen(_stop_start)
        given = json.load(sys.stdin)
        options = msgspec.convert(given["options"], SessionOptions)
        configure(f"{options.journal}.log")
        config = parse_config(given["config"])
        if run(config, options) == "orphaned":
            _tell_orphaned(config, options)
    except _StoppedError as stop:
        log.info("end", extra={"reason": f"{stop} before the session was ready"})
    except FailedError as failed:
        lost = isinstance(failed.__cause__, JournalLostError)
        return _failed(str(failed.__cause__), NO_JOURNAL) if lost else _crashed(failed.__cause__)
    except JournalLostError as error:
        return _failed(str(error), NO_JOURNAL)
    except GammacoreError as error:
        return _failed(str(error), REFUSED)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return _failed(f"{error.filename or 'disk'}: {error.strerror}", NO_JOURNAL)
        log.exception("unexpected error")
        return _crashed(error)
    return 0


def _crashed(error: BaseException | None) -> int:
    kind = type(error).__name__
    return _failed(f"unexpected {kind}: {error}; the log beside the journal has the traceback", CRASHED)


def _failed(reason: str, code: int) -> int:
    """Say why on one line, in the log and on standard error."""
    told = " ".join(redact(reason).split())
    log.error("cannot go on", extra={"reason": told, "code": code})
    with contextlib.suppress(OSError):  # nobody may be there to read it
        sys.stderr.write(f"error: {told}\n")
        sys.stderr.flush()
    return code


def _tell_orphaned(config: Config, options: SessionOptions) -> None:
    """Send the alert that nobody else can send any more; trading is over."""
    with contextlib.suppress(GammacoreError):
        alerts = alerts_of(config)
        if alerts is not None:
            told = (
                f"{options.journal}: the process that supervised it is gone; orders cancelled, session ended"
            )
            alerts.tell(Level.CRITICAL, "session", told, time.time_ns())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
