"""Whether a session could start, what is in its way, and what to do about it: ``gammacore doctor``."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from gammacore.config import Config
from gammacore.contracts import Grids, Perpetual, Settlement
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit import methods as m
from gammacore.errors import CredentialsError, JournalError, RequestError
from gammacore.terms import fees_of

from .awake import DEVICE
from .client import Client
from .credentials import Credentials
from .limits import missing_limits, toothless_limits
from .retold import last_start
from .session import URLS, Venue, read_catalog
from .solvency import account_model
from .supervised import kill_file

TIMEOUT_S = 10.0
SLOW_S = 0.5
ROOM = 10_000_000_000  # bytes, for a month of a journal
NEEDED = ("trade:read_write", "account:read")
REFUSED = "check that the key is of this venue, was not revoked, and that id and secret belong together"
UNREACHED = "check the network and the venue"


class Health(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Diagnosis(NamedTuple):
    """One check: its subject, how it ended, what was seen, and what to do."""

    subject: str
    verdict: Health
    seen: str
    advice: str = ""


def examine(
    config: Config,
    venue: Venue,
    *,
    journal: Path | None = None,
    url: str | None = None,
    clock: Callable[[], int] | None = None,
) -> Iterator[Diagnosis]:
    """Check one thing after the other; what needs a connection is left out when there is none.

    Parameters
    ----------
    config : Config
        Read without error: the first check has passed.
    venue : {'testnet', 'production'}
        Or ``local``, with its ``url``.
    journal : Path, optional
        Of the session to come.
    url : str, optional
        Instead of the venue's.
    clock : callable() -> int, optional
        Instead of this machine's, nanoseconds UTC.
    """
    yield Diagnosis("configuration", Health.OK, "read")
    yield _limits(config, venue)
    yield _journal(journal, venue)
    if config.live.keep_awake:
        yield _processors()
    try:
        credentials = Credentials.load(testnet=venue != "production")
    except CredentialsError as error:
        yield Diagnosis("credentials", Health.FAILED, str(error), "create an API key and set both variables")
        return
    yield Diagnosis("credentials", Health.OK, f"client id {credentials.client_id}")
    client = Client(url or URLS[venue], credentials, currencies=(config.settles_in,), clock=clock)
    yield from _online(config, client)


def _limits(config: Config, venue: Venue) -> Diagnosis:
    missing, toothless = missing_limits(config), toothless_limits(config)
    if not missing and not toothless:
        return Diagnosis("limits", Health.OK, "all set that production asks for")
    verdict = Health.FAILED if venue == "production" else Health.WARNING
    told = [f"not set: {', '.join(missing)}"] if missing else []
    told += [f"limits nothing: {'; '.join(toothless)}"] if toothless else []
    return Diagnosis("limits", verdict, "; ".join(told), "set them in the configuration")


def _journal(journal: Path | None, venue: Venue) -> Diagnosis:
    folder = Path("results") if journal is None else journal.parent
    nearest = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not os.access(nearest, os.W_OK):
        return Diagnosis("journal", Health.FAILED, f"{nearest} cannot be written to", "choose another folder")
    if journal is not None and kill_file(journal).exists():
        switch = kill_file(journal)
        return Diagnosis(
            "journal", Health.FAILED, f"kill switch {switch} is on", "remove the file when it is safe"
        )
    try:
        began = last_start(journal) if journal is not None and journal.exists() else None
        if began is not None:
            began.demand_same(str(journal), venue, paper=False)
    except JournalError as error:
        return Diagnosis("journal", Health.FAILED, str(error), "name another journal")
    free = shutil.disk_usage(nearest).free
    if free < ROOM:
        seen = f"{folder}: its disk has {free / 1e9:.1f} GB left"
        return Diagnosis("journal", Health.WARNING, seen, "make room: a month of a session takes some 10 GB")
    return Diagnosis("journal", Health.OK, str(folder))


def _processors() -> Diagnosis:
    if os.access(DEVICE, os.W_OK):
        return Diagnosis("processors", Health.OK, "can be kept awake")
    seen = f"{DEVICE} cannot be written to"
    return Diagnosis(
        "processors", Health.WARNING, seen, "grant it to the user, or set live.keep_awake: false"
    )


def _online(config: Config, client: Client) -> Iterator[Diagnosis]:
    """Check what the exchange says."""
    try:
        start = client.now_ns()
        version = client.call(m.TEST, {}, timeout_s=TIMEOUT_S)
        took = (client.now_ns() - start) / NS_PER_SECOND
        yield Diagnosis(
            "connection",
            Health.OK,
            f"{client.url}, logged in, {took:.2f} s, {f'version {version}' if version else 'answers'}",
        )
        yield _clock(config, client)
        yield from _scopes(client.scope)
        for check in (_account, _grid, _fees):
            yield check(config, client)
    except RequestError as error:
        if client.refused:
            yield Diagnosis("credentials", Health.FAILED, str(error), REFUSED)
            if math.isfinite(client.skew_uncertainty_s):  # told by the answer before the refusal
                yield _clock_finding(config, client)
        else:
            yield Diagnosis("connection", Health.FAILED, f"{client.url}: {error}", UNREACHED)
    finally:
        client.close()


def _clock(config: Config, client: Client) -> Diagnosis:
    client.call(m.GET_TIME, {}, timeout_s=TIMEOUT_S)
    return _clock_finding(config, client)


def _clock_finding(config: Config, client: Client) -> Diagnosis:
    ahead, width = -client.skew_s, client.skew_uncertainty_s
    seen = f"{ahead:+.3f} s from the exchange's, give or take {width:.3f} s"
    most = config.risk.max_clock_skew.ns / NS_PER_SECOND
    if abs(ahead) > most + width:
        advice = f"set the clock by NTP: beyond {most:g} s (risk.max_clock_skew) a session halts"
        return Diagnosis("clock", Health.FAILED, seen, advice)
    slow = Health.WARNING if width > SLOW_S else Health.OK
    return Diagnosis("clock", slow, seen, "the connection is slow" if width > SLOW_S else "")


def _scopes(scope: str) -> Iterator[Diagnosis]:
    granted = set(scope.split())
    missing = [need for need in NEEDED if not any(_covers(has, need) for has in granted)]
    if missing:
        advice = "give the key these scopes, or use --dry-run"
        yield Diagnosis("permissions", Health.FAILED, f"not granted: {', '.join(missing)}", advice)
    else:
        yield Diagnosis("permissions", Health.OK, "may trade and read the account")
    if "wallet:read_write" in granted:
        advice = "make a key with wallet:read or none"
        yield Diagnosis("permissions", Health.WARNING, "the key may withdraw money", advice)


def _covers(has: str, need: str) -> bool:
    subject, _, level = need.partition(":")
    return has == need or (level == "read" and has == f"{subject}:read_write")


def _account(config: Config, client: Client) -> Diagnosis:
    params = {"currency": config.settles_in, "extended": True}
    account = client.call(m.GET_ACCOUNT_SUMMARY, params, timeout_s=TIMEOUT_S)
    seen = f"equity {account.equity:.8f} {config.settles_in}, available {account.available_funds:.8f}"
    model = account_model(account)
    if account.available_funds <= 0:
        return Diagnosis("account", Health.FAILED, seen, "deposit, or free margin")
    if model != config.margin.model:
        advice = f"set margin.model: {model}, by which sizes and max_margin_use then go"
        return Diagnosis("account", Health.WARNING, f"{seen}, {model} margin", advice)
    return Diagnosis("account", Health.OK, seen)


def _fees(config: Config, client: Client) -> Diagnosis:
    """Compare what the account is charged with what a backtest charges today."""
    catalog = read_catalog(client, config)
    now_ns = client.now_ns()
    charged = fees_of(config, catalog).at(now_ns)
    assumed = msgspec.structs.replace(fees_of(config, Grids()).at(now_ns), **_of_hedges(config))
    differ = {
        name: (getattr(charged, name), getattr(assumed, name))
        for name in charged.__struct_fields__
        if not math.isclose(getattr(charged, name), getattr(assumed, name), rel_tol=1e-9, abs_tol=1e-12)
    }
    if not differ:
        return Diagnosis("fees", Health.OK, f"those of costs.tier {config.costs.tier}, as in a backtest")
    seen = ", ".join(
        f"{name.replace('_', ' ')} {ours:.4%} (backtest {theirs:.4%})"
        for name, (ours, theirs) in differ.items()
    )
    paths = {HEDGE_FEES.get(name, f"costs.fees.{name}"): ours for name, (ours, _) in differ.items()}
    settings = " ".join(f"--set {path}={ours:.6g}" for path, ours in paths.items())
    return Diagnosis("fees", Health.WARNING, seen, f"backtest with yours: {settings}")


HEDGE_FEES = {
    "weekly_maker": "costs.hedge_maker_fee",
    "weekly_taker": "costs.hedge_taker_fee",
    "future_maker": "costs.hedge_maker_fee",
    "future_taker": "costs.hedge_taker_fee",
}  # those of perpetuals last, where weekly futures have others


def _of_hedges(config: Config) -> dict[str, float]:
    """Fees of hedges that a backtest charges in place of the schedule's."""
    own = {"maker": config.costs.hedge_maker_fee, "taker": config.costs.hedge_taker_fee}
    given = {name: own[name.partition("_")[2]] for name in HEDGE_FEES}
    return {name: fee for name, fee in given.items() if fee is not None}


def _grid(config: Config, client: Client) -> Diagnosis:
    perpetual = Perpetual(config.coin, Settlement.LINEAR if config.linear else Settlement.INVERSE)
    params = {"instrument_name": perpetual.name}
    row = client.call(m.GET_INSTRUMENT, params, timeout_s=TIMEOUT_S)
    found = row.spec
    if found is None:
        return Diagnosis(
            "contracts", Health.FAILED, f"{perpetual.name} is listed without tick or lot", "ask the exchange"
        )
    maker, taker = row.fees
    seen = f"{perpetual.name}: lot {found.min_trade_amount:g}, tick {found.tick_size:g}"
    return Diagnosis("contracts", Health.OK, f"{seen}, fees {maker:.3%} / {taker:.3%}")
