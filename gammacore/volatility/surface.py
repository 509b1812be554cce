"""An implied volatility surface: slices by expiry, and what lies between them."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore import _surface, black76
from gammacore._arrays import floats
from gammacore.array_types import Floats, Ints
from gammacore.daycount import format_time, times_ns, year_fraction
from gammacore.volatility.clock import VarianceClock
from gammacore.volatility.result import unknown
from gammacore.volatility.svi import SVI

__all__ = ["SliceReport", "Surface", "SurfaceRule"]

SurfaceRule = float | Literal["sticky_strike", "sticky_delta", "minimum_variance"]
"""How the smile follows the forward: a skew stickiness ratio, or the name of one."""

_STICKINESS = {"sticky_strike": 1.0, "sticky_delta": 0.0, "minimum_variance": 2.0}


_FAR_OFF = 5.0  # half spreads
_FEW_OFF, _SHARE_OFF = 2, 1 / 6  # points, or share of an expiry's, that may be off or crossed


class SliceReport(msgspec.Struct, frozen=True):
    """How the fit of one expiry went.

    Attributes
    ----------
    expiry_ns : int
    tau : float
        Years to expiry.
    method : {'svi', 'svi_ssvi', 'ssvi', 'none'}
        SVI to the quotes; to few quotes and, loosely, to the SSVI surface of the chain; SSVI; no fit.
    note : str
        Why, where it is not plain SVI at the first try.
    quotes : int
        Points that were fitted.
    dropped : dict of str to int
        Rows of the chain that were not used, by reason (names of `Reason`).
    rms_vol : float
        Root mean square error of the points' volatilities, decimal.
    off : int
        Fitted points whose error is more than five half spreads.
    crossed : int
        Points whose bid has a larger total variance than the next expiry's ask at the same log-moneyness.
    rms_half_spreads, median_half_spreads, worst_half_spreads : float
        Errors in half spreads: root mean square, median and largest.
    lowest_g : float
        Smallest of Gatheral's g on the dense grids.
    calendar_excess : float
        Largest of w over the next expiry's w, less 1; NaN for the last expiry.
    retries : int
        Fits after the first.
    projected : bool
        Whether it had to be moved towards a flat slice to be free of arbitrage.
    """

    expiry_ns: int
    tau: float
    method: Literal["svi", "svi_ssvi", "ssvi", "none"]
    note: str
    quotes: int
    dropped: dict[str, int]
    rms_vol: float
    rms_half_spreads: float
    median_half_spreads: float
    worst_half_spreads: float
    lowest_g: float
    calendar_excess: float
    retries: int
    projected: bool
    off: int = 0
    crossed: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the quotes or with how they are met, in words; none for a sound slice.

        `free` says that the slice has no arbitrage, not that it is near its quotes.
        """
        outliers, points = self.dropped.get("OUTLIER", 0), self.quotes
        few = max(_FEW_OFF, _SHARE_OFF * points)
        texts = (
            (f"{outliers} of {points + outliers} quotes left out as stale or wrong", outliers > 0),
            (f"quotes cross the next expiry's in the calendar at {self.crossed} of {points} strikes",
             self.crossed > few),
            (f"{self.off} of {points} quotes are more than {_FAR_OFF:g} half spreads off, median "
             f"{self.median_half_spreads:.1f}, worst {self.worst_half_spreads:.1f}", self.off > few),
        )  # fmt: skip
        return tuple(text for text, applies in texts if applies)

    @property
    def sound(self) -> bool:
        """Whether the slice is free of arbitrage and there is nothing to warn of."""
        return self.free and not self.warnings

    @property
    def fitted(self) -> bool:
        """Whether the surface has a slice for this expiry."""
        return self.method != "none"

    @property
    def free(self) -> bool:
        """Whether the slice is free of butterfly arbitrage, and of calendar arbitrage with the next."""
        return self.fitted and self.lowest_g >= 0.0 and not self.calendar_excess > 0.0


