import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.hedging import (
    Band,
    Custom,
    FixedCost,
    Interval,
    Ladder,
    Moment,
    Move,
    Never,
    WhalleyWilmott,
    Zakamouline,
)

mismatches = st.floats(-5, 5, allow_nan=False)


def moment(mismatch=0.0, ts=0, price=100.0, gamma=0.02, vol=0.6, tau=30 / 365, last=0, last_price=100.0):
    return Moment(ts, mismatch, price, gamma, vol, tau, last, last_price)


POLICIES = [
    Interval(35),
    Band(0.5),
    Band(0.5, to_edge=True),
    Band(0.5, lower=0.2, to_edge=True),
    Move(1.5, "usd"),
    Move(0.02, "relative"),
    Move(0.7, "sigma"),
    WhalleyWilmott(1.0, 5e-4),
    WhalleyWilmott(1.0, 5e-4, to_edge=False),
    Zakamouline(1.0, 5e-3),
    FixedCost(1.0, 0.01),
    Ladder(0.1, 0.3),
    Custom(Band(0.2), lambda at: -at.mismatch / 2),
]


@given(mismatches, st.floats(1e-3, 2))
def test_band_to_centre_removes_all_and_to_edge_leaves_the_half_width(mismatch, width):
    at = moment(mismatch)
    centre, edge = Band(width), Band(width, to_edge=True)
    if centre.fires(at):
        assert mismatch + centre.trade(at) == 0
        assert abs(mismatch + edge.trade(at)) == pytest.approx(width)
        assert (mismatch + edge.trade(at)) * mismatch > 0
    else:
        assert abs(mismatch) <= width


def test_asymmetric_band():
    band = Band(0.5, lower=0.2, to_edge=True)
    assert not band.fires(moment(0.4))
    assert not band.fires(moment(-0.2))
    assert band.fires(moment(-0.21))
    assert -0.21 + band.trade(moment(-0.21)) == pytest.approx(-0.2)
    assert 0.6 + band.trade(moment(0.6)) == pytest.approx(0.5)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_scalars_and_arrays_get_the_same_answer(policy):
    rng = np.random.default_rng(3)
    n = 200
    rows = {
        "mismatch": rng.normal(0, 0.5, n),
        "ts": np.arange(n, dtype=np.int64),
        "price": rng.uniform(90, 110, n),
        "gamma": rng.normal(0, 0.02, n),
        "vol": rng.uniform(0.2, 1.0, n),
        "tau": rng.uniform(0.001, 0.1, n),
    }
    block = policy.fires(moment(**rows))
    single = [policy.fires(moment(**{k: v[i].item() for k, v in rows.items()})) for i in range(n)]
    assert list(block) == single
    assert any(single)
    assert not all(single)


def test_interval_counts_from_the_last_hedge():
    rule = Interval(60)
    assert not rule.fires(moment(ts=159, last=100))
    assert rule.fires(moment(ts=160, last=100))
    assert rule.trade(moment(0.3)) == -0.3


def test_never():
    assert not Never().fires(moment(9.0))
    assert Never().trade(moment(9.0)) == 0.0


def test_a_move_is_measured_from_the_last_hedge_and_the_first_is_always_wanted():
    rule = Move(2.0, "sigma")
    sigma = 0.6 * math.sqrt(NS_PER_DAY / NS_PER_YEAR)
    assert not rule.fires(moment(price=100 * math.exp(1.999 * sigma)))
    assert rule.fires(moment(price=100 * math.exp(-2.001 * sigma)))
    assert rule.fires(moment(last_price=math.nan))
    assert list(rule.fires(moment(ts=np.arange(2), last_price=math.nan))) == [True, True]


def test_whalley_wilmott_minimises_cost_plus_risk():
    """Cost lambda S s^2/(2H) and risk a sigma^2 S^2 H^2/6 per time, with s = Gamma S sigma."""
    S, gamma, sigma, cost, a = 100.0, 0.0131, 0.6, 5e-4, 0.1
    s2 = (gamma * S * sigma) ** 2
    for policy, turnover, square in (
        (WhalleyWilmott(a, cost), 2.0, 3.0),
        (WhalleyWilmott(a, cost, to_edge=False), 1.0, 6.0),
    ):
        width = policy.edges(moment(price=S, gamma=gamma))[0]

        def loss(h, turnover=turnover, square=square):
            return cost * S * s2 / (turnover * h) + 0.5 * a * sigma**2 * S**2 * h**2 / square

        assert loss(width) < min(loss(width * 0.999), loss(width * 1.001))
    edge, centre = WhalleyWilmott(a, cost), WhalleyWilmott(a, cost, to_edge=False)
    at = moment(price=S, gamma=gamma)
    assert centre.edges(at)[0] / edge.edges(at)[0] == pytest.approx(4 ** (1 / 3))


