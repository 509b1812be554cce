from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammacore.array_types import AnySeries, Array, FloatSeries, IntSeries
from gammacore.implied import IVStatus

_Floats = NDArray[np.float64]
_Method = Literal["auto", "newton"]

BLACK76: int
BLACK_SCHOLES: int
INVERSE: int
INVERSE_COIN: int

OK: int
BELOW_INTRINSIC: int
AT_INTRINSIC: int
ABOVE_BOUND: int
NOT_FINITE: int
EXPIRED: int

GREEKS: tuple[str, ...]
LEVELS: tuple[str, ...]

def supported_levels() -> tuple[str, ...]: ...
def use_level(name: str) -> None: ...
def simd_level() -> str: ...
def set_statuses(values: tuple[IVStatus, ...]) -> None: ...
def kinds_valid(kind: NDArray[np.int8]) -> bool: ...
def price_into(
    model: int,
    kind: Any,
    underlying: Any,
    strike: Any,
    tau: Any,
    vol: Any,
    rate: Any,
    dividend: Any,
    out: _Floats,
    first: int,
    end: int,
) -> None: ...
def greeks_fast(
    model: int,
    kind: Any,
    underlying: Any,
    strike: Any,
    tau: Any,
    vol: Any,
    rate: Any,
    dividend: Any,
    slots: tuple[int, ...],
    out: Any,
) -> tuple[Any, ...] | None: ...
def greeks_into(
    model: int,
    kind: Any,
    underlying: Any,
    strike: Any,
    tau: Any,
    vol: Any,
    rate: Any,
    dividend: Any,
    slots: tuple[int, ...],
    out: tuple[_Floats, ...],
    first: int,
    end: int,
) -> None: ...
def implied_into(
    model: int,
    newton: bool,
    kind: Any,
    underlying: Any,
    strike: Any,
    tau: Any,
    price: Any,
    rate: Any,
    dividend: Any,
    out: _Floats,
    status: NDArray[np.int8],
    first: int,
    end: int,
) -> None: ...
def analyse_fast(
    model: int,
    kind: Any,
    underlying: Any,
    strike: Any,
    tau: Any,
    price: Any,
    rate: Any,
    dividend: Any,
    slots: tuple[int, ...],
) -> tuple[_Floats, NDArray[np.int8], tuple[_Floats, ...]] | None: ...
def analyse_into(
    model: int,
    kind: Any,
    underlying: Any,
    strike: Any,
    tau: Any,
    price: Any,
    rate: Any,
    dividend: Any,
    vol: _Floats,
    status: NDArray[np.int8],
    slots: tuple[int, ...],
    out: tuple[_Floats, ...],
    first: int,
    end: int,
) -> None: ...
def vol_interval_into(
    model: int,
    kind: Any,
    underlying: Any,
    strike: Any,
    tau: Any,
    price: Any,
    rate: Any,
    tick: Any,
    low: _Floats,
    high: _Floats,
    first: int,
    end: int,
) -> None: ...
@overload
def black76_price(
    kind: int | str,
    forward: float,
    strike: float,
    tau: float,
    vol: float,
    rate: float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> float: ...
@overload
def black76_price(
    kind: int | str | AnySeries,
    forward: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    rate: AnySeries | float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> FloatSeries: ...
@overload
def black76_price(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    out: _Floats | None = None,
    threads: int = 1,
) -> _Floats: ...
@overload
def black76_implied_vol(
    kind: int | str,
    price: float,
    forward: float,
    strike: float,
    tau: float,
    rate: float = 0.0,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> float: ...
@overload
def black76_implied_vol(
    kind: int | str,
    price: float,
    forward: float,
    strike: float,
    tau: float,
    rate: float = 0.0,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> tuple[float, IVStatus]: ...
@overload
def black76_implied_vol(
    kind: ArrayLike,
    price: AnySeries,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> FloatSeries: ...
@overload
def black76_implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: _Floats | None = None,
    threads: int = 1,
) -> _Floats: ...
@overload
def black76_implied_vol(
    kind: ArrayLike,
    price: AnySeries,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> tuple[FloatSeries, IntSeries]: ...
@overload
def black76_implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: _Floats | None = None,
    threads: int = 1,
) -> tuple[_Floats, NDArray[np.int8]]: ...
@overload
def black_scholes_price(
    kind: int | str,
    spot: float,
    strike: float,
    tau: float,
    vol: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> float: ...
@overload
def black_scholes_price(
    kind: int | str | AnySeries,
    spot: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    rate: AnySeries | float = 0.0,
    dividend: AnySeries | float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> FloatSeries: ...
@overload
def black_scholes_price(
    kind: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    out: _Floats | None = None,
    threads: int = 1,
) -> _Floats: ...
@overload
def black_scholes_implied_vol(
    kind: int | str,
    price: float,
    spot: float,
    strike: float,
    tau: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> float: ...
@overload
def black_scholes_implied_vol(
    kind: int | str,
    price: float,
    spot: float,
    strike: float,
    tau: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> tuple[float, IVStatus]: ...
@overload
def black_scholes_implied_vol(
    kind: ArrayLike,
    price: AnySeries,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> FloatSeries: ...
@overload
def black_scholes_implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: _Floats | None = None,
    threads: int = 1,
) -> _Floats: ...
@overload
def black_scholes_implied_vol(
    kind: ArrayLike,
    price: AnySeries,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> tuple[FloatSeries, IntSeries]: ...
@overload
def black_scholes_implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: _Floats | None = None,
    threads: int = 1,
) -> tuple[_Floats, NDArray[np.int8]]: ...
@overload
def inverse_price(
    kind: int | str,
    forward: float,
    strike: float,
    tau: float,
    vol: float,
    *,
    out: None = None,
    threads: int = 1,
) -> float: ...
@overload
def inverse_price(
    kind: int | str | AnySeries,
    forward: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    *,
    out: None = None,
    threads: int = 1,
) -> FloatSeries: ...
@overload
def inverse_price(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    out: _Floats | None = None,
    threads: int = 1,
) -> _Floats: ...
@overload
def inverse_implied_vol(
    kind: int | str,
    price: float,
    forward: float,
    strike: float,
    tau: float,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> float: ...
@overload
def inverse_implied_vol(
    kind: int | str,
    price: float,
    forward: float,
    strike: float,
    tau: float,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> tuple[float, IVStatus]: ...
@overload
def inverse_implied_vol(
    kind: ArrayLike,
    price: AnySeries,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> FloatSeries: ...
@overload
def inverse_implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    status: Literal[False] = False,
    method: _Method = "auto",
    out: _Floats | None = None,
    threads: int = 1,
) -> _Floats: ...
@overload
def inverse_implied_vol(
    kind: ArrayLike,
    price: AnySeries,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: None = None,
    threads: int = 1,
) -> tuple[FloatSeries, IntSeries]: ...
@overload
def inverse_implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    status: Literal[True],
    method: _Method = "auto",
    out: _Floats | None = None,
    threads: int = 1,
) -> tuple[_Floats, NDArray[np.int8]]: ...
@overload
def black76_sensitivities(
    names: Sequence[str],
    kind: int | str,
    forward: float,
    strike: float,
    tau: float,
    vol: float,
    rate: float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> tuple[float, ...]: ...
@overload
def black76_sensitivities(
    names: Sequence[str],
    kind: int | str | AnySeries,
    forward: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    rate: AnySeries | float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> tuple[FloatSeries, ...]: ...
@overload
def black76_sensitivities(
    names: Sequence[str],
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    out: tuple[_Floats, ...] | None = None,
    threads: int = 1,
) -> tuple[_Floats, ...]: ...
@overload
def black_scholes_sensitivities(
    names: Sequence[str],
    kind: int | str,
    spot: float,
    strike: float,
    tau: float,
    vol: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> tuple[float, ...]: ...
@overload
def black_scholes_sensitivities(
    names: Sequence[str],
    kind: int | str | AnySeries,
    spot: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    rate: AnySeries | float = 0.0,
    dividend: AnySeries | float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> tuple[FloatSeries, ...]: ...
@overload
def black_scholes_sensitivities(
    names: Sequence[str],
    kind: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    out: tuple[_Floats, ...] | None = None,
    threads: int = 1,
) -> tuple[_Floats, ...]: ...
@overload
def inverse_sensitivities(
    names: Sequence[str],
    kind: int | str,
    forward: float,
    strike: float,
    tau: float,
    vol: float,
    *,
    numeraire: Literal["usd", "coin"] = "usd",
    out: None = None,
    threads: int = 1,
) -> tuple[float, ...]: ...
@overload
def inverse_sensitivities(
    names: Sequence[str],
    kind: int | str | AnySeries,
    forward: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    *,
    numeraire: Literal["usd", "coin"] = "usd",
    out: None = None,
    threads: int = 1,
) -> tuple[FloatSeries, ...]: ...
@overload
def inverse_sensitivities(
    names: Sequence[str],
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    numeraire: Literal["usd", "coin"] = "usd",
    out: tuple[_Floats, ...] | None = None,
    threads: int = 1,
) -> tuple[_Floats, ...]: ...
def row_of(
    expiry_ns: NDArray[np.int64],
    strike: _Floats,
    kind: NDArray[np.int8],
    expiry: int,
    at: float,
    sign: int,
) -> int: ...
def spliced(values: Array, places: NDArray[np.int64], added: Array) -> Array: ...
def repeated(values: Array, places: list[int]) -> Array: ...
def longest_step(ts_ns: NDArray[np.int64]) -> tuple[int, int]: ...
def years_to(end_ns: int, ts_ns: NDArray[np.int64]) -> _Floats: ...
def taylor_sums(
    inverse: bool,
    kind: int,
    strike: float,
    forward: _Floats,
    tau: _Floats,
    vol: _Floats | float,
    rate: _Floats,
) -> _Floats: ...
def mark_sums(
    inverse: bool,
    kind: int,
    strike: float,
    forward: _Floats,
    tau: _Floats,
    vol: _Floats | float,
    rate: _Floats,
    at: NDArray[np.int64],
    marks: _Floats,
) -> _Floats: ...
