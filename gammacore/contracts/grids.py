"""Price and amount grids of instruments.

Amounts live on the exchange's grid as integer lots, so that no two quantities are
ever compared as floats.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Literal, overload

import msgspec
import numpy as np

from gammacore._arrays import floats
from gammacore.array_types import Bools, Floats
from gammacore.contracts.names import Option, Settlement, family, parse
from gammacore.errors import ContractError

__all__ = ["ContractSpec", "spec_from_catalog"]

FUTURE_COMBO = "future_combo"
COMBOS = (FUTURE_COMBO, "option_combo")
Direction = Literal["nearest", "down", "up"]


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
    signed : bool
        Whether prices may be negative, as those of combos.
    """

    tick_size: float
    contract_size: float
    min_trade_amount: float
    amount_unit: Literal["USD", "coin"]
    tick_size_steps: tuple[tuple[float, float], ...] = ()
    signed: bool = False

    # A price this close to the grid, relative to its count of ticks, is on it.
    GRID_RTOL: ClassVar[float] = 1e-9

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

    @property
    def least(self) -> float:
        """What a price is above: nothing, unless it may be negative."""
        return -math.inf if self.signed else 0.0

    @cached_property
    def _levels(self) -> Floats:
        return np.array([above for above, _ in self.tick_size_steps], dtype=np.float64)

    @cached_property
    def _ratios(self) -> tuple[Floats, Floats]:
        """Ticks as numerators and denominators, so that n ticks is one correctly rounded division."""
        exact = [Fraction(repr(float(t))) for t in (self.tick_size, *(t for _, t in self.tick_size_steps))]
        return (
            np.array([f.numerator for f in exact], dtype=np.float64),
            np.array([f.denominator for f in exact], dtype=np.float64),
        )

    def _in_ticks(self, price: Floats) -> tuple[Floats, Floats, Floats]:
        """Numerator and denominator of each price's tick, and the price counted in it."""
        numerators, denominators = self._ratios
        step = np.searchsorted(self._levels, price * (1 + self.GRID_RTOL), side="right")
        p, q = numerators[step], denominators[step]
        return p, q, price * q / p

    def tick_at(self, price: float) -> float:
        """Return the price step that holds at a price."""
        steps = [tick for above, tick in self.tick_size_steps if price >= above]
        return steps[-1] if steps else self.tick_size

    @overload
    def is_on_tick(self, price: float) -> bool: ...
    @overload
    def is_on_tick(self, price: Floats) -> Bools: ...
    def is_on_tick(self, price: float | Floats) -> bool | Bools:
        """Whether prices lie on the grid, up to the representation of a float.

        Parameters
        ----------
        price : float or array
            Prices, not negative unless `signed`.

        Returns
        -------
        bool or array of bool
            False where the price is NaN.
        """
        values = floats(price)
        _, _, count = self._in_ticks(values)
        on = np.abs(count - np.rint(count)) <= self.GRID_RTOL * np.maximum(np.abs(count), 1.0)
        return on if on.ndim else bool(on)

    @overload
    def round_price(self, price: float, direction: Direction = "nearest") -> float: ...
    @overload
    def round_price(self, price: Floats, direction: Direction = "nearest") -> Floats: ...
    def round_price(self, price: float | Floats, direction: Direction = "nearest") -> float | Floats:
        """Move prices to the grid.

        Parameters
        ----------
        price : float or array
            Prices, not negative unless `signed`; NaN stays NaN.
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
            If the direction is unknown, or a price is negative and not `signed`.
        """
        if type(price) is float and price >= 0.0 and direction in ("nearest", "down", "up"):
            return self._round_one(price, direction)
        values = floats(price)
        if not self.signed and (values < 0).any():
            raise ContractError(f"price must not be negative, got {values.min()!r}")
        p, q, count = self._in_ticks(values)
        rounded = _round_count(count, direction, self.GRID_RTOL) * p / q
        return rounded if rounded.ndim else float(rounded)

    def _round_one(self, price: float, direction: Direction) -> float:
        """Round one price as :meth:`round_price` does, a tenth of the time."""
        numerators, denominators = self._scalar_ratios
        step = bisect_right(self._scalar_levels, price * (1 + self.GRID_RTOL))
        p, q = numerators[step], denominators[step]
        count = price * q / p
        nearest = float(round(count))
        if direction != "nearest" and abs(count - nearest) > self.GRID_RTOL * max(count, 1.0):
            nearest = float(math.floor(count) if direction == "down" else math.ceil(count))
        return nearest * p / q

    @cached_property
    def _scalar_levels(self) -> list[float]:
        return [float(above) for above, _ in self.tick_size_steps]

    @cached_property
    def _scalar_ratios(self) -> tuple[list[float], list[float]]:
        numerators, denominators = self._ratios
        return numerators.tolist(), denominators.tolist()

    @cached_property
    def _lot(self) -> tuple[int, int]:
        """A lot as a fraction of whole numbers."""
        return Fraction(repr(float(self.min_trade_amount))).as_integer_ratio()

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
        numerator, denominator = self._lot
        count = abs(amount) * denominator / numerator
        lots = round(count)
        if rounding == "zero" and abs(count - lots) > self.GRID_RTOL * max(count, 1.0):
            lots = math.floor(count)
        return lots if amount > 0 else -lots

    def from_lots(self, lots: int) -> float:
        """Amount of a count of lots, in ``amount_unit``: the float nearest to the decimal."""
        numerator, denominator = self._lot
        return lots * numerator / denominator

    def round_amount(self, amount: float, rounding: Literal["zero", "nearest"] = "zero") -> float:
        """Amount moved to whole lots; see `to_lots`."""
        return self.from_lots(self.to_lots(amount, rounding))


