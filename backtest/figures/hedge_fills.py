"""How hedges were filled, how sure that is, and what the same hedges had cost filled otherwise.

Every figure is of the same hedges, at the same marks: all taken at once and all filled at rest are the
bounds; between them the law of :mod:`gammacore.execution.resting` with the price seen once, as trades print,
and at every moment.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.config import Config
from gammacore.contracts import Future, Perpetual, Settlement, inverse_pnl, linear_pnl
from gammacore.daycount import NS_PER_HOUR
from gammacore.episode import RESTED, HedgeFills
from gammacore.execution.costs import HOURS
from gammacore.execution.resting import LOOKS_S, OFTEN_S, ONCE_S
from gammacore.hedging import Ladder

from ..replay.build import build_exchange
from ..replay.fills import SimulatedExchange
from ..replay.runs import EpisodeRun, Run
from ..replay.tape import Tape
from .fills_measured import measured_fills
from .performance import number, returns_on_premium

LAWS = {"low": ONCE_S, "expected": LOOKS_S, "high": OFTEN_S}
BOUNDS = ("all_taker", *LAWS, "all_maker")

__all__ = ["BOUNDS", "hedge_fills", "model_of", "option_fills"]


class _Ways(NamedTuple):
    """The worked hedges of one account: whether they rested, what they cost, and would have, one each."""

    rested: Ints
    paid: Floats
    costs: dict[str, Floats]
    chances: dict[str, Floats]


def hedge_fills(run: Run) -> dict[str, Any]:
    """Summarise how the hedges of a run were filled.

    Returns
    -------
    dict
        As ``docs/report.md`` says; what was not drawn, or has no bounds, is None.
    """
    exchange = build_exchange(run.config, run.tape)
    ways = [_ways(done, run.tape, exchange) for done in run.traded]
    orders = sum(len(way.paid) for way in ways)
    makers = sum(int(np.count_nonzero(way.rested)) for way in ways)
    bounded = not isinstance(run.desk.policy, Ladder)
    drawn = bounded and run.config.execution.hedges == "post_only" and run.config.execution.fills == "bars"
    share = {name: _mean(np.concatenate([w.chances[name] for w in ways])) for name in LAWS} if ways else {}
    profits = {name: _profits(run, ways, name) if bounded else None for name in BOUNDS}
    if not drawn:
        profits |= dict.fromkeys(LAWS)
    return {
        "model": model_of(run.config, run.tape),
        "half_spread_bp": [round(1e4 * half, 6) for half in exchange.costs.half_spread],
        "recorded": run.recorded,
        "measured": _measured(run, ways),
        "orders": orders,
        "makers": makers,
        "maker_share": makers / orders if orders else None,
        **{f"maker_share_{name}": share.get(name) if drawn else None for name in LAWS},
        "pnl": {name: None if p is None else number(math.fsum(p)) for name, p in profits.items()},
        "mean_pnl_over_premium": {
            name: None if p is None or run.book is not None else _mean(_over_premium(run, p))
            for name, p in profits.items()
        },
    }


def _measured(run: Run, ways: list[_Ways]) -> dict[str, Any] | None:
    """Carry what sessions measured of fills to this run."""
    profit = math.fsum(float(_native_profit(done)) for done in run.traded)
    fees = math.fsum(float(done.episode.hedge_fills().fee.sum()) for done in run.traded)
    return measured_fills(run.config.report.fill_parity, profit, fees)


def _native_profit(done: EpisodeRun) -> float:
    ledger = done.episode.ledger
    return float(ledger.profit()[ledger.native])


def model_of(config: Config, tape: Tape) -> str:
    """Say by which model hedges were filled."""
    if config.hedge.rule == "ladder":
        return "Orders of the ladder fill at their price once the mark is through it; others take at once."
    if config.execution.fills == "recorded":
        queue = {"behind": "all behind us", "pro_rata": "in proportion", "power": "by a power law"}
        way, where = np.mean(config.execution.latency_ms), queue[config.execution.queue]
        return (
            f"Hedges are filled against the recorded book: {way:g} ms each way, behind all at their price; "
            f"others cancel {where}. Where the book is not known, bars decide."
        )
    if config.execution.hedges == "taker":
        return "Hedges take at once, at half the spread from the mark."
    if config.execution.hedges == "maker":
        return "Every hedge fills at once at its own side of the spread: a bound that nobody trades at."
    closes = tape.prices is None or tape.prices.high is None
    bars, doubt = (
        ("closes", " Closes alone fill more hedges than highs and lows do.") if closes else ("bars", "")
    )
    return (
        f"Hedges rest for {config.execution.patience} at their own side, then take. Filled by {bars} alone: "
        "drawn with the chance that the price trades through within that time, by a Brownian bridge to the "
        "next close that is seen once a second. The band: seen at every moment, or only at the end." + doubt
    )


def option_fills(run: Run) -> dict[str, Any] | None:
    """Summarise how options that rest were filled; None where all take at once."""
    if run.options is None:
        return None
    working = run.config.execution
    ways = {
        "take": "take at once",
        "post": f"rest for {working.option_patience}, come nearer by {working.improve_ticks} ticks every "
        f"{working.improve_every}, and are given up",
        "mid_then_take": f"rest in the middle for {working.option_patience}, then take",
    }
    words = (
        f"Entries {ways[working.options]}; exits {ways[working.option_exits]}. Between chains quotes move "
        "with the model's value at a price drawn within each bar; what rests fills once the other side went "
        "through it, whole, and is booked at the bar's end."
    )
    return {"model": words, **run.options}


def _profits(run: Run, ways: list[_Ways], name: str) -> Floats:
    """Profit of each account if its hedges had been filled in one way, settlement currency."""
    accounts = run.accounts if run.book is None else [run.book]
    profit: Floats = np.array([done.episode.ledger.profit()[run.native] for done in accounts])
    gained: Floats = np.array([float(np.sum(way.paid - way.costs[name])) for way in ways])
    return np.asarray(profit + gained)


def _over_premium(run: Run, profit: Floats) -> Floats:
    """Return on premium of the episodes that have one."""
    found = np.asarray(returns_on_premium(profit, np.array([d.episode.premium for d in run.episode_runs])))
    return found[np.isfinite(found)]


def _mean(values: Floats) -> float | None:
    return number(float(values.mean())) if len(values) else None


def _ways(done: EpisodeRun, tape: Tape, exchange: SimulatedExchange) -> _Ways:
    whole = done.episode.hedge_fills()
    fills = whole.of(whole.worked > 0)
    instrument, bars = done.episode.hedge.instrument, exchange.bars
    assert bars is not None
    side = np.sign(fills.amount)
    taken = _quote(exchange, instrument, side, fills.mark, fills.ts_ns)
    own = _quote(exchange, instrument, -side, fills.mark, fills.ts_ns)
    maker = _cost(exchange, instrument, fills, own, maker=True)
    costs = {"all_taker": _cost(exchange, instrument, fills, taken, maker=False), "all_maker": maker}
    at = np.searchsorted(tape.ts_ns, fills.ts_ns, side="right") - 1
    chances = {}
    for name, looks_s in LAWS.items():
        chance, missed = bars.chances(at, fills.ts_ns, fills.amount, own, fills.mark, looks_s)
        late = _quote(exchange, instrument, side, fills.mark * (1.0 - side * missed), fills.ts_ns)
        waited = _cost(exchange, instrument, fills, late, maker=False)
        chances[name], costs[name] = chance, chance * maker + (1.0 - chance) * waited
    paid = _slippage(instrument, fills, fills.price) + fills.fee
    return _Ways((fills.worked == RESTED).astype(np.int64), paid, costs, chances)


def _quote(
    exchange: SimulatedExchange, instrument: Future | Perpetual, side: Floats, mark: Floats, ts_ns: Ints
) -> Floats:
    """Best prices of the other side of orders, as the exchange makes them."""
    half = np.array(exchange.costs.half_spread)[ts_ns // NS_PER_HOUR % HOURS]
    price: Floats = mark * (1.0 + side * half)
    if not exchange.on_ticks or not len(price):
        return price
    spec = exchange.grids.spec_for(instrument)
    return np.where(side > 0, spec.round_price(price, "up"), spec.round_price(price, "down"))


def _cost(
    exchange: SimulatedExchange,
    instrument: Future | Perpetual,
    fills: HedgeFills,
    price: Floats,
    *,
    maker: bool,
) -> Floats:
    """Fee and price of fills at other prices, settlement currency."""
    fee, steps = np.zeros(len(price)), exchange.fees.steps
    which = np.maximum(np.searchsorted([start for start, _ in steps], fills.ts_ns, side="right") - 1, 0)
    for k, (_, rates) in enumerate(steps):
        now = which == k
        size = np.abs(fills.amount[now])
        fee[now] = exchange.costs.fee(rates, instrument, size, price[now], maker=maker)
    cost: Floats = _slippage(instrument, fills, price) + fee
    return cost


def _slippage(instrument: Future | Perpetual, fills: HedgeFills, price: Floats) -> Floats:
    """Loss of fills against the mark, settlement currency."""
    inverse = instrument.settlement is Settlement.INVERSE
    return -np.asarray((inverse_pnl if inverse else linear_pnl)(fills.amount, price, fills.mark))
