"""Option chains of one currency in columns, one snapshot after the other."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import CALL, Settlement
from gammacore.data.moments import moment
from gammacore.data.quality import Quality
from gammacore.data.tables import FileInfo
from gammacore.daycount import format_time, year_fraction
from gammacore.errors import DataError

__all__ = ["ROW_ARRAYS", "ChainSnapshot", "Chains", "Forwards", "parity_forward"]


ROW_ARRAYS = (
    "expiry_ns",
    "strike",
    "kind",
    "forward",
    "index",
    "bid",
    "ask",
    "mark",
    "iv",
    "delta",
    "vega",
    "open_interest",
    "bid_size",
    "ask_size",
    "synthetic",
    "code",
)
"""Arrays of `Chains` with a value a row, in the order of `ChainSnapshot`'s fields after ``ts_ns``."""


@dataclass(frozen=True, slots=True, eq=False)
class ChainSnapshot:
    """Views of the rows of one snapshot, ordered by expiry, strike and kind.

    Attributes are those of `Chains`, with ``ts_ns`` the one time of all rows.
    """

    ts_ns: int
    expiry_ns: Ints
    strike: Floats
    kind: npt.NDArray[np.int8]
    forward: Floats
    index: Floats
    bid: Floats
    ask: Floats
    mark: Floats
    iv: Floats
    delta: Floats
    vega: Floats
    open_interest: Floats
    bid_size: Floats
    ask_size: Floats
    synthetic: Bools
    code: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return self.strike.size


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Chains:
    """Option chains of one currency as columns, ordered by (ts_ns, expiry_ns, strike, kind).

    Attributes
    ----------
    currency : str
        First part of the instrument names: ``BTC`` or ``BTC_USDC``.
    ts_ns, expiry_ns : array of int64
        Time of the snapshot and expiry, nanoseconds UTC.
    strike : array of float64
        USD.
    kind : array of int8
        +1 call, -1 put.
    forward, index : array of float64
        Recorded forward of the expiry and spot index, USD.
    bid, ask, mark : array of float64
        Coin per coin of notional (USDC for linear options); NaN is no quote.
    iv : array of float64
        Recorded mark volatility as a fraction.
    delta : array of float64
        Recorded delta (Deribit's is the plain Black delta).
    vega : array of float64
        Recorded vega, USD per volatility point.
    open_interest : array of float64
        Coin.
    bid_size, ask_size : array of float64
        Coins quoted at bid and ask; NaN where the file does not say.
    synthetic : array of bool
        The forward is no listed future's (``SYN.`` name, or the index); False where the
        file does not say.
    code : array of int32
        Position of the instrument's name in ``names``.
    names : tuple of str
        Instrument names.
    snapshot_ts : array of int64
        Time of each snapshot, ascending.
    offsets : array of int64
        ChainSnapshot ``i`` is rows ``offsets[i]:offsets[i + 1]``; one longer than ``snapshot_ts``.
    files : tuple of FileInfo
        Files that rows came from.
    quality : Quality
        What the checks found.
    modelled : str
        How chains were modelled from trades, where there are such; empty if all were recorded.
    """

    currency: str
    ts_ns: Ints
    expiry_ns: Ints
    strike: Floats
    kind: npt.NDArray[np.int8]
    forward: Floats
    index: Floats
    bid: Floats
    ask: Floats
    mark: Floats
    iv: Floats
    delta: Floats
    vega: Floats
    open_interest: Floats
    bid_size: Floats
    ask_size: Floats
    synthetic: Bools
    code: npt.NDArray[np.int32]
    names: tuple[str, ...]
    snapshot_ts: Ints
    offsets: Ints
    files: tuple[FileInfo, ...]
    quality: Quality
    modelled: str = ""

    def __len__(self) -> int:
        """Count the rows (quotes), not the snapshots."""
        return self.ts_ns.size

    def __repr__(self) -> str:
        first, last = (format_time(ts_ns) for ts_ns in self.span)
        counts = f"{len(self)} rows, {self.snapshot_ts.size} snapshots"
        return f"<Chains {self.currency}: {counts}, {first} to {last}{', modelled' * bool(self.modelled)}>"

    @property
    def base(self) -> str:
        """Coin that the options are on."""
        return self.currency.partition("_")[0]

    @property
    def settlement(self) -> Settlement:
        """Settlement of all instruments."""
        return Settlement.LINEAR if "_" in self.currency else Settlement.INVERSE

    @property
    def span(self) -> tuple[int, int]:
        """First and last snapshot, nanoseconds UTC."""
        return int(self.snapshot_ts[0]), int(self.snapshot_ts[-1])

    @property
    def rows_per_chain(self) -> tuple[int, float, int]:
        """Least, median and most rows of a snapshot."""
        sizes = np.diff(self.offsets)
        return int(sizes.min()), float(np.median(sizes)), int(sizes.max())

    @property
    def tau(self) -> Floats:
        """Years to expiry of each row."""
        return year_fraction(self.ts_ns, self.expiry_ns)

    def snapshot(self, i: int) -> ChainSnapshot:
        """ChainSnapshot ``i`` as views; negative counts from the end.

        Raises
        ------
        IndexError
            If there is no such snapshot.
        """
        i = range(self.snapshot_ts.size)[i]
        rows = slice(self.offsets[i], self.offsets[i + 1])
        return ChainSnapshot(int(self.snapshot_ts[i]), *(getattr(self, name)[rows] for name in ROW_ARRAYS))

    def between(self, start_ns: int, end_ns: int) -> "Chains":
        """Snapshots with ``start_ns <= time < end_ns``, as views; times as of `gammacore.daycount.times_ns`.

        Raises
        ------
        DataError
            If there is none.
        """
        start_ns, end_ns = moment("start_ns", start_ns), moment("end_ns", end_ns)
        first, last = np.searchsorted(self.snapshot_ts, [start_ns, end_ns])
        if first == last:
            raise DataError(
                f"no {self.currency} chain between {format_time(start_ns)} and {format_time(end_ns)}; "
                f"there are some from {format_time(self.span[0])} to {format_time(self.span[1])}"
            )
        rows = slice(self.offsets[first], self.offsets[last])
        views = {name: getattr(self, name)[rows] for name in ("ts_ns", *ROW_ARRAYS)}
        offsets = self.offsets[first : last + 1] - self.offsets[first]
        return replace(self, snapshot_ts=self.snapshot_ts[first:last], offsets=offsets, **views)


