"""Variance strips: published figures, QuantLib's quadrature, and the recorded index."""

import math

import numpy as np
import pytest

from gammacore import black76
from gammacore.data import load_chains
from gammacore.data.surfaces import best_forward, snapshot_index, snapshot_surface
from gammacore.data.tables import Column, read_table
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, year_fraction
from gammacore.volatility import (
    Surface,
    VarianceClock,
    chain_index,
    fit_surface,
    replicated_variance,
    strip_variance,
    surface_index,
    swap_variance,
)
from support.quoted_chains import EXPIRY, FORWARD, NOW, TAU, chain
from support.shared_data import recorded


def demeterfi(strikes_put, strikes_call, vol):
    """Fair variance of the example of Demeterfi, Derman, Kamal and Zou (1999)."""
    spot, rate, tau = 100.0, 0.05, 0.246575
    forward = spot * math.exp(rate * tau)

    def price(kind, strikes):
        return black76.price(kind, forward, strikes, tau, vol(strikes), rate)

    return replicated_variance(
        strikes_put, price("put", strikes_put), strikes_call, price("call", strikes_call),
        spot=spot, rate=rate, tau=tau,
    )  # fmt: skip


def test_the_published_example_of_a_variance_swap():
    """0.04189 in QuantLib's tests; 0.0418886 by an independent evaluation."""
    fair = demeterfi(
        np.arange(50.0, 101, 5), np.arange(100.0, 136, 5), lambda strike: 0.20 - 0.002 * (strike - 100)
    )
    assert fair == pytest.approx(0.0418886, abs=5e-8)


def test_a_flat_smile_on_a_wide_dense_strip():
    """0.040068 at steps of 1, measured independently; 0.04 in the limit, from above as chords are."""
    found = [
        demeterfi(np.arange(20.0, 100.1, step), np.arange(100.0, 400.1, step), lambda k: np.full(k.size, 0.2))
        for step in (5.0, 1.0, 0.25)
    ]
    assert found == sorted(found, reverse=True)
    assert found[1] == pytest.approx(0.040068, abs=2e-6)
    assert found[-1] == pytest.approx(0.04, abs=5e-6)
    assert all(one > 0.04 for one in found)


def flat_surface(vol=0.6):
    raw = np.array([[vol**2 * tau, 0.0, 0.0, 0.0, 0.1] for tau in TAU])
    # A flat slice is a straight line in k of slope 0: give it wings that no test can see.
    raw[:, 1] = 1e-12
    return Surface(NOW, EXPIRY, FORWARD, raw, VarianceClock.calendar(), (), np.empty(0, np.int8))


def test_the_index_of_a_flat_smile_is_the_flat_volatility():
    surface = flat_surface()
    assert surface_index(surface) == pytest.approx(0.6, abs=1e-9)
    assert surface_index(surface, flat_beyond=None) == pytest.approx(0.6, abs=1e-9)
    assert math.sqrt(swap_variance(surface, int(EXPIRY[0]))) == pytest.approx(0.6, abs=1e-9)


def dense(i, vol):
    """A strip of one expiry: 2,000 strikes over eight deviations."""
    k = np.linspace(-8, 8, 2_001) * 0.6 * math.sqrt(TAU[i])
    strike = FORWARD[i] * np.exp(k)
    kind = np.where(k < 0, -1, 1)
    return strike, kind, black76.price(kind, FORWARD[i], strike, TAU[i], vol(k))


def test_a_dense_strip_of_the_vix_formula_is_the_flat_volatility():
    strike, kind, price = dense(4, lambda k: np.full(k.size, 0.6))
    assert strip_variance(strike, kind, price, FORWARD[4], TAU[4]) == pytest.approx(0.36, rel=1e-4)


def test_the_smiles_integral_is_that_of_a_dense_strip():
    """Two formulas for one number: over option prices, and over d2 of the smile."""
    surface = fit_surface(NOW, **chain())
    for i in (2, 4, 6):
        strike, kind, price = dense(i, lambda k, i=i: surface.vol(k, EXPIRY[i], log_moneyness=True))
        by_strip = strip_variance(strike, kind, price, FORWARD[i], TAU[i])
        assert swap_variance(surface, int(EXPIRY[i])) == pytest.approx(by_strip, rel=2e-3)


def test_the_smiles_integral_is_quadrature_of_the_log_contract():
    """-2 E ln(S/F) under the density g exp(-d2^2/2) / sqrt(2 pi w)."""
    surface = fit_surface(NOW, **chain())
    one = surface.slice(int(EXPIRY[5]))
    k = np.linspace(-4, 4, 400_001)
    w = one.total_variance(k)
    d2 = -k / np.sqrt(w) - np.sqrt(w) / 2
    density = one.density_factor(k) * np.exp(-d2 * d2 / 2) / np.sqrt(2 * math.pi * w)
    assert np.trapezoid(density, k) == pytest.approx(1, abs=1e-5)
    fair = -2 * np.trapezoid(k * density, k) / TAU[5]
    assert swap_variance(surface, int(EXPIRY[5])) == pytest.approx(fair, rel=1e-4)


