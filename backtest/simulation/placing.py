"""Where the legs of a structure are in a simulation, which lists no strikes and has no calendar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from gammacore.daycount import DAYS_PER_YEAR
from gammacore.legs import ExpiryRule, LegRule

from .option_book import OptionLeg


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
            from scipy.special import ndtri

            # The plain Black delta is N(d1) of a call, N(d1) - 1 of a put.
            d1 = float(ndtri(rule.value if leg.kind > 0 else 1.0 - rule.value))
            return forward * math.exp(total_vol * (0.5 * total_vol - d1))
    return forward
