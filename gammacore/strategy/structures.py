"""From the legs of a structure to the options of a chain, or why the chain has none."""

from __future__ import annotations

import math
from bisect import bisect_left
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from gammacore import inverse
from gammacore.contracts import CALL
from gammacore.daycount import FRIDAY, NS_PER_DAY, NS_PER_YEAR, weekday
from gammacore.events import ChainSlice
from gammacore.legs import ExpiryRule, LegRule, StrikeRule
from gammacore.strategy.strikes import NO_FORWARD, NO_PAIR, delta_too_far, nearest, strike_too_far

__all__ = ["Picked", "expiries_of", "pick"]


class Picked(NamedTuple):
    """One unit of a structure: rows of the chain, and coins of each, signed."""

    rows: tuple[int, ...]
    amounts: tuple[float, ...]


class UnavailableError(Exception):
    """The chain does not offer a leg; the message says why. It never leaves this module."""


def expiries_of(rule: ExpiryRule, listed: list[int], ts_ns: int) -> list[int]:
    """Expiries that fit a rule that does not look at another leg; ``listed`` ascending."""
    if rule.how == "friday":
        fridays = [e for e in listed if weekday(e) == FRIDAY and e > ts_ns]
        return fridays[int(rule.first) - 1 : int(rule.first)]
    low, high = rule.first * NS_PER_DAY, rule.last * NS_PER_DAY
    return [e for e in listed if low <= e - ts_ns <= high]


def pick(
    chain: ChainSlice, legs: tuple[LegRule, ...], anchor_ns: int, listed: list[int], ts_ns: int
) -> Picked | str:
    """Choose the options of a structure.

    Parameters
    ----------
    chain : ChainSlice
    legs : tuple of LegRule
    anchor_ns : int
        Expiry of the first leg.
    listed : list of int
        Expiries that the entry rule allows, ascending.
    ts_ns : int
        Now.

    Returns
    -------
    Picked or str
        Or why the chain has none.
    """
    try:
        return _Picking(chain, legs, anchor_ns, listed, ts_ns).picked()
    except UnavailableError as error:
        return str(error)


