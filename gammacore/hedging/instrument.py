"""Which contract to hedge with: the one that is expected to cost less."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gammacore.contracts import Future, Perpetual

__all__ = ["Candidate", "cheapest", "expected_cost", "expected_turnover"]


class Candidate(NamedTuple):
    """A contract to hedge with.

    Attributes
    ----------
    instrument : Future or Perpetual
    fee : float
        One-way cost of trading it, as a fraction of notional.
    carry : float
        What a long position costs per year, as a fraction of notional: the funding rate of
        a perpetual, ln(F/S)/T of a future, whose premium is gone at expiry.
    """

    instrument: Future | Perpetual
    fee: float
    carry: float


def expected_turnover(vega: float, price: float, tau: float, hedges: float) -> float:
    """Coins that are expected to be traded over the life of options hedged by time.

    Parameters
    ----------
    vega : float
        Of the options, USD per 1.00 of volatility.
    price : float
        USD.
    tau : float
        Years.
    hedges : float
        How many hedges.

    Notes
    -----
    ``vega / price * sqrt(2 hedges / (pi tau))`` when hedged at the volatility that is realised
    (Leland 1985); first and last trade not counted.
    """
    return abs(vega) / price * math.sqrt(2.0 * hedges / (math.pi * tau)) if tau > 0 else 0.0


def expected_cost(candidate: Candidate, delta: float, turnover: float, tau: float) -> float:
    """Return the expected cost of a hedge, as a fraction of one coin.

    Parameters
    ----------
    candidate : Candidate
    delta : float
        Coins that the hedge is to hold on average, signed.
    turnover : float
        Coins traded beside the first trade.
    tau : float
        Years that it is held.
    """
    return candidate.fee * (abs(delta) + turnover) + candidate.carry * delta * tau


def cheapest(candidates: Sequence[Candidate], delta: float, turnover: float, tau: float) -> Candidate:
    """Candidate with the least expected cost; the first of equals."""
    return min(candidates, key=lambda candidate: expected_cost(candidate, delta, turnover, tau))
