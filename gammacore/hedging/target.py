"""What the hedge aims at: which delta, at which volatility, of how much of the options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from gammacore.contracts import Future, Option, Perpetual
from gammacore.episode import Episode, MarketView
from gammacore.errors import ConfigError
from gammacore.hedging import widths
from gammacore.hedging.policies import Moment, Never, Policy
from gammacore.valuation import shape

__all__ = ["HedgeInputs", "Leland", "Target", "decay_of"]

MAX_RATIO = 1.5
BENT = frozenset({"gamma", "vol"})  # what a policy may need beside the delta


class Leland(msgspec.Struct, frozen=True):
    """Cost and interval of Leland's volatility, see :func:`widths.leland_vol`."""

    cost: float
    every_years: float


class HedgeInputs(NamedTuple):
    """Delta of the options that is to be hedged (coin), and what a :class:`Moment` says beside it."""

    options: Any
    price: Any
    gamma: Any
    vol: Any
    tau: Any


class Target(msgspec.Struct, frozen=True):
    """Which delta is hedged, and down to what.

    Attributes
    ----------
    numeraire : {'coin_neutral', 'usd_neutral', 'black'}
        ``coin_neutral`` hedges the coin value of inverse options (net delta), ``usd_neutral``
        the USD value of the whole equity (equity + net delta = 0), ``black`` hedges
        N(d1) whatever the settlement.
    ratio : float
        Share of the options' delta that is hedged, 0 to 1.5.
    delta : float
        Delta to keep, coin; 0 is neutral.
    vol : {'implied', 'estimate'} or float
        Volatility of the delta: the option's mark, the market view's own estimate (mark
        volatility where there is none yet), or a number.
    smile : bool
        Whether the delta follows the volatility along the view's slope in the forward.
    leland : Leland or None
        Adjust the volatility for the cost of hedging.
    ignore_vol : bool
        Let the policy decide on the delta at the volatilities of the last hedge, so that
        news of implied volatility alone never calls for a trade. What is traded is
        the mismatch at today's.
    """

    numeraire: Literal["coin_neutral", "usd_neutral", "black"]
    ratio: float = 1.0
    delta: float = 0.0
    vol: Literal["implied", "estimate"] | float = "implied"
    smile: bool = False
    leland: Leland | None = None
    ignore_vol: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.ratio <= MAX_RATIO:
            raise ConfigError(f"ratio: expected 0 to {MAX_RATIO}, got {self.ratio!r}")
        if not np.isfinite(self.delta):
            raise ConfigError(f"delta: expected a finite number, got {self.delta!r}")
        if not isinstance(self.vol, str) and not self.vol > 0:
            raise ConfigError(f"vol: expected a positive number, got {self.vol!r}")

    @property
    def at_marks(self) -> bool:
        """Whether deltas are those of the mark volatilities, unadjusted."""
        return self.vol == "implied" and not self.smile and self.leland is None

    def moment(self, episode: Episode, view: MarketView, policy: Policy, *, deciding: bool = False) -> Moment:
        """State of an episode for a policy.

        Parameters
        ----------
        episode : Episode
        view : MarketView
            One moment, or a block of them.
        policy : Policy
        deciding : bool
            Whether for ``fires``, which sees no change of volatility if ``ignore_vol`` is set.

        Returns
        -------
        Moment
            Scalars or arrays, as the view is. The mismatch is always there for a scalar view.
        """
        frozen = episode.hedged_vol if deciding and self.ignore_vol else None
        wanted = not deciding or "mismatch" in policy.needs
        seen = self.inputs(episode, view, policy, frozen, wanted)
        return Moment(
            view.ts_ns,
            self._against(episode, view, seen) if wanted else None,
            seen.price,
            seen.gamma,
            seen.vol,
            seen.tau,
            episode.last_hedge_ns,
            episode.last_hedge_price,
        )

    def mismatch(self, episode: Episode, view: MarketView) -> Any:
        """Delta to be hedged away, in coin: options plus hedge minus target."""
        return self._against(episode, view, self.inputs(episode, view, Never()))

    def own_mismatch(self, episode: Episode, view: MarketView) -> Any:
        """Mismatch of an episode in a book: the delta that is to be kept is the book's."""
        return self._unaimed(episode, view, self.inputs(episode, view, Never()))

    def inputs(
        self,
        episode: Episode,
        view: MarketView,
        policy: Policy,
        frozen: Mapping[Option, float] | None = None,
        options: bool = True,
    ) -> HedgeInputs:
        """Find what a decision depends on beside the hedge that is held.

        Parameters
        ----------
        episode, view, policy
        frozen : mapping of Option to float, optional
            Volatilities to use in place of the marks.
        options : bool
            Whether the options' delta is wanted.

        Notes
        -----
        In the settlement window the deltas of the options decay. So does that of a future of
        the same expiry, which settles at the same average: against it nothing changes.
        """
        price = view.future_price(episode.hedge.instrument)
        gamma = vol = tau = factor = None
        if not policy.needs.isdisjoint(BENT):
            gamma, vol = self._shape(episode, view, frozen)
            tau = view.tau(episode.next_expiry_ns)
            factor = policy.vol_factor(price, gamma, vol, tau)
        total = self._delta(episode, view, factor, frozen) if options else None
        return HedgeInputs(total, price, gamma, vol, tau)

    def _delta(
        self, episode: Episode, view: MarketView, factor: Any, frozen: Mapping[Option, float] | None
    ) -> Any:
        """Delta of the options to hedge."""
        total: Any = None
        plain = factor is None and frozen is None and self.at_marks
        for expiry_ns, legs in episode.legs_by_expiry():
            if plain:
                delta = view.options_delta(legs, self.numeraire == "black")
            else:
                delta = self._adjusted_delta(legs, view, 1.0 if factor is None else factor, frozen)
            part = _times(delta, self.ratio * decay_of(episode.hedge.instrument, expiry_ns, view))
            total = part if total is None else total + part
        return 0.0 if total is None else total

    def _against(self, episode: Episode, view: MarketView, seen: HedgeInputs) -> Any:
        """Options plus hedge minus target."""
        total = self._unaimed(episode, view, seen)
        return total - self.delta if self.delta else total

    def _unaimed(self, episode: Episode, view: MarketView, seen: HedgeInputs) -> Any:
        total = seen.options + episode.hedge.delta(seen.price)
        if episode.pending:
            total = total + episode.pending_delta(seen.price)
        if self.numeraire == "usd_neutral" and episode.hedge.inverse:
            total = total + episode.equity(view)
        return total

    def _adjusted_delta(
        self,
        legs: Mapping[Option, float],
        view: MarketView,
        factor: Any,
        frozen: Mapping[Option, float] | None,
    ) -> Any:
        """Delta of the options at the volatility chosen, along the smile."""
        total: Any = 0.0
        for option, amount in legs.items():
            vol, slope = self.vol_of(option, amount, view, frozen)
            seen = shape(option, view.forward(option.expiry_ns), view.tau(option.expiry_ns), vol * factor)
            delta = seen.delta if self.numeraire == "black" else seen.net_delta
            if self.smile:
                # vega dvol/dF, from the slope in ln F: both terms in coin per coin
                delta = delta + seen.vega * slope / view.forward(option.expiry_ns)
            total = total + amount * delta
        return total

    def vol_of(
        self, option: Option, amount: float, view: MarketView, frozen: Mapping[Option, float] | None = None
    ) -> tuple[Any, Any]:
        """Volatility to hedge an option at, and the slope of its mark in ln F."""
        mark, slope = view.vol(option), view.slope(option) if self.smile else 0.0
        if frozen is not None and option in frozen:
            mark = frozen[option]
        if self.vol == "implied":
            vol = mark
        elif self.vol == "estimate":
            vol = np.where(np.isfinite(view.estimate), view.estimate, mark)
        else:
            vol = self.vol
        if self.leland is not None:
            vol = widths.leland_vol(vol, self.leland.cost, self.leland.every_years, amount)
        return vol, slope

    def _shape(
        self, episode: Episode, view: MarketView, frozen: Mapping[Option, float] | None
    ) -> tuple[Any, Any]:
        """Gamma of the delta to hedge, and the options' volatility averaged by amount."""
        gamma: Any = 0.0
        weighted: Any = 0.0
        size = 0.0
        for expiry_ns, legs in episode.legs_by_expiry():
            part: Any = 0.0
            for option, amount in legs.items():
                vol, _ = self.vol_of(option, amount, view, frozen)
                seen = shape(option, view.forward(option.expiry_ns), view.tau(option.expiry_ns), vol)
                part = part + amount * seen.gamma
                weighted = weighted + abs(amount) * vol
                size += abs(amount)
            decay = decay_of(episode.hedge.instrument, expiry_ns, view)
            # The delta to hedge is decay times that in the average, which moves with decay again.
            gamma = gamma + part * (self.ratio * decay) * decay
        return gamma, weighted / size


def _times(values: Any, weight: Any) -> Any:
    """Multiply by a weight; by one, as it mostly is, costs nothing."""
    return values if isinstance(weight, float) and weight == 1.0 else values * weight


def decay_of(instrument: Future | Perpetual, expiry_ns: int, view: MarketView) -> Any:
    """Share of the deltas of an expiry that is left to hedge with an instrument."""
    if type(instrument) is Future and instrument.expiry_ns == expiry_ns:
        return 1.0
    return view.settlement_weight(expiry_ns)
