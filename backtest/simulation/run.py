"""From a configuration to an experiment, its paths, and the summary of ``gammacore simulate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gammacore import __version__
from gammacore.build import build_policy, expected_hedge
from gammacore.config import Config, SimulateConfig
from gammacore.data import load_prices
from gammacore.daycount import DAYS_PER_YEAR, NS_PER_DAY, NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.hedging import Custom, Ladder
from gammacore.hedging.widths import zakamouline_range
from gammacore.legs import preset
from gammacore.settlement import WINDOW
from gammacore.terms import fees_of, grids_of

from ..replay.gate import faults_of
from .experiment import Experiment
from .frontier import FamilyChoice, Frontier, frontier
from .garch import fit_garch
from .models import GBM, Bootstrap, Heston, Merton, Model
from .montecarlo import LINES, Simulation, simulate
from .option_book import Costs, OptionLeg
from .own_policy import simulate_own
from .placing import place

HEAVIEST = 0.19  # of the sum of squares: left out, such a path changes the deviation by 10 %
FEW_PATHS = 20.0  # over the number of paths: of few, one has more without being strange
RECORDED = ("garch", "bootstrap")  # models that are made of recorded prices
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
Progress = Callable[[str, int, int], None]


class Simulated(NamedTuple):
    """A simulation with its summary, and the frontier if one was asked for."""

    config: Config
    run: Simulation
    summary: dict[str, Any]
    frontier: Frontier | None
    table: list[FamilyChoice]

    def __repr__(self) -> str:
        return (
            f"<Simulated {self.config.currency}, {self.summary['paths']:,} paths: {self.summary['verdict']}>"
        )


def experiment_of(config: Config) -> Experiment:
    """Experiment that a configuration describes.

    Raises
    ------
    ConfigError
        Naming the field, if the parts do not fit together.
    """
    wanted, hedge = config.simulate, config.hedge
    for name, bad in (
        ("hedge.vol", hedge.vol in ("realised", "forecast")),
        ("hedge.smile", hedge.smile not in ("sticky_strike", 1.0)),
        ("hedge.leland", hedge.leland),
        ("hedge.ignore_vol", hedge.ignore_vol),
    ):
        if bad:
            value = getattr(hedge, name.partition(".")[2])
            raise ConfigError(f"{name}: a simulated volatility is known and does not move, got {value!r}")
    policy = build_policy(config)
    if isinstance(policy, Ladder) or hedge.rule == "snapshot":
        raise ConfigError(f"hedge.rule: expected a rule that is a function of state, got {hedge.rule!r}")
    own = isinstance(policy, Custom)
    settlement = wanted.settlement
    if settlement == "listed":
        settlement = "linear" if "_" in config.currency else "inverse"
    target = hedge.target if settlement == "inverse" else "black"
    model, steps_per_day = _model(config)
    book = _book(config)
    years = max(leg.expiry for leg in book)
    steps = max(round(years * DAYS_PER_YEAR * steps_per_day), 1)
    averaged = config.exit.delivery == "average" and years / steps <= WINDOW  # longer steps do not see it
    return Experiment(
        book=book,
        model=model,
        policy=policy.trigger if isinstance(policy, Custom) else policy,
        forward=wanted.forward,
        implied=wanted.implied_vol,
        steps=steps,
        window=WINDOW if averaged and not own else 0.0,
        hedge_vol=hedge.vol if isinstance(hedge.vol, float | int) else "implied",
        settlement=settlement,
        target=target,
        ratio=hedge.ratio,
        target_delta=hedge.target_delta,
        costs=_costs(config),
    )


def _book(config: Config) -> tuple[OptionLeg, ...]:
    """Options of ``simulate.legs``, or of ``simulate.structure`` as ``size`` and ``entry`` say."""
    wanted, entry = config.simulate, config.entry
    if wanted.legs:
        legs, units, path = tuple(leg.rule for leg in wanted.legs), 1.0, "simulate.legs"
        implied = [leg.implied for leg in wanted.legs]
    else:
        legs = preset(wanted.structure, entry.delta, entry.wing_delta, entry.ratio, entry.far_days)
        units, path = config.size.contracts * (1.0 if entry.side == "long" else -1.0), "simulate.structure"
        implied = [None] * len(legs)
    try:
        return place(legs, wanted.forward, wanted.days, wanted.implied_vol, implied, units)
    except ValueError as error:
        raise ConfigError(f"{path}{error}") from None


def _costs(config: Config) -> Costs:
    rates = fees_of(config, grids_of(config)).steps[-1][1]
    hedge = expected_hedge(config, vol=config.simulate.realised_vol)
    return Costs(
        proportional=hedge.fee,
        fixed=config.simulate.fixed_fee,
        half_spread_bp=hedge.slippage * 1e4,
        option_fee=rates.option_taker if config.costs.option_fees else 0.0,
        option_fee_cap=rates.option_cap,
        funding=config.simulate.funding,
    )


def _model(config: Config) -> tuple[Model, float]:
    """Model of the price, and steps a day."""
    wanted = config.simulate
    vol, drift = wanted.realised_vol, wanted.drift
    if wanted.model == "gbm":
        return GBM(vol, drift), wanted.steps_per_day
    if wanted.model == "heston":
        heston = Heston(vol**2, wanted.mean_reversion, vol**2, wanted.vol_of_vol, wanted.correlation, drift)
        return heston, wanted.steps_per_day
    if wanted.model == "merton":
        merton = Merton(vol, wanted.jumps_per_year, wanted.jump_mean, wanted.jump_sd, drift)
        return merton, wanted.steps_per_day
    return _recorded(config, wanted)


def refuse_unread(config: Config, name: str) -> None:
    """Refuse prices that a caller names for a model that is not made of any.

    Raises
    ------
    ConfigError
        Naming the argument, and the models that read prices.
    """
    model = config.simulate.model
    if model not in RECORDED:
        raise ConfigError(f"{name}: simulate.model = {model} reads none; expected garch or bootstrap")


def _recorded(config: Config, wanted: SimulateConfig) -> tuple[Model, float]:
    """Model made of recorded prices."""
    if config.data.prices is None:
        raise ConfigError(f"data.prices: needed for simulate.model = {wanted.model!r}")
    prices = load_prices(config.data.prices, currency=config.coin)
    faults_of(config, prices)  # refuses what cannot be right
    returns = np.diff(np.log(prices.close))
    whole = np.diff(prices.ts_ns) == prices.interval_ns  # not over gaps
    step = prices.interval_ns / NS_PER_YEAR
    a_day = NS_PER_DAY / prices.interval_ns
    if wanted.model == "garch":
        fitted = fit_garch(
            returns[whole],
            step,
            asymmetric=wanted.asymmetric,
            innovations=wanted.innovations,
            drift=wanted.drift,
        )
        return fitted, a_day
    block, held = max(wanted.block_days * a_day, 1.0), np.count_nonzero(whole)
    if block > held:
        raise ConfigError(
            f"simulate.block_days: expected at most the {held / a_day:.3g} days of the prices, "
            f"got {wanted.block_days:g}"
        )
    return Bootstrap(returns[whole], step, block, drift=wanted.drift), a_day


def run_simulation(config: Config, progress: Progress | None = None) -> Simulated:
    """Simulate, and weigh every policy against its cost if asked to.

    Raises
    ------
    ConfigError
        Before anything runs; after it, if one path carries the result.
    """
    experiment, wanted = experiment_of(config), config.simulate
    policy, seed = build_policy(config), wanted.seed
    report = None if progress is None else lambda done, total: progress("paths", done, total)
    own: Simulation | None = None
    if isinstance(policy, Custom):
        run = simulate_own(experiment, policy, paths=wanted.paths, seed=seed, progress=report)
        own = simulate_own(experiment, policy, paths=wanted.frontier_paths, seed=seed)
    else:
        run = simulate(
            experiment,
            paths=wanted.paths,
            seed=seed,
            columns=LINES,
            threads=wanted.threads,
            progress=report,
        )
    _refuse_one_path_of_weight(run)
    found, table = None, []
    costs = experiment.costs
    if wanted.frontier and (costs.one_way > 0 or costs.fixed > 0):
        found = frontier(
            experiment,
            paths=wanted.frontier_paths,
            seed=wanted.seed,
            threads=wanted.threads,
            progress=None if progress is None else lambda done, total: progress("frontier", done, total),
            own=own,
        )
        table = found.parameter_table(cost=wanted.budget or max(found.chosen.cost, 1e-300))
    return Simulated(config, run, _summary(config, run, found, table), found, table)


def _refuse_one_path_of_weight(run: Simulation) -> None:
    """Refuse a result that another seed would not give: one path makes it."""
    pnl = run["pnl"]
    if not np.isfinite(pnl).all():
        raise ConfigError(
            f"simulate: {int((~np.isfinite(pnl)).sum())} of {len(run)} paths end with no finite profit; "
            "check simulate.forward, simulate.realised_vol and the model's parameters"
        )
    share, limit = run.heaviest(), max(HEAVIEST, FEW_PATHS / len(run))
    if share > limit:
        worst = int(np.argmax(np.abs(pnl - run.mean())))
        raise ConfigError(
            f"simulate.paths: path {worst} of {len(run)} alone makes {share:.0%} of the variance of the "
            f"profit ({pnl[worst]:.6g}, the mean is {run.mean():.6g}; the limit is {limit:.0%}), so mean "
            "and deviation say little; simulate more paths or a less extreme book or model"
        )


def _summary(
    config: Config, run: Simulation, found: Frontier | None, table: list[FamilyChoice]
) -> dict[str, Any]:
    experiment = run.experiment
    notes = _far_from_recorded(config)
    if config.hedge.rule == "zakamouline":
        cost = experiment.costs.one_way if config.hedge.cost is None else config.hedge.cost
        notes += zakamouline_range(config.simulate.implied_vol, cost, experiment.years)
    chosen = None
    if found is not None:
        point = found.chosen
        chosen = {"cost": point.cost, "sd": point.sd, "mean_pnl": point.mean_pnl, "hedges": point.trades}
    unit = config.coin if experiment.inverse else "USD"
    return {
        "verdict": _verdict(run, table, chosen, config.hedge.rule, unit),
        "gammacore": __version__,
        "simulated_data": True,
        "accounting_currency": unit,
        "model": config.simulate.model,
        "policy": config.hedge.rule,
        "paths": len(run),
        "steps": experiment.steps,
        "seed": run.seed,
        "premium": experiment.premium,
        "mean": run.mean(),
        "standard_error": run.standard_error(),
        "sd": run.sd(),
        "probability_of_profit": float(np.mean(run["pnl"] > 0)),
        "expected_shortfall_5": run.expected_shortfall(0.05),
        "quantiles": dict(zip(map(str, QUANTILES), run.quantiles(QUANTILES).tolist(), strict=True)),
        "mean_hedges": run.mean("trades"),
        "mean_turnover_coin": run.mean("turnover"),
        "attribution": {line: _signed(line) * run.mean(line) for line in LINES},
        "chosen": chosen,
        "parameters": [row._asdict() | {"options": row.options} for row in table],
        "faults": _faults(config),
        "notes": notes,
    }


def _verdict(
    run: Simulation, table: Sequence[FamilyChoice], chosen: dict[str, float] | None, rule: str, unit: str
) -> str:
    """Say in one sentence what the position makes, how sure that is, and which rule is safer at its cost."""
    mean, sd = run.mean(), run.sd()
    wins = float(np.mean(run["pnl"] > 0))
    words = f"{'Makes' if mean >= 0 else 'Loses'} {abs(mean):,.4g} {unit} on average, give or take {sd:,.4g}"
    words += f"; {wins:.0%} of the paths end with a profit"
    if table and chosen is not None:
        best = table[0]
        less = 1.0 - best.sd / chosen["sd"] if chosen["sd"] else 0.0
        if less >= 0.005:
            words += f". At the same cost, {best.title} leaves {less:.0%} less risk than {rule}"
    return words


def _far_from_recorded(config: Config) -> list[str]:
    """Say where a simulation of recorded returns starts at another price than the coin's."""
    if config.simulate.model not in RECORDED or config.data.prices is None:
        return []
    forward, last = config.simulate.forward, load_prices(config.data.prices, currency=config.coin).close[-1]
    if 0.5 <= forward / last <= 2.0:
        return []
    return [
        f"simulate.forward is {forward:,g} USD, the recorded prices end at {last:,g}: all amounts are those "
        f"of a coin worth {forward:,g}"
    ]


def _faults(config: Config) -> list[str]:
    """Say what is wrong with recorded prices that were forced."""
    if not config.data.force or config.data.prices is None:
        return []
    return list(faults_of(config, load_prices(config.data.prices, currency=config.coin)))


def _signed(line: str) -> float:
    """Costs are kept as what was paid."""
    return -1.0 if line in ("fees", "spread") else 1.0
