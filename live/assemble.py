"""From a configuration and a journal to a hedger; the only place that knows all parts.

A journal belongs to one configuration. If it has a past, the desk is brought to where it was by replaying it,
and what was at work is taken up again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from gammacore.build import build_desk, build_working, refit
from gammacore.config import Config, parse_config, stated
from gammacore.contracts import Grids, Settlement
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND
from gammacore.desk import Desk
from gammacore.errors import JournalError
from gammacore.execution.smile import FittedSmiles
from gammacore.forecasts import build_estimate, with_index
from gammacore.risk import Grid, RiskLimits
from gammacore.volatility.index_history import IndexHistory
from gammacore.volatility.learned_estimate import LearnedEstimate

from .about import Began, CatalogRead
from .attempts import Booked, Placed, session_name
from .audit import move_of
from .dry import DryRun
from .execution import Execution
from .feed import Feed
from .hedger import Hedger
from .journal import Journal, RecordKind, read
from .parts import Parts, Session
from .positions import Adopted, Baseline, Foreign, Positions, Shares, Survey, TakenOver
from .questions import Timing
from .retold import Retold
from .risk_manager import DayStart, Guards, ProfitHigh, RiskManager
from .selection import selection_of

OVERLAP_NS = 10 * NS_PER_MINUTE
HOURLY_NS = 40 * NS_PER_DAY  # of history in one answer by the hour; longer windows are ranked by the day


class Past(msgspec.Struct):
    """What a journal knows: the desk at its end, and the facts of its orders.

    ``began`` is its last process, None before the first. ``known`` are the ids of its trades and of the
    holder's; ``start_ns`` is when a fresh journal starts, and ``since_ns`` when other trades have to be asked
    for from: None before there is a baseline.
    """

    desk: Desk
    session: str
    start_ns: int | None = None
    began: Began | None = None
    since_ns: int | None = None
    placed: list[Placed] = []
    booked: list[Booked] = []
    shares: Shares = msgspec.field(default_factory=Shares)
    known: list[str] = []
    day_start: DayStart | None = None
    highs: list[ProfitHigh] = []

    def note(self, fact: Any) -> None:
        """Take in a fact of the journal."""
        match fact:
            case Began():
                self.began = fact
            case Placed():
                self.placed.append(fact)
            case Booked():
                self.booked.append(fact)
                self.known.append(fact.trade_id)
            case Adopted():
                self.known.append(fact.trade_id)
            case Foreign():
                self.shares.note(fact)
                self.known.append(fact.trade_id)
            case Baseline():
                self.shares.note(fact)
                self.known += fact.trades
            case Survey() | TakenOver():
                self.shares.note(fact)
            case DayStart():
                self.day_start = fact
            case ProfitHigh():
                self.highs.append(fact)


def past_of(path: str | os.PathLike[str], config: Config, now_ns: int) -> Past:
    """Read a journal, or describe a fresh one.

    Raises
    ------
    JournalError
        If it was kept with another configuration, or does not replay to its own decisions.
    """
    told, last_ns = Retold(), 0
    past = Past(build_desk(config, published(), "book"), session_name(now_ns), now_ns)
    past.desk.faults = []
    for record in read(path) if Path(path).exists() else ():
        last_ns = record.ts_ns or last_ns
        if record.kind is RecordKind.START and told.starts == 0:
            before = parse_config(msgspec.json.decode(record.body))
            if not _is_same(before, config):
                other = _other(before, config)
                raise JournalError(f"{path}: kept with {other}; this one needs a new journal")
            past.session, past.start_ns = session_name(record.ts_ns), None
        past.note(told.take(record))
    told.compare()
    if told.departure is not None:
        raise JournalError(
            f"{path}: this version decides differently from record {told.departure.seq} on "
            "(gammacore parity shows it); close the positions with the version that kept it"
        )
    if told.desk is not None:
        past.desk = told.desk
        past.since_ns = None if past.shares.baseline is None else last_ns - OVERLAP_NS
    if past.placed:
        past.session = past.placed[0].label.partition("-")[0]
    return past


def _is_same(before: Config, config: Config) -> bool:
    """Whether a journal was kept with this configuration, alerts and parameters newer than it aside."""
    known, now = ({module: file.sha256 for module, file in one.code.items()} for one in (before, config))
    if not (before.forecasts or config.forecasts):
        signal = msgspec.structs.replace(before.signal, forecast=config.signal.forecast)
        before = msgspec.structs.replace(before, signal=signal)
    same = msgspec.structs.replace(before, alerts=config.alerts, code=config.code)
    return known == now and same == config


def _other(before: Config, config: Config) -> str:
    """Name what differs: code of the user's own, or anything else."""
    for module, file in before.code.items():
        now = config.code.get(module)
        if now is not None and now.sha256 != file.sha256:
            return f"another {module}.py (SHA-256 {file.sha256[:12]}..., now {now.sha256[:12]}...)"
    return "another configuration"


