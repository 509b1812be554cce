"""Limits that a session for real money needs, and values of theirs that limit nothing.

A limit that can never be reached protects nobody, and looks as if it did. The bounds here are far outside
what a trader of this strategy sets on purpose; who needs more changes this table, and knows it.
"""

from __future__ import annotations

from typing import Any

from gammacore.config import Config, Duration

# Without these nobody trades for real.
REQUIRED = (
    "max_delta",
    "max_premium_usd",
    "max_margin_use",
    "max_order",
    "max_orders_per_minute",
    "max_daily_loss_usd",
)
# The most that still limits something, as it is written in a configuration.
MOST: dict[str, float | Duration] = {
    "risk.max_delta": 1_000.0,
    "risk.max_gamma": 1_000.0,
    "risk.max_vega_usd": 1e7,
    "risk.max_premium_usd": 1e8,
    "risk.max_order": 1_000.0,
    "risk.max_orders_per_minute": 600,
    "risk.max_hedges_per_hour": 3_600,
    "risk.max_daily_loss_usd": 1e8,
    "risk.max_scenario_loss_usd": 1e8,
    "risk.max_divergence": 0.05,
    "risk.max_funding": 0.05,
    "risk.stale_after": Duration("60s"),
    "risk.max_clock_skew": Duration("10s"),
    "execution.slippage_bp": 100.0,
    "execution.option_slippage": 0.5,
    "execution.max_above_mark": 0.5,
    "execution.max_spread": 0.5,
    "execution.patience": Duration("5min"),
    "execution.option_patience": Duration("1d"),
    "execution.valid_for": Duration("30s"),
    "live.audit_every": Duration("10min"),
    "size.contracts": 1_000.0,
}
MOST_DRAWDOWN_USD = 1e8
COLLARS = ("execution.max_above_mark", "execution.max_spread")  # where null is no limit either


def missing_limits(config: Config) -> list[str]:
    """Return the limits that production asks for and the configuration does not set."""
    missing = [f"risk.{name}" for name in REQUIRED if getattr(config.risk, name) is None]
    return missing + [path for path in COLLARS if _value(config, path) is None]


def toothless_limits(config: Config) -> list[str]:
    """Return what the configuration sets so high that it limits nothing, with the most that is accepted."""
    found = []
    for path, most in MOST.items():
        value = _value(config, path)
        if value is not None and _size(value) > _size(most):
            found.append(f"{path} = {_shown(value)}, at most {_shown(most)}")
    window = [(name, usd) for name, usd in config.risk.max_drawdown_usd.items() if usd > MOST_DRAWDOWN_USD]
    found += [
        f"risk.max_drawdown_usd.{name} = {usd:g}, at most {MOST_DRAWDOWN_USD:g}" for name, usd in window
    ]
    return found


def _value(config: Config, path: str) -> Any:
    section, _, name = path.partition(".")
    return getattr(getattr(config, section), name)


def _size(value: float | Duration) -> float:
    return value.ns if isinstance(value, Duration) else value


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
