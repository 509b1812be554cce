"""``gammacore hedge``: hedge the options in an account, and never trade them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gammacore.cli.books import currencies_of
from gammacore.cli.common import ConfigArgument, SetOption, parse_overrides
from gammacore.cli.live import (
    BooksOption,
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
    start_books,
)
from gammacore.cli.own_code import TrustOption, confirm_code
from gammacore.errors import ConfigError

# A session that only hedges: these override what the configuration says about entries.
HEDGES: dict[str, Any] = {
    "entry.structure": "none",
    "entry.legs": [],
    "signal.min_edge": None,
    "signal.min_probability": None,
    "live.adopt": "all",
}
# Without a configuration: enough hedges to see within a minute.
SHOW = {"hedge.band": 0.05, "live.chain_every": "5s", "live.audit_every": "20s"}


class BasisName(StrEnum):
    """Cost basis of adopted positions."""

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
        typer.Option(metavar="LABEL", help="Only positions opened under this label; repeatable."),
    ] = None,
    futures: Annotated[
        bool, typer.Option("--futures", help="Adopt the position in the perpetual as the hedge.")
    ] = False,
    basis: Annotated[
        BasisName, typer.Option(help="Cost basis: mark price now, or the exchange's average price.")
    ] = BasisName.MARK,
    venue: VenueOption = VenueName.LOCAL,
    currency: BooksOption = None,
    journal: JournalOption = None,
    dry_run: DryRunOption = False,
    shadow: ShadowOption = False,
    speed: SpeedOption = 10.0,
    seed: SeedOption = 1,
    seconds: SecondsOption = None,
    confirm: ConfirmOption = None,
    url: UrlOption = None,
    overrides: SetOption = None,
    trust: TrustOption = False,
) -> None:
    """Hedge the options in an account while you trade them; never trades options itself.

    On the local venue without --url it first opens ten options, to have something to hedge.
    """
    from gammacore.config import load_config

    chosen = {"adopt_expiries": expiry, "adopt_instruments": instrument, "adopt_labels": label}
    given = {name: values for name, values in chosen.items() if values}
    if not everything and not given:
        raise ConfigError(
            "gammacore hedge: no options selected; type --all, or --expiry 27MAR26, --instrument 'BTC-*-C', "
            "--label NAME"
        )
    if everything and given:
        raise ConfigError(
            "--all: already selects every option; drop it, or drop --expiry, --instrument and --label"
        )
    currencies = currencies_of(currency)
    shown: dict[str, Any] = SHOW if config is None and venue is VenueName.LOCAL else {}
    if len(currencies) == 1:
        shown = {**shown, "currency": currencies[0]}
    selected: dict[str, Any] = {f"live.{name}": values for name, values in given.items()}
    selected |= {"live.adopt_futures": futures, "live.adopt_basis": basis.value}
    settings = load_config(config, {**shown, **parse_overrides(overrides or []), **HEDGES, **selected})
    confirm_code(settings, trust=trust)
    options: dict[str, Any] = {"dry_run": dry_run, "shadow": shadow, "speed": speed, "seed": seed}
    options |= {"journal": journal, "seconds": seconds, "url": url or ""}
    if len(currencies) > 1:
        words = ["hedge", *([] if config is None else [str(config)])]
        words += ["--all"] * everything + ["--futures"] * futures + ["--basis", basis.value]
        named = {"--expiry": expiry, "--instrument": instrument, "--label": label, "--set": overrides}
        words += [word for name, texts in named.items() for text in texts or [] for word in (name, text)]
        start_books(settings, currencies, words, venue, confirm, trust=trust, **options)
    else:
        start(settings, venue, confirm, **options)
