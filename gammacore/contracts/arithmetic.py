"""Payoffs, profits and the rounding of money."""

from typing import Any, Final, overload

import numpy as np

from gammacore._arrays import floats
from gammacore.array_types import Floats, Ints
from gammacore.contracts.names import Option
from gammacore.errors import ContractError

__all__ = [
    "UNITS_PER_COIN",
    "from_units",
    "inverse_pnl",
    "linear_pnl",
    "payoff_coin",
    "payoff_usd",
    "round_coin",
    "to_units",
]

UNITS_PER_COIN: Final = 100_000_000
MOST_UNITS = 2.0**51  # of an amount that is counted exactly


@overload
def payoff_usd(option: Option, delivery_price: float) -> float: ...
@overload
def payoff_usd(option: Option, delivery_price: Floats) -> Floats: ...
def payoff_usd(option: Option, delivery_price: float | Floats) -> float | Floats:
    """Payoff of one option on one coin, in USD at the delivery price.

    Parameters
    ----------
    option : Option
    delivery_price : float or array
        Delivery price in USD, positive.

    Returns
    -------
    float or array of float64
        ``max(kind * (delivery_price - strike), 0)``, for inverse and linear alike.

    Raises
    ------
    ContractError
        If a delivery price is not positive.
    """
    if isinstance(delivery_price, float) and delivery_price > 0.0:
        return max(0.0, option.kind * (float(delivery_price) - option.strike))
    price = floats(delivery_price)
    if not (price > 0).all():
        raise ContractError(f"delivery_price must be positive, got {price.min()!r}")
    payoff = np.maximum(option.kind * (price - option.strike), 0.0)
    return payoff if payoff.ndim else float(payoff)


@overload
def payoff_coin(option: Option, delivery_price: float) -> float: ...
@overload
def payoff_coin(option: Option, delivery_price: Floats) -> Floats: ...
def payoff_coin(option: Option, delivery_price: float | Floats) -> float | Floats:
    """Payoff of one option on one coin, in coin at the delivery price.

    An inverse option is paid this; a linear one is paid `payoff_usd`, of which this is
    the worth in coin. A put is worth more than one coin once the price falls below half
    the strike. Parameters and errors as for `payoff_usd`.
    """
    return payoff_usd(option, delivery_price) / delivery_price


def inverse_pnl(size_usd: Any, entry: Any, exit_price: Any) -> Any:
    """Profit in coin of an inverse position between two prices.

    Parameters
    ----------
    size_usd : float or array
        Signed size in USD, negative when short.
    entry, exit_price : float or array
        Prices in USD.

    Returns
    -------
    float or array of float64
        ``size_usd * (1/entry - 1/exit_price)``, not rounded.
    """
    return size_usd * (1.0 / entry - 1.0 / exit_price)


def linear_pnl(qty: Any, entry: Any, exit_price: Any) -> Any:
    """Profit in USDC of a linear position of ``qty`` coins (signed) between two prices."""
    return qty * (exit_price - entry)


@overload
def to_units(amount: float) -> int: ...
@overload
def to_units(amount: Floats) -> Ints: ...
def to_units(amount: float | Floats) -> int | Ints:
    """Coin amounts as integer units of 1e-8, ties to even.

    Parameters
    ----------
    amount : float or array
        Coin amounts (or USDC), finite, below 2.2e7 in size.

    Returns
    -------
    int or array of int64

    Raises
    ------
    ContractError
        If an amount is not finite or too large to be counted exactly.
    """
    if isinstance(amount, float):
        return _units_of_one(amount)
    scaled = floats(amount) * UNITS_PER_COIN
    if not (np.abs(scaled) < MOST_UNITS).all():
        raise _uncountable(amount)
    # 2.5e-8 times 1e8 need not be 2.5: a near tie is one, and goes to the even unit.
    halves = np.rint(2.0 * scaled)
    tie = np.abs(2.0 * scaled - halves) < 1e-6
    units = np.rint(np.where(tie, halves / 2.0, scaled)).astype(np.int64)
    return units if units.ndim else int(units)


def _units_of_one(amount: float) -> int:
    """Count one amount as :func:`to_units` does, a tenth of the time."""
    scaled = amount * UNITS_PER_COIN
    if not abs(scaled) < MOST_UNITS:
        raise _uncountable(amount)
    halves = round(2.0 * scaled)
    return round(halves / 2.0 if abs(2.0 * scaled - halves) < 1e-6 else scaled)


def _uncountable(amount: float | Floats) -> ContractError:
    told = amount if isinstance(amount, np.ndarray) else float(amount)
    return ContractError(f"amount must be finite and below 2.2e7, got {told!r}")


@overload
def from_units(units: int) -> float: ...
@overload
def from_units(units: Ints) -> Floats: ...
def from_units(units: int | Ints) -> float | Floats:
    """Coin amount of integer units of 1e-8."""
    return units / UNITS_PER_COIN


@overload
def round_coin(amount: float) -> float: ...
@overload
def round_coin(amount: Floats) -> Floats: ...
def round_coin(amount: float | Floats) -> float | Floats:
    """Coin amounts rounded to 8 decimals, ties to even, as the exchange books them.

    Errors as for `to_units`.
    """
    return from_units(to_units(amount))
