"""The fee of a trade by a schedule: of fills on paper, and where the exchange tells none."""

from __future__ import annotations

from gammacore.contracts import Option
from gammacore.execution.quotes import Tradable
from gammacore.fees import FeeSchedule, future_fee, option_fee


def published_fee(
    schedule: FeeSchedule,
    instrument: Tradable,
    amount: float,
    price: float,
    *,
    index: float,
    ts_ns: int,
    maker: bool,
) -> float:
    """Return the fee, positive when paid, in the settlement currency.

    Parameters
    ----------
    schedule : FeeSchedule
    instrument : Option, Future or Perpetual
    amount : float
        In the exchange's unit; its sign does not matter.
    price : float
    index : float
        USD.
    ts_ns : int
        Of the trade: the schedule is dated.
    maker : bool
    """
    rates = schedule.at(ts_ns)
    if isinstance(instrument, Option):
        return float(option_fee(rates, instrument, amount, price, index=index))
    return float(future_fee(rates, instrument, amount, price, maker=maker))
