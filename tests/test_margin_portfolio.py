"""Portfolio margin: the exchange's printed figures, a second implementation, and laws of any book."""

import doctest
import math

import msgspec
import numpy as np
import pytest

import gammacore
from gammacore.contracts import CALL, PUT, Future, Option, Perpetual, Settlement, parse
from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_DAY, parse_time
from gammacore.errors import ContractError
from gammacore.margin import (
    Book,
    Books,
    Holding,
    PortfolioRates,
    portfolio_margin,
    portfolio_margins,
    risk_vectors,
    sized_margins,
)
from gammacore.margin import portfolio as margin_portfolio
from gammacore.margin import standard as margin_standard
from gammacore.margin.book import lines_of
from gammacore.margin.portfolio import scenarios
from support.reference import margin as slow

MARGINS = published_margins()
BTC_2024 = MARGINS.portfolio_at(parse_time("2024-06-17"), "BTC")
ETH_2026 = MARGINS.portfolio_at(parse_time("2026-02-15"), "ETH")
NOW = parse_time("2026-01-05T12:00:00Z")


def first_example():
    """The exchange's documentation of private/pme/simulate, 2024-06-17."""
    perpetual, dated = 65_910.57, 67_371.75
    holdings = (
        Holding(parse("BTC-PERPETUAL"), 0.314538364 * perpetual, perpetual),
        Holding(parse("BTC-28JUN24"), -0.001187534 * dated, dated),
    )
    return Book(parse_time("2024-06-17"), 65_666.19, holdings)


def second_example():
    """A recorded answer of private/pme/simulate, 2026-02-15."""
    held = Holding(parse("ETH-PERPETUAL"), -0.999487053 * 1_949.49, 1_949.49)
    return Book(parse_time("2026-02-15"), 1_949.34, (held,))


def printed(values, digits):
    return [f"{value + 0.0:.{digits}f}" for value in values]


def test_the_first_example_to_the_last_printed_digit():
    found, (initial, aggregated) = (
        portfolio_margin(first_example(), BTC_2024),
        risk_vectors(first_example(), BTC_2024),
    )
    buckets = (
        "-0.0599120693", "-0.0428915951", "-0.0273511621", "-0.0131057652", "0.0000000000",
        "0.0120976294", "0.0232991381", "0.0337005390", "0.0433846019",
    )  # fmt: skip
    for shift in range(3):
        assert printed(initial[0, shift:27:3], 10) == list(buckets)
    assert printed(initial[1, [0, 24]], 10) == ["0.0002261970", "-0.0001637978"]
    assert printed(initial[0, 27:], 10) == ["-0.0599120693"] * 2 + ["0.0433846019"] * 6
    assert f"{aggregated[0]:.11f}" == "-0.05968587238"
    assert aggregated.max() == 0.0  # pnl_offset 0
    assert printed(found[2:5], 11) == ["0.05968587200", "0.00315725898", "0.00000000000"]
    assert f"{found.initial:.11f}" == "0.06284313098"
    assert f"{found.maintenance:.12f}" == "0.050274504784"
    assert f"{found.initial + 0.06 + 0.000018212:.9f}" == "0.122861343"  # with the account's orders
    assert found.scenario == (-0.16, "up", False)


def test_the_second_example_to_the_last_printed_digit():
    book = second_example()
    found, (initial, aggregated) = portfolio_margin(book, ETH_2026), risk_vectors(book, ETH_2026)
    losses = ["-0.0430401123", "-0.0825264539", "-0.1188817200", "-0.1524641267"]
    assert printed(initial[0, 0:12:3], 10) == [
        "0.2193995970", "0.1559893088", "0.0988503679", "0.0470962486",
    ]  # fmt: skip
    assert printed(initial[0, 15:27:3], 10) == losses
    assert printed(initial[0, 27:], 7) == ["0.2193996"] * 2 + ["-0.1524641"] * 6
    assert printed(aggregated[0:12:3], 10) == [
        "0.1316397582", "0.0935935853", "0.0593102207", "0.0282577491",
    ]  # fmt: skip
    assert printed(aggregated[15:27:3], 10) == losses
    assert not aggregated[27:].any()  # damped to nothing, gains included
    assert f"{found.roll_shock:.12f}" == "0.004997435265"
    assert f"{found.initial:.12f}" == "0.157461562265"
    assert f"{found.maintenance:.12f}" == "0.125969249812"
    assert found.scenario == (0.18, "up", False)


