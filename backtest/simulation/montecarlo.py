"""Simulated hedging: the profit and loss of a hedged book on many paths.

``simulate`` runs an :class:`~gammacore.backtest.simulation.experiment.Experiment` in the compiled core, some
10^8 steps of paths a second. Randomness is a function of (seed, path, step), so that a path is the
same whatever the number of paths, threads or the processor, and experiments with one seed see
common random numbers. Only the columns asked for are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np

from gammacore import _core, _hedging
from gammacore.array_types import Floats
from gammacore.errors import ConfigError

from .experiment import Experiment, engine_of
from .models import GivenPaths
from .option_book import Costs, OptionLeg, straddle, strangle

__all__ = [
    "LINES",
    "Costs",
    "Experiment",
    "OptionLeg",
    "Simulation",
    "price_paths",
    "simulate",
    "straddle",
    "strangle",
]

COLUMNS = _hedging.COLUMNS
ALWAYS = ("pnl", "trades", "turnover")
LINES = ("delta", "gamma", "theta", "vega", "higher_order", "hedge", "fees", "spread", "funding")
"""Lines that the profit is the sum of: fees and spread are paid, so they count negative."""

BLOCK = 128  # paths that the core works on at a time
CHUNK_STEPS = 10_000_000  # of paths between two looks at the clock: some 0.1 s
MAX_PATHS = 2**40
Progress = Callable[[int, int], None]
Chunk = tuple[int, int]  # first path, end


class Simulation(msgspec.Struct, frozen=True, eq=False):
    """Result of an experiment, one number a path in each column.

    Attributes
    ----------
    experiment : Experiment
    seed : int
    columns : dict of str to array of float64, shape (paths,)
        By name: ``pnl``, ``trades``, ``turnover`` and those asked for.
    interrupted : bool
        Whether paths are missing because the run was stopped.
    """

    experiment: Experiment
    seed: int
    columns: dict[str, Floats]

    def __getitem__(self, name: str) -> Floats:
        """Column by name."""
        if name not in self.columns:
            raise KeyError(f"{name}: not simulated; ask for it with columns=")
        return self.columns[name]

    def __len__(self) -> int:
        """Return the number of paths."""
        return len(self.columns["pnl"])

    def mean(self, name: str = "pnl") -> float:
        """Mean of a column."""
        return float(np.mean(self[name]))

    def sd(self, name: str = "pnl") -> float:
        """Return the standard deviation of a column."""
        return float(np.std(self[name], ddof=1)) if len(self) > 1 else 0.0

    def standard_error(self, name: str = "pnl") -> float:
        """Return the standard error of the mean of a column."""
        return self.sd(name) / float(np.sqrt(len(self)))

    def quantiles(self, at: Sequence[float], name: str = "pnl") -> Floats:
        """Quantiles of a column."""
        return np.asarray(np.quantile(self[name], at), dtype=np.float64)

    def expected_shortfall(self, level: float = 0.05, name: str = "pnl") -> float:
        """Mean of the lowest share ``level`` of a column.

        Raises
        ------
        ConfigError
            If ``level`` is not between 0 and 1.
        """
        if not 0.0 < level <= 1.0:
            raise ConfigError(f"level: expected a share above 0 and at most 1, got {level!r}")
        count = max(round(level * len(self)), 1)
        return float(np.mean(np.partition(self[name], count - 1)[:count]))

    def heaviest(self, name: str = "pnl") -> float:
        """Largest share that one path has in the sum of squared deviations of a column.

        Left out, the path changes the deviation by half of its share, and the mean by the share's root times
        the standard error.
        """
        squares = (self[name] - self.mean(name)) ** 2
        total = float(squares.sum())
        return float(squares.max()) / total if total > 0 else 0.0

    @property
    def cost(self) -> Floats:
        """Fees and spread paid, settlement currency."""
        return self["fees"] + self["spread"]


def simulate(
    experiment: Experiment,
    *,
    paths: int | None = None,
    seed: int = 0,
    columns: Sequence[str] = (),
    threads: int = 1,
    progress: Progress | None = None,
) -> Simulation:
    """Hedge a book of options along simulated paths.

    Parameters
    ----------
    experiment : Experiment
    paths : int, optional
        10,000 unless the paths are given, then all of them.
    seed : int
        0 to 2^64 - 1.
    columns : sequence of str
        Columns to keep beyond ``pnl``, ``trades`` and ``turnover``; see ``docs/simulator.md``.
        ``delta``, ``gamma``, ``theta``, ``higher_order`` and ``mean_square_mismatch`` cost time.
    threads : int
        Results do not depend on it.
    progress : callable(done, total), optional
        Called between chunks of paths.

    Returns
    -------
    Simulation

    Raises
    ------
    ConfigError
        Naming the argument that is wrong, before anything runs.
    """
    total = _number_of_paths(experiment, paths)
    if not (isinstance(threads, int) and threads >= 1):
        raise ConfigError(f"threads: expected at least 1, got {threads!r}")
    names = dict.fromkeys((*ALWAYS, *columns))
    for name in names:
        if name not in COLUMNS:
            raise ConfigError(f"columns: expected some of {', '.join(COLUMNS)}, got {name!r}")
    engine = engine_of(experiment, seed)
    found = {name: np.empty(total) for name in names}

    level = _level()

    def run(first: int, end: int) -> None:
        engine.run(level, first, end, {name: column[first:end] for name, column in found.items()})

    chunks = _chunks(total, experiment.steps, threads)
    _run_chunks(run, chunks, threads, progress)
    return Simulation(experiment, seed, found)


def price_paths(experiment: Experiment, *, paths: int = 100, seed: int = 0) -> Floats:
    """Prices that :func:`simulate` hedges along.

    Parameters
    ----------
    experiment : Experiment
    paths : int
    seed : int

    Returns
    -------
    array of float64, shape (paths, steps + 1)
        USD, the forward first.
    """
    total = _number_of_paths(experiment, paths)
    out = np.empty((total, experiment.steps + 1))
    engine_of(experiment, seed).prices(_level(), 0, total, out)
    return out


def _level() -> int:
    """Instruction set in use, as the core counts them."""
    return _core.LEVELS.index(_core.simd_level())


def _number_of_paths(experiment: Experiment, paths: int | None) -> int:
    given = experiment.model.prices.shape[0] if isinstance(experiment.model, GivenPaths) else None
    if paths is None:
        return 10_000 if given is None else given
    if not (isinstance(paths, int) and 1 <= paths <= MAX_PATHS):
        raise ConfigError(f"paths: expected a whole number of at least 1, got {paths!r}")
    if given is not None and paths > given:
        raise ConfigError(f"paths: expected at most the {given} given, got {paths!r}")
    return paths


def _chunks(total: int, steps: int, threads: int) -> list[tuple[int, int]]:
    """Ranges of paths, whole blocks: short enough to be stopped, and enough for all threads."""
    size = min(CHUNK_STEPS // steps, -(-total // threads))
    size = max(-(-size // BLOCK) * BLOCK, BLOCK)
    return [(first, min(first + size, total)) for first in range(0, total, size)]


def _run_chunks(
    run: Callable[[int, int], None], chunks: Sequence[Chunk], threads: int, progress: Progress | None
) -> None:
    """Run all chunks; an interruption gives up the rest."""
    total, finished = chunks[-1][1], 0
    runner = _in_turn(run, chunks) if threads == 1 else _in_threads(run, chunks, threads)
    try:
        for chunk in runner:
            finished += chunk[1] - chunk[0]
            if progress is not None:
                progress(finished, total)
    finally:
        runner.close()


def _in_turn(run: Callable[[int, int], None], chunks: Sequence[Chunk]) -> Generator[Chunk, None, None]:
    for chunk in chunks:
        run(*chunk)
        yield chunk


def _in_threads(
    run: Callable[[int, int], None], chunks: Sequence[Chunk], threads: int
) -> Generator[Chunk, None, None]:
    """Chunks in order as they are finished; on the way out, what has not begun is dropped."""
    stop = threading.Event()

    def guarded(chunk: Chunk) -> None:
        if not stop.is_set():
            run(*chunk)

    with ThreadPoolExecutor(threads) as pool:
        waiting: list[tuple[Chunk, Future[None]]] = [(chunk, pool.submit(guarded, chunk)) for chunk in chunks]
        try:
            for chunk, future in waiting:
                future.result()
                yield chunk
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
