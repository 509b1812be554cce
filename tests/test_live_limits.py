"""Limits that limit nothing are refused where real money is at stake."""

import json
import math

import pytest

from gammacore.config import Duration
from gammacore.daycount import NS_PER_SECOND
from gammacore.errors import ConfigError
from gammacore.live.limits import MOST, REQUIRED, toothless_limits
from support.commands import run
from support.markets import build


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("risk.max_delta", 1e18),
        ("risk.max_daily_loss_usd", 1e12),
        ("risk.stale_after", "10d"),
        ("risk.max_divergence", 1.0),
        ("risk.max_drawdown_usd", {"1d": 1e9}),
        ("execution.slippage_bp", 500.0),
        ("size.contracts", 1e9),
    ],
)
def test_production_refuses_limits_that_limit_nothing(tmp_path, monkeypatch, capsys, name, value):
    monkeypatch.chdir(tmp_path)
    limits = {f"risk.{n}": 0.5 for n in REQUIRED} | {"risk.max_orders_per_minute": 10}
    assert not toothless_limits(build(limits))
    (found,) = toothless_limits(build(limits | {name: value}))
    assert found.startswith(name)
    words = [w for n, v in (limits | {name: value}).items() for w in ("--set", f"{n}={json.dumps(v)}")]
    confirmed = ("--venue", "production", "--confirm", "trade with real money")
    code, _, error = run(monkeypatch, capsys, "live", *confirmed, *words)
    assert code == 2
    assert name in error
    assert "limit nothing" in error
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", MOST)
def test_the_most_that_is_accepted_is_accepted_and_no_more(name):
    most = MOST[name]
    if isinstance(most, Duration):
        more = f"{most.ns // NS_PER_SECOND + 1}s"
    else:
        more = most + (1 if isinstance(most, int) else 0.01 * most)
    assert toothless_limits(build({name: most})) == []
    shown = more if isinstance(more, str) else f"{more:g}"
    assert toothless_limits(build({name: more})) == [
        f"{name} = {shown}, at most {most if isinstance(most, str) else f'{most:g}'}"
    ]


@pytest.mark.parametrize(
    ("usd", "found"), [(1e8, []), (1.001e8, ["risk.max_drawdown_usd.1d = 1.001e+08, at most 1e+08"])]
)
def test_the_deepest_drawdown_that_is_accepted(usd, found):
    assert toothless_limits(build({"risk.max_drawdown_usd": {"1h": 5.0, "1d": usd}})) == found


@pytest.mark.parametrize(
    ("name", "value"),
    [("risk.max_daily_loss_usd", math.inf), ("execution.slippage_bp", 5_000.0), ("risk.max_order", 0.0)],
)
def test_values_that_are_no_limits_are_refused_everywhere(name, value):
    with pytest.raises(ConfigError, match=name):
        build({name: value})


def test_a_session_refuses_hedges_that_are_always_makers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, error = run(monkeypatch, capsys, "live", "--set", "execution.hedges=maker")
    assert code == 2
    assert "execution.hedges: 'maker' is a bound for backtests" in error
    assert "post_only or taker" in error
    assert not (tmp_path / "results").exists()
