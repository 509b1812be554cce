"""What prices of orders are made from."""

from __future__ import annotations

from typing import Protocol

from gammacore.contracts import Future, Option, Perpetual

Tradable = Option | Future | Perpetual


class Quote(Protocol):
    """Best prices of one instrument; a price of 0 or NaN is none.

    ``mark_iv`` and ``forward`` are of options; ``min_price`` and ``max_price`` are the exchange's band, 0
    where it has told none.
    """

    @property
    def bid(self) -> float: ...  # noqa: D102
    @property
    def ask(self) -> float: ...  # noqa: D102
    @property
    def mark(self) -> float: ...  # noqa: D102
    @property
    def mark_iv(self) -> float: ...  # noqa: D102
    @property
    def forward(self) -> float: ...  # noqa: D102
    @property
    def min_price(self) -> float: ...  # noqa: D102
    @property
    def max_price(self) -> float: ...  # noqa: D102


class Quotes(Protocol):
    """The last quote of every instrument: a dict, or whatever works one out."""

    def get(self, instrument: Tradable, /) -> Quote | None: ...  # noqa: D102
