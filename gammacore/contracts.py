"""Instruments, their names, price and amount grids, and contract arithmetic.

The name grammar (all expiries at 08:00 UTC)::

    BTC-PERPETUAL               BTC_USDC-PERPETUAL
    BTC-27DEC24                 BTC-5AUG23               the day is not zero padded
    BTC-27DEC24-100000-C        BTC_USDC-27DEC24-100000-P
    XRP_USDC-30JUN23-0d625-C    d is the decimal point of a strike

A base alone settles in its coin (inverse), a base with ``_USDC`` in dollars (linear).
Spot pairs and combos are not contracts that gammacore holds, and do not parse.

Amounts live on the exchange's grid as integer lots, so that no two quantities are
ever compared as floats.
"""

import math
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, overload

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore.daycount import expiry_ns, format_time, utc_date
from gammacore.errors import ContractError

__all__ = [
    "CALL",
    "PUT",
    "UNITS_PER_COIN",
    "ContractSpec",
    "Future",
    "Instrument",
    "Option",
    "Perpetual",
    "Settlement",
    "family",
    "from_units",
    "inverse_average_entry",
    "inverse_pnl",
    "linear_pnl",
    "parse",
    "payoff_coin",
    "payoff_usd",
    "round_coin",
    "spec_for",
    "spec_from_catalog",
    "to_units",
]

CALL: Final = 1
PUT: Final = -1
UNITS_PER_COIN: Final = 100_000_000

Direction = Literal["nearest", "down", "up"]
FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_BASE = re.compile(r"[A-Z0-9]+")
_DAY = re.compile(r"([1-9]|[12]\d|3[01])([A-Z]{3})(\d\d)", re.ASCII)
_STRIKE = re.compile(r"(0|[1-9]\d*)(?:d(\d*[1-9]))?", re.ASCII)


class Settlement(Enum):
    """What a contract is margined and settled in: its coin (inverse) or USDC (linear)."""

    INVERSE = "inverse"
    LINEAR = "linear"


class _Contract(msgspec.Struct, frozen=True):
    """What every instrument has: a base coin and a settlement.

    Attributes
    ----------
    base : str
        Base coin, such as ``BTC``.
    settlement : Settlement
        Inverse (coin) or linear (USDC).
    """

    base: str
    settlement: Settlement

    def __post_init__(self) -> None:
        _check_base(self.base)

    @property
    def family(self) -> str:
        """First part of the name: ``BTC`` or ``BTC_USDC``."""
        return self.base if self.settlement is Settlement.INVERSE else f"{self.base}_USDC"


class Perpetual(_Contract, frozen=True, tag="perpetual"):
    """A perpetual future.

    Attributes
    ----------
    base : str
        Base coin, such as ``BTC``.
    settlement : Settlement
        Inverse (coin) or linear (USDC).
    """

    @property
    def name(self) -> str:
        """Exchange name, such as ``BTC-PERPETUAL``."""
        return f"{self.family}-PERPETUAL"


class Future(_Contract, frozen=True, tag="future"):
    """A dated future.

    Attributes
    ----------
    base : str
        Base coin, such as ``BTC``.
    settlement : Settlement
        Inverse (coin) or linear (USDC).
    expiry_ns : int
        Expiry in nanoseconds UTC, at 08:00 of a day for everything listed.
    """

    expiry_ns: int

    def __post_init__(self) -> None:
        _check_base(self.base)
        _check_expiry(self.expiry_ns)

    @property
    def name(self) -> str:
        """Exchange name, such as ``BTC-27DEC24``."""
        return f"{self.family}-{_day_text(self.expiry_ns)}"


