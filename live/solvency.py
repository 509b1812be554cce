"""What the account is worth and what it needs: ours against the exchange's."""

from __future__ import annotations

import math

import msgspec

from gammacore.contracts import Settlement
from gammacore.deribit.news import AccountNews
from gammacore.desk import Desk
from gammacore.errors import ContractError
from gammacore.ledger import Account
from gammacore.margin import Model
from gammacore.margin_use import held_book, used


def account_model(news: AccountNews) -> Model:
    """Margin model of the account, as the exchange says."""
    return "portfolio" if news.portfolio_margining or news.margin_model.endswith("_pm") else "standard"


def margin_gap(desk: Desk, news: AccountNews) -> float:
    """Take the margin that a desk's positions need by the published formulas off what the exchange counts.

    Initial margin, in the account's currency, by the account's own model. What is left are open orders,
    whatever else the account holds, and what is wrong or out of date in the formulas; NaN without marks, and
    under portfolio margin for a coin whose parameters are not known.
    """
    margins = msgspec.structs.replace(desk.margins, model=account_model(news))
    book = held_book(desk.portfolio.positions(), desk.market)
    try:
        return news.initial_margin - margins.margin(book).initial
    except ContractError:  # no parameters
        return math.nan


def liquidation_distance(news: AccountNews) -> float:
    """Return the share of the margin balance that maintenance margin leaves; none is left at liquidation."""
    return 1.0 - used(news.maintenance_margin, news.margin_balance)


def profit_usd(desk: Desk) -> float:
    """Profit of all episodes at the market's marks, USD; open ones as if closed at marks without cost."""
    total, market = 0.0, desk.market
    for episode in desk.portfolio.accounts:
        if episode.end_ns or not (episode.entered or episode.hedge.amount or episode.ledger.roundings):
            total += episode.ledger.profit().usd
            continue
        inverse = episode.hedge.instrument.settlement is Settlement.INVERSE
        worth = float(episode.equity(market)) * (market.index if inverse else 1.0)
        total += worth + episode.ledger.balance(Account.CAPITAL).usd
    return total
