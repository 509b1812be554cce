"""Hedges of a session beside the same orders worked against what was recorded meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gammacore.contracts import Settlement
from gammacore.daycount import NS_PER_SECOND, format_time
from gammacore.events import Fill
from gammacore.execution.sent import WorkedHedge
from gammacore.fees import FeeSchedule, future_fee
from gammacore.orders import Order

from ..replay.queue_fills import QueueFill
from ..replay.recorded_hedges import RecordedHedges
from .performance import number

__all__ = ["FillParity", "HedgePair", "fill_parity"]


class HedgePair(NamedTuple):
    """One hedge as it was and as it is simulated; amounts in the exchange's unit, prices in USD.

    Attributes
    ----------
    ts_ns : int
        When it was decided.
    amount : float
        Asked for, signed.
    filled, simulated : float
        Of it.
    price, simulated_price : float
        Mean of the fills; NaN without one.
    maker, simulated_maker : float
        Share that was filled at rest.
    later_s : float
        Seconds from the last simulated fill to the last real one.
    fee, simulated_fee : float
        Settlement currency, positive when paid.
    cost : float
        What the real fills cost more than the simulated ones: price and fee, settlement currency.
    """

    ts_ns: int
    amount: float
    filled: float
    simulated: float
    price: float
    simulated_price: float
    maker: float
    simulated_maker: float
    later_s: float
    fee: float
    simulated_fee: float
    cost: float


class FillParity(NamedTuple):
    """All hedges of a session that could be compared, and those that could not.

    Attributes
    ----------
    pairs : tuple of HedgePair
        Filled in the session and simulated.
    without_book : int
        The book was not known.
    unfilled, neither : int
        Filled on one side alone, and on none: the session gave them up, and so did the simulation.
    told : dict of str to int
        What the book counted.
    """

    pairs: tuple[HedgePair, ...]
    without_book: int
    unfilled: int
    neither: int
    told: dict[str, int]

    def summary(self) -> dict[str, Any]:
        """Figures over all hedges; None where there is none."""
        pairs = self.pairs
        filled = np.array([abs(pair.filled) for pair in pairs])
        fees = math.fsum(pair.fee for pair in pairs)
        cost = math.fsum(pair.cost for pair in pairs)
        off = [(p.price / p.simulated_price - 1.0) * math.copysign(1e4, p.amount) for p in pairs]
        return {
            "hedges": len(pairs) + self.without_book + self.unfilled + self.neither,
            "compared": len(pairs),
            "without_book": self.without_book,
            "unfilled": self.unfilled,
            "neither": self.neither,
            "maker_share": _weighted([pair.maker for pair in pairs], filled),
            "simulated_maker_share": _weighted([pair.simulated_maker for pair in pairs], filled),
            "price_bp": _weighted(off, filled),
            "later_s_median": number(float(np.median([p.later_s for p in pairs]))) if pairs else None,
            "fees": fees,
            "simulated_fees": math.fsum(pair.simulated_fee for pair in pairs),
            "cost": cost,
            "cost_over_fees": cost / abs(fees) if fees else None,
            "book": self.told,
        }

    def rows(self) -> list[dict[str, Any]]:
        """One dict a hedge."""
        return [{"time": format_time(pair.ts_ns)} | pair._asdict() for pair in self.pairs]


def _weighted(values: Sequence[float], weights: Any) -> float | None:
    return number(float(np.average(values, weights=weights))) if len(values) and weights.sum() > 0 else None


def fill_parity(hedges: Sequence[WorkedHedge], recorded: RecordedHedges, fees: FeeSchedule) -> FillParity:
    """Work the hedges of a session again.

    Parameters
    ----------
    hedges : sequence of WorkedHedge
        In the order of their decisions; with what was sent for them they are worked by that.
    recorded : RecordedHedges
        The book that was recorded meanwhile.
    fees : FeeSchedule
        For the simulated fills.

    Returns
    -------
    FillParity
        Pairs without hedges that were not filled on both sides, and those whose book is not known.
    """
    pairs: list[HedgePair] = []
    without_book = unfilled = neither = 0
    for order, ts_ns, fills, sent in sorted(hedges, key=lambda hedge: hedge.ts_ns):
        parts = recorded.work(order, ts_ns, sent)
        if parts is None:
            without_book += 1
        elif not fills and not parts:
            neither += 1
        elif not fills or not parts:
            unfilled += 1
        else:
            pairs.append(_pair(order, ts_ns, fills, parts, recorded, fees))
    return FillParity(tuple(pairs), without_book, unfilled, neither, recorded.told())


def _pair(
    order: Order,
    ts_ns: int,
    fills: Sequence[Fill],
    parts: list[QueueFill],
    recorded: RecordedHedges,
    schedule: FeeSchedule,
) -> HedgePair:
    asked = order.legs[0].amount
    side = math.copysign(1.0, asked)
    amounts, shown = [abs(fill.amount) for fill in fills], [part.amount for part in parts]
    price, other = _mean([f.price for f in fills], amounts), _mean([p.price for p in parts], shown)
    rates, perpetual = schedule.at(ts_ns), recorded.perpetual
    paid = math.fsum(fill.fee for fill in fills)
    # Fees of as much as was really filled: the rest is another decision.
    scale = sum(amounts) / sum(shown)
    simulated = scale * math.fsum(
        float(future_fee(rates, perpetual, part.amount, part.price, maker=part.maker)) for part in parts
    )
    if perpetual.settlement is Settlement.INVERSE:
        worse = side * sum(amounts) * (1.0 / other - 1.0 / price)
    else:
        worse = side * sum(amounts) * (price - other)
    return HedgePair(
        ts_ns,
        asked,
        side * sum(amounts),
        side * sum(shown),
        price,
        other,
        _mean([float(fill.maker) for fill in fills], amounts),
        _mean([float(part.maker) for part in parts], shown),
        (max(fill.ts_ns for fill in fills) - max(part.ts_ns for part in parts)) / NS_PER_SECOND,
        paid,
        simulated,
        worse + paid - simulated,
    )


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return float(np.average(values, weights=weights))
