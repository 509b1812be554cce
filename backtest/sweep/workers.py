"""Who runs the cells of a sweep: this process, a pool of processes, or a Dask cluster.

A cell that raises fails alone. A worker that dies takes nothing with it but the cell it ran:

- ``loky`` cannot say which cell that was. All that were on their way are run again, one at a
  time, and one that takes its worker with it three times is given up.
- ``dask`` runs the cell elsewhere, as often as the cluster allows (``allowed-failures``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gammacore.errors import ConfigError, DataError

from .grid import Cell

if TYPE_CHECKING:
    from joblib import Parallel

BACKENDS = ("loky", "dask", "serial")
ATTEMPTS = 3
CONNECT_S = 30
CellFunction = Callable[[Cell], dict[str, Any]]


class Failed(str):
    """Why a cell has no result."""

    __slots__ = ()


Outcome = tuple[Cell, dict[str, Any] | Failed]


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
) -> Iterator[Outcome]:
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
    tuple of Cell and (dict or Failed)

    Raises
    ------
    DataError
        If the scheduler cannot be reached.
    """
    if backend == "serial":
        for cell in cells:
            yield attempt(function, cell)
    elif backend == "loky":
        yield from _in_pool(cells, function, workers)
    else:
        yield from _on_cluster(cells, function, address)


def attempt(function: CellFunction, cell: Cell) -> Outcome:
    """Run one cell; whatever it raises is its own failure."""
    try:
        return cell, function(cell)
    except Exception as error:  # a grid may hold what nobody thought of
        return cell, Failed(f"{type(error).__name__}: {error}")


def _in_pool(cells: Sequence[Cell], function: CellFunction, workers: int) -> Iterator[Outcome]:
    from joblib import delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    waiting, suspects = deque(cells), list[Cell]()
    while waiting:
        sent: dict[str, Cell] = {}

        def jobs(sent: dict[str, Cell] = sent) -> Iterator[Any]:
            while waiting:
                cell = waiting.popleft()
                sent[cell.key] = cell
                yield delayed(attempt)(function, cell)

        try:
            for cell, outcome in _pool(workers)(jobs()):
                del sent[cell.key]
                yield cell, outcome
        except TerminatedWorkerError:
            suspects += sent.values()
    for cell in suspects:
        yield _alone(cell, function)


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

    for _ in range(ATTEMPTS - 1):  # once it was already sent
        try:
            return next(iter(_pool(1)([delayed(attempt)(function, cell)])))  # type: ignore[no-any-return]
        except TerminatedWorkerError:
            continue
    return cell, Failed(f"its worker died {ATTEMPTS} times")


def _on_cluster(cells: Sequence[Cell], function: CellFunction, address: str | None) -> Iterator[Outcome]:
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise DataError(f"--address {address}: no Dask scheduler there: {error}") from None
    with client:
        sent = {client.submit(attempt, function, cell, pure=False): cell for cell in cells}
        for future in as_completed(sent):
            died = future.exception()
            yield (sent[future], Failed(f"{type(died).__name__}: {died}")) if died else future.result()
            future.release()
