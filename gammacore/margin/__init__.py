"""What the exchange asks for as collateral: standard margin, portfolio margin, and their dated parameters."""

from .book import Book, Holding, Margin
from .portfolio import (
    Books,
    PortfolioMargin,
    PortfolioRates,
    Scenario,
    portfolio_margin,
    portfolio_margins,
    risk_vectors,
    sized_margins,
)
from .schedule import MarginSchedule, Model, PortfolioStep, StandardStep, margin_by
from .standard import (
    FutureRates,
    MarginRates,
    future_margins,
    future_rates,
    option_margin,
    option_margins,
    position_margin,
    standard_margin,
)

__all__ = [
    "Book",
    "Books",
    "FutureRates",
    "Holding",
    "Margin",
    "MarginRates",
    "MarginSchedule",
    "Model",
    "PortfolioMargin",
    "PortfolioRates",
    "PortfolioStep",
    "Scenario",
    "StandardStep",
    "future_margins",
    "future_rates",
    "margin_by",
    "option_margin",
    "option_margins",
    "portfolio_margin",
    "portfolio_margins",
    "position_margin",
    "risk_vectors",
    "sized_margins",
    "standard_margin",
]
