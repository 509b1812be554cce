"""``gammacore export`` and the import of what it wrote, from the command line."""

import csv
import json

import pytest

from gammacore.backtest.figures.results import tabulate, write_tables
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.cli.main import BAD_INPUT
from gammacore.data.account import account_rows, cash, executions
from gammacore.data.store import Store
from support.account_files import log, write
from support.commands import run
from support.live_world import Process, World, lively
from support.markets import build

FOREVER = 2**62


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "a run=1"
    folder.mkdir()
    config = build({"market.days": 12, "market.snapshot_hours": 8.0, "report.html": False})
    market = load_market(config)
    write_tables(tabulate(replay(config, market.tape), market), folder)
    return folder


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: run(monkeypatch, capsys, *map(str, words))


def test_a_run_out_and_in_again(command, result, tmp_path):
    code, out, err = command("export", result, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["file"].endswith("-BTC-a-run-1.csv")
    for _ in range(2):
        code, out, err = command("data", "import", told["file"], "--json")
        assert code == 0, err
        (found,) = json.loads(out)
        assert found["rows"] == {"transactions": told["rows"]}
        assert (found["executions"], found["change"]) == (told["executions"], told["change"])
    with Store(tmp_path / "data") as store:
        rows = account_rows(store, "BTC", as_of_ns=FOREVER)
    assert (len(rows), len(executions(rows))) == (told["rows"], told["executions"])
    assert float(cash(rows)) == told["change"]
    with (result / "fills.csv").open() as file:
        fills = list(csv.DictReader(file))
    assert [(one.instrument, one.amount, one.price, one.fee) for one in executions(rows)] == [
        (row["instrument"], float(row["amount"]), float(row["price"]), float(row["fee"])) for row in fills
    ]


def test_what_came_is_said(command, result):
    code, out, _ = command("export", result, "--out", "transaction_log-1-BTC.csv")
    assert code == 0
    assert out.startswith("transaction_log-1-BTC.csv: ")
    code, out, _ = command("data", "import", "transaction_log-1-BTC.csv")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("transaction_log-1-BTC.csv: transaction_log, ")
    assert "executions, 2 deliveries" in lines[1]
    assert lines[2] == "  from 2025-01-02T00:01:00Z to 2025-01-14T00:00:00Z"
    assert lines[3].startswith("  cash changed by -0.")


def test_nothing_is_overwritten(command, result, tmp_path):
    (tmp_path / "mine.csv").write_text("precious")
    code, _, err = command("export", result, "--format", "simple", "--out", "mine.csv")
    assert code == BAD_INPUT
    assert "mine.csv: exists already; move it, or choose another with --out" in err
    assert (tmp_path / "mine.csv").read_text() == "precious"
    assert command("export", result)[0] == 0
    assert command("export", result)[0] == BAD_INPUT


def test_realised_profits_say_what_is_still_open(command, result):
    code, out, _ = command("export", result, "--format", "koinly", "--json")
    assert code == 0
    told = json.loads(out)
    with open(told["file"], encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    signed = sum(float(row["Received Amount"] or 0) - float(row["Sent Amount"] or 0) for row in rows)
    assert told["open_premium"] < 0
    assert signed + told["open_premium"] == pytest.approx(told["change"], abs=1e-9)
    code, out, _ = command("export", result, "--format", "koinly", "--out", "k.csv")
    assert f"their premium of {told['open_premium']:+.8f} BTC is in no row yet" in out


def test_a_session(command, tmp_path):
    process = Process(World(linear=()), tmp_path / "j.db", lively())
    process.run(20)
    process.close()
    code, out, err = command("export", tmp_path / "j.db", "--format", "simple", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["file"], told["currency"]) == ("executions-j.csv", "BTC")
    assert told["executions"] >= 2
    code, out, _ = command("data", "import", "executions-j.csv", "--json")
    (found,) = json.loads(out)
    assert (found["format"], found["executions"], found["change"]) == ("executions", told["executions"], None)


def test_a_session_that_traded_nothing(command, tmp_path):
    process = Process(World(linear=()), tmp_path / "j.db", lively(limits__max_contracts=0.01))
    process.run(5)
    process.close()
    code, out, _ = command("export", tmp_path / "j.db")
    assert (code, "nothing was traded; no file was written" in out) == (0, True)
    assert json.loads(command("export", tmp_path / "j.db", "--json")[1])["file"] is None
    assert [path.name for path in tmp_path.glob("*.csv")] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none.db",), "none.db: no such file or directory"),
        ((".",), "has no fills.csv; name the result directory of a backtest"),
        (("text.db",), "text.db: file is not a database"),
        ((".", "--format", "turbotax"), "--format: 'turbotax' is none of deribit, simple, koinly"),
    ],
)
def test_mistakes(command, tmp_path, words, told):
    (tmp_path / "text.db").write_text("not a database, and longer than a header of one would be" * 3)
    code, out, err = command("export", *words)
    assert (code, out) == (BAD_INPUT, "")
    assert told in err


def test_a_log_with_types_to_leave_out(command, tmp_path):
    path = write(tmp_path, log(s1_Type="bonus"))
    code, _, err = command("data", "import", path)
    assert code == BAD_INPUT
    assert "line 8, column 'Type': 'bonus' is unknown, and changes the balance by 2; --skip bonus" in err
    assert not (tmp_path / "data" / "processed").exists()
    code, out, _ = command("data", "import", path, "--skip", "bonus")
    assert code == 0
    assert out.splitlines()[-1] == "  left out: 1 rows of bonus (as asked), which changed cash by +2.00000000"
