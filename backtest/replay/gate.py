"""Recorded data held against itself before a replay: what is wrong by a unit makes no profit.

A wrong unit, a swapped column or a clock in another zone gives a profit that looks like one. Each check of
:mod:`gammacore.data.soundness` says what it measured and what is probably wrong; a run on such data is
refused unless ``data.force`` is set, and then every page says so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gammacore.config import Config, DataConfig
from gammacore.contracts import Settlement
from gammacore.data import Chains, Funding, Prices
from gammacore.data.soundness import (
    CheckResult,
    bars_against_forwards,
    bars_follow,
    closes_inside,
    index_against_forwards,
    period_covered,
    quotes_against_marks,
    shift_of_hours,
    sides_swapped,
    spikes,
    units_of_funding,
    units_of_iv,
)
from gammacore.daycount import NS_PER_YEAR
from gammacore.errors import DataError

ANOTHER_MARKET = 0.1  # |ln| between two series, beyond which their clocks say nothing
Fault = tuple[str, CheckResult]  # the parameter that names the files, and what is wrong with them


def check_data(
    prices: Prices | None,
    chains: Chains | None,
    funding: Funding | None,
    delivery: dict[int, float] | None,
) -> list[Fault]:
    """Find what cannot be right.

    Parameters
    ----------
    prices, chains, funding, delivery
        As loaded; None for what there is none of.

    Returns
    -------
    list of (parameter, CheckResult)
        Those that are not sound.
    """
    found: list[Fault] = []
    if chains is not None:
        found += [("data.chains", verdict) for verdict in _chains(chains)]
    if prices is not None:
        if chains is not None:
            found += [("data.prices", verdict) for verdict in _together(prices, chains)]
        found.append(("data.prices", spikes(prices.ts_ns, prices.close)))
        if prices.open is not None:
            found.append(("data.prices", bars_follow(prices.ts_ns, prices.open, prices.close)))
        if prices.low is not None and prices.high is not None:
            inside = closes_inside(prices.ts_ns, prices.low, prices.high, prices.close)
            found.append(("data.prices", inside))
    if funding is not None:
        found.append(("data.funding", units_of_funding(funding.ts_ns, funding.rate, funding.period_ns)))
        if chains is not None:
            covered = period_covered(
                "run without funding, share", funding.ts_ns, funding.period_ns, *chains.span
            )
            found.append(("data.funding", covered))
    if delivery:
        found += [("data.delivery", verdict) for verdict in _delivered(delivery, prices, chains)]
    return [(name, verdict) for name, verdict in found if not verdict.sound]


def _chains(chains: Chains) -> list[CheckResult]:
    tau = (chains.expiry_ns - chains.ts_ns) / NS_PER_YEAR
    first = chains.offsets[:-1]  # rows of the next expiry
    in_coin = chains.settlement is Settlement.INVERSE
    columns = chains.kind, chains.mark, chains.forward, chains.strike, tau, chains.iv, chains.ts_ns
    return [
        units_of_iv(*columns, in_coin=in_coin),
        sides_swapped(chains.bid, chains.ask, chains.ts_ns),
        quotes_against_marks(chains.bid, chains.ask, chains.mark, chains.ts_ns),
        index_against_forwards(chains.index[first], chains.forward[first], chains.snapshot_ts),
        spikes(chains.snapshot_ts, chains.forward[first]),
    ]


def _together(prices: Prices, chains: Chains) -> list[CheckResult]:
    nearest = chains.forward[chains.offsets[:-1]]  # of the next expiry
    columns = prices.ts_ns, prices.close, chains.snapshot_ts, nearest
    level = bars_against_forwards(*columns)
    if level.figure > ANOTHER_MARKET:
        return [level]
    return [shift_of_hours(*columns), level]  # the reason before what it leads to


def _delivered(delivery: dict[int, float], prices: Prices | None, chains: Chains | None) -> list[CheckResult]:
    """Delivery prices against the bars, or else against the chains' forwards of the time."""
    at, price = np.array(list(delivery), np.int64), np.array(list(delivery.values()))
    if prices is not None:
        ts_ns, known = prices.ts_ns, prices.close
    elif chains is not None:
        ts_ns, known = chains.snapshot_ts, chains.forward[chains.offsets[:-1]]
    else:
        return []
    verdict = bars_against_forwards(ts_ns, known, at, price)
    words = verdict.why.replace("bars are", "prices are").replace("the forwards", "the delivery prices")
    return [replace(verdict, check="delivery prices against other prices, |ln|", why=words)]


def faults_of(
    config: Config,
    prices: Prices | None,
    chains: Chains | None = None,
    funding: Funding | None = None,
    delivery: dict[int, float] | None = None,
) -> tuple[str, ...]:
    """Refuse data with faults, or where the configuration insists on it say them, a line each.

    Raises
    ------
    DataError
        Naming the files, the figure and what is probably wrong.
    """
    faults = check_data(prices, chains, funding, delivery)
    lines = tuple(_say(config.data, *fault) for fault in faults)
    if not lines or config.data.force:
        return lines
    others = "; ".join(verdict.check for _, verdict in faults[1:])
    more = f" (also wrong: {others})" if others else ""
    raise DataError(f"{lines[0]}{more}; --force-data runs all the same")


def _say(data: DataConfig, name: str, verdict: CheckResult) -> str:
    """Say what is wrong with which files, in one line."""
    return f"{getattr(data, name.partition('.')[2])}: {verdict}"
