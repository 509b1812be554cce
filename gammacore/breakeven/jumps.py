"""What jumps make of a volatility: how often the price jumps, and what options are worth on average then."""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Floats
from gammacore.breakeven.held import Held

__all__ = ["Jumps"]

LEAST = 0.1  # of the forecast's variance, that is left beside that of the jumps


class Jumps:
    """Mixture of the numbers of jumps over the lives of positions, by the law of their plan.

    Given their number, normal jumps leave the price lognormal (Merton 1976): the price is then one of another
    volatility. What little each number moves the mean of the price is left out.

    Attributes
    ----------
    parts : list of (array of shape (m,), array of shape (m,))
        Chances, and what a volatility is multiplied by; one of 1 and 1 without a law.
    """

    def __init__(self, held: Held) -> None:
        self.held = held
        count = len(held.price)
        self.centre, self.variance = np.zeros(count), np.zeros(count)
        law = held.plan.law
        lives = held.hold.max(axis=0) if count else np.zeros(0)
        self.parts: list[tuple[Floats, Floats]] = [(np.ones(count), np.ones(count))]
        if law is None or not count:
            return
        known = {}
        years, where = np.unique(lives, return_inverse=True)
        for life in years.tolist():
            numbers, chances = law.numbers(life)
            known[life] = chances, np.sqrt(1.0 - law.jump_share + law.jump_variance(life) * numbers)
            spread = law.spread(life)
            self.centre[lives == life], self.variance[lives == life] = spread
        most = max(len(chances) for chances, _ in known.values())
        table = np.zeros((2, most, len(years)))
        table[1] = 1.0
        for column, each in enumerate(known.values()):
            for to, values in zip(table, each, strict=True):
                to[: len(values), column] = values
        self.parts = list(zip(*table[:, :, where], strict=True))

    def without(self, median: Floats, log_sd: Floats) -> tuple[Floats, Floats]:
        """Return the median and deviation of what is forecast but for the jumps, which add to both."""
        left = np.sqrt(np.maximum(np.square(log_sd) - self.variance, LEAST * np.square(log_sd)))
        return np.asarray(median * np.exp(-self.centre)), np.asarray(left)

    def value(self, sigma: Floats) -> Floats:
        """Mean value of the options at an outcome, USD."""
        return np.asarray(sum(chance * self.held.value(sigma * factor) for chance, factor in self.parts))
