"""Rows that were asked for one by one are one chain, known when the last of them was."""

import numpy as np
import pandas as pd
import pytest

from gammacore.backtest.figures.results import run_backtest
from gammacore.contracts import CALL, PUT, Option, Settlement
from gammacore.data import load_chains
from gammacore.data.sweeps import gather, small_chains
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, expiry_ns, parse_time
from support import chain_files
from support.markets import build
from support.shared_data import recorded

S, MIN = NS_PER_SECOND, 5 * NS_PER_MINUTE
START = parse_time("2026-01-05T07:00Z")
STRIKES = np.arange(50e3, 70.1e3, 1e3)


def rows_of(stamps, codes):
    return np.array(stamps, np.int64) * S, np.array(codes, np.int32)


def times(found):
    return (found.ts_ns // S).tolist()


def test_rows_one_by_one_are_one_chain_at_the_time_of_the_last():
    found = gather(*rows_of([0, 1, 2, 600, 601, 602], [0, 1, 2, 0, 1, 2]), MIN)
    assert times(found) == [2, 2, 2, 602, 602, 602]
    assert not found.replaced.any()
    assert (found.gathered // S).tolist() == [2, 602]
    assert found.longest_ns == 2 * S
    assert not found.cut.size


@pytest.mark.parametrize("spacing", [10, 60, 300, 3600])
def test_snapshots_stay_as_they_are_however_close(spacing):
    stamps = np.repeat(np.arange(5) * spacing, 40)
    assert gather(*rows_of(stamps, np.tile(np.arange(40), 5)), MIN) is None


def test_snapshots_of_two_rows_stay_as_they_are():
    assert gather(*rows_of([0, 0, 60, 60, 120, 120], [0, 1] * 3), MIN) is None


def test_a_second_pass_without_a_pause_is_another_chain():
    found = gather(*rows_of(range(120), [*range(60), *range(60)]), MIN)
    assert times(found) == [59] * 60 + [119] * 60
    assert not found.replaced.any()


@pytest.mark.parametrize("at", [1, 5, 30, 59])
def test_a_ticker_that_was_asked_for_twice_counts_as_it_was_last(at):
    codes = [*range(at), 0, *range(at, 60)]
    found = gather(*rows_of(range(61), codes), MIN)
    assert times(found) == [60] * 61
    assert np.flatnonzero(found.replaced).tolist() == [0]


def test_tickers_asked_for_again_at_the_end_belong_to_the_sweep():
    found = gather(*rows_of([*range(60), 62, 63, 64], [*range(60), 7, 8, 9]), MIN)
    assert times(found) == [64] * 63
    assert np.flatnonzero(found.replaced).tolist() == [7, 8, 9]


def test_a_pass_of_stamps_by_expiry_is_one_chain():
    stamps, codes = np.repeat([0, 2, 4], 20), np.arange(60)
    assert times(gather(*rows_of(stamps, codes), MIN)) == [4] * 60


def test_a_sweep_longer_than_allowed_is_cut_and_told():
    found = gather(*rows_of(range(0, 600, 5), range(120)), MIN)
    assert sorted(set(times(found))) == [300, 595]
    assert (found.cut // S).tolist() == [300]


def test_small_chains_are_told_with_the_usual_rows():
    sizes = np.array([100] * 15 + [6] + [100] * 15)
    found = small_chains(START + np.arange(31) * NS_PER_HOUR, sizes)
    assert (found.count, found.total) == (1, 31)
    assert found.example == "2026-01-05T22:00:00Z: 6 rows; least 6, median 100, most 100"


# --- files ---


def sweep(start_ns, forward=60_000.0, pace=S, expiry="2026-01-16", backwards=False):
    """Rows of a sweep, a stamp each, lowest strike first."""
    strikes = STRIKES[::-1] if backwards else STRIKES
    options = [
        Option("BTC", Settlement.INVERSE, expiry_ns(expiry), strike, kind)
        for strike in strikes.tolist()
        for kind in (CALL, PUT)
    ]
    return [
        chain_files.quote(option, start_ns + i * pace, forward) | {"ask_price": "0.2"}
        for i, option in enumerate(options)
    ]


def write(folder, quotes):
    folder.mkdir(exist_ok=True)
    return chain_files.write(folder / "BTC.csv", chain_files.text(quotes))


def days(count=11, **options):
    return [quote for day in range(count) for quote in sweep(START + day * NS_PER_DAY, **options)]


def test_a_file_of_sweeps_is_chains_of_all_rows(tmp_path):
    chains = load_chains(write(tmp_path, days()))
    assert chains.rows_per_chain == (42, 42.0, 42)
    assert chains.snapshot_ts.tolist() == [START + day * NS_PER_DAY + 41 * S for day in range(11)]
    keys = list(zip(chains.ts_ns, chains.expiry_ns, chains.strike, chains.kind, strict=True))
    assert keys == sorted(keys)
    told = {one.check: (one.count, one.total) for one in chains.quality.findings}
    assert told["chains gathered from a sweep"] == (11, 11)
    assert chains.quality.count("sweeps longer than data.sweep, cut") == 0


def test_without_sweeps_every_stamp_is_a_chain(tmp_path):
    chains = load_chains(write(tmp_path, days(2)), sweep_ns=None)
    assert chains.rows_per_chain == (1, 1.0, 1)
    assert chains.snapshot_ts.size == 84


def test_the_newest_quote_of_a_sweep_counts(tmp_path):
    quotes = sweep(START)
    again = quotes[4] | {"timestamp": quotes[41]["timestamp"].replace("41Z", "50Z"), "mark_price": "0.123"}
    chains = load_chains(write(tmp_path, [*quotes, again]))
    assert chains.snapshot_ts.tolist() == [START + 50 * S]
    assert len(chains) == 42
    assert chains.mark[(chains.strike == 52e3) & (chains.kind == CALL)].tolist() == [0.123]
    assert chains.quality.count("rows replaced by a newer one of their sweep") == 1


def test_no_row_is_known_before_the_end_of_its_sweep(tmp_path):
    path, last = write(tmp_path, days(3)), START + NS_PER_DAY + 41 * S
    # A period that ends inside a sweep has none of it; one that begins inside has all of it.
    until = load_chains(path, end_ns=last)
    assert until.snapshot_ts.tolist() == [START + 41 * S]
    since = load_chains(path, start_ns=last - 10 * S, end_ns=last + 1)
    assert (since.snapshot_ts.tolist(), len(since)) == ([last], 42)


def test_an_option_that_expires_during_a_sweep_is_dropped(tmp_path):
    expiry = expiry_ns("2026-01-16")
    quotes = [*sweep(expiry - 20 * S), *sweep(expiry - 20 * S, expiry="2026-01-23", pace=S // 2)]
    chains = load_chains(write(tmp_path, quotes))
    assert len(chains) == 42
    assert (chains.expiry_ns > expiry).all()
    assert chains.quality.count("expired rows dropped") == 42


def test_a_delay_moves_what_is_known_and_the_time_to_expiry(tmp_path):
    path = chain_files.write(tmp_path / "BTC.csv", chain_files.text(chain_files.rows()))
    plain, late = load_chains(path), load_chains(path, delay_ns=2 * NS_PER_MINUTE)
    assert (late.snapshot_ts - plain.snapshot_ts).tolist() == [2 * NS_PER_MINUTE] * 4
    assert (plain.tau - late.tau) * 365 * 1440 == pytest.approx(np.full(48, 2.0))
    first = int(plain.snapshot_ts[0])
    assert load_chains(path, delay_ns=NS_PER_MINUTE, end_ns=first + NS_PER_MINUTE + 1).span[0] == first + (
        NS_PER_MINUTE
    )
    late = load_chains(path, delay_ns=NS_PER_HOUR, start_ns=first + NS_PER_HOUR)
    assert late.span[0] == first + NS_PER_HOUR


def test_a_delay_drops_what_had_expired_by_then(tmp_path):
    quotes = sweep(expiry_ns("2026-01-16") - NS_PER_MINUTE, pace=0)
    path = write(tmp_path, [*quotes, *sweep(START, pace=0)])
    assert len(load_chains(path)) == 84
    assert len(load_chains(path, delay_ns=NS_PER_MINUTE)) == 42


# --- runs ---


def run(tmp_path, quotes, **settings):
    path = write(tmp_path, quotes)
    dotted = {"data.chains": str(path), "costs.fill": "mark", "costs.max_quote_age": "1h"}
    return run_backtest(build(dotted | settings))


def test_a_straddle_from_sweeps_is_at_the_money(tmp_path):
    found = run(tmp_path, days())
    assert found.episodes["strikes"].tolist() == ["60000"]
    assert found.summary["data"]["chains"]["rows_per_chain"] == (42, 42.0, 42)
    assert not any("refused" in reason for reason in found.summary["reasons"])
    once = run(tmp_path, days(pace=0))
    assert once.episodes["strikes"].tolist() == ["60000"]
    assert found.episodes["iv_entry"].tolist() == once.episodes["iv_entry"].tolist()


def test_a_sweep_read_row_by_row_enters_nothing_and_says_why(tmp_path):
    found = run(tmp_path, days(), **{"data.sweep": None})
    assert not len(found.episodes)
    # Every chain within 6 to 9 days of the expiry has one option, and no pair.
    (reason,) = found.summary["reasons"]
    assert reason == (
        "126 entries of 1 expiry refused: no call and put with a mark and a volatility; "
        "first at 2026-01-08T07:00:00Z."
    )


def test_half_chains_are_refused_and_named_beside_entries_that_succeed(tmp_path):
    low = [q for q in sweep(START + 3 * NS_PER_DAY, pace=0) if float(q["strike"]) <= 56e3]
    high = [q for q in sweep(START + 4 * NS_PER_DAY, pace=0) if float(q["strike"]) >= 63e3]
    whole = [q for day in (0, 5, 6, 7) for q in sweep(START + day * NS_PER_DAY, pace=0)]
    found = run(tmp_path, [*low, *high, *whole])
    assert found.episodes["entry"].tolist() == ["2026-01-10T07:00:00Z"]
    assert found.episodes["strikes"].tolist() == ["60000"]
    assert found.summary["reasons"][0] == (
        "2 entries of 1 expiry refused: nearest strike 56,000 is 6.7% from the forward 60,000 "
        "(step 1,000, no strike beyond it): half a chain; first at 2026-01-08T07:00:00Z."
    )


def test_a_delay_of_the_configuration_delays_entries(tmp_path):
    found = run(tmp_path, days(pace=0), **{"data.chain_delay": "2min"})
    assert found.episodes["entry"].tolist() == ["2026-01-08T07:02:00Z"]


def test_a_recorded_pass_of_tickers_and_the_next_are_two_chains():
    raw = pd.read_csv(recorded("data/snapshots_other/deribit_btc_book_2021-02-11.csv.gz"))
    raw = raw.sort_values("timestamp", kind="stable")
    code = pd.factorize(raw["instrument_name"])[0].astype(np.int32)
    found = gather(raw["timestamp"].to_numpy() * 10**6, code, MIN)
    assert np.unique(found.ts_ns, return_counts=True)[1].tolist() == [488, 488]
    assert not found.replaced.any()
