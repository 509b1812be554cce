"""Every Greek of every convention: closed forms against mpmath's derivatives, ours against both."""

from functools import partial

import numpy as np
import pytest

from gammacore import _core, black76, black_scholes, inverse
from support.reference import mp_black
from support.reference.mp_black import mp

ALL = _core.GREEKS


def usd(kind, forward, strike, tau, vol, rate=0):
    return mp_black.black_scholes_greeks(kind, forward, strike, tau, vol, rate, 0)["price"]


# ours (module and keywords), the reference, rates as doubles, and the price that is differentiated.
CONVENTIONS = {
    "black76": (black76, {}, mp_black.black76_greeks, (0.03,)),
    "black_scholes": (black_scholes, {}, mp_black.black_scholes_greeks, (0.03, 0.01)),
    "inverse usd": (inverse, {"numeraire": "usd"}, mp_black.inverse_greeks, ()),
    "inverse coin": (inverse, {"numeraire": "coin"}, mp_black.inverse_coin_greeks, ()),
}
PRICES = {
    "black76": lambda kind, *v: mp_black.black76_greeks(kind, *v)["price"],
    "black_scholes": lambda kind, *v: mp_black.black_scholes_greeks(kind, *v)["price"],
    "inverse usd": usd,
    "inverse coin": lambda kind, f, *v: usd(kind, f, *v) / f,
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_closed_forms_are_the_derivatives(name):
    _, _, reference, rates = CONVENTIONS[name]
    price = PRICES[name]
    for kind, forward, strike, tau, vol in (
        (1, 100.0, 110.0, 0.3, 0.6),
        (-1, 100.0, 70.0, 1.7, 0.9),
        (1, 3.0, 3.0, 0.01, 1.3),
    ):
        inputs = tuple(map(mp.mpf, (forward, strike, tau, vol, *rates)))
        with mp.workdps(60):
            exact = reference(kind, *inputs)
        point = inputs if rates else (*inputs, mp.mpf(0))  # rho of a coin-settled option is at rate 0
        for greek, (variables, sign) in mp_black.DERIVATIVES.items():
            if rates or greek == "rho" or 4 not in variables:
                found = sign * mp_black.differentiate(partial(price, kind), point, variables)
                scale = abs(exact[greek]) + mp.mpf(10) ** -12
                assert abs(found - exact[greek]) < mp.mpf(10) ** -15 * scale, greek


def names_of(module):
    return ALL if module is inverse else ALL[:-1]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_greeks_on_the_hard_grid(name):
    """Every third point, other ones for each convention: they have their insides in common."""
    module, keywords, reference, rates = CONVENTIONS[name]
    names, worst = names_of(module), {}
    for kind, forward, strike, s in mp_black.hard_grid()[list(CONVENTIONS).index(name) % 3 :: 3]:
        inputs = (forward, strike, 0.25, s / 0.5, *rates)
        found = dict(zip(names, module.sensitivities(names, kind, *inputs, **keywords), strict=True))
        for greek, error in mp_black.greek_errors(reference, kind, inputs, found).items():
            worst[greek] = max(worst.get(greek, 0.0), error)
    assert set(worst) == set(names)
    assert max(worst.values()) <= 8, worst


@pytest.mark.parametrize("name", CONVENTIONS)
def test_any_choice_gives_the_same_bits(name):
    module, keywords, _, rates = CONVENTIONS[name]
    rng = np.random.default_rng(3)
    n = 300
    args = (
        np.where(rng.random(n) < 0.5, 1, -1),
        100 * np.exp(rng.normal(size=n)),
        np.full(n, 100.0),
        rng.uniform(0.01, 2, n),
        rng.uniform(0.1, 2, n),
        *rates,
    )
    names = names_of(module)
    everything = dict(zip(names, module.sensitivities(names, *args, **keywords), strict=True))
    for chosen in (("gamma",), ("zomma", "price"), ("charm", "delta", "ultima"), ()):
        found = module.sensitivities(chosen, *args, **keywords)
        assert len(found) == len(chosen)
        for greek, column in zip(chosen, found, strict=True):
            assert np.array_equal(column, everything[greek])
    usual = module.greeks(*args, **keywords)
    for greek, column in usual._asdict().items():
        assert np.array_equal(column, everything[greek])


def test_scalars_arrays_and_out():
    found = black76.sensitivities(["speed", "gamma"], "call", 100.0, 110.0, 0.5, 0.6)
    assert all(type(value) is float for value in found)
    strikes = np.linspace(80.0, 120.0, 30).reshape(5, 6)
    out = (np.empty((5, 6)), np.empty((5, 6)))
    assert black76.sensitivities(("speed", "gamma"), 1, 100.0, strikes, 0.5, 0.6, out=out) is out
    assert out[1][2, 3] == black76.greeks(1, 100.0, strikes[2, 3], 0.5, 0.6).gamma
    again = black76.sensitivities(("speed", "gamma"), ["c"] * 6, [100] * 6, strikes, 0.5, 0.6)
    assert np.array_equal(out, again)


def test_names_are_checked():
    with pytest.raises(ValueError, match="unknown Greek 'vomma': choose from price, delta"):
        black76.sensitivities(("vomma",), 1, 100.0, 110.0, 0.5, 0.6)
    with pytest.raises(ValueError, match="unknown Greek 'net_delta'"):
        black76.sensitivities(("net_delta",), 1, 100.0, 110.0, 0.5, 0.6)
    with pytest.raises(ValueError, match="named twice: vega, vega"):
        inverse.sensitivities(("vega", "vega"), 1, 100.0, 110.0, 0.5, 0.6)
    with pytest.raises(ValueError, match="numeraire must be 'usd' or 'coin', got 'btc'"):
        inverse.greeks(1, 100.0, 110.0, 0.5, 0.6, numeraire="btc")


@pytest.mark.parametrize("name", CONVENTIONS)
@pytest.mark.parametrize(("tau", "vol"), [(0.0, 0.6), (0.5, 0.0), (0.5, 1e9)])
def test_no_greek_is_nan_without_or_with_infinite_vol(name, tau, vol):
    module, keywords, _, rates = CONVENTIONS[name]
    for kind in (1, -1):
        for strike in (90.0, 100.0, 110.0):
            found = module.sensitivities(names_of(module), kind, 100.0, strike, tau, vol, *rates, **keywords)
            assert np.isfinite(found).all()


def test_names_are_read_anew_in_every_call():
    option = ("call", 60_000.0, 63_000.0, 7 / 365, 0.6)
    both = dict(zip(("gamma", "vega"), black76.sensitivities(("gamma", "vega"), *option), strict=True))
    names = ["gamma", "vega"]
    assert black76.sensitivities(names, *option) == tuple(both.values())
    names.reverse()
    assert black76.sensitivities(names, *option) == tuple(reversed(both.values()))
    twice = ("vega", "gamma")
    for _ in range(2):  # the second time the names are remembered
        assert black76.sensitivities(twice, *option) == tuple(reversed(both.values()))
    with pytest.raises(ValueError, match="unknown Greek 'net_delta'"):
        black76.sensitivities(("net_delta",), *option)
    net = ("net_delta",)
    assert inverse.sensitivities(net, *option) == inverse.sensitivities(net, *option, numeraire="coin")
    with pytest.raises(ValueError, match="unknown Greek 'net_delta'"):
        black76.sensitivities(net, *option)
    with pytest.raises(ValueError, match="numeraire"):
        inverse.sensitivities(net, *option, numeraire="euro")
