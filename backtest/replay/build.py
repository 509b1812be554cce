"""Build the exchange of a configuration."""

from __future__ import annotations

from gammacore.build import build_working, hedge_costs
from gammacore.config import Config
from gammacore.contracts import Grids
from gammacore.errors import ConfigError
from gammacore.terms import family_of, fees_of, grids_of

from .fills import SimulatedExchange
from .option_quotes import BarPath
from .recorded_hedges import recorded_hedges
from .tape import Tape
from .worked import WorkedBars

__all__ = ["build_exchange"]


def build_exchange(config: Config, tape: Tape | None = None) -> SimulatedExchange:
    """Exchange of a configuration; hedges are worked against the bars of a tape, without one they take."""
    costs, grids, working = config.costs, grids_of(config), config.execution
    return SimulatedExchange(
        costs.fill,
        fees_of(config, grids),
        option_fees=costs.option_fees,
        costs=hedge_costs(config),
        bars=None if tape is None else WorkedBars(working.hedges, build_working(config), working.seed, tape),
        recorded=None if tape is None or working.fills == "bars" else recorded_hedges(config, tape),
        path=None if tape is None else _path(config, tape, grids),
        on_ticks=config.hedge.lots,
        max_quote_age_ns=None if costs.max_quote_age is None else costs.max_quote_age.ns,
        averaging=config.exit.delivery == "average",
        grids=grids,
    )


def _path(config: Config, tape: Tape, grids: Grids) -> BarPath | None:
    """Path within bars where options rest, None where they all take.

    Raises
    ------
    ConfigError
        If options are to rest, or to keep to a volatility, without quotes or ticks.
    """
    working, fill = config.execution, config.costs.fill
    careful = {
        "options": working.options != "take",
        "option_exits": working.option_exits != "take",
        "iv_limit": working.iv_limit is not None,
        "max_from_smile": working.max_from_smile is not None,
    }
    asked = [name for name, wanted in careful.items() if wanted]
    if not asked:
        return None
    if fill != "cross":
        raise ConfigError(
            f"costs.fill: expected cross, as execution.{asked[0]} is about quotes, got {fill!r}"
        )
    if not (careful["options"] or careful["option_exits"]):
        return None
    age, patience = config.costs.max_quote_age, working.option_patience
    if age is not None and patience.ns >= age.ns:
        raise ConfigError(
            f"execution.option_patience: expected less than costs.max_quote_age = {age}, after which a "
            f"chain is no quote, got {patience}"
        )
    if grids.of(family_of(config), "option") is None:
        raise ConfigError(f"execution.{asked[0]}: {grids.missing(family_of(config), 'option')}")
    return BarPath(working.seed, tape.ts_ns, tape.next_bars)
