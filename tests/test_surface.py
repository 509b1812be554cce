"""Surfaces fitted to chains: made from a known SSVI surface, and recorded."""

import numpy as np
import pytest

from gammacore import black76, inverse
from gammacore.data import load_chains
from gammacore.data.surfaces import best_forward, snapshot_surface
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, year_fraction
from gammacore.volatility import SSVI, SVI, Reason, VarianceClock, fit_ssvi, fit_surface, quoted_points
from support.quoted_chains import EXPIRY, FORWARD, NOW, TAU, TRUTH, chain, with_vols
from support.shared_data import recorded


def truth_vol(k, i):
    return np.sqrt(SVI(*TRUTH.raw()[i]).total_variance(k) / TAU[i])


def test_exact_quotes_give_the_surface_back():
    surface = fit_surface(NOW, **chain())
    for i, expiry in enumerate(EXPIRY):
        k = np.linspace(-1.2, 1.2, 11) * np.sqrt(TAU[i])
        found = surface.vol(k, expiry, log_moneyness=True)
        np.testing.assert_allclose(found, truth_vol(k, i), atol=2e-4)
        np.testing.assert_allclose(surface.vol(FORWARD[i] * np.exp(k), expiry), found, rtol=1e-9)
    for one in surface.report:
        assert one.method == "svi"
        assert one.free
        assert one.quotes == 25
        assert one.dropped == {"OTHER_SIDE": 25}
        assert one.rms_vol < 2e-4


def test_noisy_quotes_are_fitted_within_the_noise():
    surface = fit_surface(NOW, **chain(seed=1))
    for i, one in enumerate(surface.report):
        assert one.free
        assert one.rms_half_spreads < 0.75  # of which the noise is 0.5
        k = np.linspace(-0.8, 0.8, 9) * np.sqrt(TAU[i])
        found = surface.vol(k, EXPIRY[i], log_moneyness=True)
        assert np.abs(found - truth_vol(k, i)).max() < 0.003  # noise of 0.002 a quote


@pytest.mark.parametrize("name", ["bid", "mark"])
def test_coin_and_dollar_prices_give_the_same_surface(name):
    case = chain(seed=2)
    if name == "mark":
        case.pop("bid"), case.pop("ask")
    coin = fit_surface(NOW, **case)
    for price in set(case) & {"bid", "ask", "mark"}:
        case[price] = case[price] * case["forward"]
    dollar = fit_surface(NOW, **case, inverse_settled=False)
    np.testing.assert_allclose(dollar.raw, coin.raw, rtol=1e-4, atol=1e-6)


def test_an_outlier_is_dropped_named_and_harmless():
    case = chain(seed=3)
    clean = fit_surface(NOW, **case)
    row = int(np.flatnonzero((case["expiry_ns"] == EXPIRY[4]) & (case["kind"] == 1))[20])
    for name in ("bid", "ask", "mark"):
        case[name] = case[name].copy()
        case[name][row] *= 1.6
    surface = fit_surface(NOW, **case)
    assert surface.reason[row] == Reason.OUTLIER
    report = surface.report[4]
    assert report.dropped["OUTLIER"] == 1
    assert "without outliers" in report.note
    assert report.retries >= 1
    k = np.linspace(-0.3, 0.3, 9)
    here, there = (s.vol(k, EXPIRY[4], log_moneyness=True) for s in (surface, clean))
    assert np.abs(here - there).max() < 0.002


@pytest.mark.parametrize("first", [3, 8, 11, 15, 19])
@pytest.mark.parametrize("shift", [0.05, -0.05, -0.1])
def test_three_neighbouring_stale_strikes_are_left_out_and_named(first, shift):
    """A smile bent to them: at 15 strikes of -0.1 it was 6 points off, free, and without a word."""
    case = chain(seed=3)
    mine = np.unique(case["strike"][case["expiry_ns"] == EXPIRY[4]])
    stale = mine[first : first + 3]

    def stood_still(expiry, strike, _, vol):
        return vol + np.where((expiry == EXPIRY[4]) & np.isin(strike, stale), shift, 0.0)

    surface = fit_surface(NOW, **with_vols(case, stood_still))
    used = np.isin(case["strike"], stale) & (surface.reason != Reason.OTHER_SIDE)
    assert (surface.reason[used] == Reason.OUTLIER).all()
    report = surface.report[4]
    assert report.dropped["OUTLIER"] == 3
    assert report.warnings == ("3 of 25 quotes left out as stale or wrong",)
    assert surface.warnings == (f"2026-03-27T08:00:00Z: {report.warnings[0]}",)
    assert report.free
    assert not report.sound
    k = np.linspace(-0.3, 0.3, 9)
    found = surface.vol(k, EXPIRY[4], log_moneyness=True)
    assert np.abs(found - truth_vol(k, 4)).max() < 0.004


