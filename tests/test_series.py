"""pandas in, pandas out: an index is kept, Series are aligned by label, those that cannot be are refused."""

import numpy as np
import pandas as pd
import pytest

from gammacore import IVStatus, black76, black_scholes, chain, inverse, settlement
from gammacore.volatility import (
    confidence_set,
    diebold_mariano,
    mincer_zarnowitz,
    qlike,
    quoted_points,
    realised_variance,
    realised_vol,
    score_table,
)

INDEX = pd.Index(["c", "a", "b"], name="option")
KIND = np.array([1, -1, 1], dtype=np.int8)
STRIKE = np.array([58e3, 60e3, 63e3])
TAU = np.array([7, 14, 30]) / 365
VOL = np.array([0.6, 0.55, 0.5])
COIN = inverse.price(KIND, 60e3, STRIKE, TAU, VOL)
USD = black76.price(KIND, 60e3, STRIKE, TAU, VOL)
CALLS = {
    "black76.price": (black76.price, (KIND, 60e3, STRIKE, TAU, VOL)),
    "black76.greeks": (black76.greeks, (KIND, 60e3, STRIKE, TAU, VOL)),
    "black76.implied_vol": (black76.implied_vol, (KIND, USD, 60e3, STRIKE, TAU)),
    "black76.sensitivities": (
        lambda *given: black76.sensitivities(("gamma", "color"), *given),
        (KIND, 60e3, STRIKE, TAU, VOL),
    ),
    "black_scholes.price": (black_scholes.price, (KIND, 60e3, STRIKE, TAU, VOL, 0.01, 0.02)),
    "black_scholes.greeks": (black_scholes.greeks, (KIND, 60e3, STRIKE, TAU, VOL, 0.01, 0.02)),
    "inverse.price": (inverse.price, (KIND, 60e3, STRIKE, TAU, VOL)),
    "inverse.greeks": (inverse.greeks, (KIND, 60e3, STRIKE, TAU, VOL)),
    "inverse.implied_vol": (inverse.implied_vol, (KIND, COIN, 60e3, STRIKE, TAU)),
    "chain.analyse": (chain.analyse, (KIND, COIN, 60e3, STRIKE, TAU)),
    "chain.vol_interval": (chain.vol_interval, (KIND, COIN, 60e3, STRIKE, TAU, 1e-4)),
    "settlement.greeks": (settlement.greeks, (KIND, 60e3, STRIKE, TAU, VOL)),
}


def arrays(found):
    return found if isinstance(found, tuple) else (found,)


def series(values, index=INDEX):
    return pd.Series(values, index)


@pytest.fixture(params=CALLS)
def call(request):
    return CALLS[request.param]


def check(found, plain):
    assert type(found) is type(plain) or isinstance(found, pd.Series)
    for ours, one in zip(arrays(found), arrays(plain), strict=True):
        pd.testing.assert_series_equal(ours, series(one))


def test_the_index_is_kept(call):
    function, given = call
    columns = [series(one) if isinstance(one, np.ndarray) else one for one in given]
    check(function(*columns), function(*given))


def test_one_series_among_arrays_gives_its_index(call):
    function, given = call
    check(function(*[series(one) if one is STRIKE else one for one in given]), function(*given))


def test_labels_in_another_order_are_aligned(call):
    function, given = call
    first, *others = [series(one) if isinstance(one, np.ndarray) else one for one in given]
    others = [one.sort_index() if isinstance(one, pd.Series) else one for one in others]
    check(function(first, *others), function(*given))


@pytest.mark.parametrize(
    ("index", "told"),
    [
        (["c", "a", "x"], "'b' is in one of them only|'x' is in one of them only"),
        (["c", "a"], "'b' is in one of them only"),
        (["c", "a", "a"], "'b' is in one of them only"),
    ],
)
def test_other_labels_are_refused(call, index, told):
    function, given = call
    columns = [series(one) if isinstance(one, np.ndarray) else one for one in given]
    at = next(i for i, one in enumerate(given) if one is TAU)
    columns[at] = pd.Series(TAU[: len(index)], index)
    with pytest.raises(ValueError, match=rf"tau: its index does not have the labels of kind: ({told})"):
        function(*columns)


def test_labels_that_come_twice_go_together_only_in_the_same_order():
    twice = pd.Index(["a", "a", "b"])
    found = black76.price(1, 60e3, series(STRIKE, twice), series(TAU, twice), 0.6)
    assert list(found.index) == ["a", "a", "b"]
    with pytest.raises(ValueError, match=r"tau: .* labels come twice"):
        black76.price(1, 60e3, series(STRIKE, twice), series(TAU, twice[::-1]), 0.6)


def test_arrays_of_another_length_and_frames_are_refused():
    with pytest.raises(ValueError, match="shapes do not broadcast"):
        black76.price(1, 60e3, series(STRIKE), TAU[:2], 0.6)
    with pytest.raises(ValueError, match=r"of its length, 3, not \(2, 3\)"):
        black76.price(1, 60e3, series(STRIKE), np.ones((2, 3)), 0.6)
    with pytest.raises(ValueError, match=r"of its length, 1, not \(3,\)"):
        black76.price(1, 60e3, series([6e4], ["a"]), TAU, 0.6)
    with pytest.raises(TypeError, match=r"strike: expected a number, an array or a Series, got a DataFrame"):
        black76.price(1, 60e3, pd.DataFrame({"strike": STRIKE}), 0.1, 0.6)


