"""Runs: backtests, comparisons, simulations and break-evens, from paths or from frames."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from gammacore.api.frames import chain_table, price_table
from gammacore.api.result import Comparison, Result
from gammacore.config import Config, load_config, parse_config, with_overrides
from gammacore.errors import ConfigError, DataError
from gammacore.store_paths import FIELDS, with_store

__all__ = ["backtest", "breakeven", "compare", "load", "simulate"]

Source = str | Path | pd.DataFrame
Prices = str | Path | pd.DataFrame | pd.Series


def backtest(
    config: str | Path | Mapping[str, Any] | Config | None = None,
    *,
    chains: Source | None = None,
    prices: Prices | None = None,
    store: str | Path | None = None,
    policy: Any = None,
    signal: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Result:
    """Backtest gamma scalping; without data, on the simulated market.

    Parameters
    ----------
    config : path, mapping or Config, optional
        Default: every parameter at its default.
    chains : path or DataFrame, optional
        Option chains; a frame may have the columns of the exchange, of tardis.dev or of gammacore.
    prices : path, DataFrame or Series, optional
        Bars of the underlying by their start; or a Series of prices by the times they were known at.
    store : path, optional
        Store whose data is used for what nothing else names, as by ``gammacore backtest --store``.
    policy : hedge policy or callable, optional
        Hedge by this one: a `gammacore.hedging` policy, or a function that takes a moment and returns the
        delta to trade in coin, asked whenever the configured rule fires.
    signal : mapping, optional
        Fields of ``signal``.
    **settings
        Any parameter, with ``__`` for the dot: ``hedge__band=0.05``.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError, DataError
        As the command ``gammacore backtest``.

    Examples
    --------
    >>> import gammacore as gc
    >>> gc.backtest(market__days=14, hedge__band=0.05).summary["n_episodes"] >= 1
    True
    """
    from gammacore.backtest.figures.results import tabulate
    from gammacore.backtest.replay.market import load_market
    from gammacore.backtest.replay.runner import replay

    with _frames() as folder:
        chosen = _config(config, _overrides(settings, chains, prices, folder, signal), store)
        market = load_market(chosen)
        run = replay(chosen, market.tape, policy=_policy(policy, chosen))
        return Result(tabulate(run, market))


def load(folder: str | Path) -> Result:
    """Load a result directory.

    Parameters
    ----------
    folder : path
        As ``gammacore backtest`` or :meth:`Result.report` wrote it.

    Returns
    -------
    Result

    Raises
    ------
    DataError
        If it is not the result of a backtest, or a file of it is broken.

    Examples
    --------
    >>> import tempfile, gammacore as gc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = gc.backtest(market__days=14, report__html=False).report(folder)
    ...     gc.load(folder).config.market.days
    14
    """
    from gammacore.backtest.report.stored import load_results

    return Result(load_results(_folder("folder", folder)))


def compare(first: Result | str | Path, second: Result | str | Path) -> Comparison:
    """Compare two results, or result directories: figures, and the episodes that both have.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        If one is neither, a file of it is broken, or they cannot be compared.

    Examples
    --------
    >>> import gammacore as gc
    >>> result = gc.backtest(market__days=14)
    >>> float(gc.compare(result, gc.backtest(market__days=14)).figures.loc["P&L, USD", "difference"])
    0.0
    """
    from gammacore.backtest.report.compare_figures import comparison
    from gammacore.backtest.report.compare_runs import load_runs

    with tempfile.TemporaryDirectory(prefix="gammacore-") as place:
        folders = []
        for name, one in (("first", first), ("second", second)):
            if isinstance(one, Result):
                folders.append(one.report(Path(place) / name).parent)
            else:
                folders.append(_folder(name, one))
        return Comparison(comparison(load_runs(folders)))


def simulate(
    config: str | Path | Mapping[str, Any] | Config | None = None,
    *,
    prices: Prices | None = None,
    store: str | Path | None = None,
    **settings: Any,
) -> Any:
    """Hedge a position on simulated paths; the result has ``summary`` and the frontier's ``table``.

    Parameters
    ----------
    config : path, mapping or Config, optional
    prices : path, DataFrame or Series, optional
        Bars that ``garch`` is fitted to and ``bootstrap`` draws from, as of `backtest`.
    store : path, optional
        Store whose price bars are used if nothing else names any, as by ``gammacore simulate --store``.
    **settings
        Any parameter, with ``__`` for the dot: ``simulate__paths=10_000``.

    Returns
    -------
    gammacore.backtest.simulation.run.Simulated

    Raises
    ------
    ConfigError, DataError
        As the command ``gammacore simulate``.

    Examples
    --------
    >>> import gammacore as gc
    >>> gc.simulate(simulate__paths=100, simulate__frontier=False).summary["paths"]
    100
    """
    from gammacore.backtest.simulation.run import refuse_unread, run_simulation

    with _frames() as folder:
        chosen = _config(config, _overrides(settings, None, prices, folder), store, takes=("prices",))
        if prices is not None:
            refuse_unread(chosen, "prices")
        return run_simulation(chosen)


def breakeven(
    config: str | Path | Mapping[str, Any] | Config | None = None,
    *,
    chains: Source | None = None,
    prices: Prices | None = None,
    store: str | Path | None = None,
    forecast: float | Literal["har", "combined"] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Rank the positions of the latest chain by what they earn under a forecast.

    Parameters
    ----------
    config : path, mapping or Config, optional
    chains, prices : path or frame, optional
        As of `backtest`; default: the simulated market.
    store : path, optional
        As of `backtest`.
    forecast : float, 'har' or 'combined', optional
        Volatility to be realised (decimal a year), or a model of it; default: ``signal.forecast``.
    **settings
        Any parameter, with ``__`` for the dot.

    Returns
    -------
    DataFrame
        One row per position: strikes, break-even volatility, probability, profit.

    Examples
    --------
    >>> import gammacore as gc
    >>> ranked = gc.breakeven(market__days=14, forecast=0.6)
    >>> len(ranked) > 0
    True
    """
    from gammacore.backtest.figures.position_ranking import rank_positions
    from gammacore.forecasts import given_forecast

    weighed = given_forecast("forecast", forecast)
    with _frames() as folder:
        chosen = _config(config, _overrides(settings, chains, prices, folder), store)
        ranked = rank_positions(chosen, forecast=weighed)
    return pd.DataFrame(ranked.rows())


