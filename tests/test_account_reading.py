"""Transaction logs and trade histories as rows, and what cannot be right."""

import json
from decimal import Decimal

import pytest

from gammacore.data.account import AccountOptions, Execution, cash, deliveries, executions, read_account
from gammacore.daycount import parse_time
from gammacore.errors import ConfigError, DataError
from support.account_files import CALL, LAYOUTS, PERPETUAL, ROWS, log, write
from support.shared_data import recorded

SECOND = 10**9


def read(folder, text, name=None, **options):
    path = write(folder, text, **({} if name is None else {"name": name}))
    return read_account(path, AccountOptions(**options))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_log_in_every_layout(tmp_path, layout):
    history = read(tmp_path, log(layout=layout))
    assert history.layout == "transaction_log"
    assert cash(history.rows) == Decimal("1.99467264")  # the cash flows sum to 1.99367958
    at = parse_time("2021-02-14T09:30:01Z")
    crossed = parse_time("2021-02-14T10:00:00Z")
    assert executions(history.rows) == [
        Execution(at, CALL, 0.3, 0.05, 0.00009, "11", "o1", ""),
        # The second row of a second is a microsecond later: the log has whole seconds, and an order.
        Execution(at + 1_000, PERPETUAL, -6000.0, 48000.0, 0.0000625, "12", "o2", ""),
        # Two rows with one trade id: closed 6000, opened 4000.
        Execution(crossed, PERPETUAL, 10000.0, 48500.0, 0.0001031, "13", "o3", ""),
    ]
    (delivered,) = deliveries(history.rows)
    assert (delivered.instrument, delivered.amount, delivered.price) == (CALL, -0.3, 51000.0)
    assert (delivered.change, delivered.fee, delivered.type) == (0.01054824, 0.00004, "delivery")
    (settled,) = [row for row in history.rows if row.type == "settlement"]
    assert (settled.amount, settled.funding, settled.change) == (4000.0, 0.00002, -0.00062)
    assert {row.account for row in history.rows} == {"7"}
    assert [row.seq for row in history.rows] == [1, 2, 3, 4, 5, 6, 7]


def test_the_recorded_answer_of_the_exchange():
    history = read_account(recorded("fixtures/deribit/doc-examples/private-get_transaction_log.json"))
    (bought,) = executions(history.rows)
    assert (bought.amount, bought.price, bought.fee, bought.trade_id) == (1.0, 0.1537, 0.0, "28349")
    assert bought.ts_ns == 1613657734620 * 1_000_000
    assert cash(history.rows) == Decimal("-2.00154294")
    assert [row.type for row in history.rows] == ["trade", "trade", "deposit", "settlement", "transfer"]
    assert history.rows[0].account == "7"