def test_the_shocks_of_volatility_as_derived():
    """Shocks of 0.5 up and 0.25 down at 60 %: not of the exchange, but of whom its form is taken from."""
    for days, up, down in ((1, 1.432, 0.184), (7, 1.064, 0.368), (60, 0.874, 0.463)):
        found = slow.shocked(BTC_2024, 0.6, days / 365)
        assert (found["up"], found["down"]) == pytest.approx((up, down), abs=5e-4)


def random_book(rng, n, *, inverse=True):
    settlement = Settlement.INVERSE if inverse else Settlement.LINEAR
    base, index = "BTC", 90_000.0 * np.exp(rng.normal(0.0, 0.3))
    found = {}
    for _ in range(n):
        expiry = parse_time("2026-01-05T08:00:00Z") + int(rng.choice([1, 2, 7, 45, 180])) * NS_PER_DAY
        kind, size = rng.integers(0, 6), rng.normal(0.0, 3.0)
        mark = index * np.exp(rng.normal(0.0, 0.02))
        if kind == 0:
            held = Perpetual(base, settlement)
        elif kind == 1:
            held = Future(base, settlement, expiry)
        else:
            strike = float(round(index * np.exp(rng.normal(0.0, 0.3)), -2))
            held = Option(base, settlement, expiry, strike, CALL if kind % 2 else PUT)
        if isinstance(held, Option):
            vol = rng.choice([0.0, 0.05, 0.4, 0.9, 3.0])
            found[held] = Holding(held, size, 0.02, mark, float(vol))
        else:
            found[held] = Holding(held, size * (mark if inverse else 1.0), mark)
    return Book(NOW, index, tuple(found.values()))


def varied(rng):
    return msgspec.structs.replace(
        BTC_2024,
        price_range=float(rng.uniform(0.08, 0.3)),
        delta_total_liq_shock_threshold=float(rng.choice([0.0, 1e5, 2e7])),
        extended_dampener=float(rng.choice([0.0, 2e4, 2e5])),
        extended_table_factor=float(rng.choice([1.0, 3.0])),
        m_inc=float(rng.choice([5e-5, 0.01])),
        pnl_offset=0.6,
        buckets_count=int(rng.integers(1, 7)),
    )


def by_hand(book, rates):
    lines, groups, sizes = lines_of(book.ts_ns, book.holdings)
    return slow.initial_margin(rates, lines, groups, sizes, book.index, book.inverse)


@pytest.mark.parametrize("inverse", [True, False])
def test_random_books_against_a_second_implementation(inverse):
    rng, reached = np.random.default_rng(5), set()
    for _ in range(150):
        book, rates = random_book(rng, int(rng.integers(1, 12)), inverse=inverse), varied(rng)
        found, parts = portfolio_margin(book, rates), by_hand(book, rates)
        unit = 1.0 if inverse else 1e5
        assert found[2:5] == pytest.approx(parts, rel=1e-9, abs=2e-9 * unit)
        assert found.initial == pytest.approx(sum(parts), rel=1e-9, abs=2e-9 * unit)
        assert found.maintenance == rates.mm_factor * found.initial
        reached |= {found.scenario is None, found.delta_shock > 0}
        if found.scenario is not None:
            reached.add(("extended", found.scenario.extended))
            if not found.scenario.extended:
                assert found.losses.sum() == pytest.approx(found.worst_loss, rel=1e-9, abs=2e-9 * unit)
    assert {True, False, ("extended", True), ("extended", False)} <= reached


@pytest.mark.parametrize("inverse", [True, False])
def test_what_a_position_adds_is_the_margin_with_it_less_without(inverse):
    rng = np.random.default_rng(6)
    for _ in range(25):
        book, rates = random_book(rng, 6, inverse=inverse), varied(rng)
        found = portfolio_margin(book, rates)
        unit = 1.0 if inverse else 1e5
        for held, added in zip(book.holdings, found.added, strict=True):
            without = portfolio_margin(book.without(held.instrument), rates).initial
            assert added == pytest.approx(found.initial - without, rel=1e-9, abs=4e-9 * unit)


def test_a_hedge_takes_margin_away_and_a_position_alone_adds_all_of_it():
    call = Holding(parse("BTC-27MAR26-90000-C"), -1.0, 0.05, 90_000.0, 0.5)
    alone = portfolio_margin(Book(NOW, 90_000.0, (call,)), BTC_2024)
    assert alone.added[0] == alone.initial > 0.0
    hedge = Holding(parse("BTC-PERPETUAL"), 0.5 * 90_000.0, 90_000.0)
    both = portfolio_margin(Book(NOW, 90_000.0, (call, hedge)), BTC_2024)
    assert both.initial < alone.initial
    assert both.added[1] == pytest.approx(both.initial - alone.initial, abs=2e-9)


