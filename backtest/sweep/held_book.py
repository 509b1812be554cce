"""An account's own book hedged by several rules, beside how it was really hedged.

All runs hold the same options at the same times; only the hedge differs. So their profits differ by what the
hedges earned and cost, and days are compared in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gammacore.array_types import Floats
from gammacore.attribution import slippage
from gammacore.build import build_policy, hedge_cost
from gammacore.config import Config, with_overrides
from gammacore.contracts import Option

from ..figures.performance import number
from ..figures.returns import Marks, daily_profit, profit_curves
from ..replay.holder import HolderPast
from ..replay.market import LoadedMarket
from ..replay.runner import replay
from ..replay.runs import Run
from .grid import cells

__all__ = ["ACTUAL", "UNHEDGED", "HedgedBook", "HeldBook", "compare_hedges", "held_config"]

ACTUAL, CONFIGURED, UNHEDGED = "as it was hedged", "the configured rule", "no hedge"
BLOCK, DRAWS, LEVEL, SEED = 5, 4_000, 0.95, 7
SHARES = (0.02, 0.05, 0.1, 0.25)  # of the coins held at most: widths of bands that are tried
EVERY = ("1h", "4h", "1d")
Progress = Callable[[str, int, int], None]


class HedgedBook(NamedTuple):
    """The book with one hedge.

    Attributes
    ----------
    name : str
    run : Run
    daily : array, shape (days,)
        Profit of each day, USD.
    figures : dict
        What :meth:`HeldBook.summary` writes of it.
    """

    name: str
    run: Run
    daily: Floats
    figures: dict[str, Any]


class HeldBook(NamedTuple):
    """The book with every hedge that was tried, the configured first, then the actual one."""

    config: Config
    past: HolderPast
    hedged: list[HedgedBook]

    def summary(self) -> dict[str, Any]:
        """Figures of all hedges, with stable keys; money in both currencies."""
        past = self.past
        return {
            "option_trades": len(past.options),
            "hedge_trades": len(past.hedges),
            "left_out": past.left_out,
            "hedges": [{"hedge": one.name, **one.figures} for one in self.hedged],
            "best": self.best.name,
        }

    @property
    def best(self) -> HedgedBook:
        """The hedge whose costs and risk weigh least, at ``hedge.risk_aversion``.

        What the hedges happened to earn does not count: a hedge's own profit is nil on average.
        """
        return min(self.hedged, key=lambda one: float(one.figures["burden_usd"]))

    def named(self, name: str) -> HedgedBook | None:
        """Find the book with one of the hedges."""
        return next((one for one in self.hedged if one.name == name), None)


def held_config(config: Config) -> Config:
    """Configure a book that is the holder's: nothing is entered, and one hedge is for all."""
    return with_overrides(config, {"entry.structure": "none", "entry.legs": [], "hedge.scope": "book"})


def compare_hedges(
    config: Config, market: LoadedMarket, past: HolderPast, progress: Progress | None = None
) -> HeldBook:
    """Hedge a book by the configured rule, as it was, not at all, and by other rules.

    Parameters
    ----------
    config : Config
        Of :func:`held_config`; with ``vary`` the rules tried are its combinations.
    market : LoadedMarket
    past : HolderPast
    progress : callable(name, done, total), optional
    """
    tape = market.tape
    tape.tell(past.prices)
    marks, found = Marks(tape), list[HedgedBook]()
    for name, changes, actual in _tried(config, past):
        settings = with_overrides(config, changes)
        trades = sorted(past.options + past.hedges, key=lambda t: t.ts_ns) if actual else past.options
        report = None if progress is None else lambda done, total, name=name: progress(name, done, total)
        run = replay(settings, tape, report, holder=trades, onlooker=actual)
        daily = daily_profit(profit_curves(run.accounts, marks)["usd"], marks)
        found.append(HedgedBook(name, run, daily, _figures(run, daily)))
    base = next(one for one in found if one.name == ACTUAL)
    for one in found:
        one.figures.update(_against(one.daily, base.daily))
    return HeldBook(config, past, found)


