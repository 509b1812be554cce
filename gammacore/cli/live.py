"""Commands of the live side: ``gammacore live``, ``kill``, ``watch``, ``doctor`` and ``parity``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gammacore.cli.books import currencies_of, run_books
from gammacore.cli.common import (
    ConfigArgument,
    JsonOption,
    SetOption,
    configured,
    document,
    progress_bar,
    stoppable,
)
from gammacore.cli.fill_parity import compare_fills
from gammacore.cli.own_code import TrustOption
from gammacore.errors import ConfigError

if TYPE_CHECKING:
    from gammacore.config import Config

DIFFERENT = 1
UNWELL = 1
CONFIRMATION = "trade with real money"
# Without a configuration the local venue shows what there is to see within a minute.
SHOW = {
    "entry.expiries": "any",
    "entry.schedule": "roll",
    "entry.min_days": 0.05,
    "entry.max_days": 2.0,
    "hedge.band": 0.01,
    "live.chain_every": "5s",
    "live.audit_every": "20s",
}


class VenueName(StrEnum):
    """Where to trade."""

    LOCAL = "local"
    TESTNET = "testnet"
    PRODUCTION = "production"


VenueOption = Annotated[VenueName, typer.Option(help="Where to trade.")]
JournalOption = Annotated[
    Path | None, typer.Option(help="Journal to resume or create (default: a new one in results/).")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Make every decision, send no order, fill on paper.")
]
ShadowOption = Annotated[
    bool, typer.Option("--shadow", help="On paper, next to your own trades in the account.")
]
SpeedOption = Annotated[float, typer.Option(help="Local exchange: market seconds per second.", min=0.1)]
SeedOption = Annotated[int, typer.Option(help="Local exchange: random seed.")]
SecondsOption = Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=1.0)]
ConfirmOption = Annotated[
    str | None, typer.Option(help=f"Production: '{CONFIRMATION}'; without it you are asked to type it.")
]
BooksOption = Annotated[
    str | None,
    typer.Option("--currency", help="BTC, ETH, BTC_USDC …; BTC,ETH runs one book of each."),
]
UrlOption = Annotated[
    str | None, typer.Option(help="Local venue: address of a running exchange; uses the testnet key.")
]


def live(
    config: ConfigArgument = None,
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
    """Trade live: on a local exchange, on Deribit's test exchange, or for real."""
    shown = SHOW if config is None and venue is VenueName.LOCAL else {}
    currencies = currencies_of(currency)
    own = {"currency": currencies[0]} if len(currencies) == 1 else {}
    settings = configured(config, shown | own, overrides, force_data=False, trust=trust)
    options: dict[str, Any] = {"dry_run": dry_run, "shadow": shadow, "speed": speed, "seed": seed}
    options |= {"journal": journal, "seconds": seconds, "url": url or ""}
    if len(currencies) > 1:
        words = ["live", *([] if config is None else [str(config)])]
        words += [word for text in overrides or [] for word in ("--set", text)]
        start_books(settings, currencies, words, venue, confirm, trust=trust, **options)
    else:
        start(settings, venue, confirm, **options)


def start_books(
    settings: Config,
    currencies: list[str],
    words: list[str],
    venue: VenueName,
    confirm: str | None,
    *,
    dry_run: bool,
    shadow: bool,
    url: str,
    speed: float,
    seed: int,
    trust: bool,
    **options: Any,
) -> None:
    """Run a command for each currency, confirmed once, here; end it with the worst exit code.

    Raises
    ------
    ConfigError, CredentialsError
        If the configuration does not fit a currency, an address is given, or a key is missing.
    """
    if url:
        raise ConfigError("--url: of one currency; several each have a local exchange of their own")
    console = Console()
    _demand_ready(settings, venue, confirm, console, dry_run, shadow)
    words = [*words, "--venue", venue.value, "--confirm", CONFIRMATION, *["--trust"] * trust]
    words += ["--dry-run"] * dry_run + ["--shadow"] * shadow
    words += ["--speed", f"{speed:g}", "--seed", str(seed)]
    code = run_books(settings, currencies, words, console, **options)
    if code:
        raise typer.Exit(code)


