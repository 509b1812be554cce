"""What a session decides, works and keeps its journal with, made for each other by :mod:`.assemble`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol, Unpack

from gammacore.deribit.frames import OrderOptions
from gammacore.deribit.units import Instrument
from gammacore.desk import Desk

from .asked import Asks
from .execution import Execution
from .feed import Feed
from .journal import Records
from .positions import Positions
from .risk_manager import RiskManager


class Session(Asks, Protocol):
    """What a hedger needs of :class:`.client.Client`."""

    @property
    def skew_s(self) -> float: ...  # noqa: D102
    def now_ns(self) -> int: ...  # noqa: D102
    def send_order(  # noqa: D102
        self,
        instrument: Instrument,
        amount: float,
        *,
        timeout_s: float = 5.0,
        **options: Unpack[OrderOptions],
    ) -> int: ...
    def cancel(self, order_id: str) -> int: ...  # noqa: D102
    def cancel_all(self) -> int: ...  # noqa: D102
    def subscribe(self, channels: Iterable[str]) -> None: ...  # noqa: D102
    def unsubscribe(self, channels: Iterable[str]) -> None: ...  # noqa: D102
    def drop(self, reason: str) -> None: ...  # noqa: D102


class Parts(NamedTuple):
    """Parts of one hedger; ``positions`` are those of the journal."""

    desk: Desk
    feed: Feed
    execution: Execution
    risk: RiskManager
    positions: Positions
    journal: Records
    session: Session