@pytest.mark.parametrize("inverse", [True, False])
def test_many_books_at_once_are_each_what_one_is(inverse):
    rng = np.random.default_rng(7)
    rates, books = (
        varied(rng),
        [random_book(rng, int(n), inverse=inverse) for n in [6, *rng.integers(0, 9, 40)]],
    )
    books = [book for book in books if book.inverse == inverse]
    parts = [lines_of(book.ts_ns, book.holdings) for book in books]
    counts = [len(sizes) for _, _, sizes in parts]
    many = Books(
        np.array([book.index for book in books]),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([lines for lines, _, _ in parts]),
        np.concatenate([groups for _, groups, _ in parts]),
        np.concatenate([sizes for _, _, sizes in parts]),
    )
    wanted = [portfolio_margin(book, rates).initial for book in books]
    assert portfolio_margins(many, rates, inverse=inverse).tolist() == wanted
    lines, groups, sizes = (np.concatenate(part) for part in zip(parts[0], parts[0], strict=True))
    sizes[len(parts[0][2]) :] = 0.0  # nothing held of instruments whose mark is missing
    lines[len(parts[0][2]) :, 3:] = np.nan
    twice = Books(many.index[:1], np.array([0, len(sizes)]), lines, groups, sizes)
    assert portfolio_margins(twice, rates, inverse=inverse).tolist() == wanted[:1]
    book = random_book(rng, 7, inverse=inverse)
    sizes = rng.normal(size=(20, len(book.holdings)))
    sizes[0] = 0.0
    found = sized_margins(book, rates, sizes)
    assert found[0] == 0.0
    for margin, row in zip(found[1:], sizes[1:], strict=True):
        held = tuple(h._replace(size=size) for h, size in zip(book.holdings, row, strict=True))
        assert margin == pytest.approx(
            portfolio_margin(Book(NOW, book.index, held), rates).initial, rel=1e-12
        )


def test_every_instruction_set_gives_the_same_bits():
    rng = np.random.default_rng(9)
    book, rates, found = random_book(rng, 40), varied(rng), set()
    before = gammacore.simd_level()
    try:
        for level in gammacore.supported_levels():
            gammacore.use_level(level)
            found.add(risk_vectors(book, rates)[0].tobytes())
    finally:
        gammacore.use_level(before)
    assert len(found) == 1


def test_a_grid_longer_than_a_chunk_of_the_loops():
    rng = np.random.default_rng(10)
    rates = msgspec.structs.replace(BTC_2024, buckets_count=30, extended_moves=(-0.9, 0.2, 7.0))
    book = random_book(rng, 8)
    found = portfolio_margin(book, rates)
    assert found[2:5] == pytest.approx(by_hand(book, rates), rel=1e-9, abs=2e-9)
    lines, _, _ = lines_of(book.ts_ns, book.holdings)
    initial, _ = risk_vectors(book, rates)
    for row, line, size in zip(initial, lines, lines_of(book.ts_ns, book.holdings)[2], strict=True):
        assert row == pytest.approx(size * slow.vector(rates, line, True), rel=1e-9, abs=1e-12)


def test_bought_options_offset_the_delta_that_is_shocked_and_never_add_to_it():
    rates = msgspec.structs.replace(BTC_2024, delta_total_liq_shock_threshold=0.0)
    perpetual = Holding(parse("BTC-PERPETUAL"), 90_000.0 * 100.0, 90_000.0)
    deep = {kind: Holding(parse(f"BTC-27MAR26-{k}-{kind}"), 40.0, 0.9, 90_000.0, 0.3) for kind, k in
            (("C", 5_000), ("P", 900_000))}  # fmt: skip

    def shock(*held):
        return portfolio_margin(Book(NOW, 90_000.0, held), rates).delta_shock

    assert shock(perpetual) == pytest.approx(100.0 * 100.0 * 5e-5, rel=1e-9)
    assert shock(perpetual, deep["C"]) == shock(perpetual)
    assert shock(perpetual, deep["P"]) == pytest.approx(60.0 * 60.0 * 5e-5, rel=1e-6)
    assert shock(deep["C"]) == 0.0
    capped = msgspec.structs.replace(rates, m_inc=1.0)
    assert portfolio_margin(Book(NOW, 90_000.0, (perpetual,)), capped).delta_shock == pytest.approx(10.0)


