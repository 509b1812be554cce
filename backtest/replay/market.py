"""From a configuration to a tape: load what is named, or make what is not."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from gammacore.config import Config, stated
from gammacore.data import (
    Chains,
    Funding,
    Prices,
    Quality,
    load_chains,
    load_delivery,
    load_funding,
    load_prices,
)
from gammacore.data.dvol import Dvol, load_dvol
from gammacore.data.tables import FileInfo
from gammacore.daycount import format_time, parse_time
from gammacore.errors import ConfigError
from gammacore.forecasts import (
    Chosen,
    build_estimate,
    choose_forecast,
    signal_estimate,
    with_forecast,
    with_index,
)
from gammacore.volatility.estimate import Estimate
from gammacore.volatility.index_history import IndexHistory
from gammacore.volatility.learned_estimate import LearnedEstimate
from gammacore.volatility.own_estimate import OwnEstimate
from gammacore.volatility.smile import Stickiness

from .gate import faults_of
from .synthetic import flat_chains, simulate
from .tape import Tape

WARM_UP = 4  # windows of an estimate, before the first chain


class LoadedMarket(NamedTuple):
    """A tape and where it comes from.

    Attributes
    ----------
    tape : Tape
    simulated : bool
        Whether nothing of it was recorded.
    provenance : dict
        Files with hashes, span, kind of marks; goes into ``summary.json``.
    quality : list of Quality
        Findings of the loaders.
    faults : tuple of str
        What is wrong with the data that was forced, a line each.
    """

    tape: Tape
    simulated: bool
    provenance: dict[str, Any]
    quality: list[Quality]
    faults: tuple[str, ...] = ()

    @property
    def modelled(self) -> str:
        """How chains were modelled from trades; empty if they were recorded."""
        return str(self.provenance.get("modelled", ""))


class Sources(NamedTuple):
    """What a tape is made of; all but the chains may be missing.

    ``faults`` says, a line each, what is wrong with data that was forced; ``forecast`` which one
    ``signal.forecast: auto`` is.
    """

    chains: Chains
    prices: Prices | None
    funding: Funding | None
    delivery: dict[int, float] | None = None
    faults: tuple[str, ...] = ()
    dvol: Dvol | None = None
    forecast: Chosen = Chosen()


def load_market(config: Config, *, weighs: bool = False) -> LoadedMarket:
    """Load or make the market that a configuration asks for.

    Parameters
    ----------
    config : Config
    weighs : bool
        Publish the forecast of the signal with the prices, whatever hedge and signal ask for.

    Raises
    ------
    ConfigError
        If the sources named do not fit together.
    DataError
        If a file cannot be used.
    """
    sources, simulated = load_sources(config, weighs=weighs), is_simulated(config)
    tape = build_tape(config, sources, weighs=weighs)
    return LoadedMarket(
        tape,
        simulated,
        _provenance(config, tape, sources, simulated),
        _quality(sources, simulated),
        sources.faults,
    )


def is_simulated(config: Config) -> bool:
    """Whether a configuration names no recorded data."""
    return config.data.chains is None and config.data.prices is None


def load_sources(config: Config, *, weighs: bool = False) -> Sources:
    """Load or make what the tape of a configuration is made of; as :func:`load_market`."""
    check_sources(config)
    auto = config.signal.forecast == "auto" and (config.forecasts or weighs)
    sources = _simulated(config) if is_simulated(config) else _recorded(config, auto, weighs)
    path = config.data.delivery
    delivery = None if path is None else load_delivery(path)
    sources = sources._replace(delivery=delivery, dvol=_dvol(config, auto))
    if auto:
        sources = _with_forecast(config, sources)
    if is_simulated(config):
        return sources
    chains = None if config.marks.source == "flat" else sources.chains
    funding = sources.funding if config.costs.funding else None
    return sources._replace(faults=faults_of(config, sources.prices, chains, funding, sources.delivery))


def _with_forecast(config: Config, sources: Sources) -> Sources:
    """Choose the forecast by what is known at the first chain; keep the prices that it looks at."""
    prices, first = sources.prices, sources.chains.span[0]
    if prices is None:
        return sources._replace(forecast=Chosen("forecast", "the prices are those of the chains"))
    index = index_history(config, sources.dvol)
    chosen = choose_forecast(config, prices.ts_ns, prices.close, index, first)
    if chosen.kind in ("realised", "forecast") and not is_simulated(config):  # as if it had been named
        prices = _prices(with_forecast(config, chosen.kind), first, weighs=True)
    return sources._replace(prices=prices, forecast=chosen)


def _warm_up_ns(config: Config, weighs: bool) -> int:
    """How long before the first chain an estimate needs prices."""
    estimate = signal_estimate(config) if weighs else build_estimate(config)
    return 0 if estimate is None else WARM_UP * estimate.window_ns


def _dvol(config: Config, auto: bool) -> Dvol | None:
    """Volatility index, where a filter or the forecast looks at it, or could."""
    if not config.signal.asks_dvol and not (auto and config.data.dvol is not None):
        return None
    if config.data.dvol is None:
        raise ConfigError("data.dvol: signal looks at the volatility index; name a file of it")
    return load_dvol(config.data.dvol)


def build_tape(config: Config, sources: Sources, *, weighs: bool = False) -> Tape:
    """Put sources on one time axis, as a configuration asks for."""
    dvol = index_history(config, sources.dvol)
    config = with_forecast(config, sources.forecast.kind)
    estimate = signal_estimate(config) if weighs else build_estimate(config)
    return Tape(
        sources.chains,
        sources.prices,
        sources.funding if config.costs.funding else None,
        sources.delivery,
        linear=config.linear or config.hedge.instrument == "forward",
        forward=config.marks.forward,
        interpolate=config.marks.interpolate,
        averaging=config.exit.delivery == "average",
        estimate=with_index(config, estimate, dvol),
        stickiness=build_stickiness(config),
        dvol=dvol,
        forecast=sources.forecast.kind,
    )


def index_history(config: Config, dvol: Dvol | None) -> IndexHistory | None:
    """Build the readings of the volatility index, with the window that they are ranked in."""
    if dvol is None:
        return None
    return IndexHistory(dvol.ts_ns, dvol.vol, config.signal.when.window_ns, 2 * dvol.interval_ns)


def build_stickiness(config: Config) -> Stickiness | None:
    """How volatilities follow the forward in the delta that is hedged; None for sticky strikes."""
    smile = config.hedge.smile
    if smile == "sticky_delta":
        return 0.0
    return None if smile == "sticky_strike" or smile == 1.0 else smile


def market_part(config: Config) -> dict[str, Any]:
    """Everything that :func:`load_market` reads: configurations that share it share the market."""
    named = {name: getattr(config, name) for name in ("currency", "data", "market", "marks")}
    return {
        **{name: stated(part) for name, part in named.items()},
        "linear": config.hedge.instrument == "forward",
        "averaging": config.exit.delivery == "average",
        "funding": config.costs.funding,
        "estimate": _estimate_part(config),
        "stickiness": build_stickiness(config),
        "dvol": config.signal.when.window_ns if config.signal.asks_dvol else None,
    }


def _estimate_part(config: Config) -> Any:
    """Estimate of volatility that prices carry; code of the user's own by its hash."""
    found, name = build_estimate(config), config.signal.forecast
    if name == "auto" and config.forecasts:
        return ["auto", msgspec.to_builtins(found)]
    if name in ("dvol", "har", "combined") and not isinstance(found, Estimate):
        return str(name)
    if isinstance(found, OwnEstimate):
        return [config.code[name.module].sha256, str(name), found.window_ns]
    return msgspec.to_builtins(found)


