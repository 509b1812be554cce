"""How likely a hedge that rests at its own side fills before its patience ends, and what that costs.

Bars do not say what happened within seconds. Between two of them the price is taken for a Brownian motion
that is seen once a second; that it is seen at every moment, or only when the patience ends, are the two ends
of the error band. The law and its sources are in ``src_pyx/resting.h``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from gammacore.daycount import NS_PER_SECOND, NS_PER_YEAR

LOOKS_S = 1.0  # seconds between two prices that a resting order may fill at
OFTEN_S, ONCE_S = 0.0, math.inf  # the ends of the error band
SECONDS_PER_YEAR = NS_PER_YEAR / NS_PER_SECOND
TYPICAL_VOL = 0.5  # where a cost is reckoned with and no market is at hand
OVERSHOOT = 0.5825971579390107  # of a price seen at steps over a barrier: -zeta(1/2)/sqrt(2 pi)

__all__ = ["LOOKS_S", "OFTEN_S", "ONCE_S", "SECONDS_PER_YEAR", "TYPICAL_VOL", "Expected", "expected"]


class Expected(NamedTuple):
    """What a hedge is expected to cost, one way.

    Attributes
    ----------
    maker_share : float
        Chance that it fills while it rests.
    fee, slippage : float
        Fee, and price against the mark at the decision, as shares of notional.
    """

    maker_share: float
    fee: float
    slippage: float

    @property
    def cost(self) -> float:
        """Both together."""
        return self.fee + self.slippage


def expected(
    hedges: str, half_spread: float, taker: float, maker: float, patience_s: float, vol: float = TYPICAL_VOL
) -> Expected:
    """Return what a hedge costs on average.

    Parameters
    ----------
    hedges : {'post_only', 'taker', 'maker'}
        See ``execution.hedges`` in the configuration.
    half_spread : float
        Of the hedge contract, as a share of its price.
    taker, maker : float
        Fees as shares of notional.
    patience_s : float
        Seconds that a hedge rests.
    vol : float
        Volatility of the price, a year.

    Returns
    -------
    Expected

    Notes
    -----
    With a = half spread, s = vol sqrt(patience) and A = a + 0.5826 vol sqrt(1 s), the share p of fills is
    2 N(-A/s), by reflection and the correction for a price that is seen once a second (Broadie, Glasserman &
    Kou 1997). What fills finds the price A away and not a; the mean move is nil, so the price costs
    p (A - a) + (1 - p) a: a resting hedge earns no spread, it saves fees.
    """
    if hedges == "taker":
        return Expected(0.0, taker, half_spread)
    if hedges == "maker":
        return Expected(1.0, maker, -half_spread)
    second = vol / math.sqrt(SECONDS_PER_YEAR)
    moved, beyond = second * math.sqrt(patience_s), OVERSHOOT * second * math.sqrt(min(LOOKS_S, patience_s))
    share = math.erfc((half_spread + beyond) / moved / math.sqrt(2.0)) if moved > 0.0 else 0.0
    fee = share * maker + (1.0 - share) * taker
    return Expected(share, fee, share * beyond + (1.0 - share) * half_spread)
