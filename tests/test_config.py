import math
import pickle
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gammacore.build import build_desk
from gammacore.config import Config, load_config, parse_config, parse_duration, stated, with_overrides
from gammacore.errors import ConfigError

CONFIGS = Path(__file__).parents[1] / "config"


def leaves(value, path=""):
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from leaves(child, f"{path}{name}.")
    else:
        yield path.rstrip(".")


def test_params_yaml_states_every_default():
    assert yaml.safe_load((CONFIGS / "params.yaml").read_text()) == stated(Config())


def test_every_parameter_of_params_yaml_is_commented_in_its_block():
    lines = (CONFIGS / "params.yaml").read_text().splitlines()
    names = {path.rpartition(".")[2] for path in leaves(stated(Config()))}
    described, previous = set(), False
    for line in lines:
        name = line.split(":")[0].strip()
        if name in names and ("#" in line or previous):
            described.add(name)
        previous = "#" in line
    assert names == described


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_configurations_are_valid(path):
    assert isinstance(load_config(path), Config)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"hedge": {"band": -0.1}}, "hedge.band: expected a number > 0, got -0.1"),
        ({"hedge": {"bnd": 1}}, "hedge.bnd: unknown parameter; did you mean hedge.band?"),
        ({"hegde": {}}, "hegde: unknown parameter; did you mean hedge?"),
        (
            {"hedge": {"rule": "bandd"}},
            "got 'bandd'; did you mean band?",
        ),
        ({"hedge": {"rule": "bandd"}}, "did you mean band?"),
        ({"hedge": {"lots": 3}}, "hedge.lots: expected true or false, got 3"),
        ({"size": {"contracts": "x"}}, "size.contracts: expected a number, got 'x'"),
        ({"hedge": 3}, "hedge: expected a section, got 3"),
        ({"hedge": None}, "hedge: expected a section, got None"),
        (
            {"execution": {"hedges": "take"}},
            "execution.hedges: expected one of post_only, taker, maker, got 'take'",
        ),
        ({"costs": {"hedge_taker_fee": -1}}, "costs.hedge_taker_fee: expected a number >= -0.05, got -1"),
        (
            {"costs": {"hedge_fee": "maker"}},
            "costs.hedge_fee = 'maker': this parameter is gone; the fee follows the fill: write execution.",
        ),
        (
            {"live": {"patience": "5s"}},
            "this parameter is gone; write execution.patience",
        ),
        (
            {"live": {"execution": "taker"}},
            "live.execution = 'taker': this parameter is gone; write execution.hedges",
        ),
        (
            {"costs": {"hedge_half_spread_bp": [0.1] * 23}},
            "costs.hedge_half_spread_bp: expected a list of length >= 24",
        ),
        ({"currency": "btc"}, "currency: expected a coin in capitals, such as BTC, or SOL_USDC"),
        ({"currency": "BTC_EUR"}, "currency: expected"),
        ({"currency": "BTC_USDC"}, "hedge.target: expected 'black' for linear"),
        ({"entry": {"min_days": 10}}, "entry.min_days: expected at most entry.max_days = 9.0, got 10"),
        (
            {"hedge": {"every": "1x"}},
            "hedge.every: expected a duration such as 30s, 5min, 1h or 1d, got '1x'",
        ),
        ({"data": {"start": "yesterday"}}, "data.start: "),
        ({"data": {"start": "01/02/2026"}}, "write 2026-01-31 or 2026-01-31T08:00:00Z"),
        (
            {"data": {"start": "2026-02-01", "end": "2026-01-01"}},
            "data.start: expected a time before data.end = 2026-01-01, got 2026-02-01",
        ),
        ({"market": {"start": "1850-01-01"}}, "market.start: expected a day of 2000 to 2087, got 1850-01-01"),
        ({"market": {"spot": 10}}, "market.spot: expected a number >= 100, got 10"),
        (
            {"hedge": {"every": "99999999999d"}},
            "hedge.every: expected a duration of a nanosecond to 100",
        ),
        ({"hedge": {"every": "0.0000000001s"}}, "hedge.every: expected a duration of a nanosecond to"),
        ({"signal": {"window": "9999999d"}}, "signal.window: expected a duration of a nanosecond to 100"),
        ({"data": {"chains": ""}}, "data.chains: expected a text of length >= 1, got ''"),
        ({"band": 0.1}, "band: unknown parameter; did you mean hedge.band?"),
        ({"days": 14}, "did you mean market.days or simulate.days?"),
        ({"hedge__band": 0.1}, "did you mean hedge.band?"),
        ({"hedge": {"band": math.inf}}, "hedge.band: expected a finite number, got inf"),
        ({"hedge": {"target_delta": math.nan}}, "hedge.target_delta: expected a finite number, got nan"),
        (
            {"risk": {"together": {"max_daily_loss_usd": math.inf}}},
            "risk.together.max_daily_loss_usd: expected a finite number",
        ),
        ({"simulate": {"legs": [{"strike": math.nan}]}}, "simulate.legs[0].strike: expected a finite number"),
        (
            {"vary": {"hedge.evry": ["1h"]}},
            "vary.hedge.evry: hedge.evry: unknown parameter; did you mean hedge.every?",
        ),
        ({"vary": {"hedge.every": "1h"}}, "vary: expected a list"),
        ({"vary": {"hedge.every": []}}, "vary.hedge.every: expected a non-empty list, got []"),
        ({"vary": {"hedge.band": [0.1, -1]}}, "vary.hedge.band: hedge.band: expected a number > 0, got -1"),
        ({"hedge": {"instrument": "forward"}}, "hedge.target: expected 'black' for linear"),
        (
            {"exit": {"rules": {"take_proft": 1}}},
            "exit.rules.take_proft: unknown parameter; did you mean exit.rules.take_profit?",
        ),
        ({"roll": {"when": {"maxdays": 1}}}, "did you mean roll.when.max_days?"),
        ({"exit": {"rules": {"rv_pace": 0.8}}}, "exit.rules.rv_pace: expected a section or null, got 0.8"),
        ({"exit": {"rules": {"rv_pace": {"belw": 1}}}}, "did you mean exit.rules.rv_pace.below?"),
        (
            {"exit": {"rules": {"rv_pace": {"after": "2d"}}}},
            "exit.rules.rv_pace: expected below, above or both, got neither",
        ),
        (
            {"exit": {"rules": {"days_to_expiry": 9}}},
            "exit.rules.days_to_expiry: expected less than max_days = 9.0 of what is entered, got 9",
        ),
        (
            {"roll": {"when": {"days_to_expiry": 3}, "into": {"min_days": 1, "max_days": 3}}},
            "roll.when.days_to_expiry: expected less than roll.into.max_days = 3.0, got 3",
        ),
        ({"exit": {"rules": {"stop_loss": -0.3}}}, "exit.rules.stop_loss: expected a number > 0, got -0.3"),
        ({"exit": {"rules": {"edge_gone": 2}}}, "got 2; a percentage? fractions are meant: 0.02"),
        ({"roll": {"into": {"min_days": 1}}}, "roll.into: expected a rule in roll.when"),
        (
            {"roll": {"when": {"max_days": 1}, "into": {"dleta": 1}}},
            "roll.into.dleta: unknown parameter; did you mean roll.into.delta?",
        ),
        (
            {"roll": {"when": {"max_days": 1}, "into": {"structure": "stradle"}}},
            "got 'stradle'; did you mean straddle?",
        ),
        ({"roll": {"when": {"max_days": 1}, "into": {"side": "long"}}}, "roll.into.side: is that of entry"),
        (
            {"roll": {"when": {"max_days": 1}, "into": {"min_days": 20}}},
            "roll.into.min_days: expected at most max_days = 9.0, got 20",
        ),
        ({"signal": {"when": {"dovl": {"max": 0.5}}}}, "did you mean signal.when.dvol?"),
        (
            {"signal": {"when": {"dvol": {"max": 50}}}},
            "signal.when.dvol.max: expected 0 to 5, got 50; a percentage? fractions are meant: 0.5",
        ),
        (
            {"signal": {"when": {"dvol_percentile": {"min": 30}}}},
            "dvol_percentile.min: expected 0 to 1, got 30",
        ),
        ({"signal": {"when": {"dvol": {}}}}, "signal.when.dvol: expected min, max or both, got neither"),
        (
            {"signal": {"when": {"iv_less_forecast": {"min": 0.2, "max": 0.1}}}},
            "signal.when.iv_less_forecast.min: expected at most max = 0.1, got 0.2",
        ),
        (
            {"signal": {"when": {"term_structure": {"min": 0, "near": "30d"}}}},
            "signal.when.term_structure.near: expected less than far = 30d, got 30d",
        ),
        ({"signal": {"when": {"time_of_week": ["monday"]}}}, "time_of_week[0]: expected a window such as"),
        ({"signal": {"when": {"time_of_week": []}}}, "time_of_week: expected at least one window, got none"),
        (
            {
                "exit": {"rules": {"edge_gone": 0.0}},
                "hedge": {"vol": "realised"},
                "signal": {"forecast": "forecast"},
            },
            "signal.forecast: expected hedge.vol and its window",
        ),
    ],
)
def test_mistakes_are_named_with_path_and_value(raw, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    assert message in str(caught.value)


def test_what_a_notebook_has_for_numbers_and_durations_is_what_a_file_would_say():
    raw = {
        "market": {"days": np.int64(14)},
        "hedge": {"band": np.float32(0.25), "every": pd.Timedelta("1h"), "cost": None},
        "report": {"html": np.False_},
        "data": {"start": pd.Timestamp("2026-01-01"), "chains": Path("chains")},
        "vary": {"hedge.band": np.array([0.25, 0.5])},
    }
    found = parse_config(raw)
    assert (found.market.days, found.hedge.band, found.report.html) == (14, 0.25, False)
    assert found.hedge.every.ns == 3600 * 10**9
    assert (found.data.start, found.data.chains) == ("2026-01-01T00:00:00", "chains")
    assert found.vary == {"hedge.band": [0.25, 0.5]}
    assert stated(found) == stated(parse_config(stated(found)))


def test_overrides_leave_what_a_caller_hands_in():
    hedge = {"band": 0.1}
    assert load_config(None, {"hedge": hedge, "hedge.band": 0.2}).hedge.band == 0.2
    assert hedge == {"band": 0.1}


def test_file_errors_name_the_file_and_the_near_miss(tmp_path):
    (tmp_path / "weekly.yaml").write_text("currency: ETH\n")
    with pytest.raises(ConfigError, match=r"did you mean .*weekly\.yaml"):
        load_config(tmp_path / "weekl.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    with pytest.raises(ConfigError, match=r"broken\.yaml: not valid YAML"):
        load_config(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="expected a mapping at the top, got list"):
        load_config(tmp_path / "list.yaml")
    (tmp_path / "tag.yaml").write_text("a: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(tmp_path / "tag.yaml")


def test_overrides_reach_into_sections():
    config = load_config(None, {"hedge.band": 0.2, "currency": "ETH"})
    assert (config.hedge.band, config.currency) == (0.2, "ETH")
    assert with_overrides(config, {"hedge.to": "edge"}).hedge.band == 0.2
    pace = with_overrides(config, {"exit.rules.rv_pace.below": 0.7}).exit.rules.rv_pace
    assert (pace.below, pace.after) == (0.7, "1d")
    with pytest.raises(ConfigError, match="currency is not a section"):
        with_overrides(config, {"currency.x": 1})
    with pytest.raises(ConfigError, match="dotted path"):
        load_config(None, {"hedge..x": 1})


@given(st.integers(1, 36_500), st.sampled_from([("s", 1), ("min", 60), ("h", 3600), ("d", 86400)]))
def test_durations(count, unit):
    for text in (f"{count}{unit[0]}", f" {count} {unit[0]} "):
        assert parse_duration(text, "--every") == count * unit[1] * 10**9
        read = parse_config({"hedge": {"every": text}})
        assert read.hedge.every.ns == count * unit[1] * 10**9
        assert stated(read)["hedge"]["every"] == text  # as it was written


def test_a_duration_survives_a_journal_and_another_process():
    given = {"hedge": {"every": "never"}, "risk": {"max_drawdown_usd": {"1d": 5.0}}, "data": {"sweep": None}}
    config = parse_config(given)
    assert config.hedge.every.ns == 0
    assert [window.ns for window in config.risk.max_drawdown_usd] == [86_400 * 10**9]
    read = parse_config(msgspec.json.decode(msgspec.json.encode(stated(config))))
    sent = pickle.loads(pickle.dumps(config))
    assert read == sent == config
    assert sent.hedge.vol_window.ns == read.hedge.vol_window.ns == 7 * 86_400 * 10**9


@pytest.mark.parametrize("text", ["", "0s", "-1h", "1", "h", "1 hour", "1e3s"])
def test_bad_durations(text):
    with pytest.raises(ConfigError, match=r"^--every: expected a duration such as 30s, .*, got "):
        parse_duration(text, "--every")
    for section, value in (("hedge", {"move_horizon": text}), ("risk", {"max_drawdown_usd": {text: 1.0}})):
        with pytest.raises(ConfigError) as caught:
            parse_config({section: value})
        expected = "expected a duration such as 30s, 5min, 1h or 1d"
        assert str(caught.value) == f"{section}.{next(iter(value))}: {expected}, got {text!r}"


def test_windows_of_one_length_are_one_whatever_their_unit():
    raw = {
        "hedge": {"vol": "realised", "vol_window": "168h"},
        "signal": {"forecast": "realised", "min_edge": 0.1},
    }
    assert parse_config(raw).signal.window.ns == parse_config(raw).hedge.vol_window.ns
    raw["signal"]["window"] = "3d"
    with pytest.raises(ConfigError, match=r"^signal\.forecast: .* realised of 168h, got realised of 3d"):
        parse_config(raw)


@pytest.mark.parametrize(
    ("currency", "settlement", "expected"),
    [
        ("BTC", "listed", ("BTC", False, "BTC")),
        ("ETH", "linear", ("ETH", True, "USDC")),
        ("BTC_USDC", "listed", ("BTC", True, "USDC")),
    ],
)
def test_coin_and_account(currency, settlement, expected):
    raw = {"currency": currency, "marks": {"settlement": settlement}, "hedge": {"target": "black"}}
    config = parse_config(raw)
    assert (config.coin, config.linear, config.settles_in) == expected


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (
            {"currency": "SOL", "hedge": {}},
            "perpetuals on SOL is known; nearest of those known: perpetuals on",
        ),
        (
            {"currency": "ETH_USDC", "hedge": {}, "size": {"premium_usd": 100}},
            "options on ETH_USDC is known; nearest of those known: options on BTC_USDC",
        ),
        (
            {"hedge": {"instrument": "forward"}},
            "futures on BTC_USDC is known; nearest of those known:",
        ),
        ({"marks": {"settlement": "linear"}, "hedge": {"instrument": "cheapest"}}, "futures on BTC_USDC"),
    ],
)
def test_whole_lots_need_a_lot(raw, what):
    raw["hedge"]["target"] = "black"
    with pytest.raises(ConfigError, match=f"hedge.lots: no tick and lot of {what}"):
        build_desk(parse_config(raw))
    raw["hedge"]["lots"] = False
    build_desk(parse_config(raw))
