"""Structures on real chains against a plain calculation: pandas for the files, the rest by hand.

Held to delivery, hedged at every chain with the perpetual at the index, at marks and without costs; the
delivery price lies on the line between the two chains around it.
"""

import math
from functools import cache
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.config import load_config
from support.shared_data import recorded

N = NormalDist().cdf
YEAR = pd.Timedelta(days=365)
SETTINGS = {
    "currency": "BTC",
    "data.end": "2026-03-01",
    "hedge.rule": "snapshot",
    "hedge.lots": False,
    "costs.fill": "mark",
    "costs.option_fees": False,
    "execution.hedges": "taker",
    "costs.hedge_taker_fee": 0,
    "costs.hedge_half_spread_bp": 0,
    "costs.funding": False,
    "costs.max_quote_age": None,
    "exit.delivery": "last",
    "exit.unfinished": "drop",
}
CALL, PUT = "call", "put"


@cache
def market():
    config = load_config(None, SETTINGS | {"data.chains": str(recorded("data/deribit_options"))})
    return load_market(config)


@cache
def chains():
    files = sorted(recorded("data/deribit_options").glob("BTC_20*.csv.gz"))
    columns = ["timestamp", "option_type", "strike", "expiry_datetime", "underlying", "index_price"]
    columns += ["mark_price", "implied_volatility"]
    rows = pd.concat([pd.read_csv(file, usecols=columns) for file in files])
    rows["t"] = pd.to_datetime(rows["timestamp"])
    rows["expiry"] = pd.to_datetime(rows["expiry_datetime"])
    return rows[rows["t"] < "2026-03-01"]


class Chain:
    """One collection of quotes."""

    def __init__(self, time, rows):
        self.time, self.index = time, rows["index_price"].median()
        self.forward = rows.groupby("expiry")["underlying"].median().to_dict()
        self.rows = rows.set_index(["expiry", "option_type", "strike"])

    def fridays(self):
        return [e for e in self.forward if e.weekday() == 4]

    def strikes(self, expiry, *kinds):
        part = self.rows.loc[expiry]
        part = part[(part["implied_volatility"] > 0) & part["mark_price"].notna()]
        both = [set(part.loc[kind].index) for kind in kinds]
        return sorted(set.intersection(*both))

    def atm(self, expiry, *kinds):
        return min(self.strikes(expiry, *kinds), key=lambda k: abs(k - self.forward[expiry]))

    def by_delta(self, expiry, kind, size):
        def off(strike):
            return abs(abs(self.plain_delta(expiry, kind, strike)) - size)

        return min(self.strikes(expiry, kind), key=off)

    def d1(self, expiry, strike, vol):
        total = vol * math.sqrt((expiry - self.time) / YEAR)
        return math.log(self.forward[expiry] / strike) / total + total / 2, total

    def plain_delta(self, expiry, kind, strike):
        vol = self.rows.loc[(expiry, kind, strike), "implied_volatility"]
        d1, _ = self.d1(expiry, strike, vol)
        return N(d1) if kind == CALL else N(d1) - 1.0

    def net_delta(self, expiry, kind, strike, known):
        """Delta less the option's own value in coin: K/F N(d2), which is what the coin account has."""
        key = expiry, kind, strike
        if key in self.rows.index and self.rows.loc[key, "implied_volatility"] > 0:
            known[key] = self.rows.loc[key, "implied_volatility"]
        d1, total = self.d1(expiry, strike, known[key])
        sign = 1.0 if kind == CALL else -1.0
        return sign * strike / self.forward[expiry] * N(sign * (d1 - total))


def calendar(chain, near):
    far = min(e for e in chain.fridays() if e >= near + pd.Timedelta(days=7))
    strikes = sorted(set(chain.strikes(near, CALL)) & set(chain.strikes(far, CALL)))
    strike = min(strikes, key=lambda k: abs(k - chain.forward[near]))
    return [(near, CALL, strike, -1.0), (far, CALL, strike, 1.0)]


def iron_butterfly(chain, near):
    body = chain.atm(near, CALL, PUT)
    return [
        (near, CALL, body, 1.0),
        (near, PUT, body, 1.0),
        (near, CALL, chain.by_delta(near, CALL, 0.25), -1.0),
        (near, PUT, chain.by_delta(near, PUT, 0.25), -1.0),
    ]


def ratio(chain, near):
    return [(near, CALL, chain.atm(near, CALL), 1.0), (near, CALL, chain.by_delta(near, CALL, 0.25), -2.0)]


def by_hand(structure):
    """Profit in coin of every episode, by the expiry of its first leg."""
    seen = [Chain(time, rows) for time, rows in chains().groupby("t")]
    times = [chain.time for chain in seen]
    index = [chain.index for chain in seen]

    def delivered(expiry):
        if expiry > times[-1]:
            return None
        stamps = np.array([t.value for t in times], dtype=np.float64)
        return float(np.interp(expiry.value, stamps, index))

    profits, taken = {}, set()
    for i, chain in enumerate(seen):
        for near in sorted(chain.fridays()):
            days = (near - chain.time) / pd.Timedelta(days=1)
            if not 6.0 <= days <= 9.0 or near in taken:
                continue
            taken.add(near)
            legs = structure(chain, near)
            prices = {expiry: delivered(expiry) for expiry, *_ in legs}
            if None not in prices.values():
                profits[near] = life(seen[i:], legs, prices)
    return profits


def life(seen, legs, prices):
    """Premium, payoffs, and the hedge from chain to chain in USD of the perpetual."""
    first = seen[0]
    coin = -sum(amount * first.rows.loc[(e, kind, k), "mark_price"] for e, kind, k, amount in legs)
    for expiry, kind, strike, amount in legs:
        price, sign = prices[expiry], 1.0 if kind == CALL else -1.0
        coin += amount * max(sign * (price - strike), 0.0) / price
    end, known, held, at = max(prices), {}, 0.0, math.nan
    for chain in seen:
        if chain.time >= end:
            break
        if held:
            coin += held * (1.0 / at - 1.0 / chain.index)
        alive = [leg for leg in legs if leg[0] > chain.time]
        delta = sum(amount * chain.net_delta(e, kind, k, known) for e, kind, k, amount in alive)
        held, at = -delta * chain.index, chain.index
    return coin + held * (1.0 / at - 1.0 / prices[end])


@pytest.mark.parametrize("structure", [calendar, iron_butterfly, ratio])
def test_a_structure_on_real_chains_earns_what_a_plain_calculation_says(structure):
    settings = SETTINGS | {"data.chains": "x", "entry.structure": structure.__name__}
    run = replay(load_config(None, settings), market().tape)
    ours = {pd.Timestamp(done.episode.anchor_ns, tz="UTC"): done.episode.ledger for done in run.episode_runs}
    plain = by_hand(structure)
    assert len(plain) >= 5
    assert ours.keys() == plain.keys()
    for anchor, profit in plain.items():  # the ledger rounds every amount to 1e-8
        ledger = ours[anchor]
        assert ledger.profit().coin == pytest.approx(profit, abs=0.5e-8 * ledger.roundings)
    assert max(abs(profit) for profit in plain.values()) > 1e-3
