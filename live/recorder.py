"""Record market data into the store, for as long as it takes.

Every notification is kept twice: as received, and as a row of its kind. What is in memory goes to the store
every few minutes, all of it or nothing (`gammacore.data.store`). When nothing could be heard is in the ledger
of gaps, a kind of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from gammacore.contracts import Option
from gammacore.data.schemas import KINDS, bar_label, currency_of
from gammacore.data.store import Store, day_of
from gammacore.data.stream import MinuteBars, Row, columns_of, rows_of
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE
from gammacore.deribit import channels
from gammacore.deribit.frames import decode_envelope
from gammacore.deribit.methods import GET_BOOK_SUMMARY_BY_CURRENCY as SUMMARY
from gammacore.deribit.news import BookNews, InstrumentStateNews, SummaryRow
from gammacore.deribit.units import NAN, name_of
from gammacore.errors import ConfigError, DataError

from .client import Client
from .news import Answered, BadFrame, Gap, News, Reconnecting, SubscriptionMissing

EVERYWHERE = "*"  # channel of gaps that concern all of them
NOTIFICATIONS, ALL = "notifications", "all"  # where frames are kept as received
STALE_NS = 5 * NS_PER_MINUTE  # of an option's ticker in a chain


class RecorderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to record.

    Attributes
    ----------
    currencies : tuple of str
        As the exchange lists instruments: BTC, ETH, USDC.
    options : {'summary', 'tickers', 'none'}
        Chains from the book summaries that are asked for regularly (marks with eight decimals, no Greeks), or
        from the tickers of all options (everything, some hundred notifications a second), or none.
    interval : str
        Of channels: ``100ms`` or ``agg2``; ``raw`` needs a key.
    snapshot_ns, rotate_ns : int
        Between two chains, and between two files.
    most_rows : int
        Rows in memory at which a file is written before its time.
    """

    currencies: tuple[str, ...] = ("BTC",)
    options: str = "summary"
    interval: str = "100ms"
    snapshot_ns: int = NS_PER_MINUTE
    rotate_ns: int = 5 * NS_PER_MINUTE
    most_rows: int = 100_000

    def __post_init__(self) -> None:
        for name, known in (
            ("options", ("summary", "tickers", "none")),
            ("interval", ("100ms", "agg2", "raw")),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        for name in ("snapshot_ns", "rotate_ns", "most_rows"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}: expected a number > 0, got {getattr(self, name)!r}")


class Recorder:
    """Handler of a session that writes what it hears; also the tap of its client.

    Parameters
    ----------
    store : Store
    options : RecorderOptions
    client : Client, optional
        Asked for summaries; set before the session runs.
    heard_ns : int
        When the session before heard its last, 0 if there was none.
    """

    def __init__(
        self, store: Store, options: RecorderOptions, client: Client | None = None, *, heard_ns: int = 0
    ) -> None:
        self.client = client
        self.seq = 0
        self.files = 0
        self._store, self._options = store, options
        self._rows: dict[str, list[Row]] = {}
        self._frames: list[tuple[int, int, str, str]] = []
        self._count = 0
        self._begun_ns = self._asked_ns = 0
        self._heard_ns = heard_ns
        self._heard: dict[str, int] = {}
        self._outage = "recorder was not running" if heard_ns else ""
        self._broken: dict[str, str] = {}
        self._good: dict[str, int] = {}  # when each book was last known to be whole
        self._bars = MinuteBars()
        self._tickers: dict[str, tuple[Any, ...]] = {}
        self._index: dict[str, float] = {}

    # ----------------------------------------------------------------- what comes in

    def tap(self, frame: bytes, now_ns: int) -> None:
        """Keep a frame, if it is a notification; what cannot be read the session reports."""
        try:
            envelope = decode_envelope(frame)
        except (ValueError, RecursionError):
            return
        params = envelope.params
        if envelope.method != "subscription" or params is None or not params.channel:
            return
        channel, payload = params.channel, bytes(params.data)
        self.seq += 1
        self._frames.append((self.seq, now_ns, channel, payload.decode(errors="replace")))
        self._count += 1
        self._begun_ns = self._begun_ns or now_ns
        try:
            rows = rows_of(channel, payload, now_ns, self.seq)
        except DataError as error:
            self._gap(channel, self._heard.get(channel, now_ns), now_ns, str(error)[:200])
            return
        self._end_outage(now_ns)
        self._heard_ns = self._heard[channel] = now_ns
        for row in rows:
            self._keep(row)
            self._follow(row)

    def _keep(self, row: Row) -> None:
        self._rows.setdefault(row.kind, []).append(row)
        self._count += 1

    def _follow(self, row: Row) -> None:
        """Note what chains and bars are made of."""
        values = row.values
        if row.kind == "tickers" and values[3].endswith(("-C", "-P")):
            self._tickers[values[3]] = values
        elif row.kind == "index":
            ts_ns, known_ns, _, name, price = values
            self._index[name] = price
            bar = self._bars.add(name, ts_ns, price, known_ns)
            if bar is not None:
                self._keep(bar)

    # ----------------------------------------------------------------- session

    def on_news(self, news: News) -> None:
        """Take what concerns gaps, new instruments and chains; the rest the tap has."""
        if isinstance(news, Reconnecting):
            self._begin_outage(news.reason, news.ts_ns)
        elif isinstance(news, Gap):
            self._broken.setdefault(news.channel, "book missed a change")
        elif isinstance(news, BookNews):
            self._mended(news.channel)
        elif isinstance(news, BadFrame):
            channel = news.channel or EVERYWHERE
            from_ns = self._heard.get(channel, self._heard_ns) or news.ts_ns
            self._gap(channel, from_ns, news.ts_ns, f"unreadable: {news.reason}"[:200])
        elif isinstance(news, SubscriptionMissing):
            for channel in news.channels:
                self._gap(channel, news.ts_ns, news.ts_ns, f"not granted {news.reason}".strip())
        elif isinstance(news, InstrumentStateNews):
            self._listed(news)
        elif isinstance(news, Answered) and news.method == SUMMARY.name:
            self._summary(news.result, news.ts_ns)

    def on_idle(self) -> None:
        """Nothing to keep warm."""

    def on_tick(self, now_ns: int) -> None:
        """Take chains, and write what is due."""
        if now_ns - self._asked_ns >= self._options.snapshot_ns and not self._outage and self._heard_ns:
            self._asked_ns = now_ns
            if self._options.options == "summary" and self.client is not None:
                for currency in self._options.currencies:
                    self.client.request(SUMMARY, {"currency": currency, "kind": "option"})
            elif self._options.options == "tickers":
                self._chain_of_tickers(now_ns)
        due = now_ns - self._begun_ns >= self._options.rotate_ns
        turned = now_ns // NS_PER_DAY != self._begun_ns // NS_PER_DAY
        if self._begun_ns and (due or turned or self._count >= self._options.most_rows):
            self.rotate()

    def _listed(self, news: InstrumentStateNews) -> None:
        """Subscribe a new option; forget one that is gone."""
        name = name_of(news.instrument)
        if (
            self._options.options != "tickers"
            or not isinstance(news.instrument, Option)
            or self.client is None
        ):
            return
        if news.state in ("created", "started"):
            self.client.subscribe([channels.ticker(name, "agg2")])
        elif news.state in ("closed", "terminated", "settled"):
            self._tickers.pop(name, None)
            self.client.unsubscribe([channels.ticker(name, "agg2")])

    # ----------------------------------------------------------------- gaps

    def _begin_outage(self, reason: str, now_ns: int) -> None:
        self._outage = self._outage or reason or "connection lost"
        self._heard_ns = self._heard_ns or now_ns
        self._bars.interrupted()
        self._tickers.clear()

    def _end_outage(self, now_ns: int) -> None:
        if self._outage:
            self._gap(EVERYWHERE, self._heard_ns, now_ns, self._outage)
            self._outage = ""

    def _mended(self, channel: str) -> None:
        reason = self._broken.pop(channel, "")
        if reason:
            until_ns = self._heard.get(channel, self._heard_ns)
            self._gap(channel, self._good.get(channel, until_ns), until_ns, reason)
        self._good[channel] = self._heard.get(channel, self._heard_ns)

    def _gap(self, channel: str, from_ns: int, to_ns: int, reason: str) -> None:
        self._keep(Row("gaps", ALL, (min(from_ns, to_ns), to_ns, channel, reason)))
        self._begun_ns = self._begun_ns or to_ns

    # ----------------------------------------------------------------- chains

    def _summary(self, rows: Iterable[SummaryRow], now_ns: int) -> None:
        """Take a chain out of a book summary."""
        for row in rows:
            if not isinstance(row.instrument, Option) or row.instrument.expiry_ns <= now_ns:
                continue
            name = row.instrument.name
            index = self._index.get(_index_of(row.instrument), NAN)
            prices = (row.forward, index, row.bid or NAN, row.ask or NAN, row.mark, row.mark_iv)
            values = (
                now_ns,
                now_ns,
                name,
                row.underlying_index or "unknown",
                *prices,
                NAN,
                NAN,
                row.open_interest,
            )
            self._keep(Row("chains", currency_of(name), values))

    def _chain_of_tickers(self, now_ns: int) -> None:
        columns = list(KINDS["tickers"].columns)
        taken = ("underlying", "index_price", "bid_price", "ask_price", "mark_price", "mark_iv")
        places = [columns.index(name) for name in (*taken, "delta", "vega", "open_interest")]
        at_name = columns.index("underlying_name")
        for name, ticker in list(self._tickers.items()):
            if now_ns - ticker[1] > STALE_NS:
                del self._tickers[name]
                continue
            values = (
                now_ns,
                now_ns,
                name,
                ticker[at_name] or "unknown",
                *(ticker[place] for place in places),
            )
            self._keep(Row("chains", currency_of(name), values))

    # ----------------------------------------------------------------- files

    def rotate(self) -> None:
        """Write what is in memory: one commit, all of it or nothing."""
        if not self._count:
            return
        groups: dict[tuple[str, str, str, str], list[Row]] = {}
        name = f"record-{self._begun_ns}"
        for kind, rows in self._rows.items():
            for row in rows:
                title = name
                if kind == "candles":
                    title = f"{row.values[2]}_{bar_label(row.values[3])}_{name}"
                groups.setdefault((kind, row.currency, day_of(row.values[0]), title), []).append(row)
        with self._store.commit() as commit:
            if self._frames:
                seq, known_ns, channel, payload = zip(*self._frames, strict=True)
                columns = {
                    "seq": np.array(seq, dtype=np.int64),
                    "known_ns": np.array(known_ns, dtype=np.int64),
                    "channel": np.array(channel, dtype=object),
                    "payload": np.array(payload, dtype=object),
                }
                commit.raw(NOTIFICATIONS, ALL, day_of(known_ns[0]), name, columns)
            for (kind, currency, day, title), rows in groups.items():
                commit.rows(kind, currency, day, title, columns_of(kind, rows))
        self.files += 1
        past_ns = self._heard_ns - NS_PER_DAY  # channels of options that are gone
        self._heard = {channel: at for channel, at in self._heard.items() if at > past_ns}
        self._rows, self._frames, self._count, self._begun_ns = {}, [], 0, 0

    def finish(self, now_ns: int) -> None:
        """Write the rest; a gap that is open runs until now."""
        for channel, reason in self._broken.items():
            self._gap(channel, self._good.get(channel, now_ns), now_ns, reason)
        self._broken.clear()
        self._end_outage(now_ns)
        self.rotate()


def _index_of(option: Option) -> str:
    quote = "usdc" if "_" in option.family else "usd"
    return f"{option.base}_{quote}".lower()
