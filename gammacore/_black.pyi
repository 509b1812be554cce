from typing import Any

import numpy as np
from numpy.typing import NDArray

BLACK76: int
BLACK_SCHOLES: int
INVERSE: int

def price_one(
    model: int, kind: Any, underlying: Any, strike: Any, tau: Any, vol: Any, rate: Any, dividend: Any
) -> float | None: ...
def greeks_one(
    model: int, kind: Any, underlying: Any, strike: Any, tau: Any, vol: Any, rate: Any, dividend: Any
) -> tuple[float, ...] | None: ...
def price_array(
    model: int,
    kind: NDArray[np.int8],
    underlying: NDArray[np.float64],
    strike: NDArray[np.float64],
    tau: NDArray[np.float64],
    vol: NDArray[np.float64],
    rate: NDArray[np.float64],
    dividend: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def greeks_array(
    model: int,
    kind: NDArray[np.int8],
    underlying: NDArray[np.float64],
    strike: NDArray[np.float64],
    tau: NDArray[np.float64],
    vol: NDArray[np.float64],
    rate: NDArray[np.float64],
    dividend: NDArray[np.float64],
    out: tuple[NDArray[np.float64], ...],
) -> None: ...
