"""How wide a contract was quoted, by the hour of the day, from quotes of a store."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from gammacore.array_types import Floats
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_HOUR
from gammacore.errors import DataError
from gammacore.execution.costs import HOURS

FEWEST = 20  # quotes of an hour that make an estimate of its own
LAST_NS = 2**62  # whatever is known
COLUMNS = ("ts_ns", "bid_price", "ask_price")

__all__ = ["half_spreads"]


def half_spreads(root: str | Path, currency: str, instrument: str) -> tuple[float, ...]:
    """Return the median half spread of each hour of the day.

    Parameters
    ----------
    root : str or path-like
        Folder of a store.
    currency : str
        As the store sorts by: ``BTC``, ``USDC``.
    instrument : str
        Such as ``BTC-PERPETUAL``.

    Returns
    -------
    tuple of 24 float
        Shares of the middle, by the hour (UTC) of the exchange's stamp. Of its best quotes if any were
        recorded, else of its tickers. An hour with less than 20 quotes has the median of all hours.

    Raises
    ------
    DataError
        If the store has no quote of the instrument with both sides.
    """
    place = Path(root).expanduser()
    for kind in ("quotes", "tickers"):
        files = tuple((str(f), os.stat(f).st_mtime_ns) for f in Store(place).files(kind, currency))
        found = _measured(str(place), kind, currency, instrument, files) if files else None
        if found is not None:
            return found
    raise DataError(
        f"{place}: no recorded quote of {instrument}; record some (gammacore data record), or give "
        "costs.hedge_half_spread_bp in basis points"
    )


@lru_cache(maxsize=16)
def _measured(
    root: str, kind: str, currency: str, instrument: str, files: tuple[tuple[str, int], ...]
) -> tuple[float, ...] | None:
    """Measure again only where files have changed; None without any quote."""
    with Store(root) as store:
        rows = store.read(kind, currency, as_of_ns=LAST_NS, instruments=[instrument], columns=COLUMNS)
    bid, ask = rows["bid_price"], rows["ask_price"]
    quoted = (bid > 0) & (ask >= bid)  # one-sided and crossed books are no quotes
    half: Floats = (ask[quoted] - bid[quoted]) / (ask[quoted] + bid[quoted])
    if not half.size:
        return None
    hour, whole = rows["ts_ns"][quoted] // NS_PER_HOUR % HOURS, float(np.median(half))
    parts = [half[hour == h] for h in range(HOURS)]
    return tuple(float(np.median(part)) if len(part) >= FEWEST else whole for part in parts)
