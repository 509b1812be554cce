"""The grids that a session decides by: of the exchange's catalog, at its start and after refusals.

The exchange announces no change of a tick or a least amount; orders that no longer fit are refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import msgspec

from gammacore.build import refit
from gammacore.config import Config
from gammacore.contracts import Grids, Perpetual, Settlement, listed
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit import methods as m
from gammacore.deribit.catalog import Listing
from gammacore.errors import ConfigError, ContractError, SessionError
from gammacore.terms import check_grids

from .about import CatalogRead
from .asked import Asked, Question
from .parts import Parts

AGAIN_NS = 60 * NS_PER_SECOND  # between two catalogs, of which the exchange grants few
log = logging.getLogger("gammacore.live")


def grids_listed(rows: Iterable[Listing], config: Config) -> Grids:
    """Return the grids of a catalog.

    Raises
    ------
    ConfigError, SessionError
        If what is to be traded is not listed, or its figures cannot be.
    """
    try:
        grids = listed(map(msgspec.to_builtins, rows), "the exchange's catalog", config.coin)
    except ContractError as error:
        raise SessionError(str(error)) from None
    _demand_listed(config, grids)
    check_grids(config, grids)
    return grids


def _demand_listed(config: Config, grids: Grids) -> None:
    """Refuse a currency of which the exchange lists no options or no perpetual."""
    perpetual = Perpetual(config.coin, Settlement.LINEAR if config.linear else Settlement.INVERSE)
    missing = [] if grids.of(perpetual.family, "perpetual") is not None else [perpetual.name]
    if grids.of(perpetual.family, "option") is None:
        missing.append(f"options on {config.coin} that settle in {config.settles_in}")
    if missing:
        raise SessionError(
            f"currency: {config.currency} cannot be traded here, the exchange does not list "
            f"{' nor '.join(missing)}; choose another currency or venue"
        )


def charged_as(before: Grids, grids: Grids) -> Grids:
    """Return grids with the fees of others, where those know the sort."""
    known = {(row.family, row.kind, row.name): row for row in before.rows}
    found = []
    for row in grids.rows:
        of_sort = known.get((row.family, row.kind, ""), row)
        same = known.get((row.family, row.kind, row.name), of_sort)
        fees = {name: getattr(same, name) for name in ("maker", "taker", "source", "since_ns")}
        found.append(msgspec.structs.replace(row, **fees))
    return Grids(found)


class CatalogLook:
    """Reads the catalog again after refusals that another grid would explain.

    Fees stay those of the start. What is new is a fact of the journal, so that it replays alike.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    now_ns : callable() -> int
    config : Config
    """

    def __init__(self, parts: Parts, asked: Asked, now_ns: Callable[[], int], config: Config) -> None:
        self._desk, self._journal, self._now_ns, self._config = parts.desk, parts.journal, now_ns, config
        self._due_ns, self._wanted = 0, False
        self._options: list[Listing] = []
        self._first = Question(asked, m.GET_INSTRUMENTS, self._options_told)
        self._second = Question(asked, m.GET_INSTRUMENTS, self._futures_told)

    def off_grid(self) -> None:
        """Take note that the exchange found an order off its grid."""
        self._wanted = True

    def tick(self, now_ns: int) -> None:
        """Ask if that is due."""
        if self._wanted and now_ns >= self._due_ns:
            self._wanted, self._due_ns = False, now_ns + AGAIN_NS
            self._first.ask(currency=self._config.settles_in, kind="option")

    def _options_told(self, rows: list[Listing]) -> None:
        self._options = rows
        self._second.ask(currency=self._config.settles_in, kind="future")

    def _futures_told(self, rows: list[Listing]) -> None:
        before = self._desk.hedge.grids
        try:
            grids = charged_as(before, grids_listed([*self._options, *rows], self._config))
        except (ConfigError, SessionError) as error:
            log.warning("catalog not taken", extra={"reason": str(error)})
            return
        changed = {row.name or row.kind for row in {*grids.rows} ^ {*before.rows}}
        if changed:
            log.warning("grids changed", extra={"of": ", ".join(sorted(changed))})
            refit(self._desk, self._config, grids)
            self._journal.told(CatalogRead(self._now_ns(), grids.rows))
