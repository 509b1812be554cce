"""Where resting hedge orders belong: prices solved from the options' delta and gamma."""

from __future__ import annotations

from typing import Any

from gammacore.contracts import Perpetual, Settlement
from gammacore.episode import Episode, MarketView
from gammacore.hedging.target import Target, decay_of
from gammacore.orders import Order
from gammacore.valuation import shape

__all__ = ["reached", "rung_price"]

FARTHEST = 0.3  # of the price: beyond, nothing is worth resting
CLOSE_ENOUGH = 1e-9  # of the largest amount of an option
NARROW = 1e-11  # of the price: what lies closer together counts as one


def reached(order: Order, price: Any) -> Any:
    """Whether a price (scalar or array) has gone through the limit of an order."""
    return price < order.limit if order.legs[0].amount > 0 else price > order.limit


def rung_price(target: Target, episode: Episode, view: MarketView, edge: float) -> float | None:
    """Price of the hedge contract at which the mismatch would be ``edge``.

    Parameters
    ----------
    target, episode, view
        What is hedged; the view is one moment.
    edge : float
        Mismatch in coin, positive above the market.

    Returns
    -------
    float or None
        USD; None where long options do not get there within 30 % of the price, and for short
        gamma, whose delta moves the other way: no resting order can hedge it.

    Notes
    -----
    Newton's method on the mismatch as a function of the price, with time, volatilities and
    basis as they are. Its derivative is the options' gamma, and -A/F^2 more for a hedge of
    A USD in an inverse contract.
    """
    start = price = float(view.future_price(episode.hedge.instrument))
    close_enough = CLOSE_ENOUGH * max(map(abs, episode.legs.values()), default=0.0)
    low, high = start * (1 - FARTHEST), start * (1 + FARTHEST)
    for _ in range(50):
        mismatch, gamma = _at(target, episode, view, price, price / start)
        if gamma <= 0.0:
            return None
        gap = edge - mismatch
        if abs(gap) < close_enough:
            return price if (price - start) * edge > 0 else None
        step = gap / gamma
        low, high = (price, high) if gap > 0 else (low, price)
        price = price + step if low < price + step < high else 0.5 * (low + high)
        if high - low < NARROW * start:
            return None
    return None


def _at(
    target: Target, episode: Episode, view: MarketView, price: float, scale: float
) -> tuple[float, float]:
    """Mismatch and its derivative in the price, were the hedge contract at ``price``."""
    delta = gamma = 0.0
    instrument = episode.hedge.instrument
    perpetual = isinstance(instrument, Perpetual)
    for option, amount in episode.legs.items():
        decay = float(decay_of(instrument, option.expiry_ns, view))
        vol, _ = target.vol_of(option, amount, view)
        moved = (view.underlying if perpetual else view.forward)(option.expiry_ns) * (scale - 1.0)
        forward = view.forward(option.expiry_ns) + decay * moved
        seen = shape(option, forward, view.tau(option.expiry_ns), float(vol))
        if target.numeraire == "black" or option.settlement is Settlement.LINEAR:
            delta += decay * amount * seen.delta
            gamma += decay**2 * amount * seen.gamma
        else:  # net = delta - V/F, so that its derivative is gamma - net/F
            delta += decay * amount * seen.net_delta
            gamma += decay**2 * amount * (seen.gamma - seen.net_delta / price)
    held = episode.hedge.delta(price)
    slope = -held / price if episode.hedge.inverse else 0.0
    return target.ratio * delta + held - target.delta, target.ratio * gamma + slope
