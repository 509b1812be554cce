"""Readings of the volatility index: both units, the moment at which they are known, and what is refused."""

import gzip

import numpy as np
import pytest

from gammacore.backtest.replay.market import build_tape, load_market, load_sources
from gammacore.data.dvol import load_dvol
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, parse_time
from gammacore.errors import ConfigError, DataError
from support.markets import build
from support.shared_data import recorded

HOURLY = "timestamp,iv\n" + "".join(
    f"2026-03-01 0{k}:00:00+00:00,{vol}\n" for k, vol in enumerate((0.5, 0.6, 0.55))
)
DAILY = "timestamp,open,high,low,close\n2026-03-02,50,61,49,60\n2026-03-01,48,52,47,50\n"


def written(tmp_path, text):
    path = tmp_path / "dvol.csv"
    path.write_text(text)
    return path


def test_a_close_is_known_at_the_end_of_its_bar(tmp_path):
    found = load_dvol(written(tmp_path, HOURLY))
    start = parse_time("2026-03-01")
    assert found.ts_ns.tolist() == [start + k * NS_PER_HOUR for k in (1, 2, 3)]
    assert found.vol.tolist() == [0.5, 0.6, 0.55]
    daily = load_dvol(written(tmp_path, DAILY))
    assert daily.ts_ns.tolist() == [start + NS_PER_DAY, start + 2 * NS_PER_DAY]
    assert daily.vol.tolist() == [0.5, 0.6]
    assert (found.interval_ns, daily.interval_ns) == (NS_PER_HOUR, NS_PER_DAY)


def test_a_store_notes_when_a_value_was_known(tmp_path):
    start = parse_time("2026-03-01")
    rows = [(start + k * NS_PER_HOUR, start + (k + 1) * NS_PER_HOUR, 0.5 + k / 10) for k in range(3)]
    text = "ts_ns,known_ns,close\n" + "".join(f"{a},{b},{vol}\n" for a, b, vol in rows)
    found = load_dvol(written(tmp_path, text))
    assert found.ts_ns.tolist() == [b for _, b, _ in rows]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HOURLY.replace("0.6", "-0.6"), "line 3.*iv.*is not a volatility"),
        (
            "timestamp,iv\n2026-03-01,60\n2026-03-02,0.6\n2026-03-03,61\n",
            "line 3, column 'iv': '0.6' is not a volatility",
        ),
        (HOURLY + "2026-03-01 02:00:00+00:00,0.56\n", "two values at 2026-03-01T02:00:00Z"),
        ("timestamp,iv\n2026-03-01,0.5\n", "at least two are needed"),
        ("timestamp,iv\n", "0 times; at least two are needed"),
        ("timestamp,iv\n2026-03-01,\n", "line 2, column 'iv': '' is not a volatility"),
        ("timestamp,funding\n2026-03-01,0.5\n", "close"),
    ],
)
def test_what_is_refused(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        load_dvol(written(tmp_path, text))


def test_a_filter_needs_the_file():
    with pytest.raises(ConfigError, match=r"data.dvol: signal looks at the volatility index"):
        load_market(build({"signal.when": {"dvol": {"min": 0.3}}}))


def test_chains_carry_the_level_and_its_rank_among_the_days_before():
    """Against the file itself; on 2026-01-05 the last close known is that of the day before."""
    path = recorded("data/dvol/btc_dvol_1d.csv.gz")
    rows = [line.split(",") for line in gzip.decompress(path.read_bytes()).decode().split()[1:]]
    closes = {day: float(close) / 100 for day, *_, close in rows}
    when = {"dvol_percentile": {"max": 1.0, "window": "365d"}}
    config = build(
        {"data.chains": str(recorded("data/deribit_options/BTC_2026-01.csv.gz")), "data.dvol": str(path)}
        | {"signal.when": when}
    )
    sources = load_sources(config)
    tape = build_tape(config, sources)
    at = int(np.searchsorted(tape.ts_ns, parse_time("2026-01-05")))
    event = tape.snapshot(at)
    days = np.arange(np.datetime64("2025-01-05"), np.datetime64("2026-01-05")).astype(str)
    assert len(days) == 365
    window = np.array([closes[day] for day in days])
    assert event.dvol == closes["2026-01-04"]
    assert event.dvol_rank == pytest.approx(np.mean(window < closes["2026-01-04"]), abs=1e-12)
    provenance = load_market(config).provenance["dvol"]
    assert (provenance["readings"], len(provenance["files"])) == (len(rows), 1)
