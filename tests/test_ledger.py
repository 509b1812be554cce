import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.contracts import Settlement
from gammacore.errors import LedgerError
from gammacore.ledger import ASSETS, Account, Ledger, Money, check_gap

amounts = st.floats(-100, 100, allow_nan=False)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.sampled_from(list(Account)), st.sampled_from(list(Account)), amounts),
        st.tuples(st.just("mark"), st.sampled_from(ASSETS), amounts),
        st.tuples(st.just("revalue"), st.floats(1e3, 2e5)),
    ),
    max_size=30,
)


def play(ledger, steps):
    for action, *rest in steps:
        if action == "post":
            ledger.post(1, *rest, "test")
        elif action == "mark":
            ledger.mark(1, rest[0], Account.OPTION_PNL, rest[1], "test")
        else:
            ledger.revalue(1, rest[0])


@given(st.sampled_from(list(Settlement)), actions)
def test_debits_equal_credits_in_both_currencies_whatever_happens(settlement, steps):
    ledger = Ledger(settlement, 60e3)
    play(ledger, steps)
    ledger.assert_invariants()
    income = [a for a in Account if a not in (*ASSETS, Account.CAPITAL)]
    profit = ledger.profit()
    assert profit.coin == pytest.approx(-sum(ledger.balance(a).coin for a in income), abs=1e-6)
    assert profit.usd == pytest.approx(-sum(ledger.balance(a).usd for a in income), abs=1e-4)


@given(st.sampled_from(list(Settlement)), actions, st.floats(1e3, 2e5))
def test_after_a_revaluation_assets_stand_at_the_rate(settlement, steps, rate):
    ledger = Ledger(settlement, 60e3)
    play(ledger, steps)
    ledger.revalue(2, rate)
    for asset in ASSETS:
        coin, usd = ledger.balance(asset)
        if settlement is Settlement.INVERSE:
            assert usd == pytest.approx(coin * rate, abs=1e-8)
        else:
            assert coin == pytest.approx(usd / rate, abs=1e-8)


def test_amounts_are_kept_to_eight_decimals():
    ledger = Ledger(Settlement.INVERSE, 60e3)
    ledger.post(0, Account.CASH, Account.CAPITAL, 1.000000004999, "in")
    assert ledger.balance(Account.CASH) == Money(1.0, 60e3)
    ledger.post(0, Account.FEES, Account.CASH, 4e-9, "nothing")
    assert len(ledger.entries) == 1
    assert ledger.roundings == 2


def test_a_coin_balance_gains_in_usd_when_the_coin_rises():
    ledger = Ledger(Settlement.INVERSE, 60e3)
    ledger.post(0, Account.CASH, Account.CAPITAL, 0.5, "capital")
    ledger.revalue(1, 66e3)
    assert ledger.profit() == Money(0.0, 3000.0)
    assert ledger.balance(Account.NUMERAIRE).usd == -3000.0
    assert ledger.equity() == 0.5


def test_a_lost_debit_is_noticed():
    ledger = Ledger(Settlement.INVERSE, 60e3)
    ledger.post(0, Account.CASH, Account.CAPITAL, 0.5, "capital")
    ledger._balance[Account.CASH][0] += 1
    with pytest.raises(LedgerError, match="coin, expected 0"):
        ledger.assert_invariants()


@pytest.mark.parametrize("settlement", list(Settlement))
@pytest.mark.parametrize("rate", [60e3, 0.25])
def test_a_gap_is_bounded_by_half_a_unit_a_posting_and_its_conversion(settlement, rate):
    ledger, native = Ledger(settlement, rate), 0.5e-8 * 40
    inverse = settlement is Settlement.INVERSE
    other = native * max(rate, 1.0) if inverse else native / min(rate, 1.0)
    bounds = np.array([native, other + 1e-8 * 40] if inverse else [other + 1e-8 * 40, native])
    for sign in (1, -1):
        check_gap(ledger, Money(*(sign * bounds)), 40, "parts")
        for currency in (0, 1):
            gap = np.where(np.arange(2) == currency, sign * 1.1 * bounds, 0.0)
            with pytest.raises(LedgerError, match=r"^parts: off by .* more than 40 postings can round"):
                check_gap(ledger, Money(*gap), 40, "parts")


def test_money_adds_by_currency():
    assert Money(1.0, 2.0) + Money(0.5, 0.25) == Money(1.5, 2.25)


def test_a_twin_has_the_balances_and_a_life_of_its_own():
    ledger = Ledger(Settlement.INVERSE, 50e3)
    ledger.post(1, Account.CASH, Account.HEDGE_PNL, 0.25, "hedge")
    twin = ledger.twin()
    assert twin.profit() == ledger.profit() == Money(0.25, 12_500.0)
    twin.revalue(2, 60e3)
    twin.post(3, Account.FEES, Account.CASH, 0.05, "fee")
    twin.assert_invariants()
    assert twin.profit() == Money(0.2, 12_000.0)
    assert ledger.profit() == Money(0.25, 12_500.0)
    assert ledger.rate == 50e3
    assert (len(ledger.entries), ledger.roundings) == (1, 1)
    assert twin.roundings == 2
