"""What of a chain is weighed: straddles of all strikes, or a structure once an expiry."""

from __future__ import annotations

import difflib
import math

import msgspec
import numpy as np

from gammacore import black76
from gammacore.breakeven import Positions, straddles
from gammacore.breakeven.structures import forwards_of
from gammacore.build import build_entry
from gammacore.config import Config, EntryConfig, with_overrides
from gammacore.daycount import NS_PER_YEAR, format_time
from gammacore.errors import ConfigError, DataError
from gammacore.events import ChainSlice
from gammacore.legs import STRUCTURES
from gammacore.strategy.gamma_scalp import EntryRule

__all__ = ["positions_to_weigh"]


def positions_to_weigh(
    config: Config, structure: str | None, chain: ChainSlice, ts_ns: int, max_delta: float
) -> tuple[Positions, tuple[str, ...]]:
    """Positions of a chain, and why some expiries have none.

    Parameters
    ----------
    config : Config
    structure : str, optional
        A structure that has a name, or ``legs`` for ``entry.legs``; by default what ``entry`` says.
    chain : ChainSlice
    ts_ns : int
    max_delta : float
        Straddles of larger delta are left out.

    Raises
    ------
    ConfigError
        For a name that there is not, and legs that the configuration does not have.
    DataError
        If the chain offers none.
    """
    name, entry = _asked(config, structure)
    if name == "straddle":
        return _near_straddles(chain, ts_ns, max_delta), ()
    return _one_an_expiry(chain, ts_ns, name, build_entry(config, entry))


def _asked(config: Config, structure: str | None) -> tuple[str, EntryConfig]:
    """Name of what is weighed, and the entry that says how its legs are chosen."""
    entry = config.entry
    if structure == "legs" or (structure is None and entry.legs):
        if not entry.legs:
            raise ConfigError("structure: legs are those of entry.legs, and there are none")
        return "legs", entry
    name = str(entry.structure) if structure is None else structure
    if structure is not None:
        if structure not in STRUCTURES:
            close = difflib.get_close_matches(structure, STRUCTURES, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            known = ", ".join(name for name in STRUCTURES if name != "none")
            raise ConfigError(f"structure: expected one of {known} or legs, got {structure!r}{hint}")
        entry = with_overrides(config, {"entry.legs": [], "entry.structure": structure}).entry
    if name == "none":
        raise ConfigError("entry.structure: expected what to weigh, got none")
    return name, entry


def _near_straddles(chain: ChainSlice, ts_ns: int, max_delta: float) -> Positions:
    found = straddles(chain)
    expiry = chain.expiry_ns[found.rows]
    tau = np.maximum(expiry - ts_ns, 1) / NS_PER_YEAR
    forward, strike = forwards_of(chain, expiry), chain.strike[found.rows]
    delta = black76.greeks(chain.kind[found.rows], forward, strike, tau, chain.iv[found.rows]).delta
    near = np.abs(delta.sum(axis=1)) <= max_delta
    if not near.any():
        raise DataError(
            f"no straddle to weigh at {format_time(ts_ns)}: of {len(chain.strike)} options no pair "
            f"has mark and volatility within a delta of {max_delta:g}"
        )
    return Positions(found.rows[near], found.amounts[near])


def _one_an_expiry(
    chain: ChainSlice, ts_ns: int, name: str, rule: EntryRule
) -> tuple[Positions, tuple[str, ...]]:
    """Choose the structure at every expiry that its first leg may have; say why others have none.

    The days of the entry do not count, nor that it takes Fridays alone: all are weighed.
    """
    rule = msgspec.structs.replace(rule, fridays_only=False, min_days=0.0, max_days=math.inf)
    picked, refused = [], []
    for expiry_ns in rule.anchors(chain, ts_ns):
        one = rule.pick(chain, expiry_ns, ts_ns)
        if isinstance(one, str):
            refused.append(f"{format_time(expiry_ns)[:10]}: {one}")
        else:
            picked.append(one)
    if not picked:
        why = f" ({refused[0]})" if refused else ""
        raise DataError(f"no expiry of the chain at {format_time(ts_ns)} offers {name}{why}")
    if len({len(one.rows) for one in picked}) > 1:
        raise DataError(f"{name}: chooses more legs at some expiries than at others; weigh them one by one")
    rows, amounts = (np.array(column) for column in zip(*picked, strict=True))
    return Positions(rows, amounts.astype(np.float64)), tuple(refused)
