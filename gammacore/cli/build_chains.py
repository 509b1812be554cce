"""``gammacore data build-chains``: option chains modelled from the trades of a store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gammacore.cli.common import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    document,
    duration,
    progress_bar,
    read_day,
    stoppable,
)
from gammacore.errors import ConfigError

if TYPE_CHECKING:
    from gammacore.data.store import Store
    from gammacore.data.trade_chains.build import Built

EXAMPLES = (
    "gammacore data build-chains --currency BTC --start 2021-01-01 --end 2022-01-01 --every 1d",
    "gammacore data build-chains --currency ETH --start 2026-01-01 --every 1h --window 6h --no-blocks",
)


def build_chains(
    start: Annotated[str, typer.Option(help="First day, ISO 8601, UTC.")],
    end: Annotated[
        str | None, typer.Option(help="Day after the last (default: today, which is not complete).")
    ] = None,
    currency: Annotated[str, typer.Option(help="Coin of inverse options: BTC or ETH.")] = "BTC",
    every: Annotated[str, typer.Option(help="Between two chains: 1h, 6h, 1d.")] = "6h",
    offset: Annotated[str, typer.Option(help="From midnight to the first chain of a day.")] = "0s",
    window: Annotated[str, typer.Option(help="Trades before a chain that count.")] = "1d",
    half_life: Annotated[
        str, typer.Option(help="Age at which a trade counts half for the level; thrice it for smiles.")
    ] = "2h",
    size_cap: Annotated[
        float, typer.Option(help="Most that a trade counts, in median amounts: no block dominates.")
    ] = 5.0,
    listed: Annotated[str, typer.Option(help="List a strike for so long after its last trade.")] = "7d",
    min_expiry: Annotated[int, typer.Option(help="Fewest trades that make an expiry.")] = 5,
    min_chain: Annotated[int, typer.Option(help="Fewest trades that make a chain.")] = 600,
    no_blocks: Annotated[bool, typer.Option("--no-blocks", help="Leave block trades out.")] = False,
    liquidations: Annotated[
        bool, typer.Option("--liquidations", help="Count liquidations, which are left out otherwise.")
    ] = False,
    spreads: Annotated[
        Path | None, typer.Option(help="Spread model, JSON (default: fitted to recorded quotes of 2026).")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Model option chains from downloaded trades, marked as modelled; run it again to resume."""
    from gammacore.data.store import Store
    from gammacore.data.tables import existing
    from gammacore.data.trade_chains import ChainRecipe, load_spread_model
    from gammacore.data.trade_chains import build_chains as run
    from gammacore.daycount import NS_PER_DAY

    recipe = ChainRecipe(
        every_ns=duration(every, "--every"),
        offset_ns=duration(offset, "--offset"),
        window_ns=duration(window, "--window"),
        half_life_ns=duration(half_life, "--half-life"),
        size_cap=size_cap,
        listed_ns=duration(listed, "--listed"),
        min_expiry=min_expiry,
        min_chain=min_chain,
        blocks=not no_blocks,
        liquidations=liquidations,
    )
    now_ns, start_ns, coin = time.time_ns(), read_day(start, "--start"), currency.upper()
    end_ns = read_day(end, "--end") if end is not None else now_ns // NS_PER_DAY * NS_PER_DAY
    if start_ns >= end_ns:
        raise ConfigError(f"--start {start}: expected a day before the end")
    model = load_spread_model(coin, spreads)
    existing(store)
    left = f"complete days are in {store}; run the command again to resume"
    with stoppable(left), Store(store) as opened, progress_bar() as report:
        done = run(opened, coin, start_ns, end_ns, recipe, model, as_of_ns=now_ns, progress=report)
    place = store / "processed" / "chains_modelled" / coin / done.series
    if as_json:
        names = ("series", "days", "before", "chains", "expiries", "rows")
        counts = ("skipped", "dropped", "left_out", "forwards")
        document({name: getattr(done, name) for name in (*names, *counts)} | {"chains_at": str(place)})
        return
    _show(Console(), done, place)


def model_chains(
    store: Store, coins: Sequence[str], start_ns: int, end_ns: int, report: Any
) -> tuple[list[Built], list[str]]:
    """Model chains of what was downloaded by the usual recipe; what was built, and why what was not."""
    from gammacore.data.trade_chains import ChainRecipe, load_spread_model
    from gammacore.data.trade_chains import build_chains as run
    from gammacore.errors import DataError

    built, refused, now_ns = [], list[str](), time.time_ns()
    for coin in coins:
        try:
            recipe, spreads = ChainRecipe(), load_spread_model(coin)
            done = run(store, coin, start_ns, end_ns, recipe, spreads, as_of_ns=now_ns, progress=report)
        except DataError as error:  # no spread model of these options, or none that traded
            refused.append(str(error))
            continue
        built.append(done)
        refused += done.skipped
    return built, refused


def _show(console: Console, done: Any, place: Path) -> None:
    lines = [
        f"{done.chains:,} chains of {done.expiries:,} expiries and {done.rows:,} rows modelled; "
        f"{done.days:,} days written, {done.before:,} were there"
    ]
    for title, counts in (
        ("Not built", done.skipped),
        ("Expiries left out", done.dropped),
        ("Trades left out", done.left_out),
        ("Forwards from", done.forwards),
    ):
        if counts:
            lines.append(f"{title}: {'; '.join(f'{reason} {count:,}' for reason, count in counts.items())}")
    lines.append(f"Modelled, not recorded: --chains {place}")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
