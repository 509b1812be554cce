import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

def evaluate(raw: _Floats, which: _Ints, k: _Floats) -> _Floats: ...
def check(raw: _Floats) -> tuple[_Floats, _Floats]: ...
def fit(
    k: _Floats,
    sd: _Floats,
    weight: _Floats,
    offsets: _Ints,
    wanted: npt.NDArray[np.bool_],
    raw: _Floats,
    huber: float,
    calendar: bool,
) -> _Floats: ...
