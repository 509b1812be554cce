"""From a run to tables: episodes, fills, scalps, intervals, the profit curve, the summary.

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

from gammacore.array_types import Floats, Ints
from gammacore.attribution import LINES, VegaParts, share_of
from gammacore.contracts import Future, Option
from gammacore.daycount import NS_PER_HOUR, format_time
from gammacore.expansion import Method
from gammacore.ledger import Money
from gammacore.scalps import Scalps, intervals, scalps
from gammacore.volatility import realised_vol

from ..replay.market import LoadedMarket
from ..replay.runs import EpisodeRun, Run
from .capital import capital_tied
from .hedge_fills import hedge_fills, option_fills
from .margins import liquidation_figures, margin_figures
from .performance import Earned, number, performance, premium_of, profit_steps, returns_on_premium
from .reasons import reasons
from .research import breakeven_move_a_day, captured, entry_vol, rv_at_hedges
from .run_exposures import RunExposures
from .vega_parts import part_figures
from .verdict import luck, verdict

_OF_LINES = tuple(f"{line}_{currency}" for line in LINES for currency in ("coin", "usd"))
EPISODE_COLUMNS = (
    *(
        "episode",
        "entry",
        "expiry",
        "closed",
        "close_reason",
        "instruments",
        "strikes",
        "contracts",
        "sized_by",
    ),
    *("side", "premium_coin", "premium_usd", "iv_entry", "rv", "rv_over_iv_less_1", "rv_at_hedges"),
    *("breakeven_move_a_day_usd", "breakeven_move_a_day", "theta_paid_coin", "theta_paid_usd"),
    *("gamma_over_theta", "capture_ratio", "hedges", "delivery_price_usd", "pnl_coin", "pnl_usd"),
    *("pnl_over_premium", "unexplained_share", "higher_order_share", *_OF_LINES),
)
SCALP_COLUMNS = ("episode", "opened", "closed", "hours", "closed_by", *Scalps._fields[3:])
INTERVAL_COLUMNS = (
    *("episode", "start", "end", "index_start_usd", "index_end_usd"),
    *_OF_LINES,
    *("pnl_coin", "pnl_usd"),
)


def _episode_row(run: Run, done: EpisodeRun) -> dict[str, Any]:
    episode, parts = done.episode, done.attribution
    ts = run.tape.ts_ns[parts.start : done.last + 1]
    profit, premium = episode.ledger.profit(), premium_of(episode)
    native = episode.ledger.native
    iv, rv = entry_vol(episode, run.tape, parts.start), realised_vol(ts, parts.forward)
    breakeven = breakeven_move_a_day(episode, run.tape, parts.start)
    kept = captured(parts.totals, profit, native)
    row: dict[str, Any] = {
        "episode": episode.number,
        "entry": format_time(episode.entry_ns),
        "expiry": format_time(episode.expiry_ns),
        "closed": format_time(episode.close_ns) if episode.close_ns else "",
        "close_reason": episode.close_reason or "open",
        "instruments": " ".join(option.name for option in episode.entered),
        "strikes": " ".join(f"{k:g}" for k in sorted({option.strike for option in episode.entered})),
        "contracts": abs(next(iter(episode.entered.values()))),
        "sized_by": episode.sized_by,
        "side": "long" if next(iter(episode.entered.values())) > 0 else "short",
        "premium_coin": premium.coin,
        "premium_usd": premium.usd,
        "iv_entry": iv,
        "rv": rv,
        "rv_over_iv_less_1": rv / iv - 1.0,
        "rv_at_hedges": rv_at_hedges(episode, parts),
        "breakeven_move_a_day_usd": breakeven,
        "breakeven_move_a_day": breakeven / float(parts.forward[0]),
        "theta_paid_coin": 0.0 - parts.totals["theta"].coin,
        "theta_paid_usd": 0.0 - parts.totals["theta"].usd,
        "gamma_over_theta": kept.gamma_over_theta,
        "capture_ratio": kept.ratio,
        "hedges": episode.hedges,
        "delivery_price_usd": episode.delivery_price,
        "pnl_coin": profit.coin,
        "pnl_usd": profit.usd,
        "pnl_over_premium": float(returns_on_premium(profit[native], episode.premium)),
        "unexplained_share": share_of("unexplained", [parts.sizes]),
        "higher_order_share": share_of("higher_order", [parts.sizes]),
    }
    for line in LINES:
        row[f"{line}_coin"], row[f"{line}_usd"] = parts.totals[line]
    return row


def episode_table(run: Run) -> pd.DataFrame:
    """One row per episode: contract, premium, volatility paid and realised, profit by line."""
    rows = [_episode_row(run, done) for done in run.episode_runs]
    return pd.DataFrame(rows, columns=[*rows[0]] if rows else EPISODE_COLUMNS)


def fill_table(run: Run, seen: RunExposures) -> pd.DataFrame:
    """One row per fill, in order of time; amounts in the exchange's unit, fees in the settlement currency.

    Deltas, in coin, are those of the whole episode before and after a fill of its hedge.
    """
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
            "maker" if fill.maker else "taker",
            *delta,
            fill.ts_ns,
        )
        for done, deltas in zip(run.traded, seen.deltas, strict=True)
        for fill, delta in zip(done.episode.fills, _beside(done, deltas), strict=True)
    ]
    names = ["time", "episode", "purpose", "instrument", "kind", "amount", "price", "mark", "fee"]
    names += ["liquidity", "delta_before", "delta_after", "ts_ns"]
    return pd.DataFrame(rows, columns=names).sort_values("ts_ns", kind="stable", ignore_index=True)


def _beside(done: EpisodeRun, deltas: tuple[Floats, Floats]) -> list[tuple[float, float]]:
    """Deltas around every fill of an episode; NaN for those of options."""
    hedged = iter(zip(*(side.tolist() for side in deltas), strict=True))
    nothing = (math.nan, math.nan)
    return [nothing if isinstance(fill.instrument, Option) else next(hedged) for fill in done.episode.fills]


def _times(ts_ns: Ints) -> npt.NDArray[np.object_]:
    """Write times as text, formatting each different one once."""
    unique, where = np.unique(ts_ns, return_inverse=True)
    return np.array([format_time(int(t)) for t in unique], dtype=object)[where]


def _stacked(parts: list[dict[str, Any]], names: tuple[str, ...]) -> pd.DataFrame:
    """Tables of all episodes, one above the other; without an episode the names of their columns alone."""
    if not parts:
        return pd.DataFrame(columns=names)
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def scalp_table(run: Run) -> pd.DataFrame:
    """One row per scalp, see :class:`gammacore.scalps.Scalps`; ``rest`` says who closed what was left."""
    parts = []
    for done in run.episode_runs:
        found, episode = scalps(done.episode, done.attribution), done.episode
        ending = "delivery" if math.isfinite(episode.delivery_price) else "mark"
        parts.append(
            {
                "episode": np.full(len(found.amount), episode.number),
                "opened": _times(found.opened_ns),
                "closed": _times(found.closed_ns),
                "hours": (found.closed_ns - found.opened_ns) / NS_PER_HOUR,
                "closed_by": np.where(found.still_open, ending, "hedge"),
                **{name: getattr(found, name) for name in found._fields[3:]},
            }
        )
    return _stacked(parts, SCALP_COLUMNS)


def interval_table(run: Run) -> pd.DataFrame:
    """One row per interval between two hedges: its ends, and the profit of every line within it."""
    parts = []
    for done in run.episode_runs:
        found, seen = intervals(done.episode, done.attribution), done.attribution
        ends = np.append(found.first[1:], len(seen.rate) - 1)
        columns: dict[str, Any] = {
            "episode": np.full(len(ends), done.episode.number),
            "start": _times(seen.ts_ns[found.first]),
            "end": _times(seen.ts_ns[ends]),
            "index_start_usd": seen.rate[found.first],
            "index_end_usd": seen.rate[ends],
        }
        for line in LINES:
            columns[f"{line}_coin"], columns[f"{line}_usd"] = found.coin[line], found.usd[line]
        for currency in ("coin", "usd"):
            columns[f"pnl_{currency}"] = np.sum([columns[f"{line}_{currency}"] for line in LINES], axis=0)
        parts.append(columns)
    return _stacked(parts, INTERVAL_COLUMNS)


def profit_table(run: Run, seen: RunExposures) -> pd.DataFrame:
    """Cumulative profit and its lines on a regular grid (``report.pnl_every``) of the tape's times."""
    tape = run.tape
    every = run.config.report.pnl_every.ns
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
            steps = profit_steps(run, line, currency)
            total += steps
            columns[f"{line}_{currency}"] = np.cumsum(steps)[shown]
    for currency, total in sums.items():
        columns[f"pnl_{currency}"] = np.cumsum(total)[shown]
    columns["gamma_held_coin_per_percent"] = seen.gamma[shown]
    columns["theta_held_usd_per_day"] = seen.theta[shown]
    return pd.DataFrame(columns)


