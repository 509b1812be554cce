"""Markets that nobody recorded: a simulated Deribit, and theoretical straddles on real prices.

The simulated market has stochastic variance (Heston's square-root process, stepped by the
minute), a term structure and a smile of implied volatility above it, weekly expiries, quotes
on the exchange's ticks with gaps in the wings, a basis and funding. It is a stage for trying
the machinery, not evidence of profit: what it pays was chosen by its parameters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gammacore import inverse
from gammacore.array_types import Floats, Ints
from gammacore.config import MarketConfig
from gammacore.contracts import CALL, PUT, ContractSpec, Option, Settlement
from gammacore.data import Chains, Funding, Prices, Quality
from gammacore.daycount import (
    FRIDAY,
    FUNDING_PERIOD_NS,
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MINUTE,
    NS_PER_YEAR,
    parse_time,
    weekday,
)

LISTED_WEEKS = 5
STRIKES_EACH_WAY = 20
GRID = ContractSpec(0.0001, 1.0, 1.0, "coin", ((0.005, 0.0005),))  # of its quotes, as listed options have
SMILE_REACH = 4.0  # the smile is extrapolated flat beyond this many standard deviations


class SimulatedMarket(NamedTuple):
    """What a recording would have held."""

    chains: Chains
    prices: Prices
    funding: Funding


def simulate(config: MarketConfig, currency: str) -> SimulatedMarket:
    """Make a market; the same configuration gives the same market, bit for bit.

    Parameters
    ----------
    config : MarketConfig
        Parameters, among them the seed.
    currency : str
        Base coin, for names and contract sizes.

    Returns
    -------
    SimulatedMarket
    """
    rng = np.random.default_rng(config.seed)
    start_ns = parse_time(config.start)
    spot, variance = _paths(config, rng)
    ts = start_ns + NS_PER_MINUTE * np.arange(len(spot), dtype=np.int64)
    prices = Prices(
        currency=currency,
        ts_ns=ts[1:],
        close=np.round(spot[1:], 2),
        open=None,
        high=None,
        low=None,
        interval_ns=NS_PER_MINUTE,
        files=(),
        quality=Quality(f"{currency} simulated prices", ()),
    )
    every = max(round(config.snapshot_hours * 60), 1)
    chains = _chains(config, currency, prices.ts_ns[::every], prices.close[::every], variance[1::every], rng)
    return SimulatedMarket(chains, prices, _funding(config, start_ns, rng))


def _paths(config: MarketConfig, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Spot and variance by the minute (full truncation, so that variance never turns negative)."""
    steps = config.days * 24 * 60
    dt = NS_PER_MINUTE / NS_PER_YEAR
    shocks = rng.standard_normal((2, steps))
    shocks[1] = config.correlation * shocks[0] + np.sqrt(1.0 - config.correlation**2) * shocks[1]
    long_run = config.vol**2
    scale, speed = float(config.vol_of_vol * np.sqrt(dt)), config.mean_reversion
    v = kept = long_run
    path = [kept]
    for shock in shocks[1].tolist():
        v += speed * (long_run - kept) * dt + scale * kept**0.5 * shock
        kept = v if v > 0.0 else 0.0
        path.append(kept)
    variance = np.array(path)
    moves = np.sqrt(variance[:-1] * dt) * shocks[0] - 0.5 * variance[:-1] * dt
    spot = config.spot * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
    return spot, variance


def _chains(
    config: MarketConfig, currency: str, ts: Ints, spot: Floats, variance: Floats, rng: np.random.Generator
) -> Chains:
    step = _strike_step(config.spot)
    parts = [
        _listing(int(t), s, v, step) for t, s, v in zip(ts, spot.tolist(), variance.tolist(), strict=True)
    ]
    rows = [np.concatenate(column) for column in zip(*parts, strict=True)]
    ts_ns, expiry, strike, kind, index, var = rows
    tau = (expiry - ts_ns) / NS_PER_YEAR
    forward = index * np.exp(config.basis * tau)
    vol, distance = _smile(config, var, tau, np.log(strike / forward))
    mark = np.round(inverse.price(kind, forward, strike, tau, vol), 8)
    vega = inverse.greeks(kind, forward, strike, tau, vol).vega / forward
    bid, ask = _quotes(config, GRID, mark, vega, distance, rng)
    return chains_from_rows(
        currency,
        ts_ns,
        expiry,
        strike,
        kind.astype(np.int8),
        forward,
        index,
        bid,
        ask,
        mark,
        np.round(vol, 4),
    )


def _strike_step(spot: float) -> float:
    """Strikes about one and a half percent apart, on a round number."""
    rough = spot / 60.0
    decade = 10.0 ** np.floor(np.log10(rough))
    return float(decade * min((1.0, 2.0, 2.5, 5.0, 10.0), key=lambda m: abs(np.log(m * decade / rough))))


def _listing(ts_ns: int, spot: float, variance: float, step: float) -> tuple[npt.NDArray[np.generic], ...]:
    """List the contracts of a moment: the next Fridays, strikes around the spot, calls and puts."""
    day = ts_ns // NS_PER_DAY
    days = day + np.arange(7 * LISTED_WEEKS + 8)
    expiries = days * NS_PER_DAY + 8 * NS_PER_HOUR
    expiries = expiries[(weekday(expiries) == FRIDAY) & (expiries > ts_ns)][:LISTED_WEEKS]
    centre = round(spot / step)
    low = max(centre - STRIKES_EACH_WAY, 1)
    strikes = step * np.arange(low, centre + STRIKES_EACH_WAY + 1)
    grid = np.meshgrid(expiries, strikes, np.array([PUT, CALL]), indexing="ij")
    expiry, strike, kind = (axis.ravel() for axis in grid)
    full = len(expiry)
    return np.full(full, ts_ns), expiry, strike, kind, np.full(full, spot), np.full(full, variance)


