"""Names of the array types that annotations use."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    AnySeries = pd.Series[Any]
    IntSeries = pd.Series[int]
    FloatSeries = pd.Series[float]

__all__ = ["Array", "Bools", "Floats", "Ints"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
