"""What is locked: indices, the whole exchange, accounts; and keys that were revoked."""

from __future__ import annotations

from typing import Any

from .accounts import TradingAccount
from .floor import Floor
from .publisher import Publisher
from .rate_limits import is_matching
from .topics import Topic
from .wire import RequestParams, RpcError

__all__ = ["TradingLocks"]


class TradingLocks:
    """Locks of an exchange; none at the start.

    Parameters
    ----------
    floor : Floor
    publisher : Publisher
        Tells who listens.

    Attributes
    ----------
    whole, maintenance : bool
        Whether nobody may trade, and whether that is announced as maintenance.
    indices : set of str
        Index names whose instruments nobody may trade.
    accounts : set of int
        User ids that may not trade.
    """

    def __init__(self, floor: Floor, publisher: Publisher) -> None:
        self._x = floor
        self._publisher = publisher
        self.whole = self.maintenance = False
        self.indices: set[str] = set()
        self.accounts: set[int] = set()

    def lock(self, index: str = "", locked: bool = True) -> None:
        """Lock an index, or all of them without a name; everybody who listens is told."""
        for one in (index,) if index else sorted(self._x.indices):
            (self.indices.add if locked else self.indices.discard)(one)
            self._publisher.tell("platform_state", {"price_index": one, "locked": locked})
        if not index:
            self.whole = locked

    def maintain(self, on: bool = True) -> None:
        """Announce maintenance, or its end."""
        self.maintenance = on
        self._publisher.tell("platform_state", {"maintenance": on})

    def lock_account(self, client_id: str, locked: bool = True) -> None:
        """Lock the account of a client, who is told."""
        user_id = self._x.users[client_id]
        (self.accounts.add if locked else self.accounts.discard)(user_id)
        self._publisher.tell("user.lock", {"locked": locked}, user_id)

    def refusal(self, method: str, params: RequestParams, caller: TradingAccount | None) -> RpcError | None:
        """Error of a request that a lock stands against."""
        if not is_matching(method) or method.startswith("private/cancel"):
            return None
        if self.maintenance:
            return RpcError(11051)
        if self.whole or self._index_of(params, caller) in self.indices:
            return RpcError(10019)
        if caller is not None and caller.user_id in self.accounts:
            return RpcError(11098)
        return None

    def _index_of(self, params: RequestParams, caller: TradingAccount | None) -> str:
        name = params.values.get("instrument_name")
        listing = self._x.find(name) if isinstance(name, str) else None
        if listing is None and caller is not None:  # an edit names the order
            order_id, label = (params.values.get(key) for key in ("order_id", "label"))
            own = self._x.engine.own_orders(caller)
            listing = next((o.listing for o in own if o.order_id == order_id or o.label == label), None)
        return "" if listing is None else listing.index

    def status(self) -> dict[str, Any]:
        """Return the result of ``public/status``; ``locked`` is text while all is well."""
        if self.whole:
            return {"locked": True, "locked_indices": sorted(self.indices)}
        if self.indices:
            return {"locked": "partial", "locked_indices": sorted(self.indices)}
        return {"locked": "false"}

    def greeting(self, topic: Topic) -> list[dict[str, Any]]:
        """Say what a new subscriber is told of locks."""
        if topic.kind == "platform_state":
            found: list[dict[str, Any]] = [
                {"locked": index in self.indices, "price_index": index} for index in sorted(self._x.indices)
            ]
            return [*found, {"maintenance": True}] if self.maintenance else found
        if topic.kind == "platform_state.public_methods_state":
            return [{"allow_unauthenticated_public_requests": True}]
        return []
