"""Each sort of fault, planted in a sound store, is found with its place and count, and nothing else is."""

import json

import numpy as np
import pytest

from gammacore.data.store import Store
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from support import store_world
from support.commands import run
from support.store_world import OPTIONS, START

PERPETUAL = "BTC-PERPETUAL"


def keep(rows, mask):
    for name in rows:
        rows[name] = rows[name][mask]


def without(kind, start, end):
    """Leave out the rows of hours after the beginning."""

    def spoil(world):
        hours = (world[kind]["ts_ns"] - START) / NS_PER_HOUR
        keep(world[kind], (hours < start) | (hours >= end))

    return spoil


def put(kind, column, value, rows=slice(700, 701)):
    """Set or, with a function, change values."""

    def spoil(world):
        values = world[kind][column] = world[kind][column].copy()
        values[rows] = value(values[rows]) if callable(value) else value

    return spoil


def at_hour(hours):
    """Rows of chains of these hours."""
    return slice(len(OPTIONS) * hours, len(OPTIONS) * (hours + 1))


def shift_chains(world):
    for name in ("ts_ns", "known_ns"):
        world["chains"][name] = world["chains"][name] + 2 * NS_PER_HOUR
    keep(world["chains"], world["chains"]["ts_ns"] < START + 48 * NS_PER_HOUR)


def copy_chain(world):
    for name in ("underlying", "bid_price", "ask_price", "mark_price"):
        world["chains"][name][at_hour(7)] = world["chains"][name][at_hour(6)]


def swap(world):
    chains = world["chains"]
    chains["bid_price"], chains["ask_price"] = chains["ask_price"], chains["bid_price"]


def usd(world):
    for name in ("bid_price", "ask_price", "mark_price"):
        world["chains"][name] = world["chains"][name] * world["chains"]["underlying"]


def names(kind, name, rows):
    def spoil(world):
        world[kind]["instrument_name"][rows] = name

    return spoil


def freeze(world):
    for name in ("bid_price", "ask_price"):
        world["quotes"][name][47:] = world["quotes"][name][47]


def spike(world):
    for name in ("open", "high", "low", "close"):
        world["candles"][name][700] *= 10


def low_above_high(world):
    candles = world["candles"]
    candles["high"][700], candles["low"][700] = candles["close"][700] - 100, candles["close"][700] + 100


