"""Price, Greeks, implied vol and whole chains next to plain numpy with scipy.special.ndtr.

    pytest benchmarks/test_bench_core.py --benchmark-group-by=group

Read the ratio within a group, not the times: they depend on the machine and its load.
The peer has no implied vol of its own; it gets the Newton iteration one would write.
"""

import numpy as np
import pytest
from scipy.special import ndtr

from gammacore import black76, chain

SIZES = [1, 100, 10_000, 1_000_000]


def market(n):
    rng = np.random.default_rng(1)
    forward = 60_000 * np.exp(0.05 * rng.normal(size=n))
    return {
        "kind": np.where(rng.random(n) < 0.5, 1, -1).astype(np.int8),
        "forward": forward,
        "strike": forward * np.exp(rng.uniform(-0.2, 0.2, n)),
        "tau": rng.uniform(0.1, 0.5, n),
        "vol": rng.uniform(0.4, 0.9, n),
        "rate": np.full(n, 0.03),
    }


def peer_price(kind, forward, strike, tau, vol, rate):
    s = vol * np.sqrt(tau)
    d1 = np.log(forward / strike) / s + 0.5 * s
    return kind * np.exp(-rate * tau) * (forward * ndtr(kind * d1) - strike * ndtr(kind * (d1 - s)))


def peer_vega(kind, forward, strike, tau, vol, rate):
    s = vol * np.sqrt(tau)
    d1 = np.log(forward / strike) / s + 0.5 * s
    return forward * np.exp(-rate * tau - 0.5 * d1 * d1) * np.sqrt(tau / (2 * np.pi))


def peer_greeks(kind, forward, strike, tau, vol, rate):
    root, df = np.sqrt(tau), np.exp(-rate * tau)
    s = vol * root
    d1 = np.log(forward / strike) / s + 0.5 * s
    d2 = d1 - s
    n1, n2 = ndtr(kind * d1), ndtr(kind * d2)
    phi = df * np.exp(-0.5 * d1 * d1) / np.sqrt(2 * np.pi)
    price, delta, vega = kind * df * (forward * n1 - strike * n2), kind * df * n1, forward * phi * root
    theta = rate * price - 0.5 * forward * phi * vol / root
    vanna, volga, charm = -phi * d2 / vol, vega * d1 * d2 / vol, rate * delta + 0.5 * phi * d2 / tau
    return price, delta, phi / (forward * s), vega, theta, -tau * price, vanna, volga, charm


def peer_implied_vol(kind, price, forward, strike, tau, rate):
    vol = np.full(np.shape(price), 0.6)
    for _ in range(6):
        error = peer_price(kind, forward, strike, tau, vol, rate) - price
        vol = vol - error / peer_vega(kind, forward, strike, tau, vol, rate)
    return vol


def our_chain(kind, price, forward, strike, tau):
    return chain.analyse(kind, price / forward, forward, strike, tau)


def peer_chain(kind, price, forward, strike, tau):
    vol = peer_implied_vol(kind, price, forward, strike, tau, 0.0)
    return vol, peer_greeks(kind, forward, strike, tau, vol, 0.0)


OURS = {
    "price": black76.price,
    "greeks": black76.greeks,
    "implied_vol": black76.implied_vol,
    "chain": our_chain,
}
PEER = {"price": peer_price, "greeks": peer_greeks, "implied_vol": peer_implied_vol, "chain": peer_chain}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("who", ["gammacore", "numpy"])
@pytest.mark.parametrize("what", list(OURS))
def test_bench(benchmark, what, who, n):
    benchmark.group = f"{what} n={n}"
    function = (OURS if who == "gammacore" else PEER)[what]
    m = market(n)
    if what == "chain":
        m["rate"] = 0.0
    if n == 1 and who == "gammacore":
        m = {name: np.asarray(column).item() for name, column in m.items()}
    if what in ("implied_vol", "chain"):
        m["price"] = black76.price(**m)
        truth = m.pop("vol")
        if what == "chain":
            m.pop("rate")
        found = benchmark(lambda: function(**m))
        assert np.allclose(found[0] if what == "chain" else found, truth, rtol=1e-6)
    else:
        benchmark(lambda: function(**m))
