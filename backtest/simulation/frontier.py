"""What a hedge costs against what it leaves: every policy over its parameter, for one position.

All points see common random numbers, so that differences between policies are much more
certain than the points themselves. Cost is that of hedging alone (fees and spread of the hedge),
deviation that of the P&L, both in the settlement currency.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from gammacore import black76
from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_HOUR, NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.hedging import Band, FixedCost, Interval, Move, WhalleyWilmott, Zakamouline, theory

from .experiment import Experiment
from .montecarlo import Simulation, simulate

POINTS = 9  # of each family
WIDTHS = (0.015, 0.5)  # of the bands, in coin per coin of options
SIGMAS = (0.1, 3.0)  # of the moves, in daily standard deviations
Progress = Callable[[int, int], None]


class Point(msgspec.Struct, frozen=True):
    """One policy of a family.

    Attributes
    ----------
    parameter : float
        In the unit that its family says.
    policy : Policy
    cost, sd : float
        Mean cost of hedging and standard deviation of the P&L, settlement currency.
    cost_error, sd_error : float
        Standard errors.
    mean_pnl, trades : float
        Mean P&L and number of hedges.
    """

    parameter: float
    policy: Any
    cost: float
    sd: float
    cost_error: float
    sd_error: float
    mean_pnl: float
    trades: float


class Family(NamedTuple):
    """A policy with one parameter left open."""

    name: str
    title: str
    unit: str
    make: Callable[[float], Any]
    grid: Sequence[float]


class Line(NamedTuple):
    """What theory says, as a curve."""

    name: str
    cost: Floats
    sd: Floats


class FamilyChoice(NamedTuple):
    """The parameter of a family to use."""

    family: str
    title: str
    unit: str
    parameter: float
    cost: float
    sd: float

    @property
    def options(self) -> str:
        """Options of the command line that choose it."""
        value = f"{self.parameter:.4g}"
        form = {
            "interval": f"hedge.rule=interval hedge.every={self.parameter:.4f}h",
            "band": f"hedge.rule=band hedge.to=centre hedge.band={value}",
            "band_edge": f"hedge.rule=band hedge.to=edge hedge.band={value}",
            "move": f"hedge.rule=move hedge.move_unit=sigma hedge.move={value}",
        }
        chosen = form.get(self.family, f"hedge.rule={self.family} hedge.risk_aversion={value}")
        return " ".join(f"--set {part}" for part in chosen.split())


class Frontier(msgspec.Struct, frozen=True, eq=False):
    """Points of every family, curves of theory, and the experiment's own policy.

    Attributes
    ----------
    experiment : Experiment
    families : list of Family
    points : dict of str to list of Point
        By name of the family, in order of the parameter.
    lines : list of Line
    chosen : Point
        The experiment's own policy; its parameter is NaN.
    """

    experiment: Experiment
    families: list[Family]
    points: dict[str, list[Point]]
    lines: list[Line]
    chosen: Point

    def parameter_table(
        self, *, cost: float | None = None, risk_aversion: float | None = None
    ) -> list[FamilyChoice]:
        """Parameter of each family to use, for a budget or for a taste.

        Parameters
        ----------
        cost : float, optional
            Mean cost of hedging to spend, settlement currency.
        risk_aversion : float, optional
            Minimise cost + risk_aversion/2 variance, per unit of the settlement currency.

        Returns
        -------
        list of FamilyChoice
            Best first; a family that cannot be had at that cost is left out. Between the points of a
            family logarithms are interpolated.

        Raises
        ------
        ConfigError
            Unless exactly one of the two is given, and positive.
        """
        given = cost if risk_aversion is None else risk_aversion
        if (cost is None) == (risk_aversion is None) or given is None or not given > 0:
            raise ConfigError(
                f"cost, risk_aversion: expected one of them, positive, got {cost!r}, {risk_aversion!r}"
            )
        rows = [self._row(family, cost, risk_aversion) for family in self.families]
        found = [row for row in rows if row is not None]
        if risk_aversion is not None:
            taste = risk_aversion
            return sorted(found, key=lambda row: row.cost + 0.5 * taste * row.sd**2)
        return sorted(found, key=lambda row: row.sd)

    def _row(self, family: Family, cost: float | None, risk_aversion: float | None) -> FamilyChoice | None:
        """Interpolate one family; None outside what was simulated."""
        points = sorted(self.points[family.name], key=lambda point: point.cost)
        costs, sds, parameters = (
            np.log([max(getattr(point, name), 1e-300) for point in points])
            for name in ("cost", "sd", "parameter")
        )
        if cost is not None:
            at = math.log(cost)
            if not costs[0] <= at <= costs[-1]:
                return None
        else:
            fine = np.linspace(costs[0], costs[-1], 2001)
            objective = np.exp(fine) + 0.5 * (risk_aversion or 0.0) * np.exp(2 * np.interp(fine, costs, sds))
            at = float(fine[int(np.argmin(objective))])
        sd, parameter = (float(np.exp(np.interp(at, costs, column))) for column in (sds, parameters))
        return FamilyChoice(family.name, family.title, family.unit, parameter, math.exp(at), sd)


def frontier(
    experiment: Experiment,
    *,
    paths: int = 4000,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
    own: Simulation | None = None,
) -> Frontier:
    """Simulate every policy over its parameter on the same paths.

    Parameters
    ----------
    experiment : Experiment
        Its own policy is one more point.
    paths : int
        Of each point.
    seed, threads : int
    progress : callable(done, total), optional
        Called after each point.
    own : Simulation, optional
        Of a policy that is not the experiment's: that one is the point more, on the same paths.

    Returns
    -------
    Frontier

    Raises
    ------
    ConfigError
        If hedging costs nothing, so that there is nothing to weigh.
    """
    if not (experiment.costs.one_way > 0 or experiment.costs.fixed > 0):
        raise ConfigError("costs: expected a proportional or fixed cost, or a spread, above 0 for a frontier")
    chosen = families(experiment)
    total = sum(len(family.grid) for family in chosen) + 1
    done = 0

    def point(policy: Any, parameter: float) -> Point:
        nonlocal done
        varied = msgspec.structs.replace(experiment, policy=policy)
        run = simulate(varied, paths=paths, seed=seed, threads=threads, columns=("fees", "spread"))
        done += 1
        if progress is not None:
            progress(done, total)
        return _point(run, policy, parameter)

    policy = experiment.policy
    chosen_point = point(policy, math.nan) if own is None else _point(own, policy, math.nan)
    points = {family.name: [point(family.make(x), x) for x in family.grid] for family in chosen}
    return Frontier(experiment, chosen, points, theory_lines(experiment), chosen_point)


def _point(run: Simulation, policy: Any, parameter: float) -> Point:
    cost, pnl = run.cost - run.experiment.entry_fee, run["pnl"]
    deviation = pnl - pnl.mean()
    variance = float(np.mean(deviation**2))
    spread = float(np.mean(deviation**4)) - variance**2
    return Point(
        parameter=parameter,
        policy=policy,
        cost=float(cost.mean()),
        sd=run.sd(),
        cost_error=float(cost.std() / math.sqrt(len(run))),
        sd_error=math.sqrt(max(spread, 0.0) / len(run)) / (2.0 * math.sqrt(variance))
        if variance > 0
        else 0.0,
        mean_pnl=run.mean(),
        trades=run.mean("trades"),
    )


def families(experiment: Experiment) -> list[Family]:
    """Policies to sweep, with grids that fit the position, the costs and the step.

    Bands are swept in shares of the book's size, and the risk aversions such that the widths at the
    start are the same.
    """
    e = experiment
    size = max(abs(math.fsum(leg.amount for leg in e.book)), max(abs(leg.amount) for leg in e.book))
    widths = size * np.geomspace(*WIDTHS, POINTS)
    gamma = max(abs(_gamma(e, np.array([e.forward]), 0.0)[0]), 1e-12 / e.forward)
    cost = e.costs.one_way
    found = [
        Family("interval", "fixed times", "hours", lambda x: _interval(e, x), _hours(e)),
        Family("band", "band, to the centre", "coin", lambda x: Band(x), widths.tolist()),
        Family("band_edge", "band, to the edge", "coin", lambda x: Band(x, to_edge=True), widths.tolist()),
        Family(
            "move", "price move", "daily sigmas", lambda x: Move(x), np.geomspace(*SIGMAS, POINTS).tolist()
        ),
    ]
    if cost > 0:
        aversion = (1.5 * cost * e.forward * gamma**2 / widths**3)[::-1].tolist()
        found += [
            Family(
                "whalley_wilmott", "Whalley-Wilmott", "per USD", lambda x: WhalleyWilmott(x, cost), aversion
            ),
            Family("zakamouline", "Zakamouline", "per USD", lambda x: Zakamouline(x, cost), aversion),
        ]
    if e.costs.fixed > 0:
        fee = e.costs.fixed * (e.forward if e.inverse else 1.0)
        aversion = (12.0 * fee * gamma**2 / widths**4)[::-1].tolist()
        found.append(Family("fixed_cost", "fixed cost", "per USD", lambda x: FixedCost(x, fee), aversion))
    return found


def _hours(e: Experiment) -> list[float]:
    """Multiples of the step from one to a quarter of the horizon, in hours."""
    steps = np.unique(np.rint(np.geomspace(1, max(e.steps / 4, 1), POINTS)).astype(int))
    return [float(step * e.dt * NS_PER_YEAR / NS_PER_HOUR) for step in steps]


def _interval(e: Experiment, hours: float) -> Interval:
    """Interval of a whole number of steps."""
    return Interval(round(round(hours * NS_PER_HOUR / NS_PER_YEAR / e.dt) * e.dt * NS_PER_YEAR))


# ---- theory ------------------------------------------------------------------------


def theory_lines(experiment: Experiment) -> list[Line]:
    """Curves of theory for a position.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    list of Line
        Hedging by time: Derman and Kamal's deviation with the mean cost, with the cost that Leland's
        volatility prices in, and Bertsimas, Kogan and Lo's deviation where there is one strike and
        expiry. Bands: the laws of constant gamma, averaged over where the price may be, with the
        discrete-monitoring shift. All are for the volatility of the model hedged at, and for expiry
        at the horizon; positions that outlive it get the band laws only.

    Notes
    -----
    A band of half-width H costs cost s^2/(2H) F per time and leaves a variance of vol^2 F^2 H^2/3 per time,
    s = gamma F vol; in coin without the factors of F. Whalley and Wilmott's H varies with
    gamma, so its curve is the same average with their H.
    """
    try:
        vol = experiment.model.mean_vol(experiment.years)
    except ConfigError:  # given paths
        return []
    lines = _time_lines(experiment, vol) if _one_expiry(experiment) else []
    return lines + (_band_lines(experiment, vol) if experiment.costs.one_way > 0 else [])


def _one_expiry(e: Experiment) -> bool:
    return all(abs(leg.expiry / e.years - 1.0) < 1e-9 for leg in e.book)


def _time_lines(e: Experiment, vol: float) -> list[Line]:
    cost, unit = e.costs.one_way, 1.0 / e.forward if e.inverse else 1.0
    vega = math.fsum(
        leg.amount * black76.greeks(leg.kind, e.forward, leg.strike, leg.expiry, vol).vega for leg in e.book
    )
    hedges = np.geomspace(4, e.steps, 40)
    mean_cost = np.array([theory.expected_cost_of_time_hedging(cost, vega, e.years, n) for n in hedges])
    kamal = np.array([theory.derman_kamal(vega, vol, n) for n in hedges])
    lines = [Line("fixed times: Derman-Kamal", unit * mean_cost, unit * kamal)] if cost > 0 else []
    if cost > 0:
        gaps = [_leland_gap(e, vol, n) for n in hedges]
        known = np.array([gap is not None for gap in gaps])
        priced = np.array([gap for gap in gaps if gap is not None])
        lines.append(Line("fixed times: Leland's cost", unit * priced, unit * kamal[known]))
    if cost > 0 and len({leg.strike for leg in e.book}) == 1:
        total = abs(math.fsum(leg.amount for leg in e.book))
        drift = getattr(e.model, "drift", 0.0)
        sds = np.array(
            [
                theory.bertsimas_kogan_lo(e.forward, e.book[0].strike, e.years, vol, n, drift, coin=e.inverse)
                for n in hedges
            ]
        )
        lines.append(Line("fixed times: Bertsimas-Kogan-Lo", unit * mean_cost, total * sds))
    return lines


def _leland_gap(e: Experiment, vol: float, hedges: float) -> float | None:
    """Value that Leland's volatility adds to the cost of the book; None where there is none."""
    total = 0.0
    for leg in e.book:
        try:
            adjusted = theory.leland_vol(vol, e.costs.one_way, e.years / hedges, long=leg.amount > 0)
        except ValueError:
            return None
        values = [black76.price(leg.kind, e.forward, leg.strike, leg.expiry, v) for v in (vol, adjusted)]
        total += leg.amount * (values[0] - values[1])
    return abs(total)


