"""How prices move: indices, forwards, the perpetual's premium, implied volatility, funding.

One seeded path for all coins; every step takes the moment as its argument. With recorded
prices the index follows them, and everything else is modelled around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, expm1, log, sqrt

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.daycount import (
    FUNDING_PERIOD_NS,
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MINUTE,
    NS_PER_YEAR,
    SETTLEMENT_WINDOW_NS,
)

from .coins import coin as coin_facts
from .config import ExchangeConfig, MarketModel

__all__ = ["Coin", "PriceModel", "Recorded", "funding_rate"]

LINEAR_CAP = 0.05
PREMIUM_REVERSION = 12.0  # per hour
SMILE_REACH = 4.0  # the smile is flat beyond this many standard deviations
DVOL_DAYS = 30


def funding_rate(mark: float, index: float, damper: float, cap: float) -> float:
    """Eight-hourly funding rate of a premium, as a fraction; positive when longs pay.

    Parameters
    ----------
    mark, index : float
        USD.
    damper : float
        Premium within which nothing is paid.
    cap : float
        Largest rate either way.

    Returns
    -------
    float
    """
    premium = mark / index - 1.0
    rate = max(damper, premium) + min(-damper, premium)
    return min(max(rate, -cap), cap)


@dataclass(frozen=True)
class Recorded:
    """Index prices to follow.

    Attributes
    ----------
    ts_ns : array of int64
        Ascending.
    price : array of float64
        USD.
    """

    ts_ns: Ints
    price: Floats

    def at(self, now_ns: int) -> float:
        """Price at a moment, linear between records and constant outside."""
        k = int(np.searchsorted(self.ts_ns, now_ns, side="right"))
        if k == 0 or k == len(self.ts_ns):
            return float(self.price[min(k, len(self.ts_ns) - 1)])
        left, right = int(self.ts_ns[k - 1]), int(self.ts_ns[k])
        share = (now_ns - left) / (right - left)
        return float(self.price[k - 1] + share * (self.price[k] - self.price[k - 1]))


@dataclass(slots=True)
class Coin:
    """State of one coin.

    Attributes
    ----------
    index : float
        USD, with the model's decimals.
    variance : float
        Of the index, per year.
    premium : float
        Of the perpetual over the index, a fraction.
    interest : float
        Funding accumulated since the start per USD of an inverse long, coin.
    interest_linear : float
        The same per coin of a linear long, USDC.
    paid : float
        Sum of rates times time over eight hours.
    minutes : list of (ts_ns, index, mark, paid, dvol)
        At the end of every minute.
    """

    model: MarketModel
    log_spot: float
    index: float
    variance: float
    premium: float = 0.0
    interest: float = 0.0
    interest_linear: float = 0.0
    paid: float = 0.0
    window_sum: float = 0.0
    window_ticks: int = 0
    minutes: list[tuple[int, float, float, float, float]] = field(default_factory=list)

    @property
    def perpetual(self) -> float:
        """Mark price of the perpetual."""
        return round(self.index * (1.0 + self.premium), self.model.digits)

    def averaged(self, price: float, left_ns: int) -> float:
        """Price, inside the settlement window what the average is heading for; rounded."""
        if self.window_ticks and left_ns < SETTLEMENT_WINDOW_NS:
            share = left_ns / SETTLEMENT_WINDOW_NS
            price = (1.0 - share) * self.window_sum / self.window_ticks + share * price
        return round(price, self.model.digits)


class PriceModel:
    """Every coin at one moment.

    Parameters
    ----------
    config : ExchangeConfig
    recorded : dict of str to Recorded, optional
        Index prices to follow, by coin.
    """

    def __init__(self, config: ExchangeConfig, recorded: dict[str, Recorded] | None = None) -> None:
        self._rng = np.random.default_rng([config.seed, 1])
        self._shocks = np.empty((0, 0))
        self._used = 0
        self._damper = config.funding_damper
        self.recorded = recorded or {}
        self.now_ns = config.start_ns
        self.coins: dict[str, Coin] = {}
        self.opening: dict[str, float] = {}
        self.opening_dvol: dict[str, float] = {}
        for name, model in config.models.items():
            spot = self.recorded[name].at(config.start_ns) if name in self.recorded else model.spot
            self.coins[name] = Coin(model, log(spot), round(spot, model.digits), model.vol**2)
            self.opening[name], self.opening_dvol[name] = spot, self.dvol(name)

    def step(self, now_ns: int) -> None:
        """Move every coin to a later moment."""
        elapsed = now_ns - self.now_ns
        if elapsed <= 0:
            return
        shocks = self._draw()
        for k, (name, coin) in enumerate(self.coins.items()):
            self._accrue(name, coin, elapsed)
            self._move(name, coin, now_ns, elapsed / NS_PER_YEAR, shocks[3 * k : 3 * k + 3])
        self._remember(now_ns)
        self.now_ns = now_ns

    def _draw(self) -> list[float]:
        if self._used >= len(self._shocks):
            self._shocks, self._used = self._rng.standard_normal((1024, 3 * len(self.coins))), 0
        row: list[float] = self._shocks[self._used].tolist()
        self._used += 1
        return row

    def _move(self, name: str, coin: Coin, now_ns: int, dt: float, shocks: list[float]) -> None:
        model, v = coin.model, max(coin.variance, 0.0)
        side = model.correlation * shocks[0] + sqrt(1.0 - model.correlation**2) * shocks[1]
        coin.variance = max(
            v + model.mean_reversion * (model.vol**2 - v) * dt + model.vol_of_vol * sqrt(v * dt) * side, 1e-4
        )
        if name in self.recorded:
            spot = self.recorded[name].at(now_ns)
            coin.log_spot = log(spot)
        else:
            coin.log_spot += sqrt(v * dt) * shocks[0] - 0.5 * v * dt
            spot = exp(coin.log_spot)
        coin.index = round(spot, model.digits)
        keep = exp(-PREMIUM_REVERSION * dt * 8_760.0)
        coin.premium = coin.premium * keep + model.premium_vol * sqrt(1.0 - keep * keep) * shocks[2]

    def _accrue(self, name: str, coin: Coin, elapsed: int) -> None:
        periods = elapsed / FUNDING_PERIOD_NS
        coin.paid += self.rate(name) * periods
        coin.interest += self.rate(name) * periods / coin.index
        coin.interest_linear += self.rate(name, linear=True) * periods * coin.index

    def _remember(self, now_ns: int) -> None:
        to_delivery = (8 * NS_PER_HOUR - now_ns) % NS_PER_DAY
        in_window = to_delivery < SETTLEMENT_WINDOW_NS
        minute = now_ns // NS_PER_MINUTE
        for name, coin in self.coins.items():
            if in_window:
                coin.window_sum += coin.index
                coin.window_ticks += 1
            elif coin.window_ticks and to_delivery < NS_PER_DAY - NS_PER_HOUR:
                coin.window_sum, coin.window_ticks = 0.0, 0
            if minute > self.now_ns // NS_PER_MINUTE:
                coin.minutes.append(
                    (minute * NS_PER_MINUTE, coin.index, coin.perpetual, coin.paid, self.dvol(name))
                )

    def index(self, base: str) -> float:
        """Index in USD."""
        return self.coins[base].index

    def forward(self, base: str, expiry_ns: int | None) -> float:
        """Mark price of a future in USD, rounded; None is the perpetual."""
        coin = self.coins[base]
        if expiry_ns is None:
            return coin.perpetual
        left_ns = max(expiry_ns - self.now_ns, 0)
        traded = coin.index * exp(coin.model.carry * left_ns / NS_PER_YEAR)
        return coin.averaged(traded, left_ns)  # a future delivers at the average, too

    def rate(self, base: str, *, linear: bool = False) -> float:
        """Funding rate in force, per eight hours."""
        coin = self.coins[base]
        return funding_rate(
            coin.perpetual, coin.index, self._damper, LINEAR_CAP if linear else self.cap(base)
        )

    def cap(self, base: str) -> float:
        """Largest funding rate of the inverse perpetual, per eight hours."""
        return coin_facts(base).funding_cap

    def funding_8h(self, base: str) -> float:
        """Funding paid over the last eight hours, a fraction."""
        coin = self.coins[base]
        since = self.now_ns - FUNDING_PERIOD_NS
        earlier = 0.0
        for ts_ns, _, _, paid, _ in reversed(coin.minutes[-481:]):
            if ts_ns <= since:
                earlier = paid
                break
        return coin.paid - earlier

    def estimated_delivery(self, base: str, now_ns: int) -> float:
        """Index, and inside the averaging window what the average is heading for; USD."""
        coin = self.coins[base]
        return coin.averaged(coin.index, (8 * NS_PER_HOUR - now_ns) % NS_PER_DAY)

    def delivery_price(self, base: str) -> float:
        """Average of the index over the window that ends now, USD."""
        coin = self.coins[base]
        return coin.window_sum / coin.window_ticks if coin.window_ticks else coin.index

    def vols(self, base: str, forward: float, strikes: Floats, tau: float) -> Floats:
        """Implied volatilities of one expiry, decimal."""
        at_money = self._at_money(base, tau)
        return _smile(self.coins[base].model, at_money, np.log(strikes / forward), sqrt(max(tau, 1e-6)))

    def past_vols(self, base: str, forward: Floats, strike: float, tau: Floats) -> Floats:
        """Implied volatilities of one strike at moments of the past, when variance was its mean."""
        model = self.coins[base].model
        at_money = model.vol * (1.0 + model.implied_premium)
        return _smile(model, at_money, np.log(strike / forward), np.sqrt(np.maximum(tau, 1e-6)))

    def _at_money(self, base: str, tau: float) -> float:
        coin = self.coins[base]
        pull = max(coin.model.mean_reversion * tau, 1e-9)
        long_run = coin.model.vol**2
        average = long_run + (coin.variance - long_run) * -expm1(-pull) / pull
        return sqrt(average) * (1.0 + coin.model.implied_premium)

    def dvol(self, base: str) -> float:
        """Volatility index in points: the 30-day surface averaged over moneyness."""
        model = self.coins[base].model
        return round(100.0 * self._at_money(base, DVOL_DAYS / 365) * (1.0 + 0.5 * model.smile), 2)


def _smile(model: MarketModel, at_money: float, moneyness: Floats, root: Floats | float) -> Floats:
    """Volatility by standard deviations from the forward; `root` is the square root of time."""
    reach = SMILE_REACH * np.tanh(moneyness / (at_money * root) / SMILE_REACH)
    shape: Floats = np.maximum(1.0 + model.skew * reach + 0.5 * model.smile * reach**2, 0.3)
    return at_money * shape
