"""Files of the user's own code: which functions a configuration names, and where the files are.

They are looked for in the configuration's folder and nowhere else. What is noted, path and SHA-256, goes with
the configuration into processes, results and journals, so that whatever runs it runs the same file.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from gammacore.errors import ConfigError

from .own_names import OwnName, StructureName
from .sections import CodeFile, Config

__all__ = ["find_code", "functions_of"]


def functions_of(config: Config) -> Iterator[tuple[str, OwnName]]:
    """Find every field whose value is code of the user's own, with its path."""
    fields: list[tuple[str, OwnName | None]] = [
        ("hedge.rule", config.hedge.rule),
        ("signal.forecast", config.signal.forecast),
        ("entry.structure", config.entry.structure),
        ("size.rule", config.size.rule),
    ]
    for path, rules in (("exit.rules", config.exit.rules), ("roll.when", config.roll.when)):
        fields += [(f"{path}.own[{number}]", name) for number, name in enumerate(rules.own)]
    if "structure" in config.roll.into:
        fields.append(("roll.into.structure", StructureName(config.roll.into["structure"])))
    for path, name in fields:
        if name is not None and name.own:
            yield path, name


def find_code(names: list[tuple[str, OwnName]], folder: Path) -> dict[str, CodeFile]:
    """Find the files of some functions, and note what is in them.

    Parameters
    ----------
    names : list of (str, OwnName)
        As of :func:`functions_of`.
    folder : Path
        Of the configuration.

    Raises
    ------
    ConfigError
        Naming the field, and the nearest file where there is no such one.
    """
    found: dict[str, CodeFile] = {}
    home = folder.resolve()
    for field, name in names:
        path = home / f"{name.module}.py"
        if name.module in found:
            continue
        if not path.is_file():
            near = difflib.get_close_matches(name.module, [file.stem for file in home.glob("*.py")], n=1)
            hint = f"; did you mean {near[0]}:{name.function}?" if near else ""
            raise ConfigError(f"{field}: {name} needs the file {path}, which does not exist{hint}")
        if path.resolve().parent != home:
            raise ConfigError(f"{field}: {path} is a link out of the configuration's folder; copy the file")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{field}: {path}: {error.strerror or error}") from None
        found[name.module] = CodeFile(str(path), hashlib.sha256(data).hexdigest())
    return found