def _band_lines(e: Experiment, vol: float) -> list[Line]:
    prices, weights = _where_the_price_is(e, vol)
    gammas = np.array([_gamma(e, row, t) for row, t in zip(prices, _times(e)[0], strict=True)])
    speed = np.abs(gammas) * prices * vol
    shift = theory.MONITORING * speed * math.sqrt(e.dt)
    unit_cost = e.costs.one_way * (1.0 if e.inverse else prices)
    unit_variance = vol**2 * (1.0 if e.inverse else prices**2)

    def line(name: str, half_widths: list[Floats]) -> Line:
        cost, sd = [], []
        for half_width in half_widths:
            width = half_width + shift + 1e-300
            cost.append(float((weights * unit_cost * speed**2 / (2.0 * width)).sum()))
            sd.append(math.sqrt(float((weights * unit_variance * width**2 / 3.0).sum())))
        return Line(name, np.array(cost), np.array(sd))

    size = max(abs(leg.amount) for leg in e.book)
    constant = [np.full_like(prices, size * w) for w in np.geomspace(*WIDTHS, 25)]
    scale = np.cbrt(1.5 * e.costs.one_way * prices * gammas**2)
    middle = float(np.cbrt(1.5 * e.costs.one_way * e.forward) * abs(gammas[0].max()) ** (2 / 3))
    optimal = [scale * (w.flat[0] / max(middle, 1e-300)) for w in constant]
    return [
        line("band to the edge: constant-gamma law", constant),
        line("Whalley-Wilmott: constant-gamma law", optimal),
    ]


