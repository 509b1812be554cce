"""A session on the terminal: mode, positions, Greeks, profit and where it came from, hedges, limits.

Built from a :class:`.follow.Follower`; looks only.
"""

from __future__ import annotations

import math
import time

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gammacore.contracts import Option
from gammacore.daycount import NS_PER_SECOND, format_time
from gammacore.errors import LedgerError
from gammacore.events import Fill
from gammacore.risk import totals
from gammacore.terminal import money_table, names, numbers, price_text

from .follow import Explained, Follower
from .pace import average_entry
from .risk_manager import Mode

COLOURS = {Mode.NORMAL: "green", Mode.HEDGE_ONLY: "yellow", Mode.HALT: "red"}
SHOWN = 8  # fills
EXPLAIN_S = 2.0  # between two looks at where the money is: it is worked out anew each time
PAPER = "On paper: nothing is sent to the exchange."


class Cache:
    """Where the money was at the last look, and when that was."""

    at = 0.0
    found: Explained | None = None
    failed = ""


def _explained(follower: Follower, cache: Cache) -> Explained | None:
    if time.monotonic() - cache.at >= EXPLAIN_S:
        cache.at = time.monotonic()
        try:
            cache.found, cache.failed = follower.explain(), ""
        except LedgerError as error:
            cache.failed = str(error)
    return cache.found


def screen(follower: Follower, venue: str, paper: bool, cache: Cache | None = None) -> RenderableType:
    """Everything at a glance.

    Parameters
    ----------
    follower : Follower
        Brought up to date by the caller.
    venue : str
    paper : bool
        Whether orders are filled on paper.
    cache : optional
        Kept between calls, so that the lines are not worked out at every one.
    """
    if follower.desk is None:
        return Panel("waiting for the session to start", title=f"gammacore live: {venue}")
    parts: list[RenderableType] = [_head(follower, paper)]
    if told := hedged(follower):
        parts.append(Text(f" {told}", style="green"))
    if (waits := follower.waiting()) is not None:
        parts.append(Text(f" nothing held: {waits}", style="yellow"))
    parts += [Text(f" {told}") for told in _paces(follower)]
    explained = _explained(follower, cache or Cache())
    tables = _positions(follower), _money(follower, explained)
    parts += [Columns(tables, padding=(0, 3)), _fills(follower)]  # one below the other where there is no room
    if cache is not None and cache.failed:
        parts.append(Text(f"not explained: {cache.failed}", style="bold red"))
    if follower.departure is not None:
        parts.append(Text(f"replay check failed at record {follower.departure.seq}", style="bold red"))
    return Panel(Group(*parts), title=f"gammacore live: {venue}")


def hedged(follower: Follower) -> str:
    """Describe the adopted options; empty if there are none."""
    open_ = [] if follower.desk is None else follower.desk.portfolio.open.values()
    taken = [episode for episode in open_ if episode.adopted]
    options = {option for episode in taken for option in episode.legs}
    if not options:
        return ""
    days = len({option.expiry_ns for option in options})
    return (
        f"hedging {len(options)} adopted option{'s' * (len(options) > 1)} in {days} "
        f"expir{'ies' if days > 1 else 'y'}; gammacore never trades them"
    )


def _paces(follower: Follower) -> list[str]:
    if follower.desk is None or follower.paces is None:
        return []
    market, open_ = follower.desk.market, follower.desk.portfolio.open.values()
    told = ((episode.number, follower.paces.told(episode, market)) for episode in open_)
    return [f"episode {number}: {pace}" for number, pace in told if pace]


def _head(follower: Follower, paper: bool) -> RenderableType:
    desk = follower.desk
    assert desk is not None
    mode = Mode(follower.mode.mode) if follower.mode is not None else Mode.NORMAL
    reasons = "; ".join(follower.mode.reasons) if follower.mode is not None else ""
    line = Text()
    line.append(f" {mode.name} ", style=f"bold white on {COLOURS[mode]}")
    line.append(f" {reasons}  " if reasons else "  ")
    if desk.market.index > 0:
        line.append(f"{price_text(desk.market.index)} USD  {format_time(desk.market.ts_ns)[:19]} UTC  ")
    line.append(f"{follower.events:,} events  {len(follower.placed):,} orders  {follower.filled:,} fills")
    if not math.isnan(follower.liquidation_distance):
        gap = round(follower.margin_gap, 4) + 0.0  # no minus zero
        line.append(f"\n liquidation {follower.liquidation_distance:.1%} away  margin gap {gap:+.4f}")
    return Group(line, Text(PAPER, style="yellow")) if paper else line


