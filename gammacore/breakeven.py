"""At which realised volatility a straddle breaks even, and what a forecast makes of it.

If the price is a martingale, a position that is hedged all the way earns on average its value at the realised
volatility less what was paid, whatever delta it was hedged with; Ahmad and Wilmott (2005) give the
deviation of one that is hedged at the marks. Then come the costs: spread and fees of the options, hedging
by the chosen policy (:mod:`gammacore.hedging.law`), the first hedge and the last, funding and basis. The
realised volatility at which nothing is left is the break-even; a forecast with a deviation of its own gives
the probability of a profit, its mean and its deviation.

Amounts are in the settlement currency per coin of each leg: coin for inverse options, USD for linear ones.
A mean in coin is that in USD over the forward (the price is a martingale for who counts in USD, its
inverse for who counts in coin); deviations are taken over alike, which leaves out terms of second order.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from gammacore import black76
from gammacore.contracts import CALL, PUT, Settlement
from gammacore.daycount import FRIDAY, NS_PER_YEAR, is_month_end_friday, weekday
from gammacore.errors import ContractError
from gammacore.events import ChainSlice
from gammacore.fees import FeeRates
from gammacore.hedging import Never, Policy
from gammacore.hedging.law import HedgeLaw, Path, law_of
from gammacore.margin import MarginRates, future_rates, option_margin
from gammacore.volatility import Density

__all__ = ["Breakevens", "Terms", "breakevens", "straddles", "strangles"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
OUTCOMES = 11  # of the forecast, equally likely
LOWEST, HIGHEST = 0.01, 8.0  # volatilities between which a break-even is looked for
STEPS, TOLERANCE = 40, 1e-11  # of its search


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a position is opened, hedged and closed, and what that costs.

    Attributes
    ----------
    policy : Policy
    hedge_cost : float
        One way, as a fraction of notional: fee and half spread.
    instrument : {'perpetual', 'future'}
        The future is that of the options' expiry and settles with them.
    funding : float
        Of the perpetual, per year; longs pay when positive.
    fees : FeeRates or None
        Of options and deliveries; None charges nothing.
    margin : MarginRates
    long : bool
    fill : {'cross', 'mid', 'mark'}
        Price that options are opened and closed at.
    exit_before_ns : int or None
        Time before the expiry at which they are closed; None holds to delivery.
    chain_every : float or None
        Years between two chains, for a policy that hedges at each.
    look_every : float
        Years between two prices that the policy sees; 0 is all the time.
    """

    policy: Policy
    hedge_cost: float
    instrument: Literal["perpetual", "future"] = "perpetual"
    funding: float = 0.0
    fees: FeeRates | None = None
    margin: MarginRates = MarginRates()
    long: bool = True
    fill: Literal["cross", "mid", "mark"] = "cross"
    exit_before_ns: int | None = None
    chain_every: float | None = None
    look_every: float = 0.0


class Breakevens(NamedTuple):
    """One row a position, all arrays of shape (m,); money in the settlement currency a coin of each leg.

    Attributes
    ----------
    call, put : int64
        Rows of the chain.
    tau : float64
        Years to expiry.
    premium : float64
        Paid when long, received when short.
    paid_vol : float64
        Mark volatility of the position at that price: what it breaks even at without any other cost.
    breakeven : float64
        Realised volatility at which the expected profit is nil after all costs; NaN if there is none.
    forecast : float64
        Median of the forecast.
    edge : float64
        Forecast less break-even when long, the reverse when short.
    probability : float64
        Of a profit.
    profit, deviation : float64
        Expected, and its standard deviation: of the forecast, of the path, and of the hedging.
    fees, spread, hedging, carry : float64
        Expected costs at the forecast, positive when paid; ``spread`` is from the marks.
    capital : float64
        Premium and margin that the position ties up.
    return_on_capital : float64
        Expected profit over it.
    """

    call: Ints
    put: Ints
    tau: Floats
    premium: Floats
    paid_vol: Floats
    breakeven: Floats
    forecast: Floats
    edge: Floats
    probability: Floats
    profit: Floats
    deviation: Floats
    fees: Floats
    spread: Floats
    hedging: Floats
    carry: Floats
    capital: Floats
    return_on_capital: Floats

    def take(self, rows: Any) -> Breakevens:
        """Return some of the rows, or all in another order."""
        return Breakevens(*(column[rows] for column in self))

    def best_first(self) -> Breakevens:
        """Sort by return on capital; positions without quotes come last."""
        return self.take(np.argsort(-np.nan_to_num(self.return_on_capital, nan=-np.inf), kind="stable"))


