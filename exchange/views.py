"""Objects as the wire shows them: tickers, books, orders, trades, positions, summaries."""

from __future__ import annotations

from typing import Any

from gammacore.contracts import Option

from .account_value import AccountValue, CrossTotals, Holding, as_coins, evaluate
from .accounts import Position, TradingAccount, units
from .catalog import ListedContract
from .combos import ListedCombo
from .mark_prices import Mark
from .matching import MatchingEngine
from .order_book import BUY, SELL, ExchangeOrder
from .past_market import PastMarket
from .trades import Side, Trade
from .wire import direction, milliseconds

__all__ = ["Views", "order_json", "public_trade", "summary_json", "user_trade"]


def order_json(order: ExchangeOrder) -> dict[str, Any]:
    """Order object of answers and ``user.orders``."""
    listing, untriggered = order.listing, order.state == "untriggered"
    market_price = order.trigger is not None and not order.price
    shown: dict[str, Any] = {
        "order_id": order.order_id,
        "order_state": order.state,
        "order_type": order.order_type,
        "instrument_name": listing.name,
        "direction": direction(order.side),
        "price": "market_price" if market_price else listing.price(order.price),
        "amount": listing.amount(order.lots),
        "contracts": listing.contracts(order.lots),
        "time_in_force": order.time_in_force,
        "label": order.label,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "replaced": order.replaced,
        "mmp": False,
        "api": True,
        "web": False,
        "is_liquidation": order.is_liquidation,
        "risk_reducing": order.reduce_only,
        "creation_timestamp": milliseconds(order.created_ns),
        "last_update_timestamp": milliseconds(order.updated_ns),
        "user_id": order.account,
    }
    if not untriggered:
        shown["filled_amount"] = listing.amount(order.filled)
        shown["average_price"] = round(order.value / order.filled, 8) if order.filled else 0.0
    if order.post_only or order.trigger is not None:
        shown["reject_post_only"] = order.reject_post_only
    if order.trigger is not None:
        shown |= {
            "trigger": order.trigger,
            "trigger_price": order.trigger_price,
            "triggered": order.triggered,
        }
        if order.stop_id is not None:
            shown["trigger_order_id"] = order.stop_id
    if order.cancel_reason is not None:
        shown["cancel_reason"] = order.cancel_reason
    return shown


def public_trade(trade: Trade) -> dict[str, Any]:
    """Trade as everybody sees it."""
    listing = trade.listing
    shown: dict[str, Any] = {
        "trade_id": listing.trade_id(trade.number),
        "trade_seq": trade.seq,
        "instrument_name": listing.name,
        "timestamp": milliseconds(trade.ts_ns),
        "direction": direction(trade.side),
        "tick_direction": trade.tick_direction,
        "price": trade.paid,
        "mark_price": trade.mark,
        "index_price": trade.index,
        "amount": listing.amount(trade.lots),
        "contracts": listing.contracts(trade.lots),
    }
    if listing.kind == "option":
        shown["iv"] = trade.iv
    if trade.combo is not None:
        shown |= {
            "combo_id": trade.combo.listing.name,
            "combo_trade_id": trade.combo.listing.trade_id(trade.combo.number),
        }
    if trade.legs:
        shown["legs"] = [public_trade(leg) for leg in reversed(trade.legs)]
    if trade.sides and trade.sides[0].order.is_liquidation:
        shown["liquidation"] = "T"
    return shown


def user_trade(trade: Trade, side: Side) -> dict[str, Any]:
    """Trade as one of its parties sees it."""
    order, listing = side.order, trade.listing
    shown = public_trade(trade) | {
        "direction": direction(order.side),
        "order_id": order.order_id,
        "order_type": order.order_type,
        "state": side.state,
        "label": order.label,
        "fee": as_coins(side.fee),
        "fee_currency": listing.currency,
        "liquidity": "M" if side.maker else "T",
        "profit_loss": None if side.profit is None else as_coins(side.profit),
        "matching_id": None,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "risk_reducing": order.reduce_only,
        "api": True,
        "mmp": False,
        "self_trade": False,
        "user_id": order.account,
    }
    if listing.kind == "option":
        shown["underlying_price"] = trade.forward
    if trade.legs:
        place = trade.sides.index(side)
        shown["legs"] = [user_trade(leg, leg.sides[place]) for leg in reversed(trade.legs)]
    return shown


