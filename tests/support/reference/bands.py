"""Long-run laws of bands, that simulated and expected hedges are held to."""

import math
from typing import NamedTuple

from gammacore.hedging.theory import MONITORING


class BandLaw(NamedTuple):
    """Long-run averages of a hedge whose mismatch is a Brownian motion.

    ``turnover`` in coin a year, ``trades`` a year (infinite to the edge in continuous time),
    ``mean_square`` of the mismatch in coin^2.
    """

    turnover: float
    trades: float
    mean_square: float


def band_law(rule, speed, size, step=0.0):
    """Turnover and tracking error of a rule at constant gamma.

    Parameters
    ----------
    rule : {'edge', 'centre', 'time'}
        Trade to the nearest edge of a band or to its centre, or to zero at fixed times.
    speed : float
        Of the mismatch: gamma * price * vol, coin per root year.
    size : float
        Half-width in coin, or years between hedges.
    step : float
        Years between two looks at a band; 0 is continuous. The band then acts as one that is wider
        by MONITORING standard deviations of a step.

    Notes
    -----
    Edge: s^2/(2H) and H^2/3. Centre: s^2/H, s^2/H^2 trades, H^2/6. Time: s sqrt(2/(pi d)), 1/d, s^2 d/2.
    """
    if rule == "time":
        return BandLaw(speed * math.sqrt(2.0 / (math.pi * size)), 1.0 / size, 0.5 * speed**2 * size)
    width = size + MONITORING * speed * math.sqrt(step)
    if rule == "edge":
        return BandLaw(speed**2 / (2.0 * width), math.inf, width**2 / 3.0)
    if rule == "centre":
        return BandLaw(speed**2 / width, (speed / width) ** 2, width**2 / 6.0)
    raise ValueError(f"rule: expected edge, centre or time, got {rule!r}")