def _future_listed(run: Run) -> list[bool]:
    """For episodes hedged in a dated contract: whether the exchange listed one at entry."""
    return [
        run.tape.future_listed(done.episode.expiry_ns, done.attribution.start)
        for done in run.episode_runs
        if isinstance(done.episode.hedge.instrument, Future)
    ]


def _exact_sum(values: list[Money]) -> Money:
    return Money(math.fsum(v.coin for v in values), math.fsum(v.usd for v in values))


def _correlation(x: Floats, y: Floats) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if len(x) > 2 and x.std() > 0 and y.std() > 0 else math.nan


def _other_attribution(run: Run) -> tuple[str, dict[str, dict[str, float]]]:
    """Name and lines of the method that the run did not use."""
    used = run.config.report.attribution
    other: Method = "revaluation" if used == "taylor" else "taylor"
    found = [d.explained(other).totals for d in run.accounts]
    return other, {line: _exact_sum([totals[line] for totals in found])._asdict() for line in LINES}


def _alarm(run: Run, episodes: pd.DataFrame) -> dict[str, Any]:
    """Episodes with more unexplained than allowed."""
    allowed = run.config.report.unexplained_alarm
    over = episodes[episodes["unexplained_share"] > allowed] if len(episodes) else episodes
    return {
        "allowed": allowed,
        "largest": float(episodes["unexplained_share"].max()) if len(episodes) else 0.0,
        "episodes": [int(number) for number in over["episode"]] if len(over) else [],
    }


