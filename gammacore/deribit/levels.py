"""A whole order book kept from its snapshot and its changes."""

from __future__ import annotations

from bisect import bisect_left

from .market import WireBook

Level = tuple[str, float, float]


class _Side:
    """Prices in ascending order of ``sign * price``, best first, and their amounts."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[float] = []
        self.amounts: list[float] = []

    def apply(self, levels: list[Level]) -> None:
        for action, price, amount in levels:
            key = self.sign * price
            at = bisect_left(self.keys, key)
            known = at < len(self.keys) and self.keys[at] == key
            if action == "delete" or amount <= 0.0:
                if known:
                    del self.keys[at], self.amounts[at]
            elif known:
                self.amounts[at] = amount
            else:
                self.keys.insert(at, key)
                self.amounts.insert(at, amount)

    def best(self, depth: int | None) -> tuple[tuple[float, float], ...]:
        keys = self.keys[:depth]
        return tuple((self.sign * key, amount) for key, amount in zip(keys, self.amounts, strict=False))


class Levels:
    """A book of one channel.

    ``change_id`` is None until there is a snapshot, and again after a change that does not follow the
    one before: what is known then is not the book.
    """

    def __init__(self) -> None:
        self.change_id: int | None = None
        self._clear()

    def _clear(self) -> None:
        self._bids, self._asks = _Side(-1), _Side(1)

    def apply(self, data: WireBook) -> bool:
        """Take a snapshot or a change in; whether the book is valid after it."""
        if data.type == "snapshot" or (not data.type and data.prev_change_id is None):
            self._clear()
        elif self.change_id is None or data.prev_change_id != self.change_id:
            self.invalidate()
            return False
        self._bids.apply(data.bids)
        self._asks.apply(data.asks)
        self.change_id = data.change_id
        return True

    def invalidate(self) -> None:
        """Forget the book."""
        self.change_id = None
        self._clear()

    def bids(self, depth: int | None = None) -> tuple[tuple[float, float], ...]:
        """Best first (price, amount), all of them by default."""
        return self._bids.best(depth)

    def asks(self, depth: int | None = None) -> tuple[tuple[float, float], ...]:
        """Best first (price, amount), all of them by default."""
        return self._asks.best(depth)
