import numpy as np
import pytest

from gammacore.data.prices import load_prices
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE, parse_time
from gammacore.errors import DataError
from support.price_files import DAY, write
from support.shared_data import recorded


@pytest.mark.parametrize("column", ["open_time", "open_time_ms", "minute", "timestamp"])
def test_a_close_is_known_at_the_end_of_its_bar(tmp_path, column):
    prices = load_prices(write(tmp_path / "btc.csv", [1.0, 2.0, 3.0], column=column))
    assert prices.ts_ns.tolist() == [DAY + i * NS_PER_MINUTE for i in (1, 2, 3)]
    assert (prices.interval_ns, prices.currency, len(prices)) == (NS_PER_MINUTE, "BTC", 3)
    assert prices.open is None
    assert prices.asof(DAY + 2 * NS_PER_MINUTE - 1) == 1.0
    assert prices.asof(DAY + 2 * NS_PER_MINUTE) == 2.0
    assert np.isnan(prices.asof(DAY))
    assert prices.asof(np.array([DAY + NS_PER_HOUR, DAY + NS_PER_MINUTE])).tolist() == [3.0, 1.0]
    assert prices.quality.problems == ()


def test_all_four_prices_and_their_range(tmp_path):
    path = tmp_path / "eth.csv"
    path.write_text(
        "open_time,open,high,low,close\n2026-01-05T00:00:00Z,1,3,1,2\n2026-01-05T00:01:00Z,2,3,1,4\n"
    )
    prices = load_prices(path)
    assert (prices.open.tolist(), prices.high.tolist(), prices.low.tolist()) == ([1, 2], [3, 3], [1, 1])
    assert prices.quality.count("close or open outside high and low") == 1


def test_files_overlap_where_they_agree(tmp_path):
    a = write(tmp_path / "btc_1m_a.csv", [1.0, 2.0, 3.0])
    b = write(tmp_path / "btc_1m_b.csv.gz", [3.0, 4.0], start=DAY + 2 * NS_PER_MINUTE, column="open_time_ms")
    prices = load_prices([b, a])
    assert prices.close.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert prices.quality.count("repeated bars dropped") == 1
    assert load_prices(str(tmp_path / "btc_1m_*")).close.tolist() == prices.close.tolist()
    write(a, [1.0, 2.0, 3.5])
    with pytest.raises(
        DataError, match=r"two closes of the bar from 2026-01-05T00:02:00Z: 3\.5 in .*_a\.csv, 3 in"
    ):
        load_prices([a, b])


def test_gaps_are_counted_in_bars(tmp_path):
    prices = load_prices(write(tmp_path / "btc.csv", [1.0, 2.0, None, None, 5.0, None, 7.0, 8.0]))
    assert prices.quality.count("missing bars") == 3
    assert "2 gaps, longest 2 bars from 2026-01-05T00:02:00Z" in prices.quality.problems[0].example
    assert prices.asof(DAY + 4 * NS_PER_MINUTE) == 2.0


def test_period_goes_by_the_time_of_knowledge(tmp_path):
    path = write(tmp_path / "btc.csv", [1.0, 2.0, 3.0, 4.0])
    prices = load_prices(path, start_ns=DAY + 2 * NS_PER_MINUTE, end_ns=DAY + 4 * NS_PER_MINUTE)
    assert prices.close.tolist() == [2.0, 3.0]
    with pytest.raises(DataError, match="no bar in the chosen period"):
        load_prices(path, end_ns=DAY)


def test_bars_of_a_warm_up_are_kept_where_there_are_and_refuse_no_series(tmp_path):
    write(tmp_path / "btcusdt_spot_1m.csv", range(1, 121), start=DAY + NS_PER_HOUR)
    hour = {"currency": "BTC", "start_ns": DAY + NS_PER_HOUR + NS_PER_MINUTE, "end_ns": DAY + 3 * NS_PER_HOUR}
    alone = load_prices(tmp_path, **hour)
    short = load_prices(tmp_path, **hour, warm_up_ns=NS_PER_HOUR)
    assert short.ts_ns.tolist() == alone.ts_ns.tolist()  # none are that early, and none are needed
    write(tmp_path / "btcusdt_spot_1h.csv", range(1, 25), step=NS_PER_HOUR)
    warm = load_prices(tmp_path, **hour, warm_up_ns=NS_PER_HOUR)
    assert (warm.interval_ns, warm.ts_ns[0]) == (NS_PER_HOUR, DAY + NS_PER_HOUR)