def test_a_smile_that_is_as_it_looks_keeps_its_quotes():
    """A step that lasts to the end of the strikes, or a kink, is no run of stale ones."""
    surface = fit_surface(NOW, **chain(seed=3))
    assert surface.warnings == ()
    assert all(one.sound for one in surface.report)

    def kinked(expiry, strike, forward, vol):
        wing = 0.3 * np.abs(np.log(strike / forward)) / np.sqrt(year_fraction(NOW, expiry))
        return np.where(expiry == EXPIRY[4], 0.4 + wing, vol)

    report = fit_surface(NOW, **with_vols(chain(seed=3), kinked)).report[4]
    assert report.quotes >= 20


def test_quotes_that_cross_in_the_calendar_are_named():
    """11 days at 120 %, 25 days at 45 %: no slices without arbitrage are near both."""

    def crossed(expiry, strike, forward, vol):
        return np.where(expiry == EXPIRY[3], 1.2, np.where(expiry == EXPIRY[4], 0.45, 0.55))

    surface = fit_surface(NOW, **with_vols(chain(seed=3), crossed))
    report = surface.report[3]
    assert report.crossed > 15
    assert report.off == report.quotes
    assert report.free
    assert not report.sound
    assert report.warnings[0] == (
        f"quotes cross the next expiry's in the calendar at {report.crossed} of {report.quotes} strikes"
    )
    median, worst = report.median_half_spreads, report.worst_half_spreads
    assert min(median, worst) > 70
    assert report.warnings[1] == (
        f"{report.off} of {report.quotes} quotes are more than 5 half spreads off, "
        f"median {median:.1f}, worst {worst:.1f}"
    )
    assert len(surface.warnings) == 2


def test_an_expiry_of_few_quotes_is_supported_by_the_others():
    case = chain(seed=4)
    rows = case["expiry_ns"] != EXPIRY[3]
    rows[np.flatnonzero(~rows)[[11, 12, 13]]] = True
    case = {name: column[rows] for name, column in case.items()}
    surface = fit_surface(NOW, **case)
    report = surface.report[3]
    assert report.method == "svi_ssvi"
    assert "fewer than 8 points" in report.note
    assert report.quotes == 3
    assert report.free
    k = np.linspace(-1, 1, 9) * np.sqrt(TAU[3])
    assert np.abs(surface.vol(k, EXPIRY[3], log_moneyness=True) - truth_vol(k, 3)).max() < 0.01


def test_every_row_has_its_reason():
    case = chain()
    rows = {name: int(i) for i, name in enumerate(
        ["NO_FORWARD", "CROSSED", "NO_PRICE", "NO_VOL"], start=np.flatnonzero(case["kind"] == 1)[13]
    )}  # fmt: skip
    case = {
        name: np.array(column, float if column.dtype.kind == "f" else None) for name, column in case.items()
    }
    case["forward"][rows["NO_FORWARD"]] = np.nan
    case["bid"][rows["CROSSED"]] = 1.1 * case["ask"][rows["CROSSED"]]
    for name in ("bid", "ask", "mark"):
        case[name][rows["NO_PRICE"]] = np.nan if name != "mark" else 0.0
        case[name][rows["NO_VOL"]] = 1.5  # coins: above any call
    old = {name: np.append(column, column[0]) for name, column in case.items()}
    old["expiry_ns"][-1] = NOW + NS_PER_HOUR // 3
    surface = fit_surface(NOW, **old)
    for name, row in rows.items():
        assert Reason(surface.reason[row]).name == name
    assert surface.reason[-1] == Reason.SETTLING
    first = surface.report[0]
    assert first.method == "none"
    assert not first.fitted
    assert first.note == "no usable quote: 1 settling"
    assert sum(one.quotes + sum(one.dropped.values()) for one in surface.report) == len(old["strike"])