def test_nullable_columns_have_nan_where_a_value_is_missing():
    strike = pd.Series([58_000, None, 63_000], INDEX, dtype="Int64")
    vol = pd.Series([0.6, 0.55, None], INDEX, dtype="Float64")
    kind = pd.Series(["call", "put", "call"], INDEX, dtype="string")
    found = black76.price(kind, 60e3, strike, TAU, vol)
    assert found.isna().tolist() == [False, True, True]
    assert found["c"] == USD[0]
    with pytest.raises(ValueError, match="kind must be"):
        black76.price(kind.where(kind != "put"), 60e3, strike, TAU, vol)
    with pytest.raises(TypeError, match="strike must be a real number"):
        black76.price(1, 60e3, series(["a", "b", "c"]), TAU, 0.6)


def test_a_status_is_a_series_too_and_out_stays_an_array():
    vol, status = inverse.implied_vol("call", series([0.05, 0.0, 2.0]), 60e3, 60e3, 0.1, status=True)
    assert [IVStatus(code).name for code in status] == ["OK", "AT_INTRINSIC", "ABOVE_BOUND"]
    assert vol.index.equals(INDEX)
    assert status.index.equals(INDEX)
    out = np.empty(3)
    assert black76.price(1, 60e3, series(STRIKE), TAU, VOL, out=out) is out
    np.testing.assert_array_equal(out, black76.price(1, 60e3, STRIKE, TAU, VOL))


# ---- columns of other functions that belong together ---------------------------------

HOURS = pd.date_range("2026-01-01", periods=200, freq="1h", tz="UTC")
PRICES = 60e3 * np.exp(np.cumsum(0.005 * np.random.default_rng(1).standard_normal(200)))


@pytest.mark.parametrize("function", [realised_vol, lambda *path: realised_variance(*path).vol])
def test_prices_are_put_beside_their_times(function):
    labels = np.random.default_rng(2).permutation(200)
    times, prices = pd.Series(HOURS, labels), pd.Series(PRICES, labels)
    assert function(times, prices.sort_index()) == function(HOURS, PRICES)
    with pytest.raises(ValueError, match="price: its index does not have the labels of ts_ns"):
        function(times, prices.rename(index={0: 999}))


def test_forecasts_are_put_beside_what_came():
    rng = np.random.default_rng(3)
    days = pd.date_range("2026-01-01", periods=80, tz="UTC")
    came = pd.Series(np.exp(rng.standard_normal(80)), days)
    first, second = (came * np.exp(0.3 * rng.standard_normal(80)) for _ in range(2))
    loss, other = qlike(came, first), qlike(came, second)
    pd.testing.assert_series_equal(loss, pd.Series(qlike(came.to_numpy(), first.to_numpy()), days))
    pd.testing.assert_series_equal(qlike(came, first[::-1]), loss)
    assert diebold_mariano(loss, other[::-1]) == diebold_mariano(loss.to_numpy(), other.to_numpy())
    assert mincer_zarnowitz(came, first[::-1]) == mincer_zarnowitz(came.to_numpy(), first.to_numpy())
    losses = {"first": loss.to_numpy(), "second": other.to_numpy()}
    assert confidence_set({"first": loss, "second": other[::-1]}) == confidence_set(losses)
    plain = {"first": first.to_numpy(), "second": second.to_numpy()}
    table = score_table(came, {"first": first, "second": second[::-1]}, 1, "first")
    assert repr(table) == repr(score_table(came.to_numpy(), plain, 1, "first"))  # one is NaN
    with pytest.raises(ValueError, match="forecast: its index does not have the labels of realised"):
        qlike(came, first.shift(1, freq="D"))
    with pytest.raises(
        ValueError, match=r"forecasts\['late'\]: its index does not have the labels of realised"
    ):
        score_table(came, {"late": first.shift(1, freq="D")}, 1, "late")


def test_the_columns_of_a_chain_are_put_beside_each_other():
    expiry = pd.Series(pd.to_datetime(["2026-01-08T08:00Z", "2026-01-15T08:00Z", "2026-01-31T08:00Z"]), INDEX)
    at = pd.Timestamp("2026-01-01T08:00Z").value
    plain = quoted_points(at, expiry.to_numpy(), STRIKE, KIND, np.full(3, 60e3), mark=COIN)
    mixed = quoted_points(
        at,
        expiry,
        series(STRIKE).sort_index(),
        series(KIND),
        series(np.full(3, 60e3)),
        mark=series(COIN)[::-1],
    )
    np.testing.assert_array_equal(mixed.vol, plain.vol)
    with pytest.raises(ValueError, match="mark: its index does not have the labels of expiry_ns"):
        quoted_points(at, expiry, STRIKE, KIND, 60e3, mark=pd.Series(COIN))