class Option(_Contract, frozen=True, tag="option"):
    """A European option.

    Attributes
    ----------
    base : str
        Base coin, such as ``BTC``.
    settlement : Settlement
        Inverse (coin) or linear (USDC).
    expiry_ns : int
        Expiry in nanoseconds UTC, at 08:00 of a day for everything listed.
    strike : float
        Strike in USD (USDC), positive.
    kind : int
        +1 call, -1 put.
    """

    expiry_ns: int
    strike: float
    kind: int

    def __post_init__(self) -> None:
        _check_base(self.base)
        _check_expiry(self.expiry_ns)
        if not (math.isfinite(self.strike) and self.strike > 0):
            raise ContractError(f"strike must be positive and finite, got {self.strike!r}")
        if self.kind not in (CALL, PUT):
            raise ContractError(f"kind must be +1 (call) or -1 (put), got {self.kind!r}")

    @property
    def name(self) -> str:
        """Exchange name, such as ``BTC-27DEC24-100000-C``."""
        side = "C" if self.kind == CALL else "P"
        return f"{self.family}-{_day_text(self.expiry_ns)}-{_strike_text(self.strike)}-{side}"


Instrument = Option | Future | Perpetual


def _check_base(base: str) -> None:
    if not _BASE.fullmatch(base):
        raise ContractError(f"base must be upper-case letters and digits, got {base!r}")


def _check_expiry(value: int) -> None:
    """Refuse years that a name cannot hold.

    What the exchange lists expires at 08:00 UTC. Theoretical contracts may expire at any
    moment; their names show the day, and `parse` would give 08:00 of it.
    """
    if not 2000 <= utc_date(value).year <= 2099:
        raise ContractError(f"expiry_ns must lie in 2000-2099, got {value!r} ({format_time(value)})")


def _day_text(expiry: int) -> str:
    day = utc_date(expiry)
    return f"{day.day}{_MONTHS[day.month - 1]}{day.year % 100:02d}"


def _strike_text(strike: float) -> str:
    text = format(Decimal(repr(float(strike))), "f")
    return text.removesuffix(".0").replace(".", "d")


def family(name: str) -> str:
    """First part of an instrument name, ``BTC`` or ``BTC_USDC``, without parsing the rest."""
    return name.partition("-")[0]


def parse(name: str) -> Instrument:
    """Instrument of an exchange name; ``parse(name).name == name`` always.

    Parameters
    ----------
    name : str
        Such as ``BTC-PERPETUAL``, ``BTC-27DEC24`` or ``BTC_USDC-27DEC24-100000-P``.

    Returns
    -------
    Option, Future or Perpetual

    Raises
    ------
    ContractError
        If the name is not one of a perpetual, a dated future or an option; the message
        says which part is wrong.
    """
    head, *parts = name.split("-")
    base, underscore, quote = head.partition("_")
    if not _BASE.fullmatch(base):
        raise _bad(name, f"base {base!r} is not upper-case letters and digits")
    if underscore and quote != "USDC":
        raise _bad(name, f"settlement {quote!r} is not USDC")
    settlement = Settlement.LINEAR if underscore else Settlement.INVERSE
    match parts:
        case ["PERPETUAL"]:
            return Perpetual(base, settlement)
        case [day]:
            return Future(base, settlement, _parse_day(name, day))
        case [day, strike, side]:
            return Option(
                base, settlement, _parse_day(name, day), _parse_strike(name, strike), _parse_side(name, side)
            )
    raise _bad(name, "expected BASE-PERPETUAL, BASE-DDMMMYY or BASE-DDMMMYY-STRIKE-C|P")


def _bad(name: str, why: str) -> ContractError:
    return ContractError(f"instrument name {name!r}: {why}")


def _parse_day(name: str, text: str) -> int:
    match = _DAY.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        raise _bad(name, f"expiry {text!r} is not a day such as 5AUG23 or 27DEC24")
    try:
        day = date(2000 + int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1]))
    except ValueError:
        raise _bad(name, f"expiry {text!r} is not a day of the calendar") from None
    return expiry_ns(day)