def start(
    settings: Config,
    venue: VenueName,
    confirm: str | None,
    *,
    dry_run: bool,
    shadow: bool,
    url: str,
    **options: Any,
) -> None:
    """Run a session once what it needs is there, and end the command with its exit code.

    Raises
    ------
    ConfigError, CredentialsError
        If an address is given for another venue, or a key is missing.
    """
    from gammacore.live.launch import launch

    console = Console()
    _demand_ready(settings, venue, confirm, console, dry_run, shadow, url)
    code = launch(settings, venue.value, console, dry_run=dry_run, shadow=shadow, url=url, **options)
    if code:
        raise typer.Exit(code)


def _demand_ready(
    settings: Config,
    venue: VenueName,
    confirm: str | None,
    console: Console,
    dry_run: bool,
    shadow: bool,
    url: str = "",
) -> None:
    """Ask for what a session needs before anything starts."""
    from gammacore.live.credentials import Credentials

    remote = venue is not VenueName.LOCAL
    if url and remote:
        raise ConfigError(f"--url: {venue.value} has its own address; the option is for the local venue")
    if venue is VenueName.PRODUCTION and not (dry_run or shadow):
        _confirm(confirm, console)
    elif (remote or url) and (not dry_run or settings.live.adopt == "all"):
        Credentials.load(testnet=venue is not VenueName.PRODUCTION)


def _confirm(given: str | None, console: Console) -> None:
    """Go on only with the words that say what is about to happen."""
    said = given if given is not None else typer.prompt(f"Type '{CONFIRMATION}' to go on")
    if said.strip() != CONFIRMATION:
        console.print("not confirmed: nothing was started", highlight=False)
        raise typer.Exit(UNWELL)


