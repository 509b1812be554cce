"""Whether a chain lists the strikes that an entry needs.

The strike nearest the forward is at the money only where strikes around the forward are in the chain.
Half a chain (a collection that was cut off, a sweep read row by row) has a nearest strike, too: far away.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from gammacore.contracts import CALL

__all__ = ["NO_FORWARD", "NO_PAIR", "Refusal", "delta_too_far", "listed_step", "nearest", "strike_too_far"]

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


def nearest(strikes: Sequence[float], target: float) -> float:
    """Return the strike nearest a price, of two the lower; ``strikes`` ascend."""
    at = bisect_left(strikes, target)
    return min(strikes[max(at - 1, 0) : at + 1], key=lambda strike: abs(strike - target))


def listed_step(strikes: Sequence[float], target: float, forward: float) -> float:
    """Return the usual distance between listed strikes near one.

    Parameters
    ----------
    strikes : sequence of float
        All that are listed, ascending, each once.
    target, forward : float
        USD.

    Returns
    -------
    float
        Median of the six gaps nearest the target, a tenth of the forward at most; 0 for a single strike.
    """
    at = bisect_left(strikes, target)
    near = list(pairwise(strikes[max(at - GAPS - 1, 0) : at + GAPS + 1]))
    if not near:
        return 0.0
    near.sort(key=lambda gap: abs(0.5 * (gap[1] + gap[0]) - target))
    gaps = sorted(high - low for low, high in near[:GAPS])
    middle = len(gaps) // 2
    return min((gaps[middle] + gaps[~middle]) / 2, LARGEST_STEP * forward)


def strike_too_far(usable: Sequence[float], listed: Sequence[float], target: float, forward: float) -> str:
    """Say why the strike nearest a target is none, or nothing.

    It may be a listed step away, or half a step where no strike lies beyond the target, or 2 % of the forward
    if that is more; and strikes on either side may be three steps apart, or 4 % of the forward.

    Parameters
    ----------
    usable, listed : sequence of float
        Strikes with marks, and all of the expiry; ascending, each once.
    target : float
        What is looked for: the forward, or the strike of a delta.
    forward : float

    Returns
    -------
    str
        Empty where it is near enough.
    """
    found = nearest(usable, target)
    step, off = listed_step(listed, target, forward), abs(found - target)
    above = bisect_left(usable, target)
    inside = 0 < above < len(usable) or found == target
    what = "the forward" if target == forward else "the wanted strike"
    if off > max(step if inside else 0.5 * step, NEAR * forward):
        side = "" if inside else ", no strike beyond it"
        return (
            f"nearest strike {found:,.10g} is {off / forward:.1%} from {what} {target:,.6g} "
            f"(step {step:,.10g}{side}): half a chain"
        )
    apart = usable[above] - usable[above - 1] if 0 < above < len(usable) else 0.0
    if apart > max(WIDE * step, 2.0 * NEAR * forward):
        return (
            f"strikes around {what} {target:,.6g} are {usable[above - 1]:,.10g} and {usable[above]:,.10g}, "
            f"{apart / step:.1f} listed steps of {step:,.10g} apart: half a chain"
        )
    return ""


def delta_too_far(
    usable: Sequence[float],
    listed: Sequence[float],
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
    usable, listed : sequence of float
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
