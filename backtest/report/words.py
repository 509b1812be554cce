"""What was run, in words, and what to know before believing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gammacore.config import Config, EntryConfig, HedgeConfig, PaceConfig, RulesConfig, SizeConfig, stated

from .view import View, day, plural


def run_title(view: View) -> dict[str, str]:
    """Say what was traded, and when."""
    entry, data = view.config.entry, view.summary["data"]
    return {
        "what": f"{view.config.currency} {_structure_words(entry)}, {entry.side}",
        "span": f"{day(data['start'])} to {day(data['end'])}",
    }


def run_in_words(config: Config) -> list[tuple[str, str]]:
    """Bet, hedge, exit and costs, a sentence each."""
    return [
        (name, words[0].upper() + words[1:])
        for name, words in (
            ("Bet", _bet_words(config)),
            ("Hedge", _hedge_words(config)),
            ("Exit", _exit_words(config)),
            ("Costs", _cost_words(config)),
        )
    ]


def _bet_words(config: Config) -> str:
    entry, size, limits = config.entry, config.size, config.limits
    what = _structure_words(entry)
    if not entry.structure.own:
        what += f" of {entry.delta:g} delta" if entry.structure == "strangle" else " at the money"
    expiries = "Friday expiry" if entry.expiries == "fridays" else "expiry"
    when = f"one for each {expiries}" if entry.schedule == "each_expiry" else "one at a time, rolled"
    days = (
        f"{entry.min_days:g}"
        if entry.min_days == entry.max_days
        else f"{entry.min_days:g} to {entry.max_days:g}"
    )
    amount = _size_words(size)
    words = [f"{entry.side} {what}, {when}", f"entered {days} days before expiry", amount]
    if entry.weekday is not None:
        words[1] += f", on a {entry.weekday.capitalize()}"
    filters = [name for name, value in stated(config.signal.when).items() if value is not None]
    if filters:
        words.append(f"only where signal.when allows it ({', '.join(filters)})")
    if limits.max_open_episodes is not None:
        words.append(f"at most {limits.max_open_episodes} open")
    if limits.max_contracts is not None:
        words.append(f"at most {limits.max_contracts:,.12g} coin a leg over all")
    return "; ".join(words)


def _structure_words(entry: EntryConfig) -> str:
    return f"legs chosen by {entry.structure}" if entry.structure.own else f"{entry.structure}s"


def _size_words(size: SizeConfig) -> str:
    """Say how much, every budget that counts."""
    forms = {
        "premium_usd": "{:,g} USD of premium",
        "theta_usd": "{:,g} USD of theta a day",
        "vega_usd": "{:,g} USD of vega a point",
        "gamma": "{:g} coin of delta per 1 %",
        "margin_share": "{:.4g} of the equity for margin",
        "equity_share": "{:.4g} of the equity for premium",
        "kelly": "{:.4g} of Kelly's bet",
        "rule": "what {} says",
    }
    told = [forms[name].format(getattr(size, name)) for name in size.budgets]
    return ", at most ".join(told) or f"{size.contracts:,.12g} coin a leg"


def _hedge_words(config: Config) -> str:
    hedge = config.hedge
    own = f"as {hedge.rule} says, asked " if hedge.rule.own else ""
    rule = hedge.trigger if own else str(hedge.rule)
    never = rule == "never" or (rule == "interval" and not hedge.every.ns)
    if never:
        return "none"
    instruments = {
        "perpetual": "the perpetual",
        "future": "the future of the same expiry",
        "forward": "the forward (theoretical)",
        "cheapest": "the perpetual or the future, whichever is expected to cost less",
    }
    targets = {
        "coin_neutral": "coin value neutral (net delta)",
        "usd_neutral": "USD value neutral (equity + net delta)",
        "black": "Black N(d1)",
    }
    lots = "whole lots" if hedge.lots else "any fraction (no lots or ticks)"
    words = f"{instruments[hedge.instrument]}, {own}{_rule_words(hedge, rule)}"
    return f"{words}; target: {targets[hedge.target]}; {lots}"


def _rule_words(hedge: HedgeConfig, rule: str) -> str:
    """Say when a hedge takes place."""
    lower = "" if hedge.band_lower is None else f" (-{hedge.band_lower:,.12g} below)"
    units = {
        "usd": "USD",
        "relative": "of the price",
        "sigma": f"standard deviations of {hedge.move_horizon}",
    }
    rules = {
        "band": f"whenever off by more than {hedge.band:,.12g} coin{lower}, "
        f"back to the {hedge.to or 'centre'} of the band",
        "snapshot": "at every published chain",
        "interval": f"every {hedge.every}",
        "move": f"whenever the price has moved by {hedge.move:g} {units[hedge.move_unit]}",
        "whalley_wilmott": f"at Whalley and Wilmott's band, risk aversion {hedge.risk_aversion:g}, "
        f"back to the {hedge.to or 'edge'}",
        "zakamouline": f"at Zakamouline's band, risk aversion {hedge.risk_aversion:g}",
        "fixed_cost": f"where the risk is worth {hedge.cost_per_trade:g} USD a trade, risk aversion "
        f"{hedge.risk_aversion:g}",
        "ladder": f"orders resting {hedge.band:,.12g} coin of delta on either side",
    }
    return rules[rule]


def _exit_words(config: Config) -> str:
    hours, rules = config.exit.hours_before_expiry, _rules_in_words(config.exit.rules)
    price = "30-minute average" if config.exit.delivery == "average" else "last price"
    words = [f"held to delivery at the {price}" if hours is None else f"closed {hours:g} hours before expiry"]
    if rules:
        words.append(f"closed earlier by any of: {rules}")
    if config.roll.when.active:
        into = ", ".join(f"{name} {value}" for name, value in config.roll.into.items())
        rolled = f"rolled by any of: {_rules_in_words(config.roll.when)}"
        words.append(f"{rolled}, into {into}" if into else rolled)
    return "; ".join(words)


def _rules_in_words(rules: RulesConfig) -> str:
    """List rules with their numbers."""
    told = []
    for name, value in ((name, getattr(rules, name)) for name in rules.__struct_fields__):
        if isinstance(value, PaceConfig):
            sides = ("below", value.below), ("above", value.above)
            bounds = " or ".join(f"{side} {edge:g}" for side, edge in sides if edge is not None)
            told.append(f"{name} {bounds} after {value.after}")
        elif isinstance(value, list):
            told += map(str, value)
        elif value is not None:
            told.append(f"{name} {value:g}")
    return ", ".join(told)


def closed_in_words(view: View) -> list[tuple[str, str]]:
    """Count why episodes closed, the most frequent first; nothing where there are none."""
    counts = view.summary["closed_by"]
    told = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
    return [("Why they closed", told)] if told else []


def _cost_words(config: Config) -> str:
    costs = config.costs
    fills = {"cross": "at the crossed spread", "mid": "between bid and ask", "mark": "at the mark, no spread"}
    bp, working = costs.hedge_half_spread_bp, config.execution
    spread = f"{bp:g} bp" if isinstance(bp, float | int) else "of recorded quotes by the hour"
    if isinstance(bp, list):
        spread = f"{min(bp):g} to {max(bp):g} bp by the hour"
    ways = {
        "post_only": f"rest for {working.patience}, then take",
        "taker": "take at once",
        "maker": "always filled at rest (a bound)",
    }
    own = [
        f"{name} fee {fee * 1e4:g} bp"
        for name, fee in (("taker", costs.hedge_taker_fee), ("maker", costs.hedge_maker_fee))
        if fee is not None
    ]
    words = [
        f"options {fills[costs.fill]}",
        "option fees by the dated schedule" if costs.option_fees else "no option fees",
        f"hedges: {', '.join([ways[working.hedges], *own, f'half spread {spread}'])}",
        "funding as recorded" if costs.funding else "no funding",
    ]
    if costs.fill != "mark":
        age = costs.max_quote_age
        words.append("quotes of any age" if age is None else f"quotes at most {age} old")
    return "; ".join(words)


def _measured_words(measured: Mapping[str, Any], currency: str) -> str:
    """Say what sessions measured of simulated fills, and what that makes of the profit."""
    cost, pnl = measured["cost_over_fees"], measured["pnl"]
    real, said = measured["maker_share"], measured["simulated_maker_share"]
    return (
        f"Measured on {plural(measured['hedges'], 'hedge')} of sessions: {real:.0%} filled at rest where the "
        f"model said {said:.0%}, and the real fills cost {cost['mean']:+.1%} of fees more "
        f"({cost['low']:+.1%} to {cost['high']:+.1%}). So the P&L is {pnl['low']:+.8f} to "
        f"{pnl['high']:+.8f} {currency}."
    )


def run_notes(view: View) -> list[str]:
    """Say what a reader must know before believing a figure."""
    summary = view.summary
    notes = list(summary["reasons"])
    if modelled := summary["data"].get("modelled"):
        notes.append(f"Chains are no recording: quotes and marks are estimated from {modelled}.")
    if summary["n_hedges"]:
        notes.append(summary["hedge_fills"]["model"])
    if (measured := summary["hedge_fills"]["measured"]) is not None:
        notes.append(_measured_words(measured, view.config.settles_in))
    if (options := summary["option_fills"]) is not None:
        filled, took = options["at_rest"], options["took"]
        notes.append(f"{options['model']} {plural(filled, 'leg')} filled at rest, {took:,} took.")
    if summary["liquidation"]["rounds"]:
        notes.append(f"The account was liquidated, first at {summary['liquidation']['first']}: see Margin.")
    alarm = summary["unexplained_alarm"]
    if alarm["episodes"]:
        notes.append(
            f"Marks moved beyond the model: more than {alarm['allowed']:.1%} of all moves is unexplained in "
            f"{plural(len(alarm['episodes']), 'episode')} (largest {alarm['largest']:.1%})."
        )
    if view.config.report.clock == "variance":
        notes.append("Theta passes on a variance clock of prices before the first chain; vega is the rest.")
    if summary["data"].get("interpolated"):
        notes.append("Marks are interpolated between chains: this looks ahead, for comparison only.")
    if view.config.marks.source == "flat":
        vol = f"{view.config.marks.flat_vol:.0%}"
        notes.append(f"Theoretical options, valued at {vol} flat: no recorded option price was used.")
    if view.config.hedge.instrument == "forward" and view.config.hedge.rule != "never":
        notes.append("The hedge is a theoretical linear contract on the forward; nobody lists it.")
    if summary["n_episodes_open"]:
        notes.append(
            f"{plural(summary['n_episodes_open'], 'episode')} still open at the end, carried at marks."
        )
    if summary["n_episodes_skipped"]:
        count, least = plural(summary["n_episodes_skipped"], "episode"), view.config.entry.min_snapshots
        notes.append(f"{count} left out: fewer than {least} chains recorded.")
    return notes
