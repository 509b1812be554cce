import numpy as np
import pytest

from gammacore import inverse
from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import Perpetual, Settlement
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR
from gammacore.legs import preset
from gammacore.portfolio import Portfolio
from gammacore.strategy import EntryRule, ExitRule, GammaScalp, SizeRule
from gammacore.strategy.leaving import Leaving
from support.markets import FRIDAY, START, chains_of

PERP = Perpetual("BTC", Settlement.INVERSE)
WEEK = 7 * NS_PER_DAY


def chain(index=60e3, **options):
    return Tape(chains_of([START], [index], **options)).snapshot(0).chain


def strategy(entry=None, size=None, exit_rule=None):
    return GammaScalp(entry or EntryRule(), size or SizeRule(), exit_rule or ExitRule())


def picked(entries):
    return [[(leg.instrument.strike, leg.instrument.kind, leg.amount) for leg in e.legs] for e in entries]


def test_straddle_at_the_strike_nearest_the_forward():
    assert picked(strategy().entries(START, chain(62e3), Portfolio())) == [[(60e3, 1, 1.0), (60e3, -1, 1.0)]]
    assert picked(strategy().entries(START, chain(63e3), Portfolio())) == [[(65e3, 1, 1.0), (65e3, -1, 1.0)]]
    # Half way: the lower one.
    assert picked(strategy().entries(START, chain(62.5e3), Portfolio()))[0][0][0] == 60e3


def test_a_strike_without_both_sides_or_without_a_mark_is_passed_over():
    quoted = chain(60e3)
    put = np.flatnonzero((quoted.strike == 60e3) & (quoted.kind == -1))
    quoted.mark[put] = np.nan
    assert picked(strategy().entries(START, quoted, Portfolio()))[0][0][0] == 55e3
    quoted.mark[:] = np.nan
    assert strategy().entries(START, quoted, Portfolio()) == []


def test_strangle_takes_the_strikes_of_the_wanted_delta():
    strikes = tuple(np.arange(40e3, 81e3, 1e3))
    rule = EntryRule(preset("strangle", 0.25), long=False)
    quoted = chain(60e3, strikes=strikes)
    ((call, put),) = picked(strategy(rule).entries(START, quoted, Portfolio()))
    deltas = {kind: inverse.greeks(kind, 60e3, np.array(strikes), 7 / 365, 0.6).delta for kind in (1, -1)}
    assert call == (strikes[np.argmin(abs(deltas[1] - 0.25))], 1, -1.0)
    assert put == (strikes[np.argmin(abs(deltas[-1] + 0.25))], -1, -1.0)


@pytest.mark.parametrize(("days", "eligible"), [(5.99, 0), (6, 1), (9, 1), (9.01, 0)])
def test_days_to_expiry_window(days, eligible):
    ts = FRIDAY - round(days * NS_PER_DAY)
    assert len(strategy().entries(ts, chain(), Portfolio())) == eligible


def test_fridays_only_unless_told_otherwise():
    saturday = FRIDAY + NS_PER_DAY
    quoted = chain(expiries=(FRIDAY, saturday))
    assert [e.expiry_ns for e in strategy().entries(START, quoted, Portfolio())] == [FRIDAY]
    both = strategy(EntryRule(fridays_only=False)).entries(START, quoted, Portfolio())
    assert [e.expiry_ns for e in both] == [FRIDAY, saturday]


def test_entry_weekday():
    # START is a Friday as well, a week before.
    assert strategy(EntryRule(weekday=4)).entries(START, chain(), Portfolio())
    assert not strategy(EntryRule(weekday=0)).entries(START, chain(), Portfolio())


def test_one_episode_an_expiry_and_a_rejected_one_may_try_again():
    portfolio = Portfolio()
    episode = portfolio.begin(FRIDAY, PERP, 60e3)
    assert not strategy().entries(START, chain(), portfolio)
    del portfolio.open[episode.number]
    assert strategy().entries(START, chain(), portfolio)


def test_a_roll_holds_one_at_a_time_and_takes_the_longest():
    rule = EntryRule(each_expiry=False, min_days=1, max_days=30)
    quoted, portfolio = chain(expiries=(FRIDAY, FRIDAY + WEEK)), Portfolio()
    (entry,) = strategy(rule).entries(START, quoted, portfolio)
    assert entry.expiry_ns == FRIDAY + WEEK
    portfolio.begin(FRIDAY, PERP, 60e3)
    assert not strategy(rule).entries(START, quoted, portfolio)
    # An episode at its expiry waits for delivery only: the next one may begin.
    assert strategy(rule).entries(FRIDAY, quoted, portfolio)


def test_premium_budget_buys_whole_lots():
    quoted = chain(60e3)
    rows = [quoted.find(quoted.option(r)) for r in np.flatnonzero(quoted.strike == 60e3)]
    each = sum(quoted.ask[r] for r in rows) * 60e3
    (entry,) = strategy(size=SizeRule(premium_usd=2.57 * each, grids=published())).entries(
        START, quoted, Portfolio()
    )
    assert {leg.amount for leg in entry.legs} == {2.5}
    assert not strategy(size=SizeRule(premium_usd=0.05 * each, grids=published())).entries(
        START, quoted, Portfolio()
    )
    quoted.ask[:] = quoted.mark[:] = 0.0
    assert not strategy(size=SizeRule(premium_usd=1e3)).entries(START, quoted, Portfolio())


def test_budgets_of_theta_and_vega_and_the_tightest_of_several():
    quoted = chain(60e3)
    tau = (FRIDAY - START) / NS_PER_YEAR
    both = [inverse.greeks(kind, 60e3, 60e3, tau, 0.6) for kind in (1, -1)]
    theta, vega = -sum(g.theta for g in both) / 365, sum(g.vega for g in both) / 100
    each = sum(quoted.ask[r] for r in np.flatnonzero(quoted.strike == 60e3)) * 60e3

    def amount(**budgets):
        rule = SizeRule(lots=False, **budgets)
        return strategy(size=rule).entries(START, quoted, Portfolio())[0].legs[0].amount

    assert amount(theta_usd=3.0 * theta) == pytest.approx(3.0, rel=1e-9)
    assert amount(vega_usd=2.0 * vega) == pytest.approx(2.0, rel=1e-9)
    assert amount(premium_usd=1.5 * each, theta_usd=3.0 * theta, vega_usd=2.0 * vega) == pytest.approx(1.5)


def test_a_theoretical_budget_is_not_rounded():
    quoted = chain(60e3)
    each = sum(quoted.ask[r] for r in np.flatnonzero(quoted.strike == 60e3)) * 60e3
    exact = SizeRule(premium_usd=2.57 * each, lots=False)
    assert strategy(size=exact).entries(START, quoted, Portfolio())[0].legs[0].amount == pytest.approx(2.57)


def test_exit_hours_before_expiry():
    portfolio = Portfolio()
    episode = portfolio.begin(FRIDAY, PERP, 60e3)
    episode.legs[chain().option(0)] = 1.0
    timed, at = Leaving(ExitRule(6.0)), FRIDAY - 6 * NS_PER_HOUR
    assert timed.deadline(episode) == at
    assert [timed.exit(episode, at + k) for k in (-1, 0)] == ["", "hours_before_expiry"]
    assert Leaving(ExitRule()).exit(episode, FRIDAY) == ""
