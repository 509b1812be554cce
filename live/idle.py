"""Why a session holds nothing, as far as desk and risk manager know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gammacore.desk import Desk
from gammacore.strategy.filters import VolIndex
from gammacore.strategy.gamma_scalp import Entry
from gammacore.strategy.waiting import Waiting, waiting

from .risk_manager import Mode


def _margin_of(desk: Desk) -> Callable[[Entry], str | None]:
    """Return what says why an entry would leave too much margin in use."""
    market = desk.market

    def refused(entry: Entry) -> str | None:
        assert market.chain is not None
        return desk.margin_refusal(entry, desk.hedge.instrument(market.chain, market, entry))

    return refused


def overdue(desk: Desk) -> bool:
    """Whether something should have been closed by now, and nothing is on its way."""
    portfolio, book = desk.portfolio, desk.portfolio.book
    waiting = [e for e in portfolio.open.values() if not e.pending]
    over = desk.lets_go or not portfolio.open
    if book is not None and book.hedge.amount and over and not book.pending:
        waiting.append(book)
    return any(
        (e.close_ns and not desk.keeps(e)) or (desk.closing and e.open and not e.adopted) for e in waiting
    )


def why_idle(
    desk: Desk, mode: Mode, reasons: Sequence[str] = (), *, stopping: bool = False, refused: str = ""
) -> Waiting | None:
    """Say why nothing is held, None while something is.

    Parameters
    ----------
    desk : Desk
    mode : Mode
        Of the risk manager, which lets entries pass in NORMAL alone.
    reasons : sequence of str
        Of the mode.
    stopping : bool
        Whether the session is about to end.
    refused : str
        Why the last entry was given up.
    """
    if desk.portfolio.open:
        return None
    if desk.closing:
        return Waiting("everything was to be closed: nothing is entered any more")
    if stopping:
        return Waiting("the session has been asked to stop")
    if mode is not Mode.NORMAL:
        return Waiting(f"no entries in {mode.name}" + (f": {'; '.join(reasons)}" if reasons else ""))
    market = desk.market
    funding = 0.0 if market.chain is None else market.funding_rate(market.chain.settlement)
    index = VolIndex(market.dvol, market.dvol_rank)
    known = market.estimate, funding, index, desk.equity(market.equity)
    found = waiting(
        desk.strategy,
        market.ts_ns,
        market.chain,
        desk.portfolio,
        desk.limits,
        *known,
        margin=_margin_of(desk),
    )
    if found is None or not refused:
        return found
    return Waiting(f"the last entry was given up: {refused}; tried again a minute later", found.next_ns)
