"""One request on its way through the exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .accounts import TradingAccount
from .auth import Auth
from .catalog import ListedContract
from .combos import ListedCombo
from .connection import Connection
from .floor import Floor
from .locks import TradingLocks
from .order_book import ExchangeOrder
from .publisher import Publisher
from .wire import RequestParams, RpcError, invalid

__all__ = ["Call", "Handler", "Held", "named"]

EMPTY = ("USDC", "USDT", "EURR")  # settlement currencies that exist, with or without instruments


@dataclass(slots=True)
class Call:
    """A request with who sent it.

    Attributes
    ----------
    x : Floor
    auth : Auth
    publisher : Publisher
    locks : TradingLocks
    method : str
    params : RequestParams
    now_ns : int
    connection : Connection or None
        None over REST.
    caller : TradingAccount or None
        None without a valid token.
    after : list of callable
        Run once the answer is on its way, for notifications that must follow it.
    """

    x: Floor
    auth: Auth
    publisher: Publisher
    locks: TradingLocks
    method: str
    params: RequestParams
    now_ns: int
    connection: Connection | None
    caller: TradingAccount | None = None
    after: list[Callable[[], None]] = field(default_factory=list)

    @property
    def account(self) -> TradingAccount:
        """Account of the caller; private methods are not called without one."""
        if self.caller is None:
            raise RpcError(13009, {"reason": "invalid_token"})
        return self.caller

    @property
    def socket(self) -> Connection:
        """Connection, for methods that need one."""
        if self.connection is None:
            raise RpcError(10030)
        return self.connection

    def listing(self, name: str = "instrument_name") -> ListedContract:
        """Instrument named in the parameters, its book quoted."""
        found = self.x.find(self.params.text(name))
        if found is None:
            raise invalid("instrument not found", name)
        self.x.quote(found, self.now_ns)
        return found

    def contract(self) -> ListedContract:
        """Instrument named in the parameters, which is no combo."""
        found = self.listing()
        if isinstance(found, ListedCombo):
            raise RpcError(10020, {"reason": "not available for combos"})
        return found

    def currency(self, *, allow_any: bool = False, default: Any = None) -> str:
        """Currency named in the parameters."""
        value = self.params.text("currency") if default is None else self.params.text("currency", default)
        known = {*self.x.currencies, *EMPTY, *(("any",) if allow_any else ())}
        if value not in known:
            raise invalid("invalid currency", "currency")
        return str(value)


class Held(NamedTuple):
    """An answer that waits for its order to enter the book, and when that is."""

    order: ExchangeOrder
    until_ns: int


Handler = Callable[[Call], Any]


def named(scope: str, handlers: Iterable[Handler]) -> dict[str, Handler]:
    """Handlers by the methods that they answer: a handler is called as its method is."""
    return {f"{scope}/{handler.__name__}": handler for handler in handlers}
