"""Sections of a configuration: names, types, bounds and defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from gammacore.contracts import CALL, PUT
from gammacore.legs import ExpiryRule, LegRule, Structure, preset

from .durations import Duration, DurationOrNever
from .leg_texts import Expiry, Strike
from .own_names import ForecastName, HedgeRuleName, OwnName, StructureName
from .week_window import WeekWindow

__all__ = ["MOST_VOL", "Config"]

Positive = Annotated[float, Meta(gt=0)]
Text = Annotated[str, Meta(min_length=1)]  # an empty path is the current folder
NonNegative = Annotated[float, Meta(ge=0)]
MOST_VOL = 5.0  # a year: more is a percentage
MOST_FEE = 0.05  # of a notional: more is a percentage, or basis points
Volatility = Annotated[float, Meta(gt=0, le=MOST_VOL)]
Charge = Annotated[float, Meta(ge=-MOST_FEE, le=MOST_FEE)]  # negative is a rebate
Hours = Annotated[list[NonNegative], Meta(min_length=24, max_length=24)]
Share = Annotated[float, Meta(gt=0, le=1)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, keyword only, no unknown names."""


class DataConfig(_Section, frozen=True):
    """Files to read; without ``chains`` or ``prices`` the built-in simulated market is used."""

    chains: Text | None = None
    prices: Text | None = None
    funding: Text | None = None
    delivery: Text | None = None
    dvol: Text | None = None
    instruments: Text | None = None
    start: str | None = None
    end: str | None = None
    columns: dict[str, str] = {}
    sweep: Duration | None = Duration("5min")
    chain_delay: Duration | None = None
    force: bool = False


class MarketConfig(_Section, frozen=True):
    """The built-in simulated market (see :mod:`gammacore.backtest.replay.synthetic`)."""

    seed: Annotated[int, Meta(ge=0)] = 7
    start: str = "2025-01-02"
    days: Annotated[int, Meta(ge=10, le=3660)] = 70
    spot: Annotated[float, Meta(ge=100, le=1e8)] = 60_000.0  # prices are cents, which are noise below
    vol: Volatility = 0.60
    vol_of_vol: NonNegative = 2.5
    mean_reversion: Positive = 12.0
    correlation: Annotated[float, Meta(ge=-1, le=1)] = -0.3
    implied_premium: Annotated[float, Meta(gt=-0.5, le=2)] = 0.05
    skew: Annotated[float, Meta(ge=-2, le=2)] = -0.10
    smile: Annotated[float, Meta(ge=0, le=2)] = 0.08
    basis: Annotated[float, Meta(gt=-1, lt=1)] = 0.05
    spread_vol: Annotated[float, Meta(ge=0, le=1)] = 0.012
    snapshot_hours: Positive = 4.0


class MarksConfig(_Section, frozen=True):
    """Where the value of an option comes from."""

    source: Literal["chain", "flat"] = "chain"
    flat_vol: Volatility = 0.55
    flat_days: Positive = 7.0
    forward: Literal["recorded", "parity"] = "recorded"
    settlement: Literal["listed", "linear"] = "listed"
    interpolate: bool = False


class LegConfig(_Section, frozen=True):
    """One leg of a structure; ``implied`` is for a simulation alone."""

    kind: Literal["call", "put"]
    strike: Strike = Strike("atm")
    expiry: Expiry | None = None
    amount: float = 1.0
    implied: Volatility | None = None

    @property
    def rule(self) -> LegRule:
        """What it asks for."""
        expiry = ExpiryRule() if self.expiry is None else self.expiry.rule
        return LegRule(CALL if self.kind == "call" else PUT, self.strike.rule, expiry, self.amount)


class EntryConfig(_Section, frozen=True):
    """When to enter and what."""

    structure: StructureName = StructureName("straddle")
    legs: list[LegConfig] = []
    delta: Annotated[float, Meta(gt=0, lt=1)] = 0.25
    wing_delta: Annotated[float, Meta(gt=0, lt=1)] = 0.10
    ratio: Positive = 2.0
    far_days: Positive = 7.0
    side: Literal["long", "short"] = "long"
    schedule: Literal["each_expiry", "roll"] = "each_expiry"
    expiries: Literal["fridays", "any"] = "fridays"
    weekday: Weekday | None = None
    min_days: NonNegative = 6.0
    max_days: Positive = 9.0
    min_snapshots: Annotated[int, Meta(ge=0)] = 0

    @property
    def wanted(self) -> tuple[LegRule, ...]:
        """Legs of one unit, as bought."""
        own = tuple(leg.rule for leg in self.legs)
        if self.structure.own:
            return own
        return own or preset(self.structure, self.delta, self.wing_delta, self.ratio, self.far_days)


