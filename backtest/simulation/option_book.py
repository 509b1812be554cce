"""A simulated position and its costs: options of a book, and what trading takes.

Times are in years from now, prices in USD, amounts in coin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
from scipy.special import ndtri

from gammacore.daycount import DAYS_PER_YEAR
from gammacore.strategy.legs import ExpiryRule, LegRule

from .number_checks import check_number


class OptionLeg(msgspec.Struct, frozen=True):
    """Options of one kind, strike and expiry.

    Attributes
    ----------
    kind : {'call', 'put'}
    strike : float
        USD.
    expiry : float
        Years.
    amount : float
        Coins of notional, negative if sold.
    implied : float or None
        Volatility it is bought and marked at; None is the experiment's.
    """

    kind: Literal["call", "put"]
    strike: float
    expiry: float
    amount: float = 1.0
    implied: float | None = None


def straddle(strike: float, expiry: float, amount: float = 1.0) -> tuple[OptionLeg, OptionLeg]:
    """Call and put of one strike."""
    return OptionLeg("call", strike, expiry, amount), OptionLeg("put", strike, expiry, amount)


def strangle(
    put_strike: float, call_strike: float, expiry: float, amount: float = 1.0
) -> tuple[OptionLeg, OptionLeg]:
    """Call and put of two strikes."""
    return OptionLeg("call", call_strike, expiry, amount), OptionLeg("put", put_strike, expiry, amount)


def place(
    legs: Sequence[LegRule],
    forward: float,
    days: float,
    vol: float,
    implied: Sequence[float | None],
    units: float = 1.0,
) -> tuple[OptionLeg, ...]:
    """Options of a structure where every strike and expiry there could be is offered.

    Parameters
    ----------
    legs : sequence of LegRule
    forward : float
        USD.
    days : float
        To the expiry of legs that name none.
    vol : float
        Implied volatility of legs that have none of their own.
    implied : sequence of float or None
        Of each leg.
    units : float
        Of the structure, signed.

    Raises
    ------
    ValueError
        For a rule that needs a list of strikes or of days, with the number of the leg, from 0.
    """
    placed: list[OptionLeg] = []
    for number, (leg, own) in enumerate(zip(legs, implied, strict=True)):
        try:
            years = _years(leg.expiry, days, placed)
            strike = _strike(leg, forward, (own or vol) * math.sqrt(years), placed)
        except ValueError as error:
            raise ValueError(f"[{number}].{error}") from None
        kind: Literal["call", "put"] = "call" if leg.kind > 0 else "put"
        placed.append(OptionLeg(kind, strike, years, units * leg.amount, own))
    return tuple(placed)


def _years(rule: ExpiryRule, days: float, placed: list[OptionLeg]) -> float:
    if rule.how == "entry":
        return days / DAYS_PER_YEAR
    if rule.how == "leg":
        return placed[int(rule.first) - 1].expiry + rule.last / DAYS_PER_YEAR
    if rule.how == "friday" or rule.first != rule.last or rule.first <= 0.0:
        raise ValueError("expiry: expected days such as 30d, or leg 1 + 7d: a simulation has no calendar")
    return rule.first / DAYS_PER_YEAR


def _strike(leg: LegRule, forward: float, total_vol: float, placed: list[OptionLeg]) -> float:
    rule = leg.strike
    if rule.steps:
        raise ValueError(f"strike: a simulation lists no strikes; expected none to step, got {rule.steps:+d}")
    match rule.how:
        case "leg":
            return placed[int(rule.value) - 1].strike
        case "price":
            return rule.value
        case "moneyness":
            return forward * rule.value
        case "sd":
            return forward * math.exp(leg.kind * rule.value * total_vol)
        case "delta":
            # The plain Black delta is N(d1) of a call, N(d1) - 1 of a put.
            d1 = float(ndtri(rule.value if leg.kind > 0 else 1.0 - rule.value))
            return forward * math.exp(total_vol * (0.5 * total_vol - d1))
    return forward


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What trading costs.

    Attributes
    ----------
    proportional : float
        Fee of a hedge, a fraction of its notional at the fill, one way.
    fixed : float
        Fee of each hedge, settlement currency.
    half_spread_bp : float
        Half the spread of the hedge, basis points of its mark.
    option_fee : float
        Of the option trades at the start, a fraction of the notional (0.0003 is Deribit's).
    option_fee_cap : float
        Most that ``option_fee`` may take, as a fraction of the premium.
    funding : float
        Per year on the notional of the hedge; longs pay when positive.
    """

    proportional: float = 0.0
    fixed: float = 0.0
    half_spread_bp: float = 0.0
    option_fee: float = 0.0
    option_fee_cap: float = 0.125
    funding: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fixed", "half_spread_bp", "option_fee", "option_fee_cap"):
            check_number(f"costs.{name}", getattr(self, name), at_least=0.0)
        check_number("costs.proportional", self.proportional, at_least=-0.01)  # makers may be paid
        check_number("costs.funding", self.funding)

    @property
    def one_way(self) -> float:
        """Fee and half spread of a hedge as a fraction of its notional."""
        return self.proportional + 1e-4 * self.half_spread_bp
