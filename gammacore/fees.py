"""What the exchange charges: dated fee schedules and the fee of one trade or delivery.

Fees are in the settlement currency of the contract (coin or USDC), positive when paid
and negative when rebated, rounded to 8 decimals, ties to even. Three recorded fills fix
the rounding: 10 USD at 92,037 with 0.05 % is 5.43e-8 and was charged 5e-8, 21 USD at
202.80 with 0.075 % is 7.7663e-5 and was charged 7.766e-5 (so not up), and a profit of
-3.97e-7 was booked as -4e-7 (so not toward zero). Nearest fits all three; nothing
recorded shows what happens on an exact tie.

Two rules go by the calendar, as a name does not say how an instrument was listed:

- an option is a *daily*, delivered free of charge, if it does not expire on a Friday;
- a future is a *weekly* (or daily) if it does not expire on the last Friday of a month.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from gammacore.contracts import Future, Instrument, Option, Perpetual, Settlement, round_coin
from gammacore.daycount import FRIDAY, format_time, is_month_end_friday, parse_time, weekday
from gammacore.errors import ContractError

__all__ = [
    "COMBO_RATES",
    "DERIBIT",
    "TIERS",
    "ComboRates",
    "FeeRates",
    "FeeSchedule",
    "combo_shares",
    "delivery_fee",
    "future_fee",
    "future_rate",
    "option_fee",
]


class FeeRates(msgspec.Struct, frozen=True, kw_only=True):
    """Rates in force at one time, as fractions (0.0005 is 0.05 %); negative is a rebate.

    Attributes
    ----------
    option_maker, option_taker : float
        Per coin of notional (inverse) or of the index (linear).
    option_cap : float
        Largest fee of an option trade, as a fraction of its price.
    future_maker, future_taker : float
        Perpetuals and dated futures, of the notional.
    weekly_maker, weekly_taker : float
        Weekly and daily futures, of the notional.
    option_delivery : float
        Of the notional, free for dailies.
    option_delivery_cap : float
        Largest delivery fee, as a fraction of the payoff.
    future_delivery : float
        Of the notional; weekly and daily futures are free.
    """

    option_maker: float = 0.0003
    option_taker: float = 0.0003
    option_cap: float = 0.125
    future_maker: float = 0.0
    future_taker: float = 0.0005
    weekly_maker: float = -0.0001
    weekly_taker: float = 0.0005
    option_delivery: float = 0.00015
    option_delivery_cap: float = 0.125
    future_delivery: float = 0.00025


class FeeSchedule(msgspec.Struct, frozen=True):
    """Fee rates by date.

    Attributes
    ----------
    steps : tuple of (int, FeeRates)
        Rates and the moment (nanoseconds UTC) from which they hold, ascending. The first
        step also holds for everything before it.
    """

    steps: tuple[tuple[int, FeeRates], ...]

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.steps]
        if not starts or starts != sorted(set(starts)):
            texts = [format_time(start) for start in starts]
            raise ContractError(f"steps of a fee schedule must ascend in time and not be empty, got {texts}")

    def at(self, ts_ns: int) -> FeeRates:
        """Rates in force at a moment in nanoseconds UTC."""
        rates = self.steps[0][1]
        for start, later in self.steps:
            if start <= ts_ns:
                rates = later
        return rates

    def since(self, ts_ns: int, rates: FeeRates) -> "FeeSchedule":
        """Return the same schedule with other rates from a moment on."""
        return FeeSchedule((*(step for step in self.steps if step[0] < ts_ns), (ts_ns, rates)))

    def changed(self, **rates: float) -> "FeeSchedule":
        """Return the same schedule with some rates replaced at all times."""
        if not rates:
            return self
        return FeeSchedule(
            tuple((start, msgspec.structs.replace(step, **rates)) for start, step in self.steps)
        )


_TABLE_OF_2026 = parse_time("2026-08-01")


def _tier(maker: float, taker: float) -> FeeSchedule:
    """Rates of perpetuals and futures by the table of August 2026; no tier is known of before.

    The option columns of that table are not confirmed: they stay as they were.
    """
    rates = FeeRates(future_maker=maker, future_taker=taker, weekly_maker=maker, weekly_taker=taker)
    return FeeSchedule(((parse_time("2016-01-01"), FeeRates()), (_TABLE_OF_2026, rates)))


# Support pages as of 22 September 2026; of the tiers between these the rates are not known.
TIERS: dict[str, FeeSchedule] = {
    "standard": _tier(0.00015, 0.00035),
    "vip1": _tier(0.0, 0.0003),
    "vip4": _tier(-0.00002, 0.000185),
    "vip7": _tier(-0.00004, 0.00017),
}
"""Deribit's published schedule by tier."""

