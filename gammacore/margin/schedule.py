"""Margin parameters by date, and by which model an account is asked for margin."""

from __future__ import annotations

from typing import Literal

import msgspec

from gammacore.daycount import format_time
from gammacore.errors import ContractError

from .book import Book, Margin
from .portfolio import PortfolioRates, portfolio_margin
from .standard import MarginRates, standard_margin

__all__ = ["MarginSchedule", "Model", "PortfolioStep", "StandardStep", "margin_by"]

Model = Literal["standard", "portfolio"]


class StandardStep(msgspec.Struct, frozen=True):
    """Rates of standard margin and the moment (nanoseconds UTC) from which they hold."""

    since_ns: int
    rates: MarginRates


class PortfolioStep(msgspec.Struct, frozen=True):
    """Parameters of portfolio margin, from when they hold (nanoseconds UTC), and who says so.

    ``unconfirmed`` names the fields that no page or recorded answer of the exchange confirms.
    """

    since_ns: int
    rates: PortfolioRates
    source: str = ""
    unconfirmed: tuple[str, ...] = ()


class MarginSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchange asks for, by date; the first step of a list also holds for everything before it.

    Attributes
    ----------
    model : {'standard', 'portfolio'}
        By which the account is asked.
    standard : tuple of StandardStep
        Ascending in time.
    portfolio : dict of str to tuple of PortfolioStep
        By coin, ascending in time.
    """

    model: Model = "standard"
    standard: tuple[StandardStep, ...] = (StandardStep(0, MarginRates()),)
    portfolio: dict[str, tuple[PortfolioStep, ...]] = {}

    def __post_init__(self) -> None:
        dates = {"standard": [step.since_ns for step in self.standard]}
        dates |= {coin: [step.since_ns for step in steps] for coin, steps in self.portfolio.items()}
        for name, starts in dates.items():
            if not starts or starts != sorted(set(starts)):
                texts = [format_time(start) for start in starts]
                raise ContractError(f"margin, {name}: dates must ascend and not be missing, got {texts}")

    def standard_at(self, ts_ns: int) -> MarginRates:
        """Rates of standard margin at a moment in nanoseconds UTC."""
        found = self.standard[0]
        for step in self.standard:
            found = step if step.since_ns <= ts_ns else found
        return found.rates

    def portfolio_step(self, ts_ns: int, base: str) -> PortfolioStep:
        """Return parameters of portfolio margin for a coin, with their source.

        Raises
        ------
        ContractError
            If there are none for the coin.
        """
        steps = self.portfolio.get(base)
        if steps is None:
            known = ", ".join(sorted(self.portfolio)) or "none"
            raise ContractError(
                f"no parameters of portfolio margin for {base} (known: {known}): set margin.model to "
                "standard, or name a file with them in margin.parameters"
            )
        found = steps[0]
        for step in steps:
            found = step if step.since_ns <= ts_ns else found
        return found

    def portfolio_at(self, ts_ns: int, base: str) -> PortfolioRates:
        """Parameters of portfolio margin for a coin; see :meth:`portfolio_step`."""
        return self.portfolio_step(ts_ns, base).rates

    def at(self, ts_ns: int, base: str) -> MarginRates | PortfolioRates:
        """Rates by the model of the account, for a coin at a moment in nanoseconds UTC.

        Raises
        ------
        ContractError
            If the model is portfolio margin and there are no parameters for the coin.
        """
        return self.standard_at(ts_ns) if self.model == "standard" else self.portfolio_at(ts_ns, base)

    def margin(self, book: Book) -> Margin:
        """Margin of a book by the model of the account, settlement currency."""
        return margin_by(book, self.at(book.ts_ns, book.base)) if book.holdings else Margin(0.0, 0.0)


def margin_by(book: Book, rates: MarginRates | PortfolioRates) -> Margin:
    """Margin of a book by the model that the rates are of, settlement currency."""
    if isinstance(rates, MarginRates):
        return standard_margin(book, rates)
    found = portfolio_margin(book, rates)
    return Margin(found.initial, found.maintenance)
