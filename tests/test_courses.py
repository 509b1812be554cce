"""Deepest falls and profits of many ways to hedge, against curves of all entries, to the last bit."""

from itertools import product

import numpy as np
import pytest

from gammacore import _replay

MINUTE = 60 * 10**9


def contract(inverse):
    return _replay.Contract(inverse, True, [1e-4] * 24, (5e-4, False), (0.0, False))


def market(rng, n):
    """Prices that trend, so that tops and depths are far apart, with entries of one moment."""
    price = 100.0 * np.exp(np.cumsum(0.002 * rng.standard_normal(n) + rng.choice([-1e-4, 1e-4])))
    return price, MINUTE * np.cumsum(rng.random(n) > 0.02)


def hedged(rng, inverse, price, ts_ns, cuts, owed):
    """Episodes of a convex claim hedged by some bands: what Courses is given."""
    n, one = len(price), contract(inverse)
    working = _replay.Working(_replay.TAKER, 0, 1.0, 1.0, ts_ns, *([price] * 5))
    rate, lives, holdings = np.ones(n), [], []
    unit = (-1.0 / price if inverse else price) - owed
    for first, last in cuts:
        scale, strike = rng.choice([-1.0, 1.0]) * (100.0 if inverse else 1.0), price[first]
        x = np.log(price[first:last] / strike)
        delta = 0.9 * np.tanh(20.0 * x) * (1.0 if scale > 0 else -1.0)
        drift = rng.choice([-1e-5, 1e-5]) * np.arange(last - first)
        options = scale * (np.log(np.cosh(20.0 * x)) / 20.0 + drift) * (0.01 if inverse else 100.0)
        cut = slice(first, last)
        bars = _replay.Bars(one, first, ts_ns[cut], price[cut], rate[cut], owed[cut], delta)
        end = (price[last], 1.0, owed[last])
        start = (price[first], owed[first])
        lives.append(
            _replay.Life([bars], start, (0, 0), False, False, True, one, int(ts_ns[last]), last, end)
        )
        holdings.append((first, last, first, price[first], options, unit[cut].copy()))
    bands = [np.array([width]) for width in (0.02, 0.1, 0.4, 5.0)]
    ways = [[_replay.Plan(_replay.OUTSIDE, band, band, 0, True, 0.0)] for band in bands]
    fills = _replay.Fills()
    return holdings, _replay.Lives(lives, working, True).hedge(ways, fills), fills


def curve_of(inverse, holdings, found, trades, profit, ts_ns, owed):
    """What one way was worth at every entry, as the definition says."""
    n, total, at = len(ts_ns), np.zeros(len(ts_ns)), 0
    for (first, last, _, _, options, unit), count in zip(holdings, found["trades"].tolist(), strict=True):
        held, cash = np.zeros(n), np.zeros(n)
        for entry, amount, brought in trades[at : at + count].tolist():
            booked = int(np.searchsorted(ts_ns, ts_ns[min(entry, n - 1)], "right")) - 1
            held[booked:] += amount
            cash[booked:] += brought if owed is None else brought + amount * owed[min(booked, last)]
        with np.errstate(invalid="ignore"):  # infinities of both signs
            total[first:last] += options + (unit * held[first:last] + cash[first:last])
        at += count
    order = np.argsort([one[1] for one in holdings], kind="stable")
    earned = np.zeros(n)
    for one, so_far in zip(order, np.cumsum(profit[order]), strict=True):
        earned[holdings[one][1] :] = so_far
    return total + earned


def deepest(curve):
    top = fall = 0.0
    for value in curve[np.isfinite(curve)].tolist():
        top = max(top, value)
        fall = min(fall, value - top)
    return fall


CUTS = {
    "in a row": [(0, 900), (900, 2700), (2700, 2990)],
    "gaps": [(40, 333), (333, 333), (700, 1980), (2100, 2500)],
    "together": [(0, 1200), (0, 800), (300, 2000), (1200, 2990)],
    "none": [],
}


@pytest.mark.parametrize(("inverse", "funding"), [*product([False, True], repeat=2)])
@pytest.mark.parametrize("cuts", CUTS)
def test_falls_and_profits_are_those_of_all_entries(inverse, funding, cuts):
    """A bound rules out no block that has an end of the fall, nor any where something is not finite."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        price, ts_ns = market(rng, 3000)
        owed = np.cumsum(1e-6 * rng.standard_normal(3000)) if funding else np.zeros(3000)
        holdings, found, fills = hedged(rng, inverse, price, ts_ns, CUTS[cuts], owed)
        for broken in range(min(seed % 3, len(holdings))):
            options, unit = holdings[broken][4:]
            if len(unit):
                options[:: rng.choice([32, 999])] = rng.choice([np.nan, np.inf, -np.inf])
                unit[rng.integers(len(unit))] = np.nan
        entries, paid = np.sort(rng.integers(0, 3000, 9)), owed if funding else None
        profit = np.round(rng.standard_normal(found.shape) / (100.0 if inverse else 1.0), 8)
        courses = _replay.Courses(holdings, inverse, ts_ns, paid, entries)
        shown, falls = courses.course(found, fills, profit)
        for way, (mine, fall) in enumerate(zip(shown, falls.tolist(), strict=True)):
            curve = curve_of(inverse, holdings, found[way], fills.array(way), profit[way], ts_ns, paid)
            np.testing.assert_array_equal(mine, curve[entries])
            assert fall == deepest(curve), (seed, way)


def test_episodes_are_expected_in_order_of_entry():
    price, ts_ns = market(np.random.default_rng(1), 100)
    pieces = [(first, first + 10, first, price[first], price[:10], price[:10]) for first in (50, 20)]
    with pytest.raises(ValueError, match="order of entry"):
        _replay.Courses(pieces, False, ts_ns, None, np.array([3]))