class _Picking:
    def __init__(
        self, chain: ChainSlice, legs: tuple[LegRule, ...], anchor_ns: int, listed: list[int], ts_ns: int
    ) -> None:
        self.chain, self.legs, self.ts_ns = chain, legs, ts_ns
        self._quoted: dict[tuple[int, int], dict[float, int]] = {}
        self.expiries: list[int] = []
        for leg in legs:
            self.expiries.append(self._expiry(leg.expiry, anchor_ns, listed))
        self.strikes: list[float] = []

    def _expiry(self, rule: ExpiryRule, anchor_ns: int, listed: list[int]) -> int:
        if not self.expiries:
            return anchor_ns
        if rule.how == "entry":
            return anchor_ns
        if rule.how == "leg":
            base = self.expiries[int(rule.first) - 1]
            least = base + round(rule.last * NS_PER_DAY)
            fit = [base] if rule.last == 0.0 else [e for e in listed if e >= least][:1]
            wanted = f"{rule.last:g} days after leg {rule.first:g}"
        else:
            fit = expiries_of(rule, listed, self.ts_ns)
            wanted = (
                f"{rule.first:g} to {rule.last:g} days out"
                if rule.how == "window"
                else f"{rule.first:g} Fridays out"
            )
        if not fit:
            raise UnavailableError(f"leg {len(self.expiries) + 1}: no expiry {wanted} in the chain")
        return fit[-1]

    def picked(self) -> Picked:
        """Rows and amounts."""
        for number, leg in enumerate(self.legs):
            self.strikes.append(self._strike(number, leg))
        rows = tuple(self._row(number) for number in range(len(self.legs)))
        for number, row in enumerate(rows):
            if row in rows[:number]:
                twice = f"legs {rows.index(row) + 1} and {number + 1}"
                raise UnavailableError(f"{twice} are both {self.chain.option(row).name}")
        return Picked(rows, tuple(leg.amount for leg in self.legs))

    def _of(self, number: int) -> dict[float, int]:
        """Rows of a leg's expiry and kind with a mark and a volatility, by strike, ascending."""
        chain, key = self.chain, (self.expiries[number], self.legs[number].kind)
        if key not in self._quoted:
            mine = (chain.expiry_ns == key[0]) & (chain.kind == key[1])
            (rows,) = (mine & (chain.iv > 0) & np.isfinite(chain.mark)).nonzero()
            rows = rows[::-1]  # of rows that repeat a strike, the first counts
            listed = zip(chain.strike[rows].tolist(), rows.tolist(), strict=True)
            self._quoted[key] = dict(sorted(listed, key=itemgetter(0)))
        return self._quoted[key]

    def _row(self, number: int) -> int:
        row = self._of(number).get(self.strikes[number])
        if row is None:
            raise UnavailableError(
                f"leg {number + 1}: {self._name(number)} at {self.strikes[number]:,.10g} has no mark"
            )
        return row

    def _name(self, number: int) -> str:
        return "call" if self.legs[number].kind == CALL else "put"

    def _usable(self, number: int) -> list[float]:
        """Strikes of a leg that every leg with the same strike has as well, ascending."""
        strikes = list(self._of(number))
        tied = {number}
        for k, leg in enumerate(self.legs):
            if leg.strike.how == "leg" and not leg.strike.steps and int(leg.strike.value) - 1 in tied:
                tied.add(k)
                strikes = [strike for strike in strikes if strike in self._of(k)]
        if not strikes:
            raise UnavailableError(
                NO_PAIR if len(tied) > 1 else f"no {self._name(number)} with a mark and a volatility"
            )
        return strikes

    def _strike(self, number: int, leg: LegRule) -> float:
        rule, usable = leg.strike, self._usable(number)
        if rule.how == "leg":
            chosen = self.strikes[int(rule.value) - 1]
        elif rule.how == "price":
            chosen = rule.value
            if chosen not in usable:
                what = f"no {self._name(number)} struck at {chosen:,.10g}"
                raise UnavailableError(f"leg {number + 1}: {what}, nearest {nearest(usable, chosen):,.10g}")
        else:
            chosen = self._nearest(number, leg, usable)
        if not rule.steps:
            return chosen
        at = bisect_left(usable, chosen) + rule.steps
        if not 0 <= at < len(usable):
            side = "above" if rule.steps > 0 else "below"
            raise UnavailableError(
                f"leg {number + 1}: the chain lists no {abs(rule.steps)} strikes {side} {chosen:,.10g}"
            )
        return usable[at]

    def _nearest(self, number: int, leg: LegRule, usable: list[float]) -> float:
        """Strike nearest what a rule looks for, refused where half a chain would lack it."""
        chain, expiry_ns, rule = self.chain, self.expiries[number], leg.strike
        forward = chain.forwards.get(expiry_ns, math.nan)
        if not forward > 0.0:
            raise UnavailableError(NO_FORWARD)
        listed = sorted(set(chain.strike[chain.expiry_ns == expiry_ns].tolist()))
        tau = (expiry_ns - self.ts_ns) / NS_PER_YEAR
        if rule.how == "delta":
            return self._by_delta(number, leg, usable, listed, forward, tau)
        target = self._target(number, rule, forward, tau)
        if why := strike_too_far(usable, listed, target, forward):
            raise UnavailableError(why)
        return nearest(usable, target)

    def _target(self, number: int, rule: StrikeRule, forward: float, tau: float) -> float:
        if rule.how == "atm":
            return forward
        if rule.how == "moneyness":
            return forward * rule.value
        rows = self._of(number)
        vol = float(self.chain.iv[rows[nearest(list(rows), forward)]])
        return forward * math.exp(self.legs[number].kind * rule.value * vol * math.sqrt(tau))

    def _by_delta(
        self, number: int, leg: LegRule, usable: list[float], listed: list[float], forward: float, tau: float
    ) -> float:
        kind, wanted, rows = leg.kind, leg.strike.value, self._of(number)
        strike, iv = np.array(usable), self.chain.iv[[rows[one] for one in usable]]
        seen = inverse.greeks(np.full(len(usable), kind, np.int8), forward, strike, tau, iv).delta
        best = int(np.argmin(np.abs(seen - kind * wanted)))
        option = usable[best], float(seen[best]), float(iv[best])
        if why := delta_too_far(usable, listed, forward, kind, wanted, option, tau):
            raise UnavailableError(why)
        return option[0]
