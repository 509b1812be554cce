"""A hundred ways to get files and settings wrong. Each is refused, told, or without any effect.

None of them gives a profit without a word.
"""

import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from gammacore.cli.main import app
from gammacore.errors import DataError
from support.wrong_data import (
    BARS,
    DAY,
    HOUR,
    MARKS,
    bars,
    cell,
    chains,
    columns,
    csv,
    moved,
    named,
    outcome,
    packed,
    part,
    raw,
    since,
    stamped,
    strikes,
    swapped,
    text,
)

NO_MARK = r"no call and put with a mark(.|\n)*no mark: 39360"
NO_VOLATILITY = r"no call and put with a mark(.|\n)*no volatility: 39360"
UNITS = "volatilities against marks"
LEVEL = "bars against the chains' forwards"
CLOCK = "clock against the bars"


def in_usd(*names):
    return chains(**{name: (lambda t, name=name: t[name] * t["underlying"]) for name in names})


def constant(value):
    return lambda table: value


def copied(table):
    names = (*MARKS, "underlying", "index_price", "implied_volatility")
    groups = table.groupby("instrument_name")
    return table.assign(**{name: groups[name].transform("first") for name in names})


def inverted(table):
    return table.assign(
        open=1 / table["open"], close=1 / table["close"], high=1 / table["low"], low=1 / table["high"]
    )


def twice(name, **changes):
    return part(name, lambda t: pd.concat([t, t.assign(**{n: t[n] * f for n, f in changes.items()})]))