@dataclass(frozen=True, slots=True, eq=False)
class Forwards:
    """Forward of every (snapshot, expiry), in the order of the rows.

    Attributes
    ----------
    snapshot : array of int64
        Position of the snapshot.
    ts_ns, expiry_ns : array of int64
        Its time, and the expiry.
    recorded : array of float64
        Median of the recorded forwards, USD; NaN if there is none.
    parity : array of float64
        Median of the forwards that put-call parity of the marks implies, USD; NaN if
        no strike has both.
    pairs : array of int64
        Strikes behind the parity forward.
    group : array of int64
        For each row of the chains, its position in the arrays above.
    """

    snapshot: Ints
    ts_ns: Ints
    expiry_ns: Ints
    recorded: Floats
    parity: Floats
    pairs: Ints
    group: Ints


def parity_forward(chains: Chains) -> Forwards:
    """Forward of every snapshot and expiry, recorded and by put-call parity of the marks.

    Marks of a call and a put of one strike tell the forward at the moment of the marks,
    while the recorded one may be seconds off. Deep strikes are left out, as rounding
    of the marks weighs more there.

    Parameters
    ----------
    chains : Chains

    Returns
    -------
    Forwards
        ``parity`` is the median over strikes with ``|C - P| < 0.5`` coin of
        ``K / (1 - (C - P))``; for linear options of ``K + (C - P)`` where
        ``|C - P| < K / 2``.
    """
    ts_ns, expiry = chains.ts_ns, chains.expiry_ns
    starts = np.ones(ts_ns.size, dtype=bool)
    starts[1:] = (ts_ns[1:] != ts_ns[:-1]) | (expiry[1:] != expiry[:-1])
    first = np.flatnonzero(starts)
    group = np.cumsum(starts) - 1

    # Rows are ordered by kind within a strike: a put directly before its call is a pair.
    put = np.flatnonzero(
        (group[1:] == group[:-1])
        & (chains.strike[1:] == chains.strike[:-1])
        & (chains.kind[:-1] != CALL)
        & (chains.kind[1:] == CALL)
    )
    strike, gap = chains.strike[put], chains.mark[put + 1] - chains.mark[put]
    if chains.settlement is Settlement.INVERSE:
        near = np.abs(gap) < 0.5
        implied = strike[near] / (1.0 - gap[near])
    else:
        near = np.abs(gap) < 0.5 * strike
        implied = strike[near] + gap[near]
    parity, pairs = _group_median(group[put][near], implied, first.size)
    recorded, _ = _group_median(group, chains.forward, first.size)
    return Forwards(
        snapshot=np.searchsorted(chains.snapshot_ts, ts_ns[first]).astype(np.int64),
        ts_ns=ts_ns[first],
        expiry_ns=expiry[first],
        recorded=recorded,
        parity=parity,
        pairs=pairs,
        group=group,
    )


def _group_median(group: Ints, values: Floats, groups: int) -> tuple[Floats, Ints]:
    """Median and count of the values of each group, NaN values left out; NaN for an empty group."""
    known = ~np.isnan(values)
    group, values = group[known], values[known]
    values = values[np.lexsort((values, group))]
    counts = np.bincount(group, minlength=groups)
    first = np.cumsum(counts) - counts
    held = counts > 0
    low = values[(first + (counts - 1) // 2)[held]]
    high = values[(first + counts // 2)[held]]
    median = np.full(groups, np.nan)
    median[held] = 0.5 * (low + high)
    return median, counts
