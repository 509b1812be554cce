"""Templates and the JSON in them.

All text goes through autoescaping templates, all charts through JSON: nothing of a
configuration or a file name can become markup.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jinja2
import markupsafe

from .script_file import SharedScript, script_text


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("gammacore.backtest.report", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def render(template: str, context: dict[str, Any], script: SharedScript | None = None) -> str:
    """Fill a template of this folder; ``script`` is the file that the charts need, None to put it inside."""
    # A trusted file; "</script" never occurs in it, or the page would not run at all.
    library = markupsafe.Markup("" if script is not None else script_text())
    # Of a file's page, browsers differ in whether its own origin is 'self' or the scheme.
    allowed = markupsafe.Markup("" if script is None else " 'self' file:")
    named = {"plotlyjs": library, "script": script, "scripts": allowed}
    return _environment().get_template(template).render(context | named)


def script_json(value: Any) -> markupsafe.Markup:
    """Write JSON for a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return markupsafe.Markup(text)
