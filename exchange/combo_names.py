"""Names that the exchange gives to combos, by the shape of their legs."""

from __future__ import annotations

from collections.abc import Sequence

from gammacore.contracts import CALL, Option

from .catalog import ListedContract

__all__ = ["named"]

Legs = Sequence[tuple[ListedContract, int]]

# By the shape: ratio, call or put (F for a future), rank of the strike from below and, where dates differ, of
# the date from the latest. Names list strikes upwards; codes of puts alone downwards, as recorded ones do.
SHAPES = {
    "+1C0 +1P0": "STRD",
    "+1C1 +1P0": "STRG",
    "+1C0 -1P0": "REV",
    "+1C1 -1P0": "RR",
    "+1C0 -1C1": "CS",
    "+1P1 -1P0": "PS",
    "+1C0 -2C1": "CSR12",
    "+1C0 -3C1": "CSR13",
    "+2C0 -3C1": "CSR23",
    "+1P1 -2P0": "PSR12",
    "+1P1 -3P0": "PSR13",
    "+2P1 -3P0": "PSR23",
    "+1C0 +1C2 -2C1": "CBUT",
    "+1P0 +1P2 -2P1": "PBUT",
    "+1C0 +1C3 -1C1 -1C2": "CCOND",
    "+1P0 +1P3 -1P1 -1P2": "PCOND",
    "+1C2 +1P0 -1C1 -1P1": "IBUT",
    "+1C3 +1P0 -1C2 -1P1": "ICOND",
    "+1C0 +1P1 -1C1 -1P0": "BOX",
    "+1C0@0 -1C0@1": "CCAL",
    "+1P0@0 -1P0@1": "PCAL",
    "+1C0@0 -1C1@1": "CDIAG",
    "+1C1@0 -1C0@1": "CDIAG",
    "+1P0@0 -1P1@1": "PDIAG",
    "+1P1@0 -1P0@1": "PDIAG",
    "+1F@0 -1F@1": "FS",
}
FALLING = ("PS", "PSR12", "PSR13", "PSR23", "PBUT", "PCOND")
DIAGONAL = ("CDIAG", "PDIAG")


def named(legs: Legs, number: int) -> tuple[str, tuple[tuple[ListedContract, int], ...]]:
    """Name of a combo, and its legs as the exchange lists them: turned round where the name says so.

    What has no code of its own is ``CUSTOM`` with a number; how the exchange calls such a thing is not known.
    """
    family = legs[0][0].instrument.family
    for side in (1, -1):
        turned = tuple((leg, side * ratio) for leg, ratio in legs)
        code = SHAPES.get(_shape(turned))
        if code is not None:
            return "-".join([family, code, *_places(code, turned)]), turned
    return f"{family}-CUSTOM-{number}", tuple(legs)


def _shape(legs: Legs) -> str:
    strikes, dates = _strikes(legs), _dates(legs)
    words = []
    for leg, ratio in legs:
        option = leg.instrument
        what = "F"
        if isinstance(option, Option):
            what = f"{'C' if option.kind == CALL else 'P'}{strikes.index(option.strike)}"
        when = f"@{dates.index(leg.expiry_ns or 0)}" if len(dates) > 1 else ""
        words.append(f"{ratio:+d}{what}{when}")
    return " ".join(sorted(words))


def _strikes(legs: Legs) -> list[float]:
    return sorted({leg.instrument.strike for leg, _ in legs if isinstance(leg.instrument, Option)})


def _dates(legs: Legs) -> list[int]:
    """Expiries, the later first; a perpetual has none."""
    return sorted({leg.expiry_ns or 0 for leg, _ in legs}, reverse=True)


def _places(code: str, legs: Legs) -> list[str]:
    """Dates and strikes of a name."""
    later = sorted(legs, key=lambda leg: leg[0].expiry_ns or 0, reverse=True)
    names = [leg.name.split("-") for leg, _ in later]
    days = list(dict.fromkeys("PERP" if name[1] == "PERPETUAL" else name[1] for name in names))
    if code == "FS":
        return ["_".join(days)]
    texts = {
        leg.instrument.strike: leg.name.split("-")[2]
        for leg, _ in later
        if isinstance(leg.instrument, Option)
    }
    strikes = list(texts) if code in DIAGONAL else sorted(texts, reverse=code in FALLING)
    return ["_".join(days), "_".join(texts[strike] for strike in strikes)]
