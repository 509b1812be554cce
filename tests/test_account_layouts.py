"""Which file is which, by its header."""

from pathlib import Path

import pytest

from gammacore.data.account.layouts import columns_of, layout_of, told_by_name
from gammacore.errors import ConfigError, DataError
from support.account_files import LAYOUTS

HERE = Path("x.csv")


@pytest.mark.parametrize("header", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_of_the_log_in_any_order(header):
    found = layout_of(header[::-1], "auto", HERE)
    assert found.name == "transaction_log"
    columns = columns_of(found, header)
    assert columns["amount"] == next(name for name in ("Amount", "Base Amount", "Size") if name in header)
    assert columns["fee"] == ("Fee Paid" if "Fee Paid" in header else "Fee Charged")
    assert ("label" in columns) == ("Note" in header)


def test_four_layouts_differ_as_documented():
    assert [len(header) for header in LAYOUTS.values()] == [24, 23, 22, 21]


def test_trades_and_tables():
    trades = ["timestamp", "instrument_name", "direction", "amount", "price", "fee", "trade_id", "order_id"]
    assert layout_of(trades, "auto", HERE).name == "user_trades"
    assert layout_of(["amount", "price", "time", "instrument"], "auto", HERE).name == "executions"


@pytest.mark.parametrize(
    "header",
    [
        ["exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount"],
        ["open_time", "open", "high", "low", "close", "volume"],
        ["time", "price"],
    ],
)
def test_market_data_are_none_of_these(header):
    assert layout_of(header, "auto", HERE) is None
    assert layout_of(header, "trades", HERE) is None


def test_what_a_log_lacks_is_named_with_the_nearest():
    header = ["Changes" if name == "Change" else name for name in LAYOUTS["newest"]]
    with pytest.raises(
        DataError, match=r"x.csv: missing columns 'Change' or 'change' \(nearest: 'Changes'\)"
    ):
        layout_of(header, "auto", HERE)
    with pytest.raises(DataError, match="missing columns 'instrument'"):
        layout_of(["time", "amount", "price"], "executions", HERE)


def test_the_name_tells_account_and_currency():
    assert told_by_name(Path("2026-deribit-transaction_log-123-USDC-x.csv"), "") == ("123", "USDC")
    assert told_by_name(Path("mine.csv"), "BTC") == ("", "")
    with pytest.raises(ConfigError, match="is named after ETH, got BTC"):
        told_by_name(Path("transaction_log-1-ETH.csv"), "BTC")
