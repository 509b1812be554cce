"""Templates and the JSON in them.

All text goes through autoescaping templates, all charts through JSON: nothing of a
configuration or a file name can become markup.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import markupsafe


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("gammacore.backtest.report", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def render(template: str, context: dict[str, Any]) -> str:
    """Fill a template of this folder; ``plotlyjs`` is the library of the charts."""
    # A trusted file; "</script" never occurs in it, or the page would not run at all.
    library = markupsafe.Markup((files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8"))
    return _environment().get_template(template).render(context | {"plotlyjs": library})


def script_json(value: Any) -> markupsafe.Markup:
    """Write JSON for a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return markupsafe.Markup(text)
