"""How far a price, the time and a volatility moved an option: expanded, or repriced.

Both ways split the change of an option's value over each step of a path into the same lines,
in the price X that the hedge is linear in (see :class:`gammacore.valuation.Sensitivities`):

========  ==================  ===============================================================
line      Taylor expansion    step revaluation, V(X, t, vol) from (0, 0, 0) to (1, 1, 1)
========  ==================  ===============================================================
delta     V_X dX              V_X dX
gamma     V_XX dX^2 / 2       V(1,0,0) - V(0,0,0) - delta
theta     V_t dt              V(0,1,0) - V(0,0,0)
vega      V_v dv              V_v dv
vanna     V_Xv dX dv          V(1,0,1) - V(1,0,0) - V(0,0,1) + V(0,0,0)
volga     V_vv dv^2 / 2       V(0,0,1) - V(0,0,0) - vega
charm     V_Xt dX dt          V(1,1,0) - V(1,0,0) - V(0,1,0) + V(0,0,0)
========  ==================  ===============================================================

``higher_order`` is what they leave of the model's move: everything beyond second order for the
first, for the second only what time and volatility, or all three, do together. Each effect
is repriced from the start of the step, so no order among them is preferred.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import Option, Settlement
from gammacore.valuation import Sensitivities, sensitivities, value

__all__ = ["MODEL_LINES", "Method", "model_lines"]

MODEL_LINES = ("delta", "gamma", "theta", "vega", "vanna", "volga", "charm", "higher_order")
Method = Literal["taylor", "revaluation"]


def model_lines(
    option: Option, forward: Floats, tau: Floats, vol: Floats, model: Floats, method: Method = "taylor"
) -> dict[str, Floats]:
    """Split the moves of a model value into lines.

    Parameters
    ----------
    option : Option
    forward, tau, vol : array, shape (n,)
        USD, years to expiry and decimal volatility along the path.
    model : array, shape (n,)
        Value of one coin of notional there, settlement currency.
    method : {'taylor', 'revaluation'}

    Returns
    -------
    dict of line to array of shape (n - 1,)
        Settlement currency per coin of notional; the lines sum to ``diff(model)``.
    """
    at = sensitivities(option, forward[:-1], tau[:-1], vol[:-1])
    axis = 1.0 / forward if option.settlement is Settlement.INVERSE else forward
    move, passed, change = np.diff(axis), -np.diff(tau), np.diff(vol)
    lines = _first_order(at, move, change)
    if method == "taylor":
        lines |= _second_order(at, move, passed, change)
    else:
        lines |= _repriced(option, forward, tau, vol, model[:-1], lines)
    explained = np.zeros(len(move))
    for line in lines.values():
        explained += line
    return lines | {"higher_order": np.diff(model) - explained}


def _first_order(at: Sensitivities, move: Floats, change: Floats) -> dict[str, Floats]:
    return {"delta": at.delta * move, "vega": at.vega * change}


def _second_order(at: Sensitivities, move: Floats, passed: Floats, change: Floats) -> dict[str, Floats]:
    return {
        "gamma": 0.5 * at.gamma * move**2,
        "theta": at.theta * passed,
        "vanna": at.vanna * (move * change),
        "volga": 0.5 * at.volga * change**2,
        "charm": at.charm * (move * passed),
    }


def _repriced(
    option: Option, forward: Floats, tau: Floats, vol: Floats, start: Floats, first: dict[str, Floats]
) -> dict[str, Floats]:
    was, then, paid = forward[:-1], tau[:-1], vol[:-1]
    price = value(option, forward[1:], then, paid)
    time = value(option, was, tau[1:], paid)
    lines = {
        "gamma": price - start - first["delta"],
        "theta": time - start,
        "vanna": np.zeros(len(start)),
        "volga": np.zeros(len(start)),
        "charm": value(option, forward[1:], tau[1:], paid) - price - time + start,
    }
    k = np.flatnonzero(np.diff(vol))  # most steps lie between two publications
    if k.size:
        moved, both = (value(option, f[k], then[k], vol[k + 1]) for f in (was, forward[1:]))
        lines["vanna"][k] = both - price[k] - moved + start[k]
        lines["volga"][k] = moved - start[k] - first["vega"][k]
    return lines