def test_fixed_cost_minimises_cost_plus_risk():
    S, gamma, sigma, k, a = 100.0, 0.0131, 0.6, 0.02, 0.1
    s2 = (gamma * S * sigma) ** 2

    def loss(h):
        return k * s2 / h**2 + 0.5 * a * sigma**2 * S**2 * h**2 / 6

    width = FixedCost(a, k).edges(moment(price=S, gamma=gamma))[0]
    assert loss(width) < min(loss(width * 0.999), loss(width * 1.001))


@pytest.mark.parametrize(
    ("case", "h0", "h1", "k", "vols", "ww"),
    [
        (
            (100, 100, 1, 0.3, 0.02, 1),
            0.0022222,
            0.0516070,
            -0.6323616,
            (0.1818996, 0.3832917),
            0.0803481,
        ),
        ((100, 100, 0.25, 0.3, 0.01, 1), 0.0044444, 0.0551612, -0.4206370, None, 0.1018033),
        ((100, 110, 30 / 365, 0.6, 5e-4, 0.1), 0.0016898, 0.0485274, -0.0238580, None, 0.0686857),
    ],
)
def test_zakamouline_and_whalley_wilmott_by_number(case, h0, h1, k, vols, ww):
    """Figures computed independently from the published formulas (Zakamouline 2006)."""
    from gammacore import black76
    from gammacore.hedging import widths

    S, K, tau, vol, cost, a = case
    gamma = black76.greeks("call", float(S), float(K), tau, vol).gamma
    band = widths.zakamouline(S, gamma, vol, tau, cost, a)
    assert (band.h0, band.h1, band.k) == pytest.approx((h0, h1, k), abs=6e-8)
    if vols is not None:
        short = widths.zakamouline(S, -gamma, vol, tau, cost, a)
        assert (vol * band.vol_factor, vol * short.vol_factor) == pytest.approx(vols, abs=6e-8)
    assert widths.whalley_wilmott(S, gamma, cost, a) == pytest.approx(ww, abs=6e-8)


def test_zakamouline_says_what_leaves_its_range():
    from gammacore.hedging.widths import zakamouline_range

    assert zakamouline_range(0.3, 0.01, 0.5) == []
    assert [text.split()[0] for text in zakamouline_range(0.6, 5e-4, 2.0)] == ["vol", "cost", "tau"]


def test_leland_vol():
    """Leland (1985), a quarter at 20 %, 5 bp, 63 and 252 hedges, computed independently."""
    from gammacore.hedging.widths import leland_number, leland_vol

    assert leland_number(5e-4, 0.2, 0.25 / 63) == pytest.approx(0.06333, abs=5e-6)
    assert leland_number(5e-4, 0.2, 0.25 / 252) == pytest.approx(0.12666, abs=5e-6)
    assert leland_vol(0.2, 5e-4, 0.25 / 63, -1.0) == pytest.approx(0.20624, abs=5e-6)
    assert leland_vol(0.2, 5e-4, 0.25 / 63, 1.0) == pytest.approx(0.19356, abs=5e-6)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Band(0.0), "half_width"),
        (lambda: Band(0.1, lower=-1.0), "lower"),
        (lambda: Move(math.nan), "threshold"),
        (lambda: WhalleyWilmott(0.0, 1e-3), "risk_aversion"),
        (lambda: WhalleyWilmott(1.0, 0.0), "cost"),
        (lambda: Zakamouline(1.0, math.inf), "cost"),
        (lambda: FixedCost(1.0, -2.0), "cost_per_trade"),
        (lambda: Interval(-1), "every_ns"),
        (lambda: Ladder(0.2, 0.1), "outer"),
    ],
)
def test_an_impossible_policy_is_refused_by_field(make, field):
    with pytest.raises(ConfigError, match=f"^{field}: expected .*, got "):
        make()
