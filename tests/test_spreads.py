"""Half spreads by the hour from recorded quotes, and the configurations that ask for them."""

import numpy as np
import pytest

from gammacore.build import expected_hedge, hedge_costs
from gammacore.data.spreads import FEWEST, half_spreads
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import ConfigError, DataError
from support.markets import build
from support.store_rows import DAY, START

NAN = float("nan")


def quotes(hour, halves, name="BTC-PERPETUAL", middle=60_000.0):
    """Columns of quotes of one hour, so many basis points around the middle."""
    halves, n = np.asarray(halves, float), len(halves)
    ts = START + hour * NS_PER_HOUR + NS_PER_MINUTE * np.arange(n)
    columns = {"ts_ns": ts, "known_ns": ts, "seq": list(range(n)), "instrument_name": [name] * n}
    sides = {"bid_price": middle * (1 - 1e-4 * halves), "ask_price": middle * (1 + 1e-4 * halves)}
    return columns | sides | {"bid_amount": [10.0] * n, "ask_amount": [10.0] * n}


def write(root, *parts, kind="quotes"):
    with Store(root) as store:
        for number, rows in enumerate(parts):
            store.write(kind, "BTC", DAY, f"{kind}{number}", rows)


def test_each_hour_has_the_median_of_its_quotes_and_the_others_that_of_all(tmp_path):
    few = quotes(15, [9.0] * (FEWEST - 1))
    write(tmp_path, quotes(3, [0.1] * 20 + [5.0] * 19), quotes(14, [0.4] * FEWEST), few)
    found = 1e4 * np.array(half_spreads(tmp_path, "BTC", "BTC-PERPETUAL"))
    assert (found[3], found[14]) == (pytest.approx(0.1), pytest.approx(0.4))
    assert np.delete(found, [3, 14]) == pytest.approx(0.4)  # of 20, 20, 19 and 19 quotes the middle one


def test_one_sided_and_crossed_quotes_and_other_contracts_do_not_count(tmp_path):
    wrong = quotes(3, [-2.0] * 30)
    wrong["bid_price"][:10] = NAN
    write(tmp_path, quotes(3, [0.2] * 25), wrong, quotes(3, [7.0] * 90, name="ETH-PERPETUAL"))
    assert 1e4 * half_spreads(tmp_path, "BTC", "BTC-PERPETUAL")[3] == pytest.approx(0.2)


def test_without_best_quotes_tickers_are_taken(tmp_path):
    rows = quotes(5, [0.3] * 30)
    empty = (
        "mark_price index_price last_price open_interest underlying mark_iv bid_iv ask_iv delta gamma vega "
    )
    empty += "theta rho current_funding funding_8h"
    rows |= {name: [NAN] * 30 for name in empty.split()} | {"underlying_name": [""] * 30}
    write(tmp_path, rows, kind="tickers")
    assert 1e4 * half_spreads(tmp_path, "BTC", "BTC-PERPETUAL")[5] == pytest.approx(0.3)


def test_files_that_come_later_are_read(tmp_path):
    write(tmp_path, quotes(5, [0.3] * 30))
    assert 1e4 * half_spreads(tmp_path, "BTC", "BTC-PERPETUAL")[5] == pytest.approx(0.3)
    with Store(tmp_path) as store:
        store.write("quotes", "BTC", DAY, "later", quotes(5, [0.5] * 29))
        store.write("quotes", "BTC", DAY, "last", quotes(6, [0.5] * 30))
    assert 1e4 * half_spreads(tmp_path, "BTC", "BTC-PERPETUAL")[6] == pytest.approx(0.5)


def test_a_configuration_takes_them_from_the_store_of_its_chains(tmp_path):
    write(tmp_path, quotes(3, [0.1] * 30), quotes(14, [0.5] * 29))
    chains = str(tmp_path / "processed" / "chains" / "BTC")
    config = build({"costs.hedge_half_spread_bp": "recorded", "data.chains": chains})
    costs = hedge_costs(config)
    assert (costs.half_spread[3], costs.half_spread[14]) == (pytest.approx(1e-5), pytest.approx(5e-5))
    taken = expected_hedge(build({"costs.hedge_half_spread_bp": 0.5, "execution.hedges": "taker"}))
    assert taken.slippage == pytest.approx(5e-5)


def test_what_was_not_recorded_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no recorded quote of BTC-PERPETUAL.*hedge_half_spread_bp"):
        half_spreads(tmp_path, "BTC", "BTC-PERPETUAL")
    ask = {"costs.hedge_half_spread_bp": "recorded"}
    with pytest.raises(ConfigError, match=r"'recorded' reads .* got None; name chains of a store"):
        hedge_costs(build(ask))
    stored = ask | {"data.chains": str(tmp_path / "processed" / "chains" / "BTC")}
    with pytest.raises(ConfigError, match=r"hedge.instrument is 'future'"):
        hedge_costs(build(stored | {"hedge.instrument": "future"}))
    with pytest.raises(ConfigError, match=r"hedge_half_spread_bp: .*got 'recordd'"):
        build({"costs.hedge_half_spread_bp": "recordd"})
