"""From a run to tables: episodes, fills, the profit curve, the summary.

Column names carry the unit. A fee is positive when paid, funding positive when received;
the lines of the attribution are all profits, so costs are negative there.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gammacore.attribution import LINES
from gammacore.backtest.market import Market
from gammacore.backtest.runner import Closed, Run
from gammacore.config import parse_duration
from gammacore.contracts import Future, Option
from gammacore.daycount import format_time
from gammacore.ledger import UNIT, Account, Money
from gammacore.volatility import realised_vol

__all__ = ["episode_table", "fill_table", "profit_table", "summarise"]

Floats = npt.NDArray[np.float64]


def _premium(done: Closed) -> Money:
    """Premium paid (negative when received), USD at the rate of the entry."""
    episode = done.episode
    paid = [
        entry for entry in episode.ledger.entries if entry.debit is Account.OPTIONS and entry.memo == "trade"
    ]
    opened = [entry for entry in paid if entry.ts_ns == episode.entry_ns]
    return Money(sum(e.coin for e in opened) * UNIT, sum(e.usd for e in opened) * UNIT)


def _entry_vol(run: Run, done: Closed) -> float:
    """Mean mark volatility of the options at entry."""
    first = done.attribution.start
    return float(np.mean([run.tape.vol(option, first, first + 1)[0] for option in done.episode.entered]))


def _episode_row(run: Run, done: Closed) -> dict[str, Any]:
    episode, parts = done.episode, done.attribution
    ts = run.tape.ts_ns[parts.start : done.last + 1]
    profit, premium = episode.ledger.profit(), _premium(done)
    native = episode.ledger.native
    iv, rv = _entry_vol(run, done), realised_vol(ts, parts.forward)
    row: dict[str, Any] = {
        "episode": episode.number,
        "entry": format_time(episode.entry_ns),
        "expiry": format_time(episode.expiry_ns),
        "closed": format_time(episode.close_ns) if episode.close_ns else "",
        "close_reason": episode.close_reason or "open",
        "instruments": " ".join(option.name for option in episode.entered),
        "strikes": " ".join(f"{k:g}" for k in sorted({option.strike for option in episode.entered})),
        "contracts": abs(next(iter(episode.entered.values()))),
        "side": "long" if next(iter(episode.entered.values())) > 0 else "short",
        "premium_coin": premium.coin,
        "premium_usd": premium.usd,
        "iv_entry": iv,
        "rv": rv,
        "rv_over_iv_less_1": rv / iv - 1.0,
        "hedges": episode.hedges,
        "delivery_price_usd": episode.delivery_price,
        "pnl_coin": profit.coin,
        "pnl_usd": profit.usd,
        "pnl_over_premium": profit[native] / abs(premium[native]),
    }
    for line in LINES:
        row[f"{line}_coin"], row[f"{line}_usd"] = parts.totals[line]
    return row


def episode_table(run: Run) -> pd.DataFrame:
    """One row per episode: contract, premium, volatility paid and realised, profit by line."""
    return pd.DataFrame([_episode_row(run, done) for done in run.closed])


def fill_table(run: Run) -> pd.DataFrame:
    """One row per fill, in order of time; amounts in the exchange's unit, fees in the settlement currency."""
    rows = [
        (
            format_time(fill.ts_ns),
            fill.episode,
            fill.order_id.split("-")[1],
            fill.instrument.name,
            "option" if isinstance(fill.instrument, Option) else "hedge",
            fill.amount,
            fill.price,
            fill.mark,
            fill.fee,
            fill.ts_ns,
        )
        for done in run.closed
        for fill in done.episode.fills
    ]
    names = ["time", "episode", "purpose", "instrument", "kind", "amount", "price", "mark", "fee", "ts_ns"]
    return pd.DataFrame(rows, columns=names).sort_values("ts_ns", kind="stable", ignore_index=True)


