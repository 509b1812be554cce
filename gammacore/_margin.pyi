import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

PARTS: int

def vectors(
    level: int, rates: _Floats, table: _Floats, inverse: bool, lines: _Floats
) -> tuple[_Floats, _Floats, _Floats]: ...
def books(
    rates: _Floats,
    table: _Floats,
    inverse: bool,
    index: float,
    lines: _Floats,
    groups: _Ints,
    sizes: _Floats,
    vector: _Floats,
    delta: _Floats,
    roll: _Floats,
) -> _Floats: ...
def ragged(
    level: int,
    rates: _Floats,
    table: _Floats,
    inverse: bool,
    index: _Floats,
    offsets: _Ints,
    lines: _Floats,
    groups: _Ints,
    sizes: _Floats,
) -> _Floats: ...
def without(
    rates: _Floats,
    table: _Floats,
    inverse: bool,
    index: float,
    lines: _Floats,
    groups: _Ints,
    sizes: _Floats,
    vector: _Floats,
    delta: _Floats,
    roll: _Floats,
) -> _Floats: ...
