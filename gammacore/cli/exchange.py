"""``gammacore exchange``: a local Deribit for clients to try themselves on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from gammacore.cli.common import read_moment, stoppable
from gammacore.errors import ConfigError


def exchange(
    port: Annotated[
        int, typer.Option(help="Port; on this machine only, unless --host is set.", min=0, max=65_535)
    ] = 8_765,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    client_id: Annotated[str, typer.Option(help="Client id of the account.")] = "gammacore",
    client_secret: Annotated[
        str, typer.Option(help="Client secret of the account.", envvar="GAMMACORE_EXCHANGE_SECRET")
    ] = "local",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
    replay: Annotated[
        Path | None, typer.Option(help="Price bars for the index to follow: a file or directory.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Coin of the bars, if their name does not say.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Speed: exchange seconds per second.", min=0.01)] = 1.0,
    start: Annotated[
        str | None, typer.Option(help="Exchange time to start at (default: now, or the start of the bars).")
    ] = None,
    expiries: Annotated[int | None, typer.Option(help="Number of expiries listed.")] = None,
    strikes: Annotated[int, typer.Option(help="Strikes on each side.")] = 10,
    margin: Annotated[
        str, typer.Option(help="Margin model of the account: segregated_sm, segregated_pm or cross_pm.")
    ] = "segregated_sm",
    also: Annotated[
        str | None,
        typer.Option("--list", help="Also list ETH_USDC, SOL_USDC or XRP_USDC, separated by commas."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps the exchange's state between runs; it overrides the other options."
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Another host name under which clients reach the exchange.")
    ] = None,
    faults: Annotated[Path | None, typer.Option(help="YAML file of faults (docs/exchange.md).")] = None,
    parent: Annotated[int, typer.Option(hidden=True, help="Stop when this process ends.")] = 0,
) -> None:
    """Run a local exchange that speaks Deribit's protocol."""
    from gammacore.exchange import Exchange, ExchangeConfig
    from gammacore.exchange.coins import with_families
    from gammacore.exchange.saved_state import load
    from gammacore.exchange.server import Clock, serve
    from gammacore.live.orphan import end_after

    if state is not None and not state.absolute().parent.is_dir():
        raise ConfigError(f"--state {state}: no such directory {state.parent}")
    if state is not None and state.exists():
        made = load(state)
    else:
        recorded, first_ns = _recorded(replay, currency) if replay is not None else ({}, time.time_ns())
        config = ExchangeConfig(
            seed=seed,
            start_ns=first_ns if start is None else read_moment(start, "--start"),
            clients={client_id: client_secret},
            expiries=expiries,
            strikes=strikes,
            margin_model=_margin_model(margin),
        )
        if also is not None:
            config = with_families(config, tuple(word.strip() for word in also.split(",")))
        made = Exchange(config, _faults(faults) if faults is not None else None, recorded)
    Console().print(
        f"Exchange on http://{host}:{port}/api/v2 and ws://{host}:{port}/ws/api/v2; Ctrl-C stops it",
        highlight=False,
        soft_wrap=True,
    )
    if parent:
        end_after(parent, lambda: len(made.connections))
    kept = "the exchange kept nothing" if state is None else f"the exchange is in {state}"
    begins_ns = made.now_ns
    if start is None and replay is None and not (state is not None and state.exists()):
        begins_ns = max(begins_ns, time.time_ns())  # not late by what making it took
    with stoppable(kept):
        serve(made, Clock.starting(begins_ns, speed), host, port, state, name or ())


def _margin_model(text: str) -> Literal["segregated_sm", "segregated_pm", "cross_pm"]:
    match text:
        case "segregated_sm" | "segregated_pm" | "cross_pm":
            return text
    raise ConfigError(f"--margin: expected segregated_sm, segregated_pm or cross_pm, got {text!r}")


def _recorded(path: Path, currency: str | None) -> tuple[dict[str, Any], int]:
    """Read index prices to follow, and the moment of the first."""
    from gammacore.data import load_prices
    from gammacore.exchange import Recorded

    prices = load_prices(path)
    coin = currency or prices.currency
    if coin is None:
        raise ConfigError(f"--replay {path}: the name of the file does not tell the coin; give --currency")
    return {coin: Recorded(prices.ts_ns, prices.close)}, int(prices.ts_ns[0])


def _faults(path: Path) -> Any:
    """Read a plan of faults."""
    import msgspec

    from gammacore.exchange import FaultPlan
    from gammacore.yaml_text import read_yaml_file

    found = read_yaml_file(path, "--faults ")
    try:
        return msgspec.convert(found, FaultPlan)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--faults {path}: {error}") from None
