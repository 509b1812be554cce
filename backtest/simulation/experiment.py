"""What is simulated: a book of options, a price model, a hedge and its costs.

An :class:`Experiment` is checked as a whole before anything runs; an error names the field
and the value. Times are in years from now, prices in USD, amounts in coin, money in the settlement
currency: USD for linear options, coin for inverse ones.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import msgspec

from gammacore import _hedging, black76, inverse
from gammacore.errors import ConfigError
from gammacore.hedging.compiled import ON_GRID, compiled_policy
from gammacore.hedging.target import MAX_RATIO
from gammacore.tolerances import ROUNDING

from .models import GivenPaths, Model
from .number_checks import check_number, check_volatility
from .option_book import Costs, OptionLeg

NUMERAIRES = {
    "black": _hedging.DELTA_BLACK,
    "coin_neutral": _hedging.DELTA_COIN,
    "usd_neutral": _hedging.DELTA_USD,
}


class Experiment(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A book, a model, a hedge and its costs.

    Attributes
    ----------
    book : tuple of OptionLeg
        Any strikes and expiries, long and short. What expires within the horizon must do so on a
        step; what expires later is valued at the end.
    model : GBM, Heston, Merton, Garch, Bootstrap or GivenPaths
    policy : Interval, Band, Move, WhalleyWilmott, Zakamouline, FixedCost or Never
    forward : float
        Price at the start, USD.
    implied : float
        Volatility that options are bought and marked at, unless a leg says otherwise.
    steps : int
        Of equal length, until the horizon.
    horizon : float or None
        Years; None is the last expiry.
    window : float
        Years before an expiry that its delivery price is the average of, in whole steps; 0 is the last
        price. See :mod:`gammacore.settlement`.
    hedge_vol : {'implied', 'actual'} or float
        Volatility of the deltas and gammas that are hedged; ``actual`` is the model's own.
    end_vol : float or None
        Volatility that is left at the horizon for options that live on; None is the implied.
    settlement : {'linear', 'inverse'}
    target : {'black', 'coin_neutral', 'usd_neutral'} or None
        Delta that is hedged, as in the configuration; None is ``black`` for linear and
        ``coin_neutral`` for inverse settlement.
    financed_in : {'coin', 'usd'} or None
        Currency that an inverse book's premium is borrowed in, as far as it is paid; None is
        ``usd`` for the target ``usd_neutral``, else ``coin``.
    ratio : float
        Share of the options' delta that is hedged.
    target_delta : float
        Delta to keep, coin.
    costs : Costs
    hedge_at_start : bool
        Whether the whole mismatch is hedged when the options are bought.
    liquidate : bool
        Whether the hedge is closed at the end at its costs, or marked.
    """

    book: tuple[OptionLeg, ...]
    model: Model
    policy: Any
    forward: float = 100.0
    implied: float = 0.6
    steps: int = 720
    horizon: float | None = None
    window: float = 0.0
    hedge_vol: Literal["implied", "actual"] | float = "implied"
    end_vol: float | None = None
    settlement: Literal["linear", "inverse"] = "linear"
    target: Literal["black", "coin_neutral", "usd_neutral"] | None = None
    financed_in: Literal["coin", "usd"] | None = None
    ratio: float = 1.0
    target_delta: float = 0.0
    costs: Costs = Costs()
    hedge_at_start: bool = True
    liquidate: bool = False

    def __post_init__(self) -> None:
        self._check_book()
        check_number("forward", self.forward, above=0.0)
        check_volatility("implied", self.implied)
        if not (isinstance(self.steps, int) and 1 <= self.steps < 2**31):
            raise ConfigError(f"steps: expected a whole number of at least 1, got {self.steps!r}")
        if self.horizon is not None:
            check_number("horizon", self.horizon, above=0.0)
        if not isinstance(self.hedge_vol, str):
            check_volatility("hedge_vol", self.hedge_vol)
        elif self.hedge_vol not in ("implied", "actual"):
            raise ConfigError(f"hedge_vol: expected implied, actual or a number, got {self.hedge_vol!r}")
        if self.end_vol is not None:
            check_volatility("end_vol", self.end_vol)
        check_number("ratio", self.ratio, at_least=0.0, at_most=MAX_RATIO)
        check_number("target_delta", self.target_delta)
        self._check_choices()
        for leg_number, leg in enumerate(self.book):
            _expiry_step(leg.expiry, self, leg_number)
        self._check_window()
        compiled_policy(self.policy, self.dt)
        self._check_model()

    def _check_book(self) -> None:
        if not self.book:
            raise ConfigError("book: expected at least one option, got none")
        for i, leg in enumerate(self.book):
            where = f"book[{i}]"
            if not isinstance(leg, OptionLeg):
                raise ConfigError(f"{where}: expected an OptionLeg, got {leg!r}")
            if leg.kind not in ("call", "put"):
                raise ConfigError(f"{where}.kind: expected call or put, got {leg.kind!r}")
            check_number(f"{where}.strike", leg.strike, above=0.0)
            check_number(f"{where}.expiry", leg.expiry, above=0.0)
            check_number(f"{where}.amount", leg.amount)
            if leg.implied is not None:
                check_volatility(f"{where}.implied", leg.implied)
        if not any(leg.amount for leg in self.book):
            raise ConfigError("book: expected an amount other than 0 in some leg")

    def _check_window(self) -> None:
        check_number("window", self.window, at_least=0.0)
        if not self.window:
            return
        if self.window < 0.5 * self.dt:
            raise ConfigError(
                f"window: expected 0 or a step of {self.dt:.6g} years at least, got {self.window!r}"
            )
        expiries = sorted({leg.expiry for leg in self.book})
        times = [0.0, *expiries] if expiries[-1] <= self.years else [0.0, *expiries, self.years]
        apart = min(abs(b - a) for a, b in pairwise(sorted(set(times))))
        if apart < self.averaged * (1.0 - ON_GRID):
            raise ConfigError(
                f"window: expected start, expiries and horizon {self.window:.6g} years apart, got {apart:.6g}"
            )

    def _check_choices(self) -> None:
        for name, choices in (
            ("settlement", ("linear", "inverse")),
            ("target", (None, "black", "coin_neutral", "usd_neutral")),
            ("financed_in", (None, "coin", "usd")),
        ):
            if getattr(self, name) not in choices:
                known = ", ".join(str(choice) for choice in choices if choice)
                raise ConfigError(f"{name}: expected one of {known}, got {getattr(self, name)!r}")
        if not self.inverse and self.target not in (None, "black"):
            raise ConfigError(f"target: expected 'black' for linear settlement, got {self.target!r}")
        if not self.inverse and self.financed_in == "coin":
            raise ConfigError("financed_in: expected 'usd' for linear settlement, got 'coin'")

    def _check_model(self) -> None:
        self.model.for_core(self.dt)
        if isinstance(self.model, GivenPaths):
            shape = self.model.prices.shape
            if shape[1] != self.steps + 1:
                raise ConfigError(
                    f"model.prices: expected {self.steps + 1} columns for {self.steps} steps, got {shape[1]}"
                )
            if not (abs(self.model.prices[:, 0] / self.forward - 1.0) < 1e-12).all():
                raise ConfigError(
                    f"model.prices: expected every path to start at the forward {self.forward:g}"
                )
        if self.hedge_vol == "actual":
            self.model.mean_vol(self.years)

    @property
    def inverse(self) -> bool:
        """Whether the options settle in coin."""
        return self.settlement == "inverse"

    @property
    def years(self) -> float:
        """Length of the simulation."""
        return max(leg.expiry for leg in self.book) if self.horizon is None else self.horizon

    @property
    def dt(self) -> float:
        """Years a step takes."""
        return self.years / self.steps

    @property
    def averaged(self) -> float:
        """Years of the settlement window, in whole steps."""
        return round(self.window / self.dt) * self.dt

    def mark_vol_of(self, leg: OptionLeg) -> float:
        """Volatility a leg is marked at on the clock of the average: that of its quoted one at the start."""
        return self.implied_of(leg) * math.sqrt(leg.expiry / (leg.expiry - 2.0 * self.averaged / 3.0))

    @property
    def delta(self) -> str:
        """Delta that is hedged."""
        return self.target or ("coin_neutral" if self.inverse else "black")

    @property
    def financed_in_usd(self) -> bool:
        """Whether an inverse book's premium is borrowed in USD."""
        return self.inverse and (self.financed_in or _default_financing(self.delta)) == "usd"

    def implied_of(self, leg: OptionLeg) -> float:
        """Volatility a leg is bought and marked at."""
        return self.implied if leg.implied is None else leg.implied

    def hedge_vol_of(self, leg: OptionLeg) -> float:
        """Volatility a leg is hedged at."""
        if self.hedge_vol == "implied":
            return self.mark_vol_of(leg)
        if isinstance(self.hedge_vol, str):
            return self.model.mean_vol(leg.expiry)
        return self.hedge_vol

    def premium_of(self, leg: OptionLeg) -> float:
        """Value of one option of a leg at the start, settlement currency."""
        price = inverse.price if self.inverse else black76.price
        return price(leg.kind, self.forward, leg.strike, leg.expiry, self.implied_of(leg))

    @property
    def premium(self) -> float:
        """Value of the book at the start, settlement currency; negative if received."""
        return math.fsum(leg.amount * self.premium_of(leg) for leg in self.book)

    @property
    def financed(self) -> float:
        """Part of the premium that is borrowed in USD, coin: what is paid; what is received stays as coin."""
        if not self.financed_in_usd:
            return 0.0
        return math.fsum(leg.amount * self.premium_of(leg) for leg in self.book if leg.amount > 0)

    @property
    def entry_fee(self) -> float:
        """Fee of buying and selling the options, settlement currency."""
        notional = 1.0 if self.inverse else self.forward
        return math.fsum(
            abs(leg.amount)
            * min(self.costs.option_fee * notional, self.costs.option_fee_cap * self.premium_of(leg))
            for leg in self.book
        )


