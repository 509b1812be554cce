"""What callers may pass: kinds, shapes, types, outputs; and that lanes are independent."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore import IVStatus, _arrays, black76, black_scholes, chain, inverse, settlement

MODULES = {black76: 1, black_scholes: 2, inverse: 0}  # to the number of rates


def market(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Quotes in both price regimes and all three implied-vol tiers."""
    rng = np.random.default_rng(seed)
    forward = 100 * np.exp(0.1 * rng.normal(size=n))
    return {
        "kind": np.where(rng.random(n) < 0.5, 1, -1),
        "forward": forward,
        "strike": forward * np.exp(rng.uniform(-1.6, 1.6, n) * rng.random(n)),
        "tau": rng.uniform(0.01, 3, n),
        "vol": rng.uniform(0.2, 2.5, n),
        "rate": rng.uniform(-0.05, 0.1, n),
    }


@pytest.mark.parametrize("module", MODULES)
def test_scalars_and_arrays_agree_bit_for_bit(module):
    m = market(700)
    rates = [m["rate"], m["rate"][::-1].copy()][: MODULES[module]]
    columns = [m["kind"], m["forward"], m["strike"], m["tau"], m["vol"], *rates]
    price = module.price(*columns)
    greeks = module.greeks(*columns)
    quotes = [m["kind"], price, m["forward"], m["strike"], m["tau"], *rates]
    vol, status = module.implied_vol(*quotes, status=True)
    for i in range(len(price)):
        one = [column[i].item() for column in columns]
        assert module.price(*one) == price[i]
        assert module.greeks(*one) == tuple(column[i] for column in greeks)
        v, s = module.implied_vol(*[column[i].item() for column in quotes], status=True)
        assert s == status[i]
        assert v == vol[i] or (math.isnan(v) and math.isnan(vol[i]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300, 5e-324])
@pytest.mark.parametrize("column", ["forward", "strike", "tau", "vol", "rate"])
def test_a_bad_lane_leaves_its_neighbours_alone(column, bad):
    m = market(300, seed=1)
    bad_lanes = np.arange(0, 300, 7)
    spoilt = dict(m)
    spoilt[column] = m[column].copy()
    spoilt[column][bad_lanes] = bad
    keep = np.setdiff1d(np.arange(300), bad_lanes)
    for clean, dirty in zip(black76.greeks(**m), black76.greeks(**spoilt), strict=True):
        assert np.array_equal(clean[keep], dirty[keep])
    price = black76.price(**m)
    assert np.array_equal(price[keep], black76.price(**spoilt)[keep])
    for options in (m, spoilt):
        options.pop("vol")
    if column == "vol":
        quotes = price.copy()
        quotes[bad_lanes] = bad
    else:
        quotes = price
    clean = black76.implied_vol(price=price, **m)
    dirty = black76.implied_vol(price=quotes, **spoilt)
    assert np.array_equal(clean[keep], dirty[keep], equal_nan=True)


@given(st.integers(1, 600), st.integers(0, 2**32))
def test_a_lane_does_not_depend_on_its_place(n, seed):
    m = market(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    shuffled = {name: column[order] for name, column in m.items()}
    assert np.array_equal(black76.price(**m)[order], black76.price(**shuffled))
    for a, b in zip(black76.greeks(**m), black76.greeks(**shuffled), strict=True):
        assert np.array_equal(a[order], b)


@pytest.mark.parametrize(
    ("module", "examples"), [*((module, 4) for module in MODULES), (chain, 4), (settlement, 2)]
)
def test_examples_in_docstrings(module, examples):
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert found.attempted >= examples
    assert found.failed == 0


# ---- kind ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [1, "call", "c", "CALL", "C", "Call", 1.0, np.int8(1), np.float64(1), np.str_("c")]
)
def test_ways_to_say_call(kind):
    assert black76.price(kind, 100.0, 110.0, 0.5, 0.6) == black76.price(1, 100.0, 110.0, 0.5, 0.6)


