"""A simulated position and its costs: options of a book, and what trading takes.

Times are in years from now, prices in USD, amounts in coin.
"""

from __future__ import annotations

from typing import Literal

import msgspec

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


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What trading costs.

    Attributes
    ----------
    proportional : float
        Fee of a hedge, a fraction of its notional at the fill, one way.
    fixed : float
        Fee of each hedge, settlement currency.
    half_spread_bp : float
        What a hedge's price costs against its mark, basis points; negative if it is filled within.
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
        for name in ("fixed", "option_fee", "option_fee_cap"):
            check_number(f"costs.{name}", getattr(self, name), at_least=0.0)
        check_number("costs.half_spread_bp", self.half_spread_bp, at_least=-100.0)  # makers may earn it
        check_number("costs.proportional", self.proportional, at_least=-0.01)  # makers may be paid
        check_number("costs.funding", self.funding)

    @property
    def one_way(self) -> float:
        """Fee and half spread of a hedge as a fraction of its notional."""
        return self.proportional + 1e-4 * self.half_spread_bp
