"""What the account is worth and what it needs: ours against the exchange's."""

from __future__ import annotations

import math

from gammacore.contracts import Instrument, Option, Settlement
from gammacore.deribit.news import AccountNews
from gammacore.desk import Desk
from gammacore.ledger import Account
from gammacore.margin import estimate, rates_at


def margin_gap(desk: Desk, news: AccountNews) -> float:
    """Take the margin that a desk's positions need by the published formulas off what the exchange counts.

    Initial margin, in the account's currency. What is left are open orders, whatever else the account holds,
    and what is wrong or out of date in the formulas; NaN without marks.
    """
    marks: dict[Instrument, tuple[float, float]] = {}
    market, positions = desk.market, desk.portfolio.positions()
    for held in positions:
        if isinstance(held, Option):
            marks[held] = float(market.exposure(held).value), market.forward(held.expiry_ns)
        else:
            marks[held] = market.future_price(held), math.nan
    return news.initial_margin - estimate(rates_at(news.ts_ns), positions, marks).initial


def liquidation_distance(news: AccountNews) -> float:
    """Return the share of the margin balance that maintenance margin leaves; none is left at liquidation."""
    return 1.0 - share(news.maintenance_margin, news.margin_balance)


def share(margin: float, balance: float) -> float:
    """Return the part of the margin balance that is in use, without limit if nothing is left of it."""
    if balance <= 0:
        return math.inf if margin > 0 else 0.0
    return margin / balance


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
