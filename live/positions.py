"""What the account should hold, by all that we know, against what the exchange says it holds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from gammacore.contracts import Option, Perpetual, parse
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE
from gammacore.deribit.news import PositionNews, TradeNews
from gammacore.errors import ContractError
from gammacore.portfolio import Portfolio
from gammacore.tolerances import DUST


class Baseline(msgspec.Struct, frozen=True, tag=True):
    """What the account held before the session's first order, by instrument name.

    ``trades`` are the ids of trades that are in it and that a restart finds again.
    """

    ts_ns: int
    sizes: dict[str, float]
    trades: tuple[str, ...] = ()


class Foreign(msgspec.Struct, frozen=True, tag=True):
    """A trade of the account that is not this session's, in what the session does not hold."""

    ts_ns: int
    trade_id: str
    instrument: str
    amount: float
    price: float


class Adopted(msgspec.Struct, frozen=True, tag=True):
    """A trade of the account that nobody here ordered, in what the session holds: its positions follow it.

    ``forced`` if the exchange liquidated the account.
    """

    ts_ns: int
    trade_id: str
    instrument: str
    amount: float
    price: float
    forced: bool


class Positions:
    """The desk's positions, what was there before, and what others traded since.

    Parameters
    ----------
    portfolio : Portfolio
    baseline : Baseline, optional
        None until the first reconciliation of a journal.
    others : mapping of str to float, optional
        The holder's trades so far, by instrument name.
    adopts : bool
        Whether the desk's positions are part of the account's; they are not on paper.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        baseline: Baseline | None = None,
        others: Mapping[str, float] | None = None,
        *,
        adopts: bool = True,
    ) -> None:
        self._portfolio, self.adopts = portfolio, adopts
        self.baseline = baseline
        self.others = dict(others or {})

    def begin(
        self, positions: Iterable[PositionNews], earlier: tuple[str, ...], ts_ns: int
    ) -> Baseline | None:
        """Take the baseline, unless there is one; returns it if it is new."""
        if self.baseline is not None:
            return None
        self.baseline = Baseline(ts_ns, _sizes(positions), earlier)
        return self.baseline

    def divide(self, trade: TradeNews, *, own: bool = False) -> tuple[float, float]:
        """Divide a trade that nobody here ordered: what changes the desk's positions, and the holder's part.

        What the holder has beside us is reduced first. The rest is ours where an open episode holds the
        instrument, as one position of the account is one position. A label says that another program
        traded for itself: of its trades only those in options count that leave us less than we hold.

        Parameters
        ----------
        trade : TradeNews
        own : bool
            It has a label of this session's: all of it is ours.
        """
        if isinstance(trade.instrument, str) or not self.adopts:
            return 0.0, trade.amount
        if not self._portfolio.shares(trade.instrument, trade.amount):
            return 0.0, trade.amount
        if own:
            return trade.amount, 0.0
        name, before = trade.instrument.name, self.baseline.sizes if self.baseline is not None else {}
        theirs = _reduction(trade.amount, before.get(name, 0.0) + self.others.get(name, 0.0))
        ours = trade.amount - theirs
        if trade.label and not trade.forced:
            held = self.own().get(name, 0.0) if isinstance(trade.instrument, Option) else 0.0
            ours = _reduction(ours, held)
        return ours, trade.amount - ours

    def foreign(self, trade: TradeNews, amount: float) -> Foreign | None:
        """Count the holder's part of a trade; None if there is none, or gammacore cannot name it."""
        if isinstance(trade.instrument, str) or abs(amount) < DUST:
            return None
        name = trade.instrument.name
        self.others[name] = self.others.get(name, 0.0) + amount
        return Foreign(trade.ts_ns, trade.trade_id, name, amount, trade.price)

    def own(self) -> dict[str, float]:
        """Sum up what the desk holds, in the exchange's unit."""
        return {instrument.name: size for instrument, size in self._portfolio.positions().items()}

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


def direct_label(session: str) -> str:
    """Label of orders that close a journal's positions without its session, see :mod:`.flatten`."""
    return f"direct-{session[1:]}"


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


def _reduction(amount: float, size: float) -> float:
    """Part of a trade that brings a position nearer to zero, signed."""
    return math.copysign(min(abs(amount), abs(size)), amount) if amount * size < 0 else 0.0