def _tried(config: Config, past: HolderPast) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Name, changes of the configuration, and whether nothing is decided."""
    plain: dict[str, Any] = {"vary": {}}
    yield CONFIGURED, plain, False
    yield ACTUAL, plain, True
    yield UNHEDGED, plain | {"hedge.rule": "never"}, False
    if config.vary:
        for cell in cells(config):
            yield cell.label, plain | cell.overrides, False
        return
    own = build_policy(config)
    most = _most_held(past)
    rules: list[tuple[str, dict[str, Any]]]
    rules = [(f"every {every}", {"hedge.rule": "interval", "hedge.every": every}) for every in EVERY]
    for share in SHARES:
        width = float(f"{share * most:.2g}")
        rules.append((f"band of {width:g} coin", {"hedge.rule": "band", "hedge.band": width}))
    if hedge_cost(config) > 0:
        rules.append(("Whalley and Wilmott's band", {"hedge.rule": "whalley_wilmott"}))
    for name, changes in rules:
        if build_policy(with_overrides(config, plain | changes)) != own:
            yield name, plain | changes, False


def _most_held(past: HolderPast) -> float:
    """Most coins of options held at one time, calls and puts, bought and sold."""
    held: dict[Option, float] = {}
    most = 0.0
    for trade in past.options:
        option = trade.instrument
        assert isinstance(option, Option)
        held = {o: amount for o, amount in held.items() if o.expiry_ns > trade.ts_ns}
        held[option] = held.get(option, 0.0) + trade.amount
        most = max(most, sum(map(abs, held.values())))
    return most


def _figures(run: Run, daily: Floats) -> dict[str, Any]:
    portfolio = run.desk.portfolio
    assert portfolio.book is not None
    assert run.book is not None
    total = portfolio.book.ledger.profit()
    lines = run.book.attribution.totals
    hedges = portfolio.book.hedge_fills()
    rate = float(run.tape.index[-1]) if portfolio.book.ledger.native == 0 else 1.0
    fees, spread = float(hedges.fee.sum()) * rate, 0.0 - _spread(run) * rate
    sd, aversion = float(daily.std(ddof=1)) if len(daily) > 1 else math.nan, run.config.hedge.risk_aversion
    risk = sd**2 if math.isfinite(sd) else 0.0
    return {
        "pnl_coin": total.coin,
        "pnl_usd": total.usd,
        "hedge_trades": len(hedges.fee),
        "hedge_fees_usd": fees,
        "spread_usd": spread,
        "funding_usd": lines["funding"].usd,
        "daily_sd_usd": number(sd),
        "worst_day_usd": number(float(daily.min())) if len(daily) else None,
        "burden_usd": fees + spread - lines["funding"].usd + 0.5 * aversion * len(daily) * risk,
    }


def _spread(run: Run) -> float:
    """Profit of the book's hedges from their prices rather than the marks, settlement currency."""
    assert run.book is not None
    fills = run.book.episode.hedge_fills()
    return float((fills.amount * slippage(fills, run.book.episode.hedge.inverse)).sum())


def _against(daily: Floats, base: Floats) -> dict[str, Any]:
    """Profit less that of the actual hedge, with the interval of drawing blocks of days again."""
    difference = daily - base
    if np.abs(difference).max(initial=0.0) < 1e-6:
        return {"less_actual_usd": 0.0, "low_usd": None, "high_usd": None, "better": None}
    drawn = _drawn(difference)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {
        "less_actual_usd": float(difference.sum()),
        "low_usd": float(low),
        "high_usd": float(high),
        "better": float((drawn > 0).mean()),
    }


def _drawn(difference: Floats) -> Floats:
    """Sum as many days, drawn in blocks around a circle: days follow each other."""
    rng, days = np.random.default_rng(SEED), len(difference)
    blocks = -(-days // BLOCK)
    starts = rng.integers(0, days, (DRAWS, blocks))
    picked = (starts[:, :, None] + np.arange(BLOCK)).reshape(DRAWS, -1)[:, :days] % days
    return np.asarray(difference[picked].sum(axis=1))
