"""Names of channels, read into what they are about; a name that makes no sense reads as None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .catalog import ListedContract
from .coins import coin

__all__ = ["KINDS", "RAW", "SLOW", "Topic", "parse"]

RAW = "raw"
INTERVALS = (RAW, "100ms", "agg2")
DEPTHS = ("1", "10", "20")
KINDS = ("future", "option", "spot", "future_combo", "option_combo", "combo", "any")
RESOLUTIONS = ("1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D")
OF_ORDERS = ("orders", "trades", "changes", "combo_trades")
BY_LISTING = {"ticker", "trades", "perpetual"}
SLOW = {  # channels that come about once a second
    "deribit_price_index",
    "deribit_price_ranking",
    "deribit_price_statistics",
    "deribit_volatility_index",
    "estimated_expiration_price",
}


@dataclass(slots=True, eq=False)
class Topic:
    """One channel, shared by all its subscribers.

    Attributes
    ----------
    name : str
        As notifications show it.
    kind : str
        First part of the name, such as ``book`` or ``user.orders``.
    listing : ListedContract, optional
    index : str
        Index, for channels about one.
    family : tuple of str
        Kind and currency of a channel about many instruments.
    interval : str
        raw, 100ms or agg2.
    account : int, optional
        Whose it is, for ``user.`` channels.
    subscribers : dict of int to str or None
        Labels by connection.
    dirty : bool
        Whether there may be something to say.
    pending : list
        Trades or orders to be told.
    last : object
        What was said last.
    change_id : int
        Of the last book notification.
    """

    name: str
    kind: str
    listing: ListedContract | None = None
    index: str = ""
    family: tuple[str, str] = ("any", "any")
    interval: str = RAW
    group: str = ""
    depth: int | None = None
    account: int | None = None
    subscribers: dict[int, str | None] = field(default_factory=dict)
    dirty: bool = False
    pending: list[Any] = field(default_factory=list)
    last: Any = None
    change_id: int = 0

    @property
    def about(self) -> ListedContract:
        """Instrument of a channel about one."""
        assert self.listing is not None
        return self.listing

    def covers(self, listing: ListedContract) -> bool:
        """Whether it is about an instrument."""
        if self.listing is not None:
            return self.listing is listing
        kind, currency = self.family
        return listing.belongs(currency, kind)


def parse(name: str, find: Callable[[str], ListedContract | None], indices: set[str]) -> Topic | None:
    """Read the name of a channel.

    Parameters
    ----------
    name : str
    find : callable
        Listing of an instrument name, or None.
    indices : set of str
        Index names, such as ``btc_usd``.

    Returns
    -------
    Topic or None
    """
    parts = name.split(".")
    if parts[0] == "user":
        return _user(name, parts, find)
    match parts:
        case ["book", instrument, interval] if interval in INTERVALS and (listing := find(instrument)):
            return Topic(name, "book", listing, interval=interval)
        case ["book", instrument, group, depth, interval] if interval in INTERVALS[1:]:
            listing = find(instrument)
            if listing is None or depth not in DEPTHS or group not in coin(listing.base).groups:
                return None
            return Topic(name, "grouped", listing, interval=interval, group=group, depth=int(depth))
        case ["trades", kind, currency, interval] if kind in KINDS and interval in INTERVALS:
            return Topic(name, "trades", family=(kind, currency), interval=interval)
        case [kind, instrument, interval] if kind in BY_LISTING and interval in INTERVALS:
            listing = find(instrument)
            if listing is None or (kind == "perpetual" and listing.expiry_ns is not None):
                return None
            return Topic(name, kind, listing, interval=interval)
        case ["quote", instrument] if listing := find(instrument):
            return Topic(name, "quote", listing, interval="100ms")
        case ["incremental_ticker", instrument] if listing := find(instrument):
            return Topic(name, "incremental_ticker", listing, interval="agg2")
        case ["chart", "trades", instrument, resolution] if resolution in RESOLUTIONS:
            listing = find(instrument)
            return Topic(name, "chart", listing, interval="agg2", group=resolution) if listing else None
        case ["markprice", "options", index] if index in indices:
            return Topic(name, "markprice", index=index, interval="agg2")
        case [kind, index] if kind in SLOW and index in indices:
            return Topic(name, kind, index=index, interval="agg2")
        case ["instrument", "state", kind, currency] if kind in KINDS:
            return Topic(name, "instrument.state", family=(kind, currency))
        case ["platform_state"] | ["platform_state", "public_methods_state"]:
            return Topic(name, name)
    return None


def _user(name: str, parts: list[str], find: Callable[[str], ListedContract | None]) -> Topic | None:
    match parts[1:]:
        case [kind, instrument, interval] if kind in OF_ORDERS and interval in INTERVALS:
            listing = find(instrument)
            return Topic(name, f"user.{kind}", listing, interval=interval) if listing else None
        case [kind, family, currency, interval] if kind in OF_ORDERS:
            if family not in KINDS or interval not in INTERVALS:
                return None
            return Topic(name, f"user.{kind}", family=(family, currency), interval=interval)
        case ["portfolio", currency]:
            return Topic(name.lower(), "user.portfolio", family=("any", currency.upper()), interval="agg2")
        case ["mmp_trigger", _] | ["lock"] | ["access_log"]:
            return Topic(name, ".".join(parts[:2]))
    return None
