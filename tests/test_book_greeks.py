"""What a book held through time, by expiry, against the desk's own figures."""

import numpy as np
import pytest

from gammacore.backtest.figures.book_greeks import book_table
from gammacore.backtest.replay.runner import replay
from gammacore.daycount import format_time
from gammacore.risk import totals
from support.markets import EXPIRIES, build, tape_of


def table_of(seed=3, **changes):
    tape, *_ = tape_of(seed)
    run = replay(build({"entry.structure": "calendar", "entry.max_days": 16.0} | changes), tape)
    return run, book_table(run)


@pytest.mark.parametrize("scope", ["book", "episode"])
def test_the_last_rows_are_what_the_desk_holds(scope):
    run, table = table_of(**{"hedge.scope": scope, "exit.delivery": "average"})
    last = table[table["ts_ns"] == table["ts_ns"].max()]
    seen = totals(run.desk.portfolio, run.desk.market)
    assert last["delta_coin"].sum() == pytest.approx(seen.delta, abs=1e-9)
    assert last["gamma_coin_per_percent"].sum() == pytest.approx(seen.gamma, abs=1e-9)
    assert last["vega_usd_per_point"].sum() == pytest.approx(seen.vega_usd, abs=1e-6)


def test_each_expiry_has_its_rows_and_ends_at_its_delivery():
    _, table = table_of(**{"hedge.scope": "book"})
    days = [format_time(expiry)[:10] for expiry in EXPIRIES]
    assert set(table["expiry"]) <= {*days, ""}
    for expiry, day in zip(EXPIRIES, days, strict=True):
        rows = table[table["expiry"] == day]
        assert (rows.loc[rows["ts_ns"] >= expiry, "delta_coin"] == 0.0).all()
    assert table.loc[table["expiry"] == days[0], "vega_usd_per_point"].abs().max() > 1.0


def test_with_the_hedge_the_book_is_near_neutral():
    _, table = table_of(**{"hedge.scope": "book", "hedge.rule": "interval", "hedge.every": "1min"})
    net = table.groupby("ts_ns")["delta_coin"].sum()
    options = table[table["expiry"] != ""].groupby("ts_ns")["delta_coin"].sum()
    assert np.median(np.abs(net)) < 1e-3 < np.median(np.abs(options))


def test_nothing_held_is_an_empty_table_of_the_same_columns():
    run, table = table_of(**{"entry.min_days": 300.0, "entry.max_days": 301.0})
    assert run.episode_runs == []
    assert list(table.columns) == [
        "time",
        "ts_ns",
        "expiry",
        "delta_coin",
        "gamma_coin_per_percent",
        "vega_usd_per_point",
    ]
    assert len(table) == 0
