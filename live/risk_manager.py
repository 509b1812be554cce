"""What may be sent now: guards on session and market, limits over time, and the states they put it in.

NORMAL: everything. HEDGE_ONLY: no entries. HALT: nothing at all. A guard holds for as long as its cause
lasts; a latch until somebody lifts it (or, for the daily loss, until the next UTC day). Latches do not stand
in the way of closing everything, guards do.
Pure: told of news, decisions and times; :mod:`gammacore.risk` has the limits of one moment.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable
from enum import IntEnum

import msgspec

from gammacore.contracts import Option
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, format_time
from gammacore.deribit.news import AccountNews, TickerNews
from gammacore.desk import Desk
from gammacore.margin_use import used
from gammacore.orders import Order, Purpose, whose
from gammacore.risk import RiskLimits, totals

from .actions import AtWork
from .peak import Peak
from .refusals import Refusals
from .solvency import account_model, liquidation_distance, margin_gap, profit_usd

PENDING_NS = 30 * NS_PER_SECOND  # that an order may be at work before it is told
LOOK_NS = NS_PER_SECOND  # between two looks at profit and exposure
NEAR_LIQUIDATION = 0.8  # maintenance margin over margin balance, from which entries stop
GAP, MATERIAL = 0.1, 0.01  # of our initial margin and of the margin balance, from which a gap is told
ACCOUNT, MAINTENANCE = "account", "maintenance"  # what else than an index may be locked
log = logging.getLogger("gammacore.live")


class Mode(IntEnum):
    """What may be sent."""

    NORMAL = 0
    HEDGE_ONLY = 1
    HALT = 2


class ModeChanged(msgspec.Struct, frozen=True, tag=True):
    """The session may do more or less than before, and why."""

    ts_ns: int
    mode: int
    reasons: tuple[str, ...]


class DayStart(msgspec.Struct, frozen=True, tag=True):
    """A day (UTC) began with this profit; journaled, so that a restart does not forget the day's loss."""

    ts_ns: int
    profit_usd: float


class ProfitHigh(msgspec.Struct, frozen=True, tag=True):
    """Highest profit of a minute; journaled, so that a restart does not forget a drawdown."""

    ts_ns: int
    profit_usd: float


class Guards(msgspec.Struct, frozen=True):
    """Limits over time; None is no limit. See ``risk`` in the configuration."""

    limits: RiskLimits
    max_orders_per_minute: int | None = None
    max_hedges_per_hour: int | None = None
    max_daily_loss_usd: float | None = None
    max_drawdown_usd: tuple[tuple[int, float], ...] = ()  # window in ns, USD
    max_margin_use: float | None = None
    stale_ns: int = 10 * NS_PER_SECOND
    max_divergence: float = 0.01
    max_funding: float = 0.003
    max_skew_ns: int = 2 * NS_PER_SECOND


