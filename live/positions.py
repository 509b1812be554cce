"""What the account should hold, by all that we know, against what the exchange says it holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import msgspec

from gammacore.contracts import Future, Instrument, Option, Settlement, parse
from gammacore.daycount import NS_PER_MINUTE
from gammacore.deribit.news import PositionNews, TradeNews
from gammacore.errors import ContractError
from gammacore.portfolio import Portfolio
from gammacore.tolerances import DUST

from .selection import Selection, session_of


class Baseline(msgspec.Struct, frozen=True, tag=True):
    """What the account held before the session's first order, by instrument name.

    ``trades`` are the ids of trades that are in it and that a restart finds again.
    """

    ts_ns: int
    sizes: dict[str, float]
    trades: tuple[str, ...] = ()


class Foreign(msgspec.Struct, frozen=True, tag=True):
    """A trade of the account that is not this session's, in what the session does not hold.

    ``apart`` is how much of it is never taken over: of another session, or of a label that is not asked for.
    """

    ts_ns: int
    trade_id: str
    instrument: str
    amount: float
    price: float
    apart: float = 0.0


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


class Survey(msgspec.Struct, frozen=True, tag=True):
    """What of the account is never taken over, by instrument name: looked for once, at the start."""

    ts_ns: int
    apart: dict[str, float]


class TakenOver(msgspec.Struct, frozen=True, tag=True):
    """A position of the holder that the session hedges from now on; ``price`` is its cost."""

    ts_ns: int
    instrument: str
    amount: float
    price: float


class Shares(msgspec.Struct):
    """Positions of the account that are not the desk's, by instrument name.

    Attributes
    ----------
    baseline : Baseline or None
    others : dict of str to float
        What came to it since, less what was taken over.
    apart : dict of str to float
        What of both is never taken over.
    surveyed : bool
        Whether ``apart`` is known; before, nothing is taken over.
    """

    baseline: Baseline | None = None
    others: dict[str, float] = {}
    apart: dict[str, float] = {}
    surveyed: bool = False

    def note(self, fact: Baseline | Foreign | Survey | TakenOver) -> None:
        """Take in a fact of the journal."""
        match fact:
            case Baseline():
                self.baseline = fact
            case Foreign():
                _add(self.others, fact.instrument, fact.amount)
                if fact.apart:
                    _add(self.apart, fact.instrument, fact.apart)
            case Survey():
                self.apart, self.surveyed = dict(fact.apart), True
            case TakenOver():
                _add(self.others, fact.instrument, -fact.amount)

    def total(self, name: str) -> float:
        """All that is not the desk's."""
        before = 0.0 if self.baseline is None else self.baseline.sizes.get(name, 0.0)
        return before + self.others.get(name, 0.0)

    def free(self, name: str) -> float:
        """Return what of it may be taken over."""
        return self.total(name) - self.apart.get(name, 0.0)

    @property
    def names(self) -> list[str]:
        """Instruments of which there may be any."""
        before = {} if self.baseline is None else self.baseline.sizes
        return list(before | self.others | self.apart)


