"""Templates and the JSON in them.

All text goes through autoescaping templates, all charts through JSON: nothing of a
configuration or a file name can become markup.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jinja2
import markupsafe
from plotly.offline import get_plotlyjs

__all__ = ["render", "script_json"]


def _source(name: str) -> str:
    return (files("gammacore.backtest.report") / name).read_text(encoding="utf-8")


def render(template: str, context: dict[str, Any]) -> str:
    """Fill a template of this folder; ``plotlyjs`` is the library of the charts."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # A trusted file; "</script" never occurs in it, or the page would not run at all.
    library = markupsafe.Markup(get_plotlyjs())
    return environment.get_template(template).render(context | {"plotlyjs": library})


def script_json(value: Any) -> markupsafe.Markup:
    """Write JSON for a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return markupsafe.Markup(text)
