"""The trades of an account's holder on a tape: the options that were held, and how they were hedged.

The options come into a replay at the times, prices and fees at which they were traded; what was held before
the tape begins is taken over at the marks of its first chain. How they were really hedged is another replay,
in which the holder's own trades in the perpetual are the book's hedge and nothing is decided.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gammacore import black76, inverse
from gammacore.contracts import Future, Option, Perpetual, Settlement, parse
from gammacore.daycount import NS_PER_YEAR, SETTLEMENT_WINDOW_NS, format_time
from gammacore.desk import Desk
from gammacore.errors import ContractError, DataError
from gammacore.events import Event, Outside, Ticker
from gammacore.netting import NettedPortfolio
from gammacore.orders import BOOK, Command, Purpose, order_id_of
from gammacore.tolerances import DUST

from .fills import SimulatedExchange
from .tape import Tape

if TYPE_CHECKING:
    from gammacore.data.account.rows import Delivered, Execution

NEAR = 0.3  # of the price of the underlying: a delivery price is within it

__all__ = ["HolderPast", "HolderTrade", "Onlooker", "holder_past", "outside"]


class HolderTrade(NamedTuple):
    """One trade; NaN as price is the mark of the moment, as fee the published one."""

    ts_ns: int
    instrument: Option | Perpetual
    amount: float
    price: float
    fee: float

    @property
    def expiry_ns(self) -> int:
        """Of the option; 0 of the perpetual."""
        return self.instrument.expiry_ns if isinstance(self.instrument, Option) else 0


class HolderPast(NamedTuple):
    """What the holder traded on a tape.

    Attributes
    ----------
    options, hedges : list of HolderTrade
        In order of time; hedges are those in the perpetual.
    left_out : dict of str to int
        How many trades were not replayed, by the reason.
    prices : dict of expiry_ns to float
        Delivery prices that the account was told.
    """

    options: list[HolderTrade]
    hedges: list[HolderTrade]
    left_out: dict[str, int]
    prices: dict[int, float]


def holder_past(
    executions: Sequence[Execution], deliveries: Iterable[Delivered], tape: Tape, base: str
) -> HolderPast:
    """Sort trades into options and hedges, within the time of a tape.

    Raises
    ------
    DataError
        If no option of the tape's kind was traded while it runs or held when it begins.
    """
    first, last = int(tape.ts_ns[0]), int(tape.ts_ns[-1])
    before: dict[Option | Perpetual, float] = {}
    options: list[HolderTrade] = []
    hedges: list[HolderTrade] = []
    left_out: Counter[str] = Counter()
    for trade in executions:
        instrument = _instrument(trade, base, tape.settlement)
        if isinstance(instrument, str):
            left_out[instrument] += 1
        elif trade.ts_ns > last:
            left_out["after the last price"] += 1
        elif trade.ts_ns < first:
            if isinstance(instrument, Perpetual) or instrument.expiry_ns > first:
                before[instrument] = before.get(instrument, 0.0) + trade.amount
        else:
            made = HolderTrade(trade.ts_ns, instrument, trade.amount, trade.price, trade.fee)
            (hedges if isinstance(instrument, Perpetual) else options).append(made)
    held = [
        HolderTrade(first, i, amount, math.nan, 0.0) for i, amount in before.items() if abs(amount) > DUST
    ]
    options = [trade for trade in held if isinstance(trade.instrument, Option)] + options
    hedges = [trade for trade in held if isinstance(trade.instrument, Perpetual)] + hedges
    if not options:
        told = "; ".join(f"{count:,} {why}" for why, count in left_out.items())
        span = f"{format_time(first)[:16]} to {format_time(last)[:16]}, the time of the prices"
        raise DataError(f"no option on {base} was held from {span}" + (f" ({told})" if told else ""))
    return HolderPast(options, hedges, dict(left_out), _prices(deliveries, tape))


def _instrument(trade: Execution, base: str, settlement: Settlement) -> Option | Perpetual | str:
    """Contract of a trade, or why it is not replayed."""
    try:
        found = parse(trade.instrument)
    except ContractError:
        return f"in {trade.instrument.partition('-')[0]} contracts of another kind"
    if found.base != base or found.settlement is not settlement:
        return f"in {found.name.partition('-')[0]}, another account's"
    if isinstance(found, Future):
        return f"in the dated future {found.name}: hedges are compared in the perpetual"
    assert isinstance(found, Option | Perpetual)
    return found


def _prices(deliveries: Iterable[Delivered], tape: Tape) -> dict[int, float]:
    """Delivery price of each expiry: of rows whose price is the underlying's, and not the option's."""
    found: dict[int, float] = {}
    for row in deliveries:
        try:
            instrument = parse(row.instrument)
        except ContractError:
            continue
        at = int(np.searchsorted(tape.ts_ns, row.ts_ns, side="right")) - 1
        if not isinstance(instrument, Perpetual) and at >= 0:
            near = abs(row.price / tape.index[at] - 1.0) < NEAR  # NaN is not
            found |= {instrument.expiry_ns: row.price} if near else {}
    return found


def outside(
    trade: HolderTrade, number: int, desk: Desk, exchange: SimulatedExchange, *, last: bool = True
) -> list[Event]:
    """Events of a trade: its option's volatility if no chain has it, and the trade.

    Parameters
    ----------
    trade : HolderTrade
    number : int
        Of the trades of one moment.
    desk, exchange
    last : bool
        Whether nothing more is traded at this moment in its expiry.

    Raises
    ------
    DataError
        If the chains do not know the option's expiry, or its price has no volatility.
    """
    portfolio, market, instrument = desk.portfolio, desk.market, trade.instrument
    news: list[Event] = []
    if isinstance(instrument, Option):
        episode = portfolio.adopter(instrument)
        mark = _mark(instrument, desk)
        if math.isnan(mark):
            news.append(_implied(trade, desk))
            mark = trade.price
    else:
        episode, mark = BOOK, market.future_price(instrument)
    price = mark if math.isnan(trade.price) else trade.price
    fee = exchange.fee(instrument, trade.amount, price) if math.isnan(trade.fee) else trade.fee
    order_id = order_id_of(episode, Purpose.OUTSIDE, number)
    fill = Outside(market.ts_ns, order_id, episode, instrument, trade.amount, price, mark, fee, last)
    return [*news, fill]


def _mark(option: Option, desk: Desk) -> float:
    try:
        return float(desk.market.mark(option))
    except KeyError:  # no chain has had its expiry
        return math.nan


def _implied(trade: HolderTrade, desk: Desk) -> Ticker:
    """Volatility of a trade's price: the chains so far do not quote the option."""
    option, market, at = trade.instrument, desk.market, format_time(trade.ts_ns)
    assert isinstance(option, Option)
    try:
        forward, tau = market.forward(option.expiry_ns), market.tau(option.expiry_ns)
        left_ns = option.expiry_ns - market.ts_ns
        if left_ns > SETTLEMENT_WINDOW_NS:  # a ticker's volatility is quoted on the plain time to expiry
            tau = left_ns / NS_PER_YEAR
    except KeyError:
        why = "no chain before has that expiry; add chains, or begin later (--start)"
        raise DataError(f"{option.name}, held or traded at {at}: {why}") from None
    model = inverse if option.settlement is Settlement.INVERSE else black76
    vol = float(model.implied_vol(option.kind, trade.price, forward, option.strike, tau))
    if not vol > 0.0:
        what = (
            "what was held then has no price" if math.isnan(trade.price) else f"its price is {trade.price:g}"
        )
        why = f"no chain quotes it, and {what}, which has no volatility at a forward of {forward:,.7g}"
        raise DataError(f"{option.name}, held or traded at {at}: {why}")
    return Ticker(market.ts_ns, option, forward, market.index, vol)


class Onlooker(Desk):
    """A desk that books what happens and decides nothing."""

    def handle(self, event: Event) -> list[Command]:
        """Take in one event."""
        self.market.apply(event)
        self.portfolio.apply(event, self.market)
        portfolio = self.portfolio
        if isinstance(portfolio, NettedPortfolio):
            for episode in [e for e in portfolio.open.values() if e.close_ns]:
                portfolio.retire(episode, self.market)
        return []
