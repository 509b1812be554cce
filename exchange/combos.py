"""Combos as the exchange lists and prices them.

Prices of legs are their marks, each moved by the same amount, up where a combo buys the leg, until they add
up to the combo's price: a recorded futures spread was split so to the cent. They stand on the finest ticks of
the legs, as those of a recorded call spread did above the price where coarser ones begin. One leg takes what
rounding leaves: that of the smallest ratio and the finest tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import ceil
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gammacore.contracts import ContractSpec
from gammacore.daycount import NS_PER_MILLISECOND

from .catalog import ListedContract
from .wire import milliseconds

__all__ = ["ListedCombo", "leg_lots", "leg_prices", "list_combo"]

N = TypeVar("N", float, npt.NDArray[np.float64])
BOTTOM = -(10**15)
Legs = tuple[tuple[ListedContract, int], ...]


@dataclass(slots=True, eq=False)
class ListedCombo(ListedContract):
    """Several contracts in one book; its ``instrument`` is that of its first leg, for the family.

    Attributes
    ----------
    legs : tuple of (ListedContract, int)
        What one combo buys; sold where the number is negative.
    """

    legs: Legs = ()

    @property
    def lowest(self) -> int:
        """Least price, in the finest ticks: every leg costs a tick, and sold ones let it fall without end."""
        if any(ratio < 0 for _, ratio in self.legs):
            return BOTTOM
        return ceil(sum(ratio * Fraction(*leg.tick) for leg, ratio in self.legs) / Fraction(*self.tick))

    def belongs(self, currency: str, kind: str) -> bool:
        """Whether it is of a settlement currency and a kind, each of which may be ``any``."""
        return currency in ("any", self.currency) and kind in ("any", "combo", self.kind)

    def turnover(self, price: N, amount: N) -> tuple[N, N]:
        """Amounts, and what they cost: no price of a spread turns USD into coins."""
        return amount, amount * price

    def details(self) -> dict[str, Any]:
        """Return what the methods about combos show."""
        active = self.state == "open"  # until the first leg expires
        return {
            "id": self.name,
            "instrument_id": self.row["instrument_id"],
            "state": "active" if active else "inactive",
            "state_timestamp": milliseconds(self.created_ns if active else self.expiry_ns or 0),
            "creation_timestamp": milliseconds(self.created_ns),
            "legs": [{"instrument_name": leg.name, "amount": ratio} for leg, ratio in self.legs],
        }


def list_combo(name: str, legs: Legs, tick: tuple[int, int], number: int, now_ns: int) -> ListedCombo:
    """Make the listing of a combo.

    Parameters
    ----------
    name : str
    legs : tuple of (ListedContract, int)
        All options or all futures of one family, one of them dated.
    tick : tuple of int
        Exact price step of a spread of futures; options have the finest of their legs.
    number : int
        Its ``instrument_id``.
    now_ns : int
    """
    first, options = legs[0][0], legs[0][0].kind == "option"
    expiry_ns = min(leg.expiry_ns for leg, _ in legs if leg.expiry_ns is not None)
    lot = max((leg.lot for leg, _ in legs), key=lambda step: Fraction(*step))
    if options:
        tick = min((leg.tick for leg, _ in legs), key=lambda step: Fraction(*step))
    row = {
        **{key: first.row[key] for key in SHARED},
        "instrument_name": name,
        "instrument_id": number,
        "kind": "option_combo" if options else "future_combo",
        "state": "open",
        "is_active": True,
        "settlement_period": min(legs, key=lambda leg: leg[0].expiry_ns or 2**63)[0].row["settlement_period"],
        "creation_timestamp": milliseconds(now_ns),
        "expiration_timestamp": expiry_ns // NS_PER_MILLISECOND,
        "tick_size": tick[0] / tick[1],
        "tick_size_steps": [],
        "min_trade_amount": lot[0] / lot[1],
        "maker_commission": 0.0,  # fees are with the legs
        "taker_commission": 0.0,
    }
    return ListedCombo(
        instrument=first.instrument,
        name=name,
        base=first.base,
        currency=first.currency,
        index=first.index,
        kind=str(row["kind"]),
        inverse=first.inverse,
        coin_settled=first.coin_settled,
        expiry_ns=expiry_ns,
        spec=ContractSpec(
            tick[0] / tick[1], first.spec.contract_size, lot[0] / lot[1], first.spec.amount_unit, signed=True
        ),
        row=row,
        tick=tick,
        lot=lot,
        created_ns=now_ns,
        trade_gap_ns=1,
        past_trades=0,
        legs=legs,
    )


SHARED = (
    "instrument_type", "underlying_type", "product_group", "price_index", "base_currency", "quote_currency",
    "counter_currency", "settlement_currency", "contract_size",
)  # fmt: skip


def leg_lots(combo: ListedCombo, lots: int, leg: ListedContract, ratio: int) -> int:
    """Lots of a leg in lots of a combo, whose own are the largest of its legs."""
    exact = lots * abs(ratio) * Fraction(*combo.lot) / Fraction(*leg.lot)
    assert exact.denominator == 1, leg.name
    return exact.numerator


def leg_prices(combo: ListedCombo, ticks: int, marks: Sequence[float]) -> list[Fraction]:
    """Prices of the legs, which add up to that of the combo exactly.

    Parameters
    ----------
    combo : ListedCombo
    ticks : int
        Its price.
    marks : sequence of float
        Of its legs.
    """
    price, ratios = ticks * Fraction(*combo.tick), [ratio for _, ratio in combo.legs]
    steps = [Fraction(*leg.tick) for leg, _ in combo.legs]
    rest = float(price) - sum(ratio * mark for ratio, mark in zip(ratios, marks, strict=True))
    moved = rest / sum(map(abs, ratios))
    near = [
        max(round((mark + (moved if ratio > 0 else -moved)) / float(step)), 1)
        for ratio, mark, step in zip(ratios, marks, steps, strict=True)
    ]
    places = sorted(range(len(ratios)), key=lambda k: (abs(ratios[k]), steps[k], -marks[k]))
    for counts in (near, [1] * len(near)):
        for on_ticks in (True, False):  # 2 and 3 of two contracts do not add up to 6 ticks
            for last in places:
                grain = min(steps[last], Fraction(*combo.tick)) if on_ticks else None
                found = _closed(price, ratios, steps, counts, last, grain)
                if found is not None:
                    return found
    raise AssertionError(f"{combo.name}: {price} leaves no price to a leg")


def _closed(
    price: Fraction,
    ratios: Sequence[int],
    steps: Sequence[Fraction],
    counts: Sequence[int],
    last: int,
    grain: Fraction | None,
) -> list[Fraction] | None:
    """Let one leg take the rest, others some ticks more where it does not divide; None if it cannot."""
    others = [k for k in range(len(ratios)) if k != last]
    for more in product(range(abs(ratios[last])), repeat=len(others)):
        found = {k: (counts[k] + extra) * steps[k] for k, extra in zip(others, more, strict=True)}
        found[last] = (price - sum(ratios[k] * found[k] for k in others)) / ratios[last]
        if found[last] > 0 and (grain is None or (found[last] / grain).denominator == 1):
            return [found[k] for k in range(len(ratios))]
    return None
