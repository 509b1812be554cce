"""Dated margin parameters: what is shipped, a file of one's own, and files that cannot be."""

import json

import pytest

from gammacore.build import build_desk
from gammacore.config import parse_config
from gammacore.data.margins import load_margins, published_margins
from gammacore.daycount import parse_time
from gammacore.errors import ContractError, DataError
from gammacore.margin import PortfolioRates

STEP = {
    "since": "2026-10-01",
    "source": "made up",
    "price_range": 0.2,
    "volatility_range_up": 0.6,
    "volatility_range_down": 0.3,
    "min_volatility_for_shock_up": 0.6,
    "short_term_vega_power": 0.3,
    "long_term_vega_power": 0.13,
    "extended_table_factor": 1,
    "max_delta_shock": 0.1,
    "delta_total_liq_shock_threshold": 5e6,
    "m_inc": 1e-6,
    "annualised_move_risk": 0.1,
    "min_annualised_move": 0.01,
    "extended_dampener": 5e4,
    "pnl_offset": 0,
    "max_offsetable_pnl": 0,
    "mm_factor": 0.8,
}


def written(tmp_path, content):
    path = tmp_path / "margins.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_parameters_go_by_date_and_moved_both_ways():
    margins = published_margins()
    early, late = (margins.portfolio_at(parse_time(day), "BTC") for day in ("2026-09-22", "2026-09-23"))
    assert (early.price_range, late.price_range) == (0.16, 0.14)
    assert (early.extended_dampener, late.extended_dampener) == (100_000.0, 200_000.0)
    assert margins.portfolio_at(0, "BTC") == early  # the first known
    assert margins.portfolio_at(parse_time("2026-02-15"), "ETH").pnl_offset == 0.6


def test_what_is_not_confirmed_is_told_with_its_source():
    step = published_margins().portfolio_step(parse_time("2026-11-30"), "BTC")
    assert "third party" in step.source
    assert {"price_range", "m_inc"} <= set(step.unconfirmed) < set(PortfolioRates.__struct_fields__)
    assert not published_margins().portfolio_step(parse_time("2024-06-17"), "BTC").unconfirmed


def test_a_coin_without_parameters_is_refused_with_what_to_do():
    with pytest.raises(ContractError, match=r"for SOL \(known: BTC, ETH\): set margin.model to standard, or"):
        published_margins().portfolio_at(0, "SOL")


def test_a_file_of_ones_own_adds_to_what_is_published(tmp_path):
    path = written(tmp_path, {"portfolio": {"SOL": [STEP]}})
    found = load_margins(path)
    assert found.portfolio_at(0, "SOL").price_range == 0.2
    assert found.portfolio["BTC"] == published_margins().portfolio["BTC"]
    assert found.standard == published_margins().standard
    config = parse_config(
        {
            "currency": "SOL_USDC",
            "hedge": {"target": "black", "lots": False},
            "margin": {"model": "portfolio", "parameters": str(path)},
        }
    )
    assert build_desk(config).margins.portfolio_at(0, "SOL").extended_dampener == 5e4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "margins.json: Input data was truncated"),
        ({"portfolios": {}}, "unknown field `portfolios`"),
        ({"portfolio": {"SOL": [STEP | {"price_rnge": 1}]}}, r"portfolio.SOL\[0\]: .*price_rnge"),
        (
            {"portfolio": {"SOL": [STEP | {"price_range": 20}]}},
            r"SOL\[0\]: price_range: expected a",
        ),
        ({"portfolio": {"SOL": [STEP | {"since": "soon"}]}}, r"portfolio.SOL\[0\].since"),
        ({"portfolio": {"SOL": [{**STEP, "unconfirmed": ["x"]}]}}, "no parameter is called x"),
        ({"portfolio": {"SOL": [STEP, STEP]}}, "margin, SOL: dates must ascend"),
        ({"portfolio": {"SOL": []}}, "margin, SOL: dates must ascend and not be missing"),
        ({"standard": [{"option_initial": 0.2}]}, r"standard\[0\]: since is missing"),
        ({"standard": [{"since": "2030-01-01", "futures": {"BTC": {"initial": 0.1}}}]}, r"standard\[0\]: "),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        load_margins(written(tmp_path, content))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.json: cannot be read"):
        load_margins(tmp_path / "nothing.json")