def _parse_strike(name: str, text: str) -> float:
    # Only the canonical spelling is a name: 0100 or 0d50 would not round-trip.
    match = _STRIKE.fullmatch(text)
    strike = float(f"{match[1]}.{match[2] or 0}") if match else 0.0
    if not strike > 0 or _strike_text(strike) != text:
        raise _bad(name, f"strike {text!r} is not a positive number such as 100000 or 0d625")
    return strike


def _parse_side(name: str, text: str) -> int:
    if text not in ("C", "P"):
        raise _bad(name, f"option type {text!r} is neither C nor P")
    return CALL if text == "C" else PUT


class ContractSpec(msgspec.Struct, frozen=True, dict=True):
    """Price grid and amount grid of an instrument.

    Attributes
    ----------
    tick_size : float
        Smallest price step, in the unit of the price (coin for inverse options, else USD).
    contract_size : float
        Size of one contract, in ``amount_unit``.
    min_trade_amount : float
        Smallest amount, in ``amount_unit``; amounts are multiples of it, hence one lot.
    amount_unit : {'USD', 'coin'}
        Unit of an order's amount.
    tick_size_steps : tuple of (above_price, tick_size)
        Coarser ticks: each holds for prices at or above its ``above_price``, ascending.
    """

    tick_size: float
    contract_size: float
    min_trade_amount: float
    amount_unit: Literal["USD", "coin"]
    tick_size_steps: tuple[tuple[float, float], ...] = ()

    # A price this close to the grid, relative to its count of ticks, is on it.
    _GRID_RTOL: ClassVar[float] = 1e-9

    def __post_init__(self) -> None:
        ticks = {f"tick from {above!r}": tick for above, tick in self.tick_size_steps}
        sizes = {
            "tick_size": self.tick_size,
            "contract_size": self.contract_size,
            "min_trade_amount": self.min_trade_amount,
            **ticks,
        }
        for field, value in sizes.items():
            if not (math.isfinite(value) and value > 0):
                raise ContractError(f"{field} must be positive and finite, got {value!r}")
        levels = [above for above, _ in self.tick_size_steps]
        if levels != sorted(set(levels)):
            raise ContractError(f"tick_size_steps must ascend in price, got {self.tick_size_steps!r}")

    @cached_property
    def _levels(self) -> FloatArray:
        return np.array([above for above, _ in self.tick_size_steps], dtype=np.float64)

    @cached_property
    def _ratios(self) -> tuple[FloatArray, FloatArray]:
        """Ticks as numerators and denominators, so that n ticks is one correctly rounded division."""
        exact = [Fraction(repr(float(t))) for t in (self.tick_size, *(t for _, t in self.tick_size_steps))]
        return (
            np.array([f.numerator for f in exact], dtype=np.float64),
            np.array([f.denominator for f in exact], dtype=np.float64),
        )

    def _in_ticks(self, price: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Numerator and denominator of each price's tick, and the price counted in it."""
        numerators, denominators = self._ratios
        step = np.searchsorted(self._levels, price * (1 + self._GRID_RTOL), side="right")
        p, q = numerators[step], denominators[step]
        return p, q, price * q / p

    @overload
    def is_on_tick(self, price: float) -> bool: ...
    @overload
    def is_on_tick(self, price: FloatArray) -> BoolArray: ...
    def is_on_tick(self, price: float | FloatArray) -> bool | BoolArray:
        """Whether prices lie on the grid, up to the representation of a float.

        Parameters
        ----------
        price : float or array
            Prices, not negative.

        Returns
        -------
        bool or array of bool
            False where the price is NaN.
        """
        values = np.asarray(price, dtype=np.float64)
        _, _, count = self._in_ticks(values)
        on = np.abs(count - np.rint(count)) <= self._GRID_RTOL * np.maximum(count, 1.0)
        return on if on.ndim else bool(on)

    @overload
    def round_price(self, price: float, direction: Direction = "nearest") -> float: ...
    @overload
    def round_price(self, price: FloatArray, direction: Direction = "nearest") -> FloatArray: ...
    def round_price(self, price: float | FloatArray, direction: Direction = "nearest") -> float | FloatArray:
        """Move prices to the grid.

        Parameters
        ----------
        price : float or array
            Prices, not negative; NaN stays NaN.
        direction : {'nearest', 'down', 'up'}
            Which grid point; ties of 'nearest' go to the even one. A price on the grid
            stays, whatever the direction.

        Returns
        -------
        float or array of float64
            The floats nearest to the decimal grid points.

        Raises
        ------
        ContractError
            If the direction is unknown or a price is negative.
        """
        values = np.asarray(price, dtype=np.float64)
        if (values < 0).any():
            raise ContractError(f"price must not be negative, got {values.min()!r}")
        p, q, count = self._in_ticks(values)
        rounded = _round_count(count, direction, self._GRID_RTOL) * p / q
        return rounded if rounded.ndim else float(rounded)

    def to_lots(self, amount: float, rounding: Literal["zero", "nearest"] = "zero") -> int:
        """Whole lots in an amount.

        Parameters
        ----------
        amount : float
            Signed amount in ``amount_unit``.
        rounding : {'zero', 'nearest'}
            Toward zero (never more than asked) or to the nearest lot, ties to even. An
            amount within float representation of a lot counts as that lot.

        Returns
        -------
        int
            Signed count of lots of ``min_trade_amount``.

        Raises
        ------
        ContractError
            If the amount is not finite or the rounding unknown.
        """
        if not math.isfinite(amount):
            raise ContractError(f"amount must be finite, got {amount!r}")
        if rounding not in ("zero", "nearest"):
            raise ContractError(f"rounding must be 'zero' or 'nearest', got {rounding!r}")
        lot = Fraction(repr(float(self.min_trade_amount)))
        count = np.float64(abs(amount) * lot.denominator / lot.numerator)
        lots = int(_round_count(count, "down" if rounding == "zero" else "nearest", self._GRID_RTOL))
        return lots if amount > 0 else -lots

    def from_lots(self, lots: int) -> float:
        """Amount of a count of lots, in ``amount_unit``: the float nearest to the decimal."""
        return float(lots * Fraction(repr(float(self.min_trade_amount))))

    def round_amount(self, amount: float, rounding: Literal["zero", "nearest"] = "zero") -> float:
        """Amount moved to whole lots; see `to_lots`."""
        return self.from_lots(self.to_lots(amount, rounding))


def _round_count(count: Any, direction: str, rtol: float) -> Any:
    """Round counts of ticks or lots, first snapping those that are whole up to float representation."""
    nearest = np.rint(count)
    if direction == "nearest":
        return nearest
    whole = np.abs(count - nearest) <= rtol * np.maximum(count, 1.0)
    if direction == "down":
        return np.where(whole, nearest, np.floor(count))
    if direction == "up":
        return np.where(whole, nearest, np.ceil(count))
    raise ContractError(f"direction must be 'nearest', 'down' or 'up', got {direction!r}")


# Defaults for replays without a catalog. The catalog of the day wins: ticks have
# changed over the years, and altcoins have multipliers.
_OPTION_STEPS = ((0.005, 0.0005),)
_INVERSE, _LINEAR = Settlement.INVERSE, Settlement.LINEAR
_SPECS: dict[tuple[type, str, Settlement], ContractSpec] = {
    (Perpetual, "BTC", _INVERSE): ContractSpec(0.5, 10.0, 10.0, "USD"),
    (Perpetual, "ETH", _INVERSE): ContractSpec(0.05, 1.0, 1.0, "USD"),
    (Future, "BTC", _INVERSE): ContractSpec(2.5, 10.0, 10.0, "USD"),
    (Future, "ETH", _INVERSE): ContractSpec(0.05, 1.0, 1.0, "USD"),
    (Option, "BTC", _INVERSE): ContractSpec(0.0001, 1.0, 0.1, "coin", _OPTION_STEPS),
    (Option, "ETH", _INVERSE): ContractSpec(0.0001, 1.0, 1.0, "coin", _OPTION_STEPS),
    # Ticks of the linear perpetuals are read off recorded quotes, not off a catalog.
    (Perpetual, "BTC", _LINEAR): ContractSpec(0.1, 0.0001, 0.0001, "coin"),
    (Perpetual, "ETH", _LINEAR): ContractSpec(0.05, 0.001, 0.001, "coin"),
    (Option, "BTC", _LINEAR): ContractSpec(5.0, 0.01, 0.01, "coin"),
}


def spec_for(instrument: Instrument) -> ContractSpec:
    """Grid of an instrument when no catalog is at hand.

    Parameters
    ----------
    instrument : Option, Future or Perpetual

    Returns
    -------
    ContractSpec

    Raises
    ------
    ContractError
        If there is no default for this kind of instrument; use `spec_from_catalog`.
    """
    try:
        return _SPECS[type(instrument), instrument.base, instrument.settlement]
    except KeyError:
        raise ContractError(
            f"no default tick and lot for {instrument.name}: read them from the catalog (spec_from_catalog)"
        ) from None


def spec_from_catalog(row: Mapping[str, Any]) -> ContractSpec:
    """Grid of an instrument from its row of the exchange's ``get_instruments`` answer.

    Parameters
    ----------
    row : mapping
        Needs ``instrument_name``, ``tick_size``, ``contract_size`` and
        ``min_trade_amount``; reads ``tick_size_steps`` (a list of ``above_price`` and
        ``tick_size``) when there.

    Returns
    -------
    ContractSpec

    Raises
    ------
    ContractError
        If a field is missing or is not a positive number, or the name does not parse.
    """
    try:
        instrument = parse(row["instrument_name"])
        in_usd = not isinstance(instrument, Option) and instrument.settlement is Settlement.INVERSE
        steps = sorted(
            (float(s["above_price"]), float(s["tick_size"])) for s in row.get("tick_size_steps", ())
        )
        return ContractSpec(
            tick_size=float(row["tick_size"]),
            contract_size=float(row["contract_size"]),
            min_trade_amount=float(row["min_trade_amount"]),
            amount_unit="USD" if in_usd else "coin",
            tick_size_steps=tuple(steps),
        )
    except KeyError as error:
        raise ContractError(
            f"catalog row of {row.get('instrument_name')!r} lacks the field {error}"
        ) from None
    except (TypeError, ValueError) as error:
        raise ContractError(f"catalog row of {row.get('instrument_name')!r}: {error}") from None


@overload
def payoff_usd(option: Option, delivery_price: float) -> float: ...
@overload
def payoff_usd(option: Option, delivery_price: FloatArray) -> FloatArray: ...
def payoff_usd(option: Option, delivery_price: float | FloatArray) -> float | FloatArray:
    """Payoff of one option on one coin, in USD at the delivery price.

    Parameters
    ----------
    option : Option
    delivery_price : float or array
        Delivery price in USD, positive.

    Returns
    -------
    float or array of float64
        ``max(kind * (delivery_price - strike), 0)``, for inverse and linear alike.

    Raises
    ------
    ContractError
        If a delivery price is not positive.
    """
    price = np.asarray(delivery_price, dtype=np.float64)
    if not (price > 0).all():
        raise ContractError(f"delivery_price must be positive, got {price.min()!r}")
    payoff = np.maximum(option.kind * (price - option.strike), 0.0)
    return payoff if payoff.ndim else float(payoff)


@overload
def payoff_coin(option: Option, delivery_price: float) -> float: ...
@overload
def payoff_coin(option: Option, delivery_price: FloatArray) -> FloatArray: ...
def payoff_coin(option: Option, delivery_price: float | FloatArray) -> float | FloatArray:
    """Payoff of one option on one coin, in coin at the delivery price.

    An inverse option is paid this; a linear one is paid `payoff_usd`, of which this is
    the worth in coin. A put is worth more than one coin once the price falls below half
    the strike. Parameters and errors as for `payoff_usd`.
    """
    return payoff_usd(option, delivery_price) / delivery_price


def inverse_pnl(size_usd: Any, entry: Any, exit_price: Any) -> Any:
    """Profit in coin of an inverse position between two prices.

    Parameters
    ----------
    size_usd : float or array
        Signed size in USD, negative when short.
    entry, exit_price : float or array
        Prices in USD.

    Returns
    -------
    float or array of float64
        ``size_usd * (1/entry - 1/exit_price)``, not rounded.
    """
    return size_usd * (1.0 / entry - 1.0 / exit_price)


def linear_pnl(qty: Any, entry: Any, exit_price: Any) -> Any:
    """Profit in USDC of a linear position of ``qty`` coins (signed) between two prices."""
    return qty * (exit_price - entry)


def inverse_average_entry(sizes_usd: npt.ArrayLike, prices: npt.ArrayLike) -> float:
    """Average entry price of inverse fills: the size-weighted harmonic mean.

    Parameters
    ----------
    sizes_usd : array
        Sizes in USD, all of one sign.
    prices : array
        Fill prices in USD, positive.

    Returns
    -------
    float
        ``sum(sizes) / sum(sizes / prices)``: the price at which one fill of the whole
        size has the same coin profit at every exit.

    Raises
    ------
    ContractError
        If there are no fills, the signs differ, a size is zero or a price not positive.
    """
    sizes, fills = np.asarray(sizes_usd, dtype=np.float64), np.asarray(prices, dtype=np.float64)
    if not sizes.size or not ((sizes > 0).all() or (sizes < 0).all()):
        raise ContractError(f"sizes_usd must be of one sign and not empty, got {sizes.tolist()}")
    if not (fills > 0).all():
        raise ContractError(f"prices must be positive, got {fills.tolist()}")
    return float(sizes.sum() / (sizes / fills).sum())


@overload
def to_units(amount: float) -> int: ...
@overload
def to_units(amount: FloatArray) -> Int64Array: ...
def to_units(amount: float | FloatArray) -> int | Int64Array:
    """Coin amounts as integer units of 1e-8, ties to even.

    Parameters
    ----------
    amount : float or array
        Coin amounts (or USDC), finite, below 2.2e7 in size.

    Returns
    -------
    int or array of int64

    Raises
    ------
    ContractError
        If an amount is not finite or too large to be counted exactly.
    """
    scaled = np.asarray(amount, dtype=np.float64) * UNITS_PER_COIN
    if not (np.abs(scaled) < 2.0**51).all():
        raise ContractError(f"amount must be finite and below 2.2e7, got {amount!r}")
    # 2.5e-8 times 1e8 need not be 2.5: a near tie is one, and goes to the even unit.
    halves = np.rint(2.0 * scaled)
    tie = np.abs(2.0 * scaled - halves) < 1e-6
    units = np.rint(np.where(tie, halves / 2.0, scaled)).astype(np.int64)
    return units if units.ndim else int(units)


@overload
def from_units(units: int) -> float: ...
@overload
def from_units(units: Int64Array) -> FloatArray: ...
def from_units(units: int | Int64Array) -> float | FloatArray:
    """Coin amount of integer units of 1e-8."""
    return units / UNITS_PER_COIN


@overload
def round_coin(amount: float) -> float: ...
@overload
def round_coin(amount: FloatArray) -> FloatArray: ...
def round_coin(amount: float | FloatArray) -> float | FloatArray:
    """Coin amounts rounded to 8 decimals, ties to even, as the exchange books them.

    Errors as for `to_units`.
    """
    return from_units(to_units(amount))
