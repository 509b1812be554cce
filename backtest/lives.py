"""Many hedges of the same options: hold them once, hedge every life anew in compiled code.

What is held does not depend on how it is hedged. So one replay without hedging finds the
episodes, and each policy then costs one compiled pass over their bars: its hedges, its
ledger to the last unit of 1e-8 in both currencies, and its lines. tests/test_lives.py holds
the results to whole replays.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gammacore import _replay
from gammacore.attribution import LINES
from gammacore.backtest.compiled import CompiledHedger, Trigger, obstacle, rule_of, trigger_of
from gammacore.backtest.hedge_lines import HedgeLines, Stage
from gammacore.backtest.replay import PriceBlock, Tape
from gammacore.backtest.runner import Closed, build_exchange, replay
from gammacore.build import build_desk
from gammacore.config import Config
from gammacore.contracts import Future
from gammacore.errors import ConfigError
from gammacore.hedging import Moment, Never, Policy
from gammacore.hedging.target import Target, Terms
from gammacore.ledger import UNIT, Account, Money
from gammacore.portfolio import Episode, HedgePosition

__all__ = ["Hedged", "Lives"]

Floats = npt.NDArray[np.float64]
REST = ("numeraire", "rounding")


class Hedged(NamedTuple):
    """One policy over all episodes.

    Attributes
    ----------
    coin, usd : arrays, shape (episodes,)
        Profit of each episode, as its ledger has it.
    hedges : int
        How many hedges were traded; unwinding is not one.
    lines : dict of line to Money
        Where the money came from.
    equity : list of arrays
        Net worth at the entries of each life in the settlement currency, options at the
        model's value, if kept.
    """

    coin: Floats
    usd: Floats
    hedges: int
    lines: dict[str, Money]
    equity: list[Floats]

    @property
    def total(self) -> Money:
        """Profit of all episodes."""
        return Money(float(self.coin.sum()), float(self.usd.sum()))


class _Life(NamedTuple):
    """One episode between its entry and its end.

    ``start`` and ``stop`` are the entries of the tape at which it may be hedged, cut into
    ``parts`` where decisions wait for another episode's delivery and where fees change; ``end``
    is the entry whose prices hold at the close, or that the tape ends with.
    """

    done: Closed
    block: PriceBlock
    start: int
    stop: int
    end: int
    parts: list[tuple[slice, _replay.Contract]]
    heir: bool  # takes the hedge of the one before over
    cash: tuple[int, int]
    offset: int  # of its entries among those of all lives
    closing: _replay.Contract  # with the fees of its end
    last: tuple[float, float, float]  # price, rate and funding accumulator of its end
    held: Episode  # the same options, for what prices them
    value: Floats  # of the options, at every entry

    @property
    def delivered(self) -> bool:
        """Whether its options were delivered."""
        return self.done.episode.close_reason == "delivery"


class Lives:
    """Episodes of one configuration on one tape, to be hedged in many ways.

    Parameters
    ----------
    config : Config
        Its ``hedge`` section says with what and towards which target; the rule is given later.
    tape : Tape

    Raises
    ------
    ConfigError
        If hedging them apart from the event loop would not be exact.
    """

    def __init__(self, config: Config, tape: Tape) -> None:
        self.tape = tape
        self.run = replay(config, tape, policy=Never())
        self.desk, self.exchange = build_desk(config), build_exchange(config)
        self.target: Target = self.desk.hedge.target
        reason = self._obstacle()
        if reason is not None:
            raise ConfigError(f"hedge: these episodes cannot be hedged apart from the event loop: {reason}")
        self._hedger = CompiledHedger(self.desk, self.exchange)
        self._plain: list[Terms] | None = None
        self._rows = _replay.Rows()  # its room is used again: fresh memory costs more than the trades
        self.lives = self._find()
        self._hedge_lines = HedgeLines([_stage(life) for life in self.lives], self._inverse)

    def _obstacle(self) -> str | None:
        exits = any(done.episode.close_reason == "exit" for done in self.run.closed)
        if self.run.missing_quotes and exits:
            return "an exit found no quote at first"
        if any(isinstance(done.episode.hedge.instrument, Future) for done in self.run.closed):
            return "futures are delivered by the event loop only"
        if self.run.skipped:
            return "some episodes were left out"
        return None

    def _find(self) -> list[_Life]:
        lives: list[_Life] = []
        for done in self.run.closed:
            lives.append(self._life(done, lives[-1] if lives else None))
        return lives

    def _life(self, done: Closed, before: _Life | None) -> _Life:
        tape, episode = self.tape, done.episode
        start, end = done.first, done.last
        heir = (
            before is not None
            and not self.desk.strategy.entry.each_expiry
            and before.done.episode.close_reason == "delivery"
            and before.done.episode.close_ns == episode.entry_ns
        )
        if heir:  # its first decision waits for the delivery of what it replaces
            start = int(np.searchsorted(tape.ts_ns, episode.entry_ns, side="right")) - 1
        stop = end + 1
        if episode.close_reason == "delivery":
            stop = int(np.searchsorted(tape.ts_ns, episode.expiry_ns, side="left"))
        elif (
            episode.close_reason == "exit" and tape.chain_at[end] >= 0 and tape.ts_ns[end] == episode.close_ns
        ):
            stop = end
        block = PriceBlock(tape, start, max(end, start) + 1)
        parts = self._parts(done, start, stop, heir)
        held = copy(episode)
        held.hedge, held.legs = HedgePosition(episode.hedge.instrument), dict(episode.entered)
        instrument = episode.hedge.instrument
        closing = self._hedger.contract(instrument, max(episode.close_ns, episode.entry_ns))
        price = block.future_price(instrument)
        last = float(price[-1]), float(block.index[-1]), float(block.interest[-1])
        if episode.close_reason == "delivery":  # perpetuals alone are unwound then
            spot = tape.spot_at_delivery(episode.expiry_ns, max(end, start))
            last = spot, spot, last[2]
        offset = 0 if before is None else before.offset + len(before.block) + 1
        value = block.options_value(held.legs)
        cash = self._cash(done)
        return _Life(done, block, start, stop, end, parts, heir, cash, offset, closing, last, held, value)

    def _parts(self, done: Closed, start: int, stop: int, heir: bool) -> list[tuple[slice, _replay.Contract]]:
        """Find the runs in which decisions are taken: not while a delivery is waited for."""
        ts, number = self.tape.ts_ns, done.episode.number
        waits = [
            d.episode.expiry_ns
            for d in self.run.closed
            if d.episode.number != number
            and d.episode.close_reason == "delivery"
            and not (heir and d.episode.expiry_ns <= ts[start])
        ]
        cuts = [(int(np.searchsorted(ts, t, "left")), int(np.searchsorted(ts, t, "right"))) for t in waits]
        steps = [int(np.searchsorted(ts, step)) for step, _ in self.exchange.fees.steps]
        cuts = sorted(
            cut for cut in [*cuts, *zip(steps, steps, strict=True)] if start < cut[1] and cut[0] < stop
        )
        runs, first = [], start
        for a, b in [*cuts, (stop, stop)]:
            if a > first:
                contract = self._hedger.contract(done.episode.hedge.instrument, int(ts[first]))
                runs.append((slice(first - start, a - start), contract))
            first = max(first, b)
        return runs

    @staticmethod
    def _cash(done: Closed) -> tuple[int, int]:
        """Cash in units after the entry."""
        coin = usd = 0
        for entry in done.episode.ledger.entries:
            if entry.ts_ns == done.episode.entry_ns:
                sign = (entry.debit is Account.CASH) - (entry.credit is Account.CASH)
                coin, usd = coin + sign * entry.coin, usd + sign * entry.usd
        return coin, usd

    def _seen(self, policy: Policy) -> list[Terms]:
        """Find what decisions depend on, over each life; shared by the policies that look at deltas alone."""
        if policy.needs - {"mismatch"}:
            return [self.target.terms(life.held, life.block, policy) for life in self.lives]
        if self._plain is None:
            self._plain = [self.target.terms(life.held, life.block, policy) for life in self.lives]
        return self._plain

    def hedge(self, policy: Policy, keep_equity: bool = False) -> Hedged:
        """Hedge every life by a policy.

        Raises
        ------
        ConfigError
            If the compiled hedger does not know the policy.
        """
        self.desk.policy = policy
        reason = obstacle(self.desk, self.exchange, self.tape)
        if reason is not None:
            raise ConfigError(f"policy: not hedged apart from the event loop: {reason}")
        # A trigger that looks at deltas, prices and time alone is the same for every life.
        anywhere = Moment(0, None, 0.0, None, None, None, 0, 0.0)
        fixed = None if policy.needs - {"mismatch"} else trigger_of(policy, anywhere)
        gained = np.zeros(len(self.lives))
        received = np.zeros(len(self.lives))  # hedges taken over from the life before
        counts = np.zeros(len(self.lives), np.int64)
        equity: list[Floats] = []
        rows, unwound, handed = self._rows, 0, 0.0
        rows.clear()
        native = 0 if self._inverse else 1
        for k, (life, seen) in enumerate(zip(self.lives, self._seen(policy), strict=True)):
            received[k], before = handed if life.heir else 0.0, len(rows)
            position, kept = self._walk(life, seen, policy, fixed, received[k], keep_equity, rows)
            hedged = len(rows)
            handed = self._close(k, life, position, rows)
            counts[k], unwound = len(rows) - before, unwound + len(rows) - hedged
            gained[k] = position.gained[native]
            if self._late is not None:
                gained[k] -= self._late_funding(life, rows, before, received[k])
            equity.append(kept)
        profit = self._profit(gained)
        total = Money(float(profit[0].sum()), float(profit[1].sum()))
        lines = self._lines(rows, counts, received, total)
        return Hedged(*profit, len(rows) - unwound, lines, equity)

    def _profit(self, gained: Floats) -> tuple[Floats, Floats]:
        """Profit of each life: what its options made, and what its hedge left in cash (units)."""
        settled, cash, other, rate = self._options_made
        total = cash + gained
        converted = np.rint(total * rate if self._inverse else total / rate)
        both = (settled + total) * UNIT, (other + converted) * UNIT
        return both if self._inverse else (both[1], both[0])

    @cached_property
    def _options_made(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Units beside cash in the native currency, cash, units beside cash in the other; final rate."""
        native = 0 if self._inverse else 1
        ledgers = [life.done.episode.ledger for life in self.lives]
        beside = np.array(
            [np.add(ledger.units(Account.OPTIONS), ledger.units(Account.CAPITAL)) for ledger in ledgers]
        ).reshape(-1, 2)
        cash = np.array([ledger.units(Account.CASH)[native] for ledger in ledgers], np.float64)
        return beside[:, native] * 1.0, cash, beside[:, 1 - native] * 1.0, np.array([x.rate for x in ledgers])

    def _lines(
        self, rows: _replay.Rows, counts: npt.NDArray[np.int64], received: Floats, total: Money
    ) -> dict[str, Money]:
        """Lines of the options, which are always the same, and of the hedges, from their trades.

        The lines of the other currency are each step's at the rate of its end, as in
        :mod:`gammacore.attribution`; what that leaves is ``numeraire``, rounding included.
        """
        parts = self._hedge_lines.lines(rows, counts, received)
        lines = {}
        for line in self._options:
            one, other = parts.get(line, (0.0, 0.0))
            lines[line] = self._options[line] + Money(*((one, other) if self._inverse else (other, one)))
        open_ = [sum(money[i] for name, money in lines.items() if name not in REST) for i in (0, 1)]
        gap = Money(total.coin - open_[0], total.usd - open_[1])
        names = ("rounding", "numeraire") if self._inverse else ("numeraire", "rounding")
        return lines | {
            names[0]: Money(gap.coin, 0.0),
            names[1]: Money(0.0, gap.usd),
        }

    @cached_property
    def _options(self) -> dict[str, Money]:
        """Lines of the unhedged options, all episodes together."""
        zero = Money(0.0, 0.0)
        return {
            line: sum((life.done.attribution.totals[line] for life in self.lives), zero) for line in LINES
        }

    @cached_property
    def _late(self) -> Floats | None:
        """Funding owed beside what was known when trading, at every entry; None where they are one."""
        return None if self.tape.owed is self.tape.interest else self.tape.owed - self.tape.interest

    def _late_funding(self, life: _Life, rows: _replay.Rows, first: int, received: float) -> float:
        """Units owed by the trades from ``first`` on, as the replay trues them up."""
        assert self._late is not None
        trades, late = rows.array()[first:], self._late[life.start : life.start + len(life.block)]
        at = np.minimum(trades["at"] - life.offset, len(late) - 1)
        owed = received * (late[-1] - late[0]) + np.sum(trades["amount"] * (late[-1] - late[at]))
        return float(np.rint(owed / UNIT))

    @property
    def _inverse(self) -> bool:
        return bool(self.lives) and self.lives[0].done.episode.hedge.inverse

    def _walk(
        self,
        life: _Life,
        seen: Terms,
        policy: Policy,
        fixed: Trigger | None,
        handed: float,
        keep_equity: bool,
        rows: _replay.Rows,
    ) -> tuple[_replay.Position, Floats]:
        """Decisions and fills of one life, and its equity if wanted."""
        block = life.block
        interest = float(block.interest[0])
        position = _replay.Position(0.0, np.nan, interest, life.cash, 0, np.nan)
        if handed:
            _replay.take_over(position, life.closing, handed, float(seen.price[0]), interest)
        own_equity = self.target.numeraire == "usd_neutral" and self._inverse
        kept = np.empty(len(block) if keep_equity else 0)
        for part, contract in life.parts:
            gamma, vol, tau = (_cut(column, part) for column in seen[2:])
            moment = Moment(block.ts_ns[part], None, seen.price[part], gamma, vol, tau, 0, 0.0)
            trigger = fixed or trigger_of(policy, moment)
            _replay.hedge(
                position,
                contract,
                trigger.kind,
                moment.ts_ns,
                moment.price,
                block.index[part],
                block.interest[part],
                seen.options[part],
                trigger.below,
                trigger.above,
                self.target.delta,
                trigger.every,
                trigger.centre,
                rule_of(policy, moment),
                life.value[part] if own_equity or keep_equity else None,
                own_equity,
                kept[part] if keep_equity else None,
                rows,
                life.offset + part.start,
            )
        if keep_equity:
            self._hold(life, position, kept)
        return position, kept

    def _hold(self, life: _Life, position: _replay.Position, kept: Floats) -> None:
        """Equity at the entries where nothing may be decided."""
        amount, average, interest, _, _ = position.state
        inside = np.zeros(len(kept), bool)
        for part, _ in life.parts:
            inside[part] = True
        if inside.all():
            return
        (out,) = np.nonzero(~inside)
        episode = life.held
        episode.hedge.amount, episode.hedge.average, episode.hedge.interest = amount, average, interest
        block = life.block
        native = 0 if self._inverse else 1
        cash = (life.cash[native] - sum(account[native] for account in position.booked)) * UNIT
        worth = episode.hedge.unrealised(block.future_price(episode.hedge.instrument)[out])
        kept[out] = cash + life.value[out] + worth - episode.hedge.accrued(block.interest[out])

    def _close(self, k: int, life: _Life, position: _replay.Position, rows: _replay.Rows) -> float:
        """End of a life: its hedge handed over (returned), unwound, or carried at the mark."""
        price, rate, interest = life.last
        at = life.offset + len(life.block) - (0 if life.delivered else 1)
        if life.done.episode.close_ns and not (k + 1 < len(self.lives) and self.lives[k + 1].heir):
            _replay.unwind(position, life.closing, price, rate, interest, rows, at)
            return 0.0
        return _replay.settle(position, life.closing, price, rate, interest)


def _stage(life: _Life) -> Stage:
    """Market of a life, with the point of its delivery; lives are hedged in perpetuals."""
    block = life.block
    forward = block.underlying(life.done.episode.expiry_ns)
    columns = [block.future_price(life.held.hedge.instrument), forward, block.index, block.owed]
    price, forward, index, owed = (np.append(column, column[-1]) for column in columns)
    if life.delivered:
        price[-1], index[-1], _ = life.last
        forward[-1] = index[-1] * forward[-2] / index[-2]
    return Stage(price, forward, index, owed, life.start == life.done.first)


def _cut(column: Any, part: slice) -> Any:
    return column[part] if isinstance(column, np.ndarray) else column