class RangeConfig(_Section, frozen=True):
    """Bounds of a value; null is none."""

    min: float | None = None
    max: float | None = None


class PercentileConfig(RangeConfig, frozen=True):
    """Bounds of a share of a trailing window, 0 to 1."""

    window: Duration = Duration("365d")


class TermConfig(RangeConfig, frozen=True):
    """Bounds of far less near volatility at the money, and the lives of the two expiries."""

    near: Duration = Duration("7d")
    far: Duration = Duration("30d")


class WhenConfig(_Section, frozen=True):
    """Filters of entries; null is none."""

    time_of_week: list[WeekWindow] | None = None
    dvol: RangeConfig | None = None
    dvol_percentile: PercentileConfig | None = None
    term_structure: TermConfig | None = None
    iv_less_forecast: RangeConfig | None = None

    @property
    def asks_dvol(self) -> bool:
        """Whether a filter needs the exchange's volatility index."""
        return self.dvol is not None or self.dvol_percentile is not None

    @property
    def window_ns(self) -> int:
        """Window of the percentile."""
        return (self.dvol_percentile or PercentileConfig()).window.ns


class SignalConfig(_Section, frozen=True):
    """What an entry must promise by its break-even (nothing if both are null), and filters."""

    when: WhenConfig = WhenConfig()
    min_probability: Annotated[float, Meta(gt=0, lt=1)] | None = None
    min_edge: Annotated[float, Meta(gt=-1, lt=1)] | None = None
    forecast: ForecastName = ForecastName("auto")
    window: Duration = Duration("7d")
    log_sd: Annotated[float, Meta(gt=0, le=2)] | None = None
    law: Literal["gbm", "fitted"] = "fitted"
    recalibrate: str | None = None

    @property
    def asks_dvol(self) -> bool:
        """Whether a decision looks at the exchange's volatility index."""
        return self.when.asks_dvol or self.forecast in ("dvol", "combined")

    @property
    def active(self) -> bool:
        """Whether anything is asked of an entry."""
        return self.min_probability is not None or self.min_edge is not None


class SizeConfig(_Section, frozen=True):
    """How much: of several budgets the tightest counts, without any ``contracts``."""

    contracts: Positive = 1.0
    premium_usd: Positive | None = None
    theta_usd: Positive | None = None
    vega_usd: Positive | None = None
    gamma: Positive | None = None
    margin_share: Share | None = None
    equity_share: Share | None = None
    kelly: Share | None = None
    equity: Positive | None = None
    rule: OwnName | None = None

    @property
    def units(self) -> float:
        """Units that are entered, as far as it is known before: one where budgets say how many."""
        return 1.0 if self.budgets else self.contracts

    @property
    def budgets(self) -> tuple[str, ...]:
        """Names of the budgets that are given."""
        names = (name for name in self.__struct_fields__ if name not in ("contracts", "equity"))
        return tuple(name for name in names if getattr(self, name) is not None)

    @property
    def of_equity(self) -> tuple[str, ...]:
        """Those of them that are shares of the equity."""
        shares = ("margin_share", "equity_share", "kelly", "rule")
        return tuple(name for name in self.budgets if name in shares)


