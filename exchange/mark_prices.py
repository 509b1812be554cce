"""Marks and Greeks: one call of the compiled core per expiry and moment, and only when asked."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gammacore import inverse
from gammacore.array_types import Floats
from gammacore.contracts import Option
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, SETTLEMENT_WINDOW_NS
from gammacore.settlement import averaged_tau, clock_factor

from .catalog import Catalog, ListedContract
from .combos import ListedCombo
from .price_model import PriceModel

__all__ = ["Mark", "MarkPrices", "implied_percent", "marks"]

COMBO_WIDTH = 0.6  # of the spreads of the legs together
SUMMED = ("price", "vol", "delta", "gamma", "vega", "theta", "rho")
DAY_YEARS = NS_PER_DAY / NS_PER_YEAR


class Mark(NamedTuple):
    """What the exchange thinks of one instrument.

    Greeks are in the exchange's units: vega per volatility point, theta per day, rho per
    rate point, all per coin of option. A future has a price and a delta only.
    """

    price: float
    """Coin for inverse options (8 decimals), else USD."""
    forward: float
    """USD; of a future, its own mark."""
    vol: float = 0.0
    """Decimal."""
    delta: float = 1.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    rho: float = 0.0
    decay: float = 1.0
    """Share of the settlement window that is left, already in the delta."""


def marks(
    kinds: npt.NDArray[np.int8],
    forward: float,
    strikes: Floats,
    tau: float,
    vols: Floats,
    decay: float = 1.0,
    *,
    coin_settled: bool = True,
) -> list[Mark]:
    """Price the options of one expiry, in the exchange's units.

    Parameters
    ----------
    kinds : array of int8
        +1 call, -1 put.
    forward : float
        USD.
    strikes : array of float64
        USD.
    tau : float
        Years to expiry.
    vols : array of float64
        Decimal.
    decay : float
        Factor on the deltas inside the settlement window.
    coin_settled : bool
        Whether prices are in coin, else in USD.

    Returns
    -------
    list of Mark
    """
    greeks = inverse.greeks(kinds, forward, strikes, tau, vols)
    columns = (
        np.round(greeks.price if coin_settled else greeks.price * forward, 8),
        np.full(len(strikes), forward),
        vols,
        greeks.delta * decay,
        greeks.gamma,
        greeks.vega / 100.0,
        greeks.theta * min(DAY_YEARS, tau),  # per day, or per what is left of the last one
        greeks.rho / 100.0,
        np.full(len(strikes), decay),
    )
    return [Mark(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def implied_percent(kind: int, price: float, forward: float, strike: float, tau: float) -> float:
    """Implied volatility of a price in coin, in percent with two decimals; 0 where there is none."""
    vol = float(inverse.implied_vol(kind, price, forward, strike, tau))
    return round(100.0 * min(vol, 9.99), 2) if vol == vol else 0.0


class _Chain:
    """Arrays of one expiry."""

    def __init__(self, options: list[ListedContract]) -> None:
        self.strikes = np.array([_option(x).strike for x in options])
        self.kinds = np.array([_option(x).kind for x in options], dtype=np.int8)
        self.row = {x.name: k for k, x in enumerate(options)}
        self.size = len(options)
        self.at_ns = -1
        self.marks: list[Mark] = []


class MarkPrices:
    """Marks of everything, priced lazily and kept for the moment.

    Parameters
    ----------
    catalog : Catalog
    market : PriceModel
    """

    def __init__(self, catalog: Catalog, market: PriceModel) -> None:
        self._catalog = catalog
        self._market = market
        self._chains: dict[tuple[str, int], _Chain] = {}

    @property
    def moment_ns(self) -> int:
        """Moment of the marks: the last tick of the market."""
        return self._market.now_ns

    def mark(self, listing: ListedContract) -> Mark:
        """Mark and Greeks of an instrument now.

        The delta of what expires within half an hour decays linearly, as the exchange shows it.
        """
        if listing.state != "open":
            return Mark(0.0 if listing.kind == "option" else listing.delivery_price, listing.delivery_price)
        if isinstance(listing, ListedCombo):
            return self._of_combo(listing)
        if listing.kind == "option":
            chain = self._chain(listing)
            return chain.marks[chain.row[listing.name]]
        price = self._market.forward(listing.base, listing.expiry_ns)
        return Mark(price, price, delta=self.decay(listing))

    def _of_combo(self, combo: ListedCombo) -> Mark:
        """Sum over the legs, of the volatilities too, as recorded tickers of combos show them."""
        legs = [(self.mark(leg), ratio) for leg, ratio in combo.legs]
        total = [sum(ratio * getattr(mark, name) for mark, ratio in legs) for name in SUMMED]
        price, *rest = total
        return Mark(round(price, 8), self._market.index(combo.base), *rest)

    def decay(self, listing: ListedContract) -> float:
        """Share of the settlement window that is left: 1 before it, 0 at the expiry."""
        if listing.expiry_ns is None:
            return 1.0
        left = listing.expiry_ns - self._market.now_ns
        return min(max(left / SETTLEMENT_WINDOW_NS, 0.0), 1.0)

    def _chain(self, listing: ListedContract) -> _Chain:
        assert listing.expiry_ns is not None
        key = (listing.instrument.family, listing.expiry_ns)
        options = self._catalog.chains[key]
        chain = self._chains.get(key)
        if chain is None or chain.size != len(options):
            chain = self._chains[key] = _Chain(options)
        if chain.at_ns != self._market.now_ns:
            self._price(chain, listing)
            chain.at_ns = self._market.now_ns
        return chain

    def _price(self, chain: _Chain, listing: ListedContract) -> None:
        assert listing.expiry_ns is not None
        forward = self._market.forward(listing.base, listing.expiry_ns)
        tau = self._tau(listing.expiry_ns)
        vols = self._market.vols(listing.base, forward, chain.strikes, tau)
        left_ns = listing.expiry_ns - self._market.now_ns
        if left_ns > SETTLEMENT_WINDOW_NS:  # quoted on the plain time, worth the variance of the average
            vols = vols / clock_factor(left_ns)
        vols = np.round(vols, 4)
        decay, coin = self.decay(listing), listing.coin_settled
        chain.marks = marks(chain.kinds, forward, chain.strikes, tau, vols, decay, coin_settled=coin)

    def _tau(self, expiry_ns: int) -> float:
        """Years to expiry that a volatility is quoted on; in the settlement window those of the average."""
        left_ns = expiry_ns - self._market.now_ns
        if left_ns <= SETTLEMENT_WINDOW_NS:
            return float(averaged_tau(left_ns))
        return left_ns / NS_PER_YEAR

    def implied(self, listing: ListedContract, price: float) -> float:
        """Implied volatility of an option's price, in percent; 0 where there is none."""
        option, mark = _option(listing), self.mark(listing)
        tau = self._tau(option.expiry_ns)
        coin = price if listing.coin_settled else price / mark.forward
        return implied_percent(option.kind, coin, mark.forward, option.strike, tau)

    def half_spread(self, listing: ListedContract) -> float:
        """Half the distance between the market maker's bid and ask, in the unit of the price."""
        if isinstance(listing, ListedCombo):
            legs = sum(abs(ratio) * self.half_spread(leg) for leg, ratio in listing.legs)
            return COMBO_WIDTH * legs
        mark = self.mark(listing)
        if listing.kind == "future":
            return mark.price * 1e-5
        option = _option(listing)
        tau = max(option.expiry_ns - self._market.now_ns, 1) / NS_PER_YEAR
        distance = abs(float(np.log(option.strike / mark.forward))) / (mark.vol * sqrt(tau))
        width = mark.vega * 0.7 * (1.0 + 0.25 * min(distance, 4.0) ** 2)  # in volatility points
        return width / mark.forward if listing.coin_settled else width


def _option(listing: ListedContract) -> Option:
    assert isinstance(listing.instrument, Option)
    return listing.instrument
