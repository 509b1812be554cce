"""Liquidation of the account in a backtest, as the exchange would do it.

An account is liquidated while its maintenance margin is not below its margin balance: round by round, each
taking a part of one position at the prices of the moment. Standard margin reduces the position that needs
most. Portfolio margin takes the one that loses most in the worst scenario, the next one where there is no
quote, and if none trades a part of the delta in the perpetual; each only where that lowers margin. While it
runs the account's own orders are refused and those that rest are cancelled. How much a round takes is not
published: here a quarter, as on the local exchange, and where nothing is in lots at least 10 USD.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from gammacore.contracts import Instrument, Option, Perpetual, Settlement
from gammacore.desk import Desk
from gammacore.events import Outside, Rejected
from gammacore.margin import Book, Holding, MarginRates, margin_by, portfolio_margin, position_margin
from gammacore.margin_use import held_book, margin_balance
from gammacore.orders import Leg, Purpose, order_id_of
from gammacore.strategy.equity import equity_of

from .fills import SimulatedExchange

__all__ = ["Liquidation", "Liquidator"]

SHARE = 0.25  # of a position, in a round
LEAST_USD = 10.0  # taken in a round where no lot says what is least, lest rounds go on for ever
MOST_ROUNDS = 3_600  # at one moment: an hour of them, one a second


class Liquidation(NamedTuple):
    """One round.

    Attributes
    ----------
    ts_ns : int
    instrument : Option, Future or Perpetual
    amount : float
        Signed: coins, USD of an inverse future.
    price : float
        Coin of an inverse option, else USD.
    fee : float
    maintenance, balance : float
        Maintenance margin and margin balance before it, settlement currency like the fee.
    """

    ts_ns: int
    instrument: Instrument
    amount: float
    price: float
    fee: float
    maintenance: float
    balance: float


class Liquidator:
    """Looks at the account and takes its positions.

    Parameters
    ----------
    desk : Desk
        With its margin model.
    exchange : SimulatedExchange
    equity : float
        Of the account before the first profit, settlement currency.

    Attributes
    ----------
    rounds : list of Liquidation
    """

    def __init__(self, desk: Desk, exchange: SimulatedExchange, equity: float) -> None:
        self._desk, self._exchange, self._start = desk, exchange, equity
        self.rounds: list[Liquidation] = []

    def run(self) -> bool:
        """Take positions until the margin balance is above the maintenance margin; say whether any was."""
        before = len(self.rounds)
        for _ in range(MOST_ROUNDS):
            book, maintenance, balance = self._state()
            if not maintenance >= balance or not maintenance:  # NaN: a mark is missing
                break
            if len(self.rounds) == before:
                self._cancel()
            if not self._round(book, maintenance, balance):
                break
        return len(self.rounds) > before

    def _state(self) -> tuple[Book, float, float]:
        desk = self._desk
        book = held_book(desk.portfolio.positions(), desk.market)
        if not book.holdings:
            return book, 0.0, 0.0
        equity = equity_of(self._start, desk.portfolio, desk.market)
        return book, desk.margins.margin(book).maintenance, margin_balance(book, equity, desk.margins)

    def _cancel(self) -> None:
        """Cancel what rests: the desk builds it anew at its next look."""
        exchange, desk = self._exchange, self._desk
        for order_id, order in list(exchange.resting.items()):
            del exchange.resting[order_id]
            news = Rejected(desk.market.ts_ns, order_id, order.episode, "liquidation")
            desk.portfolio.apply(news, desk.market)

    def _round(self, book: Book, maintenance: float, balance: float) -> bool:
        """Trade once; say whether anything was."""
        return any(self._force(leg, maintenance, balance) for leg in self._candidates(book))

    def _candidates(self, book: Book) -> Iterator[Leg]:
        """Trades to try, the best first."""
        rates = self._desk.margins.at(book.ts_ns, book.base)
        if isinstance(rates, MarginRates):
            worst = max(book.holdings, key=lambda held: position_margin(rates, *held[:4]).maintenance)
            yield self._part(worst)
            return
        losses = portfolio_margin(book, rates).losses
        order = sorted(range(len(losses)), key=lambda k: -losses[k])
        parts = [self._part(book.holdings[row]) for row in order if losses[row] > 0.0]
        hedge = self._hedge(book)
        for leg in (*parts, *(() if hedge is None else (hedge,))):
            if margin_by(self._after(book, leg), rates).maintenance < margin_by(book, rates).maintenance:
                yield leg

    def _after(self, book: Book, leg: Leg) -> Book:
        """Return the book with a leg traded."""
        for held in book.holdings:
            if held.instrument == leg.instrument:
                return book.with_size(held.instrument, held.size + leg.amount)
        assert isinstance(leg.instrument, Perpetual)
        added = Holding(leg.instrument, leg.amount, self._desk.market.future_price(leg.instrument))
        return Book(book.ts_ns, book.index, (*book.holdings, added))

    def _part(self, held: Holding) -> Leg:
        """Return a quarter of a position, in whole lots where the desk trades them, at least one."""
        hedge, size = self._desk.hedge, abs(held.size)
        part = self._part_of(size, held.instrument)
        if hedge.lots:
            spec = hedge.grids.spec_for(held.instrument)
            part = min(max(spec.round_amount(part), spec.min_trade_amount), size)
        return Leg(held.instrument, math.copysign(part, -held.size))

    def _part_of(self, size: float, instrument: Instrument) -> float:
        """Return a quarter of a size; the whole of what is worth little, where nothing is in lots."""
        if self._desk.hedge.lots:
            return SHARE * size
        in_usd = not isinstance(instrument, Option) and instrument.settlement is Settlement.INVERSE
        return min(max(SHARE * size, LEAST_USD / (1.0 if in_usd else self._desk.market.index)), size)

    def _hedge(self, book: Book) -> Leg | None:
        """Return a quarter of the delta in the perpetual, against it."""
        market, hedge = self._desk.market, self._desk.hedge
        coins = 0.0
        for one in book.holdings:
            if isinstance(one.instrument, Option):
                coins += one.size * float(market.exposure(one.instrument).delta)
            else:
                coins += one.size / one.price if book.inverse else one.size
        first = book.holdings[0].instrument
        perpetual = Perpetual(first.base, first.settlement)
        part = self._part_of(abs(coins) * (market.index if book.inverse else 1.0), perpetual)
        if hedge.lots:
            part = hedge.grids.spec_for(perpetual).round_amount(part)
        return Leg(perpetual, math.copysign(part, -coins)) if part else None

    def _force(self, leg: Leg, maintenance: float, balance: float) -> bool:
        """Trade a leg and book it with whoever holds it; say whether there was a price."""
        price, mark = self._exchange.price(leg)
        parts = self._desk.portfolio.shares(leg.instrument, leg.amount)
        if not math.isfinite(price) or not parts:
            return False
        fee, market, portfolio = self._fee(leg, price), self._desk.market, self._desk.portfolio
        for number, amount in parts:
            order_id = order_id_of(number, Purpose.OUTSIDE, f"liquidation-{len(self.rounds)}")
            share = fee * amount / leg.amount
            news = Outside(
                market.ts_ns, order_id, number, leg.instrument, amount, price, mark, share, liquidation=True
            )
            portfolio.apply(news, market)
        done = Liquidation(market.ts_ns, leg.instrument, leg.amount, price, fee, maintenance, balance)
        self.rounds.append(done)
        return True

    def _fee(self, leg: Leg, price: float) -> float:
        """Fee of a forced trade; that of options is not published, and is the usual one here."""
        if isinstance(leg.instrument, Option):
            return self._exchange.fee(leg.instrument, leg.amount, price)
        rates = self._desk.margins.standard_at(self._desk.market.ts_ns)
        rate = rates.futures.get(leg.instrument.base, rates.other).liquidation
        inverse = leg.instrument.settlement is Settlement.INVERSE
        return rate * (abs(leg.amount) / price if inverse else abs(leg.amount) * price)