class Surface(msgspec.Struct, frozen=True, eq=False):
    """Implied volatilities of one chain at one moment.

    Attributes
    ----------
    ts_ns : int
    expiry_ns : array of int64, shape (m,)
        Expiries that were fitted, ascending.
    forward : array of float64, shape (m,)
    raw : array of float64, shape (m, 5)
        Parameters of each slice, see `SVI`.
    clock : VarianceClock
        Time in which variance is interpolated.
    report : tuple of SliceReport
        One per expiry of the chain, also for those that could not be fitted.
    reason : array of int8
        What became of each row of the chain, codes of `Reason`.

    Notes
    -----
    Between expiries total variance is linear in clock time at fixed log-moneyness; before the first and
    after the last it is in proportion to clock time. So calendar spreads have no arbitrage if
    those of the slices have none, and volatility is flat in clock time beyond them.
    """

    ts_ns: int
    expiry_ns: Ints
    forward: Floats
    raw: Floats
    clock: VarianceClock
    report: tuple[SliceReport, ...]
    reason: npt.NDArray[np.int8]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of all expiries, see `SliceReport.warnings`."""
        return tuple(f"{format_time(one.expiry_ns)}: {text}" for one in self.report for text in one.warnings)

    def slice(self, expiry_ns: int) -> SVI:
        """Slice of a fitted expiry.

        Raises
        ------
        ValueError
            If that expiry was not fitted.
        """
        expiry_ns = int(times_ns("expiry_ns", expiry_ns))
        where = np.flatnonzero(self.expiry_ns == expiry_ns)
        if not where.size:
            listed = ", ".join(format_time(int(one)) for one in self.expiry_ns)
            raise ValueError(f"expiry_ns: {format_time(expiry_ns)} is not fitted; there are {listed}")
        return SVI(*self.raw[where[0]].tolist())

    def forward_at(self, expiry_ns: npt.ArrayLike) -> Floats:
        """Forward of any expiry: log-linear in time between fitted ones, constant growth beyond."""
        at = self._checked(expiry_ns)
        tau, known = year_fraction(self.ts_ns, at), year_fraction(self.ts_ns, self.expiry_ns)
        logs = np.log(self.forward)
        inside = np.interp(tau, known, logs)
        if known.size > 1:
            growth = (logs[-1] - logs[0]) / (known[-1] - known[0])
            inside = inside + growth * (tau - np.clip(tau, known[0], known[-1]))
        return np.asarray(np.exp(inside))

    def total_variance(self, log_moneyness: npt.ArrayLike, expiry_ns: npt.ArrayLike) -> Floats:
        """Variance times time at ln(K/F) and expiry, broadcast."""
        return np.asarray(self._evaluate(log_moneyness, expiry_ns)[0])

    def slope(self, log_moneyness: npt.ArrayLike, expiry_ns: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Total variance and its derivative in k = ln(K/F), broadcast."""
        w, w1 = self._evaluate(log_moneyness, expiry_ns)
        return w, w1

    def vol(self, strike: npt.ArrayLike, expiry_ns: npt.ArrayLike, *, log_moneyness: bool = False) -> Floats:
        """Implied volatility, annualised in calendar time (ACT/365F).

        Parameters
        ----------
        strike : array_like
            Strikes, or with ``log_moneyness`` values of ln(K/F).
        expiry_ns : int or array_like of int64
            After ``ts_ns``; any, not only the fitted ones. They broadcast.
        log_moneyness : bool, optional

        Returns
        -------
        array of float64
            0-d for two numbers.

        Raises
        ------
        ValueError, TypeError
            If an expiry is not after the surface's time or no integer, or a strike is not positive.
        """
        k = floats(strike) if log_moneyness else self._moneyness(strike, expiry_ns)
        w = self._evaluate(k, expiry_ns)[0]
        return np.asarray(np.sqrt(w / year_fraction(self.ts_ns, self._checked(expiry_ns))))

    def skew(self, strike: npt.ArrayLike, expiry_ns: npt.ArrayLike) -> Floats:
        """Slope of implied volatility in ln K at each strike."""
        w, w1 = self._evaluate(self._moneyness(strike, expiry_ns), expiry_ns)
        tau = year_fraction(self.ts_ns, self._checked(expiry_ns))
        return np.asarray(0.5 * w1 / np.sqrt(w * tau))

    def delta(
        self,
        kind: npt.ArrayLike,
        strike: npt.ArrayLike,
        expiry_ns: npt.ArrayLike,
        rule: SurfaceRule = "sticky_strike",
        *,
        net: bool = False,
    ) -> Floats:
        """Delta with the smile moving as the rule says.

        Parameters
        ----------
        kind : array_like of int
            +1 call, -1 put.
        strike : array_like
        expiry_ns : int or array_like of int64
        rule : {'sticky_strike', 'sticky_delta', 'minimum_variance'} or float, optional
            Skew stickiness ratio R (Bergomi 2009), by which a fixed strike's volatility moves by
            (R - 1) dvol/dlnK per unit of ln F: 1 not at all, 0 with its moneyness, 2 as in a
            local volatility model at short expiries, whose delta is that of minimum variance
            (Lee 2001; Alexander and Imeraj 2023 for Deribit).
        net : bool, optional
            Less the option's value in coin: what an option settled in coin has to be hedged with.

        Returns
        -------
        array of float64
            Coins of the forward per coin of notional.
        """
        if isinstance(rule, str):
            if rule not in _STICKINESS:
                raise unknown("rule", rule, _STICKINESS)
            ratio = _STICKINESS[rule]
        else:
            ratio = float(rule)
        at = self._checked(expiry_ns)
        forward, tau = self.forward_at(at), year_fraction(self.ts_ns, at)
        strikes = floats(strike)
        vol = self.vol(strikes, at)
        price, delta, vega = black76.sensitivities(
            ("price", "delta", "vega"), kind, forward, strikes, tau, vol
        )
        moved = delta + (ratio - 1.0) * vega / forward * self.skew(strikes, at)
        return np.asarray(moved - price / forward if net else moved)

    def _checked(self, expiry_ns: npt.ArrayLike) -> Ints:
        at = times_ns("expiry_ns", expiry_ns)
        if at.size and at.min() <= self.ts_ns:
            early, now = format_time(int(at.min())), format_time(self.ts_ns)
            raise ValueError(f"expiry_ns: {early} is not after the surface's {now}")
        return at

    def _moneyness(self, strike: npt.ArrayLike, expiry_ns: npt.ArrayLike) -> Floats:
        strikes = floats(strike)
        if strikes.size and not strikes.min() > 0:
            raise ValueError(f"strike: expected positive strikes, got {strikes.min()}")
        return np.asarray(np.log(strikes / self.forward_at(expiry_ns)))

    def _evaluate(self, k: npt.ArrayLike, expiry_ns: npt.ArrayLike) -> Floats:
        """Total variance and its slope in k, rows of an array of the broadcast shape."""
        expiry = self._checked(expiry_ns)
        moneyness, expiry = np.broadcast_arrays(floats(k), expiry)
        shape, flat = moneyness.shape, np.ascontiguousarray(moneyness).reshape(-1)
        time = self.clock.elapsed(self.ts_ns, expiry).reshape(-1)
        known = self.clock.elapsed(self.ts_ns, self.expiry_ns)
        after = np.searchsorted(known, time, side="left").astype(np.int64)
        low, high = np.maximum(after - 1, 0), np.minimum(after, known.size - 1)
        lower = _surface.evaluate(self.raw, low, flat)[:2]
        if (low == high).all():
            return np.asarray(lower * (time / known[low])).reshape(2, *shape)
        upper = _surface.evaluate(self.raw, high, flat)[:2]
        gap = known[high] - known[low]
        share = np.where(low == high, 0.0, (time - known[low]) / np.where(gap > 0, gap, 1.0))
        scale = np.where(low == high, time / known[low], 1.0)
        return np.asarray(scale * (lower + share * (upper - lower))).reshape(2, *shape)
