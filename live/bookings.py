"""Our account's trades into the desk: fills of its orders, and what happened to its positions besides."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Protocol

import msgspec

from gammacore.contracts import Option
from gammacore.deribit.news import OrderState, PositionMove, TradeNews
from gammacore.events import Event, Fill, Outside
from gammacore.execution.quotes import Tradable
from gammacore.orders import Purpose, order_id_of

from .attempts import Booked
from .audit import name_of
from .charged import published_fee
from .impossible import why_impossible
from .parts import Parts
from .positions import Adopted, TakenOver, direct_label
from .questions import AHEAD_NS
from .risk_manager import Mode

log = logging.getLogger("gammacore.live")


class Take(Protocol):
    """Lets the desk decide on an event, with the fact that the journal has beside it."""

    def __call__(self, event: Event, fact: Booked | Adopted | TakenOver | None = None) -> None: ...  # noqa: D102


class Bookings:
    """Books trades, each once.

    Parameters
    ----------
    parts : Parts
    take : Take
    now_ns : callable() -> int
    """

    def __init__(self, parts: Parts, take: Take, now_ns: Callable[[], int]) -> None:
        self._desk, self._execution, self._risk = parts.desk, parts.execution, parts.risk
        self._journal, self._positions, self._perpetual = parts.journal, parts.positions, parts.feed.perpetual
        self._take, self._now_ns = take, now_ns
        self._impossible: set[str] = set()  # ids of trades

    def trade(self, news: TradeNews) -> bool:
        """Book a trade of the account, whoever ordered it; returns whether it can be.

        A combo's legs have trades of their own.
        """
        if isinstance(news.instrument, str) or self._execution.has_booked(news.trade_id):
            return True
        if self._is_impossible(news):
            return False
        self._book(self._with_fee(news))
        return True

    def _is_impossible(self, news: TradeNews) -> bool:
        """Whether a trade cannot be: the session halts until the exchange tells it otherwise."""
        assert not isinstance(news.instrument, str)
        ours = news.instrument.base == self._perpetual.base  # the account may trade other coins
        index = self._desk.market.index if ours else math.nan
        why = why_impossible(news, index, *self._execution.filled_by(news))
        if why:
            self._impossible.add(news.trade_id)
            self._risk.latch("impossible trade", f"trade {news.trade_id} cannot be and is not booked: {why}")
        elif self._impossible:
            self._impossible.discard(news.trade_id)
            if not self._impossible:
                self._risk.lift("impossible trade")
        return bool(why)

    def _book(self, news: TradeNews) -> None:
        if self._execution.knows(news.label):
            self._execution.trade(news, self._now_ns())
        elif news.label.startswith(f"{self._execution.session}-"):
            self._risk.latch("unexpected trade", f"{news.trade_id} of {news.label}, which was over")
            self._outside(news, own=True)
        else:
            self._outside(news, own=news.label == direct_label(self._execution.session))

    def moved(self, move: PositionMove, amount: float) -> None:
        """Book a position that came or went without a trade, as if traded at the mark for no fee."""
        instrument, told = move.instrument, name_of(move)
        assert not isinstance(instrument, str)
        price = move.price if math.isfinite(move.price) else self._worth(instrument)
        log.warning("position moved", extra={"instrument": instrument.name, "amount": amount, "id": told})
        nothing = "", "", OrderState.OTHER, math.nan, math.nan
        index = self._desk.market.index
        self._outside(
            TradeNews(move.ts_ns, told, 0, "", "", instrument, amount, price, price, index, 0.0, *nothing)
        )

    def _worth(self, instrument: Tradable) -> float:
        """Mark of an instrument; NaN if it has none here, as of what is not the desk's."""
        market, held = self._desk.market, instrument.name in self._positions.own()
        if isinstance(instrument, Option):  # the last chain may lack what is held
            known = held or (instrument.base == self._perpetual.base and market.prices(instrument))
            return market.model_mark(instrument) if known else math.nan
        known = held or instrument == self._perpetual
        return market.future_price(instrument) if known else math.nan

    def dated(self, fill: Fill) -> Fill:
        """Fill as the desk takes it: at a time of its own, against the mark that the desk has.

        So slippage is counted from where the desk was.
        """
        at = self._desk.next_ns(min(fill.ts_ns, self._now_ns() + AHEAD_NS))
        return msgspec.structs.replace(fill, ts_ns=at, mark=self._mark(fill, at))

    def _mark(self, fill: Fill, at_ns: int) -> float:
        market, instrument = self._desk.market, fill.instrument
        if not isinstance(instrument, Option):
            return market.future_price(instrument)
        mark = market.model_mark(instrument, at_ns)
        return mark if math.isfinite(mark) else fill.price

    def _with_fee(self, news: TradeNews) -> TradeNews:
        """Trade with the published fee, where the exchange tells none."""
        if math.isfinite(news.fee):
            return news
        assert not isinstance(news.instrument, str), "combos are not booked"
        index = news.index if news.index > 0 else self._desk.market.index
        maker = news.liquidity == "M"
        fee = published_fee(
            self._desk.hedge.schedule,
            news.instrument,
            news.amount,
            news.price,
            index=index,
            ts_ns=news.ts_ns,
            maker=maker,
        )
        log.warning("a trade without a fee", extra={"trade": news.trade_id, "booked": fee})
        return msgspec.structs.replace(news, fee=fee)

    # ------------------------------------------------------------- outside

    def _outside(self, news: TradeNews, *, own: bool = False) -> None:
        """Book a trade that nobody here ordered: into the positions it changes, the rest as the holder's."""
        ours, theirs = self._positions.divide(news, own=own)
        if (fact := self._positions.foreign(news, theirs)) is not None:
            self._journal.told(fact)
        if isinstance(news.instrument, str) or not ours:
            return
        at, name = self._now_ns(), news.instrument.name
        adopted: Adopted | None = Adopted(at, news.trade_id, name, ours, news.price, news.forced)
        log.warning("traded outside", extra={"instrument": name, "amount": ours, "forced": news.forced})
        if news.forced:
            told = f"liquidation by the exchange: {ours:+g} {name} at {news.price:g}"
            self._risk.latch("liquidated", told, Mode.HEDGE_ONLY)
        for number, amount in self._positions.parts(news.instrument, ours):
            self._adopt(news, number, amount, adopted)
            adopted = None

    def _adopt(self, news: TradeNews, number: int, amount: float, fact: Adopted | None) -> None:
        """Change an episode's position as the account's has changed."""
        portfolio, instrument = self._desk.portfolio, news.instrument
        assert not isinstance(instrument, str)
        event = Outside(
            news.ts_ns,
            order_id_of(number, Purpose.OUTSIDE, news.trade_id),
            number,
            instrument,
            amount,
            news.price,
            news.price,
            news.fee * amount / news.amount,
            liquidation=news.forced,
        )
        before = portfolio.find(number)
        held = before is not None and before.open
        self._take(self.dated(event), fact)
        episode = before if before is not None else portfolio.account(number)
        if held and not episode.open:
            hedged = portfolio.book or episode
            if episode.adopted and (hedged.open or not self._desk.keeps(hedged)):
                return  # the holder's to close; what is left of the book is hedged
            left = f"hedge {hedged.hedge.amount:+g} {hedged.hedge.instrument.name}"
            done = "stays" if hedged.open or self._desk.keeps(hedged) else "is being closed"
            told = f"all options of episode {number} were closed outside: {left} {done}"
            self._risk.latch("orphan" if episode.adopted else "options gone", told, Mode.HEDGE_ONLY)