class Views:
    """Objects that need the market to be shown.

    Parameters
    ----------
    engine : MatchingEngine
    past : PastMarket
    """

    def __init__(self, engine: MatchingEngine, past: PastMarket) -> None:
        self._engine = engine
        self._past = past

    def best(self, listing: ListedContract) -> dict[str, Any]:
        """Best prices and amounts; null and 0 where a side is empty."""
        book, shown = self._engine.book(listing), {}
        for side, name in ((BUY, "bid"), (SELL, "ask")):
            level = book.levels(side, 1)
            shown[f"best_{name}_price"] = listing.price(level[0][0]) if level else None
            shown[f"best_{name}_amount"] = listing.amount(level[0][1]) if level else 0.0
        return shown

    def levels(self, listing: ListedContract, side: int, depth: int | None) -> list[tuple[float, float]]:
        """Prices and amounts of a side, best first."""
        return [
            (listing.price(price), listing.amount(lots))
            for price, lots in self._engine.book(listing).levels(side, depth)
        ]

    def ticker(self, listing: ListedContract, now_ns: int) -> dict[str, Any]:
        """Ticker object."""
        mark = self._engine.pricing.mark(listing)
        low, high = self._engine.band(listing)
        trades = self._engine.trades.get(listing.name)
        estimated = self._engine.market.estimated_delivery(listing.base, now_ns)
        shown: dict[str, Any] = {
            "timestamp": milliseconds(now_ns),
            "state": listing.state if listing.state == "open" else "closed",
            "instrument_name": listing.name,
            "stats": self._engine.day(listing).stats(now_ns),
            "open_interest": self._engine.open_interest(listing),
            **self.best(listing),
            "index_price": self._engine.market.index(listing.base),
            "min_price": listing.price(low),
            "max_price": listing.price(high),
            "mark_price": mark.price,
            "last_price": trades[-1].paid if trades else None,
            "estimated_delivery_price": estimated,
        }
        settled = listing.settlement_price
        if settled is None and listing.expiry_ns is None:
            settled = self._past.settlement_price(listing)
        if settled is not None:
            shown["settlement_price"] = settled
        if listing.state != "open":
            shown["delivery_price"] = listing.delivery_price
        if isinstance(listing, ListedCombo):
            shown |= self._combo_fields(listing)
        elif listing.kind == "option":
            shown["mark_price"] = round(mark.price, 4)
            shown |= self._option_fields(listing, shown)
        elif listing.expiry_ns is None:
            shown |= self.funding_fields(listing)
        return shown

    def _option_fields(self, listing: ListedContract, shown: dict[str, Any]) -> dict[str, Any]:
        mark = self._engine.pricing.mark(listing)
        quoted = {name: shown[f"best_{name}_price"] for name in ("bid", "ask")}
        return {
            "greeks": _greeks(mark),
            "mark_iv": round(100.0 * mark.vol, 2),
            "bid_iv": self._engine.pricing.implied(listing, quoted["bid"]) if quoted["bid"] else 0.0,
            "ask_iv": self._engine.pricing.implied(listing, quoted["ask"]) if quoted["ask"] else 0.0,
            "underlying_price": mark.forward,
            "underlying_index": self.underlying(listing),
            "interest_rate": 0.0,
        }

    def _combo_fields(self, combo: ListedCombo) -> dict[str, Any]:
        """Fields that a combo adds to its ticker, summed over its legs."""
        mark = self._engine.pricing.mark(combo)
        shown: dict[str, Any] = {"combo_state": combo.details()["state"]}
        if combo.kind == "option_combo":
            shown |= {
                "greeks": _greeks(mark),
                "mark_iv": round(100.0 * mark.vol, 2),
                "bid_iv": 0.0,
                "ask_iv": 0.0,
                "underlying_price": mark.forward,
                "underlying_index": "index_price",
                "interest_rate": 0.0,
            }
        return shown

    def underlying(self, listing: ListedContract) -> str:
        """Name of the future an option is marked on: that of its expiry, which is always listed."""
        option = listing.instrument
        assert isinstance(option, Option)
        return option.name.rsplit("-", 2)[0]

    def funding_fields(self, listing: ListedContract) -> dict[str, Any]:
        """Fields that a perpetual adds to its ticker."""
        return {
            "current_funding": round(self._engine.market.rate(listing.base, linear=not listing.inverse), 8),
            "funding_8h": round(self._engine.market.funding_8h(listing.base), 8),
            "interest_value": self._engine.interest(listing),
        }

    def position(self, account: TradingAccount, position: Position) -> dict[str, Any]:
        """Position object."""
        portfolio = evaluate(account, position.listing.currency, self._engine)
        for holding in portfolio.holdings:
            if holding.position is position:
                return self.holding(holding)
        raise AssertionError(position.listing.name)

    def holding(self, holding: Holding) -> dict[str, Any]:
        """Position object of a valued position."""
        position, mark = holding.position, holding.mark
        listing, size = position.listing, position.size
        shown: dict[str, Any] = {
            "instrument_name": listing.name,
            "kind": listing.kind,
            "direction": "zero" if not size else direction(1 if size > 0 else -1),
            "size": size,
            "average_price": position.average_price,
            "mark_price": mark.price,
            "index_price": self._engine.market.index(listing.base),
            "settlement_price": listing.settlement_price or mark.price,
            "delta": round(holding.delta, 9),
            "initial_margin": round(holding.initial, 9),
            "maintenance_margin": round(holding.maintenance, 9),
            "open_orders_margin": round(holding.orders, 9),
            "floating_profit_loss": round(position.floating(mark.price), 9),
            "realized_profit_loss": as_coins(position.realized),
            "total_profit_loss": round(position.profit(mark.price), 9),
        }
        if listing.kind == "option":
            underlying = mark.forward if listing.coin_settled else 1.0
            return shown | {
                "gamma": round(size * mark.gamma, 5),
                "vega": round(size * mark.vega, 5),
                "theta": round(size * mark.theta, 5),
                "average_price_usd": round(position.average_price * underlying, 6),
                "floating_profit_loss_usd": round(position.floating(mark.price) * underlying, 6),
            }
        shown |= {
            "size_currency": round(size / mark.price if listing.inverse else size, 9),
            "leverage": listing.row["max_leverage"],
        }
        if listing.expiry_ns is None:
            shown["realized_funding"] = as_coins(position.funding)
            shown["interest_value"] = position.interest
        return shown

    def summary(self, account: TradingAccount, currency: str) -> dict[str, Any]:
        """Account summary of one currency, and payload of ``user.portfolio``."""
        return summary_json(evaluate(account, currency, self._engine), currency)


