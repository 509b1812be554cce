"""The process that trades: one client, one hedger, one journal, one thread.

Whoever shows or supervises it is another process and reads the journal. A file beside the journal, its name
and ``.kill``, is the kill switch (``gammacore kill``): its text says whether to flatten.
"""

from __future__ import annotations

import gc
import http.client
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import msgspec

from gammacore import __version__
from gammacore.config import Config, parse_config
from gammacore.contracts import ContractSpec, has_spec, spec_for
from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_SECOND
from gammacore.errors import GammacoreError, SessionError
from gammacore.logging import configure

from .about import Began
from .assemble import build_hedger, past_of
from .attempts import Tradable
from .awake import awake
from .client import PRODUCTION, TESTNET, Client
from .credentials import Credentials
from .deadline import fetch
from .hedger import Hedger
from .journal import Journal
from .news import Listing, News
from .paper import Paper
from .warm_up import missed_funding, past_prices

__all__ = ["Options", "Venue", "kill_file", "run", "scaled_clock"]

Venue = Literal["local", "testnet", "production"]
URLS = {"testnet": TESTNET, "production": PRODUCTION}
CLOCK_S = 10.0  # for a local exchange to tell its time
STOP_S = 10.0  # for what is at work to come to an end
LOOK_NS = NS_PER_SECOND // 2  # between two looks at the kill switch
log = logging.getLogger("gammacore.live")


class Options(msgspec.Struct, frozen=True):
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
    """

    venue: Venue
    journal: str
    url: str = ""
    speed: float = 1.0
    paper: bool = False
    account: bool = True


def kill_file(journal: str | os.PathLike[str]) -> Path:
    """Where the kill switch of a session is."""
    return Path(f"{journal}.kill")


def scaled_clock(url: str, speed: float) -> Callable[[], int]:
    """Make the clock of an exchange on this machine whose time runs faster.

    Raises
    ------
    SessionError
        If the exchange does not tell its time.
    """
    address = url.replace("ws://", "http://").replace("/ws/", "/") + "/public/get_time"
    try:
        _, body, _ = fetch(address, CLOCK_S)
        start_ns = int(json.loads(body)["result"]) * NS_PER_MILLISECOND
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise SessionError(f"{address}: the local exchange tells no time: {error}") from None
    origin = time.monotonic_ns()
    return lambda: start_ns + int((time.monotonic_ns() - origin) * speed)


class _Supervised:
    """The hedger as the client's handler, with signals and the kill switch."""

    def __init__(self, handler: Any, hedger: Hedger, client: Client, switch: Path, flatten: bool) -> None:
        self._handler, self._hedger, self._client, self._switch = handler, hedger, client, switch
        self._flatten = flatten  # whatever the switch says
        self.asked = ""  # to stop, and why
        self._since = 0.0
        self._looked_ns = 0
        self._read = ""  # of the switch, when it was last acted upon

    def on_news(self, news: News) -> None:
        self._handler.on_news(news)

    def on_idle(self) -> None:
        self._handler.on_idle()

    def on_tick(self, now_ns: int) -> None:
        self._handler.on_tick(now_ns)
        if now_ns - self._looked_ns >= LOOK_NS:
            self._looked_ns = now_ns
            self._look_at_switch()
        if self.asked:
            self._since = self._since or time.monotonic()
            self._hedger.stop(self.asked)
            if self._hedger.quiet or time.monotonic() - self._since > STOP_S:
                self._client.stop()

    def _look_at_switch(self) -> None:
        said = self._switch.read_text(encoding="utf-8") if self._switch.exists() else ""
        if said and said != self._read:  # a halt may become a flattening
            self._read = said
            self._hedger.kill("kill switch", flatten=self._flatten or "flatten" in said)
        if self._read and self._hedger.flat:
            self.asked = self.asked or "killed"

    def signalled(self, number: int, frame: FrameType | None) -> None:
        if self.asked:  # the second time: at once
            self._client.stop()
        self.asked = f"signal {signal.Signals(number).name}"


