"""Why the marks' volatilities moved: level, term, skew and moneyness, by smiles fitted to the chains.

A smile is fitted to the marks of one expiry of one chain, alone and once, where an option of
it was held. The level needs no fit: it is read off the marks around the forward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gammacore import _surface
from gammacore.array_types import Bools, Floats, Ints
from gammacore.attribution import VegaParts, split_vega
from gammacore.contracts import Option
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, year_fraction
from gammacore.ledger import Money
from gammacore.settlement import clock_factor
from gammacore.volatility import fit_surface
from gammacore.walk import VEGA_PARTS

from ..replay.runs import Run
from ..replay.tape import Tape

PARTS = (*VEGA_PARTS, "rest")
LEVEL_NS = 30 * NS_PER_DAY


class ChainSmiles:
    """Smiles of a tape's chains, fitted when an option first asks.

    Parameters
    ----------
    tape : Tape
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._fits: dict[tuple[int, int], Floats] = {}
        self._levels: dict[int, float] = {}

    def moved(self, option: Option, i: int, j: int) -> Floats:
        """Level, term, skew and moneyness of an option so far, and 1 where no smile is known.

        They move where the option's own mark is published, and not from or to a chain without a smile.

        Returns
        -------
        array, shape (j - i, 5)
            At entries i..j.
        """
        tape = self._tape
        found = np.full((len(tape.chains.snapshot_ts), 5), np.nan)
        (known,) = np.nonzero(np.isfinite(tape.chain_vols(option)))
        first, last = np.searchsorted(known, (tape.chain_before(i), tape.chain_before(j - 1)), side="right")
        known = known[max(first - 1, 0) : last + tape.interpolate]  # which looks one chain ahead
        steps, fitted = self._steps(option, known)
        found[known] = np.column_stack([np.cumsum(steps, axis=0), ~fitted])
        return np.stack([tape.at_chains(column, i, j, option.expiry_ns) for column in found.T], axis=1)

    def _steps(self, option: Option, numbers: Ints) -> tuple[Floats, Bools]:
        """Move level, term, skew and moneyness up to each of some chains; say which of them have a smile."""
        tape, expiry_ns, count = self._tape, option.expiry_ns, len(numbers)
        ts_ns = tape.chains.snapshot_ts[numbers]
        raw = np.array([self._fit(n, expiry_ns) for n in numbers.tolist()]).reshape(-1, 5)
        forward = np.array([tape.chain_forwards[n].get(expiry_ns, np.nan) for n in numbers.tolist()])
        level = np.array([self._level(n) for n in numbers.tolist()])
        # On the clock of the option's own volatility.
        factor = clock_factor(expiry_ns - ts_ns) if tape.averaging else np.ones(count)

        def smile(k: Floats) -> Floats:
            variance = _surface.evaluate(raw, np.arange(count), k)[0]
            return np.asarray(factor * np.sqrt(variance / year_fraction(ts_ns, expiry_ns)))

        place = np.log(option.strike / forward)
        at_money, there, before = (smile(k) for k in (np.zeros(count), place, np.roll(place, 1)))
        fitted = np.isfinite(level + there)
        skew = (before[1:] - at_money[1:]) - (there - at_money)[:-1]
        moves = np.diff(level), np.diff(at_money - level), skew, (there - before)[1:]
        steps = np.zeros((count, 4))
        steps[1:] = np.where((fitted[1:] & fitted[:-1])[:, None], np.stack(moves, axis=1), 0.0)
        return steps, fitted

    def _level(self, number: int) -> float:
        """Volatility at the money 30 days after a chain: total variance in a straight line between expiries.

        Where they do not reach around 30 days it is that of the nearest; NaN where none has marks around
        its forward.
        """
        if number not in self._levels:
            listed, ts_ns = np.unique(self._rows(number)[0]), int(self._tape.chains.snapshot_ts[number])
            split = int(np.searchsorted(listed, ts_ns + LEVEL_NS, side="right"))
            near = [self._first(number, some) for some in (listed[:split][::-1], listed[split:])]
            tau, variance = np.array([one for one in near if one is not None]).reshape(-1, 2).T
            if len(tau):
                at = float(np.clip(LEVEL_NS / NS_PER_YEAR, tau[0], tau[-1]))
                self._levels[number] = math.sqrt(float(np.interp(at, tau, variance)) / at)
            else:
                self._levels[number] = math.nan
        return self._levels[number]

    def _first(self, number: int, expiries: Ints) -> tuple[float, float] | None:
        """Years to, and total variance at the money of, the first expiry with marks around its forward."""
        chains = self._tape.chains
        for expiry_ns in expiries.tolist():
            rows = self._of_expiry(number, expiry_ns)
            forward, known = self._tape.chain_forwards[number].get(expiry_ns, math.nan), chains.iv[rows] > 0
            strike, iv = chains.strike[rows][known], chains.iv[rows][known]
            tau = float(year_fraction(chains.snapshot_ts[number], expiry_ns))
            if tau > 0.0 and len(strike) and strike[0] <= forward <= strike[-1]:
                return tau, float(np.interp(math.log(forward), np.log(strike), iv)) ** 2 * tau
        return None

    def _rows(self, number: int) -> tuple[Ints, int]:
        """Expiries of the rows of a chain, and where they begin."""
        first, end = self._tape.chains.offsets[number : number + 2].tolist()
        return self._tape.chains.expiry_ns[first:end], first

    def _of_expiry(self, number: int, expiry_ns: int) -> slice:
        """Rows of one expiry of a chain, in order of strike."""
        expiries, first = self._rows(number)
        return slice(*(first + np.searchsorted(expiries, [expiry_ns, expiry_ns + 1])).tolist())

    def _fit(self, number: int, expiry_ns: int) -> Floats:
        """SVI of one expiry of one chain; NaN where there are too few marks."""
        key = number, expiry_ns
        if key not in self._fits:
            chains, rows = self._tape.chains, self._of_expiry(number, expiry_ns)
            forward = self._tape.chain_forwards[number].get(expiry_ns, math.nan)
            try:
                surface = fit_surface(
                    int(chains.snapshot_ts[number]),
                    chains.expiry_ns[rows],
                    chains.strike[rows],
                    chains.kind[rows],
                    forward,
                    mark_vol=chains.iv[rows],
                )
                self._fits[key] = surface.raw[0]
            except ValueError:  # fewer strikes than an SVI needs
                self._fits[key] = np.full(5, np.nan)
        return self._fits[key]


def vega_parts(run: Run) -> list[VegaParts] | None:
    """Parts of vega of every account of a run; None unless ``report.vega_parts`` asks for them."""
    if not run.config.report.vega_parts:
        return None
    smiles = ChainSmiles(run.tape)
    return [done.attribution.vega_parts(smiles) for done in run.accounts]


def part_columns(found: Iterable[VegaParts]) -> pd.DataFrame:
    """Columns of the table of episodes: each part in coin and USD."""
    units = [(name, unit) for name in PARTS for unit in Money._fields]
    return pd.DataFrame(
        [{f"vega_{name}_{unit}": getattr(one.totals[name], unit) for name, unit in units} for one in found]
    )


def part_figures(vega: Money, found: list[VegaParts] | None) -> dict[str, Any]:
    """Sum the parts over a run for its summary, with the share of time without a smile."""
    if found is None:
        return {"vega_parts": None, "vega_unknown_share": None}
    totals = split_vega(vega, [one.totals for one in found])
    unknown, held = (math.fsum(getattr(one, name) for one in found) for name in ("unknown_ns", "held_ns"))
    return {
        "vega_parts": {name: money._asdict() for name, money in totals.items()},
        "vega_unknown_share": unknown / held if held else None,
    }
