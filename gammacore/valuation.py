"""Value and deltas of one option contract, in the currency that it settles in.

The one place that knows which pricing function belongs to which settlement. Everything
takes scalars or arrays alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gammacore import black76, inverse
from gammacore.array_types import Floats
from gammacore.contracts import Option, Settlement
from gammacore.daycount import SETTLEMENT_WINDOW_NS

__all__ = [
    "Exposure",
    "Sensitivities",
    "Shape",
    "delta",
    "exposure",
    "parity",
    "sensitivities",
    "settlement_weight",
    "shape",
    "value",
]


class Exposure(NamedTuple):
    """Value of one coin of notional and its deltas, in coin.

    ``value`` is in the settlement currency. ``delta`` is N(d1) (minus N(-d1) for a put);
    ``net_delta`` is the coin that a position in the same settlement must hold against it:
    premium adjusted for an inverse option, equal to ``delta`` for a linear one.
    """

    value: Any
    delta: Any
    net_delta: Any


class Shape(NamedTuple):
    """Deltas of one coin of notional (see :class:`Exposure`) and how they and the value bend.

    ``gamma`` is the change of ``delta`` per USD of the forward, ``vega`` the change of the
    value in USD per 1.00 of volatility over the forward, both the same for either settlement.
    """

    delta: Any
    net_delta: Any
    gamma: Any
    vega: Any


class Sensitivities(NamedTuple):
    """Derivatives of the value with respect to the price that a hedge is linear in.

    For an inverse option that is X = 1/forward (value in coin), for a linear one the
    forward itself (value in USD). ``theta`` is per year of calendar time, ``vega`` per 1.00;
    ``vanna`` is d delta / d vol, ``volga`` d vega / d vol, ``charm`` d delta / dt.
    """

    price: Any
    delta: Any
    gamma: Any
    theta: Any
    vega: Any
    vanna: Any
    volga: Any
    charm: Any


def settlement_weight(expiry_ns: int, ts_ns: Any) -> Any:
    """Share of the delta that is left: within 30 minutes of expiry the payoff's average fixes linearly.

    ``ts_ns`` is an integer or an integer array; the weight is 1 before the window and 0 at expiry.
    """
    if isinstance(ts_ns, np.ndarray):
        return np.clip((expiry_ns - ts_ns) / SETTLEMENT_WINDOW_NS, 0.0, 1.0)
    return min(max((expiry_ns - ts_ns) / SETTLEMENT_WINDOW_NS, 0.0), 1.0)


def exposure(option: Option, forward: Any, tau: Any, vol: Any) -> Exposure:
    """Value and deltas of an option at a forward, years to expiry and volatility."""
    case = option.kind, forward, option.strike, tau, vol
    if option.settlement is Settlement.INVERSE:
        return Exposure(*inverse.sensitivities(("price", "delta", "net_delta"), *case))
    value, delta = black76.sensitivities(("price", "delta"), *case)
    return Exposure(value, delta, delta)


def delta(option: Option, forward: Any, tau: Any, vol: Any, plain: bool) -> Any:
    """Compute one delta of :class:`Exposure` alone: ``delta`` if plain, else ``net_delta``."""
    if option.settlement is Settlement.LINEAR:
        return black76.sensitivities(("delta",), option.kind, forward, option.strike, tau, vol)[0]
    wanted = ("delta",) if plain else ("net_delta",)
    return inverse.sensitivities(wanted, option.kind, forward, option.strike, tau, vol)[0]


def shape(option: Option, forward: Any, tau: Any, vol: Any) -> Shape:
    """Deltas, gamma and vega of an option at a volatility that need not be its mark's."""
    case = option.kind, forward, option.strike, tau, vol
    if option.settlement is Settlement.INVERSE:
        return Shape(*inverse.sensitivities(("delta", "net_delta", "gamma", "vega"), *case))
    delta, gamma, vega = black76.sensitivities(("delta", "gamma", "vega"), *case)
    return Shape(delta, delta, gamma, vega)


def parity(option: Option, forward: Any, other: Exposure) -> Exposure:
    """Exposure of an option from that of the call or put of the same strike, expiry and volatility.

    ``C - P = F - K`` and its derivatives; over the forward for an inverse option. Exact to
    the last bits of the larger of the two, and a third of the work of pricing anew.
    """
    inverse = option.settlement is Settlement.INVERSE
    more = 1.0 - option.strike / forward if inverse else forward - option.strike  # that the call is worth
    delta = parity_delta(option, forward, other, plain=True)
    net = parity_delta(option, forward, other, plain=False) if inverse else delta
    return Exposure(other.value + option.kind * more, delta, net)


def same_vols(some: float | Floats, others: float | Floats) -> bool:
    """Whether volatilities along a path, or one for all of it, are the same, as :func:`parity` asks."""
    if isinstance(some, float) and isinstance(others, float):
        return some == others
    return np.array_equal(some, others)


def parity_delta(option: Option, forward: Any, other: Exposure, *, plain: bool) -> Any:
    """Compute one delta of :func:`parity` alone."""
    if plain or option.settlement is not Settlement.INVERSE:
        return other.delta + option.kind
    return other.net_delta + option.kind * (option.strike / forward)


def sensitivities(option: Option, forward: Any, tau: Any, vol: Any) -> Sensitivities:
    """Value and the derivatives that attribution expands in.

    Notes
    -----
    With c(X) = X V(1/X) the coin value of an inverse option, V its USD value as a function of F:
    dc/dX = V - F V_F = -F (net delta) and d2c/dX2 = F^3 V_FF. So a position hedged in inverse
    futures, whose value is linear in X, has no first-order term, and its second-order term is
    the familiar gamma. The first of these once more in volatility and in time gives
    vanna = V_v - F V_Fv and charm = V_t - F V_Ft.
    """
    case = option.kind, forward, option.strike, tau, vol
    if option.settlement is not Settlement.INVERSE:
        return Sensitivities(*black76.sensitivities(Sensitivities._fields, *case))
    price, net, gamma, theta, vega, vanna, volga, charm = inverse.sensitivities(
        ("price", "net_delta", *Sensitivities._fields[2:]), *case
    )
    return Sensitivities(
        price,
        delta=-forward * net,
        gamma=forward**3 * gamma,
        theta=theta / forward,
        vega=vega / forward,
        vanna=vega - forward * vanna,
        volga=volga / forward,
        charm=theta - forward * charm,
    )


def value(option: Option, forward: Any, tau: Any, vol: Any) -> Any:
    """Value of one coin of notional in the settlement currency."""
    model = inverse.price if option.settlement is Settlement.INVERSE else black76.price
    return model(option.kind, forward, option.strike, tau, vol)