class Positions:
    """The desk's positions, what was there before, and what others traded since.

    Parameters
    ----------
    portfolio : Portfolio
    shares : Shares, optional
        Of the journal; a first reconciliation begins them.
    adopts : bool
        Whether the desk's hedges are part of the account's; they are not on paper.
    selection : Selection, optional
        What is taken over; nothing by default.
    priced : callable(Option) -> bool
        Whether an option has a price here; others are taken over once they have.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        shares: Shares | None = None,
        *,
        adopts: bool = True,
        selection: Selection | None = None,
        priced: Callable[[Option], bool] = lambda option: True,
    ) -> None:
        self._priced = priced
        self._portfolio, self.adopts = portfolio, adopts
        self.shares = Shares() if shares is None else shares
        self.selection = selection

    @property
    def baseline(self) -> Baseline | None:
        """What the account held before the first order."""
        return self.shares.baseline

    @property
    def others(self) -> dict[str, float]:
        """What came to it since that is not the desk's."""
        return self.shares.others

    def begin(
        self, positions: Iterable[PositionNews], earlier: tuple[str, ...], ts_ns: int
    ) -> Baseline | None:
        """Take the baseline, unless there is one; returns it if it is new."""
        if self.baseline is not None:
            return None
        self.shares.note(Baseline(ts_ns, _sizes(positions), earlier))
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
        if isinstance(trade.instrument, str):
            return 0.0, trade.amount
        if not own and isinstance(trade.instrument, Option) and self._takes(trade.instrument):
            ours = self._taken(trade, trade.instrument)
            return ours, trade.amount - ours
        if not self.adopts or not self._portfolio.shares(trade.instrument, trade.amount):
            return 0.0, trade.amount
        if own:
            return trade.amount, 0.0
        name = trade.instrument.name
        theirs = reduction(trade.amount, self.shares.total(name))
        ours = trade.amount - theirs
        if trade.label and not trade.forced:
            held = self.own().get(name, 0.0) if isinstance(trade.instrument, Option) else 0.0
            ours = reduction(ours, held)
        elif self._has_company(name):
            ours = 0.0
        return ours, trade.amount - ours

    def _takes(self, instrument: Instrument) -> bool:
        """Whether positions in an option are taken over."""
        selected = self.selection is not None and self.selection.takes(instrument)
        return selected and isinstance(instrument, Option)

    def _has_company(self, name: str) -> bool:
        """Whether another session holds the instrument, or for a hedge anything: it takes such trades."""
        apart = self.shares.apart
        sizes = [apart.get(name, 0.0)] if isinstance(_named(name), Option) else apart.values()
        return any(abs(size) > DUST for size in sizes)

    def _taken(self, trade: TradeNews, option: Option) -> float:
        """Part of a trade in an option that is taken over: nothing before the account was surveyed.

        A trade without a label reduces what is hedged here first; the rest is another session's where one
        holds the option, as that session takes it too.
        """
        if not self.shares.surveyed:
            return 0.0
        assert self.selection is not None
        name, held = option.name, self.own().get(option.name, 0.0)
        if self.is_apart(trade):
            left = trade.amount - reduction(trade.amount, self.shares.apart.get(name, 0.0))
            return reduction(left, held)
        left = trade.amount - reduction(trade.amount, self.shares.free(name))  # not taken over yet
        ours = reduction(left, held)
        rest = left - ours
        company = not self.selection.labels and self._has_company(name)
        return ours if company or not (held or self._priced(option)) else ours + rest

    def parts(self, instrument: Instrument, amount: float) -> list[tuple[int, float]]:
        """Split the desk's part of a trade among its episodes: what is new goes to adopted ones."""
        portfolio = self._portfolio
        if not self._takes(instrument):
            return portfolio.shares(instrument, amount)
        assert isinstance(instrument, Option)
        left, found = amount, {}
        for episode in sorted(portfolio.open.values(), key=lambda e: not e.adopted):
            part = reduction(left, episode.legs.get(instrument, 0.0))
            if part:
                found[episode.number], left = part, left - part
        if abs(left) > DUST:
            number = portfolio.adopter(instrument)
            found[number] = found.get(number, 0.0) + left
        return list(found.items())

    def is_apart(self, trade: TradeNews) -> bool:
        """Whether a label says that a trade is another session's, or not what is asked for."""
        if session_of(trade.label):
            return True
        return self.selection is not None and not self.selection.asks(trade.label)

    def foreign(self, trade: TradeNews, amount: float) -> Foreign | None:
        """Count the holder's part of a trade; None if there is none, or gammacore cannot name it."""
        if isinstance(trade.instrument, str) or abs(amount) < DUST:
            return None
        name = trade.instrument.name
        apart = self._apart(trade, name, amount)
        fact = Foreign(trade.ts_ns, trade.trade_id, name, amount, trade.price, apart)
        self.shares.note(fact)
        return fact

    def _apart(self, trade: TradeNews, name: str, amount: float) -> float:
        """How much of the holder's part of a trade is never to be taken over."""
        if self.selection is None or not self.shares.surveyed:
            return 0.0
        if self.is_apart(trade):
            return amount
        return amount - reduction(amount, self.shares.free(name)) if self._has_company(name) else 0.0

    def waiting(self) -> dict[str, float]:
        """Return what is to be taken over, by instrument name."""
        if self.selection is None or not self.shares.surveyed:
            return {}
        sizes = {name: self.shares.free(name) for name in self.shares.names}
        return {
            name: size
            for name, size in sizes.items()
            if abs(size) > DUST and (found := _named(name)) is not None and self.selection.takes(found)
        }

    def own(self) -> dict[str, float]:
        """Sum up what the desk holds, in the exchange's unit."""
        return {instrument.name: size for instrument, size in self._portfolio.positions().items()}

    def agrees(self, news: PositionNews) -> bool:
        """Whether a position is what it should be."""
        assert not isinstance(news.instrument, str)
        name = news.instrument.name
        return abs(self.own().get(name, 0.0) + self.shares.total(name) - news.size) <= DUST

    def differences(self, positions: Iterable[PositionNews], now_ns: int) -> dict[str, tuple[float, float]]:
        """Where the exchange's positions are not what they should be: ours and theirs, by name."""
        ours = self.own()
        for name in self.shares.names:
            _add(ours, name, self.shares.total(name))
        theirs = _sizes(positions)
        return {
            name: (ours.get(name, 0.0), theirs.get(name, 0.0))
            for name in ours | theirs
            if abs(ours.get(name, 0.0) - theirs.get(name, 0.0)) > DUST and not _expires(name, now_ns)
        }


def direct_label(session: str) -> str:
    """Label of orders that close a journal's positions without its session, see :mod:`.flatten`."""
    return f"direct-{session[1:]}"


def _sizes(positions: Iterable[PositionNews]) -> dict[str, float]:
    named = {p.instrument if isinstance(p.instrument, str) else p.instrument.name: p.size for p in positions}
    return {name: size for name, size in named.items() if size}


def _named(name: str) -> Instrument | None:
    try:
        return parse(name)
    except ContractError:
        return None


def is_future(name: str) -> bool:
    """Whether a name is one of a dated future."""
    return isinstance(_named(name), Future)


def currency_of(name: str) -> str:
    """Currency that an instrument settles in; empty if gammacore cannot name it."""
    found = _named(name)
    if found is None:
        return ""
    return "USDC" if found.settlement is Settlement.LINEAR else found.base


def _expires(name: str, now_ns: int) -> bool:
    """Whether an instrument is delivered, or about to be: clocks differ."""
    instrument = _named(name)
    return isinstance(instrument, Option | Future) and instrument.expiry_ns <= now_ns + NS_PER_MINUTE


def _add(sizes: dict[str, float], name: str, amount: float) -> None:
    sizes[name] = sizes.get(name, 0.0) + amount


def reduction(amount: float, size: float) -> float:
    """Part of a trade that brings a position nearer to zero, signed."""
    return math.copysign(min(abs(amount), abs(size)), amount) if amount * size < 0 else 0.0
