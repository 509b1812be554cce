"""What a session's journal says to alerts and metrics; another process than the session.

:class:`Watcher` looks at a :class:`.follow.Follower` from time to time. Metrics are Prometheus's
(``pip install 'gammacore[metrics]'``), served on a port of this machine.
"""

from __future__ import annotations

import importlib
import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gammacore.alerts import VARIABLE, Alerts, Level, alerts_of
from gammacore.attribution import share_of
from gammacore.daycount import NS_PER_SECOND
from gammacore.desk import Desk
from gammacore.errors import ConfigError, JournalError, LedgerError, SessionError
from gammacore.risk import totals

from .follow import Follower
from .heartbeat import Heartbeat, heartbeat_of
from .journal import absent, is_held
from .pace import Paces, is_long
from .positions import Adopted
from .risk_manager import Mode
from .solvency import profit_usd

SILENT_S = 60.0  # without a record although the session has not ended
UNEXPLAINED = 0.05  # of the sizes of all steps of all lines
SLACK = 0.05  # of the volatility needed: by less a pace is not behind
STARTING, STARTING_S = "last price never", 15.0  # a reason that holds at every start, and how long it may
FIGURES = re.compile(r"[-+]?\d[\d.,:%]*")
EXPLAIN_S = 30.0
REFRESH_S = 0.5


class _Traded(NamedTuple):
    """A trade that nobody here ordered, and how many of its kind before it are told with it."""

    trade: Adopted
    before: int = 0


def _earlier(trades: Sequence[Adopted]) -> list[_Traded]:
    """Put what a journal holds at the start of a watch into one message a kind: it may have been told."""
    kinds = ([trade for trade in trades if trade.forced is forced] for forced in (False, True))
    return [_Traded(kind[-1], len(kind) - 1) for kind in kinds if kind]


