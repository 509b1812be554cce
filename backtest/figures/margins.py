"""Margin of a run through time, by both models, against what the account would have had."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_HOUR, format_time
from gammacore.errors import ContractError
from gammacore.margin import Books, MarginSchedule, future_margins, option_margins, portfolio_margins
from gammacore.portfolio import LIQUIDATED
from gammacore.terms import margins_of
from gammacore.valuation import value

from ..replay.runs import EpisodeRun, Run
from ..replay.tape import Tape
from .returns import Curves

__all__ = ["liquidation_figures", "liquidation_table", "margin_figures", "margin_table"]


class _Held(NamedTuple):
    """One instrument at the moments at which it is held; money in the settlement currency."""

    instrument: Option | Future | Perpetual
    rows: Ints  # of the table
    size: Floats  # coins, signed
    price: Floats  # of the underlying or the future, USD
    vol: Floats
    tau: Floats
    mark: Floats  # of an option, coin or USDC


def margin_table(run: Run, curves: Curves) -> pd.DataFrame:
    """Table of initial and maintenance margin by both models at the end of every hour.

    Parameters
    ----------
    run : Run
    curves : dict of 'coin' and 'usd' to array, shape (entries,)
        Its cumulative profit, see :func:`gammacore.backtest.figures.returns.profit_curves`.

    Returns
    -------
    DataFrame
        ``time``, ``ts_ns``; ``standard_initial``, ``standard_maintenance``, ``portfolio_initial``,
        ``portfolio_maintenance``, ``equity`` and ``options_value``, all in the settlement currency. Portfolio
        margin is NaN for a coin without parameters, the equity without ``size.equity``.
    """
    tape = run.tape
    hours = tape.ts_ns // NS_PER_HOUR
    entries = np.flatnonzero(np.append(hours[1:] != hours[:-1], True))
    ts = tape.ts_ns[entries]
    held = [*_options(run, tape, ts, entries), *_hedges(run, tape, ts, entries)]
    margins = margins_of(run.config)
    standard = _standard(held, ts, margins)
    portfolio = _portfolio(held, ts, tape.index[entries], margins, run)
    worth = np.zeros(len(ts))
    for one in held:
        worth[one.rows] += one.size * one.mark
    native = "usd" if run.config.linear else "coin"
    start = np.nan if run.config.size.equity is None else run.config.size.equity
    return pd.DataFrame(
        {
            "time": [format_time(int(t)) for t in ts],
            "ts_ns": ts,
            "standard_initial": standard[0],
            "standard_maintenance": standard[1],
            "portfolio_initial": portfolio[0],
            "portfolio_maintenance": portfolio[1],
            "equity": start + curves[native][entries],
            "options_value": worth,
        }
    )


def margin_figures(table: pd.DataFrame, config: Any, earned: float) -> dict[str, Any]:
    """Peaks of both models, the return on each, and the largest use of the account's own.

    Parameters
    ----------
    table : DataFrame
        See :func:`margin_table`.
    config : Config
    earned : float
        Profit, settlement currency.

    Returns
    -------
    dict
        None where a figure does not exist.
    """
    found: dict[str, Any] = {"model": config.margin.model}
    balance = {"standard": table["equity"] - table["options_value"], "portfolio": table["equity"]}
    for model, against in balance.items():
        initial, maintenance = table[f"{model}_initial"], table[f"{model}_maintenance"]
        peak = float(initial.max()) if len(initial) else np.nan
        found[model] = {
            "peak_initial": _number(peak),
            "peak_maintenance": _number(float(maintenance.max()) if len(initial) else np.nan),
            "return_on_peak": _number(earned / peak if peak > 0 else np.nan),
            "max_use": _number(_largest(initial, against)),
            "max_maintenance_use": _number(_largest(maintenance, against)),
        }
    return found


def liquidation_table(run: Run) -> pd.DataFrame:
    """Table of the rounds in which the exchange took positions, see :class:`Liquidation`."""
    rows = [
        (format_time(r.ts_ns), r.instrument.name, r.amount, r.price, r.fee, r.maintenance, r.balance)
        for r in run.liquidations
    ]
    names = ["time", "instrument", "amount", "price", "fee", "maintenance_margin", "margin_balance"]
    return pd.DataFrame(rows, columns=names)


def liquidation_figures(run: Run) -> dict[str, Any]:
    """Count rounds, the episodes whose options they took whole, and their fees, settlement currency.

    ``modelled`` says whether the run knew what the account has, without which nothing is liquidated.
    """
    rounds = run.liquidations
    return {
        "modelled": run.config.size.equity is not None,
        "rounds": len(rounds),
        "episodes": sum(done.episode.close_reason == LIQUIDATED for done in run.episode_runs),
        "fees": sum(r.fee for r in rounds),
        "first": format_time(rounds[0].ts_ns) if rounds else None,
    }


def _largest(margin: pd.Series, balance: pd.Series) -> float:
    """Largest share of a balance; infinite where nothing is left of it."""
    needed, left = margin.to_numpy(np.float64), balance.to_numpy(np.float64)
    if not len(needed) or np.isnan(needed).any() or np.isnan(left).any():
        return np.nan
    share = np.where(left > 0, needed / np.where(left > 0, left, 1.0), np.where(needed > 0, np.inf, 0.0))
    return float(share.max())


def _number(found: float) -> float | None:
    return float(found) if np.isfinite(found) else None


def _options(run: Run, tape: Tape, ts: Ints, entries: Ints) -> list[_Held]:
    """Options held, summed over episodes."""
    amounts: dict[Option, Floats] = {}
    for done in run.traded:
        for fill in done.episode.option_fills():
            assert isinstance(fill.instrument, Option)
            amounts.setdefault(fill.instrument, np.zeros(len(ts)))[ts >= fill.ts_ns] += fill.amount
    found = []
    for option, amount in amounts.items():
        amount[ts >= option.expiry_ns] = 0.0
        at = np.flatnonzero(_is_held(amount))
        if not at.size:
            continue
        i, j = int(entries[at[0]]), int(entries[at[-1]]) + 1
        k = entries[at] - i
        forward, tau = tape.forward(option.expiry_ns, i, j)[k], tape.tau(option.expiry_ns, i, j)[k]
        vol = tape.vol(option, i, j)[k]
        mark = np.asarray(value(option, forward, tau, vol))
        found.append(_Held(option, at, amount[at], forward, vol, tau, mark))
    return found


def _hedges(run: Run, tape: Tape, ts: Ints, entries: Ints) -> list[_Held]:
    """Hedges held, one contract netted over episodes."""
    amounts: dict[Future | Perpetual, Floats] = {}
    for done in run.traded:
        hedge = done.episode.hedge.instrument
        amounts.setdefault(hedge, np.zeros(len(ts)))
        amounts[hedge] += _hedge_amount(done, ts)
    found = []
    for instrument, amount in amounts.items():
        at = np.flatnonzero(_is_held(amount))
        if not at.size:
            continue
        i, j = int(entries[at[0]]), int(entries[at[-1]]) + 1
        price = tape.future_price(instrument, i, j)[entries[at] - i]
        coins = amount[at] / price if instrument.settlement is Settlement.INVERSE else amount[at]
        none = np.zeros(len(at))
        tau = (
            none
            if isinstance(instrument, Perpetual)
            else tape.tau(instrument.expiry_ns, i, j)[entries[at] - i]
        )
        found.append(_Held(instrument, at, coins, price, none, tau, none))
    return found


def _hedge_amount(done: EpisodeRun, ts: Ints) -> Floats:
    """Size of a hedge at each moment, in its own unit; a future's delivery is no fill."""
    fills = done.episode.hedge_fills()
    running = np.concatenate([[0.0], np.cumsum(fills.amount)])[np.searchsorted(fills.ts_ns, ts, side="right")]
    over = bool(done.episode.end_ns) & (ts >= (done.episode.end_ns or 0))
    return np.asarray(np.where(over, 0.0, running))