def _round_count(count: Any, direction: str, rtol: float) -> Any:
    """Round counts of ticks or lots, first snapping those that are whole up to float representation."""
    nearest = np.rint(count)
    if direction == "nearest":
        return nearest
    whole = np.abs(count - nearest) <= rtol * np.maximum(np.abs(count), 1.0)
    if direction == "down":
        return np.where(whole, nearest, np.floor(count))
    if direction == "up":
        return np.where(whole, nearest, np.ceil(count))
    raise ContractError(f"direction must be 'nearest', 'down' or 'up', got {direction!r}")


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
        If a field is missing or is not a positive number, or the name does not parse and the ``kind`` is not
        that of a combo.
    """
    try:
        name, kind = row["instrument_name"], row.get("kind")
        if kind in COMBOS:
            in_usd = kind == FUTURE_COMBO and "_" not in family(name)
        else:
            in_usd = _is_inverse_future(name)
        steps = sorted(
            (_number(step, "above_price"), _number(step, "tick_size"))
            for step in row.get("tick_size_steps") or ()
        )
        return ContractSpec(
            tick_size=_number(row, "tick_size"),
            contract_size=_number(row, "contract_size"),
            min_trade_amount=_number(row, "min_trade_amount"),
            amount_unit="USD" if in_usd else "coin",
            tick_size_steps=tuple(steps),
            signed=kind in COMBOS,
        )
    except KeyError as error:
        raise ContractError(
            f"catalog row of {row.get('instrument_name')!r} lacks the field {error}"
        ) from None
    except (TypeError, ValueError) as error:  # of which ContractError is one
        raise ContractError(f"catalog row of {row.get('instrument_name')!r}: {error}") from None


def _number(row: Mapping[str, Any], field: str) -> float:
    value = row[field]
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ContractError(f"{field} must be a number, got {value!r}") from None


def _is_inverse_future(name: str) -> bool:
    instrument = parse(name)
    return not isinstance(instrument, Option) and instrument.settlement is Settlement.INVERSE