def engine_of(experiment: Experiment, seed: int) -> _hedging.Engine:
    """Make the compiled simulation of an experiment."""
    e = experiment
    if not (isinstance(seed, int) and 0 <= seed < 2**64):
        raise ConfigError(f"seed: expected a whole number from 0 to 2^64 - 1, got {seed!r}")
    size = math.fsum(abs(leg.amount) for leg in e.book)
    return _hedging.Engine(
        grid=(e.steps, e.dt, float(e.forward), round(e.averaged / e.dt)),
        model=e.model.for_core(e.dt),
        book=_groups(e),
        policy={"dust": ROUNDING * size, **compiled_policy(e.policy, e.dt)},
        accounts=(
            e.inverse,
            NUMERAIRES[e.delta],
            e.hedge_at_start,
            e.liquidate,
            e.ratio,
            e.target_delta,
            e.premium,
            e.financed,
            e.entry_fee,
        ),
        costs=(e.costs.proportional, e.costs.fixed, 1e-4 * e.costs.half_spread_bp, e.costs.funding),
        seed=seed,
    )


def _groups(e: Experiment) -> list[tuple[float, ...]]:
    """Legs merged by strike, expiry and volatilities: put-call parity makes them one option."""
    merged: dict[tuple[float, ...], list[float]] = {}
    for i, leg in enumerate(e.book):
        mark = e.mark_vol_of(leg)
        end = mark if e.end_vol is None else e.end_vol
        key = (leg.strike, leg.expiry, _expiry_step(leg.expiry, e, i), e.hedge_vol_of(leg), mark, end)
        total = merged.setdefault(key, [0.0, 0.0, 0.0])
        total[0] += leg.amount
        total[1] += leg.amount if leg.kind == "put" else 0.0
        total[2] += abs(leg.amount)
    return [
        (strike, math.log(strike / e.forward), expiry, step, both, puts, hedge, mark, end, size)
        for (strike, expiry, step, hedge, mark, end), (both, puts, size) in merged.items()
    ]


def _expiry_step(expiry: float, e: Experiment, number: int) -> int:
    """Step at which an option is settled; one beyond the last for those that live on."""
    at = expiry / e.dt
    if at > e.steps * (1.0 + 1e-12) + ON_GRID:
        return e.steps + 1
    if abs(at - round(at)) > ON_GRID or round(at) < 1:
        raise ConfigError(
            f"book[{number}].expiry: expected a whole number of steps of {e.dt:.6g} years, or one beyond the "
            f"horizon, got {expiry!r}; change steps"
        )
    return round(at)


def _default_financing(delta: str) -> str:
    return "usd" if delta == "usd_neutral" else "coin"
