"""With which contract to hedge, and in what amounts."""

from __future__ import annotations

import math
from collections.abc import Callable

from gammacore.contracts import Future, Grids, Option, Perpetual, Settlement
from gammacore.daycount import FRIDAY, weekday
from gammacore.episode import Episode
from gammacore.events import ChainSlice
from gammacore.fees import DERIBIT, FeeSchedule
from gammacore.hedging import Target
from gammacore.hedging.instrument import Candidate, cheapest, expected_turnover
from gammacore.market import Market
from gammacore.orders import Leg
from gammacore.strategy.gamma_scalp import Entry
from gammacore.valuation import shape

__all__ = ["Hedge"]

FeeOf = Callable[[Future | Perpetual, int], float]


class Hedge:
    """What to hedge with and towards which target.

    Parameters
    ----------
    kind : {'perpetual', 'future', 'cheapest', 'forward'}
        A perpetual, the dated future of the episode's expiry, whichever of the two is expected
        to cost less by fees, funding and basis, or the expiry's forward as a theoretical
        linear contract.
    lots : bool
        Whether amounts are rounded to whole lots; off for theoretical contracts.
    fee : callable(Future or Perpetual, ts_ns) -> float, optional
        Fraction of notional that a trade costs, for the choice of the cheapest.
    target : Target
        Which delta is hedged, and down to what.
    grids : Grids, optional
        Ticks and lots; whole lots need them.
    schedule : FeeSchedule
        What the exchange charges for its trades.
    """

    def __init__(
        self,
        kind: str,
        target: Target,
        lots: bool = True,
        fee: FeeOf | None = None,
        grids: Grids | None = None,
        schedule: FeeSchedule = DERIBIT,
    ) -> None:
        self.kind = kind
        self.target = target
        self.lots = lots
        self.fee = fee
        self.grids = Grids() if grids is None else grids
        self.schedule = schedule

    def instrument(self, chain: ChainSlice, market: Market, entry: Entry) -> Future | Perpetual:
        """Contract to hedge an entry with."""
        perpetual = Perpetual(chain.base, chain.settlement)
        if self.kind == "perpetual":
            return perpetual
        expiry_ns = entry.expiries[-1]  # the future is there as long as any of the options
        future = Future(chain.base, chain.settlement, expiry_ns)
        if self.kind != "cheapest":
            return future
        tau, price = market.tau(expiry_ns), market.index
        if tau <= 0.0 or weekday(expiry_ns) != FRIDAY:  # only Fridays have futures
            return perpetual
        fee = self.fee or (lambda instrument, ts_ns: 0.0)
        basis = math.log(market.forward(expiry_ns) / price) / tau
        candidates = (
            Candidate(perpetual, fee(perpetual, market.ts_ns), market.funding_rate(chain.settlement)),
            Candidate(future, fee(future, market.ts_ns), basis),
        )
        delta = vega = 0.0
        for option, amount in ((leg.instrument, leg.amount) for leg in entry.legs):
            assert isinstance(option, Option)
            left = market.tau(option.expiry_ns)
            seen = shape(option, market.forward(option.expiry_ns), left, market.vol(option))
            delta += amount * seen.net_delta
            vega += amount * seen.vega
        turnover = expected_turnover(vega, price, tau, max(tau * 365.0, 1.0))
        return cheapest(candidates, -delta, turnover, tau).instrument

    def leg(self, instrument: Future | Perpetual, delta: float, price: float) -> Leg:
        """Leg of an order that adds ``delta`` coins, in whole lots."""
        wanted = delta * price if instrument.settlement is Settlement.INVERSE else delta
        amount = self.grids.spec_for(instrument).round_amount(wanted, "nearest") if self.lots else wanted
        return Leg(instrument, amount, amount - wanted)

    def mismatch(self, episode: Episode | None, market: Market) -> float | None:
        """Delta to be hedged away, coin, without what is on its way; None of an episode that is empty."""
        if episode is None or not episode.open:
            return None
        pending = (
            episode.pending_delta(market.future_price(episode.hedge.instrument)) if episode.pending else 0.0
        )
        return float(self.target.mismatch(episode, market)) - float(pending)

    @staticmethod
    def unwanted(delta: float, mismatch: float | None) -> bool:
        """Whether a hedge of so many coins would now add to the mismatch rather than remove it."""
        return mismatch is not None and abs(mismatch + delta) >= abs(mismatch)

    def least(self, instrument: Future | Perpetual) -> Leg:
        """Leg of the smallest order there is."""
        return Leg(instrument, self.grids.spec_for(instrument).min_trade_amount)