FAULTS = {
    "a gap across midnight": (without("candles", 23.5, 24.5), "candles missing 60 BTC-PERPETUAL 03-02T23:30"),
    "a missing tail": (without("candles", 42, 48), "candles tail 360 BTC-PERPETUAL 03-03T17:59"),
    "a missing tail of funding": (without("funding", 40, 48), "funding tail 8 BTC-PERPETUAL 03-03T15:00"),
    "a negative close": (put("candles", "close", -5.0), "candles not positive 1 BTC-PERPETUAL 03-02T11:40"),
    "a close of zero": (put("candles", "close", 0.0), "candles not positive 1 BTC-PERPETUAL 03-02T11:40"),
    "an infinite close": (put("candles", "close", np.inf), "candles infinite 1 BTC-PERPETUAL 03-02T11:40"),
    "a bar without a close": (
        put("candles", "close", np.nan),
        "candles no price 1 BTC-PERPETUAL 03-02T11:40",
    ),
    "a spike": (spike, "candles spike 1 BTC-PERPETUAL 03-02T11:41"),
    "a wick": (put("candles", "high", lambda high: 10 * high), "candles spike 1 BTC-PERPETUAL 03-02T11:40"),
    "deliveries of ETH": (
        lambda world: world.update(
            delivery=store_world.table(
                "delivery",
                [START + 8 * NS_PER_HOUR],
                ["btc_usd"],
                delivery_price=[3_000.0],
                date=["2026-03-02"],
            )
        ),
        "delivery off the bars 1 btc_usd 03-02T08:00",
    ),
    "DVOL in percent": (
        lambda world: world.update(
            dvol=store_world.table(
                "dvol",
                [START + k * NS_PER_HOUR for k in range(48)],
                ["btc_usd"] * 48,
                known_ns=[START + (k + 1) * NS_PER_HOUR for k in range(48)],
                interval_ns=[NS_PER_HOUR] * 48,
                **{name: np.full(48, 55.0) for name in ("open", "high", "low", "close")},
            )
        ),
        "dvol iv unit 24 btc_usd 03-02T00:00",
    ),
    "high below low": (low_above_high, "candles range 1 BTC-PERPETUAL 03-02T11:40"),
    "bars known early": (
        put("candles", "known_ns", lambda ts: ts - 1, slice(None)),
        "candles early 1440 BTC-PERPETUAL 03-02T00:00",
    ),
    "funding in percent": (
        put("funding", "funding_rate", lambda rate: 2_000 * rate, slice(None)),
        "funding funding unit * BTC-PERPETUAL 03-02T01:00",
    ),
    "a negative bid": (put("quotes", "bid_price", -1.0, 9), "quotes negative 1 BTC-PERPETUAL 03-02T05:00"),
    "an infinite ask": (put("quotes", "ask_price", np.inf, 9), "quotes infinite 1 BTC-PERPETUAL 03-02T05:00"),
    "quotes of nothing": (
        lambda world: [
            put("quotes", side, np.nan, slice(47, None))(world) for side in ("bid_price", "ask_price")
        ],
        "quotes empty 48 BTC-PERPETUAL 03-03T00:00",
    ),
    "quotes known before they happened": (
        put("quotes", "known_ns", lambda ts: ts - NS_PER_MINUTE, slice(5, 8)),
        "quotes early 3 BTC-PERPETUAL 03-02T03:00",
    ),
    "quotes of ETH under their name": (
        names("quotes", "ETH-PERPETUAL", slice(0, 95)),
        "quotes other coin 47 ETH-PERPETUAL 03-02T00:30",
    ),
    "quotes at the price of ETH": (
        lambda world: [
            put("quotes", s, lambda p: np.round(p / 30), slice(None))(world)
            for s in ("bid_price", "ask_price")
        ],
        "quotes off the bars 95 BTC-PERPETUAL 03-02T00:30",
    ),
    "quotes that stand still": (freeze, "quotes frozen 48 BTC-PERPETUAL 03-03T00:00"),
    "quotes that end": (without("quotes", 30, 48), "quotes dead 1 BTC-PERPETUAL 03-03T05:30"),
    "quotes that pause over midnight": (
        without("quotes", 23, 26),
        "quotes stale 1 BTC-PERPETUAL 03-02T22:30",
    ),
    "crossed quotes": (put("quotes", "bid_price", 1e6, 9), "quotes crossed 1 BTC-PERPETUAL 03-02T05:00"),
    "quotes off tick": (
        put("quotes", "bid_price", lambda p: p - 0.25, 9),
        "quotes off tick 1 BTC-PERPETUAL 03-02T05:00",
    ),
    "an expired option": (
        names("chains", "BTC-27FEB26-84000-C", 0),
        "chains expired 1 BTC-27FEB26-84000-C 03-02T00:05",
    ),
    "a strike of zero": (
        names("chains", "BTC-27MAR26-0-C", 0),
        "chains impossible instrument 1 BTC-27MAR26-0-C 03-02T00:05",
    ),
    "a day that is none": (
        names("chains", "BTC-31FEB26-84000-C", 0),
        "chains impossible instrument 1 BTC-31FEB26-84000-C 03-02T00:05",
    ),
    "a strike that nobody lists": (
        names("chains", "BTC-27MAR26-5-P", 0),
        "chains impossible instrument 1 BTC-27MAR26-5-P 03-02T00:05",
    ),
    "an expiry in ten years": (
        names("chains", "BTC-28MAR36-84000-C", 0),
        "chains impossible instrument 1 BTC-28MAR36-84000-C 03-02T00:05",
    ),
    "options of ETH": (
        names("chains", "ETH-27MAR26-84000-C", 0),
        "chains other coin 1 ETH-27MAR26-84000-C 03-02T00:05",
    ),
    "options in USD": (usd, "chains usd for coin 192 BTC-27MAR26-84000-C 03-02T00:05"),
    "a chain that repeats": (copy_chain, "chains copied 1 BTC-27MAR26-84000-C 03-02T07:05"),
    "chains two hours late": (shift_chains, "chains shifted 46 BTC 03-02T02:05"),
    "volatilities in percent": (
        put("chains", "implied_volatility", lambda iv: 100 * iv, slice(None)),
        "chains iv unit 192 BTC-27MAR26-84000-C 03-02T00:05",
    ),
    "forwards five percent off": (
        put("chains", "underlying", lambda f: 1.05 * f, slice(None)),
        "chains off the bars 48 BTC 03-02T00:05",
    ),
    "bid and ask swapped": (swap, "chains crossed 192 BTC-27MAR26-84000-C 03-02T00:05"),
    "chains that end": (without("chains", 30, 48), "chains dead 1 * 03-03T05:05"),
    "an option without any price": (
        lambda world: [
            put("chains", name, np.nan, 3)(world) for name in ("bid_price", "ask_price", "mark_price")
        ],
        "chains empty 1 BTC-27MAR26-88000-P 03-02T00:05",
    ),
}


