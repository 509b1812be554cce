import numpy as np
import pytest

from gammacore import inverse
from gammacore.backtest.replay.synthetic import flat_chains, simulate
from gammacore.config import MarketConfig
from gammacore.contracts import Option, Settlement
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, weekday
from gammacore.volatility import realised_vol

spec_for = published().spec_for

CONFIG = MarketConfig(days=20)


@pytest.fixture(scope="module")
def market():
    return simulate(CONFIG, "BTC")


def test_the_seed_decides_everything(market):
    again, other = simulate(CONFIG, "BTC"), simulate(MarketConfig(days=20, seed=8), "BTC")
    for name in ("ts_ns", "mark", "bid", "ask", "iv"):
        np.testing.assert_array_equal(getattr(market.chains, name), getattr(again.chains, name))
    np.testing.assert_array_equal(market.prices.close, again.prices.close)
    np.testing.assert_array_equal(market.funding.rate, again.funding.rate)
    assert not np.array_equal(market.prices.close, other.prices.close)


def test_rows_are_in_order_and_alive(market):
    c = market.chains
    keys = np.stack([c.ts_ns, c.expiry_ns, c.strike, c.kind])
    assert (np.lexsort(keys[::-1]) == np.arange(len(c))).all()
    assert (c.expiry_ns > c.ts_ns).all()
    assert (weekday(c.expiry_ns) == 4).all()
    assert set(c.names) == {
        Option("BTC", Settlement.INVERSE, int(e), float(k), int(s)).name
        for e, k, s in set(zip(c.expiry_ns.tolist(), c.strike.tolist(), c.kind.tolist(), strict=True))
    }


def test_quotes_are_on_ticks_around_the_mark_and_some_are_missing(market):
    c = market.chains
    spec = spec_for(Option("BTC", Settlement.INVERSE, int(c.expiry_ns[0]), 60e3, 1))
    for side in (c.bid, c.ask):
        assert spec.is_on_tick(side[np.isfinite(side)]).all()
        assert 0 < np.isnan(side).mean() < 0.5
    quoted = np.isfinite(c.bid)
    assert (c.bid[quoted] <= c.mark[quoted]).all()
    asked = np.isfinite(c.ask)
    assert (c.ask[asked] >= c.mark[asked]).all()


def test_marks_follow_from_the_published_volatility(market):
    c = market.chains
    model = inverse.price(c.kind, c.forward, c.strike, (c.expiry_ns - c.ts_ns) / NS_PER_YEAR, c.iv)
    np.testing.assert_allclose(model, c.mark, atol=3e-5)  # volatility is printed to 1e-4


def test_call_prices_fall_and_are_convex_in_strike(market):
    c = market.chains
    usd = c.mark * c.forward
    calls = c.kind == 1
    same = (np.diff(c.ts_ns[calls]) == 0) & (np.diff(c.expiry_ns[calls]) == 0)
    slope = np.diff(usd[calls]) / np.diff(c.strike[calls])
    assert (slope[same] <= 1e-6).all()
    assert (slope[same] >= -1 - 1e-6).all()
    both = same[1:] & same[:-1]
    assert (np.diff(slope)[both] >= -1e-4).all()


def test_prices_realise_about_the_volatility_asked_for():
    market = simulate(MarketConfig(days=365, vol=0.8, vol_of_vol=0.3, snapshot_hours=240), "BTC")
    assert realised_vol(market.prices.ts_ns, market.prices.close) == pytest.approx(0.8, rel=0.05)


def test_other_coins_get_strikes_of_their_size():
    market = simulate(MarketConfig(days=10, spot=2500.0), "ETH")
    steps = np.diff(np.unique(market.chains.strike))
    assert set(steps) == {50.0}
    assert market.chains.names[0].startswith("ETH-")


def test_flat_chains_list_one_straddle_a_life(market):
    chains = flat_chains(market.prices, "BTC", 0.55, 2.0)
    assert len(chains) == 2 * len(chains.snapshot_ts) == 2 * 10
    assert (np.diff(chains.snapshot_ts) == 2 * NS_PER_DAY).all()
    np.testing.assert_array_equal(chains.strike, chains.index)
    np.testing.assert_array_equal(chains.bid, chains.ask)