def test_an_empty_book_needs_nothing_and_a_missing_mark_is_not_nothing():
    empty = portfolio_margin(Book(NOW, 90_000.0), BTC_2024)
    assert (empty.initial, empty.maintenance, empty.scenario) == (0.0, 0.0, None)
    unmarked = Holding(parse("BTC-27MAR26-90000-C"), -1.0, math.nan, 90_000.0, math.nan)
    assert math.isnan(portfolio_margin(Book(NOW, 90_000.0, (unmarked,)), BTC_2024).initial)


OPTION, PERPETUAL = parse("BTC-27MAR26-90000-C"), parse("BTC-PERPETUAL")


@pytest.mark.parametrize(
    ("holdings", "message"),
    [
        ([Holding(PERPETUAL, 1.0, 0.0)], "price of BTC-PERPETUAL: expected a positive number"),
        ([Holding(PERPETUAL, math.inf, 9e4)], "size of BTC-PERPETUAL: expected a finite number, got inf"),
        ([Holding(PERPETUAL, math.nan, 9e4)], "size of BTC-PERPETUAL"),
        ([Holding(PERPETUAL, 1.0, 9e4)] * 2, "BTC-PERPETUAL is in the book twice"),
        ([Holding(OPTION, 1.0, -0.1, 9e4, 0.5)], "price of BTC-27MAR26-90000-C: must not be negative"),
        ([Holding(OPTION, 1.0, 0.1, -9e4, 0.5)], "forward of BTC-27MAR26-90000-C"),
        ([Holding(OPTION, 1.0, 0.1, 9e4, -0.5)], "vol of BTC-27MAR26-90000-C: must not be negative"),
        ([Holding(parse("BTC-2JAN26-90000-C"), 1.0, 0.1, 9e4, 0.5)], "has expired by 2026-01-05"),
        (
            [Holding(PERPETUAL, 1.0, 9e4), Holding(parse("ETH-PERPETUAL"), 1.0, 3e3)],
            "one coin and one settlement currency, got BTC, ETH: split it",
        ),
        ([Holding(PERPETUAL, 1.0, 9e4), Holding(parse("BTC_USDC-PERPETUAL"), 1.0, 9e4)], "split it"),
    ],
)
def test_a_book_that_cannot_be_is_refused(holdings, message):
    with pytest.raises(ContractError, match=message):
        Book(NOW, 90_000.0, tuple(holdings))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("price_range", 16.0, "price_range: expected a fraction of the price, got 16.0"),
        ("volatility_range_up", -0.5, "volatility_range_up: must not be negative"),
        ("m_inc", math.nan, "m_inc: must not be negative or infinite, got nan"),
        ("mm_factor", 80.0, "mm_factor: expected a fraction of initial margin"),
        ("buckets_count", 0, "buckets_count: expected at least 1"),
        ("extended_moves", (-1.5,), "extended_moves: expected moves above -1"),
        ("extended_moves", (0.1,), "extended_moves: .* beyond ±0.16, got 0.1"),
    ],
)
def test_parameters_that_cannot_be_are_refused(field, value, message):
    with pytest.raises(ContractError, match=message):
        PortfolioRates(**msgspec.structs.asdict(BTC_2024) | {field: value})


def test_columns_that_do_not_fit_are_refused():
    book = first_example()
    with pytest.raises(ContractError, match=r"sizes: expected shape \(books, 2\)"):
        sized_margins(book, BTC_2024, [[1.0, 2.0, 3.0]])
    with pytest.raises(ContractError, match=r"sizes\[0, 1\]: expected a finite number, got nan"):
        sized_margins(book, BTC_2024, [[1.0, math.nan]])
    lines, groups, sizes = lines_of(book.ts_ns, book.holdings)
    good = Books(np.array([6e4]), np.array([0, 2]), lines, groups, sizes)
    for change, message in (
        ({"offsets": np.array([0, 1])}, "offsets: must ascend from 0 to 2"),
        ({"offsets": np.array([0, 2, 2])}, "do not fit 2 positions of 1 books"),
        ({"groups": np.array([0, 2])}, "groups: expiries of a book are numbered from 0"),
        ({"lines": lines[:, :4]}, "do not fit"),
    ):
        with pytest.raises(ContractError, match=message):
            portfolio_margins(msgspec.structs.replace(good, **change), BTC_2024, inverse=True)


def test_the_grid_reads_as_it_is_computed():
    table, named = scenarios(BTC_2024, True)
    assert table.shape == (4, 27 + 8)
    assert [s.move for s in named] == table[0].tolist()
    assert named[24] == (0.16, "up", False)  # the exchange's index 25, bucket 9
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 1.0


@pytest.mark.parametrize("module", [margin_standard, margin_portfolio])
def test_examples_of_the_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted > 0 == found.failed
