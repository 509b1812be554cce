"""``gammacore init``: a project to begin with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gammacore.cli.common import JsonOption, document
from gammacore.errors import ConfigError

README = """# {name}

A gammacore project.

    gammacore backtest config.yaml          # simulated market until config.yaml names data
    gammacore data download --days 30       # public history into data/, and chains modelled from its trades
    gammacore backtest config.yaml --store  # on what is there
    gammacore breakeven config.yaml         # every straddle of a chain, weighed after all costs
    gammacore simulate config.yaml          # choose a hedge rule
    gammacore doctor config.yaml            # keys, clock, permissions, limits, before a session
    gammacore live config.yaml              # on a local exchange; --venue testnet or production later

- `config.yaml` lists every parameter with its default; only lines that differ are needed.
- `rules.py` holds rules of your own; name one in `config.yaml`, such as `rule: "rules:half_at_night"`.
- `notebooks/first_look.ipynb` shows a run in pictures. It needs matplotlib, a kernel and JupyterLab:
  `pip install 'gammacore[notebooks]' jupyterlab`, then `jupyter lab notebooks/first_look.ipynb`.
- `gammacore.service` runs the hedger under systemd.

Never store keys in the project: `gammacore live --help` names the environment variables.
"""
IGNORED = "data/\nresults/\n*.env\n.ipynb_checkpoints/\n"
COPIED = (  # package, file, and where to
    ("gammacore.configurations", "params.yaml", "config.yaml"),
    ("gammacore.examples", "rules.py", "rules.py"),
    ("gammacore.examples", "first_look.ipynb", "notebooks/first_look.ipynb"),
    ("gammacore.examples", "gammacore.service", "gammacore.service"),
)


def init(
    folder: Annotated[Path, typer.Argument(help="New or empty directory.")] = Path("gammacore-project"),
    force: Annotated[bool, typer.Option("--force", help="Write into a directory that is not empty.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a project: commented configuration, folders, an example rule, a notebook."""
    from gammacore.result_files import write_new

    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ConfigError(f"{folder}: not empty; name another directory, or use --force")
    texts = {"README.md": README.format(name=folder.resolve().name), ".gitignore": IGNORED}
    for package, name, target in COPIED:
        texts[target] = files(package).joinpath(name).read_text(encoding="utf-8")
    kept = []
    try:
        for name in ("data", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for target, text in texts.items():
            path = folder / target
            path.parent.mkdir(exist_ok=True)
            if not write_new(path, text):
                kept.append(target)
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from None
    if as_json:
        written = [target for target in texts if target not in kept]
        document({"directory": str(folder), "written": written, "kept": kept})
        return
    console = Console()
    for target in texts:
        console.print(f"  {target}{' (was there, kept)' if target in kept else ''}", highlight=False)
    onwards = f"\nGo on with: cd {folder} && gammacore backtest config.yaml"
    console.print(onwards, highlight=False, soft_wrap=True)
