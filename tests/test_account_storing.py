"""An account's past in the store: each row once, whatever is imported how often."""

import pytest

from gammacore.data.account import account_rows, cash, executions, read_account
from gammacore.data.coverage import check_store
from gammacore.data.importing import ImportOptions, import_file
from gammacore.data.store import Store
from gammacore.errors import DataError
from support.account_files import NAME, PERPETUAL, ROWS, log, write

FOREVER = 2**62


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "data") as made:
        yield made


def held(store, currency="BTC"):
    return account_rows(store, currency, as_of_ns=FOREVER)


def without_lines(rows):
    return [
        {name: str(getattr(row, name)) for name in row.__struct_fields__ if name != "line"} for row in rows
    ]


def test_what_was_read_is_what_is_stored(store, tmp_path):
    path = write(tmp_path, log())
    found = import_file(store, path)
    assert (found.format, found.rows) == ("transaction_log", {"transactions": 7})
    assert len(found.files) == 3  # a day each
    assert without_lines(held(store)) == without_lines(read_account(path).rows)
    assert cash(held(store)) == cash(read_account(path).rows)


def test_importing_again_or_a_part_again_doubles_nothing(store, tmp_path):
    import_file(store, write(tmp_path, log()))
    for rows, name in ((ROWS, NAME), (ROWS[:4], "a-transaction_log-7-BTC-x.csv")):
        import_file(store, write(tmp_path, log(rows), name))
        assert len(held(store)) == 7
        assert len(executions(held(store))) == 3


def test_accounts_are_told_apart(store, tmp_path):
    import_file(store, write(tmp_path, log()))
    import_file(
        store,
        write(
            tmp_path, log(s3_Amount="8000", s3_Position="-8000", s4_Amount="8000"), NAME.replace("-7-", "-8-")
        ),
    )
    assert len(held(store)) == 14
    assert sorted(one.amount for one in executions(held(store)) if one.instrument == PERPETUAL)[:2] == [
        -8000,
        -6000,
    ]


def test_one_row_that_two_files_tell_otherwise_is_refused(store, tmp_path):
    import_file(store, write(tmp_path, log()))
    other = write(tmp_path, log(s3_Price="48001"), "other.csv")
    with pytest.raises(
        DataError, match=r"other.csv: line 6: row 3 of account 7 is in the store and says something"
    ):
        import_file(store, other, ImportOptions(currency="BTC", account="7"))
    assert len(held(store)) == 7
    import_file(store, other, ImportOptions(currency="BTC", account="8"))
    assert len(held(store)) == 14


def test_a_table_goes_by_what_its_instruments_settle_in(store, tmp_path):
    text = "time,instrument,amount,price,fee\n2021-02-14T09:30:01Z,BTC-PERPETUAL,-6000,48000,0.00006\n"
    text += "2021-02-14T09:30:02Z,BTC_USDC-PERPETUAL,0.1,48000,2\n"
    for _ in range(2):
        found = import_file(store, write(tmp_path, text, "mine.csv"))
        assert (found.format, found.rows) == ("executions", {"transactions": 2})
        assert [row.instrument for row in held(store)] == [PERPETUAL]
        assert [row.fee for row in held(store, "USDC")] == [2.0]


def test_the_check_of_the_store_finds_nothing_wrong_with_a_past(store, tmp_path):
    import_file(store, write(tmp_path, log()))
    reports = list(check_store(store, as_of_ns=FOREVER))
    assert [one.rows for one in reports] == [5, 1, 1]
    assert sum(one.problems for one in reports) == 0
