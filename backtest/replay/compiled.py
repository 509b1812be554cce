"""Hedges between two chains in compiled code, with the amounts and balances of the desk.

Within a run of bars nothing changes but prices, each episode is hedged by itself, and
orders fill at once: so the options' delta is priced for the whole run, and one compiled
loop takes the decisions, fills the orders and books them. :func:`obstacle` says where
that would not be what the desk does; tests/test_engines.py holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gammacore import _replay
from gammacore.array_types import Floats
from gammacore.contracts import ContractSpec, Future, Perpetual, Settlement
from gammacore.desk import Desk
from gammacore.episode import Episode, Trades
from gammacore.events import Fill
from gammacore.hedging import Banded, Custom, Interval, Ladder, Moment, Move, Never, Policy
from gammacore.hedging.target import HedgeInputs
from gammacore.ledger import Account
from gammacore.netting import NettedPortfolio, portions
from gammacore.orders import BOOK, Purpose, order_id_of

from .fills import SimulatedExchange
from .price_block import Now, PriceBlock
from .tape import Tape

_MOVES = {"usd": _replay.MOVE_USD, "relative": _replay.MOVE_RELATIVE, "sigma": _replay.MOVE_LOG}


def obstacle(policy: Policy, desk: Desk, exchange: SimulatedExchange, tape: Tape) -> str | None:
    """Why compiled hedging would differ from the desk's, or None where it is exact."""
    if isinstance(policy, Ladder):
        return "resting orders are filled by the event loop only"
    if desk.hedge.target.ignore_vol:
        return "hedge.ignore_vol prices every decision at the volatilities of the one before"
    if exchange.recorded is not None:
        return "hedges are filled against a recorded book"
    if exchange.bars is None:
        return "hedges are not worked against bars"
    if desk.hedge.lots != exchange.on_ticks:
        return "lots without ticks, or ticks without lots"
    if tape.interpolate:
        return "interpolated marks are published at every bar"
    if policy.snapshots_only:
        return "the policy looks at chains only"
    return None


class CompiledHedger:
    """Walks all open episodes over a run of bars.

    Parameters
    ----------
    desk : Desk
    exchange : SimulatedExchange
        For its costs, and the bars that hedges are worked against.
    """

    def __init__(self, desk: Desk, exchange: SimulatedExchange) -> None:
        self.desk, self.exchange = desk, exchange
        assert exchange.bars is not None
        self.working = exchange.bars.compiled
        self._contracts: dict[tuple[Future | Perpetual, int], _replay.Contract] = {}

    def fits(self) -> bool:
        """Whether nothing is on its way that the next price could touch."""
        portfolio = self.desk.portfolio
        idle = all(not account.pending for account in portfolio.hedged)
        return idle and all(e.open and not e.pending for e in portfolio.open.values())

    def run(self, block: PriceBlock, i: int, j: int) -> None:
        """Hedge every open episode over entries i..j of the tape, bars all of them."""
        portfolio = self.desk.portfolio
        # From the expiry on the desk waits for the delivery.
        first_expiry = min((e.next_expiry_ns for e in portfolio.open.values()), default=None)
        stop = j
        if first_expiry is not None:
            view = block.window(i, j)
            stop = i + int(view.ts_ns.searchsorted(first_expiry))
        for episode in [account for account in portfolio.hedged if account.legs]:
            for a, b in self._stretches(block, i, stop):
                self._hedge(episode, block.window(a, b))

    def _stretches(self, block: PriceBlock, i: int, j: int) -> list[tuple[int, int]]:
        """Cut a run where the fee schedule changes."""
        ts = block.window(i, j).ts_ns
        if not len(ts):
            return []
        first, last = int(ts[0]), int(ts[-1])
        starts = [start for start, _ in self.exchange.fees.steps if first < start <= last]
        cuts = [i, *(i + int(np.searchsorted(ts, start)) for start in starts), j]
        return list(pairwise(cuts))

    def _hedge(self, episode: Episode, view: PriceBlock) -> None:
        target, policy, hedge = self.desk.hedge.target, self.desk.policy, episode.hedge
        seen = target.inputs(episode, view, policy)
        moment = Moment(view.ts_ns, None, seen.price, seen.gamma, seen.vol, seen.tau, 0, 0.0)
        own_equity = target.numeraire == "usd_neutral" and hedge.inverse
        value = view.options_value(episode.legs) if own_equity else None
        position = _replay.Position(
            hedge.amount,
            hedge.average,
            hedge.interest,
            episode.ledger.units(Account.CASH),
            episode.last_hedge_ns,
            episode.last_hedge_price,
        )
        contract = self.contract(hedge.instrument, int(view.ts_ns[0]))
        bars = bars_of(contract, view, seen, value)
        plan = plan_of(policy, moment, target.delta, own_equity)
        rows, decisions = _replay.hedge(position, bars, plan, self.working)
        if decisions:
            taken = _take(episode, view, position, rows.array())
            if isinstance(self.desk.portfolio, NettedPortfolio) and taken is not None:
                self._share(self.desk.portfolio, view, taken)

    def _share(self, portfolio: NettedPortfolio, view: PriceBlock, trades: Trades) -> None:
        """Share the trades of a book out among its episodes, as the desk does at each fill."""
        target, instrument = self.desk.hedge.target, portfolio.hedged_with
        inverse, at = instrument.settlement is Settlement.INVERSE, trades.rows["at"]
        # Options alone: what hedge and equity add depends on the trades before.
        options = {
            number: np.broadcast_to(target.inputs(episode, view, Never()).options, len(view))[at].tolist()
            for number, episode in portfolio.open.items()
        }
        columns = ("at", "amount", "price", "mark", "fee", "wanted", "maker")
        rows = zip(trades.ts_ns.tolist(), *(trades.rows[name].tolist() for name in columns), strict=True)
        own_equity = target.numeraire == "usd_neutral" and inverse
        index, interest = view.index[at].tolist(), view.interest[at].tolist()
        for k, (ts_ns, bar, amount, price, mark, fee, meant, maker) in enumerate(rows):
            unit = mark if inverse else 1.0
            wanted = {}
            for number, episode in portfolio.open.items():
                mismatch = options[number][k] + episode.hedge.delta(mark)
                if own_equity:
                    mismatch = mismatch + float(episode.equity(view.bar(bar))[0])
                wanted[number] = -mismatch * unit
            order_id = order_id_of(BOOK, Purpose.HEDGE, trades.first_order + k)
            fill = Fill(ts_ns, order_id, BOOK, instrument, amount, price, mark, fee, maker=bool(maker))
            shared = portions(amount, amount - meant, wanted)
            portfolio.share(fill, amount, shared, Now(ts_ns, index[k], interest[k]))

    def contract(self, instrument: Future | Perpetual, ts_ns: int) -> _replay.Contract:
        """Costs and grid of an instrument, as the exchange has them at a moment."""
        exchange, costs = self.exchange, self.exchange.costs
        rates = exchange.fees.at(ts_ns)
        key = instrument, id(rates)
        if key not in self._contracts:
            taker, maker = (
                (costs.rate(rates, instrument, maker=maker), costs.own_rate(maker=maker) is None)
                for maker in (False, True)
            )
            spec = exchange.grids.spec_for(instrument) if exchange.on_ticks else None
            grid = (None, None, 0.0) if spec is None else _grid(spec)
            self._contracts[key] = _replay.Contract(
                instrument.settlement is Settlement.INVERSE,
                isinstance(instrument, Perpetual),
                costs.half_spread,
                taker,
                maker,
                *grid,
            )
        return self._contracts[key]


