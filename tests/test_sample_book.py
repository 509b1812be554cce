"""Options that the account of a local exchange is given."""

from gammacore.contracts import Settlement, parse
from gammacore.daycount import parse_time
from gammacore.deribit.news import SummaryRow
from gammacore.live.sample_book import WANTED, chosen
from support.markets import build

NOW = parse_time("2026-11-25T12:00")
DAYS = ("27NOV26", "28NOV26", "4DEC26", "25DEC26", "26MAR27")


def row(name, forward=100_400.0):
    return SummaryRow(0, parse(name), 0.1, 0.1, 0.1, 0.5, forward, "", 1.0)


def test_ten_options_of_the_nearest_four_expiries_are_chosen_around_the_money():
    strikes = range(90_000, 111_000, 1_000)
    rows = [row(f"BTC-{day}-{strike}-{side}") for day in DAYS for strike in strikes for side in "CP"]
    rows += [row("BTC-PERPETUAL"), row("ETH-27NOV26-3000-C"), row("BTC_USDC-27NOV26-3000-C")]
    found = chosen(build({}), rows, NOW)
    assert len(found) == len({option for option, _ in found}) == sum(map(len, WANTED)) == 10
    assert [option.name for option, _ in found][:3] == [
        "BTC-27NOV26-100000-C", "BTC-27NOV26-100000-P", "BTC-27NOV26-102000-C",
    ]  # fmt: skip
    assert len({option.expiry_ns for option, _ in found}) == 4
    assert {option.settlement for option, _ in found} == {Settlement.INVERSE}


def test_few_strikes_are_enough():
    rows = [row(f"BTC-27NOV26-100000-{side}") for side in "CP"]
    assert {option.strike for option, _ in chosen(build({}), rows, NOW)} == {100_000.0}


def test_an_expiry_within_a_day_is_left_out():
    """Hours before it, options away from the money have no bid that they could be sold at."""
    rows = [
        row(f"BTC-{day}-{strike}-{side}") for day in DAYS for strike in (99_000, 100_000) for side in "CP"
    ]
    for moment, first in (("2026-11-26T08:00", "27NOV26"), ("2026-11-26T08:01", "28NOV26")):
        found = chosen(build({}), rows, parse_time(moment))
        assert found[0][0].name.split("-")[1] == first
