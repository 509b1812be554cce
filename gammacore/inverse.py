"""Coin-settled ("inverse") options as Deribit lists them: strike in USD, price in coin.

The payoff ``max(S - K, 0) / S`` coin is worth the Black-76 price with no rate divided
by the forward. Net delta after C. Alexander, D. Chen and A. Imeraj, "Crypto quanto and
inverse options", Mathematical Finance 33 (2023) 1005-1043, and Deribit's DeltaTotal.

A pandas Series among the arguments makes the results Series on its index; others are aligned to it by label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar, overload

from numpy.typing import ArrayLike

from gammacore import _arrays, _core
from gammacore._core import inverse_implied_vol as implied_vol
from gammacore._core import inverse_price as price
from gammacore._core import inverse_sensitivities as sensitivities
from gammacore.array_types import Floats

if TYPE_CHECKING:
    from gammacore.array_types import AnySeries, FloatSeries

__all__ = ["InverseGreeks", "greeks", "implied_vol", "price", "sensitivities"]

Numeraire = Literal["usd", "coin"]
_T = TypeVar("_T", float, Floats, "FloatSeries")


class InverseGreeks(NamedTuple, Generic[_T]):
    """Coin price, the deltas, and raw USD Greeks of a coin-settled option.

    All but `price` and `net_delta` are derivatives of the USD value ``forward * price``,
    as the exchange defines them, without its display scaling; asked for in coin, of the coin
    value. Each is a float or an array.
    """

    price: _T
    """Value in coin."""
    delta: _T
    """``kind * N(kind * d1)``, as the exchange prints it: USD value per 1 of forward."""
    net_delta: _T
    """``delta - price``, the coin position that hedges the option's *coin* value."""
    gamma: _T
    """d delta / d forward."""
    vega: _T
    """USD per 1.00 of volatility."""
    theta: _T
    """USD per year of calendar time."""
    rho: _T
    """USD per 1.00 of rate, ``kind * K * tau * N(kind * d2)``."""
    vanna: _T
    """d delta / d vol."""
    volga: _T
    """d vega / d vol, USD."""
    charm: _T
    """d delta / dt per year of calendar time."""


_MODELS = {"usd": _core.INVERSE, "coin": _core.INVERSE_COIN}
_SLOTS = _arrays.slots(InverseGreeks._fields, inverse=True)


def model_of(numeraire: str) -> int:
    """Code of the model in the core whose Greeks are in that numeraire."""
    if numeraire not in _MODELS:
        raise ValueError(f"numeraire must be 'usd' or 'coin', got {numeraire!r}")
    return _MODELS[numeraire]


@overload
def greeks(
    kind: int | str,
    forward: float,
    strike: float,
    tau: float,
    vol: float,
    *,
    numeraire: Numeraire = "usd",
    out: None = None,
    threads: int = 1,
) -> InverseGreeks[float]: ...
@overload
def greeks(
    kind: int | str | AnySeries,
    forward: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    *,
    numeraire: Numeraire = "usd",
    out: None = None,
    threads: int = 1,
) -> InverseGreeks[FloatSeries]: ...
@overload
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    numeraire: Numeraire = "usd",
    out: InverseGreeks[Floats] | None = None,
    threads: int = 1,
) -> InverseGreeks[Floats]: ...
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    numeraire: Numeraire = "usd",
    out: InverseGreeks[Floats] | None = None,
    threads: int = 1,
) -> InverseGreeks[float] | InverseGreeks[Floats] | InverseGreeks[FloatSeries]:
    """Coin price, deltas and USD Greeks of a coin-settled option.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0. Infinity is allowed.
    numeraire : {'usd', 'coin'}, optional
        Whose value is differentiated: the USD value ``forward * price``, as the exchange
        does, or the coin value, which is what a coin account gains and loses.
    out : InverseGreeks of ndarray, optional
        Float64 arrays of the broadcast shape to write into; it is returned.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    InverseGreeks
        Floats if every argument is a scalar or 0-d, else arrays. NaN where an input is
        NaN or outside its domain, and never otherwise.

    Raises
    ------
    ValueError, TypeError
        As `price`.

    Notes
    -----
    ``net_delta = kind * (K/F) * N(kind * d2)`` is evaluated as such, without the
    cancellation of ``delta - price``: it goes to 0 for a deep call, below -1 for a deep put.

    At ``vol * sqrt(tau) == 0`` the option is worth discounted intrinsic value: delta is the
    slope of that, ``0.5 * kind`` times the discount factor when forward equals strike, and
    gamma, vega, vanna and volga are 0, as are the parts of theta and charm that come from
    volatility. The same holds in the limit of infinite vol, where delta is 1 or 0.

    Examples
    --------
    >>> greeks("call", 60_000.0, 60_000.0, 7 / 365, 0.6).net_delta
    0.4834305...
    """
    model = model_of(numeraire)
    if threads == 1:
        values = _core.greeks_fast(model, kind, forward, strike, tau, vol, 0.0, 0.0, _SLOTS, out)
        if values is not None:
            return out if out is not None else InverseGreeks._make(values)
    numbers = {"forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": 0.0, "dividend": 0.0}
    found = _arrays.greeks(model, kind, numbers, _SLOTS, out, threads)
    return out if out is not None else InverseGreeks._make(found)
