from typing import Any

import numpy as np
from numpy.typing import NDArray

OK: int
BELOW_INTRINSIC: int
AT_INTRINSIC: int
ABOVE_BOUND: int
NOT_FINITE: int
EXPIRED: int

def implied_vol_one(
    model: int, kind: Any, price: Any, underlying: Any, strike: Any, tau: Any, rate: Any, dividend: Any
) -> tuple[float, int] | None: ...
def implied_vol_array(
    model: int,
    kind: NDArray[np.int8],
    price: NDArray[np.float64],
    underlying: NDArray[np.float64],
    strike: NDArray[np.float64],
    tau: NDArray[np.float64],
    rate: NDArray[np.float64],
    dividend: NDArray[np.float64],
    out: NDArray[np.float64],
    status: NDArray[np.int8] | None,
) -> None: ...