def check_sources(config: Config) -> None:
    """Refuse sources that do not fit together, without reading them.

    Raises
    ------
    ConfigError
        Naming the field.
    """
    data, flat = config.data, config.marks.source == "flat"
    unread = [name for name in ("start", "end", "funding") if getattr(data, name) is not None]
    if unread and is_simulated(config) and not flat:
        raise ConfigError(
            f"data.{unread[0]}: of recorded data, but none is named; name chains (--chains) or a store "
            "(--store), or leave it out: market.start and market.days say when a simulated market is"
        )
    if flat and data.prices is None and data.chains is None:
        raise ConfigError("marks.source: 'flat' needs data.prices, the prices to value the options at")
    if flat and (data.prices is None or data.chains is not None):
        raise ConfigError("marks.source: 'flat' takes data.prices and no data.chains")
    if not flat and data.prices is not None and data.chains is None:
        raise ConfigError("data.chains: needed beside data.prices, or set marks.source: flat")


def _simulated(config: Config) -> Sources:
    market = simulate(config.market, config.coin)
    return Sources(market.chains, market.prices, market.funding)


def _recorded(config: Config, auto: bool, weighs: bool) -> Sources:
    data = config.data
    start = None if data.start is None else parse_time(data.start)
    end = None if data.end is None else parse_time(data.end)
    funding = None if data.funding is None else load_funding(data.funding)
    if config.marks.source == "flat":
        assert data.prices is not None
        prices = load_prices(data.prices, currency=config.coin, start_ns=start, end_ns=end)
        chains = flat_chains(prices, config.coin, config.marks.flat_vol, config.marks.flat_days)
        return Sources(chains, prices, funding)
    assert data.chains is not None
    chains = load_chains(
        data.chains,
        currency=config.currency,
        columns=data.columns,
        start_ns=start,
        end_ns=end,
        sweep_ns=None if data.sweep is None else data.sweep.ns,
        delay_ns=0 if data.chain_delay is None else data.chain_delay.ns,
    )
    if data.prices is None:
        return Sources(chains, None, funding)
    prices = _prices(config, chains.span[0], weighs=weighs, auto=auto)
    # Before the first bar and after the last there is nothing to hedge on.
    covered = chains.between(int(prices.ts_ns[0]), int(prices.ts_ns[-1]) + prices.interval_ns)
    return Sources(covered, prices, funding)


