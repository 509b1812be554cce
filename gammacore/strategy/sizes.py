"""How much: the most units of a structure that every budget allows, and which of them says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np

from gammacore import inverse
from gammacore.contracts import CALL, Grids, Perpetual, Settlement
from gammacore.daycount import NS_PER_YEAR
from gammacore.events import ChainSlice
from gammacore.margin import (
    Book,
    Holding,
    MarginRates,
    MarginSchedule,
    PortfolioRates,
    future_rates,
    position_margin,
    sized_margins,
)
from gammacore.strategy.exits import premium_of
from gammacore.strategy.signal import Signal
from gammacore.strategy.structures import Picked
from gammacore.valuation import exposure

__all__ = ["OF_EQUITY", "OneUnit", "SizeRule", "Sized", "one_unit", "sized"]

FINEST = 1_000  # parts of a unit that the amount of a leg is taken for
CLOSE = 1e-8  # of the units that a margin pays for; the exchange rounds it to 9 decimals

OF_EQUITY = ("margin_share", "equity_share", "kelly")


def _no_margin(units: float) -> float:
    """Stand in where nobody asks for margin."""
    return math.nan


class OneUnit(msgspec.Struct, frozen=True):
    """What one unit of an entry costs and ties up, for budgets of size.

    Attributes
    ----------
    ts_ns : int
    long : bool
    index, unit : float
        USD per coin, and per unit of the settlement currency (1 where that is USDC).
    forecast : float
        Of volatility; NaN where there is none.
    premium : float
        Paid or received, USD; see :func:`gammacore.strategy.exits.premium_of`.
    theta, vega : float
        USD a day and per volatility point, positive.
    gamma : float
        Coins of delta per 1 % of the price, positive.
    margin, margin_slope : float
        Standard initial margin of n units is ``margin n + margin_slope n^2``, settlement currency: that of
        the short options, and of a hedge as large as the delta that the options can have at expiry. Under
        portfolio margin ``margin`` is that of one unit with the hedge of its present delta, the slope 0.
    equity : float
        Of the account, settlement currency; NaN where it is not known.
    profit, deviation : float
        Expected profit and its standard deviation, settlement currency; NaN without a
        forecast, and where the hedge hedges at every chain.
    margin_of : callable(float) -> float
        Initial margin of so many units by the model of ``margin.model``, settlement currency.
    """

    ts_ns: int
    long: bool
    index: float
    unit: float
    forecast: float
    premium: float
    theta: float
    vega: float
    gamma: float
    margin: float
    margin_slope: float
    equity: float
    profit: float = math.nan
    deviation: float = math.nan
    margin_of: Callable[[float], float] = _no_margin


class MarginCurve(NamedTuple):
    """Margin by number of units: coefficients of n and n^2 where it is such a sum, and the function."""

    linear: float
    square: float
    of: Callable[[float], float]


class SizeRule(msgspec.Struct, frozen=True):
    """How much: a fixed number of units of the structure, or the most that every budget allows (in ``lots``).

    Attributes
    ----------
    contracts : float
        Units, where there is no budget: coins of a leg whose amount is 1.
    premium_usd : float or None
        USD that the options may cost.
    theta_usd : float or None
        USD that they may lose in a day by the passage of time, at their marks.
    vega_usd : float or None
        USD that they may gain or lose per volatility point.
    gamma : float or None
        Coins of delta that they may gain or lose per 1 % of the price.
    margin_share : float or None
        Share of the equity that may be their initial margin and that of their hedge.
    equity_share : float or None
        Share of the equity that they may cost, or bring when sold.
    kelly : float or None
        Fraction of Kelly's bet ``equity profit / deviation^2``, all of one unit in the settlement currency.
    equity : float or None
        Settlement currency, before the first profit, where no account says what it is.
    rule : callable(OneUnit) -> float, optional
        Units by code of one's own.
    weigher : Signal, optional
        Says expected profits.
    lots : bool
        Whether amounts are whole lots, of every leg.
    grids : Grids
        That say what a lot is.
    margin : MarginSchedule
        What the exchange asks for as collateral.
    """

    contracts: float = 1.0
    premium_usd: float | None = None
    theta_usd: float | None = None
    vega_usd: float | None = None
    gamma: float | None = None
    margin_share: float | None = None
    equity_share: float | None = None
    kelly: float | None = None
    equity: float | None = None
    rule: Callable[[OneUnit], float] | None = None
    weigher: Signal | None = None
    lots: bool = True
    grids: Grids = Grids()
    margin: MarginSchedule = MarginSchedule()

    @property
    def budgets(self) -> tuple[str, ...]:
        """Names of the budgets that count."""
        return tuple(name for name in BUDGETS if getattr(self, name) is not None)

    @property
    def asks_equity(self) -> bool:
        """Whether the equity matters."""
        return self.rule is not None or any(getattr(self, name) is not None for name in OF_EQUITY)


class Sized(NamedTuple):
    """Units to enter, and the field of ``size`` that says so."""

    units: float
    by: str


def sized(
    size: SizeRule, chain: ChainSlice, picked: Picked, ts_ns: int, long: bool, market: tuple[float, ...]
) -> Sized | str:
    """Units of a structure to enter, or why there are none.

    Parameters
    ----------
    size : SizeRule
    chain : ChainSlice
    picked : Picked
    ts_ns : int
    long : bool
    market : tuple of three floats
        Forecast of volatility, funding per year, equity of the account (NaN: that of the rule).
    """
    names = size.budgets
    if not names:
        return Sized(size.contracts, "contracts")
    unit = one_unit(size, chain, picked, ts_ns, long, market)
    found = []
    for name in names:
        units = BUDGETS[name](size, unit)
        if isinstance(units, str):
            return f"size.{name}: {units}"
        if not units >= 0.0:
            return f"size.{name}: what one unit asks for is not known"
        found.append(Sized(float(units), name))
    tightest = min(found, key=lambda one: one.units)  # of equals the first
    if not size.lots:
        units = tightest.units
    else:
        spec, step = size.grids.spec_for(chain.option(picked.rows[0])), _whole(picked)
        units = spec.round_amount(tightest.units / step) * step
    if units > 0.0:
        return Sized(units, tightest.by)
    return f"size.{tightest.by} does not buy a lot of every leg"


def _whole(picked: Picked) -> float:
    """Return the fewest lots, counted in units, that are whole lots of every leg: 2 beside a leg of 1.5."""
    parts = [Fraction(amount).limit_denominator(FINEST) for amount in picked.amounts]
    return math.lcm(*(part.denominator for part in parts)) / math.gcd(*(part.numerator for part in parts))


def one_unit(
    size: SizeRule, chain: ChainSlice, picked: Picked, ts_ns: int, long: bool, market: tuple[float, ...]
) -> OneUnit:
    """Look at one unit; parameters as of :func:`sized`."""
    forecast, funding, equity = market
    profit = deviation = math.nan
    if size.weigher is not None and math.isfinite(forecast) and forecast > 0.0:
        weighed = size.weigher.weigh(chain, ts_ns, picked, forecast, funding)
        if len(weighed.tau):
            profit, deviation = float(weighed.profit[0]), float(weighed.deviation[0])
    if math.isnan(equity) and size.equity is not None:
        equity = size.equity
    unit = 1.0 if chain.settlement is Settlement.LINEAR else chain.index
    shape = _shape(chain, picked, ts_ns, unit)
    rates = size.margin.at(ts_ns, chain.base)
    if isinstance(rates, PortfolioRates):
        margin = _portfolio(chain, picked, ts_ns, long, rates)
    else:
        margin = _standard(chain, picked, long, rates)
    return OneUnit(
        ts_ns, long, chain.index, unit, forecast, *shape, margin.linear, margin.square, equity, profit,
        deviation, margin.of,
    )  # fmt: skip


def _shape(chain: ChainSlice, picked: Picked, ts_ns: int, unit: float) -> tuple[float, float, float, float]:
    """Premium of buying one unit, its theta a day, vega per point and gamma per 1 %, all positive."""
    paid, theta, vega, gamma = [], 0.0, 0.0, 0.0
    for row, amount in zip(*picked, strict=True):
        quote = (chain.ask if amount > 0 else chain.bid)[row]
        paid.append(amount * float(quote if math.isfinite(quote) else chain.mark[row]))
        forward = chain.forwards[int(chain.expiry_ns[row])]
        tau = (int(chain.expiry_ns[row]) - ts_ns) / NS_PER_YEAR
        seen = inverse.greeks(
            int(chain.kind[row]), forward, float(chain.strike[row]), tau, float(chain.iv[row])
        )
        theta -= amount * seen.theta / 365.0
        vega += amount * seen.vega / 100.0
        gamma += amount * seen.gamma * forward * 0.01
    return premium_of(paid) * unit, abs(float(theta)), abs(float(vega)), abs(float(gamma))


def _standard(chain: ChainSlice, picked: Picked, long: bool, rates: MarginRates) -> MarginCurve:
    """Add up standard margin of the short options and of the largest hedge."""
    sign, needed = 1.0 if long else -1.0, 0.0
    for row, amount in zip(*picked, strict=True):
        forward = chain.forwards[int(chain.expiry_ns[row])]
        option, mark = chain.option(row), float(chain.mark[row])
        needed += position_margin(rates, option, sign * amount, mark, forward).initial
    coins, unit = steepest(chain, picked), 1.0 if chain.settlement is Settlement.INVERSE else chain.index
    base = future_rates(rates, chain.base, 0.0).initial
    slope = future_rates(rates, chain.base, 1.0).initial - base
    linear, square = needed + base * coins * unit, slope * coins**2 * unit
    return MarginCurve(linear, square, lambda units: linear * units + square * units**2)


def _portfolio(
    chain: ChainSlice, picked: Picked, ts_ns: int, long: bool, rates: PortfolioRates
) -> MarginCurve:
    """Take portfolio margin of the options with the perpetual against their delta."""
    sign, delta, holdings = 1.0 if long else -1.0, 0.0, []
    for row, amount in zip(*picked, strict=True):
        option, expiry_ns = chain.option(row), int(chain.expiry_ns[row])
        vol, mark, forward = float(chain.iv[row]), float(chain.mark[row]), chain.forwards[expiry_ns]
        tau = (expiry_ns - ts_ns) / NS_PER_YEAR
        seen = exposure(option, forward, tau, vol)
        delta += sign * amount * float(seen.net_delta)
        holdings.append(Holding(option, sign * amount, mark, forward, vol))
    if math.isnan(delta):  # a mark is missing
        return MarginCurve(math.nan, 0.0, _no_margin)
    unit = chain.index if chain.settlement is Settlement.INVERSE else 1.0
    hedge = Holding(Perpetual(chain.base, chain.settlement), -delta * unit, chain.index)
    book = Book(ts_ns, chain.index, (*holdings, hedge))
    sizes = np.array([held.size for held in book.holdings])
    return MarginCurve(
        float(sized_margins(book, rates, sizes[None, :])[0]),
        0.0,
        lambda units: float(sized_margins(book, rates, units * sizes[None, :])[0]),
    )


def steepest(chain: ChainSlice, picked: Picked) -> float:
    """Largest delta, in coins and without its sign, that one unit can have at its expiry."""
    legs = [
        (float(chain.strike[row]), int(chain.kind[row]), amount) for row, amount in zip(*picked, strict=True)
    ]
    strikes = sorted({strike for strike, _, _ in legs})
    deltas = []
    for above in (-math.inf, *strikes):  # just above this price
        calls = sum(amount for strike, kind, amount in legs if kind == CALL and strike <= above)
        puts = sum(amount for strike, kind, amount in legs if kind != CALL and strike > above)
        deltas.append(abs(calls - puts))
    return max(deltas)


def _spend(budget: float, one: float, what: str) -> float | str:
    return budget / one if one > 0.0 else f"one unit has no {what}"


def _of_equity(unit: OneUnit) -> str:
    """Why nothing can be a share of the equity, empty if it can."""
    if math.isnan(unit.equity):
        return "the equity is not known"
    return "" if unit.equity > 0.0 else "no equity is left"


def _premium(size: SizeRule, unit: OneUnit) -> float | str:
    return _spend(size.premium_usd or 0.0, unit.premium, "premium")


def _theta(size: SizeRule, unit: OneUnit) -> float | str:
    return _spend(size.theta_usd or 0.0, unit.theta, "theta")


def _vega(size: SizeRule, unit: OneUnit) -> float | str:
    return _spend(size.vega_usd or 0.0, unit.vega, "vega")


def _gamma(size: SizeRule, unit: OneUnit) -> float | str:
    return _spend(size.gamma or 0.0, unit.gamma, "gamma")


def _margin_share(size: SizeRule, unit: OneUnit) -> float | str:
    """Units at which the margin is that share.

    Of standard margin the positive root of its quadratic equation. Portfolio margin is a convex function of
    the size, so there is one such number.
    """
    if why := _of_equity(unit):
        return why
    budget = (size.margin_share or 0.0) * unit.equity
    if size.margin.model == "portfolio":
        return _within(budget, unit)
    root = math.sqrt(unit.margin**2 + 4.0 * unit.margin_slope * budget)
    return _spend(2.0 * budget, unit.margin + root, "margin")


def _within(budget: float, unit: OneUnit) -> float | str:
    """Most units whose margin is a budget: in proportion to that of one, where it is, else by bisection."""
    if math.isnan(unit.margin):
        return "the margin is not known, a mark is missing"
    if unit.margin <= 0.0:
        return "one unit has no margin"
    high = budget / unit.margin
    if abs(unit.margin_of(high) - budget) <= CLOSE * budget:
        return high
    low = 0.0  # not in proportion: a damped scenario or the delta shock counts
    while unit.margin_of(high) < budget:
        low, high = high, 2.0 * high
    while high - low > CLOSE * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if unit.margin_of(middle) <= budget else (low, middle)
    return low


def _equity_share(size: SizeRule, unit: OneUnit) -> float | str:
    if why := _of_equity(unit):
        return why
    return _spend((size.equity_share or 0.0) * unit.equity * unit.unit, unit.premium, "premium")


def _kelly(size: SizeRule, unit: OneUnit) -> float | str:
    """Fraction of the bet with the largest expected logarithm of the equity, to second order."""
    if why := _of_equity(unit):
        return why
    if not math.isfinite(unit.forecast):
        return "no forecast of volatility yet"
    if not (math.isfinite(unit.profit) and unit.deviation > 0.0):
        return "the expected profit is not known, a quote is missing"
    if unit.profit <= 0.0:
        return "the expected profit is not positive"
    return (size.kelly or 0.0) * unit.equity * unit.profit / unit.deviation**2


def _rule(size: SizeRule, unit: OneUnit) -> float | str:
    return 0.0 if size.rule is None else size.rule(unit)


BUDGETS: dict[str, Callable[[SizeRule, OneUnit], float | str]] = {
    "premium_usd": _premium,
    "theta_usd": _theta,
    "vega_usd": _vega,
    "gamma": _gamma,
    "margin_share": _margin_share,
    "equity_share": _equity_share,
    "kelly": _kelly,
    "rule": _rule,
}
