"""Hold market data against itself: units, coins, swapped columns, shifted clocks, spikes.

Every check takes arrays, reads nothing and changes nothing, and returns a `CheckResult`: the figure, its
limit, where it shows first, and in words what is probably wrong. The limits lie between what recorded data
shows and what the named mistake makes of it; each function states both.
"""

from .periods import period_covered, units_of_funding
from .prices import (
    bars_against_forwards,
    bars_follow,
    closes_inside,
    index_against_forwards,
    price_at,
    shift_of_hours,
    spikes,
)
from .quotes import quotes_against_marks, sides_swapped, units_of_iv
from .result import CheckResult

__all__ = [
    "CheckResult",
    "bars_against_forwards",
    "bars_follow",
    "closes_inside",
    "index_against_forwards",
    "period_covered",
    "price_at",
    "quotes_against_marks",
    "shift_of_hours",
    "sides_swapped",
    "spikes",
    "units_of_funding",
    "units_of_iv",
]