def check(monkeypatch, capsys, root):
    code, out, err = run(monkeypatch, capsys, "data", "check", "--json", "--store", str(root))
    assert not err, err
    return code, [json.loads(line) for line in out.splitlines()]


def test_a_sound_store_has_no_finding(monkeypatch, capsys, tmp_path):
    with Store(tmp_path) as store:
        store_world.write(store, store_world.sound())
    code, days = check(monkeypatch, capsys, tmp_path)
    assert [(day["kind"], day["found"]) for day in days if day["found"]] == []
    assert code == 0
    assert sum(day["rows"] for day in days) == 2_880 + 48 + 48 * len(OPTIONS) + 95


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_where_it_is(monkeypatch, capsys, tmp_path, fault):
    spoil, wanted = FAULTS[fault]
    world = store_world.sound()
    spoil(world)
    with Store(tmp_path) as store:
        store_world.write(store, world)
    code, days = check(monkeypatch, capsys, tmp_path)
    assert code == 1
    found = [(day["kind"], one) for day in days for one in day["found"]]
    *words, count, where, time = wanted.split()
    kind, sort = words[0], " ".join(words[1:])
    [first, *_] = [one for k, one in found if (k, one["check"]) == (kind, sort)]
    assert count in ("*", str(first["count"]))
    assert where in ("*", first["where"])
    assert first["time"].startswith(f"2026-{time}")
    assert first["why"]


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, -np.inf, np.nan])
def test_numbers_that_are_none_end_in_findings(monkeypatch, capsys, tmp_path, value):
    world = store_world.sound()
    for rows in world.values():
        for name, column in rows.items():
            if column.dtype == float:
                rows[name] = np.full(column.size, value)
    with Store(tmp_path) as store:
        store_world.write(store, world)
    code, days = check(monkeypatch, capsys, tmp_path)
    assert code == 1
    assert {day["kind"] for day in days if day["found"]} >= {"candles", "chains"}


def test_the_table_names_kind_place_and_count(monkeypatch, capsys, tmp_path):
    world = store_world.sound()
    spike(world)
    with Store(tmp_path) as store:
        store_world.write(store, world)
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(monkeypatch, capsys, "data", "check", "--store", str(tmp_path))
    assert code == 1
    assert "1 spike" in out
    assert (
        "BTC-PERPETUAL 2026-03-02T11:41:00Z a price 9.99 times off" in " ".join(out.split())
        or "times off" in out
    )
