"""Channels: which are wanted, what was granted, and the whole books among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from gammacore.deribit.channels import decode_book, decode_data, is_private, is_whole_book
from gammacore.deribit.levels import Levels
from gammacore.deribit.news import BookNews
from gammacore.deribit.units import instrument_of

from .news import Gap, News

BATCH = 500  # channels in one request


class Subscriptions:
    """Channels of one connection.

    Attributes
    ----------
    wanted : dict
        Channels asked for, in order, as keys.
    books : dict of str to Levels
        One per channel of a whole book.
    renewing : set of str
        Books that missed a change and are being asked for again.
    """

    def __init__(self) -> None:
        self.wanted: dict[str, None] = {}
        self.books: dict[str, Levels] = {}
        self.renewing: set[str] = set()

    def want(self, channels: Iterable[str]) -> list[str]:
        """Note channels; those that are new."""
        added = [channel for channel in dict.fromkeys(channels) if channel not in self.wanted]
        for channel in added:
            self.wanted[channel] = None
            if is_whole_book(channel):
                self.books[channel] = Levels()
        return added

    def leave(self, channels: Iterable[str]) -> list[str]:
        """Forget channels; those that were wanted."""
        left = [channel for channel in dict.fromkeys(channels) if channel in self.wanted]
        for channel in left:
            del self.wanted[channel]
            self.books.pop(channel, None)
            self.renewing.discard(channel)
        return left

    def ungranted(self, asked: Iterable[str], granted: Iterable[str]) -> list[str]:
        """Channels of a request that its answer lacks; it may be in any order and in lower case."""
        got = {channel.lower() for channel in granted}
        return [channel for channel in asked if channel in self.wanted and channel.lower() not in got]

    def heard(self, channel: str, data: msgspec.Raw, depth: int, now_ns: int) -> list[News]:
        """News of a notification; a gap, once, where a change of a book is missing.

        Raises
        ------
        ValueError
            If it is not what the channel promises.
        """
        levels = self.books.get(channel)
        if levels is None:
            return [*decode_data(channel, data, now_ns)]
        change = decode_book(data)
        if levels.apply(change):
            self.renewing.discard(channel)
            instrument, bids, asks = (
                instrument_of(change.instrument_name),
                levels.bids(depth),
                levels.asks(depth),
            )
            return [BookNews(change.ts_ns, instrument, channel, change.change_id, bids, asks)]
        if channel in self.renewing:
            return []
        self.renewing.add(channel)
        return [Gap(now_ns, channel)]


def batches(channels: Iterable[str]) -> Iterator[tuple[bool, tuple[str, ...]]]:
    """Channels of each request that (un)subscribes them, and whether they need a login."""
    listed = list(channels)
    for private in (True, False):
        part = [channel for channel in listed if is_private(channel) is private]
        for start in range(0, len(part), BATCH):
            yield private, tuple(part[start : start + BATCH])
