"""Chains modelled from trades that were drawn out of recorded chains, against those recorded chains.

The recorded data is optional; without it these tests skip. Figures seen: docs/data.md.
"""

import runpy

import numpy as np
import pytest

from gammacore.backtest.figures.results import run_backtest
from gammacore.config import load_config
from gammacore.data import Store, best_forward, load_chains
from gammacore.data.trade_chains import ChainRecipe, build_chains, load_spread_model
from gammacore.daycount import NS_PER_DAY, format_time, parse_time
from support.drawn_trades import drawn, write
from support.pages import ROOT
from support.shared_data import recorded

# The spread model was fitted to what came before.
START, END = parse_time("2026-04-08"), parse_time("2026-05-11")
WEEKLY = ROOT / "config" / "weekly_straddle.yaml"


@pytest.fixture(scope="module", params=["BTC", "ETH"])
def pair(request, tmp_path_factory):
    """Recorded chains of a month, those modelled at the same moments, and where each is.

    With 250 trades a chain a window holds 600 or more, the fewest that make a chain.
    """
    currency, source = request.param, recorded("data/deribit_options")
    real = load_chains(source, currency=currency, start_ns=START, end_ns=END)
    folder = tmp_path_factory.mktemp(currency)
    with pytest.MonkeyPatch.context() as patch, Store(folder) as store:
        write(store, currency, drawn(real, seed=1, each=250))
        moments = real.snapshot_ts
        patch.setattr(
            ChainRecipe,
            "times",
            lambda _, day_ns: moments[(moments >= day_ns) & (moments < day_ns + NS_PER_DAY)].tolist(),
        )
        spreads = load_spread_model(currency)
        done = build_chains(store, currency, START, END, ChainRecipe(), spreads, as_of_ns=END + NS_PER_DAY)
    path = folder / "processed" / "chains_modelled" / currency / done.series
    modelled = load_chains(path, currency=currency)
    assert len(modelled.snapshot_ts) > 0.98 * len(moments) - 4
    assert modelled.modelled
    return currency, real, modelled, source, path


def at_the_money(chains):
    """Volatility at the forward by (moment, expiry), along the strikes."""
    forward, found = best_forward(chains), {}
    for i in range(chains.snapshot_ts.size):
        rows = np.arange(chains.offsets[i], chains.offsets[i + 1])
        for expiry in np.unique(chains.expiry_ns[rows]).tolist():
            part = rows[(chains.expiry_ns[rows] == expiry) & np.isfinite(chains.iv[rows])]
            vol = np.interp(forward[part[0]], chains.strike[part], chains.iv[part])
            found[int(chains.snapshot_ts[i]), expiry] = vol
    return found


def test_volatility_at_the_money_is_that_of_the_recording(pair):
    _, real, modelled, _, _ = pair
    one, other = at_the_money(real), at_the_money(modelled)
    both = sorted(set(one) & set(other))
    days = np.array([(expiry - ts) / NS_PER_DAY for ts, expiry in both])
    error = 100.0 * np.array([other[key] - one[key] for key in both])
    near = (days >= 5) & (days <= 40)
    assert near.sum() > 350
    assert np.median(np.abs(error[near])) < 0.7
    assert abs(np.median(error[near])) < 0.2  # no bias
    assert np.median(np.abs(error[days > 40])) < 0.4


def test_quotes_are_as_wide_as_recorded(pair):
    _, real, modelled, _, _ = pair
    half = []
    for chains in (real, modelled):
        days, size = chains.tau * 365.0, np.abs(chains.delta)
        money = (size > 0.4) & (size < 0.6) & (days > 3) & (days < 45)
        half.append(np.nanmedian(0.5 * (chains.ask - chains.bid)[money]))
    assert half[0] <= half[1] <= 1.5 * half[0] + 1e-9


@pytest.mark.parametrize("held", ["to delivery", "some days"])
def test_straddles_earn_what_they_earn_on_recorded_chains(pair, held):
    currency, _, modelled, source, path = pair
    first, last = modelled.span
    earned = []
    for chains in (source, path):
        config = load_config(
            WEEKLY,
            {
                "data.chains": str(chains),
                "data.start": format_time(first),
                "data.end": format_time(last + 1),
                "currency": currency,
                "entry.expiries": "any",
                "entry.min_days": 2,
                "entry.max_days": 12,
                "report.html": False,
                **({} if held == "to delivery" else {"exit.hours_before_expiry": 24}),
            },
        )
        found = run_backtest(config)
        assert bool(found.summary["data"]["modelled"]) == (chains == path)
        earned.append(found.episodes.set_index("expiry")[["pnl_over_premium", "closed"]])
    real, built = earned
    both = real.index.intersection(built.index)
    assert len(both) >= 30
    # Recorded quotes in the money are far from the mark for hours, and the backtest waits to sell.
    both = both[real["closed"][both] == built["closed"][both]]
    assert len(both) >= (len(real) if held == "to delivery" else 0.6 * len(real))
    real, built = (one["pnl_over_premium"][both] for one in earned)
    assert np.corrcoef(real, built)[0, 1] > 0.95
    assert abs((built - real).median()) < 0.03


def test_the_spread_model_is_what_its_script_fits():
    script = runpy.run_path(str(ROOT / "tools" / "spread_table.py"))
    fitted = script["model"](load_chains(recorded("data/deribit_options"), currency="BTC"))
    kept = load_spread_model("BTC")
    assert (fitted["name"], fitted["fitted"]) == (kept.name, kept.fitted)
    for side in ("outside", "inside"):
        assert fitted[side] == pytest.approx(getattr(kept, side), abs=2e-3)
