"""From a configuration to what decides: policy, target, desk; the same for backtest and live."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from gammacore.config import (
    Config,
    EntryConfig,
    PaceConfig,
    RulesConfig,
    TermConfig,
    WhenConfig,
    rolled_entry,
)
from gammacore.config.sections import ExecutionConfig
from gammacore.contracts import Future, Grids, Perpetual
from gammacore.data.recalibrations import load_recalibration
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND, NS_PER_YEAR
from gammacore.desk import Desk
from gammacore.errors import ConfigError
from gammacore.execution.collar import Collar
from gammacore.execution.costs import HOURS, HedgeCosts
from gammacore.execution.options import TAKE, Tactic
from gammacore.execution.pricing import Settings
from gammacore.execution.resting import TYPICAL_VOL, Expected, expected
from gammacore.fees import FeeSchedule
from gammacore.forecasts import errors_of
from gammacore.hedge import Hedge
from gammacore.hedging import (
    Band,
    Custom,
    FixedCost,
    Interval,
    Ladder,
    Move,
    Never,
    Policy,
    Target,
    WhalleyWilmott,
    Zakamouline,
)
from gammacore.hedging.target import Leland
from gammacore.netting import NettedPortfolio
from gammacore.own_code import load_function
from gammacore.portfolio import Portfolio
from gammacore.risk import Limits
from gammacore.strategy import EntryRule, ExitRule, GammaScalp, Signal, SizeRule
from gammacore.strategy.exits import PaceBounds, Rule
from gammacore.strategy.filters import Between, Filter, Slope
from gammacore.strategy.leaving import Roll
from gammacore.terms import check_grids, fees_of, grids_of, half_spreads_of, margins_of
from gammacore.volatility.price_law import PRICE_LAWS

__all__ = [
    "FEED_NS",
    "build_desk",
    "build_entry",
    "build_policy",
    "build_target",
    "build_weigher",
    "build_working",
    "expected_hedge",
    "hedge_cost",
    "hedge_costs",
    "refit",
]

FEED_NS = NS_PER_SECOND  # between two prices of the exchange's index, which a session hedges at
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def build_policy(config: Config, grids: Grids | None = None) -> Policy:
    """Hedge policy of a configuration; grids as of :func:`build_desk`."""
    rule = config.hedge
    if rule.rule.own:
        trigger = _built_in(config, rule.trigger, grids)
        if isinstance(trigger, Ladder | Never | Custom):
            raise ConfigError(f"hedge.every: {rule.rule} is asked by a trigger that never fires")
        return Custom(trigger, load_function(config, rule.rule, "hedge"))
    return _built_in(config, rule.rule, grids)


def _built_in(config: Config, name: str, grids: Grids | None) -> Policy:
    """Build the policy of a name."""
    rule = config.hedge
    if name == "never" or (name == "interval" and not rule.every.ns):
        return Never()
    match name:
        case "band":
            return Band(rule.band, rule.to == "edge", rule.band_lower)
        case "snapshot":
            return Interval(0, snapshots_only=True)
        case "move":
            return Move(rule.move, rule.move_unit, rule.move_horizon.ns)
        case "whalley_wilmott":
            return WhalleyWilmott(rule.risk_aversion, _need_cost(config, grids), rule.to != "centre")
        case "zakamouline":
            return Zakamouline(rule.risk_aversion, _need_cost(config, grids))
        case "fixed_cost":
            return FixedCost(rule.risk_aversion, rule.cost_per_trade)
        case "ladder":
            return Ladder(rule.band, 2.0 * rule.band if rule.outer is None else rule.outer)
    return Interval(rule.every.ns)


def hedge_costs(config: Config) -> HedgeCosts:
    """Spread and fees of hedges."""
    costs = config.costs
    return HedgeCosts(half_spreads_of(config), costs.hedge_taker_fee, costs.hedge_maker_fee)


def build_working(config: Config) -> Settings:
    """Build how orders are worked; the same for backtest and live.

    What fills the orders says whether a ``maker`` is possible: a session refuses it.
    """
    working = config.execution
    return Settings(
        rest=working.hedges != "taker",
        patience_ns=working.patience.ns,
        tries=working.tries,
        slippage=working.slippage_bp * 1e-4,
        option_slippage=working.option_slippage,
        valid_ns=working.valid_for.ns,
        collar=Collar(working.max_above_mark, working.max_spread, working.iv_limit, working.max_from_smile),
        max_slice=working.max_slice,
        max_share=working.max_share,
        combo=working.combo == "prefer",
        enter=_tactic(working, working.options),
        leave=_tactic(working, working.option_exits),
    )


def _tactic(working: ExecutionConfig, way: str) -> Tactic:
    """How options are worked in one way; what takes at once has no patience."""
    if way == "take":
        return TAKE
    return Tactic(way, working.option_patience.ns, working.improve_every.ns, working.improve_ticks)


def expected_hedge(config: Config, grids: Grids | None = None, vol: float = TYPICAL_VOL) -> Expected:
    """Return what a hedge is expected to cost by today's fees, with the half spread of an average hour.

    Parameters
    ----------
    config : Config
    grids : Grids, optional
        As of :func:`build_desk`.
    vol : float
        Volatility that decides how often a resting hedge fills.
    """
    costs = hedge_costs(config)
    rates = fees_of(config, grids_of(config) if grids is None else grids).steps[-1][1]
    taker = rates.future_taker if costs.taker is None else costs.taker
    maker = rates.future_maker if costs.maker is None else costs.maker
    spread = math.fsum(costs.half_spread) / HOURS
    patience_s = config.execution.patience.ns / NS_PER_SECOND
    return expected(config.execution.hedges, spread, taker, maker, patience_s, vol)


def hedge_cost(config: Config, grids: Grids | None = None) -> float:
    """Return the expected one-way cost of a hedge as a fraction of its notional: fee and price.

    ``hedge.cost`` overrides it where a policy is to think of another.
    """
    return expected_hedge(config, grids).cost


def _need_cost(config: Config, grids: Grids | None) -> float:
    """Return the cost that a rule reckons with: found for few rules only, as it takes a while."""
    cost = hedge_cost(config, grids) if config.hedge.cost is None else config.hedge.cost
    if cost <= 0:
        raise ConfigError("hedge.cost: this rule needs a positive cost, and costs and execution give none")
    return cost


def build_target(config: Config, grids: Grids | None = None) -> Target:
    """Which delta a configuration hedges; grids as of :func:`build_desk`."""
    hedge = config.hedge
    vol: Literal["implied", "estimate"] | float
    vol = ("implied" if hedge.vol == "implied" else "estimate") if isinstance(hedge.vol, str) else hedge.vol
    leland = None
    if hedge.leland:
        leland = Leland(_need_cost(config, grids), hedge.every.ns / NS_PER_YEAR)
    return Target(
        hedge.target,
        ratio=hedge.ratio,
        delta=hedge.target_delta,
        vol=vol,
        smile=hedge.smile not in ("sticky_strike", 1.0),
        leland=leland,
        ignore_vol=hedge.ignore_vol,
    )


def build_desk(
    config: Config,
    grids: Grids | None = None,
    scope: Literal["episode", "book"] = "episode",
    look_ns: int = FEED_NS,
) -> Desk:
    """Desk of a configuration: strategy, policy, hedge, portfolio, limits.

    Parameters
    ----------
    config : Config
    grids : Grids, optional
        To decide by, held against what is asked for by whoever gives them; by default those of the
        configuration's data, see :func:`gammacore.terms.grids_of`.
    scope : {'episode', 'book'}
        What has a hedge of its own where the configuration does not say.
    look_ns : int
        Time between two prices that the hedge rule sees: those of the live feed, or a backtest's bars.

    Raises
    ------
    ConfigError
        If orders are to be in whole lots of contracts whose lot is not known.
    DataError
        If the catalog of the data cannot be used.
    """
    if grids is None:
        grids = grids_of(config)
        check_grids(config, grids)
    exits = build_exits(config, config.exit.rules, config.exit.hours_before_expiry)
    strategy = _strategy(config, config.entry, exits, grids, look_ns)
    roll = None
    if config.roll.when.active:
        into = _strategy(config, rolled_entry(config), ExitRule(), grids, look_ns)
        into.entry = msgspec.structs.replace(into.entry, each_expiry=False)  # the longest that fits
        roll = Roll(build_exits(config, config.roll.when), into)
    schedule = fees_of(config, grids)
    charged = schedule if config.costs.option_fees else None
    hedge = Hedge(
        config.hedge.instrument,
        build_target(config, grids),
        config.hedge.lots,
        _fee_of(config, grids),
        grids,
        schedule,
    )
    netting = (config.hedge.scope or scope) == "book"
    return Desk(
        strategy,
        build_policy(config, grids),
        hedge,
        (NettedPortfolio if netting else Portfolio)(
            charged, financed_in_usd=config.hedge.target == "usd_neutral"
        ),
        Limits(config.limits.max_open_episodes, config.limits.max_contracts),
        averaging=config.exit.delivery == "average",
        keep_hedges=config.hedge.orphan == "keep",
        roll=roll,
        margins=margins_of(config),
        max_margin_use=config.risk.max_margin_use,
    )


def _strategy(config: Config, entry: EntryConfig, exits: ExitRule, grids: Grids, look_ns: int) -> GammaScalp:
    """Build what decides what to hold, by an entry section."""
    return GammaScalp(
        build_entry(config, entry),
        _size(config, grids, look_ns),
        exits,
        build_weigher(config, grids, look_ns) if config.signal.active else None,
        build_filters(config.signal.when),
    )


def build_entry(config: Config, entry: EntryConfig) -> EntryRule:
    """Build what says when to enter and what."""
    return EntryRule(
        legs=entry.wanted,
        long=entry.side == "long",
        each_expiry=entry.schedule == "each_expiry",
        fridays_only=entry.expiries == "fridays",
        weekday=None if entry.weekday is None else WEEKDAYS.index(entry.weekday),
        min_days=entry.min_days,
        max_days=entry.max_days,
        own=load_function(config, entry.structure, "structure") if entry.structure.own else None,
    )


def _size(config: Config, grids: Grids, look_ns: int) -> SizeRule:
    """Build what says how much."""
    size = config.size
    weighed = size.kelly is not None or size.rule is not None
    weigher = build_weigher(config, grids, look_ns) if weighed and config.hedge.rule != "snapshot" else None
    rule = None if size.rule is None else load_function(config, size.rule, "size")
    given = msgspec.structs.asdict(size) | {"rule": rule}
    return SizeRule(**given, weigher=weigher, lots=config.hedge.lots, grids=grids, margin=margins_of(config))


def build_exits(config: Config, rules: RulesConfig, hours_before_expiry: float | None = None) -> ExitRule:
    """Build the rules to leave by."""
    found = []
    for name, value in ((name, getattr(rules, name)) for name in rules.__struct_fields__):
        if isinstance(value, PaceConfig):
            found.append(Rule(name, PaceBounds(value.after.ns, value.below, value.above)))
        elif isinstance(value, list):
            found += [Rule(str(own), load_function(config, own, "exit")) for own in value]
        elif value is not None:
            found.append(Rule(name, value))
    return ExitRule(hours_before_expiry, tuple(found))


def build_filters(when: WhenConfig) -> tuple[Filter, ...]:
    """Build the filters of entries."""
    found = []
    for name, value in ((name, getattr(when, name)) for name in when.__struct_fields__):
        if isinstance(value, list):
            found.append(Filter(name, tuple(span for window in value for span in window.minutes)))
        elif value is not None:
            bounds = Between(value.min, value.max)
            term = isinstance(value, TermConfig)
            found.append(Filter(name, Slope(bounds, value.near.ns, value.far.ns) if term else bounds))
    return tuple(found)


def refit(desk: Desk, config: Config, grids: Grids) -> None:
    """Have a desk decide by other grids, and the fees that come with them; what it holds stays."""
    fresh = build_desk(config, grids)
    desk.strategy, desk.policy, desk.hedge = fresh.strategy, fresh.policy, fresh.hedge
    desk.portfolio.fees = fresh.portfolio.fees


def build_weigher(config: Config, grids: Grids | None = None, look_ns: int = FEED_NS) -> Signal:
    """Build what weighs a position by its break-even; it asks for what ``signal`` does, maybe nothing.

    Grids and ``look_ns`` as of :func:`build_desk`.
    """
    grids = grids_of(config) if grids is None else grids
    signal = config.signal
    return Signal(
        policy=build_policy(config, grids),
        hedge_cost=_fee_of(config, grids),
        instrument="future" if config.hedge.instrument in ("future", "forward") else "perpetual",
        fees=fees_of(config, grids) if config.costs.option_fees else None,
        long=config.entry.side == "long",
        fill=config.costs.fill,
        exit_before_ns=_left_before_ns(config),
        log_sd=signal.log_sd,
        min_probability=signal.min_probability,
        min_edge=signal.min_edge,
        margin=margins_of(config),
        look_every=look_ns / NS_PER_YEAR,
        errors=errors_of(config),
        law=PRICE_LAWS.get(config.coin, PRICE_LAWS["BTC"]) if signal.law == "fitted" else None,
        recalibration=load_recalibration(config),
        units=config.size.units,
    )


def _left_before_ns(config: Config) -> int | None:
    """Time before expiry at which a position is left at the latest, None for the delivery."""
    days = max(rules.days_to_expiry or 0.0 for rules in (config.exit.rules, config.roll.when))
    hours = config.exit.hours_before_expiry or 0.0
    return max(round(hours * NS_PER_HOUR), round(days * NS_PER_DAY)) or None


class _HedgeFee(msgspec.Struct, frozen=True):
    """Expected cost of hedging with a contract at a moment, as a fraction of notional."""

    costs: HedgeCosts
    schedule: FeeSchedule
    hedges: str
    patience_s: float

    def __call__(self, instrument: Future | Perpetual, ts_ns: int) -> float:
        rates, half = self.schedule.at(ts_ns), self.costs.half_spread_at(ts_ns)
        taker, maker = (self.costs.rate(rates, instrument, maker=maker) for maker in (False, True))
        return expected(self.hedges, half, taker, maker, self.patience_s).cost


def _fee_of(config: Config, grids: Grids) -> _HedgeFee:
    patience_s = config.execution.patience.ns / NS_PER_SECOND
    return _HedgeFee(hedge_costs(config), fees_of(config, grids), config.execution.hedges, patience_s)