def _prices(config: Config, first_ns: int, *, weighs: bool, auto: bool = False) -> Prices:
    """Bars from the first chain on, and those before it that the forecast looks at, or could."""
    data = config.data
    assert data.prices is not None
    return load_prices(
        data.prices,
        currency=config.coin,
        start_ns=first_ns,
        end_ns=None if data.end is None else parse_time(data.end),
        warm_up_ns=_warm_up_ns(config, weighs),
        back_ns=WARM_UP * LearnedEstimate.window_ns if auto else 0,
    )


def _quality(sources: Sources, simulated: bool) -> list[Quality]:
    if simulated:
        return []
    parts = sources[:3]
    return [part.quality for part in parts if part is not None and part.quality.findings]


def _files(files: tuple[FileInfo, ...]) -> list[dict[str, Any]]:
    return [{"file": info.path.name, "sha256": info.sha256, "rows": info.rows} for info in files]


def _provenance(config: Config, tape: Tape, sources: Sources, simulated: bool) -> dict[str, Any]:
    chains, prices, funding = sources[:3]
    flat = config.marks.source == "flat"
    modelled = chains.modelled
    return {
        "source": "simulated" if simulated else "modelled from trades" if modelled else "recorded",
        "marks": f"Black-76 at {config.marks.flat_vol} flat"
        if flat
        else "modelled from trades"
        if modelled
        else "exchange mark",
        "modelled": modelled,
        "interpolated": config.marks.interpolate,
        "forecast": str(sources.forecast) if sources.forecast.kind else "",
        "faults": sources.faults,
        "findings": {
            f"{quality.title}: {finding.check}": finding.count
            for quality in _quality(sources, simulated)
            for finding in quality.problems
        },
        "start": format_time(int(tape.ts_ns[0])),
        "end": format_time(int(tape.ts_ns[-1])),
        "chains": {
            "snapshots": len(chains.snapshot_ts),
            "rows": len(chains),
            "rows_per_chain": chains.rows_per_chain,
            "files": _files(chains.files),
        },
        "prices": None if prices is None else {"bars": len(prices.ts_ns), "files": _files(prices.files)},
        "funding": None
        if funding is None or not config.costs.funding
        else {"periods": len(funding.ts_ns), "files": _files((funding.file,) if funding.file else ())},
        "dvol": None
        if sources.dvol is None
        else {
            "readings": len(sources.dvol.ts_ns),
            "files": _files((sources.dvol.file,) if sources.dvol.file else ()),
        },
    }