def _times(e: Experiment) -> tuple[Floats, Floats]:
    """Quadrature in time: t = T (1 - x^2), since gammas near expiry grow like the root of what is left."""
    x, w = np.polynomial.legendre.leggauss(48)
    x, w = 0.5 * (x + 1.0), 0.5 * w
    return e.years * (1.0 - x[::-1] ** 2), (2.0 * e.years * x * w)[::-1]


def _where_the_price_is(e: Experiment, vol: float) -> tuple[Floats, Floats]:
    """Prices and weights (years) of a quadrature over time and a lognormal price."""
    t, along = _times(e)
    z = np.linspace(-6.0, 6.0, 801)  # fine enough for the gamma of the last hour
    chance = np.exp(-0.5 * z**2)
    chance /= chance.sum()
    drift = getattr(e.model, "drift", 0.0) - 0.5 * vol**2
    prices = e.forward * np.exp(drift * t[:, None] + vol * np.sqrt(t)[:, None] * z)
    return prices, along[:, None] * chance


def _gamma(e: Experiment, prices: Floats, now: float) -> Floats:
    """Gamma of the book, coin per USD."""
    total = np.zeros_like(prices)
    for leg in e.book:
        if leg.expiry > now:
            total += (
                leg.amount
                * black76.greeks(
                    leg.kind, prices, np.full_like(prices, leg.strike), leg.expiry - now, e.hedge_vol_of(leg)
                ).gamma
            )
    return e.ratio * total