class Watcher:
    """Turns what a follower sees into alerts and metrics.

    Parameters
    ----------
    follower : Follower
    alerts : Alerts, optional
    metrics : Metrics, optional
    clock : callable() -> float
        Seconds; for silence.
    alive : callable() -> bool
        Whether the session's process is there; asked before the journal is read (:meth:`update`).
    heartbeat : Heartbeat, optional
        Called while all is well.
    supervises : bool
        Whether the caller started the session, and tells itself how its process ended.
    """

    def __init__(
        self,
        follower: Follower,
        alerts: Alerts | None = None,
        metrics: Metrics | None = None,
        clock: Callable[[], float] = time.monotonic,
        alive: Callable[[], bool] = lambda: True,
        heartbeat: Heartbeat | None = None,
        supervises: bool = False,
    ) -> None:
        self.follower, self.alerts, self.metrics, self._clock = follower, alerts, metrics, clock
        self._alive, self._heartbeat = alive, heartbeat
        self._supervises = supervises
        self.gone = False  # the process, without a word
        self.trouble = ""  # why the journal cannot be read
        self._modes: dict[str, float] = {}  # reasons without their figures, and since when they hold
        self._adopted, self._untold = 0, list[_Traded]()  # trades of others: seen, and not yet told
        self._begun = False
        self._behind: set[int] = set()  # episodes of which it was told, and that have not caught up
        self._seq, self._heard_s, self._explained_s = 0, clock(), -EXPLAIN_S

    def update(self) -> None:
        """Take in what is new, and look at it."""
        alive = self._alive()  # before: who has said STOP is not gone
        begun = self.follower.desk is not None
        try:
            self.follower.update()
            self.trouble = ""
        except JournalError as error:  # one that has not begun is no error yet
            self.trouble = str(error) if begun else ""
        self.gone = begun and not alive and not self.follower.stopped and not self._supervises
        self.look()

    def look(self) -> None:
        """Look at what is new; the follower is up to date."""
        now_s = self._clock()
        if self.follower.seq != self._seq:
            self._seq, self._heard_s = self.follower.seq, now_s
        if self.metrics is not None:
            self.metrics.show(self.follower, now_s - self._heard_s)
        if self._heartbeat is not None and self._is_well(now_s - self._heard_s):
            self._heartbeat.beat()
        if self.alerts is None or self.follower.desk is None:
            return
        self._mode(self.alerts)
        self._outside(self.alerts)
        self._silence(self.alerts, now_s - self._heard_s)
        if self.follower.departure is not None:
            self._tell(Level.CRITICAL, "parity", "replay check failed: see gammacore parity")
        if now_s - self._explained_s >= EXPLAIN_S:
            self._explained_s = now_s
            self._money(self.alerts)
            self._pace(self.alerts, self.follower.desk)
            self._disk(self.alerts)

    def _is_well(self, silent_s: float) -> bool:
        """Whether a session lives, writes its journal, and says in which mode it is."""
        follower = self.follower
        bad = self.gone or self.trouble or follower.stopped or follower.mode is None or not follower.events
        return not bad and self._alive() and silent_s <= SILENT_S

    def failed(self, text: str) -> None:
        """Tell that the session has ended, or who watches it has, without having been asked to."""
        if self.alerts is not None:
            self._tell(Level.CRITICAL, "session", text)

    def _tell(self, level: Level, key: str, text: str) -> None:
        assert self.alerts is not None
        self.alerts.tell(level, key, text, self._now_ns())

    def _now_ns(self) -> int:
        return int(self._clock() * NS_PER_SECOND)

    def _mode(self, alerts: Alerts) -> None:
        """Tell each reason for which not everything may be sent, once while it lasts."""
        found = self.follower.mode
        if found is None:
            return
        mode = Mode(found.mode)
        level = Level.CRITICAL if mode is Mode.HALT else Level.WARNING
        told = {f"mode {FIGURES.sub('', reason)}": reason for reason in found.reasons}
        for over in self._modes.keys() - told.keys():
            alerts.over(over)
        now_s = self._clock()
        self._modes = {key: self._modes.get(key, now_s) for key in told}
        for key, reason in told.items():
            if reason.startswith(STARTING) and now_s - self._modes[key] < STARTING_S:
                continue  # every session begins so
            alerts.tell(level, key, f"{mode.name}: {reason}", self._now_ns(), title="mode")

    def _outside(self, alerts: Alerts) -> None:
        """Tell trades that nobody here ordered, each until it has arrived; forced ones are critical."""
        adopted = self.follower.adopted
        fresh, self._adopted = adopted[self._adopted :], len(adopted)
        self._untold += [_Traded(trade) for trade in fresh] if self._begun else _earlier(fresh)
        self._begun = True
        self._untold = [traded for traded in self._untold if not self._told(traded, alerts)]

    def _told(self, traded: _Traded, alerts: Alerts) -> bool:
        trade, before = traded
        level, title = Level.WARNING, "traded outside"
        if trade.forced:
            level, title = Level.CRITICAL, "liquidation"
        text = f"{trade.amount:+g} {trade.instrument} at {trade.price:g}, trade {trade.trade_id}"
        text += f" (the last of {before + 1} in the journal)" if before else ""
        key = f"trade {trade.trade_id}"
        return level < alerts.least or alerts.tell(level, key, text, self._now_ns(), title=title)

    def _silence(self, alerts: Alerts, silent_s: float) -> None:
        if self.trouble:
            self._tell(Level.CRITICAL, "journal", f"the journal cannot be read: {self.trouble}")
        else:
            alerts.over("journal")
        if self.gone:
            self._tell(
                Level.CRITICAL, "gone", f"{self.follower.path}: the session's process is gone, nobody hedges"
            )
        else:
            alerts.over("gone")
        if self.follower.stopped:
            self._tell(Level.INFO, "end", "the session has ended")
        elif silent_s > SILENT_S:
            self._tell(Level.CRITICAL, "silence", f"nothing in the journal for {silent_s:.0f} s")
        else:
            alerts.over("silence")

    def _money(self, alerts: Alerts) -> None:
        try:
            explained = self.follower.explain()
        except LedgerError as error:
            self._tell(Level.CRITICAL, "ledger", str(error))
            return
        if explained is not None and (share := share_of("unexplained", explained.sizes)) > UNEXPLAINED:
            self._tell(Level.WARNING, "unexplained", f"{share:.1%} of the moves of profit are not explained")

    def _pace(self, alerts: Alerts, desk: Desk) -> None:
        """Tell of each position that earns too slowly for its break-even, once until it has caught up."""
        paces, config = self.follower.paces, self.follower.config
        if paces is None or config is None or config.alerts.pace is None:
            return
        self._behind &= desk.portfolio.open.keys()
        for episode in desk.portfolio.open.values():
            pace, now_ns = paces.of(episode), desk.market.ts_ns
            if pace is None or now_ns - pace.entry_ns < config.alerts.pace.ns:
                continue
            sign = 1.0 if is_long(episode) else -1.0
            seen = pace.realised(now_ns, desk.market.forward(episode.expiry_ns))
            lead, key = sign * (seen - pace.breakeven), f"pace {episode.number}"
            if lead >= 0.0:
                self._behind.discard(episode.number)
                alerts.over(key)
            elif lead < -SLACK * pace.breakeven and episode.number not in self._behind:
                text = f"episode {episode.number}: {paces.told(episode, desk.market)}"
                if alerts.tell(Level.WARNING, key, text, self._now_ns(), title="pace"):
                    self._behind.add(episode.number)

    def _disk(self, alerts: Alerts) -> None:
        """Tell that the disk will be full, in time to make room."""
        room = self.follower.room()
        for level, hours in ((Level.CRITICAL, 12.0), (Level.WARNING, 72.0)):
            if room.hours < hours:
                text = f"the disk of the journal has {room}; a session ends when it is full"
                alerts.tell(level, f"disk {level.name}", text, self._now_ns(), title="disk")
                return
            alerts.over(f"disk {level.name}")


