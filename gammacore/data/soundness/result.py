"""What a check of data finds."""

from __future__ import annotations

from dataclasses import dataclass

from gammacore.daycount import format_time

__all__ = ["FEWEST", "CheckResult"]

FEWEST = 8  # values below which a median or a share says nothing


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Outcome of one check.

    Attributes
    ----------
    check : str
        What was held against what.
    figure : float
        What was measured; NaN when there was too little to measure.
    limit : float
        The check fails above it.
    count, total : int
        Rows that fail alone, out of how many.
    ts_ns : int
        Time of the first of them, nanoseconds UTC; 0 when there is none.
    why : str
        What is probably wrong; empty when the data is sound.
    """

    check: str
    figure: float
    limit: float
    count: int
    total: int
    ts_ns: int = 0
    why: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong, or there is too little to tell."""
        return not self.why

    def __str__(self) -> str:
        """One line: what, the figure against its limit, the place, the probable reason."""
        if self.sound:
            return f"{self.check}: {self.figure:.4g}, at most {self.limit:.4g}"
        place = f" from {format_time(self.ts_ns)}" if self.ts_ns else ""
        rows = f"{self.count:,} of {self.total:,}"
        return f"{self.check}: {self.figure:.4g} above {self.limit:.4g} ({rows}{place}): {self.why}"
