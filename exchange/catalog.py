"""What is listed: expiries by the calendar, strikes around the forward, and the catalog's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gammacore.contracts import CALL, PUT, ContractSpec, Future, Instrument, Option, Perpetual, Settlement
from gammacore.daycount import (
    FRIDAY,
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MILLISECOND,
    NS_PER_MINUTE,
    is_month_end_friday,
    utc_date,
    weekday,
)
from gammacore.fees import DERIBIT, future_rate

from .coins import grids, has_inverse
from .config import ExchangeConfig
from .price_model import PriceModel

N = TypeVar("N", float, npt.NDArray[np.float64])

__all__ = ["Catalog", "ListedContract", "expiries"]

PERPETUAL_EXPIRY_MS = 32_503_708_800_000
DAILIES, WEEKLIES, MONTHLIES, QUARTERLIES = 4, 3, 3, 4
TRADE_GAPS_NS = {Perpetual: NS_PER_MINUTE, Future: NS_PER_HOUR, Option: 6 * NS_PER_HOUR}
KEPT_EXPIRED_NS = 2 * NS_PER_DAY  # how long the catalog shows what has expired


@dataclass(slots=True, eq=False)
class ListedContract:
    """One instrument: its grids as integers, its row of the catalog, its state.

    Attributes
    ----------
    instrument : Option, Future or Perpetual
    name : str
    currency : str
        Settlement currency, which is also the family it is listed under.
    kind : str
        ``option`` or ``future``.
    inverse : bool
        Whether amounts are USD and profit arises in 1/price; False for every option.
    spec : ContractSpec
    tick, lot : tuple of int
        Finest price step and smallest amount as exact fractions.
    steps : tuple of (above, step)
        Coarser price steps, in the finest ticks.
    row : dict
        As get_instruments shows it.
    created_ns : int
        When it was listed.
    trade_gap_ns, past_trades : int
        Distance and number of its trades before the exchange opened.
    state : str
        ``open`` or ``delivered``.
    delivery_price : float
        USD, once delivered.
    """

    instrument: Instrument
    name: str
    base: str
    currency: str
    index: str
    kind: str
    inverse: bool
    coin_settled: bool
    expiry_ns: int | None
    spec: ContractSpec
    row: dict[str, Any]
    tick: tuple[int, int]
    lot: tuple[int, int]
    created_ns: int
    trade_gap_ns: int
    past_trades: int
    state: str = "open"
    delivery_price: float = 0.0
    settlement_price: float | None = None
    last_seq: int = 0
    steps: tuple[tuple[int, int], ...] = field(default=())

    @property
    def lowest(self) -> int:
        """Least price, in the finest ticks."""
        return 1

    def turnover(self, price: N, amount: N) -> tuple[N, N]:
        """Coins and quote currency of amounts that changed hands at prices."""
        return (amount / price, amount) if self.inverse else (amount, amount * price)

    def price(self, ticks: int) -> float:
        """Price of a count of the finest ticks."""
        return ticks * self.tick[0] / self.tick[1]

    def ticks(self, price: float) -> int | None:
        """Count of the finest ticks, or None for a price off the grid."""
        exact = price * self.tick[1] / self.tick[0]
        count = round(exact)
        if abs(exact - count) > 1e-6 * max(1.0, abs(exact) * 1e-3) or count % self.tick_at(count):
            return None
        return count

    def tick_at(self, count: int) -> int:
        """Distance to the next price up from here, in the finest ticks."""
        step = 1
        for above, size in self.steps:
            if count >= above:
                step = size
        return step

    def snap(self, price: float, up: bool) -> int:
        """Nearest price on the grid, at or above (below) this one, in the finest ticks."""
        exact = price * self.tick[1] / self.tick[0]
        step = self.tick_at(int(exact))
        count = exact / step
        nearest = round(count)
        if abs(count - nearest) < 1e-7:
            return nearest * step
        return (ceil(count) if up else floor(count)) * step

    def amount(self, lots: int) -> float:
        """Amount of a count of lots."""
        return lots * self.lot[0] / self.lot[1]

    def lots(self, amount: float) -> int | None:
        """Count of lots, or None for an amount off the grid."""
        exact = amount * self.lot[1] / self.lot[0]
        count = round(exact)
        return count if abs(exact - count) <= 1e-6 else None

    def belongs(self, currency: str, kind: str) -> bool:
        """Whether it is of a settlement currency and a kind, each of which may be ``any``."""
        return currency in ("any", self.currency) and kind in ("any", self.kind)

    def trade_id(self, number: int) -> str:
        """Trade id of its number, as the exchange forms them."""
        return f"{number}" if self.currency == "BTC" else f"{self.currency}-{number}"

    def contracts(self, lots: int) -> float:
        """Contracts in a count of lots, as the wire shows beside the amount."""
        return round(self.amount(lots) / self.spec.contract_size, 8)


def expiries(now_ns: int) -> list[int]:
    """Moments at which something listed now expires: dailies, weeklies, monthlies, quarterlies."""
    first = (now_ns - 8 * NS_PER_HOUR) // NS_PER_DAY + 1
    days = [day * NS_PER_DAY + 8 * NS_PER_HOUR for day in range(first, first + 460)]
    days = [moment for moment in days if moment > now_ns]
    fridays = [moment for moment in days if weekday(moment) == FRIDAY]
    month_ends = [moment for moment in fridays if is_month_end_friday(moment)]
    quarters = [moment for moment in month_ends if utc_date(moment).month % 3 == 0]
    chosen = days[:DAILIES] + fridays[:WEEKLIES] + month_ends[:MONTHLIES] + quarters[:QUARTERLIES]
    return sorted(set(chosen))


class Catalog:
    """All listings by name, grown as the calendar moves."""

    def __init__(self, config: ExchangeConfig, market: PriceModel) -> None:
        self._config = config
        self._market = market
        self._next_id = 99_999
        self.by_name: dict[str, ListedContract] = {}
        self.chains: dict[tuple[str, int], list[ListedContract]] = {}
        """Open options by family and expiry, in order of strike, put before call."""
        self.refresh(config.start_ns)

    def refresh(self, now_ns: int) -> list[ListedContract]:
        """List what the calendar and the forwards ask for, forget what expired long ago; the new ones."""
        for name in [n for n, x in self.by_name.items() if _forgotten(x, now_ns)]:
            del self.by_name[name]
        new = [
            self._make(instrument, now_ns)
            for instrument in self._wanted(now_ns)
            if instrument.name not in self.by_name
        ]
        for listing in new:
            self.by_name[listing.name] = listing
            if listing.kind == "option" and listing.expiry_ns is not None:
                key = (listing.instrument.family, listing.expiry_ns)
                self.chains.setdefault(key, []).append(listing)
        for options in self.chains.values():
            options.sort(key=_place)
        return new

    def next_number(self) -> int:
        """Return an ``instrument_id`` of its own."""
        self._next_id += 1
        return self._next_id

    def close(self, listing: ListedContract, delivery_price: float) -> None:
        """Take an expired instrument off the list."""
        listing.state, listing.delivery_price = "delivered", delivery_price
        listing.row["state"], listing.row["is_active"] = "delivered", False
        if listing.kind == "option" and listing.expiry_ns is not None:
            self.chains.pop((listing.instrument.family, listing.expiry_ns), None)

    def future_of(self, listing: ListedContract) -> ListedContract:
        """Return the future that expires with an option."""
        option = listing.instrument
        assert isinstance(option, Option)
        return self.by_name[Future(option.base, option.settlement, option.expiry_ns).name]

    def _families(self) -> Iterator[tuple[str, Settlement]]:
        for base in self._config.models:
            if has_inverse(base):
                yield base, Settlement.INVERSE
            if base in self._config.linear:
                yield base, Settlement.LINEAR

    def _wanted(self, now_ns: int) -> Iterator[Instrument]:
        moments = expiries(now_ns)[: self._config.expiries]
        for base, settlement in self._families():
            yield Perpetual(base, settlement)
            for expiry in moments:
                forward = self._market.forward(base, expiry)
                yield from self._of_expiry(base, settlement, expiry, forward, expiry - now_ns)

    def _of_expiry(
        self, base: str, settlement: Settlement, expiry: int, forward: float, life_ns: int
    ) -> Iterator[Instrument]:
        yield Future(base, settlement, expiry)
        for strike in self._strikes(base, forward, life_ns):
            yield Option(base, settlement, expiry, strike, PUT)
            yield Option(base, settlement, expiry, strike, CALL)

    def _strikes(self, base: str, forward: float, life_ns: int) -> list[float]:
        """Strikes a third of a standard deviation apart, on round numbers."""
        deviation = self._config.models[base].vol * (life_ns / (365 * NS_PER_DAY)) ** 0.5
        rough = forward * max(deviation / 3.0, 0.005)
        decade = 10.0 ** np.floor(np.log10(rough))
        step = float(decade * min((1.0, 2.0, 5.0, 10.0), key=lambda m: abs(np.log(m * decade / rough))))
        centre, each_way = round(forward / step), self._config.strikes
        return [round(step * k, 8) for k in range(max(centre - each_way, 1), centre + each_way + 1)]

    def list_expired(self, start_ns: int, price_at: Callable[[str, int], float]) -> list[ListedContract]:
        """Instruments that expired within two days before the start, by their delivery prices."""
        found = []
        last = (start_ns - 8 * NS_PER_HOUR) // NS_PER_DAY * NS_PER_DAY + 8 * NS_PER_HOUR
        for expiry in (last - NS_PER_DAY, last):
            for base, settlement in self._families():
                if expiry - NS_PER_DAY < start_ns - self._config.history_days * NS_PER_DAY:
                    continue
                price = price_at(base, expiry)
                for instrument in self._of_expiry(base, settlement, expiry, price, 2 * NS_PER_DAY):
                    listing = self._make(instrument, start_ns)
                    self.close(listing, price)
                    found.append(listing)
        return found

    def _make(self, instrument: Instrument, now_ns: int) -> ListedContract:
        option = isinstance(instrument, Option)
        coin = instrument.settlement is Settlement.INVERSE
        spec = grids().spec_for(instrument)
        expiry_ns = None if isinstance(instrument, Perpetual) else instrument.expiry_ns
        created_ns = self._created(expiry_ns, now_ns)
        gap_ns = TRADE_GAPS_NS[type(instrument)]
        past = max(min(now_ns, expiry_ns or now_ns) - created_ns, 0) // gap_ns
        currency = instrument.base if coin else "USDC"
        listing = ListedContract(
            instrument=instrument,
            name=instrument.name,
            base=instrument.base,
            currency=currency,
            index=f"{instrument.base}_usd".lower() if coin else f"{instrument.base}_usdc".lower(),
            kind="option" if option else "future",
            inverse=coin and not option,
            coin_settled=coin,
            expiry_ns=expiry_ns,
            spec=spec,
            row={},
            created_ns=created_ns,
            trade_gap_ns=gap_ns,
            past_trades=past,
            last_seq=past,
            tick=_exact(spec.tick_size),
            lot=_exact(spec.min_trade_amount),
            steps=tuple(
                (round(above / spec.tick_size), round(size / spec.tick_size))
                for above, size in spec.tick_size_steps
            ),
        )
        listing.row = _row(listing, now_ns, self.next_number())
        return listing

    def _created(self, expiry_ns: int | None, now_ns: int) -> int:
        """When an instrument was listed: now, or for the first ones some time before the start."""
        if now_ns != self._config.start_ns:
            return now_ns
        earliest = now_ns - self._config.history_days * NS_PER_DAY
        if expiry_ns is None or is_month_end_friday(expiry_ns):
            return earliest
        days = 28 if weekday(expiry_ns) == FRIDAY else DAILIES
        return max(earliest, min(expiry_ns - days * NS_PER_DAY, now_ns))


def _exact(step: float) -> tuple[int, int]:
    """Numerator and denominator of a decimal step."""
    fraction = Fraction(repr(step))
    return fraction.numerator, fraction.denominator


def _place(listing: ListedContract) -> tuple[float, int]:
    option = listing.instrument
    assert isinstance(option, Option)
    return option.strike, option.kind


def _forgotten(listing: ListedContract, now_ns: int) -> bool:
    return (
        listing.state != "open"
        and listing.expiry_ns is not None
        and listing.expiry_ns + KEPT_EXPIRED_NS < now_ns
    )


def _period(listing: ListedContract) -> str:
    if listing.expiry_ns is None:
        return "perpetual"
    if is_month_end_friday(listing.expiry_ns):
        return "month"
    return "week" if weekday(listing.expiry_ns) == FRIDAY else "day"


def _row(listing: ListedContract, now_ns: int, number: int) -> dict[str, Any]:
    """Build the row of get_instruments."""
    instrument, spec = listing.instrument, listing.spec
    rates = DERIBIT.at(now_ns)
    if isinstance(instrument, Option):
        maker, taker, own = rates.option_maker, rates.option_taker, _option_fields(instrument)
        quote = listing.currency
    else:
        maker, taker = future_rate(rates, instrument, maker=True), future_rate(rates, instrument)
        own = {
            "future_type": "reversed" if listing.coin_settled else "linear",
            "max_leverage": 50 if listing.expiry_ns is None else 25,
            "max_non_default_leverage": 5,
            "max_liquidation_commission": 0.01,
        }
        quote = "USD" if listing.coin_settled else "USDC"
    expiry = listing.expiry_ns
    return {
        "instrument_name": listing.name,
        "instrument_id": number,
        "kind": listing.kind,
        "state": "open",
        "is_active": True,
        "instrument_type": "reversed" if listing.coin_settled else "linear",
        "underlying_type": "crypto",
        "product_group": instrument.family,
        "price_index": listing.index,
        "base_currency": listing.base,
        "quote_currency": quote,
        "counter_currency": "USD" if listing.coin_settled else "USDC",
        "settlement_currency": listing.currency,
        "settlement_period": _period(listing),
        "creation_timestamp": listing.created_ns // NS_PER_MILLISECOND,
        "expiration_timestamp": PERPETUAL_EXPIRY_MS if expiry is None else expiry // NS_PER_MILLISECOND,
        "tick_size": spec.tick_size,
        "tick_size_steps": [
            {"above_price": above, "tick_size": size} for above, size in spec.tick_size_steps
        ],
        "contract_size": spec.contract_size,
        "min_trade_amount": spec.min_trade_amount,
        "lot_size": 1,
        "maker_commission": maker,
        "taker_commission": taker,
        "block_trade_commission": taker,
        "block_trade_min_trade_amount": 25 if listing.kind == "option" else 200_000,
        "block_trade_tick_size": spec.tick_size,
        **own,
    }


def _option_fields(option: Option) -> dict[str, Any]:
    return {"option_type": "call" if option.kind == CALL else "put", "strike": option.strike}
