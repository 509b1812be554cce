"""Combos: several contracts traded at once under one name, and what their names mean.

Buying a combo buys its positive legs and sells its negative ones; selling it does the reverse. Its price is
the sum of ratio times leg price, and may be negative::

    BTC-STRD-30SEP22-20000                   call and put
    BTC-STRG-31JUL26-60000_70000             put at the lower strike, call at the higher
    BTC-CS-19MAY26-70000_75000               call at the first strike, less one at the second
    BTC_USDC-PS-18SEP26-77000_70000          the same of puts, from the higher strike down
    BTC-CSR12-17JAN25-97000_100000           one call at the first strike, less two at the second
    BTC-PSR13-31JAN25-96000_94000            one put at the first strike, less three at the second
    BTC-CBUT-28MAR25-90000_95000_100000      calls 1, -2, 1
    BTC-CCOND-2JAN24-40000_41000_43000_44000 calls 1, -1, -1, 1
    BTC-ICOND-31JAN25-82000_84000_98000_100000  outer put and call, less the inner put and call
    BTC-IBUT-29SEP23-5000_22000_80000        outer put and call, less the straddle between
    BTC-REV-29APR22-37500                    call less put
    BTC-RR-27MAR26-60000_90000               call at the higher strike, less put at the lower
    BTC-BOX-30DEC22-17000_20000              call spread and put spread: pays the distance
    BTC-CCAL-25DEC26_31JUL26-115000          later call less earlier call; PCAL of puts
    BTC-CDIAG-26JUN26_2JAN26-60000_90000     the same with a strike for each date; PDIAG of puts
    BTC-FS-22MAY26_19MAY26, BTC-FS-29APR22_PERP  later future less earlier one or perpetual

Legs of STRD, CS, PS, CSR12, CCOND, ICOND, REV, BOX, CCAL and FS agree with legs or prices that the exchange
has shown. Not confirmed, and the field's usual definitions: signs of RR, IBUT, CDIAG and PDIAG; that names of
PBUT and PCOND go from the higher strike down, as those of PS and PSR do. The legs that the exchange lists for
a combo say more than its name: `listed_combo` takes them as they are.

Ladders, jelly rolls, straddle calendars, guts and other codes are not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import gcd
from typing import NamedTuple

import msgspec

from gammacore.contracts.arithmetic import UNITS_PER_COIN
from gammacore.contracts.names import Instrument, Option, Perpetual, parse
from gammacore.errors import ContractError

__all__ = ["Combo", "combo_from_legs", "listed_combo", "parse_combo"]


class Combo(msgspec.Struct, frozen=True):
    """Contracts that are traded together.

    Attributes
    ----------
    name : str
        Exchange name.
    legs : tuple of (Option, Future or Perpetual, int)
        What one combo buys, or sells where the number is negative; without a common divisor.
    """

    name: str
    legs: tuple[tuple[Instrument, int], ...]

    def __post_init__(self) -> None:
        if len({leg for leg, _ in self.legs}) < max(len(self.legs), 2):
            raise _bad(self.name, "needs two legs or more, each a contract of its own")
        if len({leg.family for leg, _ in self.legs}) > 1:
            raise _bad(self.name, "its legs are not of one family")
        ratios = [ratio for _, ratio in self.legs]
        if gcd(*ratios) != 1 or 0 in ratios:
            raise _bad(self.name, f"ratios must be whole numbers without a common divisor, got {ratios}")

    @property
    def family(self) -> str:
        """First part of the name: ``BTC`` or ``BTC_USDC``."""
        return self.legs[0][0].family

    @property
    def kind(self) -> str:
        """Kind under which the exchange lists it."""
        options = any(isinstance(leg, Option) for leg, _ in self.legs)
        return "option_combo" if options else "future_combo"


class _Leg(NamedTuple):
    """A leg of a form: its ratio, and the places of its strike and its date in the name."""

    ratio: int
    side: str
    strike: int
    date: int = 0


class _Form(NamedTuple):
    """What follows a code: how many dates and strikes, and the legs that they make."""

    strikes: int
    order: int
    """Of the strikes: +1 up, -1 down, 0 as their dates go."""
    legs: tuple[_Leg, ...]
    dates: int = 1


def _row(side: str, order: int, *ratios: int) -> _Form:
    """Form of one option type with a leg at each strike."""
    legs = (_Leg(ratio, side, place) for place, ratio in enumerate(ratios))
    return _Form(len(ratios), order, tuple(legs))


def _over_time(side: str, *, strikes: int) -> _Form:
    return _Form(strikes, 0, (_Leg(1, side, 0, 0), _Leg(-1, side, strikes - 1, 1)), dates=2)


FUTURES, PERPETUAL = "FS", "PERP"
_RATIOS = ((1, 2), (1, 3), (2, 3))
_FORMS = {
    "STRD": _Form(1, 1, (_Leg(1, "C", 0), _Leg(1, "P", 0))),
    "STRG": _Form(2, 1, (_Leg(1, "P", 0), _Leg(1, "C", 1))),
    "REV": _Form(1, 1, (_Leg(1, "C", 0), _Leg(-1, "P", 0))),
    "RR": _Form(2, 1, (_Leg(1, "C", 1), _Leg(-1, "P", 0))),
    "CS": _row("C", 1, 1, -1),
    "PS": _row("P", -1, 1, -1),
    **{f"CSR{a}{b}": _row("C", 1, a, -b) for a, b in _RATIOS},
    **{f"PSR{a}{b}": _row("P", -1, a, -b) for a, b in _RATIOS},
    "CBUT": _row("C", 1, 1, -2, 1),
    "PBUT": _row("P", -1, 1, -2, 1),
    "CCOND": _row("C", 1, 1, -1, -1, 1),
    "PCOND": _row("P", -1, 1, -1, -1, 1),
    "IBUT": _Form(3, 1, (_Leg(1, "P", 0), _Leg(-1, "P", 1), _Leg(-1, "C", 1), _Leg(1, "C", 2))),
    "ICOND": _Form(4, 1, (_Leg(1, "P", 0), _Leg(-1, "P", 1), _Leg(-1, "C", 2), _Leg(1, "C", 3))),
    "BOX": _Form(2, 1, (_Leg(1, "C", 0), _Leg(-1, "C", 1), _Leg(-1, "P", 0), _Leg(1, "P", 1))),
    "CCAL": _over_time("C", strikes=1),
    "PCAL": _over_time("P", strikes=1),
    "CDIAG": _over_time("C", strikes=2),
    "PDIAG": _over_time("P", strikes=2),
}


def parse_combo(name: str) -> Combo:
    """Combo of an exchange name, with the legs that its code stands for.

    Parameters
    ----------
    name : str
        Such as ``BTC-STRD-30SEP22-20000`` or ``BTC-FS-29APR22_PERP``.

    Returns
    -------
    Combo

    Raises
    ------
    ContractError
        If the code is not one of the module's, or what follows it does not fit; the legs that the exchange
        lists can be given to `listed_combo`.
    """
    head, _, rest = name.partition("-")
    code, *places = rest.split("-")
    fields = [place.split("_") for place in places]
    if code == FUTURES and len(fields) == 1:
        return _future_spread(name, head, fields[0])
    form = _FORMS.get(code)
    if form is None:
        known = ", ".join([FUTURES, *_FORMS])
        raise _bad(name, f"code {code!r} is not one of {known}; take its legs from the exchange")
    if [len(field) for field in fields] != [form.dates, form.strikes]:
        raise _bad(name, f"after {code} come {form.dates} date(s) and {form.strikes} strike(s)")
    options = [_option(head, leg, *fields) for leg in form.legs]
    _check_order(name, form, options)
    return Combo(name, tuple((option, leg.ratio) for option, leg in zip(options, form.legs, strict=True)))


def listed_combo(name: str, legs: Iterable[tuple[str, int]]) -> Combo:
    """Combo with the legs that the exchange lists, whatever its name says.

    Parameters
    ----------
    name : str
        Its ``id``.
    legs : iterable of (str, int)
        ``instrument_name`` and ``amount`` of each.

    Raises
    ------
    ContractError
        If a leg is no contract, or ratios and families do not make a combo.
    """
    return Combo(name, tuple((parse(leg), ratio) for leg, ratio in legs))


def combo_from_legs(legs: Iterable[tuple[Instrument, float]]) -> tuple[Combo, float] | None:
    """Combo that legs make up, and how many of it: negative where the legs sell it.

    Parameters
    ----------
    legs : iterable of (Option, Future or Perpetual, float)
        Signed amounts, in the unit of the exchange's amounts.

    Returns
    -------
    tuple of (Combo, float) or None
        None if no code of the module stands for them; the exchange may still make a combo of them.
    """
    # Whole numbers of the smallest amount, as 3 times 0.3 is no 0.9 among floats.
    totals: Counter[Instrument] = Counter()
    for leg, amount in legs:
        totals[leg] += round(amount * UNITS_PER_COIN)
    counts = {leg: total for leg, total in totals.items() if total}
    if len(counts) < 2:
        return None
    unit = gcd(*counts.values())
    for name in _names(list(counts)):
        combo = parse_combo(name)
        for side in (1, -1):
            if {leg: side * unit * ratio for leg, ratio in combo.legs} == counts:
                return combo, side * unit / UNITS_PER_COIN
    return None


def _names(legs: list[Instrument]) -> Iterator[str]:
    """Names of the combos that might have these legs."""
    legs = sorted(legs, key=_expiry, reverse=True)
    family = legs[0].family
    days = list(dict.fromkeys(map(_day, legs)))
    options = [leg for leg in legs if isinstance(leg, Option)]
    if not options and len(days) == len(legs) == 2:
        yield f"{family}-{FUTURES}-{days[0]}_{days[1]}"
    if len(options) < len(legs):
        return
    texts = {option.strike: option.name.split("-")[2] for option in options}
    for code, form in _FORMS.items():
        if (len(form.legs), form.dates, form.strikes) != (len(legs), len(days), len(texts)):
            continue
        placed = sorted(texts, reverse=form.order < 0) if form.order else list(texts)
        yield f"{family}-{code}-{'_'.join(days)}-{'_'.join(texts[strike] for strike in placed)}"


def _future_spread(name: str, head: str, days: list[str]) -> Combo:
    futures = [parse(f"{head}-{'PERPETUAL' if day == PERPETUAL else day}") for day in days]
    if len(futures) != 2 or _expiry(futures[0]) <= _expiry(futures[1]):
        raise _bad(name, f"{FUTURES} has two dates, the later one first and {PERPETUAL} last")
    return Combo(name, ((futures[0], 1), (futures[1], -1)))


def _option(head: str, leg: _Leg, days: list[str], strikes: list[str]) -> Option:
    found = parse(f"{head}-{days[leg.date]}-{strikes[leg.strike]}-{leg.side}")
    assert isinstance(found, Option)
    return found


def _check_order(name: str, form: _Form, options: list[Option]) -> None:
    """Refuse dates and strikes in another order: the exchange would mean other legs, or none."""
    placed = {leg.strike: option.strike for leg, option in zip(form.legs, options, strict=True)}
    strikes = [placed[place] for place in range(form.strikes)]
    wanted = sorted(set(strikes), reverse=form.order < 0) if form.order else list(dict.fromkeys(strikes))
    if strikes != wanted:
        raise _bad(name, f"its strikes must {('differ', 'rise', 'fall')[form.order]}")
    if form.dates > 1 and options[0].expiry_ns <= options[1].expiry_ns:
        raise _bad(name, "its later date comes first")


def _expiry(leg: Instrument) -> int:
    """Expiry, for the order of legs; a perpetual comes before every date."""
    return 0 if isinstance(leg, Perpetual) else leg.expiry_ns


def _day(leg: Instrument) -> str:
    return PERPETUAL if isinstance(leg, Perpetual) else leg.name.split("-")[1]


def _bad(name: str, why: str) -> ContractError:
    return ContractError(f"combo {name!r}: {why}")
