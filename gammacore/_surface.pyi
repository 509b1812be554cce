import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

def evaluate(raw: Floats, which: Ints, k: Floats) -> Floats: ...
def check(raw: Floats) -> tuple[Floats, Floats]: ...
def fit(
    k: Floats,
    sd: Floats,
    weight: Floats,
    offsets: Ints,
    wanted: npt.NDArray[np.bool_],
    raw: Floats,
    huber: float,
    calendar: bool,
) -> Floats: ...
