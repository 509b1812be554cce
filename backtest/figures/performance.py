"""Figures by which runs are judged: return, risk, and how often a bet paid.

All of them are reckoned from every entry of the tape, never from what a chart shows.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gammacore import _replay
from gammacore.array_types import Floats, Ints
from gammacore.contracts import Option
from gammacore.daycount import DAYS_PER_YEAR
from gammacore.episode import Episode
from gammacore.ledger import UNIT, Account, Money

from ..replay.runs import Run
from .overfitting import sharpe_ratio
from .returns import Curves, Marks, daily_profit, profit_curves

CURRENCIES = ("coin", "usd")


def largest_drawdown(curve: npt.ArrayLike) -> float:
    """Deepest fall of a cumulative profit below its highest point so far, which starts at zero.

    Parameters
    ----------
    curve : array_like, shape (n,)
        Cumulative profit; what is not finite is passed over.

    Returns
    -------
    float
        Not positive; zero for an empty curve.

    Examples
    --------
    >>> largest_drawdown([1.0, 4.0, 2.0, 5.0, 4.5])
    -2.0
    """
    series = np.asarray(curve, dtype=np.float64)
    return _replay.deepest_fall(np.ascontiguousarray(series))


def hit_rate(profit: npt.ArrayLike) -> float:
    """Share of profits above zero; NaN without any.

    Examples
    --------
    >>> hit_rate([1.0, -2.0, 0.0, 3.0])
    0.5
    """
    series = np.asarray(profit, dtype=np.float64)
    return int(np.count_nonzero(series > 0)) / len(series) if len(series) else math.nan


def profit_steps(run: Run, line: str, currency: str) -> Floats:
    """Profit of a line at every entry of the tape, over all episodes."""
    steps = np.zeros(len(run.tape))
    for done in run.accounts:
        values = getattr(done.attribution, currency)[line]
        # A step that ends between two entries, with a delivery, counts at the next entry there is.
        ends = np.minimum(done.attribution.start + done.attribution.next_at[1:], len(steps) - 1)
        np.add.at(steps, ends, values)
    return steps


class Bets(NamedTuple):
    """What episodes staked, whichever way they were hedged.

    Attributes
    ----------
    native : int
        0 where the accounts are kept in coin, 1 where in USD.
    premium : Money
        Of all, see :func:`premium_of`.
    paid : array, shape (episodes,)
        Premium of each in the settlement currency, from which returns are reckoned.
    size : float
        Sum of what was paid and what was received.
    """

    native: int
    premium: Money
    paid: Floats
    size: float


def bets_of(episodes: list[Episode], native: int) -> Bets:
    """Collect what episodes staked; ``native`` is the settlement currency, as in :class:`Bets`."""
    premiums, paid = [premium_of(e) for e in episodes], np.array([e.premium for e in episodes])
    return Bets(
        native,
        Money(math.fsum(one.coin for one in premiums), math.fsum(one.usd for one in premiums)),
        paid,
        math.fsum(abs(paid)),
    )


class Earned(NamedTuple):
    """What the episodes of a run earned, whichever way they were replayed.

    Attributes
    ----------
    bets : Bets
    profit : array, shape (episodes, 2)
        Coin and USD.
    fees : array, shape (episodes,)
        Paid, settlement currency.
    hedges : array of int, shape (episodes,) or (1,)
        Hedges traded, by each or by the book; unwinding is not one.
    daily : array, shape (days,)
        Profit of each day of the tape, marked at its end, settlement currency.
    falls : dict of 'coin' and 'usd' to float
        Largest drawdowns; a sweep looks at the settlement currency's alone.
    missing_quotes : int
    residual : Money
        Profit of a book beyond its episodes.
    """

    bets: Bets
    profit: Floats
    fees: Floats
    hedges: Ints
    daily: Floats
    falls: dict[str, float]
    missing_quotes: int
    residual: Money = Money(0.0, 0.0)


def earned_by(run: Run, marks: Marks, curves: Curves | None = None) -> Earned:
    """Collect what the episodes of a replay earned; ``curves`` if they are known already."""
    episodes = [done.episode for done in run.episode_runs]
    curves = profit_curves(run.accounts, marks) if curves is None else curves
    bets = bets_of(episodes, run.native)
    return Earned(
        bets=bets,
        profit=np.array([episode.ledger.profit() for episode in episodes]).reshape(-1, 2),
        residual=Money(0.0, 0.0) if run.residual is None else run.residual.episode.ledger.profit(),
        fees=np.array([episode.fees_paid() for episode in episodes]),
        hedges=np.array([done.episode.hedges for done in run.traded], np.int64),
        daily=daily_profit(curves[CURRENCIES[bets.native]], marks),
        falls={name: largest_drawdown(curve) for name, curve in curves.items()},
        missing_quotes=run.missing_quotes,
    )


def performance(earned: Earned) -> dict[str, Any]:
    """Figures of a run, the same for a backtest and for a cell of a sweep.

    Parameters
    ----------
    earned : Earned

    Returns
    -------
    dict
        ``daily`` is an array, the profit of each day in the settlement currency; the rest goes into
        ``summary.json``. None where a figure does not exist; definitions are in ``docs/report.md``.
    """
    native, premium, paid, size = earned.bets
    coin, usd = (
        math.fsum([*column.tolist(), rest])
        for column, rest in zip(earned.profit.T, earned.residual, strict=True)
    )
    total, profit = Money(coin, usd), earned.profit[:, native]
    over = returns_on_premium(profit, paid)
    over = over[np.isfinite(over)]
    found = {
        "return_on_premium": total[native] / size if size else math.nan,
        "sharpe": math.sqrt(DAYS_PER_YEAR) * sharpe_ratio(earned.daily),
        "hit_rate": hit_rate(profit),
        "mean_pnl_over_premium": _mean(over) if len(over) else math.nan,
        "std_pnl_over_premium": _deviation(over) if len(over) > 1 else math.nan,
    }
    return {
        "n_episodes": len(earned.profit),
        "n_hedges": int(earned.hedges.sum()),
        "total": total._asdict(),
        **{name: number(value) for name, value in found.items()},
        "max_drawdown": earned.falls,
        "quotes_missing": earned.missing_quotes,
        "premium": premium._asdict(),
        "daily": earned.daily,
    }


def _mean(values: Floats) -> float:
    """Mean: numpy's own takes longer to check its arguments than a cell has."""
    return float(values.sum()) / len(values)