REFUSED = {
    # ---- units of chains
    "marks and quotes in USD": (in_usd(*MARKS), f"{UNITS}.*marks are probably in USD"),
    "marks in USD": (in_usd("mark_price"), f"{UNITS}.*marks are probably in USD"),
    "quotes in USD": (in_usd(*MARKS[:2]), "outside bid and ask.*times the marks: another unit"),
    "prices in percent of the coin": (chains(**dict.fromkeys(MARKS, 100)), f"{UNITS}.*another unit"),
    "prices in thousandths": (chains(**dict.fromkeys(MARKS, 1000)), f"{UNITS}.*another unit"),
    "prices ten times off": (chains(**dict.fromkeys(MARKS, 10)), UNITS),
    "volatility in percent": (chains(implied_volatility=100), "must be fractions"),
    "volatility divided by 100": (chains(implied_volatility=0.01), "divided by 100 once too often"),
    "volatility as variance": (chains(implied_volatility=lambda t: t["implied_volatility"] ** 2 / 2), UNITS),
    "forward in thousands": (chains(underlying=1e-3), "the index is 999.5 times the forward"),
    "forward of another coin": (chains(underlying=1 / 30), "30 times|0.0333 times|another coin"),
    "index of another coin": (chains(index_price=1 / 30), "the index is 0.03332 times the forward"),
    "both of another coin": (chains(underlying=1 / 30, index_price=1 / 30), "30 times above"),
    "index zero": (chains(index_price=0.0), "line 2, column 'index_price': '0.0' is not a positive price"),
    "index negative": (chains(index_price=-1.0), "is not a positive price"),
    "forward zero": (chains(underlying=0.0), "is not a positive price"),
    "forward negative": (chains(underlying=-1.0), "is not a positive price"),
    "forward infinite": (cell("chains", "underlying", 7, np.inf), "line 9, .* is not a finite number"),
    "spikes in the forward": (
        chains(underlying=lambda t: t["underlying"] * np.where(t.index % 9, 1.0, 10.0)),
        "jump and come back|10 times",
    ),
    # ---- columns of chains
    "bid and ask swapped": (swapped("chains", "bid_price", "ask_price"), "bid and ask are probably swapped"),
    "mark and volatility swapped": (swapped("chains", "mark_price", "implied_volatility"), UNITS),
    "forward and mark swapped": (swapped("chains", "underlying", "mark_price"), "not a positive price"),
    "mark column missing": (part("chains", lambda t: t.drop(columns="mark_price")), "missing columns"),
    "name column missing": (part("chains", lambda t: t.drop(columns="instrument_name")), "missing columns"),
    "columns shifted": (text("chains", lambda s: "n," + s), "line 2: expected 9 columns, found 8"),
    "header repeated": (
        text("chains", lambda s: s + s.split("\n")[0] + "\n"),
        r"line 39362, column 'timestamp': 'timestamp' is not a time",
    ),
    "no header": (text("chains", lambda s: s.split("\n", 1)[1]), "missing columns"),
    "calls and puts exchanged": (named(lambda s: s[:-1] + s[-1:].map({"C": "P", "P": "C"})), UNITS),
    # ---- values of chains
    "a negative mark": (cell("chains", "mark_price", 11, -0.01), "line 13, .* is a negative price"),
    "an infinite ask": (cell("chains", "ask_price", 11, np.inf), "line 13, .* is not a finite number"),
    "a text for a number": (cell("chains", "bid_price", 11, "x"), "line 13, .*'x' is not a finite number"),
    "decimal commas": (text("chains", lambda s: re.sub(r"(\d)\.(\d)", r"\1,\2", s)), "expected 8 columns"),
    "decimal commas, semicolons": (part("chains", lambda t: csv(t, sep=";", decimal=",")), "missing columns"),
    "thousands separators": (
        text("chains", lambda s: re.sub(r",(\d\d)(\d{3}\.\d+),", r',"\1,\2",', s)),
        "line 2, column 'underlying': '59,978.57' is not a finite number",
    ),
    "chains copied": (part("chains", copied), f"bid above ask|{LEVEL}"),
    # ---- names and coins
    "another coin's names": (named(lambda s: s.replace("BTC", "ETH")), "no instrument of currency 'BTC'"),
    "another exchange's names": (named(lambda s: s.replace("BTC-", "BTC-USD-25")), "expected BASE-PERPETUAL"),
    "lower case names": (named(lambda s: s.lower()), "no instrument of currency 'BTC'; there is btc"),
    "expired options": (moved("chains", "timestamp", 60 * DAY), "at or after its expiry"),
    # ---- times of chains
    "chains five hours late": (moved("chains", "timestamp", 5 * HOUR), f"{CLOCK}.*5 h late"),
    "chains eight hours early": (moved("chains", "timestamp", -8 * HOUR), f"{CLOCK}.*8 h early"),
    "chains a year early": (moved("chains", "timestamp", -365 * DAY), "no BTC chain between"),
    "chains in spreadsheet floats": (
        stamped("chains", "timestamp", lambda t: f"{since('ms')(t):.5E}"),
        "line 2, column 'timestamp': '1.73578E.12' is not a time",
    ),
    "chains in spreadsheet days": (
        stamped("chains", "timestamp", lambda t: f"{25569 + since('s')(t) / 86400:.6f}"),
        "is not a time",
    ),
    "chains with stamps of digits": (stamped("chains", "timestamp", lambda t: f"{t:%Y%m%d%H}"), "not a time"),
    "American dates": (stamped("chains", "timestamp", lambda t: f"{t:%m/%d/%Y %H:%M}"), "is not a time"),
    # ---- files
    "chains cut in a line": (raw("chains", lambda d: d[:-37]), "line 39361: expected 8 columns"),
    "chains cut packed": (raw("chains", lambda d: packed(d)[:-500]), "broken gzip file"),
    "chains empty": (raw("chains", lambda d: b""), "the file is empty"),
    "chains of a header alone": (part("chains", lambda t: t.iloc[:0]), "a header but no row"),
    "chains an error page": (raw("chains", lambda d: b"<html>503</html>\n"), "missing columns"),
    "chains JSON": (
        part("chains", lambda t: t.head(9).to_json(orient="records", date_format="iso").encode()),
        "column names",
    ),
    "chains in UTF-16": (raw("chains", lambda d: d.decode().encode("utf-16")), "columns|not UTF-8|decode"),
    # ---- prices
    "bars divided by 30": (bars(factor=1 / 30), f"{LEVEL}.*30 times below"),
    "bars ten times off": (bars(factor=10.0), f"{LEVEL}.*9.99 times above"),
    "bars in thousands": (bars(factor=1e-3), f"{LEVEL}.*1000 times below"),
    "bars three percent off": (bars(factor=1.03), f"{LEVEL}.*2.9% above"),
    "bars inverted": (part("prices", inverted), LEVEL),
    "bars of logarithms": (bars(**{n: (lambda t, n=n: np.log(t[n])) for n in BARS}), LEVEL),
    "bars of returns": (bars(**{n: lambda t: 1 + t["close"].pct_change().fillna(0) for n in BARS}), LEVEL),
    "volume for close": (swapped("prices", "volume", "close"), LEVEL),
    "a spike of a bar": (cell("prices", "close", 300, lambda x: 10 * x), "jump and come back.*9.99 times"),
    "a small spike of a bar": (
        cell("prices", "close", 300, lambda x: 1.4 * x),
        "come back.*1.4 times",
    ),
    "a negative close": (cell("prices", "close", 300, -1.0), "line 302, .* is not a positive price"),
    "a close of zero": (cell("prices", "close", 300, 0.0), "line 302, .* is not a positive price"),
    "a missing close": (cell("prices", "close", 300, np.nan), "line 302, .* is not a positive price"),
    "bars an hour late": (moved("prices", "open_time", HOUR), f"{CLOCK}.*1 h early"),
    "bars five hours early": (moved("prices", "open_time", -5 * HOUR), f"{CLOCK}.*5 h late"),
    "bars eight hours late": (moved("prices", "open_time", 8 * HOUR), f"{CLOCK}.*8 h early"),
    "bars of another year": (moved("prices", "open_time", -400 * DAY), "no bar in the chosen period"),
    "bars in spreadsheet floats": (
        stamped("prices", "open_time", lambda t: f"{since('ms')(t):.5E}"),
        "line 2, column 'open_time'.* is not a time",
    ),
    "bars twice, other closes": (twice("prices", close=1.01), "two closes of the bar"),
    "high for low": (
        swapped("prices", "high", "low"),
        "close outside their low and high, share: 0.9983 above",
    ),
    "bars of every other hour": (part("prices", lambda t: t.iloc[::2]), "do not follow one another"),
    "one bar": (part("prices", lambda t: t.iloc[:1]), "at least two are needed"),
    "bars with decimal commas": (part("prices", lambda t: csv(t, sep=";", decimal=",")), "no column named"),
    "bars cut packed": (raw("prices", lambda d: packed(d)[:-200]), "broken gzip file"),
    # ---- funding and delivery
    "funding in percent": (columns("funding", funding_rate=100), "funding of 625% a year: percent"),
    "funding in basis points": (columns("funding", funding_rate=1e4), "funding a year"),
    "funding of another year": (
        moved("funding", "timestamp", -400 * DAY),
        "it covers 2023-11-29",
    ),
    "funding a text": (cell("funding", "funding_rate", 3, "0.01%"), "line 5, .*'0.01%' is not a finite"),
    "funding infinite": (cell("funding", "funding_rate", 3, np.inf), "line 5, .* is not a finite number"),
    "delivery of another coin": (columns("delivery", price=1 / 30), "delivery prices.*30 times"),
    "delivery in thousands": (columns("delivery", price=1e-3), "delivery prices.*1000 times"),
    "delivery negative": (columns("delivery", price=-1.0), "line 2, .* is not a positive price"),
    "delivery a day late": (
        stamped("delivery", "date", lambda d: str((pd.Timestamp(d) + DAY).date())),
        "delivery prices against other prices",
    ),
}
TOLD = {
    "forward missing": (chains(underlying=constant(np.nan)), "no forward"),
    "forward and index missing": (
        chains(underlying=constant(np.nan), index_price=constant(np.nan)),
        "no index",
    ),
    "all marks missing": (
        chains(mark_price=constant(np.nan)),
        NO_MARK,
    ),
    "all volatilities missing": (chains(implied_volatility=constant(np.nan)), NO_VOLATILITY),
    "all quotes missing": (
        chains(bid_price=constant(np.nan), ask_price=constant(np.nan)),
        "No entry was filled: .* no ask for BTC-",
    ),
    "all asks zero": (chains(ask_price=0.0), "quotes of zero, read as none"),
    "every row twice, other marks": (twice("chains", mark_price=1.5), "of these, with other values"),
    "no strikes near the money": (
        strikes(lambda ratio: abs(ratio - 1) > 0.08),
        r"45 entries of 4 expiries refused: nearest strike 67,000 is 8.6% from the forward 61,711",
    ),
    "strikes of one side": (strikes(lambda ratio: ratio > 1.06), "no strike beyond it.: half a chain"),
    "strikes in thousands": (
        named(lambda s: s.replace(r"-(\d+)000-", r"-\1-", regex=True)),
        "nearest strike 82 is 99.9% from the forward",
    ),
    "a high below the low": (cell("prices", "high", 300, lambda x: 0.9 * x), "open outside high and low"),
    "a gap of five days": (part("prices", lambda t: t.drop(index=range(200, 320))), "missing bars"),
}
SAME = {
    "chains in epoch seconds": stamped("chains", "timestamp", since("s")),
    "chains in epoch milliseconds": stamped("chains", "timestamp", since("ms")),
    "chains in epoch microseconds": stamped("chains", "timestamp", since("us")),
    "chains in nanoseconds": stamped("chains", "timestamp", since("ns")),
    "chains of another zone": stamped(
        "chains", "timestamp", lambda t: t.tz_convert("America/New_York").isoformat()
    ),
    "chains with no zone": stamped("chains", "timestamp", lambda t: f"{t:%Y-%m-%d %H:%M:%S}"),
    "chains packed": raw("chains", packed),
    "chains with a byte order mark": raw("chains", lambda d: b"\xef\xbb\xbf" + d),
    "chains with Windows line ends": text("chains", lambda s: s.replace("\n", "\r\n")),
    "chains in any order": part("chains", lambda t: t.sample(frac=1.0, random_state=3)),
    "chains newest first": part("chains", lambda t: t.iloc[::-1]),
    "every row twice": twice("chains"),
    "bars in epoch seconds": stamped("prices", "open_time", since("s")),
    "bars newest first": part("prices", lambda t: t.iloc[::-1]),
}
SETTINGS = {
    "volatility to hedge at in percent": ({"hedge.vol": 60}, "a percentage.* 0.6"),
    "fee of a hedge in percent": (
        {"costs.hedge_taker_fee": 5},
        "expected a number <= 0.05",
    ),
    "days the wrong way round": ({"entry.min_days": 9, "entry.max_days": 6}, "expected at most"),
    "an end before the start": (
        {"data.start": "2025-01-20", "data.end": "2025-01-10"},
        "chosen period|before",
    ),
    "a start after the data": ({"data.start": "2027-01-01"}, "no row of BTC in the chosen period"),
    "a coin that the files lack": ({"currency": "ETH"}, "no instrument of currency 'ETH'; there is BTC"),
    "a negative size": ({"size.contracts": -1}, "expected a number > 0"),
    "an interval without a unit": ({"hedge.rule": "interval", "hedge.every": "60"}, "expected a duration"),
    "an unknown name": ({"hedge.bands": 0.1}, "did you mean hedge.band"),
    "columns that the files lack": ({"data.columns": {"mark_price": "mid"}}, "missing columns 'mid'"),
    "a file that is not there": ({"data.prices": "nowhere.csv"}, "nowhere.csv: no such file"),
    "a band that nothing leaves": ({"hedge.band": 10.0}, "Nothing was hedged: .* largest delta was 1.0"),
    "a life shorter than the interval": (
        {"hedge.rule": "interval", "hedge.every": "60d"},
        "hedge.every 60d is longer than any life",
    ),
    "a weekday that no expiry fits": (
        {"entry.weekday": "tuesday", "entry.max_days": 7.0},
        "No entry: .* the first would have been at 2025-01-07T00:01:00Z",
    ),
    "an edge that nothing has": (
        {"signal.min_edge": 0.9, "market.days": 25},
        r"signal \(min_edge 0.9\) excludes all \d+",
    ),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    kind, summary = outcome(tmp_path_factory.mktemp("base"))
    assert (kind, summary["n_episodes"], summary["n_hedges"] > 50) == ("done", 4, True)
    assert not summary["data"]["faults"]
    assert not summary["data"]["findings"]
    assert summary["reasons"] == []
    return summary


def words(summary):
    """Everything that a run says besides its figures."""
    findings = [f"{name}: {count}" for name, count in summary["data"]["findings"].items()]
    return "\n".join([*summary["reasons"], *findings])


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_files_are_refused_with_what_is_probably_wrong(name, tmp_path):
    change, expected = REFUSED[name]
    changes = change()
    kind, said = outcome(tmp_path, changes)
    assert kind == "refused", words(said)
    assert re.search(expected, said), said
    assert (
        next(iter(changes)) in said
        or "btc_" in said
        or "two closes" in said
        or "no B" in said
        or "no b" in said
    )


@pytest.mark.parametrize("name", TOLD)
def test_files_with_less_in_them_are_told(name, tmp_path, base):
    change, expected = TOLD[name]
    kind, summary = outcome(tmp_path, change())
    assert kind == "done", summary
    assert re.search(expected, words(summary)), words(summary)


@pytest.mark.parametrize("name", SAME)
def test_other_spellings_of_one_recording_are_the_same_run(name, tmp_path, base):
    kind, summary = outcome(tmp_path, SAME[name]())
    assert kind == "done", summary
    assert summary["total"] == base["total"]


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_cannot_be_meant_are_refused_or_told(name, tmp_path):
    settings, expected = SETTINGS[name]
    kind, said = outcome(tmp_path, settings=settings)
    assert re.search(expected, said if kind == "refused" else words(said)), said


def test_forced_data_is_marked_wherever_it_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, summary = outcome(tmp_path, bars(factor=1 / 30)(), {"data.force": True})
    assert "btc_prices.csv: bars against the chains' forwards" in summary["data"]["faults"][0]
    data = [f"--{part}={tmp_path / f'btc_{part}.csv'}" for part in ("chains", "prices")]

    def run(*words, code=0):
        shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words])
        assert shown.exit_code == code, shown.output
        return shown.output

    with pytest.raises(DataError, match="--force-data runs all the same"):
        CliRunner().invoke(app, ["backtest", *data], catch_exceptions=False)
    marked = ["Data that contradicts itself was forced", "30 times below the forwards"]
    outputs = {
        "first/report.html": run("backtest", *data, "--force-data", "--out", "first"),
        "second/report.html": run(
            "backtest", *data, "--force-data", "--out", "second", "--set", "hedge.band=0.2"
        ),
        "pair.html": run("compare", "first", "second", "--out", "pair.html"),
    }
    sources = [f"--set=data.{part}={tmp_path / f'btc_{part}.csv'}" for part in ("chains", "prices")]
    outputs["sweep/report.html"] = run(
        "sweep",
        *sources,
        "--vary",
        "hedge.band=0.1,0.2",
        "--force-data",
        "--backend",
        "serial",
        "--out",
        "sweep",
    )
    outputs["breakeven"] = run("breakeven", *data, "--forecast", "0.6", "--force-data")
    outputs["check"] = run("check", *data, "--trials", "1", "--force-data")
    for page, shown in outputs.items():
        text = (tmp_path / page).read_text() if page.endswith(".html") else shown
        assert all(words in text for words in marked), page
        assert shown.startswith(marked[0]), shown[:300]


def test_forced_prices_are_marked_in_a_simulation(tmp_path):
    outcome(tmp_path, cell("prices", "close", 300, lambda x: 10 * x)())
    words = ["simulate", "--prices", str(tmp_path / "btc_prices.csv"), "--set", "simulate.model=bootstrap"]
    words += ["--paths", "500", "--set", "simulate.frontier=false", "--out", str(tmp_path / "run")]
    with pytest.raises(DataError, match="jump and come back"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    shown = CliRunner().invoke(app, [*words, "--force-data"])
    assert shown.exit_code == 0, shown.output
    assert "was forced" in shown.output
    assert "jump and come back" in (tmp_path / "run/report.html").read_text()