@pytest.mark.parametrize(
    "kinds",
    [
        ["c", "put", "P"],
        np.array(["c", "put", "P"]),
        np.array(["c", "put", "P"], dtype=object),
        np.array([1, "p", np.int64(-1)], dtype=object),
        [1, -1, -1],
        np.array([1.0, -1.0, -1.0]),
        np.array([1, -1, -1], dtype=np.int64),
    ],
)
def test_arrays_of_kinds(kinds):
    expected = [black76.price(kind, 100.0, 110.0, 0.5, 0.6) for kind in (1, -1, -1)]
    assert black76.price(kinds, 100.0, 110.0, 0.5, 0.6).tolist() == expected


@pytest.mark.parametrize(
    "kind",
    [0, 2, "", "calls", 0.5, math.nan, [1, 0], ["c", "x"], None, [None], True + 1, np.int8(3), [1, 0.5]],
)
@pytest.mark.parametrize("forward", [100.0, [100.0, 101.0]])
def test_bad_kinds(kind, forward):
    with pytest.raises(ValueError, match="kind must be"):
        black76.price(kind, forward, 110.0, 0.5, 0.6)


def test_kind_of_another_type():
    with pytest.raises(TypeError, match="kind must hold integers or strings"):
        black76.price(np.array([1j]), 100.0, 110.0, 0.5, 0.6)


# ---- numbers ------------------------------------------------------------------------


def test_scalars_give_floats():
    for args in (
        (1, 100.0, 110.0, 0.5, 0.6),
        ("c", 100, 110, 1, 1),
        (np.array(1), np.array(100.0), 110.0, 0.5, np.float32(0.5)),
    ):
        assert type(black76.price(*args)) is float
        greeks = black76.greeks(*args)
        assert isinstance(greeks, black76.Greeks)
        assert all(type(value) is float for value in greeks)
        vol, status = black76.implied_vol(args[0], 5.0, *args[1:4], status=True)
        assert type(vol) is float
        assert type(status) is IVStatus
        assert type(black76.implied_vol(args[0], 5.0, *args[1:4])) is float


def test_broadcasting():
    strikes = np.linspace(80, 120, 5)
    taus = np.array([[0.1], [0.5]])
    price = black76.price(["c"] * 5, 100.0, strikes, taus, 0.6)
    assert price.shape == (2, 5)
    for i, tau in enumerate(taus[:, 0]):
        for j, strike in enumerate(strikes):
            assert price[i, j] == black76.price(1, 100.0, strike.item(), tau.item(), 0.6)
    assert black76.greeks(1, 100.0, strikes, taus, 0.6).vega.shape == (2, 5)
    vol, status = black76.implied_vol(1, price, 100.0, strikes, taus, status=True)
    assert vol.shape == status.shape == (2, 5)
    assert black76.price([[1]], 100.0, 110.0, 0.5, 0.6).shape == (1, 1)


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_empty(shape):
    empty = np.empty(shape)
    assert black76.price(1, empty, 110.0, 0.5, 0.6).shape == shape
    assert black76.greeks(1, empty, 110.0, 0.5, 0.6).charm.shape == shape
    assert black76.implied_vol(1, empty, 100.0, 110.0, 0.5, status=True)[1].shape == shape


def test_layouts_and_types():
    m = market(400, seed=2)
    expected = black76.price(**m)
    strided = {name: np.repeat(column, 3)[::3] for name, column in m.items()}
    assert np.array_equal(black76.price(**strided), expected)
    reversed_ = {name: column[::-1] for name, column in m.items()}
    assert np.array_equal(black76.price(**reversed_)[::-1], expected)
    fortran = {name: np.asfortranarray(column.reshape(20, 20)) for name, column in m.items()}
    assert np.array_equal(black76.price(**fortran).ravel(), expected)
    lists = {name: column.tolist() for name, column in m.items()}
    assert np.array_equal(black76.price(**lists), expected)
    big_endian = {name: column.astype(column.dtype.newbyteorder(">")) for name, column in m.items()}
    assert np.array_equal(black76.price(**big_endian), expected)
    single = m["strike"].astype(np.float32)
    assert np.array_equal(
        black76.price(1, 100, single, 1, 0.5), black76.price(1, 100.0, single.astype(float), 1.0, 0.5)
    )


