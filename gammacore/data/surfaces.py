"""Volatility surfaces of recorded chains."""

import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import Settlement
from gammacore.data.chains import Chains, Forwards, parity_forward
from gammacore.volatility.clock import VarianceClock
from gammacore.volatility.fit import Method, fit_surface
from gammacore.volatility.quotes import Target
from gammacore.volatility.strip import chain_index
from gammacore.volatility.surface import Surface

__all__ = ["best_forward", "snapshot_index", "snapshot_surface"]


def best_forward(chains: Chains, forwards: Forwards | None = None) -> Floats:
    """Forward of each row: of put-call parity of the marks, or as recorded where no strike has both.

    Parameters
    ----------
    chains : Chains
    forwards : Forwards, optional
        What `parity_forward` says of these chains, if it was asked before.

    Returns
    -------
    array of float64, shape (len(chains),)
    """
    known = parity_forward(chains) if forwards is None else forwards
    return np.asarray(np.where(np.isfinite(known.parity), known.parity, known.recorded)[known.group])


def snapshot_surface(
    chains: Chains,
    i: int,
    forward: Floats | None = None,
    *,
    target: Target = "mid",
    method: Method = "svi",
    calendar: bool = True,
    clock: VarianceClock | None = None,
) -> Surface:
    """Surface of snapshot ``i``, see `gammacore.volatility.fit_surface`.

    Parameters
    ----------
    chains : Chains
    i : int
        Position of the snapshot; negative counts from the end.
    forward : array of float64, shape (len(chains),), optional
        `best_forward` of the chains; for many snapshots work it out once.
    target, method, calendar, clock
        As in `fit_surface`.

    Returns
    -------
    Surface

    Raises
    ------
    IndexError
        If there is no such snapshot.
    ValueError
        If it has too few quotes.
    """
    i = range(chains.snapshot_ts.size)[i]
    rows = slice(chains.offsets[i], chains.offsets[i + 1])
    known = _forward_of(chains, i) if forward is None else forward[rows]
    return fit_surface(
        int(chains.snapshot_ts[i]),
        chains.expiry_ns[rows],
        chains.strike[rows],
        chains.kind[rows],
        known,
        bid=chains.bid[rows],
        ask=chains.ask[rows],
        mark=chains.mark[rows],
        mark_vol=chains.iv[rows],
        inverse_settled=chains.settlement is Settlement.INVERSE,
        target=target,
        method=method,
        calendar=calendar,
        clock=clock,
    )


def snapshot_index(chains: Chains, i: int, forward: Floats | None = None) -> float:
    """30-day volatility index of snapshot ``i``, see `gammacore.volatility.chain_index`."""
    i = range(chains.snapshot_ts.size)[i]
    rows = slice(chains.offsets[i], chains.offsets[i + 1])
    return chain_index(
        int(chains.snapshot_ts[i]),
        chains.expiry_ns[rows],
        chains.strike[rows],
        chains.kind[rows],
        _forward_of(chains, i) if forward is None else forward[rows],
        chains.bid[rows],
        chains.ask[rows],
        inverse_settled=chains.settlement is Settlement.INVERSE,
    )


def _forward_of(chains: Chains, i: int) -> Floats:
    ts_ns = int(chains.snapshot_ts[i])
    return best_forward(chains.between(ts_ns, ts_ns + 1))
