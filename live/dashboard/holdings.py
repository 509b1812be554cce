"""What a desk holds, in rows for a page: positions, Greeks in coin and in USD, delta against its band."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_MILLISECOND, NS_PER_SECOND
from gammacore.desk import Desk
from gammacore.episode import Episode
from gammacore.errors import LedgerError
from gammacore.hedging import Custom, Interval, Ladder, Move, Policy
from gammacore.hedging.policies import Banded, Moment
from gammacore.ledger import Money
from gammacore.market import Market
from gammacore.risk import Totals
from gammacore.valuation import sensitivities, shape

from ..follow import carried, mark_of
from ..pace import average_entry

Row = dict[str, Any]


class _Held(NamedTuple):
    """Value and Greeks of a position: USD value, coin delta, gamma per 1 %, vega and theta in USD."""

    value_usd: float
    delta: float
    gamma: float
    vega_usd: float
    theta_usd: float


def _option(option: Option, amount: float, market: Market) -> tuple[float, _Held]:
    """Mark, and what an amount of the option is worth and does."""
    forward, tau, vol = market.forward(option.expiry_ns), market.tau(option.expiry_ns), market.vol(option)
    seen, decay = shape(option, forward, tau, vol), sensitivities(option, forward, tau, vol)
    inverse = option.settlement is Settlement.INVERSE
    # Value at the index, as the ledger carries coin; decay at the forward, as gammacore.risk counts it.
    unit, rate = (forward, market.index) if inverse else (1.0, 1.0)
    mark, left = mark_of(option, market), market.settlement_weight(option.expiry_ns)
    return mark, _Held(
        float(amount * mark * rate),
        float(amount * left * seen.net_delta),
        float(amount * left**2 * seen.gamma * forward * 0.01),
        float(amount * seen.vega * 0.01),
        float(amount * left**2 * decay.theta * unit / 365.0),
    )


def positions(desk: Desk) -> list[Row]:
    """One row for each option and hedge of the open episodes.

    Returns
    -------
    list of dict
        ``size`` in the exchange's unit, ``entry`` and ``mark`` in its quote; ``value_usd`` of an option is
        its value, of a hedge its profit since the average entry; ``pnl_usd`` since the entry at the rate of
        now.
    """
    rows: list[Row] = []
    market = desk.market
    for episode in desk.portfolio.open.values():
        entry = average_entry(episode)
        for option, amount in episode.legs.items():
            mark, held = _option(option, amount, market)
            rate = market.index if option.settlement is Settlement.INVERSE else 1.0
            gained = amount * (mark - entry.get(option, math.nan)) * rate
            rows.append(
                _row(episode, option, amount, entry.get(option, math.nan), mark, gained, held)
                | {"vol": market.iv(option), "tau_days": max(option.expiry_ns - market.ts_ns, 0) / NS_PER_DAY}
            )
    for account in desk.portfolio.hedged:
        hedge = account.hedge
        if hedge.amount:
            price = market.future_price(hedge.instrument)
            won = float(hedge.unrealised(price)) * (market.index if hedge.inverse else 1.0)
            held = _Held(won, float(hedge.delta(price)), 0.0, 0.0, 0.0)
            rows.append(_row(account, hedge.instrument, hedge.amount, hedge.average, price, won, held))
    return rows


def _row(
    episode: Episode,
    instrument: Option | Future | Perpetual,
    size: float,
    entry: float,
    mark: float,
    gained: float,
    held: _Held,
) -> Row:
    return {
        "episode": episode.number,
        "adopted": episode.adopted,
        "instrument": instrument.name,
        "kind": type(instrument).__name__.lower(),
        "size": size,
        "entry": entry,
        "mark": mark,
        "pnl_usd": gained,
        **held._asdict(),
    }


def greeks(seen: Totals, index: float) -> Row:
    """Write the Greeks of all positions in both currencies; per 1 % of the price, vol point, and day."""
    return {
        "delta_coin": seen.delta,
        "delta_usd": seen.delta * index,
        "gamma_coin": seen.gamma,
        "gamma_usd": seen.gamma * index,
        "vega_coin": seen.vega_usd / index,
        "vega_usd": seen.vega_usd,
        "theta_coin": seen.theta_usd / index,
        "theta_usd": seen.theta_usd,
        "options_coin": seen.premium_usd / index,
        "options_usd": seen.premium_usd,
    }


class Profits:
    """Profit of all episodes at marks, NaN while an option has none; what has ended is added up once."""

    def __init__(self) -> None:
        self._settled, self._count = Money(0.0, 0.0), 0

    def look(self, desk: Desk) -> Money:
        """Profit by now."""
        portfolio = desk.portfolio
        for episode in portfolio.episodes[self._count :]:
            if episode.number in portfolio.open:
                break
            self._settled += episode.ledger.profit()
            self._count += 1
        total = self._settled
        for episode in portfolio.accounts[self._count :]:
            still = not episode.end_ns
            try:
                total += (carried(episode, desk) if still else episode).ledger.profit()
            except LedgerError:
                return Money(math.nan, math.nan)
        return total


def gauges(desk: Desk) -> list[Row]:
    """Delta of each open episode against what its rule allows.

    Returns
    -------
    list of dict
        ``mismatch`` is the delta to be hedged away, coin; ``below`` and ``above`` are the edges of the band
        (None where the rule has none in delta), ``inner`` those at which orders rest. ``measure`` is what the
        rule looks at instead: ``{"name", "value", "limit", "unit"}``.
    """
    found, market, policy = [], desk.market, desk.policy
    for episode in desk.portfolio.hedged:
        if not episode.open:
            continue
        at = desk.hedge.target.moment(episode, market, policy)
        below, above, inner = _edges(policy, at)
        hedge = float(episode.hedge.delta(at.price))
        found.append(
            {
                "episode": episode.number,
                "adopted": episode.adopted,
                "rule": type(policy.trigger if isinstance(policy, Custom) else policy).__name__,
                "target": desk.hedge.target.numeraire,
                "mismatch": float(at.mismatch),
                "below": below,
                "above": above,
                "inner": inner,
                "measure": _measure(policy, at),
                "hedge_delta": hedge,
                "hedges": episode.hedges,
                "last_hedge_ms": episode.last_hedge_ns // NS_PER_MILLISECOND or None,
                "last_hedge_price": episode.last_hedge_price,
            }
        )
    return found


def _edges(policy: Policy, at: Moment) -> tuple[float | None, float | None, float | None]:
    rule = policy.trigger if isinstance(policy, Custom) else policy
    if not isinstance(rule, Banded):
        return None, None, None
    below, above = rule.edges(at)
    return -float(below), float(above), rule.half_width if isinstance(rule, Ladder) else None


def _measure(policy: Policy, at: Moment) -> Row | None:
    """Say what a rule without a band looks at, and how far that may go."""
    rule = policy.trigger if isinstance(policy, Custom) else policy
    if isinstance(rule, Interval) and not rule.snapshots_only:
        spent = (at.ts_ns - at.last_ns) / NS_PER_SECOND if at.last_ns else 0.0
        return {
            "name": "since the last hedge",
            "value": spent,
            "limit": rule.every_ns / NS_PER_SECOND,
            "unit": "s",
        }
    if isinstance(rule, Move):
        moved = at.price - at.last_price
        value = {
            "usd": moved,
            "relative": at.price / at.last_price - 1.0,
            "sigma": math.log(at.price / at.last_price),
        }[rule.unit]
        unit = "USD" if rule.unit == "usd" else "share"
        return {"name": "price moved", "value": value, "limit": float(rule.threshold_at(at)), "unit": unit}
    return None
