"""Who runs the cells of a sweep: this process, a pool of processes, or a Dask cluster.

A cell that raises fails alone. A worker that dies takes nothing with it but the cell it ran:

- ``loky`` cannot say which cell that was. All that were on their way are run again, one at a
  time, and one that takes its worker with it three times is given up.
- ``dask`` runs the cell elsewhere, as often as the cluster allows (``allowed-failures``).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import groupby
from typing import TYPE_CHECKING, Any

from gammacore.errors import ConfigError, DataError, GammacoreError
from gammacore.own_code.trust import VARIABLE

from .cell_runs import run_cell, run_together
from .grid import Cell

if TYPE_CHECKING:
    from joblib import Parallel

BACKENDS = ("loky", "dask", "serial")
ATTEMPTS = 3
TOGETHER = 64  # cells of a thread: enough for their bars to be at hand, few enough for progress to show
MOST_TOGETHER = 256  # of all threads, whose trades are in memory at once
CONNECT_S = 30
CellFunction = Callable[[Cell], dict[str, Any]]


class Failed(str):
    """Why a cell has no result."""

    __slots__ = ()


Outcome = tuple[Cell, dict[str, Any] | Failed]
Job = list[Cell]


def check_backend(backend: str, address: str | None) -> None:
    """Refuse a backend that is unknown, not installed or has no address.

    Raises
    ------
    ConfigError
    """
    if backend not in BACKENDS:
        raise ConfigError(f"--backend: expected one of {', '.join(BACKENDS)}, got {backend!r}")
    if backend == "dask":
        if address is None:
            raise ConfigError("--address: needed with --backend dask, such as tcp://127.0.0.1:8786")
        if find_spec("distributed") is None:
            raise ConfigError("--backend dask: not installed; pip install 'gammacore[dask]'")


def run_cells(
    cells: Sequence[Cell],
    function: CellFunction,
    backend: str = "loky",
    workers: int = 2,
    address: str | None = None,
) -> Iterator[list[Outcome]]:
    """Run a function on every cell, in any order.

    Parameters
    ----------
    cells : sequence of Cell
        Those of one market should be neighbours.
    function : callable(Cell) -> dict
        Importable by the workers.
    backend : {'loky', 'dask', 'serial'}
    workers : int
        Processes of ``loky``.
    address : str, optional
        Scheduler of ``dask``, such as ``tcp://127.0.0.1:8786``.

    Yields
    ------
    list of tuple of Cell and (dict or Failed)
        Cells that ran together.

    Raises
    ------
    DataError
        If the scheduler cannot be reached.
    """
    jobs = _jobs(cells, function)
    if backend == "loky" and _shared(cells, function):  # processes would each have to find the episodes first
        for job in _jobs(cells, function, workers):
            yield attempt(function, job, workers)
    elif backend == "serial":
        for job in jobs:
            yield attempt(function, job)
    elif backend == "loky":
        yield from _in_pool(jobs, function, workers)
    else:
        yield from _on_cluster(jobs, function, address)


def _jobs(cells: Sequence[Cell], function: CellFunction, threads: int = 1) -> list[Job]:
    """Put cells that hold the same into one job, where the function can run them together."""
    if function is not run_cell:
        return [[cell] for cell in cells]
    same = [list(group) for _, group in groupby(cells, key=lambda cell: cell.held)]
    size = min(TOGETHER * threads, MOST_TOGETHER)
    return [group[k : k + size] for group in same for k in range(0, len(group), size)]


def _shared(cells: Sequence[Cell], function: CellFunction) -> bool:
    """Whether all cells hold the same, and no code but ours runs, which could take this process with it."""
    ours = function is run_cell and not any(cell.config.code for cell in cells)
    return ours and len({cell.held for cell in cells}) == 1 < len(cells)


def attempt(function: CellFunction, job: Job, threads: int = 1) -> list[Outcome]:
    """Run the cells of a job; whatever one raises is its own failure."""
    if len(job) > 1:
        try:
            return list(zip(job, run_together(job, threads), strict=True))
        except Exception:  # one of them: alone, it shows which
            return [outcome for cell in job for outcome in attempt(function, [cell])]
    (cell,) = job
    try:
        return [(cell, function(cell))]
    except Exception as error:  # a grid may hold what nobody thought of
        return [(cell, _failed(error))]


def _failed(error: BaseException) -> Failed:
    """Why a cell failed; what no message of ours says needs the exception's name as well."""
    return Failed(error if isinstance(error, GammacoreError) else f"{type(error).__name__}: {error}")


def _in_worker(trusted: str, function: CellFunction, job: Job) -> list[Outcome]:
    """Run a job in a process that may be older than the confirmation of the user's code."""
    os.environ[VARIABLE] = trusted
    return attempt(function, job)


def _in_pool(jobs: list[Job], function: CellFunction, workers: int) -> Iterator[list[Outcome]]:
    from joblib import delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    waiting, suspects = deque(jobs), list[Cell]()
    while waiting:
        sent: dict[str, Job] = {}

        def calls(sent: dict[str, Job] = sent) -> Iterator[Any]:
            while waiting:
                job = waiting.popleft()
                sent[job[0].key] = job
                yield delayed(_in_worker)(os.environ.get(VARIABLE, ""), function, job)

        try:
            for outcomes in _pool(workers)(calls()):
                del sent[outcomes[0][0].key]
                yield outcomes
        except TerminatedWorkerError:
            suspects += [cell for job in sent.values() for cell in job]
    for cell in suspects:
        yield [_alone(cell, function)]


def _pool(workers: int) -> Parallel:
    from joblib import Parallel

    # One worker would be this very process, which must not die: then two, of which one is idle.
    ahead = 2 * workers if workers > 1 else 1
    return Parallel(
        n_jobs=max(workers, 2),
        backend="loky",
        return_as="generator_unordered",
        pre_dispatch=ahead,
        batch_size=1,
    )


def _alone(cell: Cell, function: CellFunction) -> Outcome:
    """Run a cell with nothing beside it, so that a dead worker is its doing."""
    from joblib import delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    call = delayed(_in_worker)(os.environ.get(VARIABLE, ""), function, [cell])
    for _ in range(ATTEMPTS - 1):  # once it was already sent
        try:
            return next(iter(_pool(1)([call])))[0]  # type: ignore[no-any-return]
        except TerminatedWorkerError:
            continue
    return cell, Failed(f"its worker died {ATTEMPTS} times")


def _on_cluster(jobs: list[Job], function: CellFunction, address: str | None) -> Iterator[list[Outcome]]:
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise DataError(f"--address {address}: no Dask scheduler there: {error}") from None
    with client:
        sent = {client.submit(attempt, function, job, pure=False): job for job in jobs}
        for future in as_completed(sent):
            died = future.exception()
            if died:
                yield [(cell, _failed(died)) for cell in sent[future]]
            else:
                yield future.result()
            future.release()
