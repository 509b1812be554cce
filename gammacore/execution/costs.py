"""What a fill of a hedge costs: half spread by the hour, and the fee of a maker or a taker."""

from __future__ import annotations

from typing import Any

import msgspec

from gammacore.contracts import Future, Perpetual, Settlement
from gammacore.daycount import NS_PER_HOUR
from gammacore.fees import FeeRates, future_fee, future_rate

HOURS = 24

__all__ = ["HOURS", "HedgeCosts"]


class HedgeCosts(msgspec.Struct, frozen=True):
    """Costs of hedges.

    Attributes
    ----------
    half_spread : tuple of 24 float
        Share of the price, by the hour of the day (UTC).
    taker, maker : float or None
        Fee as a share of notional, negative for a rebate; None is that of the dated schedule.
    """

    half_spread: tuple[float, ...]
    taker: float | None = None
    maker: float | None = None

    def half_spread_at(self, ts_ns: int) -> float:
        """Half spread of a moment, as a share of the price."""
        return self.half_spread[ts_ns // NS_PER_HOUR % HOURS]

    def own_rate(self, *, maker: bool) -> float | None:
        """Fee that replaces the schedule's, None if none does."""
        return self.maker if maker else self.taker

    def rate(self, rates: FeeRates, instrument: Future | Perpetual, *, maker: bool) -> float:
        """Fee of a fill as a share of notional."""
        own = self.own_rate(maker=maker)
        return future_rate(rates, instrument, maker=maker) if own is None else own

    def fee(
        self, rates: FeeRates, instrument: Future | Perpetual, size: Any, price: Any, *, maker: bool
    ) -> Any:
        """Fee of a fill in the settlement currency, positive when paid.

        That of the schedule is rounded as the exchange does, one of your own is not.
        """
        own = self.own_rate(maker=maker)
        if own is None:
            return future_fee(rates, instrument, size, price, maker=maker)
        inverse = instrument.settlement is Settlement.INVERSE
        return own * (abs(size) / price if inverse else abs(size) * price)
