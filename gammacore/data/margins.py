"""Margin parameters by date, from the file beside this module or from one of the user's own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from gammacore.daycount import parse_time
from gammacore.errors import ContractError, DataError
from gammacore.margin import MarginRates, MarginSchedule, PortfolioRates, PortfolioStep, StandardStep

__all__ = ["load_margins", "published_margins"]

_PUBLISHED = Path(__file__).with_name("margins.json")
_NOTES = ("since", "source", "unconfirmed")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str = ""
    standard: list[dict[str, Any]] = []
    portfolio: dict[str, list[dict[str, Any]]] = {}


@lru_cache(maxsize=1)
def published_margins() -> MarginSchedule:
    """Parameters that the exchange published, and what is carried on where it did not."""
    return _read(_PUBLISHED, MarginSchedule())


def load_margins(path: str | Path) -> MarginSchedule:
    """Load parameters of one's own; what a file leaves out are the published ones.

    Parameters
    ----------
    path : str or Path
        JSON of the form of ``gammacore/data/margins.json``.

    Returns
    -------
    MarginSchedule

    Raises
    ------
    DataError
        If the file cannot be read, or a field is missing, unknown or impossible.
    """
    return _read(Path(path).expanduser(), published_margins())


def _read(path: Path, default: MarginSchedule) -> MarginSchedule:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except msgspec.MsgspecError as error:
        raise DataError(f"{path}: {error}") from None
    try:
        standard = tuple(_standard(row, f"standard[{i}]") for i, row in enumerate(found.standard))
        portfolio = {
            coin: tuple(_portfolio(row, f"portfolio.{coin}[{i}]") for i, row in enumerate(rows))
            for coin, rows in found.portfolio.items()
        }
        return MarginSchedule(
            standard=standard or default.standard, portfolio={**default.portfolio, **portfolio}
        )
    except ContractError as error:
        raise DataError(f"{path}: {error}") from None


def _standard(row: dict[str, Any], where: str) -> StandardStep:
    return StandardStep(_since(row, where), _convert(row, MarginRates, where))


def _portfolio(row: dict[str, Any], where: str) -> PortfolioStep:
    rates = _convert(row, PortfolioRates, where)
    unconfirmed = row.get("unconfirmed", [])
    if unknown := set(unconfirmed) - set(PortfolioRates.__struct_fields__):
        raise ContractError(f"{where}.unconfirmed: no parameter is called {', '.join(sorted(unknown))}")
    return PortfolioStep(_since(row, where), rates, str(row.get("source", "")), tuple(unconfirmed))


def _since(row: dict[str, Any], where: str) -> int:
    try:
        return parse_time(row["since"])
    except KeyError:
        raise ContractError(f"{where}: since is missing, the date from which it holds") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ContractError(f"{where}.since: {error}") from None


def _convert(row: dict[str, Any], kind: Any, where: str) -> Any:
    fields = {name: value for name, value in row.items() if name not in _NOTES}
    try:
        return msgspec.convert(fields, kind)
    except (msgspec.ValidationError, ContractError) as error:
        raise ContractError(f"{where}: {error}") from None