DERIBIT = TIERS["standard"]
"""Deribit's published schedule, lowest tier."""


class ComboRates(msgspec.Struct, frozen=True, kw_only=True):
    """What is still charged of the fees on a combo's cheaper direction: 0 nothing, 1 everything.

    Attributes
    ----------
    option_maker, option_taker, future_maker, future_taker : float
        By the kind of the legs.
    source : str
        Where they are from.
    confirmed : bool
        Whether the exchange's own page or a recorded fill has these figures.
    """

    option_maker: float
    option_taker: float
    future_maker: float = 1.0
    future_taker: float
    source: str
    confirmed: bool = False


# The exchange's page on combo books says no more than that "the cheapest direction has reduced fees".
COMBO_RATES: tuple[tuple[int, ComboRates], ...] = (
    (
        0,
        ComboRates(
            option_maker=0.0,
            option_taker=0.0,
            future_taker=0.0,
            source="support pages before August 2026: of opposite legs the cheaper side is free",
        ),
    ),
    (
        _TABLE_OF_2026,
        ComboRates(
            option_maker=1.0,
            option_taker=0.0,
            future_taker=0.0,
            source="support pages of September 2026: a taker pays nothing on the cheaper leg",
        ),
    ),
)
"""Discounts of combos and the moments from which they hold, ascending; none is confirmed."""


def combo_shares(
    ts_ns: int, sides: Sequence[int], fees: Sequence[float], *, option: bool, maker: bool = False
) -> list[float]:
    """Shares of the legs' fees that a combo's trade is charged.

    Parameters
    ----------
    ts_ns : int
    sides : sequence of int
        +1 for each leg that is bought, -1 for each that is sold.
    fees : sequence of float
        What the legs would cost by themselves.
    option : bool
        Whether they are options, else futures.
    maker : bool
        Whether the combo's order rested in its book.

    Returns
    -------
    list of float
        1 for the dearer direction, and where all legs have one direction or rebates; of two that cost the
        same the sold legs are taken for the cheaper ones.
    """
    rates = [found for since, found in COMBO_RATES if since <= ts_ns][-1]
    totals = {side: sum(fee for one, fee in zip(sides, fees, strict=True) if one == side) for side in (-1, 1)}
    cheaper = min(totals, key=totals.__getitem__)
    if len(set(sides)) == 1 or totals[cheaper] <= 0.0:
        return [1.0] * len(fees)
    share = getattr(rates, f"{'option' if option else 'future'}_{'maker' if maker else 'taker'}")
    return [share if side == cheaper else 1.0 for side in sides]


def option_fee(
    rates: FeeRates, option: Option, qty: Any, price: Any, *, index: Any = None, maker: bool = False
) -> Any:
    """Fee of an option trade.

    Parameters
    ----------
    rates : FeeRates
    option : Option
    qty : float or array
        Coins traded; the sign does not matter.
    price : float or array
        Option price, in coin (inverse) or USDC (linear), not negative.
    index : float or array, optional
        Index price in USD; needed for linear options only.
    maker : bool
        Whether the order rested in the book.

    Returns
    -------
    float or array of float64
        ``qty * min(rate, cap * price)`` coin, or ``qty * min(rate * index, cap * price)``
        USDC; broadcasts.

    Raises
    ------
    ContractError
        If a linear option comes without an index, or a price is negative or NaN.
    """
    rate = rates.option_maker if maker else rates.option_taker
    return _capped_fee(option, qty, price, rate, rates.option_cap, index)


