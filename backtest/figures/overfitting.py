"""How much of the best of many results is luck.

Sharpe ratios here are those of the series as it is, per period and not annualised.

Sources: D. Bailey, M. Lopez de Prado, "The Sharpe ratio efficient frontier", Journal of Risk 15
(2012), for the probabilistic ratio; the same, "The deflated Sharpe ratio", Journal of Portfolio
Management 40 (2014); D. Bailey, J. Borwein, M. Lopez de Prado, Q. Zhu, "The probability of
backtest overfitting", Journal of Computational Finance 20 (2017, preprint 2015).
"""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from gammacore.array_types import Floats

EULER = 0.5772156649015329
FLAT = 1e-14  # of the mean square: a deviation that is rounding alone
AT_A_TIME = 128  # combinations ranked at once: few enough to stay near, and for one processor to multiply


def sharpe_ratio(returns: Floats) -> float:
    """Mean over standard deviation (n - 1); NaN for fewer than two periods or no deviation.

    Parameters
    ----------
    returns : array, shape (n,)
        Profit of each period on a fixed capital, whose size has no influence.
    """
    if len(returns) < 2:
        return math.nan
    total, squares = float(returns.sum()), float(np.square(returns).sum())
    mean, variance = _moments(len(returns), total, squares)
    return math.nan if variance <= FLAT * squares else mean / math.sqrt(variance)


def _sharpes(returns: Floats) -> Floats:
    """Sharpe ratio of each column."""
    return _from_sums(len(returns), returns.sum(axis=0), (returns**2).sum(axis=0))


def _from_sums(count: float, total: Floats, squares: Floats) -> Floats:
    mean, variance = _moments(count, total, squares)
    flat = variance <= FLAT * squares
    return np.where(flat, np.nan, mean / np.sqrt(np.where(flat, 1.0, variance)))


def _moments(count: float, total: Any, squares: Any) -> tuple[Any, Any]:
    """Mean and sample variance of numbers by their sum and that of their squares."""
    mean = total / count
    return mean, (squares - count * mean**2) / (count - 1)


