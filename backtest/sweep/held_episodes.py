"""Many hedges of the same options: hold them once, hedge every episode anew in compiled code.

Each policy costs one compiled pass over the bars of the episodes: its hedges, its ledger to the last unit
of 1e-8 in both currencies, and its lines. tests/test_held_episodes.py compares them with whole replays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gammacore import _replay
from gammacore.array_types import Array, Floats, Ints
from gammacore.build import build_desk
from gammacore.config import Config
from gammacore.contracts import Perpetual
from gammacore.errors import ConfigError
from gammacore.hedging import Custom, Moment, Never, Policy
from gammacore.hedging.target import HedgeInputs, Target
from gammacore.ledger import UNIT, Account, Money

from ..figures.performance import CURRENCIES, Bets, Earned, bets_of
from ..figures.returns import Marks, holding_of
from ..replay.build import build_exchange
from ..replay.compiled import CompiledHedger, bars_of, obstacle, plan_of
from ..replay.runner import replay
from ..replay.tape import Tape
from .held_episode import obstacle_to_sharing, prepare


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


class _Hedged(NamedTuple):
    """Some policies over all episodes: what came of each, shape (policies, episodes), and their trades."""

    found: Array
    fills: _replay.Fills


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
        self.episodes = prepare(self.run, self._hedger)
        self._spare: list[_replay.Fills] = []  # used again: fresh memory costs more than the trades
        self._known: tuple[Marks, _replay.Courses] | None = None

    def hedge(self, policy: Policy) -> HedgedEpisodes:
        """Hedge every episode by a policy.

        Raises
        ------
        ConfigError
            If the compiled hedger does not know the policy.
        """
        found, fills = self._hedged([policy])
        self._spare.append(fills)
        coin, usd = self._profit(found)
        return HedgedEpisodes(coin[0], usd[0], found["hedges"][0], self._fees(found)[0])

    def obstacle(self, policy: Policy) -> str | None:
        """Say why a policy cannot be hedged apart from the event loop, or None where it can."""
        return obstacle(policy, self.desk, self.exchange, self.tape)

    def ready_for_threads(self, policies: Sequence[Policy], marks: Marks) -> bool:
        """Whether threads may ask :meth:`earned` of some policies each; finds what they have in common."""
        if not _at_deltas(policies):
            return False
        _ = self._plain, self._courses(marks)
        return True

    def earned(self, policies: Sequence[Policy], marks: Marks) -> list[Earned]:
        """Hedge every episode by some policies, for :func:`..figures.performance.performance`.

        Those that look at deltas, prices and time alone cost less together than one by one: the bars of an
        episode are then at hand for all of them.

        Raises
        ------
        ConfigError
            If the compiled hedger does not know a policy.
        """
        if not _at_deltas(policies):
            return [self._earned(self._hedged([policy]), marks)[0] for policy in policies]
        return self._earned(self._hedged(policies), marks)

    def _earned(self, hedged: _Hedged, marks: Marks) -> list[Earned]:
        found, fills = hedged
        profits, native = self._profit(found), self._bets.native
        shown, falls = self._courses(marks).course(found, fills, profits[native])
        self._spare.append(fills)
        daily, fees = np.diff(shown, axis=1, prepend=0.0), self._fees(found)
        return [
            Earned(
                bets=self._bets,
                profit=np.column_stack([profit[k] for profit in profits]),
                fees=fees[k],
                hedges=found["hedges"][k],
                daily=daily[k],
                falls={CURRENCIES[native]: float(falls[k])},
                missing_quotes=self.run.missing_quotes,
            )
            for k in range(len(found))
        ]

    def _hedged(self, policies: Sequence[Policy]) -> _Hedged:
        """Hedge by policies of deltas alone, or by one of any kind."""
        for policy in policies:
            reason = self.obstacle(policy)
            if reason is not None:
                raise ConfigError(f"policy: not hedged apart from the event loop: {reason}")
        if _at_deltas(policies):  # these see the same of every episode
            anywhere = Moment(0, None, 0.0, None, None, None, 0, 0.0)
            lives, ways = self._plain, [[self._plan(policy, anywhere)] for policy in policies]
        else:
            (policy,) = policies
            seen = [self.target.inputs(held.options, held.block, policy) for held in self.episodes]
            lives, ways = self._lives(seen), [self._plans(seen, policy)]
        fills = self._spare.pop() if self._spare else _replay.Fills()
        found = lives.hedge(ways, fills)
        if self._late is not None:
            found["gained"] -= [self._late_funding(way, fills.array(k)) for k, way in enumerate(found)]
        return _Hedged(found, fills)

    def _plan(self, policy: Policy, at: Moment) -> _replay.Plan:
        return plan_of(policy, at, self.target.delta, self._own_equity)

    @cached_property
    def _plain(self) -> _replay.Lives:
        """Episodes as policies of deltas alone see them."""
        seen = [self.target.inputs(held.options, held.block, Never()) for held in self.episodes]
        return self._lives(seen, ranged=True)

    def _lives(self, seen: list[HedgeInputs], *, ranged: bool = False) -> _replay.Lives:
        """Episodes with what decisions depend on, as compiled code hedges them."""
        lives = []
        for k, (held, inputs) in enumerate(zip(self.episodes, seen, strict=True)):
            bars = [
                bars_of(
                    contract,
                    held.block.window(held.start + part.start, held.start + part.stop),
                    _cut(inputs, part),
                    held.value[part] if self._own_equity else None,
                )
                for part, contract in held.parts
            ]
            life = _replay.Life(
                bars,
                start=(float(inputs.price[0]), float(held.block.interest[0])),
                cash=held.cash,
                heir=held.heir,
                hands_on=k + 1 < len(seen) and self.episodes[k + 1].heir,
                closed=bool(held.done.episode.close_ns),
                closing=held.closing,
                end_ns=held.end_ns,
                at=held.start + len(held.block) - (0 if held.delivered else 1),
                last=held.last,
            )
            lives.append(life)
        return _replay.Lives(lives, self._hedger.working, ranged)

    def _plans(self, seen: list[HedgeInputs], policy: Policy) -> list[_replay.Plan]:
        """Say what a policy looks for in each run of bars."""
        plans = []
        for held, inputs in zip(self.episodes, seen, strict=True):
            for part, _ in held.parts:
                cut = _cut(inputs, part)
                moment = Moment(held.block.ts_ns[part], None, *cut[1:], 0, 0.0)
                plans.append(self._plan(policy, moment))
        return plans

    def _courses(self, marks: Marks) -> _replay.Courses:
        """Find what the episodes are worth but for their hedges, once for the marks last used."""
        if self._known is None or self._known[0] is not marks:
            self._known = marks, self._found_courses(marks)
        return self._known[1]

    def _found_courses(self, marks: Marks) -> _replay.Courses:
        tape, holdings, owed = self.tape, [], None
        for held in self.episodes:
            one, hedge = holding_of(held.done, marks), held.options.hedge.instrument
            mark = float(held.block.future_price(hedge)[0])
            holdings.append((one.first, one.last, held.start, mark, one.options, one.unit))
            owed = tape.owed if type(hedge) is Perpetual else None
        return _replay.Courses(holdings, self._inverse, tape.ts_ns, owed, marks.entries)

    def _fees(self, found: Array) -> Floats:
        """Paid by each episode, options' included, settlement currency."""
        paid: Floats = (self._option_fees + found["fees"]) * UNIT
        return paid

    @cached_property
    def _bets(self) -> Bets:
        return bets_of([held.done.episode for held in self.episodes], self.run.native)

    def _profit(self, found: Array) -> tuple[Floats, Floats]:
        """Profit of each episode, coin and USD: what its options made, and what its hedge left in cash.

        An episode carried at marks keeps apart what its hedge is worth (``marked``) and books the funding
        since its last payment (``accrued``) by itself: each is rounded on its own in the other currency.
        """
        settled, cash, other, rate = self._options_made
        marked, accrued, total = found["marked"], found["accrued"], cash + found["gained"]
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
        native = self.run.native
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

    def _late_funding(self, found: Array, fills: Array) -> list[float]:
        """Units owed by the trades of each episode, as the replay trues them up."""
        assert self._late is not None
        ends, owed = np.cumsum(found["trades"]), []
        for held, end, count, received in zip(
            self.episodes, ends.tolist(), found["trades"].tolist(), found["received"].tolist(), strict=True
        ):
            trades = fills[end - count : end]
            late = self._late[held.start : held.start + len(held.block)]
            at = np.minimum(trades["at"] - held.start, len(late) - 1)
            units = received * (late[-1] - late[0]) + np.sum(trades["amount"] * (late[-1] - late[at]))
            owed.append(float(np.rint(units / UNIT)))
        return owed

    @property
    def _inverse(self) -> bool:
        return self.run.native == 0

    @property
    def _own_equity(self) -> bool:
        return self.target.numeraire == "usd_neutral" and self._inverse


def _at_deltas(policies: Sequence[Policy]) -> bool:
    """Whether policies look at deltas, prices and time alone."""
    return not any(isinstance(policy, Custom) or policy.needs - {"mismatch"} for policy in policies)


def _cut(inputs: HedgeInputs, part: slice) -> HedgeInputs:
    """Cut a run of bars out of the inputs."""
    return HedgeInputs(*(column[part] if isinstance(column, np.ndarray) else column for column in inputs))
