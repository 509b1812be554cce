from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

EVERY: int
OUTSIDE: int
MOVE_USD: int
MOVE_RELATIVE: int
MOVE_LOG: int
TAKER: int
POST_ONLY: int
MAKER: int
HOURS: int
TRADE: np.dtype[Any]

@disjoint_base
class Contract:
    def __init__(
        self,
        inverse: bool,
        perpetual: bool,
        half_spread: Sequence[float],
        taker: tuple[float, bool],
        maker: tuple[float, bool],
        tick: tuple[float, float] | None = None,
        lot: tuple[float, float] | None = None,
        grid_rtol: float = 0.0,
    ) -> None: ...

@disjoint_base
class Working:
    def __init__(
        self,
        tactics: int,
        seed: int,
        patience: float,
        looks: float,
        ends: npt.NDArray[np.int64],
        opens: npt.NDArray[np.float64],
        close: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
        low: npt.NDArray[np.float64],
        variance: npt.NDArray[np.float64],
    ) -> None: ...
    def rests(self, entry: int, ts_ns: int, buys: bool, limit: float, mark: float) -> tuple[bool, float]: ...

@disjoint_base
class Position:
    def __init__(
        self,
        amount: float,
        average: float,
        interest: float,
        cash: Sequence[int],
        last_ns: int,
        last_price: float,
    ) -> None: ...
    @property
    def state(self) -> tuple[float, float, float, int, float]: ...
    @property
    def booked(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]: ...
    @property
    def postings(self) -> int: ...

@disjoint_base
class Rows:
    def __len__(self) -> int: ...
    def array(self) -> npt.NDArray[Any]: ...

@disjoint_base
class Plan:
    def __init__(
        self,
        kind: int,
        below: npt.NDArray[np.float64],
        above: npt.NDArray[np.float64],
        every: int,
        centre: bool,
        target: float,
        own_equity: bool = False,
        rule: Callable[[int, float, int, float], float] | None = None,
    ) -> None: ...
    def next(self, bars: Bars, bar: int, amount: float, last_ns: int, last_price: float) -> int: ...

@disjoint_base
class Bars:
    def __init__(
        self,
        contract: Contract,
        entry: int,
        ts_ns: npt.NDArray[np.int64],
        price: npt.NDArray[np.float64],
        rate: npt.NDArray[np.float64],
        interest: npt.NDArray[np.float64],
        options: npt.NDArray[np.float64],
        value: npt.NDArray[np.float64] | None = None,
    ) -> None: ...

def hedge(position: Position, bars: Bars, plan: Plan, working: Working) -> tuple[Rows, int]: ...

OUTCOME: np.dtype[Any]
FILL: np.dtype[Any]

@disjoint_base
class Fills:
    def array(self, way: int) -> npt.NDArray[Any]: ...

@disjoint_base
class Life:
    def __init__(
        self,
        bars: list[Bars],
        start: tuple[float, float],
        cash: tuple[int, int],
        heir: bool,
        hands_on: bool,
        closed: bool,
        closing: Contract,
        end_ns: int,
        at: int,
        last: tuple[float, float, float],
    ) -> None: ...

@disjoint_base
class Lives:
    def __init__(self, lives: list[Life], working: Working, ranged: bool = False) -> None: ...
    def hedge(self, ways: list[list[Plan]], fills: Fills) -> npt.NDArray[Any]: ...

@disjoint_base
class Courses:
    def __init__(
        self,
        holdings: list[tuple[int, int, int, float, npt.NDArray[np.float64], npt.NDArray[np.float64]]],
        inverse: bool,
        ts_ns: npt.NDArray[np.int64],
        owed: npt.NDArray[np.float64] | None,
        entries: npt.NDArray[np.int64],
    ) -> None: ...
    def course(
        self, outcome: npt.NDArray[Any], fills: Fills, profit: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...

def rest(
    a: npt.NDArray[np.float64],
    b: npt.NDArray[np.float64],
    seconds: npt.NDArray[np.float64],
    variance: npt.NDArray[np.float64],
    reach: npt.NDArray[np.float64],
    patience: float,
    looks: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...
def drawn(seed: int, ts_ns: int, buys: bool) -> float: ...
def held_sums(
    inverse: bool,
    price: npt.NDArray[np.float64],
    forward: npt.NDArray[np.float64],
    interest: npt.NDArray[np.float64] | None,
    rate: npt.NDArray[np.float64],
    points: npt.NDArray[np.int64],
    amount: npt.NDArray[np.float64],
    excess: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]: ...
def cost_sums(
    inverse: bool,
    rate: npt.NDArray[np.float64],
    points: npt.NDArray[np.int64],
    amount: npt.NDArray[np.float64],
    price: npt.NDArray[np.float64],
    mark: npt.NDArray[np.float64],
    fee: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]: ...
def add_worth(
    native: npt.NDArray[np.float64],
    other: npt.NDArray[np.float64],
    options: npt.NDArray[np.float64],
    unit: npt.NDArray[np.float64],
    rate: npt.NDArray[np.float64],
    points: npt.NDArray[np.int64],
    amount: npt.NDArray[np.float64],
    paid: npt.NDArray[np.float64],
    since: npt.NDArray[np.int64],
    put_in: npt.NDArray[np.float64],
    owed: npt.NDArray[np.float64],
) -> None: ...
def deepest_fall(curve: npt.NDArray[np.float64]) -> float: ...
