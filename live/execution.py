"""Orders of the desk at work at the exchange: what to send, what came of it, and when an order is over.

Pure: news and times in; :class:`Place`, :class:`CancelPlaced`, :class:`Query` and the desk's events out.
A leg of an order is worked by one attempt at a time, each with a label made from the decision, so that the
exchange itself can say what became of it. *Unknown is not none*: a leg whose attempt may still exist sends
nothing else, and the desk, whose order is pending so long, decides nothing for that episode.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence

from gammacore.contracts import Combo, ContractSpec
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.codes import Fate
from gammacore.deribit.news import OrderNews, TickerNews, TradeNews
from gammacore.events import Fill, Rejected
from gammacore.execution.combos import Combined, ComboSeen, combined
from gammacore.execution.leg_seen import LegSeen
from gammacore.execution.options import reason_of
from gammacore.execution.pricing import Pricing, Settings
from gammacore.execution.quotes import Tradable
from gammacore.execution.steps import NOTHING, GiveUp, Resting, Seen, Send, Tried, leaves, next_step
from gammacore.orders import Cancel, Order
from gammacore.tolerances import DUST

from .actions import Action, AtWork, CancelPlaced, ComboWork, MakeCombo, Place, Work, query_of
from .attempts import Attempt, Booked, Placed, Stage

log = logging.getLogger("gammacore.live")

COMBO = 0  # the leg that a combo's order is named after
COMBO_NS = 5 * NS_PER_SECOND  # for a combo to be made and quoted, before its legs are worked instead
WATCH_NS = 10 * NS_PER_SECOND  # without news of an attempt that is not over
ASK_AGAIN_NS = 2 * NS_PER_SECOND


class Execution:
    """All orders at work.

    Parameters
    ----------
    session : str
        First part of every label; of one journal.
    settings : Settings
    spec_of : callable(instrument) -> ContractSpec

    Attributes
    ----------
    quotes : dict of instrument to TickerNews
        Last prices of each.
    combo_quotes : dict of str to TickerNews
        The same of combos, by name.
    pricing : Pricing
    paused : bool
        Whether the exchange cannot be asked or told anything.
    forbidden : callable(Order) -> str
        Why nothing more may be sent for an order; empty if it may.
    unwanted : callable(Order, float) -> bool
        Whether the amount that is left of a hedge would do harm now: the market came back meanwhile.
    """

    def __init__(self, session: str, settings: Settings, spec_of: Callable[[Tradable], ContractSpec]) -> None:
        self.session, self.settings, self._spec_of = session, settings, spec_of
        self.quotes: dict[Tradable, TickerNews] = {}
        self.combo_quotes: dict[str, TickerNews] = {}
        self.pricing = Pricing(settings, spec_of, self.quotes)
        self.paused = False
        self._ending = ""
        self.forbidden: Callable[[Order], str] = lambda order: ""
        self.unwanted: Callable[[Order, float], bool] = lambda order, left: False
        self._works: dict[str, Work] = {}
        self._by_label: dict[str, tuple[Work, int, Attempt]] = {}
        self._booked: set[str] = set()
        self._actions: list[Action] = []
        self._events: list[tuple[Booked | None, Fill | Rejected]] = []

    def twin(self) -> Execution:
        """Make another with the same settings and quotes, for what is not to happen."""
        other = Execution("dry", self.settings, self._spec_of)
        other.quotes, other.pricing = self.quotes, self.pricing
        return other

    def clear(self) -> None:
        """Forget everything at work; for twins."""
        for kept in (self._works, self._by_label, self._actions, self._events):
            kept.clear()

    # ------------------------------------------------------------- from the desk

    def submit(self, order: Order, now_ns: int) -> None:
        """Begin to work an order."""
        work = self._works[order.order_id] = Work(order, now_ns)
        if self.settings.combo and (wanted := combined(order)) is not None:
            work.combo = ComboWork(wanted)
        if self._ending:
            work.given_up = [self._ending for _ in order.legs]
        if not self.paused:
            self._look(work, now_ns)

    def cancel(self, command: Cancel, now_ns: int) -> None:
        """Take a resting order back; it ends with :class:`Rejected` unless it was filled."""
        work = self._works.get(command.order_id)
        if work is not None:
            work.cancelled = True
            self.tick(now_ns)

    def cancel_resting(self, now_ns: int) -> None:
        """Take back what rests at the desk's own price: nobody would look after it."""
        for work in self._works.values():
            work.cancelled = work.cancelled or work.order.limit is not None
        self.tick(now_ns)

    def give_up(self, reason: str) -> None:
        """Cancel what rests and try nothing more, nor anything submitted later, until :meth:`go_on`."""
        self._ending = reason
        for work in self._works.values():
            work.cancelled = True
            work.given_up = [before or reason for before in work.given_up]

    def go_on(self) -> None:
        """Take orders again after :meth:`give_up`."""
        self._ending = ""

    def restore(self, orders: Iterable[Order], placed: Iterable[Placed], booked: Iterable[Booked]) -> None:
        """Take up what a journal says was at work: of every attempt the fate is unknown until asked.

        Parameters
        ----------
        orders : iterable of Order
            Pending with the desk, as far as they are not filled.
        placed, booked
            All facts of the journal, in order.
        """
        for order in orders:
            self._works[order.order_id] = Work(order, 0)
        for fact in placed:
            work = self._works.get(fact.order_id)
            if work is not None:
                attempt = Attempt(fact)
                attempt.doubt()
                self._tried(work, fact).append(attempt)
                self._by_label[fact.label] = work, fact.leg, attempt
        for trade in booked:
            self._booked.add(trade.trade_id)
            if trade.label in self._by_label:
                attempt = self._by_label[trade.label][2]
                attempt.count(trade.amount, trade.leg)
                attempt.told = abs(attempt.seen)
                if abs(attempt.left) < DUST:
                    attempt.stage = Stage.ENDED

    def cancelled(self, order_id: str) -> None:
        """Take note, after :meth:`restore`, that an order was asked back before."""
        if order_id in self._works:
            self._works[order_id].cancelled = True

    # ------------------------------------------------------------- from the exchange

    def knows(self, label: str) -> bool:
        """Whether a label is one of this session's."""
        return label in self._by_label

    def placed(self, label: str) -> Placed | None:
        """Return what was placed under a label that is still at work."""
        found = self._by_label.get(label)
        return None if found is None else found[2].placed

    def filled_by(self, news: TradeNews) -> tuple[Placed | None, float]:
        """Return the order at work that a trade is a fill of, and how much it may fill of it."""
        found = self._by_label.get(news.label)
        if found is None or isinstance(news.instrument, str):
            return None, math.inf
        return found[2].placed, found[2].left_of(news.instrument.name)

    def has_booked(self, trade_id: str) -> bool:
        """Whether a trade was booked before."""
        return trade_id in self._booked

    def quote(self, news: TickerNews) -> None:
        """Note the best prices of an instrument, or of a combo."""
        if isinstance(news.instrument, str):
            self.combo_quotes[news.instrument] = news
        else:
            self.quotes[news.instrument] = news

    def combo_made(self, order_id: str, combo: Combo | None, why: str, now_ns: int) -> None:
        """Take the combo of an order's legs, or note why there is none."""
        work = self._works.get(order_id)
        if work is None or work.combo is None or work.combo.why:
            return
        listed = None if combo is None else work.combo.wanted.listed_as(combo)
        if combo is None:
            work.combo.why = why
        elif listed is not None:
            work.combo.wanted, work.combo.combo = listed, combo
        else:
            work.combo.why = f"{combo.name} is of other legs"
        self.tick(now_ns)

    def order(self, news: OrderNews, now_ns: int) -> None:
        """Take over the state of an order."""
        found = self._by_label.get(news.label)
        if found is not None:
            found[2].order(news)
            self._heard(found[2], now_ns)
            self.tick(now_ns)

    def trade(self, news: TradeNews, now_ns: int) -> None:
        """Book a fill, once."""
        found = self._by_label.get(news.label)
        if found is None or news.trade_id in self._booked:
            return
        work, leg, attempt = found
        if isinstance(news.instrument, str):  # of a combo: the trades of its legs count
            return
        self._booked.add(news.trade_id)
        name = ""
        if attempt.placed.combo is not None:
            leg = next(k for k, one in enumerate(work.order.legs) if one.instrument == news.instrument)
            name = news.instrument.name
        attempt.trade(news, name)
        self._heard(attempt, now_ns)
        work.left[leg] -= news.amount
        if abs(work.left[leg]) < DUST:
            work.left[leg] = 0.0
        elif attempt.filled:  # a slice is done, the next one begins
            work.since_ns = now_ns
        last = all(map(work.done, range(len(work.left)))) and not any(work.given_up)
        instrument = work.order.legs[leg].instrument
        fill = Fill(
            news.ts_ns,
            work.order.order_id,
            work.order.episode,
            instrument,
            news.amount,
            news.price,
            news.mark if math.isfinite(news.mark) else news.price,
            news.fee,
            last,
            news.liquidity == "M",
        )
        self._events.append((Booked(news.ts_ns, news.trade_id, news.label, news.amount, name), fill))
        if last:
            self._forget(work)
        else:
            self.tick(now_ns)

    def refused(self, label: str, fate: Fate, reason: str, now_ns: int, *, hopeless: bool = False) -> None:
        """Take note that an order was refused; ``hopeless`` if another one would be, too."""
        found = self._by_label.get(label)
        if found is None:
            return
        attempt = found[2]
        if fate is Fate.UNKNOWN:
            attempt.doubt()
        elif attempt.stage is Stage.SENT:
            attempt.end(reason)
            if hopeless and attempt.placed.combo is not None:
                self._without_combo(found[0], reason, now_ns)
            elif hopeless:
                found[0].given_up[found[1]] = reason
        self.tick(now_ns)

    def not_cancelled(self, label: str, now_ns: int) -> None:
        """Take note that a cancellation failed: the order may be over, so ask for it."""
        found = self._by_label.get(label)
        if found is not None and not found[2].over:
            found[2].look_ns = now_ns
            self.tick(now_ns)

    def looked_up(self, label: str, orders: Iterable[OrderNews], now_ns: int) -> None:
        """Take the answer to the question for an order's state."""
        found = self._by_label.get(label)
        if found is None:
            return
        attempt = found[2]
        mine = [order for order in orders if order.label == label]
        for order in mine:
            attempt.order(order)
        if attempt.stage is Stage.LEAVING and mine:  # still there: cancel it again
            attempt.stage = Stage.OPEN
        self._heard(attempt, now_ns)
        if not mine and attempt.stage is not Stage.COUNTING and attempt.too_late(now_ns):
            attempt.unlisted, attempt.look_ns, attempt.asked_ns = True, now_ns, 0
        self.tick(now_ns)

    def all_trades_seen(self, label: str, now_ns: int) -> None:
        """Take note that every trade since an order was placed has been handed over."""
        found = self._by_label.get(label)
        if found is None:
            return
        attempt = found[2]
        if attempt.unlisted and attempt.too_late(now_ns):
            attempt.end("the exchange does not know it")
        self._heard(attempt, now_ns)
        self.tick(now_ns)

    def disconnected(self, now_ns: int) -> None:
        """Doubt everything that was not over."""
        for work in self._works.values():
            for attempt in work.active:
                if attempt.stage is not Stage.COUNTING:
                    attempt.doubt()

    def reconciled(self, open_orders: Iterable[OrderNews], now_ns: int) -> None:
        """Ask for what is in doubt as soon as it can be answered for sure."""
        for news in open_orders:
            if news.label in self._by_label:
                self._by_label[news.label][2].order(news)
        self.tick(now_ns)

    def _heard(self, attempt: Attempt, now_ns: int) -> None:
        attempt.look_ns = now_ns + (ASK_AGAIN_NS if attempt.stage is Stage.COUNTING else WATCH_NS)

    # ------------------------------------------------------------- time

    def tick(self, now_ns: int) -> None:
        """Do what is due: next attempts, cancellations, questions, ends. Nothing while paused."""
        if self.paused:
            return
        for work in list(self._works.values()):
            self._look(work, now_ns)

    def _look(self, work: Work, now_ns: int) -> None:
        """Do what is due of one order."""
        work.since_ns = work.since_ns or now_ns
        if work.all_attempts:
            self._query(work, now_ns)
        if work.combo is not None:
            self._combine(work, work.combo, now_ns)
        if work.combo is None or work.combo.over:
            for leg, tried in enumerate(work.attempts):
                if tried and not tried[-1].over:
                    self._hurry(work, tried[-1], now_ns)
                elif not work.done(leg):
                    self._next(work, leg, now_ns)
        if all(map(work.done, range(len(work.left)))) and not work.active:
            self._finish(work, now_ns)

    def _query(self, work: Work, now_ns: int) -> None:
        for attempt in work.active:
            if now_ns >= attempt.look_ns and now_ns - attempt.asked_ns >= ASK_AGAIN_NS:
                attempt.asked_ns = now_ns
                self._actions.append(query_of(attempt))

    def _next(self, work: Work, leg: int, now_ns: int) -> None:
        """Do the next step of a leg."""
        seen = _Seen(self, work, leg, now_ns)
        tried = tried_of(work.attempts[leg])
        step = next_step(work.order, tried, seen, self.settings, work.since_ns, now_ns, work.cancelled)
        if isinstance(step, GiveUp):
            work.given_up[leg] = step.reason
        elif step is not None:
            self._place(work, leg, step, now_ns, self._part(work, leg, step))

    def _combine(self, work: Work, combo: ComboWork, now_ns: int) -> None:
        """Do the next step of an order as a combo, or leave it to its legs."""
        if combo.attempts and not combo.attempts[-1].over:
            self._hurry(work, combo.attempts[-1], now_ns)
            return
        if combo.why or all(map(work.done, range(len(work.left)))):
            return
        late = combo.asked_ns and now_ns >= combo.asked_ns + COMBO_NS and not combo.attempts
        if combo.combo is None:
            if not combo.asked_ns and not self.forbidden(work.order):
                combo.asked_ns = now_ns
                self._actions.append(MakeCombo(work.order.order_id, combo.wanted.legs))
            elif late or work.cancelled:
                self._without_combo(work, "the exchange did not answer", now_ns)
            return
        seen, tried = self._combo_seen(work, combo, combo.combo, now_ns), tried_of(combo.attempts)
        step = next_step(work.order, tried, seen, self.settings, work.since_ns, now_ns, work.cancelled)
        if isinstance(step, Send):
            self._place(work, COMBO, step, now_ns, combo.left, combo.combo)
        elif isinstance(step, GiveUp) and combo.attempts:
            work.given_up = [why or step.reason for why in work.given_up]
        elif isinstance(step, GiveUp) or late:
            reason = step.reason if isinstance(step, GiveUp) else seen.refusal(rests=False)
            self._without_combo(work, reason or "no price", now_ns)

    def _without_combo(self, work: Work, reason: str, now_ns: int) -> None:
        """Leave an order to its legs, from now on."""
        assert work.combo is not None
        work.combo.why, work.since_ns = reason, now_ns
        log.info("legs instead of a combo", extra={"order": work.order.order_id, "reason": reason})

    def _combo_seen(self, work: Work, wanted: ComboWork, combo: Combo, now_ns: int) -> ComboSeen:
        def forbids() -> str:
            return self.forbidden(work.order)

        return ComboSeen(self.pricing, combo, self.combo_quotes, work.order, wanted.left, now_ns, forbids)

    def _seen(self, work: Work, attempt: Attempt, now_ns: int) -> Seen:
        """Find what the next step of an attempt may look at."""
        placed = attempt.placed
        if placed.combo is None or work.combo is None:
            return _Seen(self, work, placed.leg, now_ns)
        return self._combo_seen(work, work.combo, placed.combo, now_ns)

    def _tried(self, work: Work, placed: Placed) -> list[Attempt]:
        """Return the attempts that one belongs to."""
        if placed.combo is None:
            return work.attempts[placed.leg]
        if work.combo is None:  # of a process before this one: what is left is worked by its legs
            work.combo = ComboWork(Combined(placed.amount, placed.combo.legs))  # type: ignore[arg-type]
            work.combo.combo, work.combo.why = placed.combo, "restarted"
        return work.combo.attempts

    def _hurry(self, work: Work, attempt: Attempt, now_ns: int) -> None:
        """Cancel what rested long enough, is to be nearer, or was cancelled."""
        placed, settings = attempt.placed, self.settings
        if attempt.stage is not Stage.OPEN or not placed.rests:
            return
        seen, resting = self._seen(work, attempt, now_ns), Resting(placed.ts_ns, placed.limit)
        if leaves(work.order, resting, seen, settings, work.since_ns, now_ns, cancelled=work.cancelled):
            attempt.stage = Stage.LEAVING
            attempt.look_ns = now_ns + WATCH_NS
            self._actions.append(CancelPlaced(placed.label, attempt.exchange_id))

    def waits_for_cancellations(self, work: Work) -> bool:
        """Whether resting orders of the same episode are not yet out of the book: one may still fill."""
        return any(
            other.cancelled and other.order.episode == work.order.episode for other in self._works.values()
        )

    def _place(
        self, work: Work, leg: int, step: Send, now_ns: int, amount: float, combo: Combo | None = None
    ) -> None:
        order, tried = work.order, work.attempts[leg]
        if combo is not None:
            assert work.combo is not None
            tried = work.combo.attempts
        label = f"{self.session}-{order.order_id}-{'c' if combo is not None else leg}-{len(tried)}"
        placed = Placed(
            now_ns,
            label,
            order.order_id,
            leg,
            order.legs[leg].instrument,
            amount,
            step.limit,
            step.rests,
            order.limit is not None,
            now_ns + self.settings.valid_ns,
            combo,
        )
        attempt = Attempt(placed)
        tried.append(attempt)
        self._by_label[label] = work, leg, attempt
        self._actions.append(Place(placed))

    def _part(self, work: Work, leg: int, step: Send) -> float:
        instrument, left = work.order.legs[leg].instrument, work.left[leg]
        spec, quote = self._spec_of(instrument), self.quotes.get(instrument)
        bid, ask = (0.0, 0.0) if quote is None else (quote.bid_amount, quote.ask_amount)
        shown = bid if step.rests == (left > 0) else ask
        return self.settings.part(work.order, instrument, left, step.limit, spec, shown)

    def _finish(self, work: Work, now_ns: int) -> None:
        """Everything is over and something of the order is left: tell the desk."""
        order = work.order
        reason = reason_of(work.given_up) or "not filled"
        self._events.append((None, Rejected(now_ns, order.order_id, order.episode, reason)))
        self._forget(work)

    def _forget(self, work: Work) -> None:
        del self._works[work.order.order_id]
        for attempt in work.all_attempts:
            if attempt.over:
                del self._by_label[attempt.placed.label]

    # ------------------------------------------------------------- out

    @property
    def busy(self) -> bool:
        """Whether anything is at work."""
        return bool(self._works)

    def oldest(self, now_ns: int) -> AtWork | None:
        """Return the order that has been at work for longest, None if there is none.

        Orders that rest are meant to wait, at the desk's own price or for the patience of options; those
        asked back are not.
        """
        working = [w for w in self._works.values() if w.cancelled or not self._may_wait(w, now_ns)]
        if not working:
            return None
        work = min(working, key=Work.start_ns)
        unknown = [a.stage.value for a in work.active]
        why = "" if self.forbidden(work.order) else "it was not sent"
        if unknown:
            why = f"its order at the exchange is {unknown[0]}"
        return AtWork(work.order, work.start_ns() or now_ns, why)

    def _may_wait(self, work: Work, now_ns: int) -> bool:
        patience = self.settings.tactic(work.order.purpose).patience_ns
        return work.order.limit is not None or now_ns < work.since_ns + patience

    @property
    def labels(self) -> list[str]:
        """Labels of everything at work: orders that may rest or still be accepted."""
        return [label for label, (_, _, attempt) in self._by_label.items() if not attempt.over]

    @property
    def instruments(self) -> set[Tradable | str]:
        """Instruments whose quotes are wanted, and names of combos."""
        works = self._works.values()
        combos = {work.combo.combo.name for work in works if work.combo is not None and work.combo.combo}
        return combos | {leg.instrument for work in works for leg in work.order.legs}

    def actions(self) -> list[Action]:
        """Drain what is to be sent."""
        actions, self._actions = self._actions, []
        return actions

    def events(self) -> list[tuple[Booked | None, Fill | Rejected]]:
        """Drain what the desk is to be told, with the fact that goes into the journal beside it."""
        events, self._events = self._events, []
        return events


class _Seen(LegSeen):
    """What the next step of a leg may look at, see :class:`gammacore.execution.steps.Seen`."""

    __slots__ = ("execution", "work")

    def __init__(self, execution: Execution, work: Work, leg: int, now_ns: int) -> None:
        begun = any(work.attempts)
        super().__init__(execution.pricing, work.order, work.left, work.given_up, begun, leg, now_ns)
        self.execution, self.work = execution, work

    def forbidden(self) -> str:
        return self.execution.forbidden(self.work.order)

    def unwanted(self) -> bool:
        return self.execution.unwanted(self.work.order, self.work.left[self.leg])

    def waits(self) -> bool:
        return self.execution.waits_for_cancellations(self.work)


def tried_of(attempts: Sequence[Attempt]) -> Tried:
    """Sum up what was tried of a leg since a slice of it was filled."""
    done = max((k for k, attempt in enumerate(attempts, 1) if attempt.filled), default=0)
    attempts = attempts[done:]
    if not attempts:
        return NOTHING._replace(later=done > 0)
    last, takers = attempts[-1], sum(not attempt.placed.rests for attempt in attempts)
    placed = last.placed
    return Tried(takers, placed.ts_ns, placed.rests, last.reason, done > 0, placed.limit)
