"""``gammacore hedge``: hedge what an account holds, and never trade its options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gammacore.cli.common import ConfigArgument, SetOption, parse_overrides
from gammacore.cli.live import (
    ConfirmOption,
    DryRunOption,
    JournalOption,
    SecondsOption,
    SeedOption,
    ShadowOption,
    SpeedOption,
    UrlOption,
    VenueName,
    VenueOption,
    start,
)
from gammacore.config import load_config
from gammacore.errors import ConfigError

# What a session that only hedges is, whatever the configuration says of entries.
HEDGES: dict[str, Any] = {
    "entry.structure": "none",
    "entry.legs": [],
    "signal.min_edge": None,
    "signal.min_probability": None,
    "live.adopt": "all",
}
# Without a configuration the local venue shows what there is to see within a minute.
SHOW = {"hedge.band": 0.05, "live.chain_every": "5s", "live.audit_every": "20s"}


class BasisName(StrEnum):
    """What positions cost."""

    MARK = "mark"
    AVERAGE = "average"


def hedge(
    config: ConfigArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Hedge all options of the account.")] = False,
    expiry: Annotated[
        list[str] | None,
        typer.Option(metavar="DDMMMYY", help="Only this expiry: 27MAR26; repeatable."),
    ] = None,
    instrument: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this option, or pattern; repeatable.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Only what trades with such a label opened; repeatable."),
    ] = None,
    futures: Annotated[
        bool, typer.Option("--futures", help="The position in the perpetual becomes the hedge.")
    ] = False,
    basis: Annotated[
        BasisName, typer.Option(help="Cost of what is taken over: its mark, or the exchange's average price.")
    ] = BasisName.MARK,
    venue: VenueOption = VenueName.LOCAL,
    journal: JournalOption = None,
    dry_run: DryRunOption = False,
    shadow: ShadowOption = False,
    speed: SpeedOption = 10.0,
    seed: SeedOption = 1,
    seconds: SecondsOption = None,
    confirm: ConfirmOption = None,
    url: UrlOption = None,
    overrides: SetOption = None,
) -> None:
    """Hedge the options that an account holds, as its holder trades them; options are never traded.

    On the local venue without --url the account is given some options first.
    """
    chosen = {"adopt_expiries": expiry, "adopt_instruments": instrument, "adopt_labels": label}
    given = {name: values for name, values in chosen.items() if values}
    if not everything and not given:
        raise ConfigError(
            "hedge: expected what to hedge, got nothing; type --all, or --expiry 27MAR26, "
            "--instrument 'BTC-*-C', --label NAME"
        )
    if everything and given:
        raise ConfigError("--all: hedges everything; leave it out beside --expiry, --instrument and --label")
    shown: dict[str, Any] = SHOW if config is None and venue is VenueName.LOCAL else {}
    selected: dict[str, Any] = {f"live.{name}": values for name, values in given.items()}
    selected |= {"live.adopt_futures": futures, "live.adopt_basis": basis.value}
    settings = load_config(config, {**shown, **parse_overrides(overrides or []), **HEDGES, **selected})
    start(
        settings,
        venue,
        confirm,
        journal=journal,
        dry_run=dry_run,
        shadow=shadow,
        speed=speed,
        seed=seed,
        seconds=seconds,
        url=url or "",
    )
