"""Whether the user's own code may run: shown once, asked for once."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gammacore.errors import CodeError

if TYPE_CHECKING:
    from gammacore.config import Config

TrustOption = Annotated[
    bool,
    typer.Option("--trust", help="Run your own code without a question (or GAMMACORE_TRUST)."),
]


def confirm_code(config: Config, *, trust: bool) -> None:
    """Show files of code that were not confirmed yet, ask for each, and load all.

    Raises
    ------
    CodeError
        If a file is not confirmed, there is nobody to ask, or it cannot be loaded.
    """
    from gammacore.config import all_functions_of
    from gammacore.own_code import confirmed, own_functions, remember

    console = Console(stderr=True)
    names = list(dict.fromkeys(name for _, name in all_functions_of(config)))
    for module, file in config.code.items():
        if confirmed(file.sha256):
            continue
        console.print(f"Code of your own: {file.path}", highlight=False, soft_wrap=True, markup=False)
        console.print(f"  SHA-256 {file.sha256}", highlight=False, soft_wrap=True)
        data = Path(file.path).read_bytes()
        for name in names:
            if name.module == module:
                lines = _lines(data, name.function)
                console.print(f"  {name.function}: {lines}", highlight=False, markup=False)
        asks = sys.stdin is not None and sys.stdin.isatty()
        if not trust and not (asks and typer.confirm("Run it?", default=False, err=True)):
            why = "not confirmed" if asks else "nobody to ask: there is no terminal"
            raise CodeError(f"{file.path}: {why}; read the file, then give --trust or set GAMMACORE_TRUST")
        if not remember(file.sha256, file.path):
            console.print("  (not kept: the state folder cannot be written)", highlight=False)
    own_functions(config)


def _lines(data: bytes, function: str) -> str:
    """Count the lines of a function without running anything."""
    try:
        tree = ast.parse(data)
    except SyntaxError as error:
        return f"cannot be read, line {error.lineno}: {error.msg}"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return f"{(node.end_lineno or node.lineno) - node.lineno + 1} lines"
    return "not in this file"