def _folder(name: str, given: Any) -> Path:
    """Path of a result directory; what is no path is refused by its argument's name."""
    if not isinstance(given, str | Path):
        raise DataError(f"{name}: expected the path of a result directory, got {type(given).__name__}")
    return Path(given)


@contextmanager
def _frames() -> Iterator[Path]:
    """Make a folder for frames as files; an error about one names the argument and the frame's row."""
    with tempfile.TemporaryDirectory(prefix="gammacore-") as name:
        line = re.compile(re.escape(name) + r"[/\\](chains|prices)\.csv(?:: line (\d+))?")
        try:
            yield Path(name)
        except DataError as error:
            told = line.sub(_row, str(error)).replace("--force-data runs", "data__force=True runs")
            raise DataError(told) from None


def _row(found: re.Match[str]) -> str:
    """Argument, and the row of its frame that a line of the file was; the first line has the names."""
    argument, line = found.groups()
    return argument if line is None else f"{argument}: row {int(line) - 2} (counted from 0)"


def _overrides(
    settings: Mapping[str, Any],
    chains: Any,
    prices: Any,
    place: Path,
    signal: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write what is a DataFrame into a folder; every parameter by its path, each given once."""
    if not isinstance(signal, Mapping | None):
        raise ConfigError(f"signal: expected a mapping, such as {{'forecast': 'har'}}; got {signal!r}")
    given = [(name.replace("__", "."), value) for name, value in settings.items()]
    given += [(f"signal.{name}", value) for name, value in (signal or {}).items()]
    for name, source, form in (("chains", chains, chain_table), ("prices", prices, price_table)):
        if source is not None:
            given.append((f"data.{name}", _path(name, source, place, form)))
    overrides = dict(given)
    if len(overrides) < len(given):
        names = [name for name, _ in given]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{twice}: given twice; keep one of them")
    return overrides


def _config(
    config: str | Path | Mapping[str, Any] | Config | None,
    overrides: Mapping[str, Any],
    store: str | Path | None = None,
    takes: Collection[str] = FIELDS,
) -> Config:
    """Read a configuration and override it; a mapping is what a YAML file would hold."""
    if not isinstance(config, str | Path | Mapping | Config | None):
        got = type(config).__name__  # type: ignore[unreachable]
        raise ConfigError(f"config: expected a path, a mapping or a Config; got {got}")
    if isinstance(config, Mapping):
        config = parse_config(config)
    if isinstance(config, Config):
        chosen = with_overrides(config, overrides)
    else:
        chosen = load_config(config, overrides)
    if chosen.vary:
        raise ConfigError("vary: one call is one run; call once for each value, or run gammacore sweep")
    return chosen if store is None else with_store(chosen, store, takes=takes, named=overrides)


def _path(name: str, source: Any, place: Path, form: Callable[[Any], pd.DataFrame]) -> str:
    """Path of a source; a frame is written where the loaders can check it."""
    if isinstance(source, pd.DataFrame | pd.Series):
        path = place / f"{name}.csv"
        form(source).to_csv(path, index=False)
        return str(path)
    if not isinstance(source, str | Path):
        raise DataError(f"{name}: expected a path or a pandas DataFrame, got {type(source).__name__}")
    return str(source)


def _policy(policy: Any, config: Config) -> Any:
    """Policy to hedge by; a function is asked whenever the configured rule fires."""
    from gammacore.build import build_policy
    from gammacore.hedging import Custom, Ladder, Never
    from gammacore.own_code import OwnFunction

    if policy is None or (hasattr(policy, "fires") and not isinstance(policy, type)):
        return policy
    if not callable(policy) or isinstance(policy, type):
        raise ConfigError(f"policy: expected a hedge policy or a function of a moment, got {policy!r}")
    trigger = build_policy(config)
    if isinstance(trigger, Custom | Ladder | Never):
        raise ConfigError(
            f"policy: hedge.rule = {config.hedge.rule} never asks it; expected a rule that fires"
        )
    where = getattr(getattr(policy, "__code__", None), "co_filename", "policy")
    name = getattr(policy, "__qualname__", repr(policy))
    return Custom(trigger, OwnFunction(name, where, "", 0, "hedge", policy))