def test_far_quotes_are_left_out_and_marks_count_less():
    case = chain()
    far = {name: column[-1:].copy() for name, column in case.items()}
    far["strike"][:] = FORWARD[-1] * np.exp(-6 * 0.55 * np.sqrt(TAU[-1]))
    for name, vol in (("bid", 0.9), ("mark", 1.0), ("ask", 1.1)):
        far[name] = inverse.price(far["kind"], far["forward"], far["strike"], TAU[-1], vol)
    case = {name: np.concatenate([column, far[name]]) for name, column in case.items()}
    upside = 20  # a call out of the money without a bid: the put at that strike is used
    case["bid"][upside] = np.nan
    points = quoted_points(NOW, **case)
    assert points.reason[-1] == Reason.FAR
    assert points.reason[upside] == Reason.OTHER_SIDE
    case["bid"][:50] = np.nan
    points = quoted_points(NOW, **case)
    one_sided = ~points.two_sided
    assert one_sided.sum() == 25
    assert points.half_spread[one_sided].min() == 0.01


def test_variance_is_linear_in_time_between_expiries_and_flat_beyond():
    surface = fit_surface(NOW, **chain())
    k = np.linspace(-0.3, 0.3, 7)
    middle = (EXPIRY[4] + EXPIRY[5]) // 2
    average = 0.5 * (surface.total_variance(k, EXPIRY[4]) + surface.total_variance(k, EXPIRY[5]))
    np.testing.assert_allclose(surface.total_variance(k, middle), average, rtol=1e-12)
    half = NOW + (EXPIRY[0] - NOW) // 2
    expected = surface.vol(k, EXPIRY[0], log_moneyness=True)
    np.testing.assert_allclose(surface.vol(k, half, log_moneyness=True), expected, rtol=1e-9)
    later = EXPIRY[-1] + 100 * NS_PER_DAY
    expected = surface.vol(k, EXPIRY[-1], log_moneyness=True)
    np.testing.assert_allclose(surface.vol(k, later, log_moneyness=True), expected, rtol=1e-9)
    mixed = np.array([half, EXPIRY[0], middle, later])
    each = [float(surface.vol(0.05, one, log_moneyness=True)) for one in mixed]
    np.testing.assert_allclose(surface.vol(0.05, mixed, log_moneyness=True), each, rtol=1e-12)
    np.testing.assert_allclose(surface.forward_at(EXPIRY), FORWARD, rtol=1e-12)
    assert float(surface.forward_at(middle)) == pytest.approx(
        70_000 * np.exp(0.04 * year_fraction(NOW, int(middle)))
    )


def test_time_between_expiries_is_the_clocks():
    weights = np.where(np.arange(168) >= 120, 0.3, 1.28)
    clock = VarianceClock(weights)
    surface = fit_surface(NOW, **chain(), clock=clock)
    at = int(EXPIRY[3] + 2 * NS_PER_DAY)
    low, high = surface.total_variance(0.0, EXPIRY[3]), surface.total_variance(0.0, EXPIRY[4])
    share = clock.elapsed(EXPIRY[3], at) / clock.elapsed(EXPIRY[3], EXPIRY[4])
    assert float(surface.total_variance(0.0, at)) == pytest.approx(
        float(low + share * (high - low)), rel=1e-12
    )


@pytest.mark.parametrize(
    ("rule", "follow"),
    [("sticky_strike", 1.0), ("sticky_delta", 0.0), ("minimum_variance", 2.0), (1.5, 1.5)],
)
@pytest.mark.parametrize("net", [False, True])
def test_deltas_are_derivatives_of_the_price_under_their_rule(rule, follow, net):
    """By differences: move the forward and each strike's volatility as the rule says."""
    surface = fit_surface(NOW, **chain())
    expiry, i = int(EXPIRY[4]), 4
    strike = FORWARD[i] * np.array([0.8, 0.95, 1.0, 1.1, 1.3])
    kind = np.array([-1, -1, 1, 1, 1])
    skew = surface.skew(strike, expiry)

    def value(bump):
        vol = surface.vol(strike, expiry) + (follow - 1) * skew * bump
        forward = FORWARD[i] * np.exp(bump)
        price = black76.price(kind, forward, strike, TAU[i], vol)
        return price / forward if net else price

    h = 1e-5
    slope = (value(h) - value(-h)) / (2 * h)  # per unit of ln F
    # In coin: d(V/F)/dlnF is the net delta in coins of the forward.
    expected = slope if net else slope / FORWARD[i]
    np.testing.assert_allclose(surface.delta(kind, strike, expiry, rule, net=net), expected, atol=1e-7)


def test_sticky_delta_moves_the_smile_with_the_forward():
    """The same as shifting the whole smile: its volatility at ln(K/F) stays."""
    surface = fit_surface(NOW, **chain())
    expiry, strike, h = int(EXPIRY[5]), 1.1 * FORWARD[5], 1e-5

    def value(bump):
        forward = FORWARD[5] * np.exp(bump)
        vol = surface.vol(np.log(strike / forward), expiry, log_moneyness=True)
        return black76.price(1, forward, strike, TAU[5], vol)

    expected = (value(h) - value(-h)) / (2 * h * FORWARD[5])
    assert float(surface.delta(1, strike, expiry, "sticky_delta")) == pytest.approx(float(expected), abs=1e-7)


