"""What the replay of an episode needs in the browser: its moments, packed.

Series are base64 of little-endian numbers, times as milliseconds in 64 bits, the rest in 32: seven digits,
as elsewhere in the charts, at half the size of text.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gammacore.daycount import parse_time

from ..figures.run_exposures import EpisodeMoments
from .tables import TABLE_ROWS
from .thinning import BROWSER_NS
from .view import View, day


def pack(values: npt.ArrayLike, form: str = "<f4") -> str:
    """Write a series as base64."""
    return base64.b64encode(np.asarray(values).astype(form).tobytes()).decode("ascii")


def replay_data(view: View) -> dict[str, Any]:
    """Everything that is replayed: a list of episodes, and the names of units and lines."""
    rows = {row.episode: row for row in view.results.episodes.itertuples(index=False)}
    shown = [seen for seen in view.results.moments[:TABLE_ROWS] if seen.episode in rows]
    return {
        "units": {unit.key: {"name": unit.name, "decimals": min(unit.decimals, 6)} for unit in view.units},
        "coin": view.coin,
        "price_decimals": view.price_decimals,
        "episodes": [_episode(seen, rows[seen.episode]) for seen in shown],
    }


def _episode(seen: EpisodeMoments, row: Any) -> dict[str, Any]:
    return {
        "number": int(seen.episode),
        "title": f"{row.side} {row.contracts:,.12g} × {row.strikes}, {day(row.entry)} to {day(row.expiry)}",
        "iv": float(row.iv_entry) if math.isfinite(row.iv_entry) else None,
        "expiry": parse_time(row.expiry) // BROWSER_NS,
        "at": pack(seen.ts_ns // BROWSER_NS, "<f8"),
        **{
            name: pack(getattr(seen, name))
            for name in ("price", "forward", "before", "after", "traded", "hedges")
        },
        **{
            unit: {name: pack(line) for name, line in getattr(seen, unit).items()} for unit in ("usd", "coin")
        },
    }
