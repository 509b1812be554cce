"""Refuse numbers that cannot be right, naming the field and the value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gammacore.config import MOST_VOL
from gammacore.errors import ConfigError

STEP_TOLERANCE = 1e-6  # relative, between a model's own step and the grid's


def check_number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> None:
    """Refuse what is not a finite number within bounds.

    Raises
    ------
    ConfigError
    """
    number = (
        isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
    )
    if number and value > above and at_least <= value <= at_most:
        return
    if above == 0.0:
        expected = "a positive number"
    elif at_most < math.inf:
        expected = f"a number from {at_least:g} to {at_most:g}"
    elif at_least > -math.inf:
        expected = f"a number of at least {at_least:g}"
    else:
        expected = "a finite number"
    raise ConfigError(f"{name}: expected {expected}, got {value!r}")


def check_volatility(name: str, value: float) -> None:
    """Refuse what is no volatility as a fraction per root of a year.

    Raises
    ------
    ConfigError
    """
    check_number(name, value, above=0.0)
    if value > MOST_VOL:
        hint = f"; a percentage? fractions are meant: {value / 100.0:g}" if value <= 100.0 * MOST_VOL else ""
        raise ConfigError(f"{name}: expected at most {MOST_VOL:g}, got {value!r}{hint}")


def check_step(own: float, dt: float) -> None:
    """Refuse a grid whose step is not that of a model of recorded returns.

    Raises
    ------
    ConfigError
    """
    if abs(own / dt - 1.0) > STEP_TOLERANCE:
        raise ConfigError(
            f"steps: the model moves every {own:.6g} years, the grid every {dt:.6g}; choose "
            "horizon / steps to be the step of the data"
        )
