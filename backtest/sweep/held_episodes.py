"""Many hedges of the same options: hold them once, hedge every episode anew in compiled code.

Each policy costs one compiled pass over the bars of the episodes: its hedges, its ledger to the last unit
of 1e-8 in both currencies, and its lines. tests/test_held_episodes.py compares them with whole replays.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gammacore import _replay
from gammacore.array_types import Array, Floats, Ints
from gammacore.build import build_desk
from gammacore.config import Config
from gammacore.errors import ConfigError
from gammacore.hedging import Moment, Never, Policy
from gammacore.hedging.target import HedgeInputs, Target
from gammacore.ledger import UNIT, Account, Money

from ..figures.performance import Earned
from ..figures.returns import HedgeTrades, Holding, Marks, curves_of, hedge_trades, holding_of
from ..replay.compiled import CompiledHedger, Trigger, obstacle, rule_of, trigger_of
from ..replay.runner import build_exchange, replay
from ..replay.tape import Tape
from .held_episode import HeldEpisode, obstacle_to_sharing, prepare


class HedgedEpisodes(NamedTuple):
    """One policy over all episodes.

    Attributes
    ----------
    coin, usd : arrays, shape (episodes,)
        Profit of each episode, as its ledger has it.
    hedges : array of int, shape (episodes,)
        How many hedges were traded; unwinding is not one.
    fees : array, shape (episodes,)
        Paid, options' included, settlement currency.
    """

    coin: Floats
    usd: Floats
    hedges: Ints
    fees: Floats

    @property
    def total(self) -> Money:
        """Profit of all episodes."""
        return Money(float(self.coin.sum()), float(self.usd.sum()))


class _Hedges(NamedTuple):
    """One policy over all episodes, its trades left in the rows; see `HedgedEpisodes`."""

    profit: tuple[Floats, Floats]
    hedges: Ints
    fees: Floats
    trades: Ints  # how many of each episode, unwinding included
    received: Floats  # amount taken over from the episode before


class HeldEpisodes:
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
        config = self.run.config
        self.desk, self.exchange = build_desk(config), build_exchange(config, tape)
        self.target: Target = self.desk.hedge.target
        reason = obstacle_to_sharing(self.run)
        if reason is not None:
            raise ConfigError(f"hedge: these episodes cannot be hedged apart from the event loop: {reason}")
        self._hedger = CompiledHedger(self.desk, self.exchange)
        self._plain: list[HedgeInputs] | None = None
        self._known: tuple[Marks, list[Holding]] | None = None
        self._rows = _replay.Rows()  # its room is used again: fresh memory costs more than the trades
        self.episodes = prepare(self.run, self._hedger)

    def _seen(self, policy: Policy) -> list[HedgeInputs]:
        """Find what decisions depend on, over each episode; policies of deltas alone share it."""
        if policy.needs - {"mismatch"}:
            return [self.target.inputs(held.options, held.block, policy) for held in self.episodes]
        if self._plain is None:
            self._plain = [self.target.inputs(held.options, held.block, policy) for held in self.episodes]
        return self._plain

    def hedge(self, policy: Policy) -> HedgedEpisodes:
        """Hedge every episode by a policy.

        Raises
        ------
        ConfigError
            If the compiled hedger does not know the policy.
        """
        found = self._hedged(policy)
        return HedgedEpisodes(*found.profit, found.hedges, found.fees)

    def _hedged(self, policy: Policy) -> _Hedges:
        self.desk.policy = policy
        reason = obstacle(self.desk, self.exchange, self.tape)
        if reason is not None:
            raise ConfigError(f"policy: not hedged apart from the event loop: {reason}")
        # A trigger that looks at deltas, prices and time alone is the same for every episode.
        anywhere = Moment(0, None, 0.0, None, None, None, 0, 0.0)
        fixed = None if policy.needs - {"mismatch"} else trigger_of(policy, anywhere)
        gained, fees, received, marked, accrued = (np.zeros(len(self.episodes)) for _ in range(5))
        counts, hedges = (np.zeros(len(self.episodes), np.int64) for _ in range(2))
        rows, handed = self._rows, 0.0
        rows.clear()
        native = 0 if self._inverse else 1
        for k, (held, seen) in enumerate(zip(self.episodes, self._seen(policy), strict=True)):
            received[k], before = handed if held.heir else 0.0, len(rows)
            position = self._walk(held, seen, policy, fixed, received[k], rows)
            hedges[k] = len(rows) - before
            pnl, _, funding = position.booked
            handed = self._close(k, held, position, rows)
            counts[k] = len(rows) - before
            gained[k], fees[k] = position.gained[native], position.booked[1][native]
            if not held.done.episode.close_ns:
                marked[k] = pnl[native] - position.booked[0][native]
                accrued[k] = position.booked[2][native] - funding[native]
            if self._late is not None:
                gained[k] -= self._late_funding(held, rows, before, received[k])
        fees = (self._option_fees + fees) * UNIT
        return _Hedges(self._profit(gained, marked, accrued), hedges, fees, counts, received)

    def earned(self, policy: Policy, marks: Marks) -> Earned:
        """Hedge every episode by a policy, for :func:`gammacore.backtest.figures.performance.performance`.

        Raises
        ------
        ConfigError
            If the compiled hedger does not know the policy.
        """
        hedged, runs = self._hedged(policy), self.run.episode_runs
        profits = np.column_stack(hedged.profit)
        traded = self._trades(self._rows.array(), hedged.trades, hedged.received)
        return Earned(
            episodes=[done.episode for done in runs],
            profit=profits,
            fees=hedged.fees,
            hedges=hedged.hedges,
            curves=curves_of(self._holdings(marks), marks, traded, profits),
            missing_quotes=self.run.missing_quotes,
        )

    def _holdings(self, marks: Marks) -> list[Holding]:
        """Find what the episodes are worth but for their hedges, once for the marks last used."""
        if self._known is None or self._known[0] is not marks:
            self._known = marks, [holding_of(done, marks) for done in self.run.episode_runs]
        return self._known[1]

    def _trades(self, rows: Array, counts: Ints, received: Floats) -> list[HedgeTrades]:
        """Trades of each episode's hedge, and before them what it took over, at its mark and for no fee."""
        if not self.episodes:
            return []
        tape, own = self.tape, self.episodes
        shift = np.repeat([held.start - held.offset for held in own], counts)
        last = np.repeat([held.done.last for held in own], counts)
        ts, at = tape.ts_ns, np.minimum(rows["at"] + shift, len(tape) - 1)
        # Of a chain and a bar of one moment, a replay books a trade with the later.
        traded = np.searchsorted(ts, ts[at], side="right") - 1
        hedge = own[0].options.hedge.instrument
        columns = hedge_trades(
            hedge, tape, last, traded, *(rows[name] for name in ("amount", "price", "fee"))
        )
        ends = np.cumsum(counts)[:-1]
        found = [HedgeTrades(*each) for each in zip(*(np.split(one, ends) for one in columns), strict=True)]
        for k in np.flatnonzero(received).tolist():
            held, amount = own[k], received[k : k + 1]
            mark = held.block.future_price(held.options.hedge.instrument)[:1]
            start, nothing = np.array([held.start]), np.zeros(1)
            first = hedge_trades(hedge, tape, held.done.last, start, amount, mark, nothing)
            found[k] = HedgeTrades(*(np.concatenate(both) for both in zip(first, found[k], strict=True)))
        return found

    def _profit(self, gained: Floats, marked: Floats, accrued: Floats) -> tuple[Floats, Floats]:
        """Profit of each episode: what its options made, and what its hedge left in cash (units).

        An episode carried at marks keeps apart what its hedge is worth (``marked``) and books the funding
        since its last payment (``accrued``) by itself: each is rounded on its own in the other currency.
        """
        settled, cash, other, rate = self._options_made
        total = cash + gained
        if self._late is not None:  # trued up, and all cash revalued with it
            accrued = np.zeros_like(accrued)

        def convert(units: Floats) -> Floats:
            return np.rint(units * rate if self._inverse else units / rate)

        converted = convert(total - marked + accrued) - convert(accrued) + convert(marked)
        both = (settled + total) * UNIT, (other + converted) * UNIT
        return both if self._inverse else (both[1], both[0])

    @cached_property
    def _options_made(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Units beside cash in the native currency, cash, units beside cash in the other; final rate."""
        native = 0 if self._inverse else 1
        ledgers = [held.done.episode.ledger for held in self.episodes]
        beside = np.array(
            [np.add(ledger.units(Account.OPTIONS), ledger.units(Account.CAPITAL)) for ledger in ledgers]
        ).reshape(-1, 2)
        cash = np.array([ledger.units(Account.CASH)[native] for ledger in ledgers], np.float64)
        return beside[:, native] * 1.0, cash, beside[:, 1 - native] * 1.0, np.array([x.rate for x in ledgers])

    @cached_property
    def _option_fees(self) -> Floats:
        """Fees of the options of each episode, units of the settlement currency."""
        ledgers = [held.done.episode.ledger for held in self.episodes]
        return np.array([ledger.units(Account.FEES)[ledger.native] for ledger in ledgers], np.float64)

    @cached_property
    def _late(self) -> Floats | None:
        """Funding owed beside what was known when trading, at every entry; None where they are one."""
        return None if self.tape.owed is self.tape.interest else self.tape.owed - self.tape.interest

    def _late_funding(self, held: HeldEpisode, rows: _replay.Rows, first: int, received: float) -> float:
        """Units owed by the trades from ``first`` on, as the replay trues them up."""
        assert self._late is not None
        trades, late = rows.array()[first:], self._late[held.start : held.start + len(held.block)]
        at = np.minimum(trades["at"] - held.offset, len(late) - 1)
        owed = received * (late[-1] - late[0]) + np.sum(trades["amount"] * (late[-1] - late[at]))
        return float(np.rint(owed / UNIT))

    @property
    def _inverse(self) -> bool:
        return bool(self.episodes) and self.episodes[0].done.episode.hedge.inverse

    def _walk(
        self,
        held: HeldEpisode,
        seen: HedgeInputs,
        policy: Policy,
        fixed: Trigger | None,
        handed: float,
        rows: _replay.Rows,
    ) -> _replay.Position:
        """Decisions and fills of one episode."""
        block = held.block
        interest = float(block.interest[0])
        position = _replay.Position(0.0, np.nan, interest, held.cash, 0, np.nan)
        if handed:
            _replay.take_over(position, held.closing, handed, float(seen.price[0]), interest)
        own_equity = self.target.numeraire == "usd_neutral" and self._inverse
        for part, contract in held.parts:
            gamma, vol, tau = (_cut(column, part) for column in (seen.gamma, seen.vol, seen.tau))
            moment = Moment(block.ts_ns[part], None, seen.price[part], gamma, vol, tau, 0, 0.0)
            trigger = fixed or trigger_of(policy, moment)
            _replay.hedge(
                position,
                contract,
                self._hedger.working,
                block.entry + part.start,
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
                held.value[part] if own_equity else None,
                own_equity,
                rows,
                held.offset + part.start,
            )
        return position

    def _close(self, k: int, held: HeldEpisode, position: _replay.Position, rows: _replay.Rows) -> float:
        """End of an episode: its hedge handed over (returned), unwound, or carried at the mark."""
        price, rate, interest = held.last
        at = held.offset + len(held.block) - (0 if held.delivered else 1)
        if held.done.episode.close_ns and not (k + 1 < len(self.episodes) and self.episodes[k + 1].heir):
            _replay.unwind(position, held.closing, price, rate, interest, held.end_ns, rows, at)
            return 0.0
        return _replay.settle(position, held.closing, price, rate, interest)


def _cut(column: Any, part: slice) -> Any:
    return column[part] if isinstance(column, np.ndarray) else column
