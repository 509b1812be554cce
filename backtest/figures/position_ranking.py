"""Every straddle or strangle of one recorded chain, weighed by its break-even."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from gammacore import black76
from gammacore.breakeven import Breakevens, TradePlan, breakevens, straddles, strangles
from gammacore.breakeven.structures import forwards_of
from gammacore.build import build_weigher, signal_estimate
from gammacore.config import Config
from gammacore.contracts import CALL, PUT, Settlement
from gammacore.data import load_prices
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, format_time
from gammacore.errors import DataError
from gammacore.events import ChainSlice
from gammacore.volatility import Density

from ..replay.market import load_market
from ..replay.tape import Tape

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

    def rows(self) -> list[dict[str, Any]]:
        """One dict a position; NaN where there is no figure."""
        chain, found = self.chain, self.found
        unit = "coin" if chain.settlement is Settlement.INVERSE else "usd"
        money = ("premium", "profit", "deviation", "fees", "spread", "hedging", "carry", "capital")
        table = []
        for i, (call, put) in enumerate(zip(found.call.tolist(), found.put.tolist(), strict=True)):
            row: dict[str, Any] = {
                "call": chain.option(call).name,
                "put": chain.option(put).name,
                "expiry": format_time(int(chain.expiry_ns[call])),
                "days": float(found.tau[i]) * 365.0,
                "strikes": [float(chain.strike[put]), float(chain.strike[call])],
            }
            for name in ("paid_vol", "breakeven", "forecast", "edge", "probability", "return_on_capital"):
                row[name] = float(getattr(found, name)[i])
            table.append(row | {f"{name}_{unit}": float(getattr(found, name)[i]) for name in money})
        return table


def rank_positions(
    config: Config,
    *,
    at_ns: int | None = None,
    structure: Literal["straddle", "strangle"] = "straddle",
    forecast: float | Literal["har"] | None = None,
    log_sd: float | None = None,
    max_delta: float = 0.6,
) -> RankedPositions:
    """Weigh the positions of the last chain at a moment.

    Parameters
    ----------
    config : Config
        Its data, hedge, costs, exit and signal sections are used.
    at_ns : int, optional
        The last chain that was known then; by default the last one.
    structure : {'straddle', 'strangle'}
        At every strike, or one of each expiry at ``entry.delta``.
    forecast : float or 'har', optional
        Volatility that will be realised (median); or a density for each remaining life by
        :func:`gammacore.volatility.forecast_density` on a variance clock, for which prices must reach back
        two years; by default the estimate of ``signal.forecast``.
    log_sd : float, optional
        Instead of ``signal.log_sd``, or of the density's own.
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
    market = load_market(config, signal_estimate(config) if forecast is None else None)
    tape = market.tape
    entry = _entry(tape, at_ns)
    event = tape.snapshot(entry)
    chain, ts_ns = event.chain, event.ts_ns
    funding = _funding(tape, entry)
    plan = build_weigher(config).plan(chain, ts_ns, funding)
    plan = msgspec.structs.replace(plan, chain_every=_chain_every(tape))
    pairs = straddles(chain) if structure == "straddle" else strangles(chain, ts_ns, config.entry.delta)
    if structure == "straddle":
        near = np.abs(_deltas(chain, ts_ns, pairs)) <= max_delta
        pairs = pairs[0][near], pairs[1][near]
    if not len(pairs[0]):
        raise DataError(
            f"no {structure} to weigh at {format_time(ts_ns)}: of {len(chain.strike)} options no pair "
            f"has mark and volatility within a delta of {max_delta:g}"
        )
    sd = config.signal.log_sd if log_sd is None else log_sd
    if forecast == "har":
        density = _densities(config, tape, ts_ns, chain.expiry_ns[pairs[0]], plan.exit_before_ns or 0, log_sd)
    else:
        density = Density.around(_known(event.estimate if forecast is None else forecast, config, ts_ns), sd)
    found = breakevens(chain, ts_ns, pairs, plan, density).best_first()
    if not len(found.call):
        raise DataError(
            f"none of {len(pairs[0])} {structure}s at {format_time(ts_ns)} has the quotes that costs.fill "
            f"{config.costs.fill} needs"
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
    )


def _known(vol: float, config: Config, ts_ns: int) -> float:
    if not (math.isfinite(vol) and vol > 0):
        raise DataError(
            f"no forecast at {format_time(ts_ns)}: prices must reach back {config.signal.window} "
            "(signal.window), or give a volatility"
        )
    return vol


def _densities(
    config: Config, tape: Tape, ts_ns: int, expiry_ns: Any, exit_before_ns: int, log_sd: float | None
) -> Density:
    """Density of the volatility until each exit, from the prices up to now."""
    from gammacore.volatility import HAR, daily_history, fit_clock, forecast_density

    data, prices = config.data, tape.prices
    if data.prices is not None:  # all of them, not only from the first chain on
        prices = load_prices(data.prices, currency=config.coin, end_ns=ts_ns + 1)
    if prices is None:
        raise DataError("data.prices: a forecast by har needs price bars that reach back two years")
    past = prices.ts_ns <= ts_ns
    ts, close = prices.ts_ns[past], prices.close[past]
    try:
        history = daily_history(ts, close, origin_ns=ts_ns, clock=fit_clock(ts, close))
        exits = {int(e): int(e) - exit_before_ns - ts_ns for e in np.unique(expiry_ns)}
        found = {
            e: forecast_density(history, left, HAR(leverage=True)) for e, left in exits.items() if left > 0
        }
    except ValueError as error:
        raise DataError(f"no forecast at {format_time(ts_ns)}: {error}") from None
    nothing = math.nan, math.nan
    each = [
        (float(found[e].median()), float(found[e].log_sd)) if e in found else nothing
        for e in expiry_ns.tolist()
    ]
    median, sd = np.array(each).reshape(-1, 2).T
    return Density.around(median, sd if log_sd is None else log_sd)


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


def _deltas(chain: ChainSlice, ts_ns: int, pairs: tuple[Any, Any]) -> Any:
    total: Any = 0.0
    for kind, rows in zip((CALL, PUT), pairs, strict=True):
        expiry = chain.expiry_ns[rows]
        forward = forwards_of(chain, expiry)
        tau = np.maximum(expiry - ts_ns, 1) / NS_PER_YEAR
        total = total + black76.greeks(kind, forward, chain.strike[rows], tau, chain.iv[rows]).delta
    return total
