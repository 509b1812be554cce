"""Portfolio margin: one book of 200 options, and a sweep of 10,000 books."""

import numpy as np
import pytest

from gammacore.contracts import parse
from gammacore.data.margins import published_margins
from gammacore.daycount import parse_time
from gammacore.margin import Book, Books, Holding, portfolio_margin, portfolio_margins, sized_margins
from gammacore.margin.book import lines_of

NOW, INDEX, BOOKS = parse_time("2026-12-01T08:00"), 100_000.0, 10_000
RATES = published_margins().portfolio_at(NOW, "BTC")


def book_of(strikes):
    """Calls and puts of four expiries, and the perpetual."""
    rng = np.random.default_rng(1)
    holdings = [Holding(parse("BTC-PERPETUAL"), 1e5, INDEX)]
    for day in ("25DEC26", "29JAN27", "26MAR27", "25JUN27"):
        for strike in np.linspace(60_000, 160_000, strikes).round(-3):
            for side in "CP":
                name = f"BTC-{day}-{strike:.0f}-{side}"
                holdings.append(Holding(parse(name), rng.normal(), 0.05, 1.01 * INDEX, 0.6))
    return Book(NOW, INDEX, tuple(holdings))


@pytest.mark.benchmark(group="portfolio margin")
def test_a_book_of_200_options(benchmark):
    book = book_of(25)
    assert len(book.holdings) == 201
    found = benchmark(lambda: portfolio_margin(book, RATES))
    assert found.initial > 0


@pytest.mark.benchmark(group="portfolio margin")
def test_10000_books_of_200_options_in_one_market(benchmark):
    book = book_of(25)
    sizes = np.random.default_rng(2).normal(size=(BOOKS, len(book.holdings)))
    found = benchmark(lambda: sized_margins(book, RATES, sizes))
    benchmark.extra_info["books"] = len(found)


@pytest.mark.benchmark(group="portfolio margin")
def test_10000_books_of_5_positions_each_in_a_market_of_its_own(benchmark):
    lines, groups, sizes = lines_of(NOW, book_of(25).holdings[:5])
    rng = np.random.default_rng(3)
    index = INDEX * np.exp(rng.normal(0.0, 0.2, BOOKS))
    moved = np.tile(lines, (BOOKS, 1))
    moved[:, 4] *= np.repeat(index / INDEX, len(sizes))
    books = Books(
        index, len(sizes) * np.arange(BOOKS + 1), moved, np.tile(groups, BOOKS), np.tile(sizes, BOOKS)
    )
    found = benchmark(lambda: portfolio_margins(books, RATES, inverse=True))
    benchmark.extra_info["books"] = len(found)
