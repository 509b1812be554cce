"""Rows of one contract, by hand: which chains list it, quote it, or do not."""

import numpy as np

from gammacore.backtest.replay.contract_rows import ContractRows
from gammacore.backtest.replay.synthetic import chains_from_rows
from gammacore.contracts import Option, Settlement
from support.markets import FRIDAY, START

MARKS = np.array([0.05, 0.04, 0.03, 0.02, 0.01])


def option(strike, kind=1):
    return Option("BTC", Settlement.INVERSE, FRIDAY, strike, kind)


def test_a_contract_is_quoted_where_a_chain_lists_it_with_a_volatility():
    ts = START + np.array([0, 0, 1, 2, 2])
    strike, kind = np.array([50e3, 60e3, 60e3, 50e3, 60e3]), np.ones(5, np.int8)
    price, iv = np.full(5, 60e3), np.array([0.6, 0.6, 0.0, np.nan, 0.6])
    expiry = np.full(5, FRIDAY)
    chains = chains_from_rows("BTC", ts, expiry, strike, kind, price, price, MARKS, MARKS, MARKS, iv)
    rows = ContractRows(chains)
    for asked, where, numbers in ((50e3, [0, 3], [0, 2]), (60e3, [1, 2, 4], [0, 1, 2]), (70e3, [], [])):
        found = rows.rows(option(asked))
        assert [found[0].tolist(), found[1].tolist()] == [where, numbers]
    nan = np.nan
    np.testing.assert_array_equal(rows.quoted(option(50e3), chains.mark), [0.05, nan, nan])
    np.testing.assert_array_equal(rows.quoted(option(60e3), chains.mark), [0.04, nan, 0.01])
    for missing in (option(70e3), option(50e3, kind=-1)):
        np.testing.assert_array_equal(rows.quoted(missing, chains.mark), [nan] * 3)
    assert np.isnan(rows.nothing).all()  # what was written is a copy