def kill(
    journal: Annotated[Path, typer.Argument(help="Journal of the running session.")],
    flatten: Annotated[bool, typer.Option("--flatten", help="Close all positions as well.")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="With --flatten: close from here if no session answers.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(help="Seconds to wait for the session to answer and finish.", min=0.1),
    ] = 30.0,
    venue: Annotated[
        VenueName | None, typer.Option(help="With --direct: venue (default: the session's).")
    ] = None,
    url: Annotated[str | None, typer.Option(help="With --direct: address of a local exchange.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel everything and block trading until reset.

    Exit code 1 if that has not happened, or positions to be closed remain.
    """
    from gammacore.live.killing import kill as throw

    if direct and not flatten:
        raise ConfigError("--direct: closes positions, so it needs --flatten as well")
    if (venue is not None or url is not None) and not direct:
        raise ConfigError("--venue and --url: only --flatten --direct connects to an exchange")
    with stoppable("the switch is on, the session goes on to act on it"):
        outcome = throw(journal, flatten=flatten, wait_s=wait)
    console = Console(stderr=as_json)
    if direct and outcome.session == "answered":
        outcome = outcome._replace(said=f"--direct is not needed: {outcome.said}")
    if direct and outcome.session in ("none", "ended", "silent") and not outcome.done:
        outcome = _flatten_directly(journal, outcome, venue, url or "", wait, console)
    if as_json:
        document(outcome._asdict())
    else:
        console.print(f"{outcome.switch}: {outcome.said}", highlight=False, soft_wrap=True, markup=False)
    if not outcome.done:
        raise typer.Exit(UNWELL)


def _flatten_directly(
    journal: Path, outcome: Any, venue: VenueName | None, url: str, wait_s: float, console: Console
) -> Any:
    """Close what the journal holds from here; a session that wakes up meanwhile halts."""
    from gammacore.live.flatten import flatten_directly, held_by
    from gammacore.live.killing import pull

    held = held_by(journal)
    pull(journal, flatten=False)
    with stoppable("orders are cancelled; run the command again to go on"):
        left = flatten_directly(
            held,
            lambda said: console.print(said, highlight=False, markup=False),
            venue=None if venue is None else venue.value,
            url=url,
            wait_s=wait_s,
        )
    told = ", ".join(f"{size:+,g} {name}" for name, size in sorted(left.items()))
    said = (
        f"positions remain: {told}; run the command again" if left else "flat: nothing of the journal remains"
    )
    return outcome._replace(done=not left, said=said, positions=left)


def watch(
    journal: Annotated[Path, typer.Argument(help="Journal of a session.")],
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics on this port.", min=0, max=65_535)
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1)] = None,
) -> None:
    """Send alerts (addresses in GAMMACORE_ALERTS) and serve metrics of a session, from another process."""
    from gammacore.live.watch import watch as follow

    with stoppable("the session goes on"):
        follow(journal, metrics_port, seconds)


def doctor(
    config: Annotated[Path | None, typer.Argument(help="Configuration of the planned session.")] = None,
    venue: Annotated[VenueName, typer.Option(help="Where the session will trade.")] = VenueName.TESTNET,
    journal: Annotated[Path | None, typer.Option(help="Journal of the session.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of a local exchange.")] = None,
    overrides: SetOption = None,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, limits, credentials, connection, clock, permissions and account."""
    from gammacore.live.doctor import Health, examine

    settings = configured(config, {}, overrides, force_data=False, trust=trust)
    if venue is VenueName.LOCAL and url is None:
        raise ConfigError("--url: the local venue needs the address of a running exchange")
    colours = {Health.OK: "green", Health.WARNING: "yellow", Health.FAILED: "red"}
    table, findings = Table(show_header=False, box=None), []
    with stoppable("nothing was changed"):
        for finding in examine(settings, venue.value, journal=journal, url=url):
            findings.append(finding)
            mark = f"[{colours[finding.verdict]}]{finding.verdict.value}[/]"
            seen = finding.seen.replace("[", r"\[")
            table.add_row(mark, finding.subject, seen + (f"\n→ {finding.advice}" if finding.advice else ""))
    if as_json:
        document([finding._asdict() for finding in findings])
    else:
        Console().print(table)
    if any(finding.verdict is Health.FAILED for finding in findings):
        raise typer.Exit(UNWELL)


def parity(
    journal: Annotated[Path, typer.Argument(help="Journal of a live session.")],
    fills: Annotated[
        Path | None,
        typer.Option(help="Store recorded during the session: compare its hedge fills with simulated ones."),
    ] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a session's journal, and name the first decision that differs."""
    from gammacore.live.parity import check

    if fills is not None:
        compare_fills(journal, fills, overrides or [], as_json)
        return
    if overrides:
        raise ConfigError("--set: only --fills takes settings; decisions are replayed by the journal's own")
    console = Console()
    with stoppable(), progress_bar() as report:
        found = check(journal, lambda done, total: report("events", done, total))
    if as_json:
        different = None if found.departure is None else found.departure._asdict()
        document(
            {
                "events": found.events,
                "commands": found.commands,
                "starts": found.starts,
                "difference": different,
            }
        )
        if different is not None:
            raise typer.Exit(DIFFERENT)
        return
    head = f"{found.events:,} events and {found.commands:,} commands of {found.starts} start(s)"
    if found.departure is None:
        console.print(f"{head}: no difference", highlight=False)
        return
    console.print(f"{head}, then a difference at record {found.departure.seq}:", highlight=False)
    console.print(f"event    {found.departure.event}", highlight=False)
    _list(console, "recorded", found.departure.recorded)
    _list(console, "decided", found.departure.decided)
    raise typer.Exit(DIFFERENT)


def _list(console: Console, title: str, commands: tuple[Any, ...]) -> None:
    for line in commands or ("nothing",):
        console.print(f"{title:<8} {line}", highlight=False, markup=False)
