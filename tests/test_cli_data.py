"""``gammacore data`` from the command line."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
import typing
from pathlib import Path

import pytest

from gammacore.cli.common import INTERRUPTED
from gammacore.cli.data import data_app
from gammacore.cli.main import BAD_INPUT
from gammacore.data.formats import FORMATS
from gammacore.data.schemas import KINDS
from gammacore.data.store import Store, day_of
from gammacore.data.trade_chains import ChainRecipe
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.exchange.server import serving
from support import chain_files, store_world
from support.commands import run
from support.late_chains import world
from support.local_exchange import make
from support.platforms import posix
from support.store_rows import candles


def test_download_check_and_backtest(monkeypatch, capsys, tmp_path):
    exchange = make(history_days=5, strikes=2, tick_ms=60_000)
    monkeypatch.chdir(tmp_path)
    with serving(exchange) as port:
        words = ["data", "download", "--url", f"http://127.0.0.1:{port}/api/v2", "--rate", "500"]
        words += ["--start", "2026-11-23", "--end", "2026-11-27", "--kinds", "candles,funding,delivery"]
        code, out, _ = run(monkeypatch, capsys, *words)
    assert code == 0
    assert "2,880 candles" in out
    assert "Until 2026-11-25" in out
    code, out, _ = run(monkeypatch, capsys, "data", "check", "--json")
    assert code == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert {one["kind"] for one in found} == {"candles", "funding", "delivery"}
    assert sum(one["rows"] for one in found) == 2_880 + 48 + 2
    base = tmp_path / "data" / "processed"
    flat = ["--set", "marks.source=flat", "--set", "marks.flat_vol=0.5", "--set", "report.html=false"]
    flat += ["--set", "entry.expiries=any", "--set", "entry.schedule=roll"]
    flat += ["--prices", str(base / "candles/BTC"), "--funding", str(base / "funding/BTC")]
    flat += ["--delivery", str(base / "delivery/BTC"), "--set", "marks.flat_days=1"]
    code, _, err = run(monkeypatch, capsys, "backtest", *flat, "--out", str(tmp_path / "out"))
    assert code == 0, err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert not summary["simulated_data"]
    words = ["backtest", "--chains", str(base / "chains/BTC"), "--prices", str(base / "candles/BTC")]
    code, _, err = run(monkeypatch, capsys, *words, "--out", str(tmp_path / "none"))
    assert code == BAD_INPUT
    assert "the exchange keeps no history of them" in " ".join(err.split())
    assert "gammacore data record" in " ".join(err.split())
    assert not (tmp_path / "none").exists()


def test_without_dates_the_last_week_is_downloaded(monkeypatch, capsys, tmp_path):
    exchange = make(history_days=9, strikes=1, tick_ms=600_000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time_ns", lambda: exchange.now_ns)

    def downloaded(*more):
        assert run(monkeypatch, capsys, *words, *more)[0] == 0
        return {path.parent.name for path in tmp_path.rglob("raw/delivery/**/*.parquet")}

    with serving(exchange) as port:
        words = ["data", "download", "--url", f"http://127.0.0.1:{port}/api/v2", "--rate", "500"]
        words += ["--kinds", "delivery"]
        few, week = downloaded("--days", "3"), downloaded()
    assert len(few) == 2  # today is not over
    assert len(week) == 6
    assert max(few) == max(week)


@pytest.fixture
def week(monkeypatch, tmp_path):
    """Commands in a folder of their own, beside an exchange whose options have traded for nine days."""
    exchange = make(history_days=9, tick_ms=600_000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time_ns", lambda: exchange.now_ns)
    with serving(exchange) as port:
        yield ["data", "download", "--url", f"http://127.0.0.1:{port}/api/v2", "--rate", "500"]


def test_what_was_downloaded_is_backtested_by_the_next_command(monkeypatch, capsys, week):
    recipe = ChainRecipe(min_chain=20, min_expiry=3)  # few trade on the local exchange
    monkeypatch.setattr("gammacore.data.trade_chains.ChainRecipe", lambda: recipe)
    code, out, _ = run(monkeypatch, capsys, *week)
    *_, last = out.strip().splitlines()
    assert last == "20 chains modelled from trades; replay them: gammacore backtest --store"
    assert code == 0  # of five days: today is not over, and the first has none before it
    code, out, _ = run(monkeypatch, capsys, "backtest", "--store", "--json", "--set", "report.html=false")
    told = json.loads(out)
    assert (code, told["simulated_data"], told["n_episodes"]) == (0, False, 1)
    assert "least 3 and 20" in told["data"]["modelled"]
    code, out, _ = run(monkeypatch, capsys, *week, "--json")
    assert (code, json.loads(out)["chains"]) == (0, 0)
    code, out, _ = run(monkeypatch, capsys, *week)
    assert "0 chains modelled from trades, 5 days were there" in out


def test_a_download_says_why_it_modelled_no_chains(monkeypatch, capsys, week):
    code, out, _ = run(monkeypatch, capsys, *week, "--kinds", "delivery")
    assert (code, "chains" in out) == (0, False)
    code, out, _ = run(monkeypatch, capsys, *week, "--no-chains")
    assert (code, "chains" in out, Path("data/processed/chains_modelled").exists()) == (0, False, False)
    code, out, _ = run(monkeypatch, capsys, *week)
    assert code == 0
    assert re.search("No chains modelled from trades: .*fewer than 600 trades", out)
    code, _, err = run(monkeypatch, capsys, "backtest", "--store")
    assert (code, "too few were traded to model any" in " ".join(err.split())) == (BAD_INPUT, True)


def test_without_a_network_the_simulated_market_is_offered(monkeypatch, capsys, tmp_path):
    from gammacore.errors import RequestError
    from gammacore.live.rest import Rest

    def fails(self, method, params):
        raise RequestError(f"{method}: 6 attempts failed")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Rest, "raw", fails)
    code, _, err = run(monkeypatch, capsys, "data", "download")
    assert code == BAD_INPUT
    assert "no connection to https://www.deribit.com" in err
    assert "gammacore backtest runs on a simulated market meanwhile" in err


def test_check_shows_tables_and_fails_on_problems(monkeypatch, capsys, tmp_path):
    with Store(tmp_path) as store:
        store.write("candles", "BTC", "2026-03-01", "BTC-PERPETUAL_1m_x", candles([0, 1, 5]))
    code, out, _ = run(monkeypatch, capsys, "data", "check", "--store", str(tmp_path))
    assert code == 1
    assert "candles" in out
    assert "3 missing" in out
    assert "Days" in out


def test_import_by_a_yaml_mapping(monkeypatch, capsys, tmp_path):
    (tmp_path / "x.csv").write_text("when,value\n2026-03-01T00:00:01Z,5.5\n")
    (tmp_path / "map.yaml").write_text("ts_ns: when\nprice: value\nindex_name: \"'btc_usd'\"\n")
    words = ["data", "import", str(tmp_path / "x.csv"), "--kind", "index", "--currency", "btc"]
    words += ["--map-file", str(tmp_path / "map.yaml"), "--store", str(tmp_path / "data"), "--delay", "2s"]
    code, out, _ = run(monkeypatch, capsys, *words)
    assert code == 0
    assert "1 index" in out
    found = Store(tmp_path / "data").read("index", "BTC", as_of_ns=2**62)
    assert (found["price"][0], found["known_ns"][0] - found["ts_ns"][0]) == (5.5, 2 * 10**9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["download", "--start", "yesterday"], "error: --start"),
        (["download", "--start", "2026-01-01T05:00:00Z"], "error: --start: expected a day"),
        (["download", "--start", "2026-01-02", "--end", "2026-01-01"], "error: start and end"),
        (["download", "--start", "2026-01-01", "--kinds", "trade"], "error: kinds: 'trade'"),
        (
            ["download", "--start", "2026-01-01", "--end", "2026-01-02", "--url", "ftp://x"],
            "error: not a web",
        ),
        (["import", "nowhere.csv"], "error: nowhere.csv: no such file"),
        (["import", "x.csv", "--map", "price"], "error: --map 'price'"),
        (["check"], "error: data: no such file"),
        (["record", "--options", "all"], "error: options"),
        (["record", "--rotate", "5"], "error: --rotate"),
    ],
)
def test_mistakes_end_in_one_line(monkeypatch, capsys, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(monkeypatch, capsys, "data", *words)
    assert code == BAD_INPUT
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.rglob("*.parquet")) == []


def spoilt(how):
    """Chain files as text, spoilt in one way; rows are four chains of twelve options."""
    quotes = [dict(row) for row in chain_files.rows()]
    for k, row in enumerate(quotes):
        forward = float(row["underlying"]) * (1 + 0.01 * (k // 12))  # chains that move
        row |= {"underlying": f"{forward:.2f}", "index_price": f"{forward - 10:.2f}"}
        if how == "usd":
            row["mark_price"] = f"{90_000 * float(row['mark_price']):.4f}"
        elif how == "off the index":
            row["index_price"] = f"{1.05 * forward:.2f}"
        elif how == "percent":
            row["implied_volatility"] = "3.7"  # too low for the loader to see
        elif how == "swapped":
            row |= {"bid_price": "0.002", "ask_price": "0.001"}
    if how == "copied":
        quotes[12:24] = [
            old | {"timestamp": new["timestamp"]} for old, new in zip(quotes[:12], quotes[12:24], strict=True)
        ]
    return chain_files.text(quotes)


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("sound", 0, ""),
        ("usd", 1, "marks are probably in USD"),
        ("off the index", 1, "index against forwards"),
        ("percent", 1, "times those of the marks"),
        ("swapped", 1, "bid and ask are probably swapped"),
        ("copied", 1, "chains that repeat the one before: 1 of 4"),
    ],
)
def test_chain_files_are_checked_with_an_exit_code(monkeypatch, capsys, tmp_path, how, code, words):
    path = chain_files.write(tmp_path / "chains.csv", spoilt(how))
    commands = (["chains", "check", str(path)], ["data", "check", "--chains", str(path)])
    shown = [run(monkeypatch, capsys, *command) for command in commands]
    assert [found for found, _, _ in shown] == [code, code]
    assert shown[0] == shown[1]
    assert "BTC chains: 48 rows" in shown[0][1]
    assert words in shown[0][1]
    assert ("wrong:" in shown[0][1]) == bool(code)
    told = [run(monkeypatch, capsys, *command, "--json") for command in commands]
    assert told[0] == told[1]
    assert told[0][0] == code
    document = json.loads(told[0][1])
    wrong = [one for one in document["verdicts"] if one["why"]] + [
        c for c in document["checks"] if c["fault"]
    ]
    assert bool(wrong) == bool(code)


def test_chain_files_are_held_against_prices(monkeypatch, capsys, tmp_path):
    world = store_world.sound()
    chains, candles = world["chains"], world["candles"]
    lines = ["timestamp,instrument_name,underlying,bid_price,ask_price,mark_price,implied_volatility"]
    columns = ("instrument_name", "underlying", "bid_price", "ask_price", "mark_price", "implied_volatility")
    for late in (0, 2 * NS_PER_HOUR):
        rows = zip(chains["ts_ns"] + late, *(chains[name] for name in columns), strict=True)
        path = tmp_path / f"chains{late}.csv"
        path.write_text("\n".join(lines + [",".join(map(str, row)) for row in rows]))
        bars = [f"{ts},{close}" for ts, close in zip(candles["ts_ns"], candles["close"], strict=True)]
        (tmp_path / "btc_1m.csv").write_text("\n".join(["timestamp,close", *bars]))
        words = ["chains", "check", str(path), "--prices", str(tmp_path / "btc_1m.csv"), "--json"]
        code, out, _ = run(monkeypatch, capsys, *words)
        clock = next(one for one in json.loads(out)["verdicts"] if "clock" in one["check"])
        assert (code, clock["figure"]) == (int(late > 0), late / NS_PER_HOUR)


def test_the_check_of_chains_says_their_rows_and_delay(monkeypatch, capsys, tmp_path):
    bars, price, told = world(108, 2)
    columns = told.ts_ns, told.code, told.forward, told.mark, told.iv
    rows = [f"{t},{told.names[c]},{f:.2f},,,{m:.8f},{v}" for t, c, f, m, v in zip(*columns, strict=True)]
    head = "timestamp,instrument_name,underlying,bid_price,ask_price,mark_price,implied_volatility"
    (tmp_path / "chains.csv").write_text("\n".join([head, *rows]))
    closes = [f"{t},{p:.2f}" for t, p in zip(bars.tolist(), price.tolist(), strict=True)]
    (tmp_path / "btc_1m.csv").write_text("\n".join(["timestamp,close", *closes]))
    command = ["chains", "check", str(tmp_path / "chains.csv"), "--prices", str(tmp_path / "btc_1m.csv")]
    code, out, _ = run(monkeypatch, capsys, *command)
    assert "520 chains; rows per chain: least 10, median 10, most 10" in out
    told = json.loads(run(monkeypatch, capsys, *command, "--json")[1])
    # Bars without a stated length begin at their stamp, so that their closes are a minute later.
    assert told["delay"]["delay"] == pytest.approx(108 + 60, abs=10)
    assert told["delay"]["set"] == f"{told['delay']['delay']:.0f}s"
    assert told["delay"]["why"] in out
    assert told["rows_per_chain"] == {"least": 10, "median": 10.0, "most": 10}
    assert code == 0


def test_the_command_line_stays_quick_to_import():
    found = "[m for m in ('duckdb', 'pandas', 'websocket') if m in sys.modules]"
    script = f"import gammacore.cli.main, sys; print({found})"
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


@posix
@pytest.mark.parametrize(("what", "number"), [("download", signal.SIGINT), ("record", signal.SIGTERM)])
def test_interruptions_keep_what_there_is(tmp_path, what, number):
    exchange = make(history_days=20, strikes=2, start_ns=time.time_ns())
    end_ns = exchange.now_ns // NS_PER_DAY * NS_PER_DAY
    with serving(exchange) as port:
        words = ["data", what, "--store", str(tmp_path / "data"), "--currency", "BTC", "--url"]
        if what == "download":
            words += [
                f"http://127.0.0.1:{port}/api/v2",
                "--rate",
                "15",
                "--start",
                day_of(end_ns - 18 * NS_PER_DAY),
            ]
        else:
            words += [f"ws://127.0.0.1:{port}/ws/api/v2", "--rotate", "0.3s"]
        process = subprocess.Popen(
            [sys.executable, "-c", "from gammacore.cli.main import main; main()", *words],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        begun = time.monotonic()
        while len(list(tmp_path.glob("data/raw/*/*/*/*.parquet"))) < 3:
            time.sleep(0.01)
            assert time.monotonic() - begun < 60
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, err
    assert str(tmp_path / "data") in err.replace("\n", "")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"raw", "processed"}


DOCS = Path(__file__).parents[1] / "docs" / "data.md"


def commands():
    """Lines of the page that are commands, options and all."""
    text = DOCS.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.partition("   ")[0] for line in text.splitlines() if line.startswith("gammacore data ")]


def test_options_on_the_page_exist():
    known = {
        command.name or command.callback.__name__: command.callback
        for command in data_app.registered_commands
    }
    page = DOCS.read_text(encoding="utf-8")
    options = {}
    for name, callback in known.items():
        hints = typing.get_type_hints(callback, include_extras=True)
        options[name] = {
            f"--{field.rstrip('_').replace('_', '-')}" for field in hints if field not in ("return", "files")
        }
        for hint in hints.values():
            for info in getattr(hint, "__metadata__", ()):
                options[name] |= {info.default, *(info.param_decls or ())}
    assert len(commands()) >= 5
    for line in commands():
        words = shlex.split(line)
        assert words[2] in known
        assert {word for word in words if word.startswith("--")} <= options[words[2]], line
    of_backtest = {"--chains", "--prices", "--funding", "--delivery", "--force-data"}
    every = set().union(*options.values()) | of_backtest
    assert set(re.findall(r"`(--[a-z-]+)", page)) <= every


def test_every_kind_is_on_the_page():
    page = DOCS.read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []
    assert [name for name in FORMATS if f"`{name}`" not in page] == []