class HedgeConfig(_Section, frozen=True):
    """With what, when and towards which target to hedge."""

    scope: Literal["episode", "book"] | None = None
    instrument: Literal["perpetual", "future", "forward", "cheapest"] = "perpetual"
    rule: HedgeRuleName = HedgeRuleName("band")
    trigger: Literal["interval", "band", "move", "whalley_wilmott", "zakamouline", "fixed_cost"] = "band"
    every: DurationOrNever = DurationOrNever("1h")
    band: Positive = 0.1
    band_lower: Positive | None = None
    to: Literal["centre", "edge"] | None = None
    move: Positive = 1.0
    move_unit: Literal["usd", "relative", "sigma"] = "sigma"
    move_horizon: Duration = Duration("1d")
    risk_aversion: Positive = 0.001
    cost: Annotated[float, Meta(gt=0, le=MOST_FEE)] | None = None
    cost_per_trade: Positive = 1.0
    outer: Positive | None = None
    target: Literal["coin_neutral", "usd_neutral", "black"] = "coin_neutral"
    ratio: Annotated[float, Meta(ge=0, le=1.5)] = 1.0
    target_delta: float = 0.0
    vol: Literal["implied", "realised", "forecast"] | Volatility = "implied"
    vol_window: Duration = Duration("7d")
    smile: Literal["sticky_strike", "sticky_delta", "minimum_variance"] | float = "sticky_strike"
    leland: bool = False
    ignore_vol: bool = False
    lots: bool = True
    orphan: Literal["close", "keep"] = "close"


class FeesConfig(_Section, frozen=True):
    """Rates of options and deliveries in place of the published ones, as fractions; null is the published."""

    option_maker: Charge | None = None
    option_taker: Charge | None = None
    option_cap: Annotated[float, Meta(ge=0, le=1)] | None = None
    option_delivery: Charge | None = None
    future_delivery: Charge | None = None

    @property
    def given(self) -> dict[str, float]:
        """Those that are set, by the names of :class:`gammacore.fees.FeeRates`."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in values if value is not None}


class CostsConfig(_Section, frozen=True):
    """What trading costs."""

    fill: Literal["cross", "mid", "mark"] = "cross"
    option_fees: bool = True
    tier: Literal["standard", "vip1", "vip4", "vip7"] = "standard"
    fees: FeesConfig = FeesConfig()
    hedge_taker_fee: Charge | None = None
    hedge_maker_fee: Charge | None = None
    hedge_half_spread_bp: NonNegative | Hours | Literal["recorded"] = 0.1
    funding: bool = True
    max_quote_age: Duration | None = Duration("10min")


LatencyMs = Annotated[float, Meta(ge=0, le=10_000)]


class ExecutionConfig(_Section, frozen=True):
    """How orders are worked, in a backtest as in a session; ``maker`` is a bound for backtests."""

    hedges: Literal["post_only", "taker", "maker"] = "post_only"
    patience: Duration = Duration("3s")
    tries: Annotated[int, Meta(ge=1, le=20)] = 3
    slippage_bp: Annotated[float, Meta(ge=0, le=1_000)] = 5.0
    option_slippage: Annotated[float, Meta(ge=0, le=1)] = 0.05
    max_above_mark: Annotated[float, Meta(gt=0, le=1)] | None = 0.15
    max_spread: Annotated[float, Meta(gt=0, le=MOST_VOL)] | None = 0.10
    options: Literal["take", "post", "mid_then_take"] = "take"
    option_exits: Literal["take", "post", "mid_then_take"] = "take"
    combo: Literal["never", "prefer"] = "never"
    option_patience: Duration = Duration("5min")
    improve_every: Duration = Duration("30s")
    improve_ticks: Annotated[int, Meta(ge=0, le=100)] = 1
    iv_limit: Annotated[float, Meta(gt=0, le=MOST_VOL)] | None = None
    max_from_smile: Annotated[float, Meta(gt=0, le=MOST_VOL)] | None = None
    valid_for: Duration = Duration("5s")
    max_slice: Positive | None = None
    max_share: Annotated[float, Meta(gt=0, le=1)] | None = None
    seed: Annotated[int, Meta(ge=0, le=2**62)] = 7
    fills: Literal["bars", "recorded"] = "bars"
    queue: Literal["behind", "pro_rata", "power"] = "pro_rata"
    queue_power: Annotated[float, Meta(gt=0, le=10)] = 3.0
    latency_ms: LatencyMs | Annotated[list[LatencyMs], Meta(min_length=1)] = 5.0


class PaceConfig(_Section, frozen=True):
    """Bounds of a ratio, looked at once a position was held for a while."""

    after: Duration = Duration("1d")
    below: NonNegative | None = None
    above: NonNegative | None = None


class RulesConfig(_Section, frozen=True):
    """Rules to leave a position by, any of them; null is none."""

    days_to_expiry: NonNegative | None = None
    max_days: Positive | None = None
    take_profit: Positive | None = None
    stop_loss: Positive | None = None
    drawdown: Positive | None = None
    moneyness: Positive | None = None
    edge_gone: Annotated[float, Meta(gt=-1, lt=1)] | None = None
    rv_pace: PaceConfig | None = None
    gamma_over_theta: PaceConfig | None = None
    own: list[OwnName] = []

    @property
    def active(self) -> bool:
        """Whether there is any rule."""
        return self != RulesConfig()


class RollConfig(_Section, frozen=True):
    """When to replace a position, and what by: fields of ``entry`` that differ."""

    when: RulesConfig = RulesConfig()
    into: dict[str, Any] = {}


class ExitConfig(_Section, frozen=True):
    """When to close."""

    hours_before_expiry: NonNegative | None = None
    rules: RulesConfig = RulesConfig()
    delivery: Literal["average", "last"] = "average"
    unfinished: Literal["carry", "drop"] = "carry"


class MarginConfig(_Section, frozen=True):
    """By which of the exchange's models the account is margined, and the parameters of it."""

    model: Literal["standard", "portfolio"] = "standard"
    parameters: str | None = None


