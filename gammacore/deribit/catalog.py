"""Instruments as the exchange lists them."""

from __future__ import annotations

import json

import msgspec

from gammacore.contracts import ContractSpec, spec_from_catalog
from gammacore.errors import ContractError

from .units import Instrument, Milliseconds, Number, Word, instrument_of, ns, number

PERPETUAL_FROM_MS = 32_000_000_000_000  # perpetuals have an expiry in the year 3000


class _Step(msgspec.Struct):
    above_price: float
    tick_size: float


class Listing(msgspec.Struct):
    """A row of ``public/get_instruments``; a number that some spot pairs lack is None."""

    instrument_name: str
    tick_size: float
    kind: str = ""
    creation_timestamp: Milliseconds = 0
    expiration_timestamp: int | None = None
    strike: Number = None
    option_type: Word = None
    base_currency: str = ""
    quote_currency: str = ""
    settlement_currency: str = ""
    price_index: Word = None
    contract_size: Number = None
    min_trade_amount: Number = None
    tick_size_steps: list[_Step] = []
    maker_commission: Number = None
    taker_commission: Number = None

    @property
    def instrument(self) -> Instrument:
        """What it is, or its name where gammacore has none."""
        return instrument_of(self.instrument_name)

    @property
    def spec(self) -> ContractSpec | None:
        """Grids of prices and amounts, of combos as well; None for spot."""
        try:
            return spec_from_catalog(msgspec.to_builtins(self))
        except ContractError:
            return None

    @property
    def index(self) -> str:
        """Name of its index."""
        return self.price_index or ""

    @property
    def created_ns(self) -> int:
        """When it was listed; 0 if the row does not tell."""
        return ns(self.creation_timestamp)

    @property
    def expiry_ns(self) -> int:
        """When it expires; 0 if it does not."""
        stamp = self.expiration_timestamp or 0
        return 0 if stamp >= PERPETUAL_FROM_MS else ns(stamp)

    @property
    def ticks(self) -> str:
        """Pairs of a price and the tick above it, as JSON."""
        return json.dumps([[step.above_price, step.tick_size] for step in self.tick_size_steps])

    @property
    def fees(self) -> tuple[float, float]:
        """Shares that a maker and a taker pay."""
        return number(self.maker_commission), number(self.taker_commission)
