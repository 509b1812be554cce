from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from gammacore.array_types import Floats, Ints

NEVER: int
INTERVAL: int
BAND: int
MOVE_USD: int
MOVE_RELATIVE: int
MOVE_SIGMA: int
WHALLEY_WILMOTT: int
ZAKAMOULINE: int
FIXED_COST: int
GBM: int
HESTON: int
MERTON: int
GARCH: int
BOOTSTRAP: int
GIVEN: int
DELTA_BLACK: int
DELTA_COIN: int
DELTA_USD: int
MAX_JUMPS: int
BLOCK: int
COLUMNS: tuple[str, ...]

@disjoint_base
class Engine:
    def __new__(
        cls,
        *,
        grid: tuple[int, float, float, int],
        model: Mapping[str, Any],
        book: Sequence[tuple[float, ...]],
        policy: Mapping[str, float],
        accounts: tuple[float, ...],
        costs: tuple[float, float, float, float],
        seed: int,
    ) -> Self: ...
    def run(self, level: int, first: int, end: int, columns: Mapping[str, Floats]) -> None: ...
    def prices(self, level: int, first: int, end: int, out: Floats) -> None: ...

def fan(
    level: int,
    moves: npt.NDArray[np.float32],
    pace: npt.NDArray[np.float32],
    time: Floats,
    vols: Floats,
    look: float,
    legs: Sequence[Sequence[tuple[float, ...]]],
    policy: Mapping[str, float],
    out: npt.NDArray[np.float32],
) -> None: ...
def chances(
    level: int,
    samples: npt.NDArray[np.float32],
    rows: Ints,
    share: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float32],
    scales: npt.NDArray[np.float32],
    means: npt.NDArray[np.float32],
    ramps: npt.NDArray[np.float32],
    out: Floats,
) -> None: ...
def philox(counter: Sequence[int], key: Sequence[int]) -> tuple[int, int, int, int]: ...
def normal_pair(d: float) -> tuple[float, float]: ...
def normals(radius_bits: int, angle_bits: int) -> tuple[float, float]: ...