def _is_held(amount: Floats) -> Bools:
    """Where a position is more than what rounding leaves of one that was closed."""
    return np.asarray(np.abs(amount) > 1e-9 * max(float(np.abs(amount).max(initial=0.0)), 1e-300))


def _standard(held: list[_Held], ts: Ints, margins: MarginSchedule) -> Floats:
    """Add up initial and maintenance margin of every moment, shape (2, moments)."""
    total = np.zeros((2, len(ts)))
    steps = [step.since_ns for step in margins.standard]
    when = np.maximum(np.searchsorted(steps, ts, side="right") - 1, 0)
    for one in held:
        for number in np.unique(when[one.rows]).tolist():
            part = when[one.rows] == number
            rates, rows = margins.standard[number].rates, one.rows[part]
            size, price = one.size[part], one.price[part]
            unit = 1.0 if one.instrument.settlement is Settlement.INVERSE else price
            if isinstance(one.instrument, Option):
                option, coins = one.instrument, np.maximum(-size, 0.0)
                each = option_margins(rates, option.kind, option.strike, price, one.mark[part] / unit)
            else:
                coins = np.abs(size)
                each = future_margins(rates, one.instrument.base, coins)
            for line, asked in zip(total, each, strict=True):
                line[rows] += coins * unit * asked
    return total


