"""What a type checker says of a result is what it is: numbers for numbers, Series for Series, else arrays.

mypy reads this file in the checks; here each result has the class that it was promised.
"""

from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gammacore import IVStatus, black76, black_scholes, chain, inverse, settlement

if TYPE_CHECKING:
    Series = pd.Series[float]
    Codes = pd.Series[int]

STRIKES = pd.Series([58e3, 60e3, 63e3], ["c", "a", "b"])
ARRAY = STRIKES.to_numpy(np.float64)
TAU = 7 / 365


def test_numbers() -> None:
    number = assert_type(black76.price("call", 60e3, 60e3, TAU, 0.6), float)
    assert isinstance(number, float)
    assert isinstance(assert_type(black_scholes.price(1, 60e3, 60e3, TAU, 0.6), float), float)
    assert isinstance(assert_type(inverse.greeks(1, 60e3, 60e3, TAU, 0.6).net_delta, float), float)
    vol, status = assert_type(
        black76.implied_vol("call", number, 60e3, 60e3, TAU, status=True), tuple[float, IVStatus]
    )
    assert isinstance(vol, float)
    assert isinstance(status, IVStatus)


def test_arrays() -> None:
    found = [
        assert_type(black76.price("call", 60e3, ARRAY, TAU, 0.6), NDArray[np.float64]),
        assert_type(inverse.price("put", 60e3, ARRAY, TAU, 0.6), NDArray[np.float64]),
        assert_type(black_scholes.greeks(1, 60e3, ARRAY, TAU, 0.6).vega, NDArray[np.float64]),
        assert_type(chain.analyse(1, [0.03, 0.02, 0.01], 60e3, ARRAY, TAU).status, NDArray[np.int8]),
        assert_type(settlement.greeks(1, 60e3, ARRAY, TAU, 0.6).gamma, NDArray[np.float64]),
    ]
    assert [type(one) for one in found] == [np.ndarray] * len(found)


def test_series() -> None:
    usd = assert_type(black76.price("call", 60e3, STRIKES, TAU, 0.6), "Series")
    coin = assert_type(inverse.price("call", 60e3, STRIKES, TAU, 0.6), "Series")
    vol, status = assert_type(
        inverse.implied_vol(1, coin, 60e3, STRIKES, TAU, status=True),
        "tuple[Series, Codes]",
    )
    low, high = assert_type(chain.vol_interval(1, coin, 60e3, STRIKES, TAU, 1e-4), "tuple[Series, Series]")
    analysed = chain.analyse(np.ones(3), coin, [60e3] * 3, ARRAY, TAU)  # arrays beside a Series of prices
    found: list[Any] = [
        vol,
        status,
        low,
        high,
        assert_type(black76.implied_vol("call", usd, 60e3, STRIKES, TAU), "Series"),
        assert_type(black_scholes.price(1, STRIKES, 60e3, TAU, 0.6), "Series"),
        assert_type(black76.greeks(1, 60e3, STRIKES, TAU, 0.6).delta, "Series"),
        *assert_type(black76.sensitivities(["gamma"], 1, 60e3, STRIKES, TAU, 0.6), "tuple[Series, ...]"),
        assert_type(analysed.net_delta, "Series"),
        assert_type(analysed.status, "Codes"),
        assert_type(settlement.greeks(np.ones(3), 60e3, STRIKES, TAU, 0.6).price, "Series"),
    ]
    assert [type(one) for one in found] == [pd.Series] * len(found)
    assert all(one.index.equals(STRIKES.index) for one in found)
