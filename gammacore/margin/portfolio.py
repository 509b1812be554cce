"""Portfolio margin: the worst loss of a book on a grid of prices and volatilities, and two shocks.

Formulas, in the settlement currency (coin or USDC), for one coin:

- the grid: price buckets from ``-price_range`` to ``+price_range``, each with volatility up, as it is and
  down (support.deribit.com 25944756247837);
- the extended grid: larger moves with volatility up, whose profit is scaled by
  ``extended_table_factor price_range / |move|``, in coin also by ``(1 + move) / (1 ± price_range)``, and
  damped towards zero by ``(|move| / price_range - 1) extended_dampener`` USD. Confirmed for futures by two
  recorded answers, for options not;
- volatility up ``max(iv (1 + range_up (30 / d)^p), min_volatility_for_shock_up)``, down
  ``max(iv (1 - range_down (30 / d)^p), 0)``, with ``d`` days to expiry and ``p`` the short or, from 30
  days, the long power. Not confirmed: docs.oreome.com, which says that it mirrors the exchange;
- gains are multiplied by ``pnl_offset`` (recorded answers), which no margin of one coin depends on;
- roll shock: the sum over expiries, the perpetual being one, of ``|delta|`` times
  ``max(min_annualised_move, exp(annualised_move_risk T) - 1)``. The floor is confirmed by two recorded
  answers, the exponential is not; nor that the delta of options is Black's;
- delta shock, where ``|delta| index`` exceeds ``delta_total_liq_shock_threshold``:
  ``min((|delta| index - threshold) |delta| m_inc, max_delta_shock |delta| index)`` USD. The delta of
  bought options may only offset the rest. Not confirmed: recorded answers are below the threshold;
- initial margin is the sum of the worst loss, rounded to 9 decimals as recorded answers show, and the two
  shocks, without open orders; maintenance ``mm_factor`` of it.

Options of the same recorded answers do not exist, so no figure of the exchange's confirms an option here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from gammacore import _core, _margin
from gammacore.array_types import Floats, Ints
from gammacore.errors import ContractError

from .book import Book, lines_of

__all__ = [
    "Books",
    "PortfolioMargin",
    "PortfolioRates",
    "Scenario",
    "portfolio_margin",
    "portfolio_margins",
    "risk_vectors",
    "scenarios",
    "sized_margins",
]

SHIFTS: tuple[Literal["up", "same", "down"], ...] = ("up", "same", "down")


class PortfolioRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """Parameters of the model for one coin, under the names of the exchange's ``model_params``.

    Attributes
    ----------
    price_range : float
        Largest move of the standard grid, as a fraction.
    volatility_range_up, volatility_range_down : float
        Shock of a volatility 30 days before expiry, as a fraction of it.
    min_volatility_for_shock_up : float
        The shocked volatility is not lower.
    short_term_vega_power, long_term_vega_power : float
        How the shock changes with time to expiry, below 30 days and from there on.
    extended_table_factor : float
    max_delta_shock : float
        Largest delta shock, as a fraction of the delta.
    delta_total_liq_shock_threshold : float
        USD of delta up to which there is no delta shock.
    m_inc : float
        Delta shock per coin of delta, as a fraction of what exceeds the threshold.
    annualised_move_risk, min_annualised_move : float
        Roll shock per year and at least, as fractions.
    extended_dampener : float
        USD.
    pnl_offset : float
        Share of a gain that may offset losses in another coin.
    max_offsetable_pnl : float
        USD.
    mm_factor : float
        Maintenance margin as a fraction of initial.
    buckets_count : int
        Prices of the grid on each side.
    extended_moves : tuple of float
        Moves of the extended grid, as fractions.
    """

    price_range: float
    volatility_range_up: float
    volatility_range_down: float
    min_volatility_for_shock_up: float
    short_term_vega_power: float
    long_term_vega_power: float
    extended_table_factor: float
    max_delta_shock: float
    delta_total_liq_shock_threshold: float
    m_inc: float
    annualised_move_risk: float
    min_annualised_move: float
    extended_dampener: float
    pnl_offset: float
    max_offsetable_pnl: float
    mm_factor: float
    buckets_count: int = 4
    extended_moves: tuple[float, ...] = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not isinstance(value, tuple) and not 0.0 <= value < float("inf"):
                raise ContractError(f"{name}: must not be negative or infinite, got {value!r}")
        if not 0.0 < self.price_range < 1.0:
            raise ContractError(f"price_range: expected a fraction of the price, got {self.price_range!r}")
        if self.buckets_count < 1:
            raise ContractError(f"buckets_count: expected at least 1, got {self.buckets_count!r}")
        if not 0.0 < self.mm_factor <= 1.0:
            raise ContractError(f"mm_factor: expected a fraction of initial margin, got {self.mm_factor!r}")
        for move in self.extended_moves:
            if not (move > -1.0 and abs(move) >= self.price_range):
                raise ContractError(
                    f"extended_moves: expected moves above -1 and beyond ±{self.price_range:g}, got {move!r}"
                )


class Scenario(NamedTuple):
    """One entry of the grid."""

    move: float
    """Of the price, as a fraction."""
    volatility: Literal["up", "same", "down"]
    extended: bool


class PortfolioMargin(NamedTuple):
    """Margin of a book, settlement currency, and where it comes from.

    Attributes
    ----------
    initial, maintenance : float
        Without open orders.
    worst_loss, roll_shock, delta_shock : float
        Whose sum is ``initial``.
    scenario : Scenario or None
        Of the worst loss; None where no scenario loses.
    losses : array, shape (n,)
        Of each position in that scenario, before damping; negative where it gains.
    added : array, shape (n,)
        Initial margin of the book less that of the book without the position; negative where it offsets.
    """

    initial: float
    maintenance: float
    worst_loss: float
    roll_shock: float
    delta_shock: float
    scenario: Scenario | None
    losses: Floats
    added: Floats


class Books(msgspec.Struct, frozen=True):
    """Many books of one coin and settlement currency, each with a market of its own.

    Attributes
    ----------
    index : array, shape (b,)
        USD per coin.
    offsets : array of int64, shape (b + 1,)
        Positions of book i are ``offsets[i]:offsets[i + 1]`` of the rest.
    lines : array, shape (n, 5)
        Kind (+1 call, -1 put, 0 future), strike (USD), years to expiry (0 of a perpetual), volatility,
        price of the underlying or of the future (USD).
    groups : array of int64, shape (n,)
        Number of the expiry within its book, from 0 and below its number of positions; the perpetual is
        an expiry of its own.
    sizes : array, shape (n,)
        Coins, signed; an inverse future's are USD over its mark.
    """

    index: Floats
    offsets: Ints
    lines: Floats
    groups: Ints
    sizes: Floats


@lru_cache(maxsize=64)
def scenarios(rates: PortfolioRates, inverse: bool) -> tuple[Floats, tuple[Scenario, ...]]:
    """Return the grid as the compiled core takes it, and as it reads.

    Returns
    -------
    table : array, shape (4, m)
        Move, volatility (0 up, 1 same, 2 down), factor of the profit, damping (USD).
    named : tuple of Scenario
    """
    rows: list[tuple[float, float, float, float]] = []
    named: list[Scenario] = []
    count, most = rates.buckets_count, rates.price_range
    for bucket in range(-count, count + 1):
        for shift, name in enumerate(SHIFTS):
            rows.append((bucket / count * most, float(shift), 1.0, 0.0))
            named.append(Scenario(bucket / count * most, name, False))
    for move in rates.extended_moves:
        edge = 1.0 + (most if move > 0 else -most)  # where USD become coins
        scale = rates.extended_table_factor * most / abs(move)
        damping = (abs(move) / most - 1.0) * rates.extended_dampener
        if inverse:
            scale, damping = scale * (1.0 + move) / edge, damping / edge
        rows.append((move, 0.0, scale, damping))
        named.append(Scenario(move, SHIFTS[0], True))
    table = np.ascontiguousarray(np.array(rows).T)
    table.flags.writeable = False
    return table, tuple(named)


@lru_cache(maxsize=64)
def _flat(rates: PortfolioRates) -> Floats:
    """Rates in the order of ``gc_margin_rates``."""
    flat = np.array(
        [
            rates.volatility_range_up,
            rates.volatility_range_down,
            rates.min_volatility_for_shock_up,
            rates.short_term_vega_power,
            rates.long_term_vega_power,
            rates.annualised_move_risk,
            rates.min_annualised_move,
            rates.delta_total_liq_shock_threshold,
            rates.m_inc,
            rates.max_delta_shock,
        ]
    )
    flat.flags.writeable = False
    return flat


def _level() -> int:
    """Instruction set of the loops: that of the pricing kernels."""
    return _core.LEVELS.index(_core.simd_level())


def portfolio_margin(book: Book, rates: PortfolioRates) -> PortfolioMargin:
    """Return the portfolio margin of a book by the formulas of this module.

    Parameters
    ----------
    book : Book
        Options need their forward and volatility, futures their mark.
    rates : PortfolioRates
        Of its coin.

    Returns
    -------
    PortfolioMargin
        NaN where a mark is missing.

    Examples
    --------
    >>> from gammacore.contracts import parse
    >>> from gammacore.margin import Holding
    >>> from gammacore.data.margins import published_margins
    >>> from gammacore.daycount import parse_time
    >>> now = parse_time("2024-06-17")
    >>> perpetual = Holding(parse("BTC-PERPETUAL"), 20_000.0, 65_000.0)
    >>> rates = published_margins().portfolio_at(now, "BTC")
    >>> found = portfolio_margin(Book(now, 65_000.0, (perpetual,)), rates)
    >>> round(found.initial, 8), found.scenario
    (0.06168498, Scenario(move=-0.16, volatility='up', extended=False))
    """
    lines, groups, sizes = lines_of(book.ts_ns, book.holdings)
    table, named = scenarios(rates, book.inverse)
    flat, inverse, index = _flat(rates), book.inverse, book.index
    vector, delta, roll = _margin.vectors(_level(), flat, table, inverse, lines)
    whole = _margin.books(flat, table, inverse, index, lines, groups, sizes[None, :], vector, delta, roll)[0]
    less = _margin.without(flat, table, inverse, index, lines, groups, sizes, vector, delta, roll)
    worst, rolled, shock, at = whole.tolist()
    initial = worst + rolled + shock
    losses = -sizes * vector[:, int(at)] if at >= 0 else np.zeros(len(sizes))
    return PortfolioMargin(
        initial,
        rates.mm_factor * initial,
        worst,
        rolled,
        shock,
        named[int(at)] if at >= 0 else None,
        losses,
        initial - less[:, :3].sum(axis=1),
    )


def sized_margins(book: Book, rates: PortfolioRates, sizes: ArrayLike) -> Floats:
    """Return initial margins of many books that hold the same instruments in other sizes.

    Parameters
    ----------
    book : Book
        Its instruments and marks.
    rates : PortfolioRates
    sizes : array_like, shape (b, n)
        Signed, in the units of :class:`Holding`.

    Returns
    -------
    array, shape (b,)
        Settlement currency; maintenance is ``mm_factor`` of it.

    Raises
    ------
    ContractError
        If there is not one size per position, or one is not finite.
    """
    given = np.asarray(sizes, np.float64)
    if given.ndim != 2 or given.shape[1] != len(book.holdings):
        raise ContractError(
            f"sizes: expected shape (books, {len(book.holdings)}), one column per position, got {given.shape}"
        )
    if not np.isfinite(given).all():
        at = np.argwhere(~np.isfinite(given))[0]
        raise ContractError(f"sizes[{at[0]}, {at[1]}]: expected a finite number, got {given[tuple(at)]:g}")
    unit = Book(book.ts_ns, book.index, tuple(held._replace(size=1.0) for held in book.holdings))
    lines, groups, coins = lines_of(unit.ts_ns, unit.holdings)
    table, _ = scenarios(rates, book.inverse)
    scaled = np.ascontiguousarray(given * coins)
    flat, inverse = _flat(rates), book.inverse
    seen = _margin.vectors(_level(), flat, table, inverse, lines)
    parts = _margin.books(flat, table, inverse, book.index, lines, groups, scaled, *seen)
    return np.asarray(parts[:, :3].sum(axis=1))


def portfolio_margins(books: Books, rates: PortfolioRates, *, inverse: bool) -> Floats:
    """Return initial margins of many books that each have a market of their own.

    Parameters
    ----------
    books : Books
    rates : PortfolioRates
    inverse : bool
        Whether they settle in coin.

    Returns
    -------
    array, shape (b,)
        Settlement currency; NaN where a mark is missing. Maintenance is ``mm_factor`` of it.

    Raises
    ------
    ContractError
        If shapes do not fit each other, or a group is not a number of an expiry of its book.
    """
    index, lines, sizes = (
        np.ascontiguousarray(column, np.float64) for column in (books.index, books.lines, books.sizes)
    )
    offsets, groups = (np.ascontiguousarray(column, np.int64) for column in (books.offsets, books.groups))
    n, counts = len(sizes), np.diff(offsets)
    if lines.shape != (n, 5) or groups.shape != (n,) or offsets.shape != (len(index) + 1,):
        raise ContractError(
            f"books: lines {lines.shape}, groups {groups.shape} and offsets {offsets.shape} do not fit "
            f"{n} positions of {len(index)} books"
        )
    if offsets[0] != 0 or offsets[-1] != n or np.any(counts < 0):
        raise ContractError(f"offsets: must ascend from 0 to {n}, the number of positions")
    if np.any((groups < 0) | (groups >= np.repeat(counts, counts))):
        raise ContractError("groups: expiries of a book are numbered from 0, below its number of positions")
    table, _ = scenarios(rates, inverse)
    parts = _margin.ragged(_level(), _flat(rates), table, inverse, index, offsets, lines, groups, sizes)
    return np.asarray(parts[:, :3].sum(axis=1))


def risk_vectors(book: Book, rates: PortfolioRates) -> tuple[Floats, Floats]:
    """Return profits under every scenario as the exchange shows them.

    Parameters
    ----------
    book : Book
    rates : PortfolioRates

    Returns
    -------
    initial : array, shape (n, m)
        Of each position, settlement currency: ``initial_risk_vectors``, standard entries then extended.
    aggregated : array, shape (m,)
        Of the book, damped, gains times ``pnl_offset``: ``aggregated_risk_vectors``.
    """
    lines, _, sizes = lines_of(book.ts_ns, book.holdings)
    table, _ = scenarios(rates, book.inverse)
    unit = book.index if book.inverse else 1.0
    initial = sizes[:, None] * _margin.vectors(_level(), _flat(rates), table, book.inverse, lines)[0]
    total = initial.sum(axis=0)
    damped = np.sign(total) * np.maximum(np.abs(total) - table[3] / unit, 0.0)
    gains = np.minimum(rates.pnl_offset * damped, rates.max_offsetable_pnl / unit)
    return initial, np.where(damped > 0, gains, damped)
