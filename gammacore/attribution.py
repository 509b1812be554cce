"""Where the money came from: the profit of one episode, step by step and line by line.

The value of each option is followed from one moment of the tape to the next and split by
:mod:`gammacore.expansion`, by a Taylor expansion or by repricing:

=============  ==============================================================================
delta          first order in the forward (in 1/forward for inverse options)
gamma          second order in it (repriced: all that is beyond the first)
theta          passage of time
vega           change of the mark volatility, first order
vanna          price and volatility together
volga          second order in volatility (repriced: all that is beyond the first)
charm          price and time together
higher_order   what the model moved beyond the lines above
unexplained    what the recorded mark moved beyond the model
hedge          futures, had their price moved with the forward of the options
basis          futures, what their price did besides; 0 in the expiry's own future
lots           futures, the part held only because orders are whole lots
spread         fills away from the mark, options and hedges
fees           trades and deliveries
funding        perpetual funding, negative when paid
numeraire      revaluation of the accumulated equity in the other currency
rounding       cash is kept to 1e-8; bounded by the number of postings, or an error is raised
=============  ==============================================================================

``vega`` has parts where fitted smiles are at hand (:meth:`Attribution.vega_parts`), each vega times the
change of one of them over the same steps:

=========  ==================================================================================
level      volatility at the money, 30 days ahead
term       volatility at the money of the option's own expiry, less the level
skew       smile at the option's log-moneyness of before, less its expiry's at the money
moneyness  smile at the option's log-moneyness, less at that of before
rest       what the mark did beyond the smile; all of a step without a smile at either end
=========  ==================================================================================

On a variance clock a step takes the share of an option's variance that the clock's time in it is of the
clock's time to expiry, not the share of the calendar's. What ``theta`` has more than by the calendar,
``vega`` has less: by so much a volatility in calendar time moves while it rests in the clock's.

The lines are computed from prices and fills, the total comes from the ledger. They must
meet within the rounding of the ledger's postings; ``rounding`` is that difference.

One coin of hedge delta moves with the forward when it earns what one coin of delta of the
expiry's own future earns: then ``delta`` and ``hedge`` offset each other in a neutral position. The
excess of a wish too small for a lot is not an order: the last one's stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.episode import Episode
from gammacore.expansion import Method
from gammacore.ledger import Money, check_gap
from gammacore.volatility.clock import VarianceClock
from gammacore.walk import LINES, VEGA_PARTS, Lines, Path, Smiles, Walk, points_at, slippage

__all__ = [
    "LINES",
    "Attribution",
    "Path",
    "Smiles",
    "VegaParts",
    "attribute",
    "check_rounding",
    "share_of",
    "slippage",
    "split_vega",
]

REVALUATIONS = 2  # of three assets each, in the life of an episode


class VegaParts(NamedTuple):
    """Parts of one line vega, which they sum to.

    Attributes
    ----------
    totals : dict of part to Money
    unknown_ns, held_ns : float
        Time for which options were held without a fitted smile, and at all, summed over the options.
    """

    totals: dict[str, Money]
    unknown_ns: float
    held_ns: float


def split_vega(vega: Money, parts: Iterable[Mapping[str, Money]]) -> dict[str, Money]:
    """Sum the parts of some episodes; ``rest`` is what they leave of the whole line."""
    kept = list(parts)
    totals = {
        name: Money(*(math.fsum(part[name][c] for part in kept) for c in (0, 1))) for name in VEGA_PARTS
    }
    rest = Money(*(vega[c] - math.fsum(money[c] for money in totals.values()) for c in (0, 1)))
    return totals | {"rest": rest}


class Attribution:
    """Lines of one episode.

    The totals are summed in compiled code; what each step brought is worked out when first asked for.

    Attributes
    ----------
    start : int
        First entry of the tape; step k runs from entry ``start + k`` to the next.
    totals : dict of line to Money
    ends : dict of expiry_ns to int
        Points at which options were delivered.
    """

    def __init__(self, walk: Walk, method: Method) -> None:
        self._walk, self._method = walk, method
        self.start, self.ends = walk.i, walk.ends
        sums = walk.sums() if method == "taylor" else _summed(*self._steps)
        self.totals = _close(walk.episode, sums, coin_first=walk.inverse)
        walk.forget()

    @property
    def ts_ns(self) -> Ints:
        """Times between which the steps run, shape (steps + 1,)."""
        return self._walk.ts

    @property
    def rate(self) -> Floats:
        """USD per coin at these times."""
        return self._walk.index

    @property
    def hedge_price(self) -> Floats:
        """Mark of the hedge instrument at these times."""
        return self._walk.hedge_prices[0]

    @cached_property
    def forward(self) -> Floats:
        """Forward at the entries, for realised volatility."""
        return self._walk.forward

    @property
    def at(self) -> Ints:
        """Entry that each of the points shows, from ``start``."""
        return self._walk.at

    @cached_property
    def next_at(self) -> Ints:
        """The first entry that is not before each point; after the last one for what comes later."""
        later = self.at.copy()
        later[[point for point, _ in self._walk.added]] += 1
        return later

    @cached_property
    def _steps(self) -> tuple[Lines, Lines]:
        """Steps in the settlement currency and in the other, without what rounding left."""
        native = self._walk.option_lines(self._method) | self._walk.hedge_lines()
        native["fees"], native["spread"] = self._walk.cost_lines()
        return native, self._walk.convert(native)

    @cached_property
    def coin(self) -> Lines:
        """Profit per step, coin; the cost of the fills at an entry belongs to the step that ends there.

        What the entry itself cost belongs to the first step, what rounding left to the last.
        """
        return self._rounded(0 if self._walk.inverse else 1, self.totals["rounding"].coin)

    @cached_property
    def usd(self) -> Lines:
        """Profit per step, USD."""
        return self._rounded(1 if self._walk.inverse else 0, self.totals["rounding"].usd)

    def _rounded(self, currency: int, rounding: float) -> Lines:
        lines = self._steps[currency]
        return lines | {"rounding": np.append(np.zeros(len(lines["rounding"]) - 1), rounding)}

    @cached_property
    def sizes(self) -> dict[str, float]:
        """Sum over the steps of each line's size, settlement currency: what cancels over time still shows.

        Delta and hedge offset each other by design and count as one, ``delta + hedge``.
        """
        native = self._steps[0]
        lines = {name: step for name, step in native.items() if name not in ("delta", "hedge", "rounding")}
        lines["delta + hedge"] = native["delta"] + native["hedge"]
        return {name: float(np.abs(step).sum()) for name, step in lines.items()}

    def vega_parts(self, smiles: Smiles) -> VegaParts:
        """Split the line vega by what of the fitted smiles moved."""
        sums, unknown_ns, held_ns = self._walk.vega_sums(smiles)
        money = [Money(*(both if self._walk.inverse else both[::-1])) for both in sums.tolist()]
        found = dict(zip(VEGA_PARTS, money, strict=True))
        return VegaParts(split_vega(self.totals["vega"], [found]), unknown_ns, held_ns)

    @property
    def entries(self) -> Ints:
        """Point of each entry."""
        return np.searchsorted(self.at, np.arange(len(self.forward)))

    def points(self, ts_ns: Ints) -> Ints:
        """Points at which fills take place; those of a delivery come after the last entry."""
        return points_at(self.ts_ns, ts_ns)


def attribute(
    episode: Episode,
    path: Path,
    last: int,
    method: Method = "taylor",
    clock: VarianceClock | None = None,
) -> Attribution:
    """Split an episode's profit into lines.

    Parameters
    ----------
    episode : Episode
        EpisodeRun, or carried at marks at entry ``last`` of the path.
    path : Path
        The market.
    last : int
        Entry at which the episode ended (the last one at or before its last fill or delivery).
    method : {'taylor', 'revaluation'}
        See :mod:`gammacore.expansion`.
    clock : VarianceClock, optional
        On which theta passes and vega counts changes; the calendar's if not given.

    Returns
    -------
    Attribution

    Raises
    ------
    LedgerError
        If lines and ledger differ by more than rounding can explain.
    """
    first = int(path.ts_ns.searchsorted(episode.entry_ns, side="right")) - 1
    return Attribution(Walk(episode, path, first, last, clock), method)


def share_of(line: str, sizes: Iterable[Mapping[str, float]]) -> float:
    """Share of one line in the :attr:`Attribution.sizes` of some episodes; 0 where nothing moved."""
    kept = list(sizes)
    whole = math.fsum(size for part in kept for size in part.values())
    return math.fsum(part[line] for part in kept) / whole if whole else 0.0


def _summed(native: Lines, other: Lines) -> Floats:
    return np.array([(native[name].sum(), other[name].sum()) for name in LINES])


def _close(episode: Episode, sums: Floats, coin_first: bool) -> dict[str, Money]:
    """Totals of the lines, with the ledger's rounding among them."""
    found = sums if coin_first else sums[:, ::-1]
    totals = dict(zip(LINES, map(Money._make, found.tolist()), strict=True))
    profit, explained = episode.ledger.profit(), map(math.fsum, found.T.tolist())
    coin, usd = (whole - part for whole, part in zip(profit, explained, strict=True))
    check_rounding(episode, coin, usd, float(np.abs(found[:, episode.ledger.native]).sum()))
    totals["rounding"] = Money(coin, usd)
    return totals


def check_rounding(episode: Episode, coin: float, usd: float, size: float = 0.0) -> None:
    """Refuse a gap that the rounding of each posting to 1e-8 cannot have left, nor that of lines of a size.

    Raises
    ------
    LedgerError
    """
    postings = episode.ledger.roundings + 3 * REVALUATIONS
    check_gap(episode.ledger, Money(coin, usd), postings, f"episode {episode.number}: lines and ledger", size)