def _grid(spec: ContractSpec) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Tick and lot as fractions of whole numbers, and when a price counts as on a tick."""
    tick, lot = (Fraction(repr(float(size))) for size in (spec.tick_size, spec.min_trade_amount))
    return (
        (float(tick.numerator), float(tick.denominator)),
        (float(lot.numerator), float(lot.denominator)),
        ContractSpec.GRID_RTOL,
    )


def bars_of(
    contract: _replay.Contract, view: PriceBlock, seen: HedgeInputs, value: Floats | None
) -> _replay.Bars:
    """Bars of a view as the compiled loop walks them; ``value`` of the options where the equity is delta."""
    price, options = np.ascontiguousarray(seen.price), np.ascontiguousarray(seen.options)
    return _replay.Bars(contract, view.entry, view.ts_ns, price, view.index, view.interest, options, value)


def plan_of(policy: Policy, at: Moment, target: float, own_equity: bool) -> _replay.Plan:
    """Say what the compiled loop is to look for over a run of bars, and what it trades."""
    rule = policy.trigger if isinstance(policy, Custom) else policy
    asked = _rule_of(policy, at)
    if isinstance(rule, Interval):
        nothing = np.zeros(1)
        return _replay.Plan(_replay.EVERY, nothing, nothing, rule.every_ns, True, target, own_equity, asked)
    if isinstance(rule, Move):
        threshold = np.ascontiguousarray(rule.threshold_at(at), np.float64)
        return _replay.Plan(_MOVES[rule.unit], threshold, threshold, 0, True, target, own_equity, asked)
    assert isinstance(rule, Banded)
    below, above = (np.ascontiguousarray(edge, np.float64) for edge in rule.edges(at))
    return _replay.Plan(_replay.OUTSIDE, below, above, 0, rule.centres, target, own_equity, asked)


def _rule_of(policy: Policy, at: Moment) -> Callable[[int, float, int, float], float] | None:
    """Call of a user's rule with the moment of one bar; None for built-in policies."""
    if not isinstance(policy, Custom):
        return None
    user, ts_ns = policy.rule, at.ts_ns
    known = at.price, at.gamma, at.vol, at.tau
    columns = [None if column is None else np.broadcast_to(column, ts_ns.shape) for column in known]

    def call(bar: int, mismatch: float, last_ns: int, last_price: float) -> float:
        price, gamma, vol, tau = [None if column is None else float(column[bar]) for column in columns]
        return float(user(Moment(int(ts_ns[bar]), mismatch, price, gamma, vol, tau, last_ns, last_price)))

    return call


def _take(
    episode: Episode, view: PriceBlock, position: _replay.Position, rows: npt.NDArray[Any]
) -> Trades | None:
    """Bring an episode to the state that a run ended in."""
    hedge = episode.hedge
    hedge.amount, hedge.average, hedge.interest, last_ns, last_price = position.state
    episode.last_hedge_ns, episode.last_hedge_price = int(last_ns), last_price
    if not len(rows):
        return None
    trades = Trades(view.ts_ns[rows["at"]], view.index[rows["at"]], rows, episode.orders_sent)
    episode.take(trades, position.booked, position.postings)
    return trades