def run(config: Config, options: Options) -> None:
    """Trade until a signal or the kill switch.

    Raises
    ------
    GammacoreError
        If it cannot start: no credentials, a journal in use or of another configuration, ...
    """
    url = options.url or URLS.get(options.venue, "")
    if not url:
        raise SessionError("url: expected the address of the local exchange, got none")
    switch = kill_file(options.journal)
    if switch.exists():
        raise SessionError(f"{switch}: the kill switch is on; remove the file to trade again")
    clock = scaled_clock(url, options.speed) if options.speed != 1.0 else None
    credentials = Credentials.load(testnet=options.venue != "production") if options.account else None
    now_ns = clock() if clock is not None else time.time_ns()
    past = past_of(options.journal, config, now_ns)
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
        specs = _catalog(client, config)
        made: list[Hedger] = []
        paper = Paper(client, lambda: made[0], alone=credentials is None) if options.paper else None
        session = client if paper is None else paper
        made.append(build_hedger(config, past, journal, session, spec_of=_spec_of(specs)))
        feed = made[0].feed
        if any(episode.hedge.amount for episode in past.desk.portfolio.open.values()):
            feed.interest += missed_funding(client, feed.perpetual, feed.ts_ns, past.desk.book.index)
        if feed.looks_back_ns:
            feed.remember(past_prices(client, feed.perpetual.name, feed.looks_back_ns))
        began = client.now_ns()
        journal.told(Began(began, __version__, options.venue, options.paper, options.speed))
        handler, flatten = made[0] if paper is None else paper, config.risk.flatten_on_kill
        supervised = _Supervised(handler, made[0], client, switch, flatten)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, supervised.signalled)
        gc.collect()
        gc.freeze()  # collecting what is there now would be a pause, perhaps in the middle of an order
        gc.set_threshold(50_000, 20, 100)
        with awake(config.live.keep_awake):
            client.run(supervised)
        journal.close(max(client.now_ns(), made[0].desk.book.ts_ns))
        log.info("end", extra={"reason": supervised.asked})


def _catalog(client: Client, config: Config) -> dict[Tradable, ContractSpec]:
    """Grids of everything listed on the coin, and whether they are those that decisions are taken on."""
    found: dict[Tradable, ContractSpec] = {}
    for kind in ("option", "future"):
        params = {"currency": config.settles_in, "kind": kind}
        for row in client.call("public/get_instruments", params, timeout_s=30.0):
            if not isinstance(row, Listing) or row.spec is None or isinstance(row.instrument, str):
                continue
            if row.instrument.base == config.coin:  # in USDC all coins are listed together
                found[row.instrument] = row.spec
    for instrument, spec in found.items():
        if not has_spec(type(instrument), instrument.base, instrument.settlement):
            continue  # where the desk needs its lot, the configuration is refused
        known = spec_for(instrument)
        if (spec.min_trade_amount, spec.amount_unit) != (known.min_trade_amount, known.amount_unit):
            raise SessionError(
                f"{instrument.name}: the exchange trades multiples of {spec.min_trade_amount:g} "
                f"{spec.amount_unit}, this version decides in {known.min_trade_amount:g} {known.amount_unit}"
            )
    return found


def _spec_of(specs: dict[Tradable, ContractSpec]) -> Callable[[Tradable], ContractSpec]:
    """Grid of an instrument; one listed since the start has that of its kind."""
    return lambda instrument: specs[instrument] if instrument in specs else spec_for(instrument)


def main(words: list[str]) -> int:
    """Run with options and configuration as one JSON object on standard input."""
    try:
        given = json.load(sys.stdin)
        options = msgspec.convert(given["options"], Options)
        configure(f"{options.journal}.log")
        run(parse_config(given["config"]), options)
    except GammacoreError as error:
        logging.getLogger("gammacore.live").error("cannot go on", extra={"reason": str(error)})
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
