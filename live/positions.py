"""What the account should hold, by all that we know, against what the exchange says it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from gammacore.contracts import Perpetual, parse
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import ContractError
from gammacore.portfolio import Portfolio

from .news import PositionNews, TradeNews

__all__ = ["Baseline", "Foreign", "Positions", "near_settlement"]

DUST = 1e-9  # of an amount


class Baseline(msgspec.Struct, frozen=True, tag=True):
    """What the account held before the session's first order, by instrument name."""

    ts_ns: int
    sizes: dict[str, float]


class Foreign(msgspec.Struct, frozen=True, tag=True):
    """A trade of the account that is not this session's: the holder's own."""

    ts_ns: int
    trade_id: str
    instrument: str
    amount: float
    price: float


class Positions:
    """The desk's positions, what was there before, and what the holder traded since.

    Parameters
    ----------
    portfolio : Portfolio
    baseline : Baseline, optional
        None until the first reconciliation of a journal.
    others : mapping of str to float, optional
        The holder's trades so far, by instrument name.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        baseline: Baseline | None = None,
        others: Mapping[str, float] | None = None,
    ) -> None:
        self._portfolio = portfolio
        self.baseline = baseline
        self.others = dict(others or {})

    def begin(self, positions: Iterable[PositionNews], ts_ns: int) -> Baseline | None:
        """Take the baseline, unless there is one; returns it if it is new."""
        if self.baseline is not None:
            return None
        self.baseline = Baseline(ts_ns, _sizes(positions))
        return self.baseline

    def foreign(self, trade: TradeNews) -> Foreign | None:
        """Count a trade of the holder; None for what gammacore cannot name."""
        if isinstance(trade.instrument, str):
            return None
        name = trade.instrument.name
        self.others[name] = self.others.get(name, 0.0) + trade.amount
        return Foreign(trade.ts_ns, trade.trade_id, name, trade.amount, trade.price)

    def own(self) -> dict[str, float]:
        """Sum up what the desk holds, in the exchange's unit."""
        held: dict[str, float] = {}
        for episode in self._portfolio.open.values():
            for instrument, amount in [
                *episode.legs.items(),
                (episode.hedge.instrument, episode.hedge.amount),
            ]:
                held[instrument.name] = held.get(instrument.name, 0.0) + amount
        return {name: size for name, size in held.items() if size}

    def differences(self, positions: Iterable[PositionNews], now_ns: int) -> dict[str, tuple[float, float]]:
        """Where the exchange's positions are not what they should be: ours and theirs, by name."""
        ours: dict[str, float] = {}
        for part in (self.own(), self.others, self.baseline.sizes if self.baseline is not None else {}):
            for name, size in part.items():
                ours[name] = ours.get(name, 0.0) + size
        theirs = _sizes(positions)
        return {
            name: (ours.get(name, 0.0), theirs.get(name, 0.0))
            for name in ours | theirs
            if abs(ours.get(name, 0.0) - theirs.get(name, 0.0)) > DUST and not _expired(name, now_ns)
        }


def near_settlement(now_ns: int) -> bool:
    """Whether it is about 08:00 UTC, when options turn into futures and cash."""
    return abs(now_ns % NS_PER_DAY - 8 * NS_PER_HOUR) < NS_PER_MINUTE


def _sizes(positions: Iterable[PositionNews]) -> dict[str, float]:
    named = {p.instrument if isinstance(p.instrument, str) else p.instrument.name: p.size for p in positions}
    return {name: size for name, size in named.items() if size}


def _expired(name: str, now_ns: int) -> bool:
    try:
        instrument = parse(name)
    except ContractError:
        return False
    return not isinstance(instrument, Perpetual) and instrument.expiry_ns <= now_ns
