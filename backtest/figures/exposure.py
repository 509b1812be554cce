"""What the position of an episode is exposed to along its life: deltas around every hedge, gamma, theta.

Deltas are those of the target that the run hedged to: options (net delta, or N(d1) for ``black``;
decaying in the settlement window where the hedge does not), the hedge, and for ``usd_neutral`` the
equity. Volatilities are marks, whatever volatility the target preferred, and a hedge ratio or a delta
to keep is not taken off: what is shown is what was there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gammacore import black76, inverse
from gammacore.array_types import Floats, Ints
from gammacore.attribution import slippage
from gammacore.contracts import Option, Perpetual, Settlement
from gammacore.daycount import DAYS_PER_YEAR
from gammacore.episode import HedgeFills
from gammacore.valuation import settlement_weight

from ..replay.runs import EpisodeRun, Run
from ..replay.tape import Tape


class EpisodeExposure(NamedTuple):
    """One episode at the points of its attribution, after what was traded at each.

    Attributes
    ----------
    delta : array, shape (points,)
        Of the whole position, coin.
    gamma : array, shape (points,)
        Coins of delta that one percent of the forward adds; decays as delta does.
    theta : array, shape (points,)
        Value lost (negative) or gained with one day, USD.
    fills : HedgeFills
    purposes : list of str
        Of each of the fills: ``hedge``, ``unwind``, ``transfer``.
    points : array of int, shape (fills,)
        Point of each of the fills.
    before, after : array, shape (fills,)
        Delta of the whole position around each of the fills, coin.
    """

    delta: Floats
    gamma: Floats
    theta: Floats
    fills: HedgeFills
    purposes: list[str]
    points: Ints
    before: Floats
    after: Floats


def options_held(done: EpisodeRun) -> dict[Option, Floats]:
    """Amount of each option after the fills at every point of the attribution, coin; none once delivered."""
    parts, size = done.attribution, len(done.attribution.ts_ns)
    traded: dict[Option, Floats] = {}
    for fill in done.episode.option_fills():
        assert isinstance(fill.instrument, Option)
        at = max(int(parts.points(np.array([fill.ts_ns]))[0]), 0)
        traded.setdefault(fill.instrument, np.zeros(size))[at] += fill.amount
    held = {option: np.cumsum(amounts) for option, amounts in traded.items()}
    for option, amounts in held.items():
        if option.expiry_ns in parts.ends:
            amounts[parts.ends[option.expiry_ns] :] = 0.0
    return held


def expose(run: Run, done: EpisodeRun) -> EpisodeExposure:
    """Return the exposure of an episode along its life.

    Parameters
    ----------
    run : Run
    done : EpisodeRun
        One of its episodes.

    Returns
    -------
    EpisodeExposure
    """
    parts, episode = done.attribution, done.episode
    options, gamma, theta = _options(run, done)
    inverse_hedge = episode.hedge.instrument.settlement is Settlement.INVERSE
    if run.config.hedge.target == "usd_neutral" and inverse_hedge:
        options = options + _equity(done) + _late_funding(run, done)
    fills = episode.hedge_fills()
    points = np.clip(parts.points(fills.ts_ns), 0, len(parts.ts_ns) - 1)
    unit = parts.hedge_price if inverse_hedge else np.ones(len(parts.ts_ns))
    running = np.cumsum(fills.amount)
    held = np.cumsum(np.bincount(points, fills.amount, len(parts.ts_ns)))
    if np.isfinite(episode.delivery_price) and not isinstance(episode.hedge.instrument, Perpetual):
        held[-1] = 0.0  # delivered with the options
    purposes = [
        fill.order_id.split("-")[1] for fill in episode.fills if not isinstance(fill.instrument, Option)
    ]
    return EpisodeExposure(
        delta=options + held / unit,
        gamma=gamma,
        theta=theta,
        fills=fills,
        purposes=purposes,
        points=points,
        before=options[points] + (running - fills.amount) / unit[points],
        after=options[points] + running / unit[points],
    )


def _equity(done: EpisodeRun) -> Floats:
    """Equity of an inverse episode at every point, coin, fees of the moment paid."""
    parts, episode = done.attribution, done.episode
    gained = np.concatenate([[0.0], np.cumsum(np.sum(list(parts.coin.values()), axis=0))])
    # The attribution books what the entry cost with its first step; it was paid at the first point.
    hedges, points = episode.hedge_fills(), parts.points(episode.hedge_fills().ts_ns)
    first = points <= 0
    gained[0] = float((hedges.amount * slippage(hedges, True) - hedges.fee)[first].sum())
    for fill in episode.option_fills():
        if fill.ts_ns == episode.entry_ns:
            gained[0] += fill.amount * (fill.mark - fill.price) - fill.fee
    put_in = np.zeros(len(gained))
    for part in episode.capital(float(parts.rate[0])):
        put_in[max(int(parts.points(np.array([part.ts_ns]))[0]), 0) :] += part.amount
    total: Floats = put_in + gained
    return total


def _late_funding(run: Run, done: EpisodeRun) -> Floats:
    """Funding in the equity that was not known yet at each point, coin: no hedge was decided on it."""
    tape, parts, fills = run.tape, done.attribution, done.episode.hedge_fills()
    size = len(parts.ts_ns)
    if not isinstance(done.episode.hedge.instrument, Perpetual):
        return np.zeros(size)
    late = tape.owed[parts.start : done.last + 1] - tape.interest[parts.start : done.last + 1]
    late = late[parts.at]
    held = np.cumsum(np.bincount(parts.points(fills.ts_ns), fills.amount, size))
    return np.concatenate([[0.0], np.cumsum(held[:-1] * np.diff(late))])


def _options(run: Run, done: EpisodeRun) -> tuple[Floats, Floats, Floats]:
    """Delta, gamma (coins per percent) and theta (USD a day) of the options held at every point."""
    parts, tape = done.attribution, run.tape
    i, j, size = parts.start, done.last + 1, len(parts.ts_ns)
    totals = np.zeros((3, size))
    perpetual = isinstance(done.episode.hedge.instrument, Perpetual)
    for option, held in options_held(done).items():
        delta, gamma, theta = _sensitivities(option, tape, i, j, run.config.hedge.target == "black")
        # As the hedge sees them; the variance left goes with the cube of time.
        weight = settlement_weight(option.expiry_ns, parts.ts_ns) if tape.averaging else np.ones(size)
        seen = weight if perpetual else np.ones(size)
        for total, values in zip(totals, (delta, gamma, theta), strict=True):
            total += (
                held
                * values[parts.at]
                * (seen if values is delta else seen**2 if values is gamma else weight**2)
            )
    return totals[0], totals[1], totals[2]


def _sensitivities(option: Option, tape: Tape, i: int, j: int, plain: bool) -> tuple[Floats, Floats, Floats]:
    forward, tau = tape.forward(option.expiry_ns, i, j), tape.tau(option.expiry_ns, i, j)
    case = option.kind, forward, option.strike, tau, tape.vol(option, i, j)
    if option.settlement is Settlement.INVERSE:
        name = "delta" if plain else "net_delta"
        delta, gamma, theta = inverse.sensitivities((name, "gamma", "theta"), *case)
    else:
        delta, gamma, theta = black76.sensitivities(("delta", "gamma", "theta"), *case)
    alive = tau > 0
    return delta, np.where(alive, 0.01 * gamma * forward, 0.0), np.where(alive, theta / DAYS_PER_YEAR, 0.0)
