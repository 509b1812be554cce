"""Run a configuration over a tape: desk and exchange in one loop.

The loop is ``for event: exchange.observe; for order in desk.handle(event): exchange.submit``.
Bars at which the desk would decide nothing are skipped, see :mod:`.quiet`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Literal

import numpy as np

from gammacore.build import FEED_NS, build_desk
from gammacore.config import Config
from gammacore.contracts import Perpetual
from gammacore.desk import Desk
from gammacore.episode import Episode
from gammacore.errors import ConfigError
from gammacore.events import Delivery, Event, Timer
from gammacore.forecasts import with_forecast
from gammacore.hedging import Never, Policy
from gammacore.netting import NettedPortfolio
from gammacore.strategy import Signal

from .build import build_exchange
from .compiled import CompiledHedger, obstacle
from .explainer import Explainer
from .fills import SimulatedExchange
from .holder import HolderTrade, Onlooker, outside
from .liquidation import Liquidator
from .price_block import PriceBlock
from .quiet import QuietBars
from .runs import EpisodeRun, Run
from .tape import Settled, Tape
from .wanted import Wanted

Progress = Callable[[int, int], None]


class _Replay:
    """The loop and its position on the tape."""

    def __init__(
        self,
        tape: Tape,
        desk: Desk,
        exchange: SimulatedExchange,
        compiled: CompiledHedger | None,
        holder: Sequence[HolderTrade] = (),
    ) -> None:
        self.tape, self.desk, self.exchange, self.compiled = tape, desk, exchange, compiled
        self.holder, self.traded = holder, 0
        self.deliveries: dict[int, Settled] = {}
        self.liquidator: Liquidator | None = None

    def run(self, progress: Progress | None) -> None:
        """Walk the whole tape."""
        tape, i, n = self.tape, 0, len(self.tape)
        while i < n:
            due = self._wake(tape.ts_ns.item(i))
            if tape.publishes(i):
                for event in (*self._tickers(PriceBlock(tape, i, i + 1), i), tape.snapshot(i)):
                    self._dispatch(event)
                if self.liquidator is not None and self.liquidator.run():
                    self._dispatch(Timer(int(tape.ts_ns[i])))  # what is left is the desk's again
                i += 1
            else:
                i = self._bars(i, self._end_of_bars(i, due))
            if progress is not None:
                progress(i, n)
        self._wake(int(tape.ts_ns[-1]) + 1)

    def _dispatch(self, event: Event) -> None:
        """One event and everything that follows from it at the same moment."""
        fills, answers = self.exchange.observe(event), list[Event]()
        self._decide(event, answers)
        answers += fills
        for answer in answers:  # which grow meanwhile
            self._decide(answer, answers)

    def _decide(self, event: Event, answers: list[Event]) -> None:
        """Let the desk decide, and add what the exchange says to its commands."""
        for command in self.desk.handle(event):
            answers += self.exchange.submit(command)

    def _next_wake(self) -> tuple[int | None, str]:
        """Next delivery or deadline of what is held, or trade of its holder, and which of these."""
        dues = [(trade.ts_ns, "trade") for trade in self.holder[self.traded : self.traded + 1]]
        dues += [(e.next_expiry_ns, "delivery") for e in self.desk.portfolio.open.values() if e.legs]
        if (deadline := self.desk.next_deadline()) is not None:
            dues.append((deadline, "deadline"))
        return min(dues, default=(None, ""), key=itemgetter(0))

    def _wake(self, until_ns: int) -> int | None:
        """Deliveries and deadlines before ``until_ns``, in order of time; returns when the next one is."""
        while True:
            due, what = self._next_wake()
            if due is None or due >= until_ns:
                return due
            if what == "trade":
                self._trade_of_holder(self.holder[self.traded])
            elif what == "delivery":
                settled = self.tape.delivery(due)
                if settled is None:  # the recording ends at this very moment, without a price
                    return due
                self.deliveries[due] = settled
                self._deliver(due, settled)
            else:
                self._dispatch(Timer(due))

    def _trade_of_holder(self, trade: HolderTrade) -> None:
        """Book what the holder traded at one moment; the hedge follows once all of an expiry is there."""
        self._dispatch(Timer(trade.ts_ns))
        first = self.traded
        while self.traded < len(self.holder) and self.holder[self.traded].ts_ns == trade.ts_ns:
            self.traded += 1
        together = self.holder[first : self.traded]
        for k, one in enumerate(together):
            last = all(later.expiry_ns != one.expiry_ns for later in together[k + 1 :])
            for event in outside(one, first, self.desk, self.exchange, last=last):
                self._dispatch(event)

    def _deliver(self, due: int, settled: Settled) -> None:
        """Settle what expires; an estimate of the spot price is known to nobody afterwards."""
        books = self.exchange.market, self.desk.market
        known = [book.index for book in books]
        self._dispatch(Delivery(due, due, settled.price, settled.spot))
        for book, index in zip(books, known, strict=True):
            book.index = index

    def _end_of_bars(self, i: int, due: int | None) -> int:
        """End of the run of bars that starts at ``i``: the next chain or what is ``due`` next."""
        j = self.tape.next_chain(i)
        if due is not None:
            j = min(j, int(self.tape.ts_ns.searchsorted(due, side="right")))
        return max(j, i + 1)

    def _bars(self, i: int, j: int) -> int:
        """Bars i..j: hand those that need a decision to the desk, skip the quiet ones."""
        block = PriceBlock(self.tape, i, j)
        if self.exchange.busy:  # a price may fill what rests
            for event in self._bar_events(block, i):
                self._dispatch(event)
            return i + 1
        if self.compiled is not None and self.compiled.fits():
            self.compiled.run(block, i, j)
            self._show_last(block, j)
            return j
        quiet, shown = QuietBars(self.desk, block), i - 1
        while (i := quiet.next(shown + 1)) < j:
            for event in self._bar_events(block, i):
                self._dispatch(event)
            shown = i
        if shown < j - 1:  # the books must know the last price before what comes next
            self._show_last(block, j)
        return j

    def _show_last(self, block: PriceBlock, j: int) -> None:
        for event in self._bar_events(block, j - 1):
            self.exchange.observe(event)
            self.desk.market.apply(event)

    def _bar_events(self, block: PriceBlock, i: int) -> list[Event]:
        return [*self._tickers(block, i), self.tape.price(i)]

    def _tickers(self, block: PriceBlock, i: int) -> list[Event]:
        """Interpolated marks of what is held; at a chain, of what it leaves out."""
        if not self.tape.interpolate:
            return []
        held = self.desk.portfolio.open.values()
        return [block.ticker(option, i) for episode in held for option in episode.legs]


def replay(
    config: Config,
    tape: Tape,
    progress: Progress | None = None,
    *,
    policy: Policy | None = None,
    signal: Signal | None = None,
    engine: Literal["auto", "desk"] = "auto",
    holder: Sequence[HolderTrade] = (),
    onlooker: bool = False,
) -> Run:
    """Run a configuration over a tape.

    Parameters
    ----------
    config : Config
    tape : Tape
    progress : callable(done, total), optional
        Called as the tape advances.
    policy : Policy, optional
        Hedge by this one, a user's own for example, instead of the configured.
    signal : Signal, optional
        Ask this one of every entry instead of the configured.
    engine : {'auto', 'desk'}
        ``auto`` takes the compiled hedger between chains wherever it does exactly what the
        desk would; ``desk`` hands every decision to the desk.
    holder : sequence of HolderTrade
        Trades of the account's holder, in order of time.
    onlooker : bool
        Whether nothing is decided: the book is as its holder traded it.

    Returns
    -------
    Run

    Raises
    ------
    ConfigError
        If ``risk.max_margin_use`` is set and nobody says what equity the run starts with, or if
        ``report.clock`` is variance and too few prices are known from before the first chain.
    """
    if config.risk.max_margin_use is not None and config.size.equity is None and not (holder or onlooker):
        raise ConfigError(
            f"size.equity: expected the equity to start with, in {config.settles_in}, for "
            "risk.max_margin_use, got null (a session takes its account's)"
        )
    config = with_forecast(config, tape.forecast)
    explainer = Explainer(config, tape)
    _ = explainer.clock  # refused now where there is no history for it, not once all is replayed
    look_ns = FEED_NS if tape.look_ns is None else tape.look_ns
    desk = build_desk(config, scope="book" if holder else "episode", look_ns=look_ns)
    exchange = build_exchange(config, tape)
    if onlooker:
        desk, engine = Onlooker(desk.strategy, Never(), desk.hedge, desk.portfolio), "desk"
        desk.market.averaging = config.exit.delivery == "average"
    if policy is not None:
        desk.policy = policy
    if exchange.recorded is not None:
        exchange.recorded.unwanted = Wanted(desk).unwanted
    if signal is not None:
        desk.strategy.signal = signal
    reason = "asked for" if engine == "desk" else obstacle(desk.policy, desk, exchange, tape)
    compiled = CompiledHedger(desk, exchange) if reason is None else None
    loop = _Replay(tape, desk, exchange, compiled, holder)
    if config.size.equity is not None and not (holder or onlooker):
        loop.liquidator = Liquidator(desk, exchange, config.size.equity)
    loop.run(progress)
    finished, skipped = [], 0
    for episode in desk.portfolio.episodes:
        if not episode.entered:
            continue
        unfinished = episode.number in desk.portfolio.open
        done = _close(episode, tape, desk, explainer)
        dropped = unfinished and config.exit.unfinished == "drop"
        wanted = config.entry.min_snapshots
        if dropped or (wanted and _chains_seen(tape, done) < wanted):
            skipped += 1
        else:
            finished.append(done)
    residual, book = _square(tape, desk, explainer)
    engine_used = "compiled" if reason is None else f"desk: {reason}"
    recorded = None if exchange.recorded is None else exchange.recorded.told()
    return Run(
        config,
        tape,
        desk,
        finished,
        skipped,
        loop.deliveries,
        desk.portfolio.missing_quotes,
        engine_used,
        residual,
        book,
        recorded,
        None if exchange.options is None else exchange.options.told(),
        [] if loop.liquidator is None else loop.liquidator.rounds,
    )


def _square(
    tape: Tape, desk: Desk, explainer: Explainer
) -> tuple[EpisodeRun, EpisodeRun] | tuple[None, None]:
    """Carry residual and book at marks, and let the residual have what rounding leaves."""
    portfolio, last = desk.portfolio, len(tape) - 1
    if not isinstance(portfolio, NettedPortfolio) or portfolio.book is None or portfolio.residual is None:
        return None, None
    if not any(episode.entered for episode in portfolio.episodes):  # every entry was refused
        return None, None
    for account in (portfolio.book, portfolio.residual):
        portfolio.mark(account, desk.market, {option: desk.market.mark(option) for option in account.legs})
        _true_up_funding(account, tape, desk, last)
    portfolio.square(desk.market.ts_ns)
    residual, book = (
        EpisodeRun(account, tape, last, explainer) for account in (portfolio.residual, portfolio.book)
    )
    return residual, book


def _close(episode: Episode, tape: Tape, desk: Desk, explainer: Explainer) -> EpisodeRun:
    if episode.number in desk.portfolio.open:
        values = {option: desk.market.mark(option) for option in episode.legs}
        desk.portfolio.mark(episode, desk.market, values)
        last = len(tape) - 1
    else:
        last = int(np.searchsorted(tape.ts_ns, episode.end_ns, side="right")) - 1
    _true_up_funding(episode, tape, desk, last)
    episode.ledger.assert_invariants()
    return EpisodeRun(episode, tape, last, explainer)


def _true_up_funding(episode: Episode, tape: Tape, desk: Desk, last: int) -> None:
    """Replace the funding that was known when the hedge was traded by what was owed."""
    if type(episode.hedge.instrument) is not Perpetual or tape.owed is tape.interest:
        return
    fills = episode.hedge_fills()
    traded = tape.ts_ns.searchsorted(fills.ts_ns, side="right") - 1
    late = tape.owed[traded] - tape.interest[traded]
    owed = float(np.sum(fills.amount * ((tape.owed[last] - tape.interest[last]) - late)))
    desk.portfolio.true_up(episode, max(int(tape.ts_ns[last]), episode.end_ns), owed)


def _chains_seen(tape: Tape, done: EpisodeRun) -> int:
    """Chains from entry to end that listed every option held."""
    first, end = done.first, done.last + 1
    seen = tape.chain_at[first:end] >= 0
    for option in done.episode.entered:
        seen &= np.isfinite(tape.recorded_marks(option, first, end))
    return int(seen.sum())
