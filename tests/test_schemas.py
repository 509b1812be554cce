import duckdb
import pytest

from gammacore.contracts import parse
from gammacore.data.schemas import KINDS, bar_label, currency_of, currency_sql, kind_named
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND
from gammacore.errors import DataError


def test_every_kind_says_when_and_since_when_it_was_known():
    for kind in KINDS.values():
        assert list(kind.columns)[:2] == ["ts_ns", "known_ns"]
        assert {*kind.key, *kind.order} <= set(kind.columns)
        assert kind.order[0] == "ts_ns"
        assert set(kind.key) <= set(kind.order)


@pytest.mark.parametrize(
    ("name", "currency"),
    [
        ("BTC-PERPETUAL", "BTC"),
        ("ETH-27DEC24-4000-P", "ETH"),
        ("BTC_USDC-27DEC24-100000-P", "USDC"),
        ("XRP_USDC-30JUN23-0d625-C", "USDC"),
        ("BTC-CS-19MAY26-70000_75000", "BTC"),
        ("BTC_USDT", "USDT"),
        ("BTCUSDT", "BTCUSDT"),
    ],
)
def test_currencies_in_python_and_in_sql(name, currency):
    assert currency_of(name) == currency
    assert duckdb.execute(f"SELECT {currency_sql('n')} FROM (SELECT ? AS n)", [name]).fetchone() == (
        currency,
    )


def test_the_currency_is_the_one_the_contract_settles_in():
    for name in ("BTC-26JUN26-90000-C", "BTC_USDC-26JUN26-90000-C"):
        settles = parse(name)
        assert currency_of(name) == ("USDC" if "USDC" in settles.family else settles.base)


def test_labels_of_bars():
    lengths = (NS_PER_MINUTE, 120 * NS_PER_MINUTE, NS_PER_HOUR, NS_PER_DAY, 5 * NS_PER_SECOND)
    assert [bar_label(length) for length in lengths] == ["1m", "2h", "1h", "1d", "5s"]


def test_near_misses_are_suggested():
    with pytest.raises(DataError, match="did you mean option_trades"):
        kind_named("option_trade")
