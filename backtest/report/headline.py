"""The cards at the top of the report: five that everybody reads, and the rest behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .view import MISSING, View, as_text, gain_or_loss

FIRST = 5


def headline_cards(view: View) -> list[dict[str, str]]:
    """Label, value, detail and tone of every card; the first five stand for themselves."""
    s = view.summary
    received = (s["premium"]["coin"] or 0.0) < 0
    mean = s["mean_pnl_over_premium"]
    volatility = f"{as_text(s['mean_iv_entry'], '.1%')} → {as_text(s['mean_rv'], '.1%')}"
    return [
        _card("P&L", *_both(view, s["total"], "+"), tone=gain_or_loss(s["total"]["usd"])),
        _card(
            "Return on premium",
            as_text(s["return_on_premium"], "+.2%"),
            f"{as_text(s['n_episodes'], ',d')} premiums together",
            gain_or_loss(s["return_on_premium"]),
        ),
        _card(
            f"IV {'sold' if received else 'paid'} → RV realised, means",
            volatility,
            f"correlation of P&L with RV/IV: {as_text(s['corr_pnl_rv_over_iv'], '+.2f')}",
        ),
        _card("Largest drawdown", *_both(view, s["max_drawdown"])),
        _card("Hedges", f"{s['n_hedges']:,}", _per_episode(s)),
        _card(
            "Return on margin",
            as_text(s["return_on_margin"], "+.2%"),
            f"most tied up: {_native(view, s['peak_capital'])}",
            gain_or_loss(s["return_on_margin"]),
        ),
        _card("Sharpe ratio", as_text(s["sharpe"], "+.2f"), "daily profits, a year of 365 days"),
        _card("Hit rate", as_text(s["hit_rate"], ".0%"), "episodes with a profit"),
        _card("Capture ratio", as_text(s["capture_ratio"], "+.2f"), _capture_words(s)),
        _card(
            "Unexplained",
            as_text(s["unexplained_share"], ".2%"),
            f"of all moves; higher order {as_text(s['higher_order_share'], '.2%')}",
        ),
        _card(
            "P&L over premium, mean",
            as_text(mean, "+.2%"),
            f"std {as_text(s['std_pnl_over_premium'], '.2%')} across episodes",
            gain_or_loss(mean),
        ),
        _card("Premium received" if received else "Premium paid", *_both(view, _sizes(s["premium"]))),
        _card("Fees paid", *_both(view, s["fees"])),
        _card("Funding (+ received)", *_both(view, s["funding"], "+")),
        *_maker_cards(view, s["hedge_fills"]),
        _card("Episodes", f"{s['n_episodes']:,}", f"{s['n_episodes_open']:,} still open"),
        _card(
            "Orders not filled",
            f"{s['quotes_missing']:,}",
            "no quote, beyond the collar of execution, or not filled at rest",
        ),
    ]


def _maker_cards(view: View, fills: Mapping[str, Any]) -> list[dict[str, str]]:
    """Show the share of maker fills with its band, and the profit between its bounds, where drawn."""
    if fills["maker_share_expected"] is None:
        return []
    low, high = (as_text(fills[f"maker_share_{edge}"], ".0%") for edge in ("low", "high"))
    share = as_text(fills["maker_share"], ".0%")
    profit = {name: _native(view, fills["pnl"][name]) for name in fills["pnl"]}
    bounds = f"all taken {profit['all_taker']}, all filled at rest {profit['all_maker']}"
    band = f"{profit['low']} to {profit['high']}"
    return [
        _card("Hedges filled at rest", share, f"band {low} to {high}, of {fills['orders']:,} hedges"),
        _card("P&L by the fill model", band, bounds),
    ]


def _sizes(money: Mapping[str, float]) -> dict[str, float]:
    return {unit: abs(amount) for unit, amount in money.items()}


def _card(label: str, value: str, detail: str = "", tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "detail": detail, "tone": tone}


def _both(view: View, money: Mapping[str, float | None], sign: str = "") -> tuple[str, str]:
    """Format an amount in USD and in coin."""
    usd, coin = money["usd"], money["coin"]
    return as_text(usd, f"{sign},.2f", "USD"), as_text(coin, f"{sign},.6f", view.coin)


def _per_episode(summary: Mapping[str, Any]) -> str:
    count = summary["n_episodes"]
    return f"{summary['n_hedges'] / count:,.1f} an episode" if count else MISSING


def _native(view: View, amount: float) -> str:
    """Format an amount of the settlement currency."""
    return as_text(amount, ",.2f", "USD") if view.linear else as_text(amount, ",.6f", view.coin)


def _capture_words(summary: Mapping[str, Any]) -> str:
    """Say what the capture ratio is, or why there is none."""
    if summary["capture_ratio"] is None:
        return "gamma + theta did not favour the bet"
    return "of gamma + theta kept after costs"