def test_shapes_that_do_not_broadcast():
    with pytest.raises(
        ValueError, match=r"shapes do not broadcast: kind \(\), forward \(2,\), strike \(3,\)"
    ):
        black76.price(1, [1.0, 2.0], [1.0, 2.0, 3.0], 0.5, 0.6)


@pytest.mark.parametrize("bad", ["100", None, 1j, [1j], ["1"], object(), np.datetime64("2026-01-01")])
def test_arguments_that_are_not_numbers(bad):
    with pytest.raises(TypeError, match="strike must be a real number"):
        black76.price(1, 100.0, bad, 0.5, 0.6)
    with pytest.raises(TypeError, match="price must be a real number"):
        inverse.implied_vol(1, bad, 100.0, 100.0, 0.5)
    with pytest.raises(TypeError, match="dividend must be a real number"):
        black_scholes.greeks(1, 100.0, 100.0, 0.5, 0.6, 0.0, bad)


# ---- out ----------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("column", ["forward", "strike", "tau", "vol", "rate"])
def test_a_masked_number_is_missing(module, column):
    m = market(40, seed=5)
    rates = {0: (), 1: ("rate",), 2: ("rate", "rate")}[MODULES[module]]
    names = ("kind", "forward", "strike", "tau", "vol", *rates)
    if column not in names:
        pytest.skip("no rate here")
    masked = np.arange(40) % 3 == 0
    given = m | {column: np.ma.array(m[column], mask=masked)}
    quotes = {
        function: (
            function(*(given[name] for name in names)),
            function(*(m[name] for name in names)),
        )
        for function in (module.price, lambda *x: module.greeks(*x).gamma)
    }
    if column == "vol":
        price = module.price(*(m[name] for name in names))
        rest = [m[name] for name in names if name not in ("kind", "vol")]
        found = [module.implied_vol(m["kind"], p, *rest) for p in (np.ma.array(price, mask=masked), price)]
        quotes["implied"] = (found[0], found[1])
    for found, plain in quotes.values():
        assert type(found) is np.ndarray
        assert np.isnan(found[masked]).all()
        assert np.array_equal(found[~masked], plain[~masked], equal_nan=True)


def test_a_masked_integer_is_missing_and_a_masked_kind_is_refused():
    strike = np.ma.array([100, 110], mask=[False, True])
    found = black76.price("call", 100.0, strike, 0.1, 0.5)
    assert found[0] == black76.price("call", 100.0, 100.0, 0.1, 0.5)
    assert math.isnan(found[1])
    kinds = np.ma.array([1, -1], mask=[False, True])
    with pytest.raises(ValueError, match=r"kind\[1\]: masked"):
        black76.price(kinds, 100.0, 100.0, 0.1, 0.5)
    with pytest.raises(TypeError, match="out must be a float64 array, got MaskedArray"):
        black76.price("call", [100.0, 100.0], 100.0, 0.1, 0.5, out=np.ma.zeros(2))


def test_out_is_filled_and_returned():
    m = market(500, seed=3)
    m["kind"] = np.where(m["strike"] > m["forward"], 1, -1)  # each price holds its vol
    out = np.empty(500)
    assert black76.price(**m, out=out) is out
    assert np.array_equal(out, black76.price(**m))
    vol = m.pop("vol")
    assert black76.implied_vol(price=out.copy(), **m, out=out) is out
    assert out == pytest.approx(vol, rel=1e-6)
    both = black76.implied_vol(price=black76.price(vol=vol, **m), **m, status=True, out=out)
    assert both[0] is out
    scalar = np.empty(())
    assert black76.price(1, 100.0, 110.0, 0.5, 0.6, out=scalar) is scalar
    assert scalar == black76.price(1, 100.0, 110.0, 0.5, 0.6)


@pytest.mark.parametrize("module", MODULES)
def test_greeks_out(module):
    args = (1, np.linspace(80.0, 120.0, 300), 100.0, 0.5, 0.6)
    expected = module.greeks(*args)
    out = type(expected)(*(np.empty(300) for _ in expected))
    assert module.greeks(*args, out=out) is out
    for a, b in zip(out, expected, strict=True):
        assert np.array_equal(a, b)