Pairs = tuple[Ints, Ints]


def straddles(chain: ChainSlice) -> Pairs:
    """Rows of calls and puts that share expiry and strike.

    Returns
    -------
    tuple of two arrays of int64, shape (m,)
    """
    calls = np.flatnonzero(_usable(chain) & (chain.kind == CALL))
    puts = np.flatnonzero(_usable(chain) & (chain.kind == PUT))
    _, expiry = np.unique(chain.expiry_ns, return_inverse=True)
    strikes, strike = np.unique(chain.strike, return_inverse=True)
    key = expiry * len(strikes) + strike
    _, mine, theirs = np.intersect1d(key[calls], key[puts], assume_unique=True, return_indices=True)
    return calls[mine], puts[theirs]


def strangles(chain: ChainSlice, ts_ns: int, delta: float = 0.25) -> Pairs:
    """Rows of the call and the put of every expiry whose Black deltas are nearest ``delta``.

    Returns
    -------
    tuple of two arrays of int64, shape (m,)
        Without expiries of which both would have the same strike, or only one side.
    """
    rows = np.flatnonzero(_usable(chain))
    expiry = chain.expiry_ns[rows]
    forward = _forwards(chain, expiry)
    tau = (expiry - ts_ns) / NS_PER_YEAR
    seen = black76.greeks(chain.kind[rows], forward, chain.strike[rows], tau, chain.iv[rows]).delta
    picked: list[tuple[int, int]] = []
    for one in np.unique(expiry):
        both = []
        for kind in (CALL, PUT):
            side = np.flatnonzero((expiry == one) & (chain.kind[rows] == kind) & (tau > 0))
            if side.size:
                both.append(int(rows[side[np.argmin(np.abs(seen[side] - kind * delta))]]))
        if len(both) == 2 and chain.strike[both[0]] > chain.strike[both[1]]:
            picked.append((both[0], both[1]))
    found = np.array(picked, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _usable(chain: ChainSlice) -> npt.NDArray[np.bool_]:
    return np.asarray((chain.iv > 0) & np.isfinite(chain.mark))


def _forwards(chain: ChainSlice, expiry_ns: Ints) -> Floats:
    known, where = np.unique(expiry_ns, return_inverse=True)
    return np.array([chain.forwards[int(e)] for e in known], np.float64)[where]


def breakevens(chain: ChainSlice, ts_ns: int, pairs: Pairs, terms: Terms, forecast: Density) -> Breakevens:
    """Weigh positions of one call and one put each.

    Parameters
    ----------
    chain : ChainSlice
    ts_ns : int
        Now.
    pairs : tuple of two arrays of int64, shape (m,)
        Rows of calls and puts of one expiry each, see :func:`straddles` and :func:`strangles`.
    terms : Terms
    forecast : Density
        Of the volatility realised until each position's exit: one, or one a position.

    Returns
    -------
    Breakevens
        In the order of ``pairs``, less those that have expired or are closed already.

    Raises
    ------
    ContractError
        If a pair mixes expiries.
    """
    call, put = pairs
    if np.any(chain.expiry_ns[call] != chain.expiry_ns[put]):
        raise ContractError("pairs: call and put of a position must have one expiry")
    alive = chain.expiry_ns[call] - (terms.exit_before_ns or 0) > ts_ns
    return _Case(chain, ts_ns, call[alive], put[alive], terms, forecast, alive).solve()


class _Case:
    """The positions of one call of :func:`breakevens`; money in USD until the end."""

    def __init__(
        self,
        chain: ChainSlice,
        ts_ns: int,
        call: Ints,
        put: Ints,
        terms: Terms,
        forecast: Density,
        alive: npt.NDArray[np.bool_],
    ) -> None:
        self.chain, self.terms, self.rows = chain, terms, (call, put)
        self.inverse = chain.settlement is Settlement.INVERSE
        self.sign = 1.0 if terms.long else -1.0
        expiry = chain.expiry_ns[call]
        self.expiry_ns = expiry
        self.forward = _forwards(chain, expiry)
        self.tau: Floats = (expiry - ts_ns) / NS_PER_YEAR
        self.hold = self.tau - (terms.exit_before_ns or 0) / NS_PER_YEAR
        self.unit = self.forward if self.inverse else np.ones_like(self.forward)  # USD of one settled unit
        self.strikes = chain.strike[call], chain.strike[put]
        self.vol: Floats = 0.5 * (chain.iv[call] + chain.iv[put])
        low, high = np.minimum(*self.strikes), np.maximum(*self.strikes)
        self.straddles = bool(np.all(low == high))
        self.path = Path(self.forward, self.tau, self.hold, low, high, self.vol)
        outcomes = [forecast.quantile((k + 0.5) / OUTCOMES) for k in range(OUTCOMES)]
        self.outcomes = [_shaped(found, alive) for found in outcomes]
        self.median = _shaped(forecast.quantile(0.5), alive)
        self._quote()
        self._fixed_costs()

    # ------------------------------------------------------------- what does not depend on the outcome

    def _quote(self) -> None:
        """Take prices to open and to close at, and the marks, of both legs."""
        chain, buy = self.chain, self.terms.long
        self.open, self.close, self.mark = (np.zeros_like(self.tau) for _ in range(3))
        self.option_fees = np.zeros_like(self.tau)
        fees = self.terms.fees
        for rows in self.rows:
            mark = chain.mark[rows]
            bid, ask = {
                "cross": (chain.bid[rows], chain.ask[rows]),
                "mid": (0.5 * (chain.bid[rows] + chain.ask[rows]),) * 2,
                "mark": (mark, mark),
            }[self.terms.fill]
            opened, closed = (ask, bid) if buy else (bid, ask)
            self.open += opened
            self.close += closed
            self.mark += mark
            if fees is not None:
                notional = 1.0 if self.inverse else chain.index
                self.option_fees += np.minimum(fees.option_taker * notional, fees.option_cap * opened)
                if self.terms.exit_before_ns is not None:
                    self.option_fees += np.minimum(fees.option_taker * notional, fees.option_cap * closed)
        self.premium_usd = self.open * self.unit
        self.spread_usd = self.sign * (self.open - self.mark) * self.unit
        if self.terms.exit_before_ns is not None:  # half the spread once more, in price as it is today
            self.spread_usd += self.sign * (self.mark - self.close) * self.unit

    def _fixed_costs(self) -> None:
        """Add up fees, first hedge, funding and basis."""
        terms, chain = self.terms, self.chain
        delta = np.zeros_like(self.tau)
        reached = np.zeros_like(self.tau)  # expected deliveries in the money
        for kind, strike, rows in zip((CALL, PUT), self.strikes, self.rows, strict=True):
            plain = black76.greeks(kind, self.forward, strike, self.tau, self.vol).delta
            delta += plain - (chain.mark[rows] if self.inverse else 0.0)
            reached += np.abs(plain)
        held = not _is_never(terms.policy)
        self.delta = delta
        fees = self.option_fees * self.unit
        if terms.fees is not None and terms.exit_before_ns is None:
            rate = np.where(_is_friday(self.expiry_ns), terms.fees.option_delivery, 0.0)
            fees = fees + rate * reached * self.forward
        self.fees_usd = fees
        self.first_usd = terms.hedge_cost * np.abs(delta) * self.forward * held
        # The delta is a martingale: on average it stays what it is at first. A perpetual does not have the
        # forward's premium, which an option loses on its way; a future of that expiry does.
        basis = np.log(self.forward / chain.index)
        carry = delta * (basis - terms.funding * self.hold) * self.forward
        self.carry_usd = self.sign * carry if terms.instrument == "perpetual" and held else 0.0 * carry

    # ------------------------------------------------------------- what does

    def value(self, sigma: Floats) -> Floats:
        """Mean of what the options bring, hedged on the way, USD; at the exit they are at their marks."""
        return self.worth(np.sqrt((sigma**2 * self.hold + self.vol**2 * (self.tau - self.hold)) / self.tau))

    def worth(self, sigma: Floats, tau: Floats | None = None) -> Floats:
        """Value at one volatility, USD."""
        tau = self.tau if tau is None else tau
        call, put = self.strikes
        total = black76.price(CALL, self.forward, call, tau, sigma)
        if self.straddles:  # the put by parity
            return np.asarray(2.0 * total - (self.forward - call))
        return np.asarray(total + black76.price(PUT, self.forward, put, tau, sigma))

    def hedging(self, sigma: Floats) -> tuple[HedgeLaw, Floats, Floats]:
        """Law of the policy, its mean cost on the way, and with the first hedge and the last, USD."""
        terms = self.terms
        law = law_of(terms.policy, self.path, sigma, terms.chain_every, terms.look_every)
        turnover = law.turnover._replace(p=law.turnover.p + 1.0)
        between = terms.hedge_cost * self.path.integral(turnover, sigma)
        last = self._last_rate() * self._last_delta(sigma) * self.forward
        return law, between, self.first_usd + between + last

    def _last_rate(self) -> Any:
        """Cost of giving the last hedge up: a trade, or with a future its delivery."""
        terms = self.terms
        if _is_never(terms.policy):
            return 0.0
        if terms.instrument == "perpetual" or terms.exit_before_ns is not None:
            return terms.hedge_cost
        rate = 0.0 if terms.fees is None else terms.fees.future_delivery
        return np.where([is_month_end_friday(int(e)) for e in self.expiry_ns], rate, 0.0)

    def _last_delta(self, sigma: Floats) -> Floats:
        """Mean of ``|delta| F/F0`` at the exit; at expiry it is 1 where an option is in the money."""
        spread = sigma * np.sqrt(self.hold)
        if self.terms.exit_before_ns is None:
            d1 = [np.log(self.forward / strike) / spread + 0.5 * spread for strike in self.strikes]
            return np.asarray(ndtr(d1[0]) + ndtr(-d1[1]))
        x, weight = _normal()
        price = self.forward[:, None] * np.exp(spread[:, None] * x - 0.5 * spread[:, None] ** 2)
        width = self.vol[:, None] * np.sqrt((self.tau - self.hold)[:, None])
        d1 = [np.log(price / strike[:, None]) / width + 0.5 * width for strike in self.strikes]
        return np.asarray((np.abs(ndtr(d1[0]) - ndtr(-d1[1])) * price) @ weight / self.forward)

    def mean(self, sigma: Floats) -> Floats:
        """Mean profit, USD."""
        return self.before_hedging(sigma) - self.hedging(sigma)[2]

    def before_hedging(self, sigma: Floats) -> Floats:
        """Mean profit without the costs of hedging, USD."""
        gross = self.sign * (self.value(sigma) - self.premium_usd)
        if self.terms.exit_before_ns is not None:
            gross = gross - self.sign * (self.mark - self.close) * self.unit
        return np.asarray(gross - self.fees_usd - self.carry_usd)

    def outcome(self, sigma: Floats, gained: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        """Mean and variance of the profit: of the path where realised is not implied, and of the hedging.

        ``gained`` is :meth:`Path.gamma_moments`. Paths with much gamma also have many hedges: their cost
        counts as a part of the variance that is earned.
        """
        law, between, cost = self.hedging(sigma)
        mean, unhedged = self.before_hedging(sigma) - cost, self._unhedged_variance(sigma)
        if _is_never(self.terms.policy):
            return mean, unhedged
        earned = sigma**2 - self.vol**2 - self.sign * between / gained[0]
        variance = (earned * gained[1]) ** 2 + self.path.error(law.variance, sigma)
        # No hedge leaves more than none: the laws overstate bands wider than the delta can go.
        return mean, np.minimum(variance, unhedged)

    def _unhedged_variance(self, sigma: Floats) -> Floats:
        """Of the payoff at the exit, as if that were the expiry."""
        total = sigma * np.sqrt(self.hold)
        second = np.zeros_like(sigma)
        for kind, strike in zip((CALL, PUT), self.strikes, strict=True):
            d1 = np.log(self.forward / strike) / total + 0.5 * total
            second += (
                self.forward**2 * np.exp(total**2) * ndtr(kind * (d1 + total))
                - 2.0 * self.forward * strike * ndtr(kind * d1)
                + strike**2 * ndtr(kind * (d1 - total))
            )
        return np.maximum(second - self.worth(sigma, self.hold) ** 2, 0.0)

    # ------------------------------------------------------------- answers

    def solve(self) -> Breakevens:
        """Everything, in the settlement currency."""
        gained = self.path.gamma_moments(self.median)
        means, variances = np.array([self.outcome(sigma, gained) for sigma in self.outcomes]).swapaxes(0, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            chances = ndtr(means / np.sqrt(variances))
            profit = means.mean(axis=0)
            deviation = np.sqrt(variances.mean(axis=0) + means.var(axis=0))
            breakeven = self._breakeven()
            capital = self._capital()
            return Breakevens(
                *self.rows,
                self.tau,
                self.open,
                self._paid_vol(),
                breakeven,
                self.median,
                self.sign * (self.median - breakeven),
                np.where(np.isfinite(profit), chances.mean(axis=0), np.nan),
                profit / self.unit,
                deviation / self.unit,
                self.fees_usd / self.unit,
                self.spread_usd / self.unit,
                self.hedging(self.median)[2] / self.unit,
                self.carry_usd / self.unit,
                capital / self.unit,
                profit / capital,
            )

    def _paid_vol(self) -> Floats:
        return _root(lambda sigma: self.worth(sigma) - self.premium_usd, self.vol)

    def _breakeven(self) -> Floats:
        return _root(lambda sigma: self.sign * self.mean(sigma), self.vol)

    def _capital(self) -> Floats:
        """Premium and fees of a long position, margin of a short one, and that of a hedge of one coin."""
        chain, terms = self.chain, self.terms
        hedge = future_rates(terms.margin, chain.base, 1.0).initial * self.forward
        if terms.long:
            return np.asarray(self.premium_usd + self.fees_usd + hedge)
        needed = [
            [
                option_margin(terms.margin, kind, float(k), float(f), float(m)).initial
                for k, f, m in zip(
                    strike, self.forward, chain.mark[rows] * self.unit / self.forward, strict=True
                )
            ]
            for kind, strike, rows in zip((CALL, PUT), self.strikes, self.rows, strict=True)
        ]
        return np.asarray(np.sum(needed, axis=0) * self.forward + hedge)


def _root(excess: Any, start: Floats) -> Floats:
    """Where an increasing function of the volatility crosses zero; NaN where it does not.

    Secant steps inside a bracket that only shrinks, for the functions are close to straight; where two steps
    in a row do not halve the way, the bracket is halved instead.
    """
    low, high = np.full_like(start, LOWEST), np.full_like(start, HIGHEST)
    at_low, at_high = excess(low), excess(high)
    inside = (at_low < 0) & (at_high > 0)
    done = ~inside
    before, found = start * 0.95, start.copy()
    at_before = excess(before)
    way = earlier = np.full_like(start, np.inf)
    for _ in range(STEPS):
        here = excess(found)
        below = here < 0
        low, high = np.where(below, found, low), np.where(below, high, found)
        with np.errstate(invalid="ignore", divide="ignore"):
            step = found - here * (found - before) / (here - at_before)
        good = (step > low) & (step < high) & (np.abs(step - found) < 0.5 * earlier)
        step = np.where(good, step, 0.5 * (low + high))
        done |= (here == 0.0) | (np.abs(step - found) < TOLERANCE)
        before, at_before, earlier, way = found, here, way, np.abs(step - found)
        found = np.where(done, found, step)
        if np.all(done):
            break
    return np.where(inside, found, np.nan)


def _is_never(policy: Policy) -> bool:
    return isinstance(policy, Never)


def _is_friday(expiry_ns: Ints) -> npt.NDArray[np.bool_]:
    return np.array([weekday(int(e)) == FRIDAY for e in expiry_ns], np.bool_)


@cache
def _normal() -> tuple[Floats, Floats]:
    """Nodes and weights for the mean of a function of a standard normal."""
    x, weight = np.polynomial.hermite_e.hermegauss(32)
    return x, weight / weight.sum()


def _shaped(found: Any, alive: npt.NDArray[np.bool_]) -> Floats:
    """One value a position that is alive."""
    return np.array(np.broadcast_to(np.asarray(found, np.float64), alive.shape)[alive])