def test_a_directory_gives_the_shortest_bars_that_cover_the_period(tmp_path):
    write(tmp_path / "btcusdt_spot_1m_first.csv", range(1, 61))
    write(tmp_path / "btcusdt_spot_1m_second.csv", range(61, 121), start=DAY + NS_PER_HOUR)
    write(tmp_path / "btcusdt_spot_1h.csv", range(1, 25), step=NS_PER_HOUR)
    write(tmp_path / "btc_perpetual_1h.csv", range(1, 9), step=NS_PER_HOUR)
    write(tmp_path / "ethusdt_spot_1h.csv", range(1, 25), step=NS_PER_HOUR)
    (tmp_path / "MANIFEST.csv").write_text("file\n")
    day = load_prices(tmp_path, currency="BTC")
    assert (day.interval_ns, [f.path.name for f in day.files]) == (NS_PER_HOUR, ["btcusdt_spot_1h.csv"])
    hours = load_prices(tmp_path, currency="BTC", start_ns=DAY + NS_PER_MINUTE, end_ns=DAY + 2 * NS_PER_HOUR)
    assert (hours.interval_ns, len(hours), len(hours.files)) == (NS_PER_MINUTE, 119, 2)
    eight = {"start_ns": DAY + NS_PER_HOUR, "end_ns": DAY + 8 * NS_PER_HOUR}
    assert load_prices(tmp_path, currency="BTC", **eight).files[0].path.name == "btc_perpetual_1h.csv"
    with pytest.raises(
        DataError, match=r"no series covers the period; .*btcusdt_spot \(3600 s bars\): 80\.0%"
    ):
        load_prices(tmp_path, currency="BTC", start_ns=DAY + NS_PER_HOUR, end_ns=DAY + 31 * NS_PER_HOUR)
    with pytest.raises(DataError, match="files of BTC, ETH; name one of them"):
        load_prices(tmp_path)
    with pytest.raises(DataError, match="no price file of SOL; there is BTC, ETH"):
        load_prices(tmp_path, currency="SOL")


def test_coins_and_bar_lengths_do_not_mix(tmp_path):
    btc = write(tmp_path / "btc_1m.csv", [1.0, 2.0])
    eth = write(tmp_path / "eth_1m.csv", [1.0, 2.0])
    hour = write(tmp_path / "btc_1h.csv", [1.0, 2.0], step=NS_PER_HOUR)
    with pytest.raises(DataError, match="files of BTC, ETH"):
        load_prices([btc, eth])
    with pytest.raises(DataError, match="asked for ETH, but the file names speak of BTC"):
        load_prices(btc, currency="ETH")
    with pytest.raises(DataError, match=r"btc_1h\.csv: bars of 3600 s, but .*btc_1m\.csv has bars of 60 s"):
        load_prices([btc, hour])
    plain = write(tmp_path / "closes.csv", [1.0, 2.0])
    assert load_prices(plain, currency="BTC_USDC").currency == "BTC"
    assert load_prices(plain).currency is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("open_time,close\n2026-01-05,1\n2026-01-06,0\n", r"line 3, column 'close': '0' is not a positive"),
        ("open_time,close\n2026-01-05,1\n2026-01-06,\n", r"line 3, column 'close': '' is not a positive"),
        ("open_time,close\n2026-01-05,1\n2026-01-06,x\n", r"line 3, column 'close': 'x' is not a finite"),
        ("open_time,close\n2026-01-05,1\n", "1 bars; at least two are needed"),
        ("open_time,close\n", "0 bars; at least two are needed"),
        ("day,close\n2026-01-05,1\n", "no column named open_time_ms or open_time or minute or timestamp"),
        ("open_time,price\n2026-01-05,1\n", "missing columns 'close'"),
        (
            "open_time,close\n2026-01-05,1\n2026-01-06,1\n2026-01-07,1\n2026-01-07T01:00:00Z,1\n",
            "bars are 86400 s long, but one follows 2026-01-07T00:00:00Z after 3600 s",
        ),
    ],
)
def test_unusable_files_say_why(tmp_path, content, message):
    path = tmp_path / "btc.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        load_prices(path)


def test_paths_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no file matches"):
        load_prices(tmp_path / "*.csv")
    with pytest.raises(DataError, match="no such file or directory"):
        load_prices(tmp_path / "btc.csv")
    with pytest.raises(DataError, match="paths is empty"):
        load_prices([])
    write(tmp_path / "closes.csv", [1.0, 2.0])
    with pytest.raises(DataError, match="no file name begins with a coin"):
        load_prices(tmp_path)


def test_recorded_prices():
    folder = recorded("data/prices")
    minutes = load_prices(
        folder, currency="BTC", start_ns=parse_time("2026-04-12"), end_ns=parse_time("2026-05-10")
    )
    assert (minutes.interval_ns, len(minutes)) == (NS_PER_MINUTE, 28 * 1440)
    assert minutes.quality.problems == ()
    hours = load_prices(folder, currency="BTC")
    assert (hours.interval_ns, len(hours)) == (NS_PER_HOUR, 55_696)
    assert hours.quality.count("missing bars") == 32
    # The minute that ends on the hour has the close of the hour.
    shared, i, j = np.intersect1d(minutes.ts_ns, hours.ts_ns, return_indices=True)
    assert shared.size > 600
    assert (minutes.close[i] == hours.close[j]).all()


def test_the_coin_asked_for_may_be_any(tmp_path):
    write(tmp_path / "PEPE_1h.csv", [1.0, 2.0, 3.0], step=NS_PER_HOUR)
    write(tmp_path / "sol_1h.csv", [4.0, 5.0, 6.0], step=NS_PER_HOUR)
    assert load_prices(tmp_path, currency="PEPE").close.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(DataError, match="no price file of PEP; there is SOL"):
        load_prices(tmp_path, currency="PEP")