def profit_table(run: Run) -> pd.DataFrame:
    """Cumulative profit and its lines on a regular grid (``report.pnl_every``) of the tape's times."""
    tape = run.tape
    every = parse_duration(run.config.report.pnl_every)
    slots = tape.ts_ns // every
    shown = np.flatnonzero(np.append(slots[1:] != slots[:-1], True))
    columns: dict[str, Any] = {
        "time": [format_time(int(t)) for t in tape.ts_ns[shown]],
        "ts_ns": tape.ts_ns[shown],
        "index_usd": tape.index[shown],
    }
    sums = {currency: np.zeros(len(tape)) for currency in ("coin", "usd")}
    for line in LINES:
        for currency, total in sums.items():
            steps = _steps(run, line, currency)
            total += steps
            columns[f"{line}_{currency}"] = np.cumsum(steps)[shown]
    for currency, total in sums.items():
        columns[f"pnl_{currency}"] = np.cumsum(total)[shown]
    return pd.DataFrame(columns)


def _steps(run: Run, line: str, currency: str) -> Floats:
    """Profit of a line at every entry of the tape, over all episodes."""
    steps = np.zeros(len(run.tape))
    for done in run.closed:
        values = getattr(done.attribution, currency)[line]
        # Step k ends at entry start + k + 1; a delivery's last step at the next entry there is.
        ends = np.minimum(done.attribution.start + 1 + np.arange(len(values)), len(steps) - 1)
        np.add.at(steps, ends, values)
    return steps


def _future_listed(run: Run) -> list[bool]:
    """For episodes hedged in a dated contract: whether the exchange listed one at entry."""
    return [
        run.tape.future_listed(done.episode.expiry_ns, done.attribution.start)
        for done in run.closed
        if isinstance(done.episode.hedge.instrument, Future)
    ]


def _exact_sum(values: list[Money]) -> Money:
    return Money(math.fsum(v.coin for v in values), math.fsum(v.usd for v in values))


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def _correlation(x: Floats, y: Floats) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if len(x) > 2 and x.std() > 0 and y.std() > 0 else math.nan


def summarise(run: Run, market: Market, episodes: pd.DataFrame) -> dict[str, Any]:
    """Headline figures with stable keys; the lines of ``attribution`` sum to ``total``."""
    done = run.closed
    lines = {line: _exact_sum([d.attribution.totals[line] for d in done]) for line in LINES}
    fees, funding = lines["fees"], lines["funding"]
    over = episodes["pnl_over_premium"].to_numpy(dtype=np.float64) if done else np.empty(0)
    edge = episodes["rv_over_iv_less_1"].to_numpy(dtype=np.float64) if done else np.empty(0)
    native_usd = bool(done) and done[0].episode.ledger.native == 1
    return {
        "currency": run.config.currency,
        "accounting_currency": "USD" if native_usd else run.config.currency,
        "simulated_data": market.simulated,
        "n_episodes": len(done),
        "n_episodes_open": sum(not d.episode.close_ns for d in done),
        "n_episodes_skipped": run.skipped,
        "n_hedges": sum(d.episode.hedges for d in done),
        "total": _exact_sum([d.episode.ledger.profit() for d in done])._asdict(),
        "attribution": {line: money._asdict() for line, money in lines.items()},
        "fees": {"coin": 0.0 - fees.coin, "usd": 0.0 - fees.usd},  # not -x: no fees are 0.0, never -0.0
        "funding": funding._asdict(),
        "premium": _exact_sum([_premium(d) for d in done])._asdict(),
        "mean_pnl_over_premium": _number(over.mean() if len(over) else math.nan),
        "std_pnl_over_premium": _number(over.std(ddof=1) if len(over) > 1 else math.nan),
        "corr_pnl_rv_over_iv": _number(_correlation(over, edge)),
        "mean_iv_entry": _number(episodes["iv_entry"].mean() if done else math.nan),
        "mean_rv": _number(episodes["rv"].mean() if done else math.nan),
        "n_episodes_future_not_listed": sum(not d for d in _future_listed(run)),
        "quotes_missing": run.missing_quotes,
        "deliveries": dict(Counter(settled.source for settled in run.deliveries.values())),
        "data": market.provenance,
    }
