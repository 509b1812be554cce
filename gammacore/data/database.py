"""DuckDB, loaded when the first file is read or written: a run on the simulated market needs none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as DuckDBPyConnection
    from duckdb import Error as Error
    from duckdb import connect as connect


def __getattr__(name: str) -> Any:
    import duckdb

    return getattr(duckdb, name)