def _smile(config: MarketConfig, variance: Floats, tau: Floats, moneyness: Floats) -> tuple[Floats, Floats]:
    """Implied volatility, and distance from the money in standard deviations."""
    pull = config.mean_reversion * tau
    long_run = config.vol**2
    average = long_run + (variance - long_run) * -np.expm1(-pull) / pull
    at_money = np.sqrt(average) * (1.0 + config.implied_premium)
    distance = moneyness / (at_money * np.sqrt(tau))
    reach = SMILE_REACH * np.tanh(distance / SMILE_REACH)
    shape = np.maximum(1.0 + config.skew * reach + 0.5 * config.smile * reach**2, 0.3)
    return at_money * shape, distance


def _quotes(
    config: MarketConfig,
    spec: ContractSpec,
    mark: Floats,
    vega: Floats,
    distance: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Bid and ask on ticks around the mark; far from the money some are missing."""
    half = vega * config.spread_vol * (1.0 + 0.25 * distance**2)
    bid = spec.round_price(np.maximum(mark - half, 0.0), "down")
    ask = spec.round_price(np.maximum(mark + half, spec.tick_size), "up")
    absent = np.minimum(0.02 * distance**2, 0.5)
    bid[(bid <= 0) | (rng.random(len(bid)) < absent)] = np.nan
    ask[rng.random(len(ask)) < absent] = np.nan
    return bid, ask


def _funding(config: MarketConfig, start_ns: int, rng: np.random.Generator) -> Funding:
    """Eight-hourly funding around the basis."""
    periods = config.days * 3
    usual = config.basis * FUNDING_PERIOD_NS / NS_PER_YEAR
    return Funding(
        ts_ns=start_ns + FUNDING_PERIOD_NS * np.arange(1, periods + 1, dtype=np.int64),
        rate=np.round(usual * (1.0 + rng.standard_normal(periods)), 8),
        period_ns=FUNDING_PERIOD_NS,
        file=None,
        quality=Quality("simulated funding", ()),
    )


def flat_chains(prices: Prices, currency: str, vol: float, days: float) -> Chains:
    """Chains of a theoretical roll: at the first bar and every ``days``, one straddle at the close.

    Parameters
    ----------
    prices : Prices
        Bars of the underlying, which is also the forward.
    currency : str
        Base coin.
    vol : float
        The one volatility (decimal).
    days : float
        Life of each straddle.

    Returns
    -------
    Chains
        Two options a chain, bid = ask = mark = the Black-76 value in coin.
    """
    life = round(days * NS_PER_DAY)
    wanted = np.arange(prices.ts_ns[0], prices.ts_ns[-1] + 1, life)
    bars = np.searchsorted(prices.ts_ns, wanted)  # the bar of that moment, or the next after a gap
    ts, spot = np.repeat(prices.ts_ns[bars], 2), np.repeat(prices.close[bars], 2)
    kind = np.tile(np.array([PUT, CALL], np.int8), len(bars))
    mark = inverse.price(kind, spot, spot, life / NS_PER_YEAR, vol)
    iv = np.full(len(ts), vol)
    return chains_from_rows(currency, ts, ts + life, spot, kind, spot, spot, mark, mark, mark, iv)


def chains_from_rows(
    currency: str,
    ts_ns: Ints,
    expiry_ns: Ints,
    strike: Floats,
    kind: npt.NDArray[np.int8],
    forward: Floats,
    index: Floats,
    bid: Floats,
    ask: Floats,
    mark: Floats,
    iv: Floats,
) -> Chains:
    """Chains from columns, one value a row; rows in order of time, expiry, strike and kind (put, call).

    Parameters
    ----------
    currency : str
        Base coin.
    ts_ns, expiry_ns : array of int64
    strike, forward, index : array of float64
        USD.
    kind : array of int8
    bid, ask, mark : array of float64
        Coin; NaN where there is none.
    iv : array of float64
        Decimal.

    Returns
    -------
    Chains
        Without files or findings.
    """
    snapshot_ts, first = np.unique(ts_ns, return_index=True)
    _, of_expiry = np.unique(expiry_ns, return_inverse=True)
    strikes, of_strike = np.unique(strike, return_inverse=True)
    # One number for each contract, in the order of expiry, strike and kind.
    contract = (of_expiry * len(strikes) + of_strike) * 2 + (kind > 0)
    _, row, code = np.unique(contract, return_index=True, return_inverse=True)
    listed = zip(expiry_ns[row].tolist(), strike[row].tolist(), kind[row].tolist(), strict=True)
    names = tuple(Option(currency, Settlement.INVERSE, *one).name for one in listed)
    blank = np.full(len(ts_ns), np.nan)
    return Chains(
        currency=currency,
        ts_ns=ts_ns,
        expiry_ns=expiry_ns,
        strike=strike,
        kind=kind,
        forward=forward,
        index=index,
        bid=bid,
        ask=ask,
        mark=mark,
        iv=iv,
        delta=blank,
        vega=blank,
        open_interest=blank,
        bid_size=blank,
        ask_size=blank,
        synthetic=np.zeros(len(ts_ns), dtype=bool),
        code=code.ravel().astype(np.int32),
        names=names,
        snapshot_ts=snapshot_ts,
        offsets=np.append(first, len(ts_ns)).astype(np.int64),
        files=(),
        quality=Quality(f"{currency} chains made here", ()),
    )
