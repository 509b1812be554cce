"""Subscriptions: who hears what, when, and with which change ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import ceil, floor
from typing import Any, Protocol

from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_SECOND

from .agenda import Agenda
from .catalog import ListedContract
from .coins import coin
from .floor import Floor
from .glance import current_bar, index_data
from .order_book import BUY, SELL, ExchangeOrder
from .topics import RAW, SLOW, Topic, parse
from .trades import Touched, Trade
from .views import order_json, public_trade, user_trade
from .wire import encode, milliseconds

__all__ = ["Publisher", "Readers"]

PERIOD_NS = {"100ms": 100 * NS_PER_MILLISECOND, "agg2": NS_PER_SECOND}
WATCHING = {"book", "grouped", "ticker", "quote", "incremental_ticker", "trades", "chart"}
HAPPENING = ("trades", "user.orders", "user.trades", "user.changes", "user.combo_trades")
Data = Any


class Readers(Protocol):
    """Who takes frames."""

    def deliver(self, number: int, subject: str, frame: str) -> None:
        """Send a frame to a connection, if it is still there."""


class Publisher:
    """Channels and their subscribers.

    Parameters
    ----------
    floor : Floor
    agenda : Agenda
        When channels with an interval are due.
    readers : Readers
    """

    def __init__(self, floor: Floor, agenda: Agenda, readers: Readers) -> None:
        self._x = floor
        self._agenda = agenda
        self._readers = readers
        self._topics: dict[tuple[str, int | None], Topic] = {}
        self._flush_ns: dict[str, int] = {}

    # Subscribing

    def topic(self, name: str, user_id: int | None) -> Topic | None:
        """Channel of a name, or None if it makes no sense (or needs a user)."""
        private = name.startswith("user.")
        if private and user_id is None:
            return None
        owner = user_id if private else None
        found = self._topics.get((name, owner))
        if found is not None:
            return found
        parsed = parse(name, self._x.find, self._x.indices)
        if parsed is not None:
            parsed.account = owner
            known = self._topics.get((parsed.name, owner))
            return known if known is not None else parsed
        return None

    def subscribe(
        self, topic: Topic, connection: int, label: str | None, now_ns: int, greeting: Iterable[Data] = ()
    ) -> None:
        """Add a subscriber; it is greeted, and the first notification goes out at once."""
        if topic.listing is not None and topic.kind in WATCHING:
            self._x.quote(topic.listing, now_ns)
        new = not topic.subscribers
        topic.subscribers[connection] = label
        self._topics[topic.name, topic.account] = topic
        if topic.kind == "book":
            self._send_snapshot(topic, connection, label, now_ns, fresh=new)
        elif topic.kind == "incremental_ticker":
            topic.last = self._x.views.ticker(topic.about, now_ns)
            self._readers.deliver(
                connection, topic.name, _frame(topic.name, topic.last | {"type": "snapshot"}, label)
            )
        elif greeting:
            for data in greeting:
                self._readers.deliver(connection, topic.name, _frame(topic.name, data, label))
        elif topic.kind in RENDER and not topic.kind.startswith("user.") and topic.kind != "trades":
            topic.dirty, topic.last = True, {}  # also if nothing has changed
            self._schedule(topic, now_ns)

    def unsubscribe(self, topic: Topic, connection: int) -> None:
        """Remove a subscriber."""
        topic.subscribers.pop(connection, None)
        if not topic.subscribers:
            self._topics.pop((topic.name, topic.account), None)

    def lost(self, connection: int) -> None:
        """Remove a subscriber from everything."""
        for topic in [t for t in self._topics.values() if connection in t.subscribers]:
            self.unsubscribe(topic, connection)

    def watched(self) -> set[ListedContract]:
        """Instruments whose book somebody looks at."""
        found = {t.listing for t in self._topics.values() if t.listing is not None and t.kind in WATCHING}
        for topic in list(self._topics.values()):  # one may close its connection
            if topic.kind == "trades" and topic.listing is None:
                found |= {x for x in self._x.perpetuals if topic.covers(x)}
        return found

    # What happened

    def tick(self, now_ns: int) -> None:
        """Prices moved."""
        for topic in list(self._topics.values()):  # one may close its connection
            if topic.kind in MOVING:
                topic.dirty = True
                self._schedule(topic, now_ns)

    def touched(self, what: Touched, now_ns: int) -> None:
        """Tell what a request or a tick did."""
        for topic in list(self._topics.values()):
            if topic.kind.startswith("user."):
                self._user(topic, what)
            elif topic.kind == "trades":
                topic.pending += [public_trade(t) for t in what.trades if topic.covers(t.listing)]
                topic.dirty = bool(topic.pending)
            elif topic.listing is not None and topic.listing.name in what.books:
                topic.dirty = True
            if topic.dirty:
                self._schedule(topic, now_ns)

    def state(self, listing: ListedContract, state: str, now_ns: int) -> None:
        """Tell that an instrument was created, settled or closed."""
        data = {"timestamp": milliseconds(now_ns), "state": state, "instrument_name": listing.name}
        for topic in list(self._topics.values()):
            if topic.kind == "instrument.state" and topic.covers(listing):
                self._send(topic, data)

    def tell(self, kind: str, data: Data, account: int | None = None) -> None:
        """Tell all subscribers of a kind of channel, or those of one account."""
        for topic in list(self._topics.values()):
            if topic.kind == kind and topic.account == account:
                self._send(topic, data)

    def _user(self, topic: Topic, what: Touched) -> None:
        account = topic.account
        if topic.kind == "user.portfolio":
            if any(order.account == account for order in what.orders):
                topic.dirty = True
            return
        orders = [o for o in what.orders if o.account == account and topic.covers(o.listing)]
        trades = [
            (trade, user_trade(trade, side))
            for trade in what.trades
            for side in trade.sides
            if side.order.account == account and topic.covers(trade.listing)
        ]
        if topic.kind == "user.orders":
            topic.pending += [order_json(order) for order in orders]
        elif topic.kind == "user.trades":
            topic.pending += [shown for _, shown in trades]
        elif topic.kind == "user.combo_trades":
            topic.pending += [shown for trade, shown in trades if trade.legs]
        elif topic.kind == "user.changes":
            moved = [x for user, x in what.moved if user == account and topic.covers(x)]
            self._changes(topic, orders, trades, moved)
        topic.dirty = bool(topic.pending)

    def _changes(
        self,
        topic: Topic,
        orders: list[ExchangeOrder],
        trades: list[tuple[Trade, Data]],
        moved: list[ListedContract],
    ) -> None:
        assert topic.account is not None
        account = self._x.accounts[topic.account]
        changed = (*(o.listing for o in orders), *(trade.listing for trade, _ in trades), *moved)
        for listing in {x.name: x for x in changed}.values():
            position = account.positions.get(listing.name)
            topic.pending.append(
                {
                    "instrument_name": listing.name,
                    "orders": [order_json(order) for order in orders if order.listing is listing],
                    "trades": [shown for trade, shown in trades if trade.listing is listing],
                    "positions": [self._x.views.position(account, position)] if position else [],
                }
            )

    # Sending

    def _schedule(self, topic: Topic, now_ns: int) -> None:
        """Send a raw channel now, the others at the next full interval."""
        if topic.interval == RAW:
            self._flush(topic, now_ns)
            return
        if topic.interval not in self._flush_ns:
            period = PERIOD_NS[topic.interval]
            due = -(-now_ns // period) * period
            self._flush_ns[topic.interval] = due
            self._agenda.at(due, "flush", topic.interval)

    def flush(self, interval: str, now_ns: int) -> None:
        """Send what an interval has gathered."""
        self._flush_ns.pop(interval, None)
        for topic in list(self._topics.values()):
            if topic.interval == interval and topic.dirty:
                self._flush(topic, now_ns)

    def _flush(self, topic: Topic, now_ns: int) -> None:
        topic.dirty = False
        for data in RENDER[topic.kind](self, topic, now_ns):
            self._send(topic, data)

    def _send(self, topic: Topic, data: Data) -> None:
        frames: dict[str | None, str] = {}
        for connection, label in list(topic.subscribers.items()):
            if label not in frames:
                frames[label] = _frame(topic.name, data, label)
            self._readers.deliver(connection, topic.name, frames[label])

    # Books

    def _send_snapshot(
        self, topic: Topic, connection: int, label: str | None, now_ns: int, *, fresh: bool
    ) -> None:
        """Whole book to a new subscriber: for the second one what the channel has said so far."""
        if fresh:
            topic.last, topic.change_id = self._sides(topic.about), self._x.engine.change_id
        data = {
            "type": "snapshot",
            "timestamp": milliseconds(now_ns),
            "instrument_name": topic.about.name,
            "change_id": topic.change_id,
        }
        for name, levels in zip(("bids", "asks"), topic.last, strict=True):
            data[name] = [["new", price, amount] for price, amount in levels.items()]
        self._readers.deliver(connection, topic.name, _frame(topic.name, data, label))

    def _sides(self, listing: ListedContract) -> tuple[dict[float, float], dict[float, float]]:
        bids, asks = (self._x.views.levels(listing, side, None) for side in (BUY, SELL))
        return dict(bids), dict(asks)

    def _book(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        before, after = topic.last, self._sides(topic.about)
        bids, asks = (_difference(old, new) for old, new in zip(before, after, strict=True))
        if not bids and not asks:
            return
        previous, topic.change_id, topic.last = topic.change_id, self._x.engine.change_id, after
        yield {
            "type": "change",
            "timestamp": milliseconds(now_ns),
            "instrument_name": topic.about.name,
            "prev_change_id": previous,
            "change_id": topic.change_id,
            "bids": bids,
            "asks": asks,
        }

    def _grouped(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        listing = topic.about
        width = 0.0
        if topic.group != "none":
            width = float(topic.group) * coin(listing.base).group_unit
        data: dict[str, Any] = {
            side: _group(self._x.views.levels(listing, sign, None), width, sign)[: topic.depth]
            for side, sign in (("bids", BUY), ("asks", SELL))
        }
        if data == topic.last:
            return
        topic.last = data
        yield {
            "timestamp": milliseconds(now_ns),
            "instrument_name": listing.name,
            "change_id": self._x.engine.change_id,
            **data,
        }

    # Everything else

    def _pending(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        pending, topic.pending = topic.pending, []
        if topic.kind == "user.changes" or (topic.kind == "user.orders" and topic.interval == RAW):
            yield from pending
        elif pending:
            yield pending

    def _ticker(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        shown = self._x.views.ticker(topic.about, now_ns)
        if shown | {"timestamp": topic.last.get("timestamp")} != topic.last:
            topic.last = shown
            yield shown

    def _incremental(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        shown = self._x.views.ticker(topic.about, now_ns)
        changed = {name: value for name, value in shown.items() if topic.last.get(name) != value}
        topic.last = shown
        yield changed | {
            "instrument_name": topic.about.name,
            "timestamp": shown["timestamp"],
            "type": "change",
        }

    def _quote(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        best = self._x.views.best(topic.about)
        if best != topic.last:
            topic.last = best
            yield {"timestamp": milliseconds(now_ns), "instrument_name": topic.about.name, **best}

    def _perpetual(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        base, market = topic.about.base, self._x.market
        yield {
            "timestamp": milliseconds(now_ns),
            "index_price": market.index(base),
            "interest": market.rate(base, linear=not topic.about.inverse),
        }

    def _chart(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        bar = current_bar(topic.about, self._x.engine.trades.get(topic.about.name, []), topic.group, now_ns)
        if bar is not None and bar != topic.last:
            topic.last = bar
            yield bar

    def _index(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        yield index_data(self._x.market, topic.kind, topic.index, now_ns)

    def _markprice(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        yield [
            {
                "timestamp": milliseconds(now_ns),
                "instrument_name": listing.name,
                "mark_price": round(mark.price, 4),
                "iv": mark.vol,
            }
            for listing in self._x.options_on(topic.index)
            for mark in (self._x.pricing.mark(listing),)
        ]

    def _portfolio(self, topic: Topic, now_ns: int) -> Iterator[Data]:
        assert topic.account is not None
        account = self._x.accounts[topic.account]
        wanted = topic.family[1]
        for currency in account.wallets if wanted == "ANY" else (wanted,):
            yield self._x.views.summary(account, currency)


RENDER: dict[str, Callable[[Publisher, Topic, int], Iterator[Data]]] = {
    "book": Publisher._book,
    "grouped": Publisher._grouped,
    "ticker": Publisher._ticker,
    "incremental_ticker": Publisher._incremental,
    "quote": Publisher._quote,
    "perpetual": Publisher._perpetual,
    "chart": Publisher._chart,
    "markprice": Publisher._markprice,
    "user.portfolio": Publisher._portfolio,
    **dict.fromkeys(SLOW, Publisher._index),
    **dict.fromkeys(HAPPENING, Publisher._pending),
}
MOVING = {*RENDER} - {*HAPPENING, "book"}


def _frame(channel: str, data: Data, label: str | None) -> str:
    params = {"channel": channel, "data": data}
    if label is not None:
        params["label"] = label
    return encode({"jsonrpc": "2.0", "method": "subscription", "params": params})


def _difference(old: dict[float, float], new: dict[float, float]) -> list[list[Any]]:
    """Levels that came, changed or went."""
    changes: list[list[Any]] = [["delete", price, 0.0] for price in old if price not in new]
    for price, amount in new.items():
        if price not in old:
            changes.append(["new", price, amount])
        elif old[price] != amount:
            changes.append(["change", price, amount])
    return changes


def _group(levels: list[tuple[float, float]], width: float, side: int) -> list[tuple[float, float]]:
    """Merge levels into steps of a width: bids downwards, asks upwards."""
    if not width:
        return levels
    merged: dict[float, float] = {}
    for price, amount in levels:
        steps = price / width
        step = round((floor(steps + 1e-9) if side > 0 else ceil(steps - 1e-9)) * width, 8)
        merged[step] = merged.get(step, 0.0) + amount
    return list(merged.items())