def _positions(follower: Follower) -> Table:
    desk = follower.desk
    assert desk is not None
    counted = numbers("size", "entry", "mark")
    table = Table(*names("instrument"), *counted, title="Positions", title_justify="left")
    for episode in desk.portfolio.open.values():
        paid = average_entry(episode)
        for option, amount in episode.legs.items():
            mark = float(desk.market.exposure(option).value)
            whose = " (adopted)" if episode.adopted else ""
            table.add_row(
                f"{option.name}{whose}", f"{amount:+g}", f"{paid.get(option, 0.0):.4f}", f"{mark:.4f}"
            )
    for account in desk.portfolio.hedged:
        hedge = account.hedge
        if hedge.amount:
            price = desk.market.future_price(hedge.instrument)
            table.add_row(
                hedge.instrument.name, f"{hedge.amount:+,g}", price_text(hedge.average), price_text(price)
            )
    if desk.market.index > 0:
        seen = totals(desk.portfolio, desk.market)
        table.caption = (
            f"delta {seen.delta:+.4f}  gamma {seen.gamma:+.4f} per 1 %  vega {seen.vega_usd:+,.0f} USD  "
            f"theta {seen.theta_usd:+,.0f} USD a day"
        )
    return table


def _money(follower: Follower, explained: Explained | None) -> Table:
    coin = follower.config.coin if follower.config is not None else "coin"
    title = "Profit, and where it came from"
    if explained is None:
        table = Table("line", *numbers(coin, "USD"), title=title, title_justify="left")
        table.add_row("nothing held yet", "", "")
        return table
    lines = {
        line: money._asdict()
        for line, money in explained.lines.items()
        if abs(money.usd) >= 0.005 or line in ("gamma", "theta", "fees")
    }
    return money_table(title, coin, lines, explained.total._asdict(), title_justify="left")


def _fills(follower: Follower) -> Table:
    counted = numbers("amount", "price", "fee")
    named = names("time", "order", "instrument")
    table = Table(*named, *counted, title="Last fills", title_justify="left")
    for fill in list(follower.fills)[-SHOWN:]:
        table.add_row(*_row(fill))
    return table


def _row(fill: Fill) -> tuple[str, ...]:
    price = f"{fill.price:.4f}" if isinstance(fill.instrument, Option) else price_text(fill.price)
    return (
        format_time(fill.ts_ns)[11:19],
        fill.order_id,
        fill.instrument.name,
        f"{fill.amount:+,g}",
        price,
        f"{fill.fee:.8f}",
    )


def final_report(follower: Follower) -> RenderableType:
    """Say what a session came to."""
    desk = follower.desk
    if desk is None:
        return Text("the session did not start")
    explained = follower.explain()
    parts: list[RenderableType] = [_positions(follower), _money(follower, explained)]
    spent = (follower.last_ns - follower.first_ns) / NS_PER_SECOND
    hedges = desk.portfolio.hedges
    parts.append(
        Text(
            f"{spent:,.0f} s of market, {hedges} hedges, {len(follower.placed)} orders, "
            f"{follower.filled} fills, {follower.events:,} events; "
            + (
                "replay check passed: same decisions"
                if follower.departure is None
                else f"replay check failed at record {follower.departure.seq}"
            )
        )
    )
    if follower.mode is not None and follower.mode.mode:
        name, reasons = Mode(follower.mode.mode).name, "; ".join(follower.mode.reasons)
        parts.append(Text(f"{name} when it ended: {reasons}", style=COLOURS[Mode(follower.mode.mode)]))
    if (waits := follower.waiting()) is not None and not follower.filled:
        parts.append(Text(f"nothing was entered: {waits}"))
    if follower.foreign:
        parts.append(_holder(follower))
    return Group(*parts)


def _holder(follower: Follower) -> Table:
    """Show what the account's holder traded meanwhile, beside what was decided here."""
    counted = numbers("holder's trades", "bought", "sold", "ours", "bought", "sold")
    table = Table(*names("instrument"), *counted, title="The holder's trades and ours", title_justify="left")
    ours: dict[str, list[float]] = {}
    for fill in follower.fills:
        ours.setdefault(fill.instrument.name, []).append(fill.amount)
    theirs: dict[str, list[float]] = {}
    for trade in follower.foreign:
        theirs.setdefault(trade.instrument, []).append(trade.amount)
    for name in sorted(ours | theirs):
        row = [name]
        for amounts in (theirs.get(name, []), ours.get(name, [])):
            bought, sold = sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)
            row += [str(len(amounts)), f"{bought:,g}", f"{sold:,g}"]
        table.add_row(*row)
    return table
