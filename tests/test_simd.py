"""Instruction sets: the choice of one, and that the choice changes no bit of any result."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import gammacore
from gammacore import _core, black76, black_scholes, inverse
from support.reference import mp_black

LEVELS = _core.supported_levels()
MODELS = {"black76": _core.BLACK76, "black_scholes": _core.BLACK_SCHOLES} | {
    "inverse": _core.INVERSE,
    "inverse_coin": _core.INVERSE_COIN,
}


@pytest.fixture(autouse=True)
def _restore():
    before = gammacore.simd_level()
    yield
    _core.use_level(before)


def at_every_level(function):
    """Results by level; a result is a list of arrays."""
    found = {}
    for level in LEVELS:
        _core.use_level(level)
        assert gammacore.simd_level() == level
        found[level] = function()
    return found


def assert_same_bits(found):
    first = found["baseline"]
    for level, arrays in found.items():
        for i, (a, b) in enumerate(zip(arrays, first, strict=True)):
            assert np.array_equal(a, b, equal_nan=True), (level, i)


def everything(columns):
    """All results of all kernels on columns kind, underlying, strike, tau, vol, rate, dividend."""
    kind, underlying, strike, tau, _, rate, dividend = columns
    n = len(kind)
    found = []
    for model in MODELS.values():
        slots = tuple(range(len(_core.GREEKS) if model >= _core.INVERSE else len(_core.GREEKS) - 1))
        found += _core.greeks_fast(model, *columns, slots, None)
        price, out, codes = np.empty(n), np.empty(n), np.empty(n, dtype=np.int8)
        _core.price_into(model, *columns, price, 0, n)
        found.append(price)
        for newton in (False, True):
            quotes = (kind, underlying, strike, tau, price, rate, dividend)
            _core.implied_into(model, newton, *quotes, out, codes, 0, n)
            found += [out.copy(), codes.copy()]
        vols, rows = np.empty(n), tuple(np.empty(n) for _ in slots)
        _core.analyse_into(model, *quotes, vols, codes, slots, rows, 0, n)
        found += [vols, codes, *rows]
        low, high = np.empty(n), np.empty(n)
        _core.vol_interval_into(model, *quotes[:-1], 0.01 * price, low, high, 0, n)
        found += [low, high]
    return found


def columns_of(cases, seed):
    rng = np.random.default_rng(seed)
    kind, forward, strike, s = (np.array(column) for column in zip(*cases, strict=True))
    tau = np.exp(rng.uniform(-6, 1, len(kind)))
    rates = rng.uniform(-0.05, 0.1, (2, len(kind)))
    return kind.astype(np.int8), forward, strike, tau, s / np.sqrt(tau), rates[0], rates[1]


def test_every_level_gives_the_same_bits():
    # The accuracy tests, run at one level, therefore speak for all.
    cases = mp_black.hard_grid() + mp_black.random_cases(5000, seed=21)
    columns = columns_of(cases, seed=22)
    with np.errstate(all="ignore"):
        assert_same_bits(at_every_level(lambda: everything(columns)))


BAD = [np.nan, np.inf, -np.inf, -1.0, -0.0, 0.0, 5e-324, 1e-310, 1e300, -1e300, 1e-300]
N = 137  # one whole block and a ragged one


@given(
    st.lists(
        st.tuples(st.integers(0, N - 1), st.integers(1, 6), st.sampled_from(BAD)), min_size=1, max_size=40
    ),
    st.integers(0, 2**20),
)
@example([(i, 4, BAD[i % len(BAD)]) for i in range(0, N, 3)], 1)
def test_bad_input_never_changes_a_neighbour(spoilt, seed):
    columns = columns_of(mp_black.random_cases(N, seed), seed)
    dirty = tuple(column.copy() for column in columns)
    for lane, column, value in spoilt:
        dirty[column][lane] = value
    keep = np.setdiff1d(np.arange(N), [lane for lane, _, _ in spoilt])
    for level in LEVELS:
        _core.use_level(level)
        for a, b in zip(everything(columns), everything(dirty), strict=True):
            assert np.array_equal(a[keep], b[keep], equal_nan=True), level


@given(st.lists(st.tuples(st.integers(0, N - 1), st.sampled_from([-1.0, 2.0])), min_size=1, max_size=40))
def test_a_quote_outside_its_bounds_never_changes_a_neighbour(spoilt):
    # Below intrinsic value and above the bound.
    kind, forward, strike, tau, vol, rate, _ = columns_of(mp_black.random_cases(N, 3), 3)
    quotes = black76.price(kind, forward, strike, tau, vol, rate)
    dirty = quotes.copy()
    for lane, side in spoilt:
        dirty[lane] = side * max(forward[lane], strike[lane])
    keep = np.setdiff1d(np.arange(N), [lane for lane, _ in spoilt])
    for level in LEVELS:
        _core.use_level(level)
        clean = black76.implied_vol(kind, quotes, forward, strike, tau, rate, status=True)
        spoilt_ = black76.implied_vol(kind, dirty, forward, strike, tau, rate, status=True)
        for a, b in zip(clean, spoilt_, strict=True):
            assert np.array_equal(a[keep], b[keep], equal_nan=True)
        assert np.isnan(spoilt_[0][[lane for lane, _ in spoilt]]).all()


@pytest.mark.parametrize("module", [black76, black_scholes, inverse])
def test_scalars_agree_with_arrays_at_every_level(module):
    columns = columns_of(mp_black.random_cases(150, seed=4), seed=4)
    columns = columns[: {black76: 6, black_scholes: 7, inverse: 5}[module]]
    for level in LEVELS:
        _core.use_level(level)
        prices = module.price(*columns)
        quotes = (columns[0], prices, *columns[1:4], *columns[5:])
        vols = module.implied_vol(*quotes)
        for i, price in enumerate(prices):
            assert module.price(*(column[i].item() for column in columns)) == price
            vol = module.implied_vol(*(column[i].item() for column in quotes))
            assert vol == vols[i] or np.isnan([vol, vols[i]]).all()
            assert module.price(*(column[i : i + 1] for column in columns)).tolist() == [price]
            of_one = module.implied_vol(*(column[i : i + 1] for column in quotes))
            assert np.array_equal(of_one, vols[i : i + 1], equal_nan=True)


def test_unknown_level():
    with pytest.raises(ValueError, match="unknown SIMD level 'sse9': use one of baseline, avx2, avx512"):
        _core.use_level("sse9")


def import_with(level):
    environment = os.environ | {"GAMMACORE_SIMD": level}
    code = "import gammacore; print(gammacore.simd_level())"
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_the_environment_forces_a_level():
    assert import_with("baseline").stdout.strip() == "baseline"
    assert import_with("").stdout.strip() == LEVELS[-1]
    refused = import_with("mmx")
    assert refused.returncode != 0
    assert "ImportError: GAMMACORE_SIMD: unknown SIMD level 'mmx'" in refused.stderr