def _scalp_figures(found: pd.DataFrame) -> dict[str, Any]:
    """Figures of the closed scalps, after fees."""
    if not len(found):
        return {"n": 0, "won": None, "median_hours": None, "mean_usd": None, "mean_coin": None}
    closed = found[found["closed_by"] == "hedge"]
    net = closed["pnl_usd"] + closed["fees_usd"]
    return {
        "n": len(closed),
        "won": _mean(net > 0),
        "median_hours": number(closed["hours"].median()),
        "mean_usd": _mean(net),
        "mean_coin": _mean(closed["pnl_coin"] + closed["fees_coin"]),
    }


def _mean(values: pd.Series) -> float | None:
    return number(float(values.mean())) if len(values) else None


def _closed_by(episodes: pd.DataFrame) -> dict[str, int]:
    """Count why episodes closed, the most frequent first; ``open`` for those that did not."""
    return dict(Counter(episodes["close_reason"]).most_common()) if len(episodes) else {}


def _recalibration(run: Run) -> dict[str, Any] | None:
    """Say on what corrected probabilities of a profit rested; None where none was asked for."""
    signal, ts = run.desk.strategy.signal, run.tape.ts_ns
    if signal is None or signal.recalibration is None or signal.min_probability is None:
        return None
    last, known = signal.correction(int(ts[-1])), signal.recalibration.corrections
    if last is None:
        return {"since": None, "straddles": 0, "weeks": 0}
    since = format_time(max(known[0].from_ns, int(ts[0])))
    return {"since": since, "straddles": last.straddles, "weeks": last.weeks}