def test_ssvi_recovers_itself_and_is_free():
    case = chain()
    found = fit_ssvi(quoted_points(NOW, **case))
    assert found.rho == pytest.approx(TRUTH.rho, abs=0.01)
    np.testing.assert_allclose(found.theta, TRUTH.theta, rtol=2e-3)
    surface = fit_surface(NOW, **case, method="ssvi")
    assert all(one.free and one.method == "ssvi" for one in surface.report)
    k = np.linspace(-1, 1, 9)
    for i, raw in enumerate(found.raw()):
        phi = found.eta / (found.theta[i] ** found.gamma * (1 + found.theta[i]) ** (1 - found.gamma))
        z = phi * k + found.rho
        w = found.theta[i] / 2 * (1 + found.rho * phi * k + np.sqrt(z**2 + 1 - found.rho**2))
        np.testing.assert_allclose(SVI(*raw).total_variance(k), w, rtol=1e-12)


def test_ssvi_parameters_with_arbitrage_are_refused():
    for change, message in [
        ({"rho": -1.0}, "rho: expected"),
        ({"eta": 2.0}, "eta: expected above 0 and at most"),
        ({"gamma": 0.6}, "gamma: expected"),
        ({"theta": np.array([0.2, 0.1])}, "theta: expected"),
    ]:
        with pytest.raises(ValueError, match=message):
            SSVI(**{"rho": -0.2, "eta": 0.9, "gamma": 0.4, "theta": np.array([0.1, 0.2])} | change)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"target": "middle"}, ValueError, "target: 'middle' is unknown"),
        ({"method": "svii"}, ValueError, "did you mean 'svi'"),
        ({"ask": None}, ValueError, "ask: expected both bid and ask"),
        ({"bid": None, "ask": None, "mark": None}, ValueError, "expected quotes, marks or"),
        ({"strike": np.ones(3)}, ValueError, "strike: expected 400 values"),
        ({"expiry_ns": np.ones(400)}, TypeError, "expiry_ns: expected integer nanoseconds or datetimes"),
        ({"forward": np.nan}, ValueError, "expected at least 8 strikes with a volatility, got 0"),
    ],
)
def test_what_is_wrong_with_a_chain_is_named(change, error, message):
    with pytest.raises(error, match=message):
        fit_surface(NOW, **chain() | change)


def test_what_is_wrong_with_a_question_is_named():
    surface = fit_surface(NOW, **chain())
    with pytest.raises(ValueError, match="expiry_ns: 2026-03-01T10:00:00Z is not after"):
        surface.vol(70_000, NOW - NS_PER_DAY)
    with pytest.raises(TypeError, match="expiry_ns: expected integer"):
        surface.vol(70_000, 1.5)
    with pytest.raises(ValueError, match="strike: expected positive strikes, got 0"):
        surface.vol(0, EXPIRY[0])
    with pytest.raises(ValueError, match="did you mean 'sticky_delta'"):
        surface.delta(1, 70_000, EXPIRY[0], "sticky_delt")
    with pytest.raises(ValueError, match="is not fitted; there are 2026-03-03T08:00:00Z"):
        surface.slice(NOW)
    assert surface.slice(int(EXPIRY[0])).is_free()


@pytest.fixture(scope="module", params=["BTC", "ETH"])
def recorded_chains(request):
    return load_chains(recorded(f"data/deribit_options/{request.param}_2026-02.csv.gz"))


def test_recorded_chains_are_fitted_inside_the_spread(recorded_chains):
    forward = best_forward(recorded_chains)
    reports = []
    for i in range(0, recorded_chains.snapshot_ts.size, 8):
        surface = snapshot_surface(recorded_chains, i, forward)
        reports += [one for one in surface.report if one.quotes >= 8]
    assert len(reports) > 100
    assert np.mean([one.free for one in reports]) >= 0.99
    assert np.median([one.median_half_spreads for one in reports]) < 0.5
    assert np.mean([one.median_half_spreads < 1 for one in reports]) > 0.9


def test_a_snapshot_alone_gives_the_same_surface(recorded_chains):
    forward = best_forward(recorded_chains)
    np.testing.assert_array_equal(
        snapshot_surface(recorded_chains, -1).raw, snapshot_surface(recorded_chains, -1, forward).raw
    )
