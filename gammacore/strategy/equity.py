"""What an account is worth by its own ledgers: where it started, and all profits since, at marks."""

from __future__ import annotations

from gammacore.episode import Episode
from gammacore.ledger import Account
from gammacore.market import Market
from gammacore.portfolio import Portfolio

__all__ = ["equity_of", "profit_of"]


def profit_of(episode: Episode, market: Market, value: float) -> float:
    """Return the profit of an episode whose options are worth ``value``, settlement currency."""
    ledger = episode.ledger
    cash = ledger.native_balance(Account.CASH) + ledger.native_balance(Account.CAPITAL)
    if not episode.hedge.amount:
        return cash + value
    hedge = float(episode.hedge.unrealised(market.future_price(episode.hedge.instrument)))
    return cash + value + hedge - float(episode.hedge.accrued(market.interest))


def equity_of(start: float, portfolio: Portfolio, market: Market) -> float:
    """Return the equity, settlement currency; NaN where something held has no mark.

    Parameters
    ----------
    start : float
        Before the first profit.
    portfolio : Portfolio
    market : Market
    """
    profit = 0.0
    for account in portfolio.accounts:
        value = sum(amount * market.mark(option) for option, amount in account.legs.items())
        profit += profit_of(account, market, value)
    return start + profit
