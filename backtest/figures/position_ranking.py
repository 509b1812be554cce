"""Positions of one recorded chain, weighed by their break-even: every straddle, or a structure an expiry."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from gammacore.breakeven import Breakevens, Positions, TradePlan, breakevens
from gammacore.breakeven.recalibration import LONGEST_DAYS, Correction
from gammacore.build import FEED_NS, build_weigher
from gammacore.config import Config
from gammacore.contracts import Settlement
from gammacore.data import load_prices
from gammacore.data.dvol import load_dvol
from gammacore.data.recalibrations import rule_label
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR, format_time
from gammacore.errors import DataError
from gammacore.events import ChainSlice
from gammacore.forecasts import forecast_needs, with_forecast
from gammacore.volatility import Density
from gammacore.volatility.index_history import IndexHistory
from gammacore.volatility.learned_estimate import OLD_NS

from ..replay.market import index_history, load_market
from ..replay.tape import Tape
from .weighed import positions_to_weigh

LONGEST_NS = 2 * NS_PER_DAY  # that funding is averaged over


class RankedPositions(NamedTuple):
    """Positions, best first, and what they were weighed with."""

    ts_ns: int
    chain: ChainSlice
    simulated: bool
    funding: float
    forecast: str  # where it comes from
    plan: TradePlan
    found: Breakevens
    faults: tuple[str, ...] = ()  # of data that was forced
    refused: tuple[str, ...] = ()  # expiries without the structure, and why
    modelled: str = ""  # how chains were modelled from trades; empty if they were recorded
    correction: Correction | None = None  # of the probabilities, by signal.recalibrate
    told: str = ""  # what the correction rests on
    rule: str = ""  # of the hedge, with what it depends on

    def rows(self) -> list[dict[str, Any]]:
        """One dict a position; NaN where there is no figure."""
        chain, found = self.chain, self.found
        unit = "coin" if chain.settlement is Settlement.INVERSE else "usd"
        money = ("premium", "profit", "deviation", "fees", "spread", "hedging", "carry", "capital")
        table = []
        for i, legs in enumerate(found.rows):
            expiries = np.unique(chain.expiry_ns[legs])
            row: dict[str, Any] = {
                "legs": [
                    {"instrument": chain.option(int(leg)).name, "amount": float(amount)}
                    for leg, amount in zip(legs, found.amounts[i], strict=True)
                ],
                "expiries": [format_time(int(expiry)) for expiry in expiries],
                "days": float(found.tau[i]) * 365.0,
                "strikes": np.unique(chain.strike[legs]).tolist(),
            }
            for name in ("paid_vol", "breakeven", "forecast", "edge", "probability", "return_on_capital"):
                row[name] = float(getattr(found, name)[i])
            if self.told:
                row["recalibrated"] = self._recalibrated(row["probability"], row["days"])
            table.append(row | {f"{name}_{unit}": float(getattr(found, name)[i]) for name in money})
        return table

    def _recalibrated(self, probability: float, days: float) -> float:
        """Correct a probability; NaN for a life that is longer than those behind the correction."""
        if self.correction is None or days > LONGEST_DAYS:
            return math.nan
        return float(self.correction.apply(probability))


def rank_positions(
    config: Config,
    *,
    at_ns: int | None = None,
    structure: str | None = None,
    forecast: float | Literal["har", "combined"] | None = None,
    log_sd: float | None = None,
    max_delta: float = 0.6,
) -> RankedPositions:
    """Weigh the positions of the last chain at a moment.

    Parameters
    ----------
    config : Config
        Its data, entry, hedge, costs, exit and signal sections are used.
    at_ns : int, optional
        The last chain that was known then; by default the last one.
    structure : str, optional
        A structure that has a name, or ``legs`` for ``entry.legs``; by default what ``entry`` says. Straddles
        are weighed at every strike, all else once for each expiry that the first leg may have.
    forecast : float, 'har' or 'combined', optional
        Volatility that will be realised (median); or a density for each remaining life by
        :func:`gammacore.volatility.forecast_density` on a variance clock, for which prices must reach back
        two years (``combined`` also looks at ``data.dvol``); by default the estimate of ``signal.forecast``.
    log_sd : float, optional
        Instead of ``signal.log_sd``, the forecast's own errors, or the density's own.
    max_delta : float
        Straddles of larger delta (N(d1) of both legs) are left out.

    Returns
    -------
    RankedPositions

    Raises
    ------
    DataError
        If there is no such chain, or no forecast at it.
    """
    market = load_market(config, weighs=forecast is None)
    tape = market.tape
    config = with_forecast(config, tape.forecast)
    entry = _entry(tape, at_ns)
    event = tape.snapshot(entry)
    chain, ts_ns = event.chain, event.ts_ns
    funding = _funding(tape, entry)
    look_ns = FEED_NS if tape.look_ns is None else tape.look_ns
    weigher = build_weigher(config, look_ns=look_ns)
    plan = weigher.plan(chain, ts_ns, funding)
    plan = msgspec.structs.replace(plan, chain_every=_chain_every(tape))
    positions, refused = positions_to_weigh(config, structure, chain, ts_ns, max_delta)
    if isinstance(forecast, str):
        density = _densities(config, forecast, tape, ts_ns, chain, positions, plan.exit_before_ns, log_sd)
    else:
        # A number of the caller's own has errors that nobody knows.
        weigher = msgspec.structs.replace(
            weigher,
            log_sd=weigher.log_sd if log_sd is None else log_sd,
            errors=weigher.errors if forecast is None else None,
        )
        estimate = event.dvol if config.signal.forecast == "dvol" else event.estimate
        median = _known(estimate if forecast is None else forecast, config, ts_ns)
        density = weigher.density(median, weigher.years(chain, ts_ns, positions.rows), ts_ns)
    found = breakevens(chain, ts_ns, positions, plan, density).best_first()
    if not len(found.tau):
        hours = (plan.exit_before_ns or 0) / NS_PER_HOUR
        raise DataError(
            f"nothing to weigh at {format_time(ts_ns)}: all {len(positions.rows)} positions would be left "
            f"already, {hours:g} hours before their first expiry"
        )
    return RankedPositions(
        ts_ns,
        chain,
        market.simulated,
        funding,
        str(forecast or config.signal.forecast),
        plan,
        found,
        market.faults,
        refused,
        market.modelled,
        weigher.correction(ts_ns),
        weigher.behind(ts_ns),
        rule_label(config),
    )


def _known(vol: float, config: Config, ts_ns: int) -> float:
    if not (math.isfinite(vol) and vol > 0):
        needed = forecast_needs(config)
        raise DataError(f"no forecast at {format_time(ts_ns)}: it needs {needed}; or give a volatility")
    return vol


def _densities(
    config: Config,
    forecast: Literal["har", "combined"],
    tape: Tape,
    ts_ns: int,
    chain: ChainSlice,
    positions: Positions,
    exit_before_ns: int | None,
    log_sd: float | None,
) -> Density:
    """Density of the volatility until each exit, from the prices up to now."""
    from gammacore.volatility import HAR, daily_history, fit_clock, forecast_density

    data, prices = config.data, tape.prices
    if data.prices is not None:  # all of them, not only from the first chain on
        prices = load_prices(data.prices, currency=config.coin, end_ns=ts_ns + 1)
    if prices is None:
        raise DataError(f"data.prices: {forecast} needs price bars that reach back two years")
    past = prices.ts_ns <= ts_ns
    ts, close = prices.ts_ns[past], prices.close[past]
    try:
        history = daily_history(ts, close, origin_ns=ts_ns, clock=fit_clock(ts, close))
        implied, model = None, HAR(leverage=True) if forecast == "har" else forecast
        if forecast == "combined":
            implied = _index_of(config).last_before(history.end_ns, OLD_NS) ** 2
        expiries = chain.expiry_ns[positions.rows]
        ends = expiries.max(axis=1) if exit_before_ns is None else expiries.min(axis=1) - exit_before_ns
        found = {
            int(e): forecast_density(history, int(e) - ts_ns, model, implied_variance=implied)
            for e in np.unique(ends)
            if e > ts_ns
        }
    except ValueError as error:
        raise DataError(f"no forecast at {format_time(ts_ns)}: {error}") from None
    nothing = math.nan, math.nan
    each = [
        (float(found[e].median()), float(found[e].log_sd)) if e in found else nothing for e in ends.tolist()
    ]
    median, sd = np.array(each).reshape(-1, 2).T
    return Density.around(median, sd if log_sd is None else log_sd)


def _index_of(config: Config) -> IndexHistory:
    if config.data.dvol is None:
        raise DataError("data.dvol: combined looks at the volatility index; name a file of it, or take har")
    found = index_history(config, load_dvol(config.data.dvol))
    assert found is not None, "of a file"
    return found


def _entry(tape: Tape, at_ns: int | None) -> int:
    """Entry of the tape that published the last chain known at a moment."""
    published = np.flatnonzero(tape.chain_at >= 0)
    if at_ns is not None:
        published = published[tape.ts_ns[published] <= at_ns]
    if not published.size:
        first = format_time(int(tape.chains.snapshot_ts[0]))
        raise DataError(f"no chain was known at {format_time(at_ns or 0)}; the first is of {first}")
    return int(published[-1])


def _funding(tape: Tape, entry: int) -> float:
    """Funding per year that a long perpetual paid over the last two days, as a fraction of notional."""
    now = int(tape.ts_ns[entry])
    start = int(np.searchsorted(tape.ts_ns, now - LONGEST_NS))
    years = (now - int(tape.ts_ns[start])) / NS_PER_YEAR
    if years * 365.0 < 1.0:
        return 0.0
    unit = tape.index[entry] if tape.settlement is Settlement.INVERSE else 1.0 / tape.index[entry]
    return float((tape.interest[entry] - tape.interest[start]) * unit / years)


def _chain_every(tape: Tape) -> float | None:
    times = tape.chains.snapshot_ts
    return float(np.median(np.diff(times))) / NS_PER_YEAR if len(times) > 1 else None
