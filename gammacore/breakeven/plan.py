"""What is asked of a position, and what is answered."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.fees import FeeRates
from gammacore.hedging import Policy
from gammacore.margin import MarginRates, PortfolioRates
from gammacore.volatility.price_law import PriceLaw

__all__ = ["Breakevens", "TradePlan"]


class TradePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a position is opened, hedged and closed, and what that costs.

    Attributes
    ----------
    policy : Policy
    hedge_cost : float
        One way, as a fraction of notional: fee and half spread.
    instrument : {'perpetual', 'future'}
        The future is that of the options' expiry and settles with them.
    funding : float
        Of the perpetual, per year; longs pay when positive.
    fees : FeeRates or None
        Of options and deliveries; None charges nothing.
    margin : MarginRates or PortfolioRates
        Of the model that the account is under.
    long : bool
    fill : {'cross', 'mid', 'mark'}
        Price that options are opened and closed at.
    exit_before_ns : int or None
        Time before the expiry at which they are closed; None holds to delivery.
    chain_every : float or None
        Years between two chains, for a policy that hedges at each.
    look_every : float
        Years between two prices that the policy sees; 0 is all the time.
    units : float
        Of the position that are hedged together: bands in coins, risk aversions and costs in USD are for all.
    law : PriceLaw or None
        How the variance that is realised comes; None evenly, and without jumps.
    """

    policy: Policy
    hedge_cost: float
    instrument: Literal["perpetual", "future"] = "perpetual"
    funding: float = 0.0
    fees: FeeRates | None = None
    margin: MarginRates | PortfolioRates = MarginRates()
    long: bool = True
    fill: Literal["cross", "mid", "mark"] = "cross"
    exit_before_ns: int | None = None
    chain_every: float | None = None
    look_every: float = 0.0
    units: float = 1.0
    law: PriceLaw | None = None


class Breakevens(NamedTuple):
    """One row a position, arrays of shape (m,) unless it is said; money in the settlement currency a unit.

    Attributes
    ----------
    rows : int64, shape (m, k)
        Of the chain, one a leg.
    amounts : float64, shape (m, k)
        Coins of each leg in one unit, as bought.
    tau : float64
        Years to the last expiry.
    premium : float64
        Paid when long, received when short.
    paid_vol : float64
        One volatility of all legs at which they are worth that price, the nearest to their marks'; NaN if
        there is none. A position of one expiry breaks even at it without any other cost.
    breakeven : float64
        Realised volatility at which the expected profit is nil after all costs, the nearest to the forecast;
        NaN if there is none.
    forecast : float64
        Median of the forecast.
    edge : float64
        Distance from forecast to break-even, positive where the forecast earns.
    probability : float64
        Of a profit.
    profit, deviation : float64
        Expected, and its standard deviation: of the forecast, of the path, and of the hedging.
    fees, spread, hedging, carry : float64
        Expected costs at the forecast, positive when paid; ``spread`` is from the marks.
    capital : float64
        What the position ties up: premium, fees and margin, see ``docs/breakeven.md``.
    return_on_capital : float64
        Expected profit over it.
    """

    rows: Ints
    amounts: Floats
    tau: Floats
    premium: Floats
    paid_vol: Floats
    breakeven: Floats
    forecast: Floats
    edge: Floats
    probability: Floats
    profit: Floats
    deviation: Floats
    fees: Floats
    spread: Floats
    hedging: Floats
    carry: Floats
    capital: Floats
    return_on_capital: Floats

    def take(self, rows: Any) -> Breakevens:
        """Return some of the rows, or all in another order."""
        return Breakevens(*(column[rows] for column in self))

    def best_first(self) -> Breakevens:
        """Sort by return on capital; positions without quotes come last."""
        return self.take(np.argsort(-np.nan_to_num(self.return_on_capital, nan=-np.inf), kind="stable"))