class LimitsConfig(_Section, frozen=True):
    """Ceilings on what entries may add up to."""

    max_open_episodes: Annotated[int, Meta(ge=1)] | None = None
    max_contracts: Positive | None = None


class ReportConfig(_Section, frozen=True):
    """What is written."""

    pnl_every: Duration = Duration("1h")
    html: bool = True
    plotly: Literal["inline", "shared"] = "inline"
    attribution: Literal["taylor", "revaluation"] = "taylor"
    vega_parts: bool = False
    clock: Literal["calendar", "variance"] = "calendar"
    unexplained_alarm: Positive = 0.05
    fill_parity: list[str] = []


class SimulateConfig(_Section, frozen=True):
    """The experiment of ``gammacore simulate``; policy, target and costs are those of a backtest."""

    model: Literal["gbm", "heston", "merton", "garch", "bootstrap"] = "gbm"
    settlement: Literal["listed", "inverse", "linear"] = "listed"
    forward: Positive = 60_000.0
    days: Positive = 30.0
    structure: Structure = "straddle"
    legs: list[LegConfig] = []
    steps_per_day: Annotated[int, Meta(ge=1, le=86_400)] = 24
    implied_vol: Volatility = 0.60
    realised_vol: Volatility = 0.60
    drift: float = 0.0
    mean_reversion: Positive = 12.0
    vol_of_vol: NonNegative = 2.5
    correlation: Annotated[float, Meta(ge=-1, le=1)] = -0.3
    jumps_per_year: NonNegative = 20.0
    jump_mean: Annotated[float, Meta(ge=-3, le=3)] = -0.01
    jump_sd: Annotated[float, Meta(ge=0, le=1)] = 0.04
    asymmetric: bool = True
    innovations: Literal["historical", "normal", "t"] = "historical"
    block_days: Positive = 1.0
    funding: Annotated[float, Meta(ge=-MOST_VOL, le=MOST_VOL)] = 0.0
    fixed_fee: NonNegative = 0.0
    paths: Annotated[int, Meta(ge=2, le=100_000_000)] = 20_000
    seed: Annotated[int, Meta(ge=0)] = 7
    frontier: bool = True
    frontier_paths: Annotated[int, Meta(ge=100)] = 2_000
    budget: Positive | None = None
    threads: Annotated[int, Meta(ge=1)] = 1


class LiveConfig(_Section, frozen=True):
    """How a session trades; amounts, rule and target are those of ``size``, ``entry`` and ``hedge``."""

    adopt: Literal["none", "all"] = "none"
    adopt_expiries: list[str] = []
    adopt_instruments: list[str] = []
    adopt_labels: list[str] = []
    adopt_futures: bool = False
    adopt_basis: Literal["mark", "average"] = "mark"
    chain_every: Duration = Duration("10s")
    audit_every: Duration = Duration("30s")
    busy_poll: bool = False
    keep_awake: bool = False
    orphaned: Literal["stop", "continue"] = "stop"


