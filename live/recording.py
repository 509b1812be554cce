"""A recording session: which channels, since when, and until when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from gammacore.contracts import Option, Perpetual
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit import channels
from gammacore.deribit.catalog import Listing
from gammacore.deribit.history import WITH_DVOL
from gammacore.deribit.methods import GET_INSTRUMENTS

from .client import Client
from .recorder import ALL, NOTIFICATIONS, Recorder, RecorderOptions

CATALOG_S = 60.0  # for an answer: the exchange grants five catalogs at once, then one every 10 s


def channels_of(options: RecorderOptions, catalog: Mapping[str, Iterable[Listing]]) -> list[str]:
    """Channels to subscribe: trades of everything, perpetuals of coins with options, their indices, DVOL.

    Parameters
    ----------
    options : RecorderOptions
    catalog : mapping of str to iterable of Listing
        By currency.
    """
    found: dict[str, None] = {}
    step = options.interval
    for currency, listings in catalog.items():
        names = [channels.trades(kind, currency, step) for kind in ("option", "future")]
        names.append(channels.listings(currency))
        instruments = [(listing, listing.instrument) for listing in listings]
        # A currency lists a hundred perpetuals; those of coins without options hedge nothing.
        coins = {one.base for _, one in instruments if isinstance(one, Option)}
        for listing, instrument in instruments:
            if isinstance(instrument, Perpetual) and instrument.base in coins:
                name = instrument.name
                names += [channels.ticker(name, step), channels.book(name, step), channels.quote(name)]
                names.append(channels.index(listing.index))
            elif isinstance(instrument, Option) and options.options == "tickers":
                names.append(channels.ticker(instrument, "agg2"))
        if currency in WITH_DVOL:
            names.append(channels.dvol(currency))
        found |= dict.fromkeys(names)
    return list(found)


def last_heard_ns(store: Store) -> int:
    """When the last notification in a store was received, 0 if there is none."""
    return store.last_raw_ns(NOTIFICATIONS, ALL)


def record(
    store: Store, client: Client, recorder: Recorder, options: RecorderOptions, seconds: float = math.inf
) -> None:
    """Record until the time is over, or an interruption.

    Parameters
    ----------
    store : Store
    client : Client
        Made with the recorder's tap and without channels.
    recorder : Recorder
    options : RecorderOptions
    seconds : float

    Raises
    ------
    RequestError
        If the exchange does not answer at the beginning; later it is waited for.
    """
    catalog = {
        currency: client.call(GET_INSTRUMENTS, {"currency": currency}, timeout_s=CATALOG_S)
        for currency in options.currencies
    }
    recorder.client = client
    client.subscribe(channels_of(options, catalog))
    until_ns = client.now_ns() + int(min(seconds, 1e9) * NS_PER_SECOND)
    try:
        client.run(_Until(recorder, client, until_ns))
    finally:
        recorder.finish(client.now_ns())


class _Until:
    """A handler that ends the session at a moment."""

    def __init__(self, recorder: Recorder, client: Client, until_ns: int) -> None:
        self._client, self._until_ns, self._recorder = client, until_ns, recorder
        self.on_news, self.on_idle = recorder.on_news, recorder.on_idle

    def on_tick(self, now_ns: int) -> None:
        self._recorder.on_tick(now_ns)
        if now_ns >= self._until_ns:
            self._client.stop()