def probabilistic_sharpe_ratio(returns: Floats, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds ``benchmark``.

    ``Phi((SR - benchmark) sqrt(n - 1) / sqrt(1 - skew SR + (kurtosis - 1) SR^2 / 4))`` with the
    sample's skewness and (not excess) kurtosis; NaN where the ratio is.
    """
    ratio = sharpe_ratio(returns)
    if math.isnan(ratio):
        return math.nan
    centred = returns - returns.mean()
    variance = (centred**2).mean()
    skew, kurtosis = (centred**3).mean() / variance**1.5, (centred**4).mean() / variance**2
    spread = 1.0 - skew * ratio + 0.25 * (kurtosis - 1.0) * ratio**2
    if spread <= 0.0:  # so few and so skewed periods that the expansion does not hold
        return math.nan
    score = (ratio - benchmark) * math.sqrt(len(returns) - 1) / math.sqrt(spread)
    return 0.5 * math.erfc(-score / math.sqrt(2.0))


def expected_maximum_sharpe(ratios: Floats) -> float:
    """Sharpe ratio to expect of the best of so many trials without any skill.

    ``sqrt(V) ((1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e)))`` with V the variance over the
    trials, N their number and g Euler's constant; 0 for a single trial, from which nothing was chosen.
    """
    n = len(ratios)
    if n < 2:
        return 0.0
    quantiles = [NormalDist().inv_cdf(1.0 - 1.0 / many) for many in (n, n * math.e)]
    return float(ratios.std(ddof=1) * ((1.0 - EULER) * quantiles[0] + EULER * quantiles[1]))


def deflated_sharpe_ratio(returns: Floats) -> float:
    """Probability that the best of several trials has skill, given how many were tried.

    Parameters
    ----------
    returns : array, shape (periods, trials)

    Returns
    -------
    float
        The probabilistic Sharpe ratio of the best against the expected maximum; NaN if no trial
        has a Sharpe ratio. Trials are taken as independent, which overstates luck if they are alike.
    """
    ratios = _sharpes(returns)
    known = np.isfinite(ratios)
    if not known.any():
        return math.nan
    best = int(np.nanargmax(ratios))
    return probabilistic_sharpe_ratio(returns[:, best], expected_maximum_sharpe(ratios[known]))


class Overfitting(NamedTuple):
    """Result of combinatorially symmetric cross-validation.

    Attributes
    ----------
    probability : float
        Share of the splits in which the trial that was best in one half is at or below the
        median in the other.
    loss : float
        Share of the splits in which it loses money in the other.
    blocks, splits : int
    """

    probability: float
    loss: float
    blocks: int
    splits: int


def overfitting_probability(returns: Floats, blocks: int = 16, least: int = 5) -> Overfitting | None:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation.

    Parameters
    ----------
    returns : array, shape (periods, trials)
        Periods that the blocks do not divide are dropped at the start.
    blocks : int
        Most blocks to cut the periods into; even.
    least : int
        Fewest periods of a block; a short series gets fewer blocks.

    Returns
    -------
    Overfitting or None
        None where there is nothing to choose from, or not enough for four blocks.
    """
    periods, trials = returns.shape
    blocks = min(blocks, periods // least) // 2 * 2
    if blocks < 4 or trials < 2:
        return None
    size = periods // blocks
    cut = returns[periods - blocks * size :].reshape(blocks, size, trials)
    sums, squares = cut.sum(axis=1), (cut**2).sum(axis=1)
    chosen = np.array(list(itertools.combinations(range(blocks), blocks // 2)))
    half = float(size * blocks // 2)
    below = losing = 0
    # The second half of the splits are those of the first with their sides exchanged.
    for part in np.array_split(chosen[: len(chosen) // 2], -(-len(chosen) // (2 * AT_A_TIME))):
        inside = np.zeros((len(part), blocks))
        np.put_along_axis(inside, part, 1.0, axis=1)
        one, other = (
            np.nan_to_num(_from_sums(half, side @ sums, side @ squares))  # no risk, no profit: 0
            for side in (inside, 1.0 - inside)
        )
        for trained, tested in ((one, other), (other, one)):
            best = tested[np.arange(len(part)), trained.argmax(axis=1)]
            # Relative rank w of the best; the logit of w is not positive where w is at most a half.
            rank = (tested < best[:, None]).sum(axis=1) + 0.5 * ((tested == best[:, None]).sum(axis=1) + 1)
            below += int((rank / (trials + 1) <= 0.5).sum())
            losing += int((best < 0).sum())
    return Overfitting(below / len(chosen), losing / len(chosen), blocks, len(chosen))


class Split(NamedTuple):
    """One step of a walk forward: chosen on ``train``, judged on ``test`` (first, end periods)."""

    train: tuple[int, int]
    test: tuple[int, int]
    chosen: int
    inside: float
    outside: float


def walk_forward(returns: Floats, splits: int = 5, anchored: bool = True, least: int = 5) -> list[Split]:
    """Choose the best trial of the past, hold it over the next stretch, and so on.

    Parameters
    ----------
    returns : array, shape (periods, trials)
    splits : int
        Number of stretches that are tested; as many and one more equal parts are made.
    anchored : bool
        Whether all of the past is looked at, or only the part before (rolling).
    least : int
        Fewest periods of a part.

    Returns
    -------
    list of Split
        Sharpe ratios in and out of sample; empty if there are too few periods.
    """
    periods, trials = returns.shape
    if periods // (splits + 1) < max(least, 2) or not trials:
        return []
    edges = [periods * k // (splits + 1) for k in range(splits + 2)]
    found = []
    for k in range(1, splits + 1):
        train = (0 if anchored else edges[k - 1]), edges[k]
        test = edges[k], edges[k + 1]
        inside = np.nan_to_num(_sharpes(returns[slice(*train)]))
        chosen = int(inside.argmax())
        outside = float(np.nan_to_num(_sharpes(returns[slice(*test)])[chosen]))
        found.append(Split(train, test, chosen, float(inside[chosen]), outside))
    return found