def test_quantlib_replicates_the_same_variance_swap():
    import QuantLib as QL  # noqa: N817

    today = QL.Date(1, 1, 2026)
    QL.Settings.instance().evaluationDate = today
    day_count, tau_days = QL.Actual365Fixed(), 90
    tau, forward = tau_days / 365, 100.0
    flat = QL.YieldTermStructureHandle(QL.FlatForward(today, 0.0, day_count))
    strikes = np.arange(40.0, 220.1, 2.5)
    vols = 0.5 - 0.15 * np.log(strikes / 100) + 0.2 * np.log(strikes / 100) ** 2
    matrix = QL.Matrix(strikes.size, 1)
    for row, vol in enumerate(vols):
        matrix[row][0] = float(vol)
    variance = QL.BlackVarianceSurface(
        today, QL.NullCalendar(), [today + tau_days], strikes.tolist(), matrix, day_count
    )
    process = QL.BlackScholesMertonProcess(
        QL.QuoteHandle(QL.SimpleQuote(forward)), flat, flat, QL.BlackVolTermStructureHandle(variance)
    )
    swap = QL.VarianceSwap(QL.Position.Long, 0.04, 1.0, today, today + tau_days)
    puts, calls = strikes[strikes <= 100], strikes[strikes >= 100]
    engine = QL.ReplicatingVarianceSwapEngine(process, 2.5, calls.tolist(), puts.tolist())
    swap.setPricingEngine(engine)

    def price(kind, at):
        return black76.price(kind, forward, at, tau, vols[np.searchsorted(strikes, at)])

    ours = replicated_variance(
        puts, price("put", puts), calls, price("call", calls), spot=forward, rate=0.0, tau=tau
    )
    assert ours == pytest.approx(swap.variance(), rel=1e-6)


def test_the_index_of_a_chain_lies_between_its_expiries():
    case = chain()
    case.pop("mark")
    found = chain_index(NOW, **case)
    single = [
        math.sqrt(
            strip_variance(
                case["strike"][rows],
                case["kind"][rows],
                (case["bid"] + case["ask"])[rows] / 2 * FORWARD[i],
                FORWARD[i],
                TAU[i],
            )
        )
        for i in (4, 5)
        for rows in [case["expiry_ns"] == EXPIRY[i]]
    ]
    share = (30 / 365 - TAU[4]) / (TAU[5] - TAU[4])
    total = (1 - share) * single[0] ** 2 * TAU[4] + share * single[1] ** 2 * TAU[5]
    assert found == pytest.approx(math.sqrt(total * 365 / 30), rel=1e-12)
    only = {name: column[case["expiry_ns"] == EXPIRY[5]] for name, column in case.items()}
    assert chain_index(NOW, **only) == pytest.approx(single[1], rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: strip_variance([90, 110], [-1, 1], [1, 1], 100.0, 0.1), "at least 3 strikes with a price"),
        (lambda: strip_variance([110, 120], [1, 1], [1, 1], 100.0, 0.1), "is up to the forward 100"),
        (lambda: strip_variance([90], [-1], [1], 100.0, 0.0), "tau, forward: expected positive"),
        (
            lambda: replicated_variance([90, 95], [1, 2], [100, 105], [2, 1], spot=100, rate=0, tau=1),
            "put_strike: the highest is 95",
        ),
        (
            lambda: replicated_variance([95], [1], [95, 105], [2, 1], spot=100, rate=0, tau=1),
            "put_strike: expected at least 2",
        ),
        (
            lambda: chain_index(NOW, EXPIRY[:1], [100.0], [1], [100.0], [0.0], [0.1]),
            "no expiry after 2026-03-02T10:00:00Z has a strip",
        ),
    ],
)
def test_what_is_wrong_with_a_strip_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_index_follows_the_exchanges():
    """Rebuilt from every fourth chain of two months: correlation with DVOL, and its distance."""
    columns = (Column("timestamp", "time"), Column("iv", "number"))
    table = read_table(recorded("data/dvol/btc_dvol_1h.csv.gz"), columns).columns
    at, dvol = table["timestamp"], table["iv"]
    ours, quotes, recorded_dvol = [], [], []
    for month in ("2026-01", "2026-02"):
        chains = load_chains(recorded(f"data/deribit_options/BTC_{month}.csv.gz"))
        forward = best_forward(chains)
        for i in range(0, chains.snapshot_ts.size, 4):
            ts_ns = int(chains.snapshot_ts[i])
            ours.append(surface_index(snapshot_surface(chains, i, forward)))
            quotes.append(snapshot_index(chains, i, forward))
            recorded_dvol.append(np.interp(ts_ns, at + NS_PER_HOUR, dvol))  # closes of the hours
    assert np.corrcoef(ours, recorded_dvol)[0, 1] > 0.99
    assert abs(np.mean(np.array(ours) - recorded_dvol)) < 0.01
    assert np.corrcoef(quotes, recorded_dvol)[0, 1] > 0.985
    assert (
        0.01 < np.mean(np.array(quotes) - recorded_dvol) < 0.04
    )  # of the VIX formula, measured before: 0.026


def test_years_are_of_365_days():
    assert year_fraction(NOW, NOW + 365 * NS_PER_DAY) == 1.0