class TogetherConfig(_Section, frozen=True):
    """Limits of several books under one command, USD; beyond one of them every book is stopped."""

    max_daily_loss_usd: Positive | None = None
    max_delta_usd: Positive | None = None
    max_vega_usd: Positive | None = None


class RiskConfig(_Section, frozen=True):
    """Limits of a session; null means none. Hedges and closings pass where they reduce risk."""

    max_delta: Positive | None = None
    max_gamma: Positive | None = None
    max_vega_usd: Positive | None = None
    max_premium_usd: Positive | None = None
    max_margin_use: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_order: Positive | None = None
    max_orders_per_minute: Annotated[int, Meta(ge=1)] | None = 60
    max_hedges_per_hour: Annotated[int, Meta(ge=1)] | None = None
    max_daily_loss_usd: Positive | None = None
    max_drawdown_usd: dict[Duration, Positive] = {}
    max_scenario_loss_usd: Positive | None = None
    scenario_spot: list[float] = field(default_factory=lambda: [-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2])
    scenario_vol: list[float] = field(default_factory=lambda: [-0.3, 0.0, 0.3])
    scenario_days: list[NonNegative] = field(default_factory=lambda: [0.0, 1.0])
    stale_after: Duration = Duration("10s")
    max_divergence: Annotated[float, Meta(gt=0, le=1)] = 0.01
    max_funding: Annotated[float, Meta(gt=0, le=1)] = 0.003
    max_clock_skew: Duration = Duration("2s")
    flatten_on_kill: bool = False
    together: TogetherConfig = TogetherConfig()


class AlertsConfig(_Section, frozen=True):
    """Which messages are sent; where to is in the environment, see :mod:`gammacore.alerts`."""

    level: Literal["info", "warning", "critical"] = "warning"
    repeat: Duration = Duration("1h")
    pace: Duration | None = Duration("1d")
    per_hour: Annotated[int, Meta(ge=1)] = 20
    heartbeat: str | None = None
    heartbeat_every: Duration = Duration("1min")


class CodeFile(_Section, frozen=True):
    """A file of the user's own code, as it was when the configuration was read."""

    path: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Config(_Section, frozen=True):
    """A whole run; ``code`` is noted as the file is read, see :mod:`.code_files`."""

    currency: Annotated[str, Meta(pattern="^[A-Z][A-Z0-9]*(_USDC)?$")] = "BTC"
    data: DataConfig = DataConfig()
    market: MarketConfig = MarketConfig()
    marks: MarksConfig = MarksConfig()
    entry: EntryConfig = EntryConfig()
    signal: SignalConfig = SignalConfig()
    size: SizeConfig = SizeConfig()
    hedge: HedgeConfig = HedgeConfig()
    costs: CostsConfig = CostsConfig()
    execution: ExecutionConfig = ExecutionConfig()
    exit: ExitConfig = ExitConfig()
    roll: RollConfig = RollConfig()
    margin: MarginConfig = MarginConfig()
    limits: LimitsConfig = LimitsConfig()
    report: ReportConfig = ReportConfig()
    simulate: SimulateConfig = SimulateConfig()
    live: LiveConfig = LiveConfig()
    risk: RiskConfig = RiskConfig()
    alerts: AlertsConfig = AlertsConfig()
    code: dict[str, CodeFile] = {}
    vary: dict[str, list[Any]] = {}

    @property
    def coin(self) -> str:
        """Base coin: ``BTC``, of options in USDC, too."""
        return self.currency.partition("_")[0]

    @property
    def forecasts(self) -> bool:
        """Whether a decision on what to hold needs a forecast of volatility."""
        rules = self.exit.rules.edge_gone, self.roll.when.edge_gone
        filtered = self.signal.when.iv_less_forecast is not None
        weighed = self.signal.active or self.size.kelly is not None or self.signal.forecast.own
        return weighed or filtered or any(rule is not None for rule in rules)

    @property
    def linear(self) -> bool:
        """Whether positions settle in USD (or are accounted for as if they did)."""
        return "_" in self.currency or self.marks.settlement == "linear"

    @property
    def settles_in(self) -> str:
        """Currency of the account: the coin or ``USDC``."""
        return "USDC" if self.linear else self.coin