def summarise(
    run: Run,
    market: LoadedMarket,
    episodes: pd.DataFrame,
    scalped: pd.DataFrame,
    margins: pd.DataFrame,
    earned: Earned,
    parts: list[VegaParts] | None,
) -> dict[str, Any]:
    """Headline figures with stable keys; the lines of ``attribution`` sum to ``total``.

    Every figure is defined in ``docs/report.md``.
    """
    done = run.episode_runs
    lines = {line: _exact_sum([d.attribution.totals[line] for d in run.accounts]) for line in LINES}
    fees, funding = lines["fees"], lines["funding"]
    over = episodes["pnl_over_premium"].to_numpy(dtype=np.float64) if done else np.empty(0)
    edge = episodes["rv_over_iv_less_1"].to_numpy(dtype=np.float64) if done else np.empty(0)
    both = np.isfinite(over) & np.isfinite(edge)  # an option marked at nothing costs none
    native_usd = run.native == 1
    kept = captured(lines, _exact_sum([d.episode.ledger.profit() for d in run.accounts]), int(native_usd))
    other, other_lines = _other_attribution(run)
    found = performance(earned)
    p_value = number(luck(found.pop("daily")))
    premium = found.pop("premium")
    gained = found["total"]["usd" if native_usd else "coin"]
    margin = margin_figures(margins, run.config, gained)
    peak = float(capital_tied(run).max()) if done else 0.0
    if run.config.margin.model == "portfolio":
        peak = margin["portfolio"]["peak_initial"] or 0.0
    sizes = [d.attribution.sizes for d in done]
    summary = {
        "verdict": "",
        "currency": run.config.currency,
        "accounting_currency": "USD" if native_usd else run.config.coin,
        "simulated_data": market.simulated,
        "closed_by": _closed_by(episodes),
        "n_episodes_open": sum(not d.episode.close_ns for d in done),
        "n_episodes_skipped": run.skipped,
        **found,
        "p_value": p_value,
        "return_on_margin": number(gained / peak if peak > 0 else math.nan),
        "peak_capital": peak,
        "margin": margin,
        "liquidation": liquidation_figures(run),
        "unexplained_share": number(share_of("unexplained", sizes)) if done else None,
        "higher_order_share": number(share_of("higher_order", sizes)) if done else None,
        "attribution": {line: money._asdict() for line, money in lines.items()},
        **part_figures(lines["vega"], parts),
        "attribution_method": run.config.report.attribution,
        "attribution_clock": run.config.report.clock,
        f"attribution_{other}": other_lines,
        "unexplained_alarm": _alarm(run, episodes),
        "fees": {"coin": 0.0 - fees.coin, "usd": 0.0 - fees.usd},  # not -x: no fees are 0.0, never -0.0
        "funding": funding._asdict(),
        "premium": premium,
        "corr_pnl_rv_over_iv": number(_correlation(over[both], edge[both])),
        "mean_iv_entry": number(episodes["iv_entry"].mean() if done else math.nan),
        "mean_rv": number(episodes["rv"].mean() if done else math.nan),
        "mean_rv_at_hedges": _mean(episodes["rv_at_hedges"].dropna()) if done else None,
        "mean_breakeven_move_a_day": _mean(episodes["breakeven_move_a_day"].dropna()) if done else None,
        "theta_paid": {"coin": 0.0 - lines["theta"].coin, "usd": 0.0 - lines["theta"].usd},
        "gamma_over_theta": number(kept.gamma_over_theta),
        "capture_ratio": number(kept.ratio),
        "scalps": _scalp_figures(scalped),
        "n_episodes_future_not_listed": sum(not d for d in _future_listed(run)),
        "hedge_fills": hedge_fills(run),
        "option_fills": option_fills(run),
        "recalibration": _recalibration(run),
        "engine": run.engine,
        "deliveries": dict(Counter(settled.source for settled in run.deliveries.values())),
        "reasons": reasons(run, [d.episode.hedges for d in done]),
        "data": market.provenance,
    }
    summary["verdict"] = verdict(summary)
    return summary