class RiskManager:
    """State of the guards.

    Parameters
    ----------
    guards : Guards
    desk : Desk
        Looked at, never changed.

    day_start : DayStart, optional
    highs : iterable of ProfitHigh
        Of the journal.
    hold : callable(name, mode, reason), optional
        Takes what is found to hold; by default it is kept in ``causes``.

    Attributes
    ----------
    causes : dict of str to (Mode, str)
        What holds now, by guard.
    heard_ns : int
        Time of the last price of the perpetual.
    profit_usd : float
        Since the start of the journal, at marks.
    account : AccountNews or None
        The last one, of the settlement currency.
    margin_gap : float
        See :func:`.solvency.margin_gap`; NaN before the first account.
    liquidation_distance : float
        See :func:`.solvency.liquidation_distance`; NaN before the first account.
    """

    def __init__(
        self,
        guards: Guards,
        desk: Desk,
        day_start: DayStart | None = None,
        highs: Iterable[ProfitHigh] = (),
        *,
        hold: Callable[[str, Mode, str], None] | None = None,
    ) -> None:
        self._set = self._keep if hold is None else hold
        self.guards, self.desk = guards, desk
        self.causes: dict[str, tuple[Mode, str]] = {}
        self.account: AccountNews | None = None
        self.profit_usd = 0.0
        self.margin_gap = self.liquidation_distance = math.nan
        self._gap_told = self._model_told = False
        self._latched: set[str] = set()
        self._sent: deque[int] = deque()
        self._hedges: deque[int] = deque()
        self._peaks = [(window, most, Peak(window)) for window, most in guards.max_drawdown_usd]
        for high in highs:
            for _, _, peak in self._peaks:
                peak.add(high.ts_ns, high.profit_usd)
        self._high: ProfitHigh | None = None  # of this minute
        self._day_start = day_start
        self._facts: list[DayStart | ProfitHigh] = []
        self.heard_ns = self._looked_ns = self._now_ns = 0
        self._refusals = Refusals()
        self.trouble = ""  # why there is no connection

    @property
    def mode(self) -> Mode:
        """The strictest of what holds."""
        return max((mode for mode, _ in self.causes.values()), default=Mode.NORMAL)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not NORMAL."""
        return tuple(reason for _, reason in self.causes.values())

    # ------------------------------------------------------------- before an order

    def refusal(self, order: Order) -> str:
        """Say why an order may not be sent now; empty if it may. Changes nothing."""
        return self._held(order) or self._too_much(order)

    def admit(self, order: Order) -> str:
        """Say the same of an order that is to leave now."""
        if held := self._held(order):
            return held
        reason = self._too_much(order)
        if reason and order.purpose is not Purpose.ENTRY:  # it waits, and its episode with it
            self.latch("order size", reason, Mode.HEDGE_ONLY)
        return reason

    def _held(self, order: Order) -> str:
        """Why the guards hold an order back."""
        if not self.causes:
            return ""
        if self._refusals.waits(self._now_ns) and not self._reduces(order):
            return self._refusals.reason
        closing = self._closes(order)
        holding = [mode for name, (mode, _) in self.causes.items() if not (closing and name in self._latched)]
        mode = max(holding, default=Mode.NORMAL)
        if mode is Mode.HALT or (mode is Mode.HEDGE_ONLY and order.purpose is Purpose.ENTRY):
            return f"{mode.name.lower()}: {'; '.join(self.reasons)}"
        return ""

    def _too_much(self, order: Order) -> str:
        """Which limit an order would break; what closes everything may do so at once, however large."""
        if self._closes(order):
            return ""
        return self.guards.limits.refusal(order, self.desk.portfolio, self.desk.market) or ""

    def _closes(self, order: Order) -> bool:
        return self.desk.closing and order.purpose is not Purpose.ENTRY

    def _reduces(self, order: Order) -> bool:
        """Whether an order brings every position that it trades nearer to zero, and none beyond."""
        episode = self.desk.portfolio.find(order.episode)
        if episode is None or not order.legs:
            return False
        held = [
            episode.legs.get(leg.instrument, 0.0)
            if isinstance(leg.instrument, Option)
            else episode.hedge.amount
            for leg in order.legs
        ]
        pairs = [(leg.amount, size) for leg, size in zip(order.legs, held, strict=True)]
        return all(amount * size < 0 and abs(amount) <= abs(size) for amount, size in pairs)

    def decided(self, order: Order, now_ns: int) -> None:
        """Count the hedges that were decided; orders that rest until they are reached are none."""
        if order.purpose is Purpose.HEDGE and order.limit is None:
            _count(self._hedges, now_ns, NS_PER_HOUR)
            limit = self.guards.max_hedges_per_hour
            if limit is not None and len(self._hedges) > limit:
                self.latch("hedge count", f"more than {limit} hedges in an hour")

    def sent(self, now_ns: int) -> None:
        """Count an order that leaves for the exchange."""
        _count(self._sent, now_ns, NS_PER_MINUTE)
        limit = self.guards.max_orders_per_minute
        if limit is not None and len(self._sent) > limit:
            self.latch("order rate", f"more than {limit} orders in a minute")

    def refused(self, code: int, message: str, now_ns: int) -> None:
        """Take note that the exchange refused an order."""
        self._refusals.refused(code, message, now_ns)
        self._show_refusals()

    def accepted(self) -> None:
        """Take note that the exchange took an order."""
        if self._refusals.in_a_row:
            self._refusals.accepted()
            self._show_refusals()

    def _show_refusals(self) -> None:
        """Hold the guard of the last refusals, and no other."""
        refusals = self._refusals
        for name in ("no funds", "refusals"):
            self._hold(name, refusals.holds and name == refusals.guard, Mode.HEDGE_ONLY, refusals.reason)

    def at_work(self, oldest: AtWork | None, now_ns: int) -> None:
        """Look at the order that has been at work for longest; what a guard holds back has its own reason."""
        if oldest is None or not oldest.why or now_ns - oldest.since_ns <= PENDING_NS:
            if "pending" in self.causes:
                self.lift("pending")
            return
        order, since = oldest.order, format_time(oldest.since_ns)[11:19]
        told = f"{whose(order.episode)} waits since {since} UTC for {order.order_id}: {oldest.why}"
        self._set("pending", Mode.HEDGE_ONLY, told)

    def not_closed(self, reason: str) -> None:
        """Take note that options that were to be closed could not be."""
        self._set("exit", Mode.HEDGE_ONLY, f"options are not closed: {reason}")

    # ------------------------------------------------------------- news

    def ticker(self, news: TickerNews, now_ns: int) -> None:
        """Look at a price of the perpetual."""
        self.heard_ns = max(self.heard_ns, min(news.ts_ns, now_ns))  # what comes late is old
        apart = abs(news.mark / news.index - 1.0) if news.index > 0 else math.inf
        if apart > self.guards.max_divergence:
            away = f"{apart:.2%} from {news.index:g}" if news.index > 0 else "told without an index"
            self._set("divergence", Mode.HALT, f"mark {news.mark:g} is {away}")
        elif "divergence" in self.causes:
            self.lift("divergence")
        if news.bid >= news.ask > 0:
            self._set("crossed book", Mode.HALT, f"bid {news.bid:g} at or above ask {news.ask:g}")
        elif "crossed book" in self.causes:
            self.lift("crossed book")
        if news.state != "open" or "market" in self.causes:
            self._hold("market", news.state != "open", Mode.HALT, f"perpetual is {news.state}")
        if abs(news.current_funding) > self.guards.max_funding or "funding" in self.causes:
            self._funding(news)

    def unchanged(self, since_ns: int) -> None:
        """Take note that the last price of the perpetual was still right at a moment."""
        self.heard_ns = max(self.heard_ns, since_ns)

    def _funding(self, news: TickerNews) -> None:
        """Funding so high that a hedge in the perpetual would pay it, whichever side that is."""
        held = sum(e.hedge.amount for e in self.desk.portfolio.hedged)
        against = news.current_funding * held > 0 or held == 0.0
        high = abs(news.current_funding) > self.guards.max_funding and against
        self._hold("funding", high, Mode.HEDGE_ONLY, f"funding {news.current_funding:.3%} in 8 hours")

    def skew(self, seconds: float) -> None:
        """Look at how far our clock is off."""
        off = abs(seconds) * NS_PER_SECOND > self.guards.max_skew_ns
        self._hold("clock", off, Mode.HALT, f"clock is {seconds:+.3f} s off the exchange's")

    def locked(self, where: str, locked: bool) -> None:
        """Take note that the exchange or our account is locked, or open again."""
        state = "announced" if where == MAINTENANCE else "locked"
        self._hold(f"lock {where}", locked, Mode.HALT, f"{where} is {state}")

    @property
    def is_locked(self) -> bool:
        """Whether an index or the exchange is locked, as far as we know."""
        names = [c.removeprefix("lock ") for c in self.causes if c.startswith("lock ")]
        return any(name != MAINTENANCE and not name.startswith(ACCOUNT) for name in names)

    def only_locked(self, names: Collection[str]) -> None:
        """Lift the locks of indices and of the exchange that are not among these."""
        for cause in [c for c in self.causes if c.startswith("lock ")]:
            where = cause.removeprefix("lock ")
            if where != MAINTENANCE and not where.startswith(ACCOUNT) and where not in names:
                self.lift(cause)

    def connected(self) -> None:
        """Lift what a new connection is told of anew: the account's lock, and maintenance."""
        self.account_open()
        self.lift(f"lock {MAINTENANCE}")

    @property
    def account_locked(self) -> bool:
        """Whether our account is locked, as far as we know."""
        return any(c.startswith(f"lock {ACCOUNT}") for c in self.causes)

    @property
    def maintenance(self) -> bool:
        """Whether maintenance was announced, as far as we know."""
        return f"lock {MAINTENANCE}" in self.causes

    def account_open(self) -> None:
        """Lift every lock of our account."""
        for cause in [c for c in self.causes if c.startswith(f"lock {ACCOUNT}")]:
            self.lift(cause)

    def unauthorised(self, reason: str) -> None:
        """Take note that the exchange refuses our key; empty once it has accepted it."""
        self._hold("authorisation", bool(reason), Mode.HALT, reason)

    def margins(self, news: AccountNews) -> None:
        """Look at the exchange's own figures."""
        self.account = news
        self.margin_gap = margin_gap(self.desk, news)
        self.liquidation_distance = liquidation_distance(news)
        self._tell_gap(news)
        use, near = (used(m, news.margin_balance) for m in (news.initial_margin, news.maintenance_margin))
        limit = self.guards.max_margin_use
        over = limit is not None and not use <= limit  # nor is a use that is not told below the limit
        told = "the exchange does not tell how much" if math.isnan(use) else f"{use:.1%}"
        self._hold("margin", over, Mode.HEDGE_ONLY, f"{told} of the margin is in use")
        told = "the exchange does not tell how much" if math.isnan(near) else f"{near:.1%}"
        close = not near <= NEAR_LIQUIDATION
        self._hold("liquidation", close, Mode.HEDGE_ONLY, f"{told} of the way to liquidation")

    def _tell_gap(self, news: AccountNews) -> None:
        """Warn, once, that the exchange asks for more than our positions explain, or by another model.

        No guard, as the account may hold other things. Those add to standard margin, and may offset
        portfolio margin: there less than ours is told, too.
        """
        model, gap = account_model(news), self.margin_gap
        if model != self.desk.margins.model and not self._model_told:
            self._model_told = True
            log.warning(
                "margin model of the account is not margin.model",
                extra={"account": model, "configured": self.desk.margins.model},
            )
        ours = news.initial_margin - gap
        apart = abs(gap) if model == "portfolio" else gap
        wide = apart > max(GAP * ours, MATERIAL * news.margin_balance)
        held = self.desk.portfolio
        working = any(account.pending for account in (*held.open.values(), *held.hedged))
        if wide and not self._gap_told and not working:  # what is at work has margin of its own
            log.warning(
                f"{'more' if gap > 0 else 'less'} margin than our positions need",
                extra={"exchange": news.initial_margin, "ours": ours},
            )
        self._gap_told = wide and (self._gap_told or not working)

    # ------------------------------------------------------------- time

    def tick(self, now_ns: int) -> None:
        """Notice silence, losses, drawdowns and exposure."""
        self._now_ns = now_ns
        if self._refusals.in_a_row:
            self._refusals.tick(now_ns)
            self._show_refusals()
        silence = now_ns - self.heard_ns
        stale = self.heard_ns == 0 or silence > self.guards.stale_ns
        told = "never" if self.heard_ns == 0 else f"{silence / NS_PER_SECOND:.0f} s ago"
        if stale != ("stale" in self.causes):
            why = f": {self.trouble}" if self.trouble else ""
            self._hold("stale", stale, Mode.HALT, f"last price {told}{why}")
        if now_ns - self._looked_ns >= LOOK_NS and self.desk.market.index > 0:
            self._looked_ns = now_ns
            self._profit(now_ns)
            self._exposure()

    def facts(self) -> list[DayStart | ProfitHigh]:
        """Drain what a restart has to know."""
        facts, self._facts = self._facts, []
        return facts

    def _profit(self, now_ns: int) -> None:
        profit = profit_usd(self.desk)
        if not math.isfinite(profit):  # a mark is missing: the last profit stands, and with it the guards
            return
        self.profit_usd = profit
        start = self._day_start
        if start is None or start.ts_ns // NS_PER_DAY != now_ns // NS_PER_DAY:
            self._day_start = start = DayStart(now_ns, self.profit_usd)
            self._facts.append(start)
            self.causes.pop("daily loss", None)
        loss, limit = start.profit_usd - self.profit_usd, self.guards.max_daily_loss_usd
        if limit is not None and loss > limit:  # stays until the day is over, also if it is won back
            self._set("daily loss", Mode.HEDGE_ONLY, f"{loss:,.2f} USD lost since 00:00 UTC")
        if self._peaks:
            self._drawdowns(now_ns, profit)

    def _drawdowns(self, now_ns: int, profit: float) -> None:
        high = self._high
        if high is not None and now_ns // NS_PER_MINUTE != high.ts_ns // NS_PER_MINUTE:
            self._facts.append(high)
            high = None
        if high is None or profit > high.profit_usd:
            self._high = ProfitHigh(now_ns, profit)
        for window, most, peak in self._peaks:
            peak.add(now_ns, profit)
            fallen = peak.fallen(profit)
            name = f"drawdown {window / NS_PER_HOUR:g} h"
            self._hold(
                name, fallen > most, Mode.HEDGE_ONLY, f"{fallen:,.2f} USD below the peak of {name[9:]}"
            )

    def _exposure(self) -> None:
        limits, seen = self.guards.limits, None
        for name, limit in (("delta", limits.max_delta), ("gamma", limits.max_gamma)):
            if limit is None:
                continue
            seen = seen or totals(self.desk.portfolio, self.desk.market)
            amount = abs(getattr(seen, name))
            told = f"{amount:.6g} exceeds {limit:g}"
            if math.isnan(amount):
                told = "is not known: a mark is missing"
            self._hold(name, not amount <= limit, Mode.HEDGE_ONLY, f"{name} {told}")

    # ------------------------------------------------------------- causes

    def latch(self, name: str, reason: str, mode: Mode = Mode.HALT) -> None:
        """Hold a cause until :meth:`lift`."""
        self._latched.add(name)
        self._set(name, mode, reason)

    def lift(self, name: str) -> None:
        """Take a cause back."""
        if self.causes.pop(name, None) is not None:
            log.info("guard lifted", extra={"guard": name})

    def _hold(self, name: str, holds: bool, mode: Mode, reason: str) -> None:
        if holds:
            self._set(name, mode, reason)
        else:
            self.lift(name)

    def clear(self) -> None:
        """Forget the orders that were counted; for twins."""
        self._sent.clear()
        self._hedges.clear()

    def _keep(self, name: str, mode: Mode, reason: str) -> None:
        if name not in self.causes:
            log.warning("guard", extra={"guard": name, "mode": mode.name.lower(), "reason": reason})
        self.causes[name] = mode, reason


def _count(times: deque[int], now_ns: int, window_ns: int) -> None:
    times.append(now_ns)
    while times[0] <= now_ns - window_ns:
        times.popleft()
