"""Refuses to begin where the account does not hold what is to be taken over, before anything is sent."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gammacore.contracts import Future, Instrument, Option, Settlement
from gammacore.errors import SessionError

from .selection import Selection

PATTERN = set("*?[")


def demand_held(selection: Selection, held: Iterable[Instrument], listed: Iterable[Instrument]) -> None:
    """Hold a selection against the account and the catalog.

    Parameters
    ----------
    selection : Selection
    held : iterable of instruments
        All of the account, in whatever currency.
    listed : iterable of instruments
        All that trade on the coin.

    Raises
    ------
    SessionError
        With the name of what is not there, and the nearest one that is: options in another currency alone,
        an expiry that is not listed, an instrument that is not held.
    """
    options = [x for x in held if isinstance(x, Option)]
    own = [x for x in options if x.base == selection.base and x.settlement is selection.settlement]
    if options and not own:
        there = sorted({_currency(x) for x in options})
        raise SessionError(
            f"currency: the account holds no options of {_named(selection.base, selection.settlement)}, "
            f"only of {', '.join(there)}; type --set currency={there[0]}"
        )
    _demand_listed(selection, [x for x in listed if isinstance(x, Option)])
    names = sorted(x.name for x in own)
    for wanted in selection.instruments:
        if not PATTERN & set(wanted) and wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.0)
            hint = f"the nearest that it holds is {near[0]}" if near else "it holds no options"
            raise SessionError(f"--instrument {wanted}: the account does not hold it; {hint}")


def _demand_listed(selection: Selection, listed: list[Option]) -> None:
    days = {x.expiry_ns for x in listed if x.base == selection.base and x.settlement is selection.settlement}
    for expiry_ns in selection.expiries:
        if expiry_ns not in days:
            near = min(days, key=lambda day: abs(day - expiry_ns), default=None)
            hint = "" if near is None else f"; the nearest that are expire on {_day(selection, near)}"
            day = _day(selection, expiry_ns)
            raise SessionError(f"--expiry {day}: no options of that day are listed{hint}")


def _day(selection: Selection, expiry_ns: int) -> str:
    return Future(selection.base, selection.settlement, expiry_ns).name.partition("-")[2]


def _currency(option: Option) -> str:
    return _named(option.base, option.settlement)


def _named(base: str, settlement: Settlement) -> str:
    return f"{base}_USDC" if settlement is Settlement.LINEAR else base
