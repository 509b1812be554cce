"""What a gamma scalper asks of an episode: what was paid, what came, how much of it was captured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gammacore import black76
from gammacore.attribution import Attribution
from gammacore.daycount import DAYS_PER_YEAR
from gammacore.episode import Episode
from gammacore.ledger import Money
from gammacore.volatility import realised_vol

from ..replay.tape import Tape

LEAST = 0.01  # of theta: with less gamma profit, net of theta, a ratio to it says nothing


class Captured(NamedTuple):
    """Profit against gamma and theta; NaN where there is nothing to compare it with."""

    ratio: float
    gamma_over_theta: float


def entry_vol(episode: Episode, tape: Tape, first: int) -> float:
    """Mean mark volatility of the options at entry ``first``: the implied volatility paid."""
    return float(np.mean([tape.iv(option, first, first + 1)[0] for option in episode.entered]))


def rv_at_hedges(episode: Episode, parts: Attribution) -> float:
    """Volatility that the hedges saw: of the forward at the hedge fills alone, annualised.

    The square root of the sum of squared log changes from hedge to hedge over the time between
    the first and the last; NaN for fewer than two. Coarser than the tape by choice of the policy.
    """
    seen = np.unique(parts.at[parts.points(episode.hedge_fills().ts_ns)])
    return realised_vol(parts.ts_ns[parts.entries[seen]], parts.forward[seen])


def breakeven_move_a_day(episode: Episode, tape: Tape, first: int) -> float:
    """Move of the forward that pays for one day of theta at entry, in USD.

    ``sqrt(-2 theta / (365 gamma))`` of the USD value of all options, theta per year. At one
    volatility and without rates theta is ``-gamma F^2 vol^2 / 2``, and the move
    ``F vol / sqrt(365)``.
    """
    gamma = theta = 0.0
    for option, amount in episode.entered.items():
        forward, tau, vol = (
            float(values[0])
            for values in (
                tape.forward(option.expiry_ns, first, first + 1),
                tape.tau(option.expiry_ns, first, first + 1),
                tape.vol(option, first, first + 1),
            )
        )
        found = black76.sensitivities(("gamma", "theta"), option.kind, forward, option.strike, tau, vol)
        gamma, theta = gamma + amount * found[0], theta + amount * found[1]
    return math.sqrt(-2.0 * theta / (DAYS_PER_YEAR * gamma)) if gamma * theta < 0 else math.nan


def captured(totals: Mapping[str, Money], profit: Money, native: int) -> Captured:
    """How much of what gamma earned beyond theta was kept, settlement currency.

    Parameters
    ----------
    totals : mapping of line to Money
        Attribution of an episode or of a run.
    profit : Money
        What was earned in all, after all costs.
    native : {0, 1}
        Which currency the contracts settle in: coin or USD.

    Returns
    -------
    Captured
        ``ratio`` is the profit over gamma + theta, which is what hedging all the time and
        for nothing would have earned at the volatility that was paid: the sum over the tape of
        Gamma S^2 (realised - implied variance) / 2. It is NaN unless that favoured the bet: of a
        loss there is no share to keep. ``gamma_over_theta`` is gamma earned over theta
        paid, or theta earned over gamma paid of the short side.
    """
    gamma, theta = totals["gamma"][native], totals["theta"][native]
    edge = gamma + theta
    ratio = profit[native] / edge if edge > LEAST * abs(theta) else math.nan
    return Captured(ratio, -gamma / theta if theta else math.nan)