def _portfolio(held: list[_Held], ts: Ints, index: Floats, margins: MarginSchedule, run: Run) -> Floats:
    """Take initial and maintenance margin of every moment, (2, moments); NaN without parameters."""
    total = np.zeros((2, len(ts)))
    if not held:
        return total
    base, inverse = run.config.coin, held[0].instrument.settlement is Settlement.INVERSE
    try:
        starts = [margins.portfolio_step(int(t), base) for t in ts]
    except ContractError:
        return np.full((2, len(ts)), np.nan)
    rates_at = [step.rates for step in starts]
    for rates in dict.fromkeys(rates_at):
        rows = np.flatnonzero([one is rates or one == rates for one in rates_at])
        initial = portfolio_margins(_books(held, rows, index), rates, inverse=inverse)
        total[0, rows], total[1, rows] = initial, rates.mm_factor * initial
    return total


def _books(held: list[_Held], rows: Ints, index: Floats) -> Books:
    """Books of some moments as the compiled core takes them."""
    kept = [np.isin(one.rows, rows) for one in held]
    row = np.concatenate([np.searchsorted(rows, one.rows[k]) for one, k in zip(held, kept, strict=True)])
    lines, expiries = [], []
    for one, k in zip(held, kept, strict=True):
        option = one.instrument if isinstance(one.instrument, Option) else None
        kind, strike = (0.0, 1.0) if option is None else (float(option.kind), option.strike)
        fixed = np.tile([kind, strike], (int(k.sum()), 1))
        lines.append(np.column_stack([fixed, one.tau[k], one.vol[k], one.price[k]]))
        expiry_ns = -1 if isinstance(one.instrument, Perpetual) else one.instrument.expiry_ns
        expiries.append(np.full(len(fixed), expiry_ns))
    order = np.lexsort((np.concatenate(expiries), row))
    sizes = np.concatenate([one.size[k] for one, k in zip(held, kept, strict=True)])
    counts = np.bincount(row, minlength=len(rows))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ordered, book = np.concatenate(expiries)[order], row[order]
    # Expiries of one book follow one another: a new one begins where expiry or book changes.
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (ordered[1:] != ordered[:-1]) | (book[1:] != book[:-1])
    number = np.cumsum(fresh) - 1
    groups = number - number[offsets[:-1].clip(max=max(len(number) - 1, 0))][book] if len(number) else number
    return Books(index[rows], offsets, np.concatenate(lines)[order], groups.astype(np.int64), sizes[order])