def _deviation(values: Floats) -> float:
    """Sample standard deviation, see :func:`_mean`."""
    return math.sqrt(float(np.square(values - _mean(values)).sum()) / (len(values) - 1))


def premium_of(episode: Episode) -> Money:
    """Premium paid for all legs that were entered (negative when received), USD at the rates of their fills.

    Trades of the sign that an option was entered with; those of the other sign close it.
    """
    opened = [
        entry
        for entry in episode.ledger.entries
        if entry.debit is Account.OPTIONS
        and entry.memo == "trade"
        and isinstance(entry.instrument, Option)
        and entry.coin * episode.entered.get(entry.instrument, 0.0) > 0
    ]
    return Money(sum(e.coin for e in opened) * UNIT, sum(e.usd for e in opened) * UNIT)


def returns_on_premium(profit: npt.ArrayLike, premium: npt.ArrayLike) -> Floats:
    """Profit of each episode over the size of its premium; NaN where nothing was paid."""
    earned, paid = np.asarray(profit, np.float64), np.abs(np.asarray(premium, np.float64))
    over: Floats = np.divide(earned, paid, out=np.full(earned.shape, np.nan), where=paid > 0)
    return over


def number(value: float) -> float | None:
    """Return a finite float, or None: JSON has no NaN."""
    return float(value) if math.isfinite(value) else None