def test_the_currency_is_told_or_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"mine\.csv has no column and no name that tells; give --currency"):
        read(tmp_path, log(), name="mine.csv")
    assert len(read(tmp_path, log(), name="mine.csv", currency="BTC").rows) == len(ROWS)
    with pytest.raises(DataError, match=r"line 7, column 'Instrument': .* does not settle in ETH"):
        read(tmp_path, log(), name="mine.csv", currency="ETH")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"s3_Change": "-0.00007"}, "line 6, column 'Change': '-0.00007' is neither the cash flow 0 less"),
        ({"s4_Balance": "1.9"}, "line 5, column 'Balance': '1.9' does not follow: 1.98484750 on line 6"),
        (
            {"s5_Position": "5000"},
            "line 4, column 'Position': '5000' does not follow: 0 before, [+]4000 traded",
        ),
        (
            {"s2_Type": "bonus"},
            "line 7, column 'Type': 'bonus' is unknown, and changes the balance by -0.01509",
        ),
        ({"s2_Instrument": "BTC-31FEB21-49200-C"}, "line 7, column 'Instrument': .* is no instrument"),
        ({"s3_Amount": ""}, "line 6, column 'Amount': '' tells no trade"),
        ({"s3_Side": "-"}, "line 6, column 'Side': '-' tells no trade"),
        ({"s3_Price": "48,000"}, "line 6, column 'Price': '48,000' is not a number"),
        ({"s3_Price": "inf"}, "line 6, column 'Price': 'inf' is not a finite number"),
        ({"s3_UserSeq": "3.5"}, "line 6, column 'UserSeq': '3.5' is not an integer"),
        ({"s3_UserSeq": "2"}, "column 'UserSeq': '2' is that of line"),
        ({"s6_Change": ""}, "line 3, column 'Change': '' is missing"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_line(tmp_path, changes, words):
    with pytest.raises(DataError, match=words):
        read(tmp_path, log(**changes))


def test_a_row_that_is_missing_shows_in_the_balance(tmp_path):
    rows = tuple(row for row in ROWS if row[0] != 4)
    text = log().splitlines(keepends=True)
    with pytest.raises(DataError, match="Rows are missing"):
        read(tmp_path, "".join(line for line in text if ",4,14/02/21" not in line))
    # With balances that fit, the position tells.
    with pytest.raises(DataError, match=r"'Position': '4000' does not follow: -6000 before"):
        read(tmp_path, log(rows))
    assert len(executions(read(tmp_path, log(rows), skip=("position",)).rows)) == 3


def test_an_unknown_type_is_left_out_when_told_and_its_cash_is_said(tmp_path):
    history = read(tmp_path, log(s1_Type="Staking Reward"), skip=("staking_reward",))
    (skipped,) = history.skipped
    assert (skipped.type, skipped.count, skipped.change) == ("staking_reward", 1, Decimal(2))
    assert cash(history.rows) == Decimal("-0.00532736")


def test_summaries_of_options_count_for_no_cash(tmp_path):
    summary = (
        8,
        "20/02/21 08:00:00",
        "",
        "options_settlement_summary",
        "-",
        "",
        "",
        "",
        "0.5",
        "",
        "0",
        "0",
        "",
        "",
    )
    history = read(tmp_path, log((*ROWS, summary), s8_Change="0.25"))
    assert cash(history.rows) == Decimal("1.99467264")


@pytest.mark.parametrize(("kind", "amount"), [("expiry", -0.3), ("exercise", -0.3), ("assignment", 0.3)])
def test_the_expiries_of_2026(tmp_path, kind, amount):
    """With what was held before, the sign follows from it; without, from the type where that tells."""
    history = read(tmp_path, log(s7_Type=kind, s7_Side="-"))
    assert deliveries(history.rows)[0].amount == -0.3
    alone = log(ROWS[-1:], s7_Type=kind, s7_Side="-")
    if kind == "expiry":
        with pytest.raises(
            DataError, match="does not tell whether a long or a short position went by expiry"
        ):
            read(tmp_path, alone)
    else:
        assert deliveries(read(tmp_path, alone).rows)[0].amount == amount


def test_liquidations_and_moves_are_executions_that_say_so(tmp_path):
    found = executions(read(tmp_path, log(s2_Type="position move", s3_Type="liquidation")).rows)
    assert [one.type for one in found] == ["position_move", "liquidation", "trade"]


def test_files_of_one_day_may_be_ambiguous(tmp_path):
    same = dict.fromkeys(range(1, 8), "05/06/20 08:00:00")
    with pytest.raises(DataError, match="give --dates day-first"):
        read(tmp_path, log(dates=same))
    history = read(tmp_path, log(dates=same), dates="day-first")
    assert history.rows[0].ts_ns == parse_time("2020-06-05T08:00:00Z")
    assert history.rows[-1].ts_ns == history.rows[0].ts_ns + 6_000


def test_exact_times_stay_exact(tmp_path):
    dates = {k: f"2021-02-14T09:30:01.00000000{k}Z" for k in range(1, 7)} | {7: "2021-02-19T08:00:00Z"}
    history = read(tmp_path, log(dates=dates))
    assert history.rows[0].ts_ns == parse_time("2021-02-14T09:30:01Z") + 1
    assert history.rows[-1].ts_ns == parse_time("2021-02-19T08:00:00Z")


TRADES = """timestamp,instrument_name,direction,amount,price,fee,trade_id,order_id,label
1613295001333,BTC-PERPETUAL,sell,6000,48000,0.0000625,12,o2,mine
1613295001333,BTC-PERPETUAL,sell,6000,48000,0.0000625,12,o2,mine
1613295000000,BTC-19FEB21-49200-C,buy,0.3,0.05,0.00009,11,o1,
1613295000000,BTC-FS-26FEB21_PERP,buy,10,12.5,0,10,o9,
"""


def test_a_trade_history(tmp_path):
    history = read(tmp_path, TRADES, name="trades.csv")
    assert executions(history.rows) == [
        Execution(1613295000 * SECOND, CALL, 0.3, 0.05, 0.00009, "11", "o1", ""),
        Execution(1613295001333 * 10**6, PERPETUAL, -6000.0, 48000.0, 0.0000625, "12", "o2", "mine"),
    ]
    assert [(one.type, one.count) for one in history.skipped] == [("combo", 1)]
    assert cash(history.rows) == 0


def test_a_trade_in_a_log_and_in_a_history_counts_once(tmp_path):
    rows = read(tmp_path, log()).rows + read(tmp_path, TRADES, name="trades.csv").rows
    assert len(executions(rows)) == 3


def test_trades_of_the_api(tmp_path):
    row = {"timestamp": 1613295001333, "instrument_name": PERPETUAL, "direction": "buy", "amount": 10.0}
    row |= {"price": 48000.5, "fee": -2e-08, "trade_id": "9", "order_id": "o", "label": "x", "user_id": 7}
    text = json.dumps({"result": {"trades": [row], "has_more": False}})
    (one,) = executions(read(tmp_path, text, name="trades.json").rows)
    assert (one.amount, one.fee, one.label) == (10.0, -2e-08, "x")


def test_a_table(tmp_path):
    text = "time,instrument,amount,price\n2021-02-14T09:30:01Z,BTC-PERPETUAL,-6000,48000\n"
    text += "2021-02-14T09:30:01Z,BTC-PERPETUAL,-6000,48000\n"
    found = executions(read(tmp_path, text, name="table.csv").rows)
    assert [one.amount for one in found] == [-6000.0, -6000.0]  # two trades that look alike
    assert str(found[0].fee) == "nan"


def test_a_currency_that_the_instruments_contradict(tmp_path):
    with pytest.raises(DataError, match=r"line 2, column 'instrument_name': .* does not settle in ETH"):
        read(tmp_path, TRADES, name="trades.csv", currency="ETH")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,instrument,amount,price\n2021-02-14,BTC-PERP,1,2\n", "line 2, column 'instrument'"),
        ("time,instrument,amount,price\n2021-02-14,,1,2\n", "line 2, column 'instrument': '' is missing"),
        ("time,instrument,amount,price\n2021-02-14,BTC-PERPETUAL,0,2\n", "column 'amount': '0' is no amount"),
        ("time,instrument,amount,price\n2021-02-14,BTC-PERPETUAL,1,\n", "column 'price': '' is missing"),
        ("time,instrument,amount,price\n2021-02-14,BTC-PERPETUAL,1\n", "line 2: expected 4 columns, found 3"),
        (TRADES.replace("sell", "short"), "line 2, column 'direction': 'short' is neither buy nor sell"),
        (TRADES.replace("0.3", "-0.3"), "line 4, column 'amount': '-0.3' is negative beside a direction"),
        ("a,b\n1,2\n", "neither a transaction log, nor a trade history"),
    ],
)
def test_trades_that_cannot_be_right(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read(tmp_path, text, name="trades.csv")


@pytest.mark.parametrize("text", ["{", '{"result": {"logs": 1}}', "[1]"])
def test_json_that_is_no_answer(tmp_path, text):
    with pytest.raises(DataError, match=r"x\.json: (not JSON|expected a list of rows)"):
        read(tmp_path, text, name="x.json")
