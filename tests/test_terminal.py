"""Prices as texts, of coins of any price."""

import math

import pytest
from rich.console import Console

from gammacore.terminal import money_table, numbers, price_text


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (85_000.04, "85,000.0"),
        (2_750.0, "2,750.0"),
        (-999.996, "-1,000.00"),
        (139.99, "139.99"),
        (9.5, "9.5000"),
        (0.62001, "0.62001"),
        (0.0, "0.00000"),
        (math.nan, "nan"),
    ],
)
def test_five_digits_and_one_after_the_point_at_least(price, text):
    assert price_text(price) == text


def printed(table, width=60):
    console = Console(width=width, record=True, quiet=False)
    with console.capture() as shown:
        console.print(table)
    return shown.get()


def test_a_rounded_zero_of_a_ledger_has_no_minus_and_thousands_are_parted():
    money = {"coin": -1e-10, "usd": -0.001}
    shown = printed(money_table("Ledger", "TRX", {"rounding": money}, {"coin": -4707.9, "usd": -1e6}))
    assert "+0.00000000" in shown
    assert "-0.00" not in shown
    assert "-4,707.90000000" in shown
    assert "-1,000,000.00" in shown


def test_a_number_that_is_too_wide_wraps():
    from rich.table import Table

    table = Table(*numbers("one", "two"))
    table.add_row("+16,004,208.15", "-80,445,451.23")
    shown = printed(table, 20)
    assert "…" not in shown
    assert sum(character.isdigit() for character in shown) == 20