def test_out_may_be_an_input_or_overlap_one():
    m = market(600, seed=4)
    expected = black76.price(**m)
    vol = m["vol"].copy()
    black76.price(m["kind"], m["forward"], m["strike"], m["tau"], vol, m["rate"], out=vol)
    assert np.array_equal(vol, expected)
    one = np.array([0.5])
    assert black76.price(1, 100.0, 100.0, 0.5, one, out=one) is one
    assert one == black76.price(1, 100.0, 100.0, 0.5, 0.5)
    buffer = np.concatenate([m["vol"], [0.0]])
    black76.price(m["kind"], m["forward"], m["strike"], m["tau"], buffer[:-1], m["rate"], out=buffer[1:])
    assert np.array_equal(buffer[1:], expected)


def test_out_of_any_layout():
    m = market(400, seed=5)
    out = np.empty(800)[::2]
    assert black76.price(**m, out=out) is out
    assert np.array_equal(out, black76.price(**m))


def test_bad_out():
    strikes = np.linspace(80, 120, 5)
    read_only = np.empty(5)
    read_only.flags.writeable = False
    for out, error, message in (
        (np.empty(4), ValueError, r"out must have shape \(5,\), got \(4,\)"),
        (np.empty(5, dtype=np.float32), TypeError, "out must be a float64 array, got dtype float32"),
        ([0.0] * 5, TypeError, "out must be a float64 array, got list"),
        (read_only, ValueError, "out is read-only"),
    ):
        with pytest.raises(error, match=message):
            black76.price(1, 100.0, strikes, 0.5, 0.6, out=out)
        with pytest.raises(error, match=message):
            black76.implied_vol(1, 30.0, 100.0, strikes, 0.5, out=out)
    with pytest.raises(TypeError, match="out must hold the 9 arrays price, delta, gamma"):
        black76.greeks(1, 100.0, strikes, 0.5, 0.6, out=np.empty((9, 5)))
    wrong = black76.Greeks(*(np.empty(5 if i != 2 else 4) for i in range(9)))
    with pytest.raises(ValueError, match=r"out\.gamma must have shape"):
        black76.greeks(1, 100.0, strikes, 0.5, 0.6, out=wrong)


# ---- threads ------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_no_bit(threads):
    m = market(200_003, seed=6)
    serial, shared = black76.price(**m), black76.price(**m, threads=threads)
    assert np.array_equal(serial, shared)
    out = np.empty(200_003)
    assert black76.price(**m, out=out, threads=threads) is out
    assert np.array_equal(serial, out)
    for a, b in zip(black76.greeks(**m), black76.greeks(**m, threads=threads), strict=True):
        assert np.array_equal(a, b)
    m.pop("vol")
    for a, b in zip(
        black76.implied_vol(price=serial, **m, status=True),
        black76.implied_vol(price=serial, **m, status=True, threads=threads),
        strict=True,
    ):
        assert np.array_equal(a, b, equal_nan=True)
    m.pop("rate")
    quotes = {"price": serial / m["forward"], **m}
    for a, b in zip(chain.analyse(**quotes), chain.analyse(**quotes, threads=threads), strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    low, high = chain.vol_interval(**quotes, tick=1e-4)
    for a, b in zip((low, high), chain.vol_interval(**quotes, tick=1e-4, threads=threads), strict=True):
        assert np.array_equal(a, b, equal_nan=True)


def test_few_options_start_no_thread(monkeypatch):
    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor", None)
    assert black76.price(1, np.full(20_000, 100.0), 110.0, 0.5, 0.6, threads=8).shape == (20_000,)
    assert black76.price(1, 100.0, 110.0, 0.5, 0.6, threads=8) == black76.price(1, 100.0, 110.0, 0.5, 0.6)


def test_bad_threads():
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        black76.price(1, 100.0, 110.0, 0.5, 0.6, threads=0)
    with pytest.raises(ValueError, match="threads must be at least 1, got -1"):
        black76.greeks(1, 100.0, 110.0, 0.5, 0.6, threads=-1)


@pytest.mark.parametrize("values", [[], [3], [5, 1, 5, 1, 9], list(range(50)), [-2, -2, -2]])
def test_distinct_values_are_ascending_and_there_once(values):
    found = _arrays.distinct(np.array(values, np.int64))
    assert found.tolist() == sorted(set(values))