def delivery_fee(
    rates: FeeRates, instrument: Instrument, qty: Any, delivery_price: Any, payoff: Any = 0.0
) -> Any:
    """Fee of holding an instrument into its delivery.

    Parameters
    ----------
    rates : FeeRates
    instrument : Option or Future
        A perpetual has no delivery.
    qty : float or array
        Coins of an option or a linear future, USD of an inverse future; sign ignored.
    delivery_price : float or array
        Delivery price in USD, positive.
    payoff : float or array
        Payoff of one option, in coin (inverse) or USDC (linear); unused for futures.

    Returns
    -------
    float or array of float64
        Zero for dailies and weeklies, as the module describes them.

    Raises
    ------
    ContractError
        If the instrument is a perpetual, or a price is not positive.
    """
    if isinstance(instrument, Option):
        free = weekday(instrument.expiry_ns) != FRIDAY
        rate = 0.0 if free else rates.option_delivery
        return _capped_fee(instrument, qty, payoff, rate, rates.option_delivery_cap, delivery_price)
    if isinstance(instrument, Future):
        rate = rates.future_delivery if is_month_end_friday(instrument.expiry_ns) else 0.0
        return _notional_fee(instrument, qty, delivery_price, rate)
    raise ContractError(f"{instrument.name} is never delivered")


def future_fee(
    rates: FeeRates, instrument: Future | Perpetual, size: Any, price: Any, *, maker: bool = False
) -> Any:
    """Fee of a trade in a future or a perpetual.

    Parameters
    ----------
    rates : FeeRates
    instrument : Future or Perpetual
    size : float or array
        USD (inverse) or coins (linear) traded; the sign does not matter.
    price : float or array
        Trade price in USD, positive.
    maker : bool
        Whether the order rested in the book.

    Returns
    -------
    float or array of float64
        ``rate * size / price`` coin (inverse) or ``rate * size * price`` USDC (linear);
        broadcasts.

    Raises
    ------
    ContractError
        If a price is not positive.
    """
    return _notional_fee(instrument, size, price, future_rate(rates, instrument, maker=maker))


def future_rate(rates: FeeRates, instrument: Future | Perpetual, *, maker: bool = False) -> float:
    """Fee of a trade in a future or a perpetual as a fraction of notional."""
    if isinstance(instrument, Future) and not is_month_end_friday(instrument.expiry_ns):
        return rates.weekly_maker if maker else rates.weekly_taker
    return rates.future_maker if maker else rates.future_taker


def _capped_fee(option: Option, qty: Any, value: Any, rate: float, cap: float, index: Any) -> Any:
    """Fee on notional, at most a fraction of what was traded or paid out."""
    if not np.all(np.asarray(value) >= 0):
        raise ContractError(f"option value must not be negative, got {value!r} for {option.name}")
    notional = 1.0
    if option.settlement is Settlement.LINEAR:
        if index is None:
            raise ContractError(f"the fee of {option.name} needs the index price")
        notional = index
    return round_coin(np.abs(qty) * np.minimum(rate * notional, cap * value))


def _notional_fee(instrument: Future | Perpetual, size: Any, price: Any, rate: float) -> Any:
    if not (price > 0 if isinstance(price, float) else np.all(np.asarray(price) > 0)):
        raise ContractError(f"price must be positive, got {price!r} for {instrument.name}")
    size = abs(size) if isinstance(size, float) else np.abs(size)
    notional = size / price if instrument.settlement is Settlement.INVERSE else size * price
    return round_coin(rate * notional)
