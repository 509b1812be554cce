"""What a journal knows: the desk at its end, and the facts of its orders, for the next process.

A journal belongs to one configuration. The desk is brought to where it was by replaying it, from its start or
from a checkpoint of it.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import msgspec

from gammacore.build import build_desk
from gammacore.config import Config, parse_config
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_MINUTE
from gammacore.desk import Desk
from gammacore.errors import JournalError

from .about import Began
from .attempts import Booked, Placed, session_name
from .checkpoint import recall
from .journal import Record, RecordKind, read
from .positions import Adopted, Baseline, Foreign, Shares, Survey, TakenOver
from .retold import Retold
from .risk_manager import DayStart, ProfitHigh

OVERLAP_NS = 10 * NS_PER_MINUTE
log = logging.getLogger("gammacore.live")


class Past(Retold):
    """A journal retold, with what the next process must know of it.

    Attributes
    ----------
    session : str
        First part of its labels.
    start_ns : int or None
        When a fresh journal starts; None for one that has.
    began : Began or None
        Its last process, None before the first.
    placed, booked : list
        All facts of its orders and trades, in order.
    shares : Shares
    known : list of str
        Ids of its trades and of the holder's.
    day_start : DayStart or None
        Profit that the last day began with.
    highs : list of ProfitHigh
    """

    def __init__(self) -> None:
        super().__init__()
        self.session = ""
        self.start_ns: int | None = None
        self.began: Began | None = None
        self.placed: list[Placed] = []
        self.booked: list[Booked] = []
        self.shares = Shares()
        self.known: list[str] = []
        self.day_start: DayStart | None = None
        self.highs: list[ProfitHigh] = []
        self._told_ns = 0  # of the last record

    @property
    def held(self) -> Desk:
        """The desk, of a past that has one."""
        assert self.desk is not None
        return self.desk

    @property
    def since_ns(self) -> int | None:
        """Time from when on other trades have to be asked for, None before there is a baseline."""
        return None if self.shares.baseline is None else self._told_ns - OVERLAP_NS

    def bare(self) -> Past:
        """Return what of it is told here: a follower's may hold more."""
        past = Past()
        for name in vars(past):
            setattr(past, name, getattr(self, name))
        return past

    def take(self, record: Record) -> Any:
        """Take in the next record, see :meth:`.retold.Retold.take`."""
        found = super().take(record)
        self._told_ns = record.ts_ns or self._told_ns
        if record.kind is RecordKind.START and self.starts == 1:
            self.session = session_name(record.ts_ns)
        elif record.kind is RecordKind.FACT:
            self._note(found)
        return found

    def _note(self, fact: Any) -> None:
        match fact:
            case Began():
                self.began = fact
            case Placed():
                self.session = self.session if self.placed else fact.label.partition("-")[0]
                self.placed.append(fact)
            case Booked():
                self.booked.append(fact)
                self.known.append(fact.trade_id)
            case Adopted():
                self.known.append(fact.trade_id)
            case Foreign():
                self.shares.note(fact)
                self.known.append(fact.trade_id)
            case Baseline():
                self.shares.note(fact)
                self.known += fact.trades
            case Survey() | TakenOver():
                self.shares.note(fact)
            case DayStart():
                self.day_start = fact
            case ProfitHigh():
                self.highs.append(fact)


def past_of(path: str | os.PathLike[str], config: Config, now_ns: int) -> Past:
    """Read a journal, or describe a fresh one.

    Raises
    ------
    JournalError
        If it was kept with another configuration, or does not replay to its own decisions.
    """
    found = recall(path)
    past = found.bare() if isinstance(found, Past) else Past()
    if past.config is not None:
        _demand_same(path, past.config, config)
    known = past.seq
    for record in read(path, past.seq) if Path(path).exists() else ():
        if record.kind is RecordKind.START and not past.starts:  # before code of the user's own is loaded
            _demand_same(path, parse_config(msgspec.json.decode(record.body)), config)
        past.take(record)
    past.compare()
    if past.departure is not None:
        raise JournalError(
            f"{path}: this version decides differently from record {past.departure.seq} on "
            "(gammacore parity shows it); close the positions with the version that kept it"
        )
    if past.seq:
        log.info("replayed", extra={"records": past.seq - known, "of": past.seq})
    if past.desk is None:
        past.session, past.start_ns = session_name(now_ns), now_ns
        past.desk = build_desk(config, published(), "book")
        past.desk.faults = []
    return past


def _demand_same(path: str | os.PathLike[str], before: Config, config: Config) -> None:
    if not _is_same(before, config):
        raise JournalError(f"{path}: kept with {_other(before, config)}; this one needs a new journal")


def _is_same(before: Config, config: Config) -> bool:
    """Whether a journal was kept with this configuration, alerts and parameters newer than it aside."""
    known, now = ({module: file.sha256 for module, file in one.code.items()} for one in (before, config))
    if not (before.forecasts or config.forecasts):
        signal = msgspec.structs.replace(before.signal, forecast=config.signal.forecast)
        before = msgspec.structs.replace(before, signal=signal)
    same = msgspec.structs.replace(before, alerts=config.alerts, code=config.code)
    return known == now and same == config


def _other(before: Config, config: Config) -> str:
    """Name what differs: code of the user's own, or anything else."""
    for module, file in before.code.items():
        now = config.code.get(module)
        if now is not None and now.sha256 != file.sha256:
            return f"another {module}.py (SHA-256 {file.sha256[:12]}..., now {now.sha256[:12]}...)"
    return "another configuration"
