"""Rules of legs in a configuration: the text as it was given, which knows its rule."""

from __future__ import annotations

from gammacore.legs import ExpiryRule, StrikeRule, parse_expiry, parse_strike

__all__ = ["Expiry", "Strike"]


class Strike(str):
    """Text such as ``atm``, ``delta 0.25`` or ``60000``.

    Attributes
    ----------
    rule : StrikeRule

    Raises
    ------
    ValueError
        If the text is of no form that there is.
    """

    rule: StrikeRule

    def __new__(cls, text: str | float) -> Strike:
        """Parse once."""
        made = super().__new__(cls, text)
        made.rule = parse_strike(text)
        return made


class Expiry(str):
    """Text such as ``6d-9d``, ``friday 2`` or ``leg 1 + 7d``.

    Attributes
    ----------
    rule : ExpiryRule

    Raises
    ------
    ValueError
        If the text is of no form that there is.
    """

    rule: ExpiryRule

    def __new__(cls, text: str) -> Expiry:
        """Parse once."""
        made = super().__new__(cls, text)
        made.rule = parse_expiry(text)
        return made
