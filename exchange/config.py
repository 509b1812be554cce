"""Settings of a local exchange: one frozen structure, every field with a default."""

from __future__ import annotations

from typing import Literal

import msgspec

from gammacore.daycount import parse_time

__all__ = ["Discount", "ExchangeConfig", "MarketModel"]


class MarketModel(msgspec.Struct, frozen=True, kw_only=True):
    """How one coin moves: square-root variance, a smile above it, a basis.

    Attributes
    ----------
    spot : float
        Index at the start, USD.
    vol : float
        Long-run volatility of the index, decimal per root year.
    mean_reversion : float
        Of variance, per year.
    vol_of_vol : float
        Of variance, per root year.
    correlation : float
        Of moves in price and variance.
    implied_premium : float
        Implied above expected volatility, as a fraction.
    skew, smile : float
        Slope and curvature of implied volatility in standard deviations of log-moneyness.
    carry : float
        Annual basis of dated futures, decimal.
    premium_vol : float
        Standard deviation of the perpetual's premium over the index, as a fraction.
    digits : int
        Decimals of its prices in USD.
    """

    spot: float = 85_000.0
    vol: float = 0.45
    mean_reversion: float = 12.0
    vol_of_vol: float = 1.6
    correlation: float = -0.3
    implied_premium: float = 0.08
    skew: float = -0.04
    smile: float = 0.03
    carry: float = 0.04
    premium_vol: float = 0.0003
    digits: int = 2


class Discount(msgspec.Struct, frozen=True, kw_only=True):
    """What an account is charged in place of the schedule.

    Attributes
    ----------
    options : float
        Share of the schedule's commissions of options.
    maker, taker : float
        Commissions of futures and perpetuals, fractions.
    """

    options: float = 1.0
    maker: float = 0.00015
    taker: float = 0.00035


def _default_models() -> dict[str, MarketModel]:
    return {"BTC": MarketModel(), "ETH": MarketModel(spot=2_750.0, vol=0.65)}


def _default_deposits() -> dict[str, float]:
    return {"BTC": 10.0, "ETH": 200.0, "USDC": 1_000_000.0}


class ExchangeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a local exchange; the same settings and the same calls give the same frames.

    Attributes
    ----------
    seed : int
        Of every random number.
    start_ns : int
        Exchange time at which it opens, nanoseconds UTC.
    clients : dict of str to str
        Client ids and their secrets; each is an account of its own.
    discounts : dict of str to Discount
        By client id; the rest pay the schedule's fees.
    deposits : dict of str to float
        What each account starts with, by currency.
    margin_model : {'segregated_sm', 'segregated_pm', 'cross_pm'}
        Of every account: standard margin, portfolio margin of each currency, or of all together.
    models : dict of str to MarketModel
        The coins; where no inverse contracts are known of one, there are those in USDC alone.
    linear : tuple of str
        Coins that also have USDC contracts.
    expiries : int, optional
        How many of the nearest expiries are listed; None for the usual calendar.
    strikes : int
        Strikes listed on each side of the forward.
    tick_ms : int
        Time between two moves of the market.
    depth : int
        Levels the market maker quotes on each side of a future; options get at most three.
    flow_per_minute : float
        Orders of strangers a minute in every book that someone watches.
    history_days : int
        Days of history before the start.
    max_trades : int
        Most public trades in one answer; the exchange's history host gives 10,000.
    funding_damper : float
        Premium within which the perpetual pays nothing.
    token_life_s : int
        Life of an access token.
    settlement_pause_s : float
        How long the engine answers 10041 after 08:00 UTC.
    speed_bump_ms : float
        How long takers are held where the exchange holds them; 0 never.
    matching_rate, matching_burst : int
        Orders a second and their burst.
    notify_first : float
        Probability that what a request caused is told before the request is answered.
    max_queue : int
        Frames that may wait for a reader before it is cut off as too slow.
    testnet : bool
        What envelopes say.
    """

    seed: int = 1
    start_ns: int = parse_time("2026-11-25T12:00:00Z")
    clients: dict[str, str] = msgspec.field(default_factory=lambda: {"gammacore": "local"})
    discounts: dict[str, Discount] = msgspec.field(default_factory=dict)
    deposits: dict[str, float] = msgspec.field(default_factory=_default_deposits)
    margin_model: Literal["segregated_sm", "segregated_pm", "cross_pm"] = "segregated_sm"
    models: dict[str, MarketModel] = msgspec.field(default_factory=_default_models)
    linear: tuple[str, ...] = ("BTC",)
    expiries: int | None = None
    strikes: int = 10
    tick_ms: int = 500
    depth: int = 10
    flow_per_minute: float = 20.0
    history_days: int = 30
    max_trades: int = 1_000
    funding_damper: float = 0.00025
    token_life_s: int = 31_536_000
    settlement_pause_s: float = 3.0
    speed_bump_ms: float = 10.0
    matching_rate: int = 5
    matching_burst: int = 20
    notify_first: float = 0.5
    max_queue: int = 20_000
    testnet: bool = True
