"""Whether a chain lists the strikes that an entry needs.

The strike nearest the forward is at the money only where strikes around the forward are in the chain.
Half a chain (a collection that was cut off, a sweep read row by row) has a nearest strike, too: far away.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import CALL

__all__ = ["NO_FORWARD", "NO_PAIR", "Refusal", "delta_too_far", "listed_step", "strike_too_far"]

NEAR = 0.02  # of the forward: always near enough
LARGEST_STEP = 0.1  # of the forward: strikes further apart are holes
WIDE = 3.0  # steps between the strikes on either side: more is a hole
GAPS = 6  # between strikes, nearest the one that is looked for, whose median is the step
DELTA_OFF, DELTA_RATIO = 0.1, 2.0

NO_FORWARD = "the chain has no forward of the expiry"
NO_PAIR = "no call and put with a mark and a volatility"


class Refusal(msgspec.Struct, frozen=True):
    """An entry that was not made: strikes are missing, or it would leave too much margin in use.

    Attributes
    ----------
    expiry_ns : int
    first_ns, last_ns : int
        First and last chain at which it was refused.
    why : str
        At the first.
    chains : int
        At how many.
    """

    expiry_ns: int
    first_ns: int
    last_ns: int
    why: str
    chains: int = 1

    def at(self, ts_ns: int) -> Refusal:
        """Return the refusal with another chain; one that was counted changes nothing."""
        if ts_ns <= self.last_ns:
            return self
        return msgspec.structs.replace(self, last_ns=ts_ns, chains=self.chains + 1)


def listed_step(strikes: Floats, target: float, forward: float) -> float:
    """Return the usual distance between listed strikes near one.

    Parameters
    ----------
    strikes : array, shape (n,)
        All that are listed, ascending, each once.
    target, forward : float
        USD.

    Returns
    -------
    float
        Median of the six gaps nearest the target, a tenth of the forward at most; 0 for a single strike.
    """
    gaps = np.diff(strikes)
    if not gaps.size:
        return 0.0
    middle = 0.5 * (strikes[1:] + strikes[:-1])
    nearest = np.argsort(np.abs(middle - target), kind="stable")[:GAPS]
    return min(float(np.median(gaps[nearest])), LARGEST_STEP * forward)


def strike_too_far(usable: Floats, listed: Floats, target: float, forward: float) -> str:
    """Say why the strike nearest a target is none, or nothing.

    It may be a listed step away, or half a step where no strike lies beyond the target, or 2 % of the forward
    if that is more; and strikes on either side may be three steps apart, or 4 % of the forward.

    Parameters
    ----------
    usable, listed : array, shape (n,), (m,)
        Strikes with marks, and all of the expiry; ascending, each once.
    target : float
        What is looked for: the forward, or the strike of a delta.
    forward : float

    Returns
    -------
    str
        Empty where it is near enough.
    """
    nearest = float(usable[np.argmin(np.abs(usable - target))])
    step, off = listed_step(listed, target, forward), abs(nearest - target)
    above = int(np.searchsorted(usable, target))
    inside = 0 < above < usable.size or nearest == target
    what = "the forward" if target == forward else "the wanted strike"
    if off > max(step if inside else 0.5 * step, NEAR * forward):
        side = "" if inside else ", no strike beyond it"
        return (
            f"nearest strike {nearest:,.10g} is {off / forward:.1%} from {what} {target:,.6g} "
            f"(step {step:,.10g}{side}): half a chain"
        )
    apart = float(usable[above] - usable[above - 1]) if 0 < above < usable.size else 0.0
    if apart > max(WIDE * step, 2.0 * NEAR * forward):
        return (
            f"strikes around {what} {target:,.6g} are {usable[above - 1]:,.10g} and {usable[above]:,.10g}, "
            f"{apart / step:.1f} listed steps of {step:,.10g} apart: half a chain"
        )
    return ""


def delta_too_far(
    usable: Floats,
    listed: Floats,
    forward: float,
    kind: int,
    wanted: float,
    picked: tuple[float, float, float],
    tau: float,
) -> str:
    """Say why the option nearest a delta is none, or nothing.

    A delta that is off by more than 0.1, or by a factor of two, is refused where the strike of the wanted
    delta is further away than the listed steps explain; see :func:`strike_too_far`.

    Parameters
    ----------
    usable, listed : array, shape (n,), (m,)
        Strikes of the kind with marks, and all of the expiry.
    forward : float
    kind : {+1, -1}
    wanted : float
        Size of the Black delta.
    picked : tuple of float
        Strike, delta and volatility of the option.
    tau : float
        Years.
    """
    strike, delta, vol = picked
    size = kind * delta
    if abs(size - wanted) <= DELTA_OFF and wanted / DELTA_RATIO <= size <= wanted * DELTA_RATIO:
        return ""
    from scipy.special import ndtri

    # The strike at which the plain Black delta N(d1) (a put's: N(d1) - 1) is the wanted one.
    d1 = float(ndtri(wanted if kind == CALL else 1.0 - wanted))
    sd = vol * math.sqrt(tau)
    target = forward * math.exp(sd * (0.5 * sd - d1))
    why = strike_too_far(usable, listed, target, forward)
    return f"delta {delta:+.2f} at {strike:,.10g} for {kind * wanted:+.2f}: {why}" if why else ""
