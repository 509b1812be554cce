"""``gammacore breakeven`` on the simulated market and on recorded chains."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gammacore.backtest.figures.position_ranking import rank_positions
from gammacore.backtest.replay.market import load_market
from gammacore.build import build_weigher
from gammacore.cli.breakeven import _decimals
from gammacore.cli.main import app
from gammacore.config import parse_config
from gammacore.daycount import parse_time
from gammacore.errors import DataError
from gammacore.strategy.structures import Picked
from gammacore.volatility.forecast_errors import forecast_errors
from support.shared_data import recorded

SMALL = {"market": {"days": 20}}


def config(**sections):
    return parse_config(SMALL | sections)


def run(*words):
    return CliRunner().invoke(app, ["breakeven", *words])


def test_the_signal_of_a_backtest_sees_the_same_figures():
    settings = config(signal={"min_edge": 0.0})
    ranked = rank_positions(settings)
    tape = load_market(settings).tape
    entry = int(np.flatnonzero(tape.chain_at >= 0)[-1])
    event = tape.snapshot(entry)
    assert ranked.ts_ns == event.ts_ns
    errors = forecast_errors("BTC", "forecast", settings.signal.window.ns)
    assert ranked.found.forecast == pytest.approx(
        event.estimate * np.exp(errors.at(ranked.found.tau, event.estimate, event.ts_ns)[0])
    )
    for row in (0, 5):
        pair = Picked(tuple(ranked.found.rows[row].tolist()), (1.0, 1.0))
        weigher = build_weigher(settings, look_ns=tape.look_ns)
        alone = weigher.weigh(event.chain, event.ts_ns, pair, event.estimate, ranked.funding)
        # Of many strikes of an expiry some are simulated, and the others interpolated.
        assert alone.breakeven[0] == pytest.approx(ranked.found.breakeven[row], abs=0.001)
        assert alone.probability[0] == pytest.approx(ranked.found.probability[row], abs=0.025)


def test_amounts_of_a_cheap_coin_have_digits():
    words = ["market.days=20", "market.spot=100", "marks.settlement=linear", "hedge.target=black"]
    shown = run("--forecast", "0.7", *(part for word in words for part in ("--set", word)), "--top", "1")
    linear = config(
        market={"days": 20, "spot": 100.0}, marks={"settlement": "linear"}, hedge={"target": "black"}
    )
    best = rank_positions(linear, forecast=0.7).rows()[0]
    assert 1.0 < best["premium_usd"] < 100.0
    amounts = f"{best['premium_usd']:.2f}", f"{best['profit_usd']:+.2f}", f"{best['deviation_usd']:.2f}"
    assert set(amounts) <= set(shown.output.split())
    assert [_decimals([premium, -0.01, np.nan]) for premium in (2e4, 100.0, 18.0, 0.2)] == [0, 0, 1, 3]
    assert (_decimals([0.0125]), _decimals([np.nan])) == (4, 0)


def test_best_return_first_and_rows_say_units():
    rows = rank_positions(config(), forecast=0.7).rows()
    returns = [row["return_on_capital"] for row in rows]
    assert returns == sorted(returns, reverse=True)
    best = rows[0]
    assert [leg["instrument"][-2:] for leg in best["legs"]] == ["-C", "-P"]
    assert [leg["amount"] for leg in best["legs"]] == [1.0, 1.0]
    assert best["return_on_capital"] == pytest.approx(best["profit_coin"] / best["capital_coin"])
    linear = rank_positions(
        config(marks={"settlement": "linear"}, hedge={"target": "black"}), forecast=0.7
    ).rows()
    assert "premium_usd" in linear[0]


def test_a_moment_takes_the_last_chain_known_then():
    first = rank_positions(config(), forecast=0.6, at_ns=parse_time("2025-01-05T09:00"))
    assert first.ts_ns <= parse_time("2025-01-05T09:00")
    assert first.ts_ns > parse_time("2025-01-05T04:00")
    with pytest.raises(DataError, match="no chain was known at 1999"):
        rank_positions(config(), forecast=0.6, at_ns=parse_time("1999-01-01"))
    with pytest.raises(DataError, match=r"no forecast at .*signal\.window"):
        rank_positions(config(), at_ns=parse_time("2025-01-03"))


def test_strangles_are_one_an_expiry_and_far_straddles_are_left_out():
    ranked = rank_positions(config(), forecast=0.6, structure="strangle")
    strangles = ranked.rows()
    assert len({row["expiries"][0] for row in strangles}) == len(strangles)
    assert all(low < high for low, high in (row["strikes"] for row in strangles))
    near, all_of_them = (rank_positions(config(), forecast=0.6, max_delta=d) for d in (0.2, 9.0))
    assert len(near.found.tau) < len(all_of_them.found.tau)


def test_hedging_at_every_chain_is_known_to_be_as_often_as_chains_are_published():
    chains = rank_positions(config(hedge={"rule": "snapshot"}), forecast=0.6)
    hours = rank_positions(config(hedge={"rule": "interval", "every": "4h"}), forecast=0.6)
    assert chains.found.hedging == pytest.approx(hours.found.hedging, rel=1e-3)


def test_table_and_json():
    shown = run("--forecast", "0.7", "--top", "3", "--set", "market.days=20")
    assert shown.exit_code == 0, shown.output
    assert "Simulated quotes" in shown.output
    assert "forecast 70.0% to 70.0%" in shown.output
    found = run("--forecast", "0.7", "--set", "market.days=20", "--json")
    document = json.loads(found.output)
    assert document["positions"][0]["forecast"] == pytest.approx(0.7)
    assert len(document["positions"]) > 10
    assert {"breakeven", "probability", "fees_coin"} <= set(document["positions"][0])
    assert next(iter(document)) == "verdict"
    assert document["verdict"] in " ".join(shown.output.split())
    assert "hedge: band 0.1 at" in " ".join(shown.output.split())


@pytest.mark.parametrize(
    ("forecast", "words"), [("0.1", "None of {} positions is"), ("2.0", "{0} of {0} positions are")]
)
def test_one_sentence_says_how_many_are_expected_to_earn_and_the_best(forecast, words):
    told = json.loads(run("--forecast", forecast, "--set", "market.days=20", "--json").output)
    best, count = told["positions"][0], len(told["positions"])
    assert all((one["profit_coin"] > 0) == (forecast == "2.0") for one in told["positions"])
    assert told["verdict"].startswith(words.format(count) + " expected to earn. The best, ")
    figures = best["breakeven"], float(forecast), best["probability"]
    end = "breaks even at {:.1%}, the forecast is {:.1%}; chance of a profit {:.0%}"
    assert told["verdict"].endswith(end.format(*figures))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--structure", "stradle"], "structure: expected one of straddle, strangle, guts"),
        (["--at", "yesterday"], "--at:"),
        (["--forecast", "-0.5"], "--forecast: expected a positive number"),
        (["--forecast", "garch"], "har or combined, got 'garch'"),
        (["--forecast", "har", "--set", "market.days=20"], "no forecast at"),
    ],
)
def test_mistakes_are_told(words, told):
    found = run(*words)
    assert told in str(found.exception)


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_recorded_chains(currency):
    """Break-evens lie above the mark, near it where a month is left, and further off for days."""
    settings = parse_config(
        {
            "currency": currency,
            "data": {"chains": str(recorded(f"data/deribit_options/{currency}_2026-04.csv.gz"))},
            "marks": {"forward": "parity"},
            "hedge": {"rule": "interval", "every": "6h"},
        }
    )
    ranked = rank_positions(settings, forecast=0.5, at_ns=parse_time("2026-04-10T12:00"), max_delta=0.3)
    found = ranked.found
    iv = ranked.chain.iv[found.rows[:, 0]]
    known = np.isfinite(found.breakeven)
    assert known.mean() > 0.9
    month = known & (found.tau * 365 > 20) & (found.tau * 365 < 60)
    assert np.median(found.breakeven[month] - iv[month]) == pytest.approx(0.015, abs=0.015)
    days = known & (found.tau * 365 > 1) & (found.tau * 365 < 4)
    assert np.median(found.breakeven[days] - iv[days]) > np.median(found.breakeven[month] - iv[month])


def test_a_density_for_every_remaining_life():
    """By the HAR of the history up to the chain: weekend days count less, and the future does not count."""
    data = recorded("data/deribit_options/BTC_2026-04.csv.gz").parents[1]
    settings = parse_config(
        {
            "data": {
                "chains": str(data / "deribit_options" / "BTC_2026-04.csv.gz"),
                "prices": str(data / "prices" / "btcusdt_binance_spot_1h.csv.gz"),
            },
            "marks": {"forward": "parity"},
        }
    )
    ranked = rank_positions(settings, forecast="har", at_ns=parse_time("2026-04-10T12:00"), max_delta=0.2)
    medians = {row["expiries"][0]: row["forecast"] for row in ranked.rows()}
    assert len(set(medians.values())) == len(medians) > 8
    assert all(0.2 < median < 0.8 for median in medians.values())
    # Friday noon: what expires on Sunday sees little but a weekend.
    assert medians["2026-04-12T08:00:00Z"] < medians["2026-04-17T08:00:00Z"]
