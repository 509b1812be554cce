"""Nothing read as of a moment, and no decision up to it, depends on rows that were known later."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.data.schemas import KINDS
from gammacore.data.store import Store, day_of
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time
from support.markets import FRIDAY, START, build, chains_of, prices_of, random_path

DAY = "2026-03-01"
BEGIN = parse_time(DAY)
HOUR = NS_PER_HOUR


def made_up(kind, rng, size, first_ns, last_ns):
    """Rows of a kind; few names and numbers, so that keys collide."""
    ts = rng.integers(first_ns // HOUR, last_ns // HOUR, size) * HOUR
    rows = {"ts_ns": ts, "known_ns": ts + rng.integers(0, 6, size) * HOUR}
    for name, sql in list(kind.columns.items())[2:]:
        if sql == "BIGINT":
            rows[name] = rng.integers(0, 3, size)
        elif sql == "DOUBLE":
            rows[name] = np.round(rng.normal(size=size), 3)
        else:
            rows[name] = np.array([f"{name}-{k}" for k in rng.integers(0, 200, size)], dtype=object)
    return rows


def split(rows, chosen):
    return {name: column[chosen] for name, column in rows.items()}


def joined(one, other):
    return {name: np.concatenate([one[name], other[name]]) for name in one}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_reads(kind, tmp_path):
    rng = np.random.default_rng(len(kind.columns))
    as_of = BEGIN + 13 * HOUR
    rows = made_up(kind, rng, 300, BEGIN, BEGIN + NS_PER_DAY)
    past = rows["known_ns"] <= as_of
    # Another future: other rows, also under keys of the past and about times before.
    later = made_up(kind, rng, 200, BEGIN, BEGIN + NS_PER_DAY)
    for name in kind.key:
        later[name][:100] = rows[name][rng.integers(0, 300, 100)]
    later["known_ns"] = np.maximum(later["known_ns"], as_of + 1 + rng.integers(0, HOUR, 200))
    other = joined(split(rows, past), later)
    halves = np.array_split(rng.permutation(other["ts_ns"].size), 2)
    with Store(tmp_path / "one") as one, Store(tmp_path / "other") as two:
        one.write(kind.name, "BTC", DAY, "a", rows)
        for name, half in zip("ab", halves, strict=True):
            two.write(kind.name, "BTC", DAY, name, split(other, half))
        for moment in (as_of, as_of - 3 * HOUR):
            found, again = (s.read(kind.name, "BTC", as_of_ns=moment) for s in (one, two))
            assert found["ts_ns"].size
            assert (found["known_ns"] <= moment).all()
            for name in kind.columns:
                np.testing.assert_array_equal(found[name], again[name], err_msg=name)
        after = [s.read(kind.name, "BTC", as_of_ns=as_of + NS_PER_DAY)["ts_ns"] for s in (one, two)]
        assert not np.array_equal(*after)  # there is a future, and it is another one


def fill(root, chains, prices, rng):
    """Write a market into a store, its rows in random order."""
    names = np.array(chains.names, dtype=object)[chains.code]
    rows = {
        "ts_ns": chains.ts_ns,
        "known_ns": chains.ts_ns,
        "instrument_name": names,
        "underlying_name": np.full(names.size, "unknown", dtype=object),
        "underlying": chains.forward,
        "index_price": chains.index,
        "bid_price": chains.bid,
        "ask_price": chains.ask,
        "mark_price": chains.mark,
        "implied_volatility": chains.iv,
        "delta": chains.delta,
        "vega": chains.vega,
        "open_interest": chains.open_interest,
    }
    size = prices.close.size
    bars = {
        "ts_ns": prices.ts_ns - prices.interval_ns,
        "known_ns": prices.ts_ns,
        "instrument_name": np.full(size, "BTC-PERPETUAL", dtype=object),
        "interval_ns": np.full(size, prices.interval_ns),
        **dict.fromkeys(("open", "high", "low", "close", "volume", "cost"), prices.close),
    }
    with Store(root) as store:
        for kind, columns, name in (("chains", rows, "x"), ("candles", bars, "BTC-PERPETUAL_1m_x")):
            days = columns["ts_ns"] // NS_PER_DAY
            for day in np.unique(days):
                chosen = rng.permutation(np.flatnonzero(days == day))
                store.write(kind, "BTC", day_of(int(day) * NS_PER_DAY), name, split(columns, chosen))


def market(seed, cut_ns=None, factor=1.0):
    """A market of a week; after the cut another one."""
    steps = 7 * 1_440
    ts = START + NS_PER_MINUTE * np.arange(steps + 1)
    path = random_path(seed, steps)
    if cut_ns is not None:
        path = np.where(ts > cut_ns, path * factor, path)
    chains = chains_of(
        ts[::360], path[::360], vol=0.6, expiries=(FRIDAY,), strikes=tuple(np.arange(50e3, 71e3, 2e3))
    )
    if cut_ns is not None:
        later = chains.ts_ns > cut_ns
        for column in (chains.iv, chains.mark, chains.bid, chains.ask):
            column[later] *= factor
    return chains, prices_of(ts, path, NS_PER_MINUTE)


@settings(max_examples=3)
@given(st.integers(300, 9_000), st.floats(0.5, 0.9), st.integers(0, 100))
@example(1962, 0.5, 95)
def test_decisions_of_a_backtest(tmp_path_factory, minutes, factor, seed):
    cut_ns, rng = START + minutes * NS_PER_MINUTE, np.random.default_rng(seed)
    decisions = []
    for chains, prices in (market(seed), market(seed, cut_ns, factor)):
        root = tmp_path_factory.mktemp("store")
        fill(root, chains, prices, rng)
        base = root / "processed"
        config = build(
            {
                "hedge.rule": "band",
                "hedge.band": 0.05,
                "entry.expiries": "any",
                "data.chains": str(base / "chains" / "BTC"),
                "data.prices": str(base / "candles" / "BTC"),
            }
        )
        run = replay(config, load_market(config).tape)
        fills = [f for e in run.desk.portfolio.episodes for f in e.fills]
        decisions.append([(f.ts_ns, f.order_id, f.amount, f.price) for f in fills])
    # An order sent at the cut is answered by the bar after it: its price is no decision.
    early = [[f[:3] if f[0] == cut_ns else f for f in fills if f[0] <= cut_ns] for fills in decisions]
    assert early[0] == early[1] != []
    assert decisions[0] != decisions[1]
