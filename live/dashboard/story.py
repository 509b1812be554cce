"""What happened, as far as a page shows it: fills, hedges and scalps, orders at work, alerts."""

from __future__ import annotations

from collections import deque
from typing import Any

from gammacore.contracts import Option, inverse_pnl, linear_pnl
from gammacore.daycount import NS_PER_MILLISECOND
from gammacore.desk import Desk
from gammacore.episode import Episode
from gammacore.events import Delivery, Fill, Flatten, Rejected
from gammacore.orders import Order
from gammacore.scalps import pair_first_in_first_out
from gammacore.terminal import price_text

from ..about import Began
from ..attempts import Placed
from ..news import Gap, State, StateChanged
from ..positions import Adopted, Foreign, TakenOver
from ..risk_manager import Mode, ModeChanged

Row = dict[str, Any]
FILLS = ALERTS = 50
MARKS = 300  # on the chart of the price
SCALPS = 50
LEVEL = {Mode.NORMAL: "info", Mode.HEDGE_ONLY: "warning", Mode.HALT: "critical"}


class Story:
    """Keeps the last of everything.

    Attributes
    ----------
    fills, marks, alerts : deque of dict
        Oldest first.
    scalps : dict
        How many there were, what they earned before fees (settlement currency), the last of them.
    reconnects, gaps : int
        Of the last process, as far as the journal says.
    link : str
        State of the connection, empty where the journal does not say.
    began : Began or None
    """

    def __init__(self) -> None:
        self.fills: deque[Row] = deque(maxlen=FILLS)
        self.marks: deque[Row] = deque(maxlen=MARKS)
        self.alerts: deque[Row] = deque(maxlen=ALERTS)
        self.began: Began | None = None
        self.link = ""
        self.reconnects = self.gaps = 0
        self._scalps: dict[int, tuple[int, float, list[Row]]] = {}
        self._ordered_ns: dict[str, int] = {}
        self._tries: dict[str, tuple[int, Placed]] = {}

    # ------------------------------------------------------------- in

    def started(self, ts_ns: int, again: bool) -> None:
        """Take note of the start of a process."""
        self.link, self.reconnects, self.gaps = "", 0, 0
        self.tell(
            ts_ns, "info", "the session goes on with this journal" if again else "the session has begun"
        )

    def stopped(self, ts_ns: int) -> None:
        """Take note of the clean end of a process."""
        self.tell(ts_ns, "info", "the session has ended")

    def tell(self, ts_ns: int, level: str, text: str) -> None:
        """Add an alert."""
        self.alerts.append({"ts_ms": ts_ns // NS_PER_MILLISECOND, "level": level, "text": text})

    def take(self, found: Any, ts_ns: int, desk: Desk) -> None:
        """Take in an event, a command or a fact; the desk has handled it."""
        if isinstance(found, Fill):
            self._fill(found, desk)
        elif isinstance(found, Order):
            self._ordered_ns[found.order_id] = ts_ns
        elif isinstance(found, Placed):
            tries, _ = self._tries.get(found.order_id, (0, found))
            self._tries[found.order_id] = tries + 1, found
        elif isinstance(found, Rejected):
            self.tell(ts_ns, "warning", f"order {found.order_id} given up: {found.reason}")
            self._forget(found.order_id)
        elif isinstance(found, ModeChanged):
            why = "; ".join(found.reasons) or "nothing is in the way"
            self.tell(ts_ns, LEVEL[Mode(found.mode)], f"{Mode(found.mode).name}: {why}")
        else:
            self._other(found, ts_ns)

    def _other(self, found: Any, ts_ns: int) -> None:
        if isinstance(found, Began):
            self.began = found
        elif isinstance(found, StateChanged):
            self.reconnects += found.after is State.READY and self.link == State.LOST
            self.link = found.after
            if found.after is State.LOST:
                level = "info" if found.reason == "closed by us" else "warning"
                self.tell(ts_ns, level, f"connection lost: {found.reason or 'no reason given'}")
        elif isinstance(found, Gap):
            self.gaps += 1
        elif isinstance(found, Foreign):
            self.tell(
                ts_ns, "info", f"the holder traded {found.amount:+g} {found.instrument} at {found.price:g}"
            )
        elif isinstance(found, TakenOver):
            text = f"adopted: {found.amount:+g} {found.instrument} at {found.price:g}"
            self.tell(ts_ns, "info", text)
        elif isinstance(found, Adopted):
            level, what = ("critical", "liquidated") if found.forced else ("warning", "traded outside")
            self.tell(ts_ns, level, f"{what}: {found.amount:+g} {found.instrument} at {found.price:g}")
        elif isinstance(found, Delivery):
            self.tell(ts_ns, "info", f"delivered at {price_text(found.price)} USD")
        elif isinstance(found, Flatten):
            self.tell(ts_ns, "warning", "everything is to be closed")

    def _fill(self, fill: Fill, desk: Desk) -> None:
        purpose = fill.order_id.split("-")[1]
        ts_ms = fill.ts_ns // NS_PER_MILLISECOND
        option = isinstance(fill.instrument, Option)
        self.fills.append(
            {
                "ts_ms": ts_ms,
                "order": fill.order_id,
                "purpose": purpose,
                "episode": fill.episode,
                "instrument": fill.instrument.name,
                "amount": fill.amount,
                "price": fill.price,
                "mark": fill.mark,
                "fee": fill.fee,
            }
        )
        price = desk.market.index if option else fill.price  # an option's own is not on that scale
        mark = {
            "ts_ms": ts_ms,
            "price": price,
            "amount": fill.amount,
            "instrument": fill.instrument.name,
            "kind": "option" if option else purpose,
        }
        self.marks.append(mark)
        book = desk.portfolio.book
        if not option:
            own = desk.portfolio.episodes[fill.episode] if book is None else book
            self._scalps[fill.episode] = _scalps(own)
        if fill.last:
            self._forget(fill.order_id)
        episode = desk.portfolio.episodes[fill.episode] if option else None
        if episode is not None and episode.exited and episode.close_ns == fill.ts_ns:
            self.tell(fill.ts_ns, "info", f"episode {episode.number} closed: {episode.close_reason}")

    def _forget(self, order_id: str) -> None:
        self._ordered_ns.pop(order_id, None)
        self._tries.pop(order_id, None)

    # ------------------------------------------------------------- out

    @property
    def scalps(self) -> Row:
        """Scalps of all episodes."""
        last = sorted(
            (row for _, _, rows in self._scalps.values() for row in rows), key=lambda r: r["closed_ms"]
        )
        return {
            "count": sum(count for count, _, _ in self._scalps.values()),
            "gross": sum(earned for _, earned, _ in self._scalps.values()),
            "last": last[-SCALPS:],
        }

    def orders(self, desk: Desk) -> list[Row]:
        """Orders at work, each with what was tried last."""
        rows = []
        portfolio = desk.portfolio
        for episode in {id(e): e for e in (*portfolio.open.values(), *portfolio.hedged)}.values():
            kept = ("taking", episode.pending), ("resting", episode.resting), ("leaving", episode.cancelled)
            for stage, orders in kept:
                rows += [self._order(order, stage) for order in orders.values()]
        return rows

    def _order(self, order: Order, stage: str) -> Row:
        tries, last = self._tries.get(order.order_id, (0, None))
        since = self._ordered_ns.get(order.order_id)
        return {
            "order": order.order_id,
            "episode": order.episode,
            "purpose": order.purpose.value,
            "stage": "resting" if last is not None and last.rests and stage == "taking" else stage,
            "legs": [{"instrument": leg.instrument.name, "amount": leg.amount} for leg in order.legs],
            "limit": order.limit if order.limit is not None else (last.limit if last is not None else None),
            "tries": tries,
            "since_ms": None if since is None else since // NS_PER_MILLISECOND,
        }


def _scalps(episode: Episode) -> tuple[int, float, list[Row]]:
    """Scalps of an episode that are complete: how many, what they earned from fill to fill, the last ones."""
    fills = episode.hedge_fills()
    pairs = pair_first_in_first_out(fills.amount)
    whole = (pairs.bought >= 0) & (pairs.sold >= 0)
    amount, bought, sold = pairs.amount[whole], pairs.bought[whole], pairs.sold[whole]
    price = fills.price
    earned = (inverse_pnl if episode.hedge.inverse else linear_pnl)(amount, price[bought], price[sold])
    rows = []
    for k in range(max(len(amount) - SCALPS, 0), len(amount)):
        first, second = sorted((int(bought[k]), int(sold[k])))
        rows.append(
            {
                "opened_ms": int(fills.ts_ns[first]) // NS_PER_MILLISECOND,
                "closed_ms": int(fills.ts_ns[second]) // NS_PER_MILLISECOND,
                "open_price": float(price[first]),
                "close_price": float(price[second]),
                "amount": float(amount[k]),
                "gross": float(earned[k]),
            }
        )
    return len(amount), float(earned.sum()), rows
