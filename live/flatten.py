"""Close the positions of a journal without its session: ``gammacore kill --flatten --direct``.

For a session that is gone or hangs. All orders of the account in the currency are cancelled; then what the
journal holds is closed by reduce-only orders that take at once, each a step further from the mark.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from gammacore.contracts import ContractSpec, Option, parse
from gammacore.daycount import NS_PER_MINUTE
from gammacore.deribit import methods as m
from gammacore.deribit.news import OrderAnswer, TickerNews, TradeNews, TradesPage
from gammacore.errors import GammacoreError, RequestError, SessionError
from gammacore.tolerances import DUST

from .about import Began
from .attempts import session_name
from .client import Client
from .clock import scaled_clock
from .credentials import Credentials
from .follow import Follower
from .killing import own_positions
from .positions import direct_label
from .session import URLS, Venue, read_account

OPTION_STEPS = (0.05, 0.1, 0.25, 0.5, 0.9)  # from the mark, as a share of it
FUTURE_STEPS = (0.0005, 0.001, 0.0025, 0.005, 0.01)
PAUSE_S = 0.5


class Held(NamedTuple):
    """What a journal knows of its positions.

    ``prefixes`` are the first parts of its labels, ``known`` the ids of trades that it has taken in.
    """

    positions: dict[str, float]
    prefixes: tuple[str, ...]
    known: frozenset[str]
    began: Began
    first_ns: int
    currency: str


def held_by(journal: Path) -> Held:
    """Read what a journal holds.

    Raises
    ------
    SessionError
        If it cannot be read, or was kept on paper.
    """
    follower = Follower(journal)
    try:
        follower.update()
    except (ArithmeticError, GammacoreError, LookupError, ValueError) as error:
        raise SessionError(
            f"{journal}: cannot be read ({error}), so which positions are its own is not known here; "
            "close them at the exchange by hand"
        ) from None
    began = follower.began
    if began is None or follower.config is None:
        raise SessionError(f"{journal}: no session has traded on it: there is nothing to close")
    if began.paper:
        raise SessionError(f"{journal}: was kept on paper: there is nothing to close at the exchange")
    prefixes = {placed.label.partition("-")[0] + "-" for placed in follower.placed}
    return Held(
        own_positions(follower),
        tuple(prefixes),
        frozenset(follower.known),
        began,
        follower.first_ns,
        follower.config.settles_in,
    )


def flatten_directly(
    held: Held,
    say: Callable[[str], None],
    *,
    venue: Venue | None = None,
    url: str = "",
    wait_s: float = 60.0,
) -> dict[str, float]:
    """Cancel all orders of the currency and close what the journal holds.

    Parameters
    ----------
    held : Held
    say : callable(str)
        Is told each step.
    venue : str, optional
        Default: where the journal's last session traded.
    url : str
        Of a local exchange.
    wait_s : float
        After which it gives up.

    Returns
    -------
    dict of str to float
        Positions of the journal that remain, in the exchange's unit; empty when flat.

    Raises
    ------
    CredentialsError, JournalError, RequestError, SessionError
        If the exchange cannot be reached, refuses to log in or to cancel, or the key is of another account.
    """
    venue = venue or held.began.venue  # type: ignore[assignment]
    address = url or URLS.get(str(venue), "")
    if not address:
        raise SessionError("--url: the local venue needs the address of the running exchange")
    clock = scaled_clock(address, held.began.speed) if venue == "local" else None
    credentials = Credentials.load(testnet=venue != "production")
    client = Client(address, credentials, currencies=(held.currency,), clock=clock)
    until_s = time.monotonic() + wait_s
    try:
        held.began.demand_account("the journal", read_account(client, held.currency).account)
        client.call(m.CANCEL_ALL_BY_CURRENCY, {"currency": held.currency}, timeout_s=wait_s)
        say(f"all orders in {held.currency} cancelled")
        while not client.reconciled:  # no order is sent before
            _demand_time(until_s)
            client.call(m.GET_TIME, {})
        return Closing(client, held, say).run(until_s)
    finally:
        client.close()


def _demand_time(until_s: float) -> None:
    if time.monotonic() > until_s:
        raise RequestError("the exchange did not answer in time; nothing was closed")


class Closing:
    """The loop: look at what is left, send what closes it, a step further each time."""

    def __init__(self, client: Client, held: Held, say: Callable[[str], None]) -> None:
        self._client, self._held, self._say = client, held, say
        self._label = direct_label(session_name(held.first_ns))
        self._grids: dict[str, ContractSpec] = {}

    def run(self, until_s: float) -> dict[str, float]:
        """Close, until nothing is left or a moment of the monotonic clock; return what is left."""
        own = self._own()
        step, reasons = 0, dict[str, str]()
        while True:
            left = self._left(own)
            if not left or time.monotonic() > until_s:
                break
            unanswered = False
            for name, amount in left.items():
                filled, reasons[name] = self._close(name, amount, step)
                own[name] += filled or 0.0
                unanswered |= filled is None
                if filled:
                    self._say(f"{filled:+,g} {name}")
            step += 1
            if unanswered:  # it may have filled all the same: its trades tell
                own = self._own()
            if self._left(own):
                time.sleep(PAUSE_S)
        for name in left:
            if reasons.get(name):
                self._say(f"{name}: {reasons[name]}")
        return left

    def _own(self) -> dict[str, float]:
        """Positions of the journal, with what it has not heard of: late fills, closings without it."""
        own = dict(self._held.positions)
        for trade in self._trades():
            ours = trade.label.startswith(self._held.prefixes) or trade.label == self._label
            if ours and trade.trade_id not in self._held.known and not isinstance(trade.instrument, str):
                name = trade.instrument.name
                own[name] = own.get(name, 0.0) + trade.amount
        return own

    def _trades(self) -> Iterator[TradeNews]:
        seen: set[str] = set()
        for historical in (True, False):  # recent trades and older ones are kept apart
            since_ns, more = self._held.first_ns, True
            while more:
                until_ns, whose = self._client.now_ns() + NS_PER_MINUTE, self._held.currency
                params = m.trades_between(since_ns, until_ns, historical=historical, currency=whose)
                page = self._client.call(m.GET_USER_TRADES_BY_CURRENCY_AND_TIME, params)
                assert isinstance(page, TradesPage)
                fresh = [trade for trade in page.trades if trade.trade_id not in seen]
                seen |= {trade.trade_id for trade in fresh}
                yield from fresh
                more = page.has_more and bool(fresh)
                since_ns = max((trade.ts_ns for trade in page.trades), default=since_ns)

    def _left(self, own: dict[str, float]) -> dict[str, float]:
        """Return what is ours and still there: never more than the account holds."""
        found = self._client.call(m.GET_POSITIONS, {"currency": self._held.currency})
        sizes = {p.instrument if isinstance(p.instrument, str) else p.instrument.name: p.size for p in found}
        left = {}
        for name, amount in own.items():
            size = sizes.get(name, 0.0)
            if abs(amount) > DUST and amount * size > 0.0:
                left[name] = math.copysign(min(abs(amount), abs(size)), amount)
        return left

    def _grid(self, name: str) -> ContractSpec:
        """Grid of an instrument, asked for once."""
        if name not in self._grids:
            found = self._client.call(m.GET_INSTRUMENT, {"instrument_name": name}).spec
            if found is None:
                raise RequestError(f"{name}: the exchange tells no tick")
            self._grids[name] = found
        return self._grids[name]

    def _close(self, name: str, amount: float, step: int) -> tuple[float | None, str]:
        """Send one order; what it filled (signed; None: not known), and why not more."""
        try:
            quote = self._client.call(m.TICKER, {"instrument_name": name})
            answer = self._client.call(
                m.SELL if amount > 0.0 else m.BUY,
                {
                    "instrument_name": name,
                    "amount": abs(amount),
                    "type": "limit",
                    "price": limit_at(name, amount, quote, step, self._grid(name)),
                    "time_in_force": "immediate_or_cancel",
                    "reduce_only": True,
                    "label": self._label,
                },
            )
        except RequestError as error:
            return None, str(error)
        assert isinstance(answer, OrderAnswer)
        filled = math.copysign(answer.order.filled_amount, -amount) if answer.order.filled_amount else 0.0
        return filled, "no buyer within the limit" if amount > 0.0 else "no seller within the limit"


def limit_at(name: str, amount: float, quote: TickerNews, step: int, grid: ContractSpec) -> float:
    """Worst price of this step, on the grid and within what the exchange accepts."""
    instrument = parse(name)
    steps = OPTION_STEPS if isinstance(instrument, Option) else FUTURE_STEPS
    away = steps[min(step, len(steps) - 1)]
    selling = amount > 0.0
    mark = quote.mark if math.isfinite(quote.mark) else 0.0
    tick = float(grid.round_price(1e-9, "up"))
    if selling:
        lowest = quote.min_price if quote.min_price > 0.0 else tick
        return max(float(grid.round_price(mark * (1.0 - away), "up")), lowest, tick)
    price = max(float(grid.round_price(mark * (1.0 + away), "down")), tick)
    return min(price, quote.max_price) if quote.max_price > 0.0 else price
