"""From a configuration and the past of a journal to a hedger; the only place that knows all parts.

What was at work is taken up again.
"""

from __future__ import annotations

import msgspec

from gammacore.build import build_working, refit
from gammacore.config import Config, stated
from gammacore.contracts import Grids, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND
from gammacore.execution.smile import FittedSmiles
from gammacore.forecasts import build_estimate, with_index
from gammacore.risk import Grid, RiskLimits
from gammacore.volatility.index_history import IndexHistory
from gammacore.volatility.learned_estimate import LearnedEstimate

from .about import CatalogRead
from .audit import move_of
from .dry import DryRun
from .execution import Execution
from .feed import Feed
from .hedger import Hedger
from .journal import Journal
from .parts import Parts, Session
from .past import Past
from .positions import Positions
from .questions import Timing
from .risk_manager import Guards, RiskManager
from .selection import selection_of

HOURLY_NS = 40 * NS_PER_DAY  # of history in one answer by the hour; longer windows are ranked by the day


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
    live, desk = config.live, past.held
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
