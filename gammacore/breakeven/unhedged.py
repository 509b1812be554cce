"""Positions that nobody hedges: exact chances under a lognormal price, one sum over the price at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from gammacore import black76
from gammacore.array_types import Floats
from gammacore.breakeven.held import Held
from gammacore.breakeven.jumps import Jumps
from gammacore.contracts import CALL

__all__ = ["Unhedged"]

NODES, WIDEST = 96, 6.0  # prices at which an exit before expiry is valued, and deviations they reach


class Unhedged:
    """Law of positions that are held to one end each.

    Parameters
    ----------
    held : Held
        Of which :meth:`knows` says yes.
    outcomes : array, shape (n, m)
        Volatilities that may be realised.
    jumps : Jumps
        What the law makes of each.

    Notes
    -----
    The profit is a function of the last price that is straight between strikes; before expiry it is
    taken as straight between prices that are close. An inverse position has profits in coin: its payoff over
    the last price.
    """

    def __init__(self, held: Held, outcomes: Floats, jumps: Jumps) -> None:
        self.held, self.realised, self.jumps = held, outcomes, jumps

    @staticmethod
    def knows(held: Held) -> bool:
        """Whether nothing is hedged, and all legs of a position end together."""
        return not held.hedged and bool(np.all(held.hold == held.hold[0]))

    @property
    def costs(self) -> Floats:
        """Nothing, at every outcome."""
        return np.zeros_like(self.realised)

    def cost(self, sigma: Floats) -> Floats:
        """Nothing."""
        return np.zeros_like(sigma)

    def outcomes(self, means: Floats) -> tuple[Floats, Floats]:
        """Variance of the profit and chance of one at every outcome, whose mean profits are given."""
        variances, chances = np.empty_like(means), np.empty_like(means)
        for row, (sigma, mean) in enumerate(zip(self.realised, means, strict=True)):
            paid = self.jumps.value(sigma) - mean
            found: Any = [self._outcome(sigma * factor, paid) for _, factor in self.jumps.parts]
            weights = np.array([chance for chance, _ in self.jumps.parts])
            squares, firsts, each = (weights * np.array(part) for part in zip(*found, strict=True))
            variances[row] = np.maximum(squares.sum(axis=0) - firsts.sum(axis=0) ** 2, 0.0)
            chances[row] = each.sum(axis=0)
        return variances, np.where(np.isfinite(means), chances, np.nan)

    def _outcome(self, sigma: Floats, paid: Floats) -> tuple[Floats, Floats, Floats]:
        """Mean square and mean of what the options bring, and chance of more than ``paid``; USD."""
        from scipy.special import ndtr

        held, total = self.held, sigma * np.sqrt(self.held.hold[0])
        at, worth = self._payoff(total)
        price = held.price
        with np.errstate(divide="ignore", invalid="ignore"):
            score = (np.log(at / price) + 0.5 * total**2) / total
            score[-1] = np.inf
            width = np.diff(at, axis=0)
            slope = np.divide(np.diff(worth, axis=0), width, out=np.zeros_like(width), where=width > 0.0)
            level = worth[:-1] - slope * at[:-1]
            # The profit is level + slope F less what was paid: in coin, that grows with the price.
            rate = paid / price if held.inverse else 0.0
            off = level - (0.0 if held.inverse else paid)
            root = np.clip(-off / (slope - rate), at[:-1], at[1:])
            crossed = (np.log(root / price) + 0.5 * total**2) / total
        crossed = np.where(np.isfinite(root), np.clip(crossed, score[:-1], score[1:]), score[1:])
        inside = [off + (slope - rate) * end for end in (at[:-1], at[1:])]
        below, above = (ndtr(crossed) - ndtr(score[:-1])), (ndtr(score[1:]) - ndtr(crossed))
        flat = slope == rate
        chance = np.where(flat, 0.0, below) * (inside[0] > 0) + np.where(flat, below + above, above) * (
            inside[1] > 0
        )
        powers = (-2, -1, 0) if held.inverse else (0, 1, 2)
        shares = [_partial(score, total, price, power) for power in powers]
        square = (level**2 * shares[0] + 2.0 * level * slope * shares[1] + slope**2 * shares[2]).sum(axis=0)
        mean = (level * shares[0 + held.inverse] + slope * shares[1 + held.inverse]).sum(axis=0)
        scale = price if held.inverse else 1.0
        return square * scale**2, mean * scale, chance.sum(axis=0)

    def _payoff(self, total: Floats) -> tuple[Floats, Floats]:
        """Prices between which the worth at the end is straight, ascending from 0, and that worth."""
        held = self.held
        left = held.tau - held.hold
        widest = np.exp(WIDEST * total)
        if np.any(left > 0.0):
            steps = np.linspace(-WIDEST, WIDEST, NODES)[:, None]
            at = held.price * np.exp(steps * total)
        else:
            at = np.sort(held.strike, axis=0)
        top = np.maximum(at[-1:], held.price) * widest**2
        at = np.concatenate([np.zeros_like(top), at, top])
        worth = np.zeros_like(at)
        legs = zip(held.kind, held.strike, held.size, held.vol, left, strict=True)
        for kind, strike, size, vol, time in legs:
            sign = np.where(kind == CALL, 1.0, -1.0)
            ended = np.maximum(sign * (at - strike), 0.0)
            if np.any(time > 0.0):
                prices, years = np.maximum(at, 1e-9 * held.price), np.maximum(time, 1e-12)
                alive = black76.price(kind, prices, strike, years, vol)
                ended = np.where(time > 0.0, alive, ended)
            worth += size * ended
        return at, worth


def _partial(score: Floats, total: Floats, price: Floats, power: int) -> Floats:
    """Mean of a power of the price where it is between neighbouring scores."""
    from scipy.special import ndtr

    whole = price**power * np.exp(0.5 * power * (power - 1) * total**2)
    return np.asarray(whole * np.diff(ndtr(score - power * total), axis=0))
