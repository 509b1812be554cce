"""A whole chain of coin-settled options in one pass: from mark prices to vols and Greeks.

The calls a hedger makes at every tick. Forward and time to expiry are one number for one expiry,
or arrays for a chain of several; broadcasting does the rest. Each call is a single run over
the options, without temporary arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammacore import _arrays, _core, _lazy, inverse
from gammacore.array_types import Floats

if TYPE_CHECKING:
    import pandas as pd

    from gammacore.array_types import AnySeries, FloatSeries, IntSeries

__all__ = ["ChainGreeks", "analyse", "vol_interval"]

_T = TypeVar("_T", Floats, "FloatSeries")
_Codes = TypeVar("_Codes", NDArray[np.int8], "IntSeries")


class ChainGreeks(NamedTuple, Generic[_T, _Codes]):
    """What a chain's prices say: arrays or Series of one shape; NaN where a price has no volatility.

    The Greeks are those of `gammacore.inverse.InverseGreeks`, at each option's own implied
    volatility.
    """

    vol: _T
    """Implied volatility."""
    status: _Codes
    """Codes of `gammacore.IVStatus`."""
    delta: _T
    """``kind * N(kind * d1)``; in coin, d price / d forward."""
    net_delta: _T
    """Coin position that hedges the option's coin value: ``kind * K/F * N(kind * d2)``."""
    gamma: _T
    """Second derivative in the forward."""
    vega: _T
    """Per 1.00 of volatility."""
    theta: _T
    """Per year of calendar time."""
    rho: _T
    """Per 1.00 of rate."""
    vanna: _T
    """d delta / d vol."""
    volga: _T
    """d vega / d vol."""
    charm: _T
    """d delta / dt per year of calendar time."""


_SLOTS = _arrays.slots(ChainGreeks._fields[2:], inverse=True)


@overload
def analyse(kind: pd.DataFrame, *, at: Any = None) -> pd.DataFrame: ...
@overload
def analyse(
    kind: ArrayLike,
    price: AnySeries,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    numeraire: inverse.Numeraire = "usd",
    threads: int = 1,
) -> ChainGreeks[FloatSeries, IntSeries]: ...
@overload
def analyse(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    numeraire: inverse.Numeraire = "usd",
    threads: int = 1,
) -> ChainGreeks[Floats, NDArray[np.int8]]: ...
def analyse(
    kind: Any,
    price: ArrayLike | None = None,
    forward: ArrayLike | None = None,
    strike: ArrayLike | None = None,
    tau: ArrayLike | None = None,
    *,
    numeraire: inverse.Numeraire = "usd",
    threads: int = 1,
    at: Any = None,
) -> Any:
    """Implied vol, its status, Greeks and net delta from prices in coin.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those, or DataFrame
        Call or put. An int8 array is the fastest. A DataFrame is a whole chain, with columns as of the
        exchange, tardis.dev or gammacore; nothing else is then given but `at`.
    price : array_like
        Option prices in coin, such as marks.
    forward : array_like
        Forward price F > 0 of the expiry, or of each option's.
    strike : array_like
        Strikes K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    numeraire : {'usd', 'coin'}, optional
        Whose value the Greeks differentiate, see `gammacore.inverse.greeks`.
    threads : int, optional
        How many threads to share large chains among; 1, the default, starts none.
    at : time, optional
        Of a DataFrame without times.

    Returns
    -------
    ChainGreeks or DataFrame
        Arrays of the broadcast shape; for a DataFrame one on its index, see `gammacore.api.frames.analysed`.

    Raises
    ------
    ValueError, TypeError
        As `gammacore.inverse.price`. A price without a volatility is never an exception.

    Examples
    --------
    >>> chain = analyse([1, -1], [0.0331389684, 0.1054411330], 60_000.0, [60_000.0, 66_000.0], 7 / 365)
    >>> chain.vol.round(6), chain.net_delta.round(6)
    (array([0.6, 0.6]), array([ 0.483431, -0.970972]))
    """
    if price is None and hasattr(kind, "columns"):
        return _lazy.analysed(kind, at=at)
    if price is None or forward is None or strike is None or tau is None:
        raise TypeError("analyse: expected kind, price, forward, strike and tau, or a DataFrame")
    numbers = {
        "forward": forward,
        "strike": strike,
        "tau": tau,
        "price": price,
        "rate": 0.0,
        "dividend": 0.0,
    }
    vol, status, greeks = _arrays.analyse(inverse.model_of(numeraire), kind, numbers, _SLOTS, threads)
    return ChainGreeks(vol, status, *greeks)


@overload
def vol_interval(
    kind: ArrayLike,
    price: AnySeries,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    tick: ArrayLike,
    *,
    threads: int = 1,
) -> tuple[FloatSeries, FloatSeries]: ...
@overload
def vol_interval(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    tick: ArrayLike,
    *,
    threads: int = 1,
) -> tuple[Floats, Floats]: ...
def vol_interval(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    tick: ArrayLike,
    *,
    threads: int = 1,
) -> Any:
    """Interval of implied vol that a price rounded to a tick leaves open.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put.
    price : array_like
        Option prices in coin, rounded to the tick.
    forward : array_like
        Forward price F > 0.
    strike : array_like
        Strikes K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    tick : array_like
        Tick size in coin, >= 0: the true price is within half of it.
    threads : int, optional
        How many threads to share large chains among; 1, the default, starts none.

    Returns
    -------
    low, high : ndarray
        Vols of ``price - tick / 2`` and ``price + tick / 2``. `low` is 0 where that price is at or
        below intrinsic value, `high` infinite where it reaches the upper bound; NaN where an input is
        NaN or outside its domain or the option has expired.

    Raises
    ------
    ValueError, TypeError
        As `gammacore.inverse.price`.

    Examples
    --------
    >>> low, high = vol_interval("call", [0.0331, 0.0001], 60_000.0, [60_000.0, 80_000.0], 7 / 365, 0.0001)
    >>> low.round(4), high.round(4)
    (array([0.5984, 0.7027]), array([0.6002, 0.7806]))
    """
    numbers = {"forward": forward, "strike": strike, "tau": tau, "price": price, "rate": 0.0, "tick": tick}
    return _arrays.vol_interval(_core.INVERSE, kind, numbers, threads)
