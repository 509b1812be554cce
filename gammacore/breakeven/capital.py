"""What positions tie up, by the margin model of the account."""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Floats
from gammacore.breakeven.held import Held
from gammacore.contracts import CALL, PUT
from gammacore.margin import (
    Books,
    MarginRates,
    PortfolioRates,
    future_rates,
    option_margins,
    portfolio_margins,
)

__all__ = ["capital_of"]


def capital_of(held: Held) -> Floats:
    """Premium, fees and margin of positions, USD, shape (m,)."""
    rates = held.plan.margin
    return _portfolio(held, rates) if isinstance(rates, PortfolioRates) else _standard(held, rates)


def _standard(held: Held, rates: MarginRates) -> Floats:
    """Premium and fees of what is bought, margin of what is sold, and that of a hedge of one coin."""
    chain, rows = held.chain, held.rows
    hedge = future_rates(rates, chain.base, 1.0).initial * held.price
    marks = chain.mark[rows] * held.unit / held.forward  # coin
    strike = chain.strike[rows]
    call, put = (option_margins(rates, kind, strike, held.forward, marks)[0] for kind in (CALL, PUT))
    needed = np.where(held.kind == CALL, call, put) * held.forward
    margin = np.where(held.bought, 0.0, -held.amount * needed).sum(axis=0)
    fees = np.where(held.bought.any(axis=0), held.fees(), 0.0)
    return np.asarray(hedge + held.bought_for() + fees + margin)


def _portfolio(held: Held, rates: PortfolioRates) -> Floats:
    """Margin of the options with their first hedge, and the fees.

    The premium counts as equity for as long as the options have it: it is no capital beside the margin.
    """
    chain, (k, m) = held.chain, held.amount.shape
    lines, sizes = np.zeros((m, k + 1, 5)), np.zeros((m, k + 1))
    groups = np.full((m, k + 1), k)  # a perpetual is an expiry of its own
    last = np.argmax(held.expiry_ns, axis=0)
    for leg in range(k):
        strike = chain.strike[held.rows[leg]]
        columns = held.kind[leg], strike, held.tau[leg], held.vol[leg], held.forward[leg]
        lines[:, leg] = np.column_stack(columns)
        sizes[:, leg] = held.amount[leg]
        groups[:, leg] = np.argmax(held.expiry_ns == held.expiry_ns[leg], axis=0)
    sizes[:, k] = -held.delta() * held.hedged
    lines[:, k, 1], lines[:, k, 4] = 1.0, chain.index
    if held.plan.instrument != "perpetual":  # the future of the last expiry
        which = last, np.arange(m)
        lines[:, k, 2], lines[:, k, 4] = held.tau[which], held.forward[which]
        groups[:, k] = np.take_along_axis(groups[:, :k], last[:, None], axis=1)[:, 0]
    index, offsets = np.full(m, chain.index), (k + 1) * np.arange(m + 1)
    books = Books(index, offsets, lines.reshape(-1, 5), groups.ravel(), sizes.ravel())
    margin = portfolio_margins(books, rates, inverse=held.inverse)
    return np.asarray(margin * held.unit + held.fees())