def _stated(config: Config) -> bytes:
    return msgspec.json.encode(stated(config))


def guards_of(config: Config) -> Guards:
    """Limits of a configuration."""
    risk = config.risk
    grid = Grid(tuple(risk.scenario_spot), tuple(risk.scenario_vol), tuple(risk.scenario_days))
    return Guards(
        RiskLimits(
            grid,
            max_delta=risk.max_delta,
            max_gamma=risk.max_gamma,
            max_vega_usd=risk.max_vega_usd,
            max_premium_usd=risk.max_premium_usd,
            max_order=risk.max_order,
            max_scenario_loss_usd=risk.max_scenario_loss_usd,
            max_slice=config.execution.max_slice,
        ),
        max_orders_per_minute=risk.max_orders_per_minute,
        max_hedges_per_hour=risk.max_hedges_per_hour,
        max_daily_loss_usd=risk.max_daily_loss_usd,
        max_drawdown_usd=tuple((w.ns, usd) for w, usd in risk.max_drawdown_usd.items()),
        max_margin_use=risk.max_margin_use,
        stale_ns=risk.stale_after.ns,
        max_divergence=risk.max_divergence,
        max_funding=risk.max_funding,
        max_skew_ns=risk.max_clock_skew.ns,
    )


def index_times(config: Config) -> tuple[int, int, int, int]:
    """Window, age, distance and reach of the volatility index's readings, as of :class:`IndexHistory`."""
    window_ns = config.signal.when.window_ns
    keeps_ns = LearnedEstimate.looks_back_ns if config.signal.forecast == "combined" else window_ns
    by_hours = max(window_ns, keeps_ns) <= HOURLY_NS
    return window_ns, NS_PER_HOUR, NS_PER_HOUR if by_hours else NS_PER_DAY, keeps_ns


def build_hedger(
    config: Config,
    past: Past,
    journal: Journal,
    session: Session,
    *,
    catalog: Grids | None = None,
    paper: bool = False,
) -> Hedger:
    """Put a session together; the journal's start is written.

    Parameters
    ----------
    config : Config
    past : Past
        Of this journal, read before it was opened for writing.
    journal : Journal
    session : Session
    catalog : Grids, optional
        What the exchange lists; by default what is published of BTC and ETH.
    paper : bool
        The desk's positions are not the account's.
    """
    live, desk = config.live, past.desk
    if catalog is not None:
        refit(desk, config, catalog)
    settlement = Settlement.LINEAR if config.linear else Settlement.INVERSE
    index = IndexHistory((), (), *index_times(config)) if config.signal.asks_dvol else None
    estimate = with_index(config, build_estimate(config), index)
    feed = Feed(config.coin, settlement, estimate, desk.market.interest, desk.market.ts_ns, index)
    working = build_working(config)
    if paper:  # nothing is made at the exchange
        working = msgspec.structs.replace(working, combo=False)
    # The desk's grids may be others later.
    execution = Execution(past.session, working, lambda instrument: desk.hedge.grids.spec_for(instrument))
    execution.pricing.smile = FittedSmiles(desk.market)
    episodes = {id(e): e for e in (*desk.portfolio.open.values(), *desk.portfolio.hedged)}.values()
    orders = [o for e in episodes for kept in (e.pending, e.resting, e.cancelled) for o in kept.values()]
    execution.restore(orders, past.placed, past.booked)
    for episode in episodes:
        for order_id in episode.cancelled:
            execution.cancelled(order_id)
    risk = RiskManager(guards_of(config), desk, past.day_start, past.highs)
    moves = tuple(number for known in past.known if (number := move_of(known)) is not None)
    timing = Timing(live.chain_every.ns, live.audit_every.ns, past.since_ns or 0, moves)
    # Labels are named after the start, so a fresh journal starts when its past was read.
    start_ns = session.now_ns() if past.start_ns is None else past.start_ns
    journal.start(start_ns, _stated(config))
    if catalog is not None:
        journal.told(CatalogRead(start_ns, catalog.rows))
    positions = Positions(
        desk.portfolio,
        past.shares,
        adopts=not paper,
        selection=selection_of(config),
        priced=desk.market.prices,
    )
    parts = Parts(desk, feed, execution, risk, positions, journal, session)
    hedger = Hedger(
        parts,
        timing,
        order_timeout_s=execution.settings.valid_ns / NS_PER_SECOND,
        trades_options=desk.strategy.entry.enters,
        config=config,
    )
    hedger.rehearse = DryRun(hedger).run
    return hedger