def _greeks(mark: Mark) -> dict[str, float]:
    return {name: round(getattr(mark, name), 5) for name in ("delta", "gamma", "vega", "theta", "rho")}


def summary_json(found: AccountValue, currency: str) -> dict[str, Any]:
    """Account summary of a valued portfolio."""
    coin = currency != "USDC"
    plain = round(found.futures_delta + found.options_delta, 9)
    total = round(plain - found.premium, 9)
    available = found.margin_balance - found.initial_margin
    withdrawable = min(found.balance, found.margin_balance) - found.initial_margin
    index = f"{currency.lower()}_usd" if coin else "btc_usdc"
    return {
        "currency": currency,
        "balance": as_coins(found.balance),
        "equity": as_coins(found.equity),
        "margin_balance": as_coins(found.margin_balance),
        "available_funds": as_coins(available),
        "available_withdrawal_funds": as_coins(withdrawable),
        "initial_margin": as_coins(found.initial_margin),
        "maintenance_margin": as_coins(found.maintenance_margin),
        "projected_initial_margin": as_coins(found.initial_margin - units(found.expiring_initial)),
        "projected_maintenance_margin": as_coins(
            found.maintenance_margin - units(found.expiring_maintenance)
        ),
        "delta_total": total,
        "projected_delta_total": round(total - found.expiring_delta, 9),
        "delta_total_map": {index: plain},
        "options_delta": round(found.options_delta, 5),
        "options_gamma": round(found.options_gamma, 5),
        "options_vega": round(found.options_vega, 5),
        "options_theta": round(found.options_theta, 5),
        "options_gamma_map": {index: round(found.options_gamma, 5)},
        "options_vega_map": {index: round(found.options_vega, 5)},
        "options_theta_map": {index: round(found.options_theta, 5)},
        "options_value": as_coins(found.options_value),
        "options_pl": as_coins(found.options_profit),
        "options_session_rpl": as_coins(found.options_rpl),
        "options_session_upl": as_coins(found.options_upl),
        "futures_pl": as_coins(found.futures_profit),
        "futures_session_rpl": as_coins(found.futures_rpl),
        "futures_session_upl": as_coins(found.futures_upl),
        "session_rpl": as_coins(found.futures_rpl + found.options_rpl),
        "session_upl": as_coins(found.futures_upl + found.options_upl),
        "total_pl": as_coins(found.futures_profit + found.options_profit),
        "fee_balance": 0.0,
        "additional_reserve": 0.0,
        "spot_reserve": 0.0,
        "locked_balance": 0.0,
        "estimated_liquidation_ratio": 0.0,
        "estimated_liquidation_ratio_map": {index: 0.0},
        "margin_model": found.margin_model,
        "portfolio_margining_enabled": found.portfolio,
        "cross_collateral_enabled": found.cross is not None,
        **_totals(found.cross),
    }


def _totals(cross: CrossTotals | None) -> dict[str, float]:
    """Write the USD totals that every currency of a cross account repeats."""
    if cross is None:
        return {}
    return {
        "total_equity_usd": round(cross.equity, 9),
        "total_margin_balance_usd": round(cross.equity, 9),
        "total_initial_margin_usd": round(cross.initial, 9),
        "total_maintenance_margin_usd": round(cross.maintenance, 9),
    }
