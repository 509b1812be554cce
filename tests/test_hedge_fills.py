"""What hedges had cost filled otherwise: bounds, band and share of makers."""

import numpy as np
import pytest

from gammacore.backtest.figures.hedge_fills import BOUNDS, hedge_fills
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.config import load_config
from support.markets import build
from support.shared_data import recorded
from support.tapes import market

BASE = {"entry.max_days": 7, "entry.min_days": 1, "costs.max_quote_age": None, "hedge.band": 0.03}


def filled(hedges, seed=4, **changes):
    config = build(BASE | {"execution.hedges": hedges} | changes)
    return replay(config, market(seed, config))


def profit(run):
    native = run.episode_runs[0].episode.ledger.native
    accounts = run.episode_runs if run.book is None else [run.book]
    return sum(done.episode.ledger.profit()[native] for done in accounts)


@pytest.mark.parametrize("seed", [4, 5])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hedge.scope": "book"},
        {"marks.settlement": "linear", "hedge.target": "black", "hedge.lots": False},
    ],
    ids=str,
)
def test_the_bounds_are_the_profits_of_runs_that_fill_so(seed, changes):
    """The same hedges: the rule looks at prices alone. Fees are rounded to 1e-8 one by one."""
    runs = {name: filled(name, seed, **changes) for name in ("taker", "post_only", "maker")}
    found = hedge_fills(runs["post_only"])
    usd = "marks.settlement" in changes
    for name in ("taker", "maker"):
        assert found["pnl"][f"all_{name}"] == pytest.approx(profit(runs[name]), abs=1e-2 if usd else 2e-6)
        assert hedge_fills(runs[name])["pnl"][f"all_{name}"] == pytest.approx(profit(runs[name]), abs=1e-7)
    assert found["orders"] == hedge_fills(runs["taker"])["orders"] > 100
    ordered = [found["pnl"][name] for name in BOUNDS]
    assert ordered == sorted(ordered)


def test_many_draws_come_to_the_expectation():
    """Thirty seeds of one run: share and profit within three errors of what is expected."""
    runs = [filled("post_only", **{"execution.seed": seed}) for seed in range(30)]
    found = [hedge_fills(run) for run in runs]
    expected = found[0]
    for drawn, mean in (
        ([one["maker_share"] for one in found], expected["maker_share_expected"]),
        ([profit(run) for run in runs], expected["pnl"]["expected"]),
    ):
        error = np.std(drawn, ddof=1) / np.sqrt(len(drawn))
        assert abs(np.mean(drawn) - mean) < 3 * error
    assert expected["maker_share_low"] < expected["maker_share_expected"] < expected["maker_share_high"]
    whole = expected["pnl"]["expected"]
    assert all(one["pnl"]["expected"] == pytest.approx(whole, abs=2e-6) for one in found)


def test_makers_are_counted_as_fills_say():
    run = filled("post_only")
    hedges = [f for d in run.episode_runs for f in d.episode.fills if f.order_id.split("-")[1] == "hedge"]
    found = hedge_fills(run)
    assert (found["orders"], found["makers"]) == (len(hedges), sum(f.maker for f in hedges))
    assert found["maker_share"] == found["makers"] / found["orders"]
    over = [d.episode.ledger.profit().coin / abs(d.episode.premium) for d in run.episode_runs]
    paid = found["mean_pnl_over_premium"]
    assert paid["all_taker"] < np.mean(over) < paid["all_maker"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Hedges rest for 3s"),
        ({"execution.hedges": "taker"}, "take at once"),
        ({"execution.hedges": "maker"}, "a bound"),
        ({"hedge.rule": "ladder"}, "ladder"),
        ({"hedge.rule": "never"}, "rest for 3s"),
    ],
)
def test_the_model_is_said_and_nothing_is_drawn_that_was_not(changes, words):
    config = build(BASE | changes)
    found = hedge_fills(replay(config, market(4, config)))
    assert words in found["model"]
    drawn = not changes or changes == {"hedge.rule": "never"}
    assert (found["pnl"]["low"] is not None) == drawn
    if changes.get("hedge.rule") == "never":
        assert (found["orders"], found["maker_share"], found["maker_share_expected"]) == (0, None, None)


def test_recorded_weeklies_lie_between_all_taken_and_all_filled_at_rest(request):
    """Nineteen weekly BTC straddles, bars of an hour, fees of the time: mean P&L over premium."""
    data = {
        "currency": "BTC",
        "data.chains": str(recorded("data/deribit_options")),
        "data.prices": str(recorded("data/prices/btcusdt_binance_spot_1h.csv.gz")),
        "data.funding": str(recorded("data/funding/btc_perp_okx_funding.csv.gz")),
    }
    config = load_config(request.config.rootpath / "config" / "weekly_straddle.yaml", data)
    run = replay(config, load_market(config).tape)
    found = hedge_fills(run)
    assert (len(run.episode_runs), found["orders"]) == (19, 1205)
    over = found["mean_pnl_over_premium"]
    expected = {
        "all_taker": -0.1353,
        "low": -0.1157,
        "expected": -0.1029,
        "high": -0.0856,
        "all_maker": -0.0786,
    }
    assert over == pytest.approx(expected, abs=5e-5)
    shares = [found[f"maker_share_{name}"] for name in ("low", "expected", "high")]
    assert shares == pytest.approx([0.450, 0.648, 0.900], abs=1e-3)
    assert found["maker_share"] == pytest.approx(0.657, abs=1e-3)
