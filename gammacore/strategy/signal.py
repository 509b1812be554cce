"""Whether an entry pays by its break-even: bought (or sold) only if a forecast says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.breakeven import Breakevens, Positions, TradePlan, breakevens
from gammacore.breakeven.recalibration import Correction, Recalibration
from gammacore.contracts import Future, Perpetual
from gammacore.daycount import NS_PER_YEAR
from gammacore.events import ChainSlice
from gammacore.fees import FeeSchedule
from gammacore.hedging import Policy
from gammacore.margin import MarginSchedule
from gammacore.strategy.structures import Picked
from gammacore.volatility import Density
from gammacore.volatility.forecast_errors import ForecastErrors
from gammacore.volatility.price_law import PriceLaw

__all__ = ["Signal"]

UNKNOWN = 0.3  # deviation of the logarithm of what is realised from a forecast whose errors are not known


class Signal(msgspec.Struct, frozen=True):
    """What an entry must promise. Pure: of the chain, and the forecast and funding that came with it.

    Attributes
    ----------
    policy : Policy
        How it will be hedged.
    hedge_cost : callable(Future or Perpetual, ts_ns) -> float
        One way, as a fraction of notional.
    instrument : {'perpetual', 'future'}
        What it will be hedged with.
    fees : FeeSchedule or None
        Of options and deliveries.
    long : bool
    fill : {'cross', 'mid', 'mark'}
    exit_before_ns : int or None
        See :class:`gammacore.breakeven.TradePlan`.
    log_sd : float or None
        Deviation of the logarithm of the volatility that will be realised from its forecast.
    min_probability : float or None
        Least probability of a profit.
    min_edge : float or None
        Least distance between forecast and break-even volatility.
    margin : MarginSchedule
        What the exchange asks for as collateral.
    look_every : float
        Years between two prices that the policy sees.
    errors : ForecastErrors or None
        Of the forecast over each horizon, without ``log_sd``; they move its median, too.
    law : PriceLaw or None
        How the variance that is realised comes; None evenly, and without jumps.
    recalibration : Recalibration or None
        Corrects the probability by lives that had ended; None takes it as it is told.
    units : float
        See :class:`gammacore.breakeven.TradePlan`.
    """

    policy: Policy
    hedge_cost: Callable[[Future | Perpetual, int], float]
    instrument: Literal["perpetual", "future"]
    fees: FeeSchedule | None
    long: bool
    fill: Literal["cross", "mid", "mark"]
    exit_before_ns: int | None
    log_sd: float | None
    min_probability: float | None = None
    min_edge: float | None = None
    margin: MarginSchedule = MarginSchedule()
    look_every: float = 0.0
    errors: ForecastErrors | None = None
    law: PriceLaw | None = None
    recalibration: Recalibration | None = None
    units: float = 1.0

    def weigh(
        self, chain: ChainSlice, ts_ns: int, picked: Picked, forecast: float, funding: float
    ) -> Breakevens:
        """Break-even of one position.

        Parameters
        ----------
        chain : ChainSlice
        ts_ns : int
        picked : Picked
            One unit of any structure.
        forecast : float
            Of the volatility that will be realised.
        funding : float
            Of the perpetual, per year.
        """
        plan = self.plan(chain, ts_ns, funding, int(chain.expiry_ns[picked.rows[0]]))
        one = Positions(np.array([picked.rows]), np.array([picked.amounts], np.float64))
        density = self.density(forecast, self.years(chain, ts_ns, one.rows), ts_ns)
        return breakevens(chain, ts_ns, one, plan, density)

    def years(self, chain: ChainSlice, ts_ns: int, rows: Ints) -> Floats:
        """Years until positions are delivered or closed; ``rows`` of the chain, shape (m, k)."""
        expiry = chain.expiry_ns[rows]
        if self.exit_before_ns is None:
            return np.asarray((expiry.max(axis=1) - ts_ns) / NS_PER_YEAR)
        return np.asarray((expiry.min(axis=1) - self.exit_before_ns - ts_ns) / NS_PER_YEAR)

    def density(self, forecast: float, years: Floats, ts_ns: int) -> Density:
        """Return what will be realised over each horizon from a moment on, given a forecast."""
        if self.log_sd is not None or self.errors is None:
            log_sd = UNKNOWN if self.log_sd is None else self.log_sd
            return Density.around(np.full(np.shape(years), forecast), np.full(np.shape(years), log_sd))
        mean, sd = self.errors.at(years, forecast, ts_ns)
        return Density.around(forecast * np.exp(mean), sd)

    def plan(self, chain: ChainSlice, ts_ns: int, funding: float, expiry_ns: int | None = None) -> TradePlan:
        """TradePlan of a chain's positions; ``expiry_ns`` is that of the future, where one is hedged with."""
        base, settlement = chain.base, chain.settlement
        hedge: Future | Perpetual = Perpetual(base, settlement)
        if self.instrument == "future" and expiry_ns is not None:
            hedge = Future(base, settlement, expiry_ns)
        return TradePlan(
            policy=self.policy,
            hedge_cost=self.hedge_cost(hedge, ts_ns),
            instrument=self.instrument,
            funding=funding,
            fees=None if self.fees is None else self.fees.at(ts_ns),
            margin=self.margin.at(ts_ns, base),
            long=self.long,
            fill=self.fill,
            exit_before_ns=self.exit_before_ns,
            look_every=self.look_every,
            units=self.units,
            law=self.law,
        )

    def chance(self, chain: ChainSlice, ts_ns: int, picked: Picked, forecast: float, funding: float) -> float:
        """Probability of a profit, corrected where a correction is known; NaN without forecast or quotes."""
        found = self._found(chain, ts_ns, picked, forecast, funding)
        return math.nan if found is None else self._corrected(float(found.probability[0]), ts_ns)

    def correction(self, ts_ns: int) -> Correction | None:
        """Return how probabilities are corrected at a moment; None if they are taken as told."""
        return None if self.recalibration is None else self.recalibration.at(ts_ns)

    def behind(self, ts_ns: int) -> str:
        """Say on what a corrected probability rests; nothing of one that is taken as told."""
        found = self.correction(ts_ns)
        if self.recalibration is None:
            return ""
        if found is None:
            return "P as told: too few straddles had ended to recalibrate it"
        return f"P recalibrated on {found.straddles:,} straddles in {found.weeks:,} weeks"

    def _corrected(self, probability: float, ts_ns: int) -> float:
        correction = self.correction(ts_ns)
        return probability if correction is None else float(correction.apply(probability))

    def allows(self, chain: ChainSlice, ts_ns: int, picked: Picked, forecast: float, funding: float) -> bool:
        """Whether to enter; never without a forecast or without quotes."""
        found = self._found(chain, ts_ns, picked, forecast, funding)
        if found is None:
            return False
        # A comparison with NaN fails: what has no quote, or never breaks even, is not entered.
        least = self.min_probability
        likely = least is None or self._corrected(float(found.probability[0]), ts_ns) >= least
        return bool(likely and (self.min_edge is None or found.edge[0] >= self.min_edge))

    def _found(
        self, chain: ChainSlice, ts_ns: int, picked: Picked, forecast: float, funding: float
    ) -> Breakevens | None:
        """Weigh a position that there is a forecast for, and that is not to be left at once."""
        if not (math.isfinite(forecast) and forecast > 0.0):
            return None
        found = self.weigh(chain, ts_ns, picked, forecast, funding)
        return found if len(found.tau) else None