class Metrics:
    """Gauges of a session on a port.

    Parameters
    ----------
    port : int
        On the loopback address; 0 for a free one.

    Raises
    ------
    ConfigError
        If the extra is not installed, or the port is taken.
    """

    GAUGES = (
        ("price_usd", "price of the underlying"),
        ("mode", "0 normal, 1 hedge only, 2 halt"),
        ("delta_coin", "net delta"),
        ("gamma_coin_per_percent", "change of delta per 1 % of the price"),
        ("vega_usd", "per volatility point"),
        ("theta_usd_a_day", "decay of the options"),
        ("profit_usd", "since the start of the journal, at marks"),
        ("margin_gap", "initial margin of the exchange less that of our positions, settlement currency"),
        ("liquidation_distance", "share of the margin balance that maintenance margin leaves"),
        ("orders", "sent to the exchange"),
        ("fills", "trades"),
        ("events", "handled by the desk"),
        ("silence_seconds", "since the last record"),
        ("disk_free_bytes", "of the journal's disk"),
    )

    def __init__(self, port: int) -> None:
        try:
            prometheus = importlib.import_module("prometheus_client")
        except ImportError:
            raise ConfigError("--metrics-port: metrics need pip install 'gammacore[metrics]'") from None
        self._registry = prometheus.CollectorRegistry()
        self._gauges: dict[str, Any] = {
            name: prometheus.Gauge(f"gammacore_{name}", what, registry=self._registry)
            for name, what in self.GAUGES
        }
        try:
            self._server, _ = prometheus.start_http_server(port, "127.0.0.1", self._registry)
        except OSError as error:
            raise ConfigError(f"--metrics-port: {port} cannot be used: {error.strerror}") from None
        self.port = int(self._server.server_port)

    def show(self, follower: Follower, silent_s: float) -> None:
        """Set the gauges."""
        desk = follower.desk
        values = {"silence_seconds": silent_s, "orders": len(follower.placed), "fills": follower.filled}
        values["events"], values["disk_free_bytes"] = follower.events, follower.room().free
        values["margin_gap"] = follower.margin_gap  # NaN while unknown
        values["liquidation_distance"] = follower.liquidation_distance
        values["mode"] = follower.mode.mode if follower.mode is not None else 0
        if desk is not None and desk.market.index > 0:
            seen = totals(desk.portfolio, desk.market)
            values |= {
                "price_usd": desk.market.index,
                "delta_coin": seen.delta,
                "gamma_coin_per_percent": seen.gamma,
                "vega_usd": seen.vega_usd,
                "theta_usd_a_day": seen.theta_usd,
                "profit_usd": profit_usd(desk),
            }
        for name, value in values.items():
            self._gauges[name].set(value)

    def close(self) -> None:
        """Free the port."""
        self._server.shutdown()
        self._server.server_close()


def watch(journal: Path, metrics_port: int | None, seconds: float | None = None) -> None:
    """Serve alerts, heartbeats and metrics of a session until it ends, or for some seconds.

    Raises
    ------
    ConfigError
        If there is nobody to tell.
    SessionError
        If there is no session in the journal.
    """
    follower = Follower(journal, paces=Paces())
    if not journal.is_file():
        raise SessionError(absent(journal))
    follower.update()
    if follower.config is None:
        raise SessionError(f"{journal}: no session has started")
    alerts, heartbeat = alerts_of(follower.config), heartbeat_of(follower.config)
    if alerts is None and heartbeat is None and metrics_port is None:
        raise ConfigError(f"{VARIABLE}: not set, no heartbeat, and no --metrics-port: nothing to do")
    metrics = None if metrics_port is None else Metrics(metrics_port)
    watcher = Watcher(follower, alerts, metrics, alive=lambda: is_held(journal), heartbeat=heartbeat)
    until = time.monotonic() + (seconds or math.inf)
    try:
        while not follower.stopped and time.monotonic() < until:
            watcher.update()
            time.sleep(REFRESH_S)
    except Exception as error:
        watcher.failed(
            f"{journal}: gammacore watch has failed, nobody watches: {type(error).__name__}: {error}"
        )
        raise
    finally:
        if metrics is not None:
            metrics.close()
