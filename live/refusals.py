"""Orders that the exchange refuses again and again: how long the next one waits.

The same order a moment later is refused for the same reason, counts against the rate limit and says nothing
new. So the pause doubles with every refusal, and ends with an order that is accepted.
"""

from __future__ import annotations

from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND
from gammacore.deribit.codes import LOCAL, NO_FUNDS, OF_PRICE, look_up

FIRST_NS, LONGEST_NS = NS_PER_SECOND, NS_PER_MINUTE
TOLERATED = 2  # refusals in a row that say nothing yet
OF_PRICE_TOLERATED = 10  # the same of a price: a new one may cure it, or the grid is another than we think
FORGET_NS = 5 * NS_PER_MINUTE  # after the last refusal


class Refusals:
    """Counts refusals of orders in a row.

    Attributes
    ----------
    code : int
        Of the last refusal that counts.
    count : int
        Refusals since an order was accepted, but for the first ones of a price.
    in_a_row : int
        All of them.
    until_ns : int
        Until when orders wait that do not reduce a position.
    """

    def __init__(self) -> None:
        self.code = self.count = self.in_a_row = 0
        self.until_ns = 0
        self._at_ns = self._of_price = 0
        self._told = ""

    def refused(self, code: int, message: str, now_ns: int) -> None:
        """Count a refusal."""
        if code == LOCAL and self.count and self.code != LOCAL:
            return  # held back here, as the exchange had just refused
        self.in_a_row, self._at_ns = self.in_a_row + 1, now_ns
        self._of_price += code in OF_PRICE
        if code in OF_PRICE and self._of_price <= OF_PRICE_TOLERATED:
            return
        self.count += 1
        self.code, self._told = code, message
        if self.holds:
            self.until_ns = now_ns + self._pause_ns()

    def _pause_ns(self) -> int:
        """How long the next order waits; it doubles from the first refusal that is a cause to."""
        steps = self.count - (1 if self.code in NO_FUNDS else TOLERATED + 1)
        return min(FIRST_NS << min(steps, 10), LONGEST_NS)

    def accepted(self) -> None:
        """Take note that the exchange takes orders again."""
        self.count = self.in_a_row = self._of_price = self.until_ns = 0

    def tick(self, now_ns: int) -> None:
        """Forget refusals of long ago."""
        if self.in_a_row and now_ns - self._at_ns > FORGET_NS:
            self.accepted()

    @property
    def holds(self) -> bool:
        """Whether this is a cause to wait; a lack of funds is one at once."""
        return self.count > TOLERATED or (self.count > 0 and self.code in NO_FUNDS)

    def waits(self, now_ns: int) -> bool:
        """Whether the pause is not over."""
        return self.holds and now_ns < self.until_ns

    @property
    def guard(self) -> str:
        """Name of the guard."""
        return "no funds" if self.code in NO_FUNDS else "refusals"

    @property
    def reason(self) -> str:
        """Which refusal it is, how often, and the pause."""
        name = self._told or look_up(self.code).name
        what = name if self.code == LOCAL else f"{self.code} {name}"
        pause = f"; the next one waits up to {self._pause_ns() // NS_PER_SECOND} s" if self.holds else ""
        return f"the exchange refuses orders: {what}, {self.in_a_row} in a row{pause}"
