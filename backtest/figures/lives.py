"""What every straddle promised at entry, and what it brought: the lives behind a calibration.

Each expiry is bought once at about so many days, as the configuration buys: by the replay of a backtest,
whose signal is asked at every entry and allows each. What was promised is what a signal of the hedge rule
knew then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from gammacore.array_types import Bools, Floats, Ints
from gammacore.breakeven.recalibration import LONGEST_DAYS
from gammacore.build import FEED_NS, build_weigher
from gammacore.config import Config, with_overrides
from gammacore.daycount import NS_PER_DAY, format_time
from gammacore.errors import ConfigError, DataError
from gammacore.events import ChainSlice
from gammacore.forecasts import with_forecast
from gammacore.strategy import Signal
from gammacore.strategy.structures import Picked

from ..replay.market import LoadedMarket, load_market
from ..replay.runner import replay
from ..replay.runs import Run
from ..replay.tape import Tape

__all__ = ["DAYS", "RULES", "Lives", "lives_of", "neutral"]

DAYS = (1, 2, 3, 4, 5, 7, 9, 11, 14)  # to expiry at entry, half a day more or less: to LONGEST_DAYS
RULES = ("never", "interval", "band", "whalley_wilmott", "zakamouline", "fixed_cost", "move")
COLUMNS = ("entry_ns", "end_ns", "expiry_ns", "probability", "profit", "premium")
Progress = Callable[[int, int], None]

# One coin of every expiry is bought whatever the signal says, and nothing but the exit rules ends it.
NEUTRAL: dict[str, Any] = {
    "vary": {},
    "entry.schedule": "each_expiry",
    "entry.expiries": "any",
    "entry.weekday": None,
    "entry.min_days": 0.0,
    "entry.max_days": LONGEST_DAYS,
    "entry.min_snapshots": 0,
    "signal.min_probability": 0.5,  # asks for a forecast; the signal of the lives allows each
    "signal.min_edge": None,
    "hedge.scope": "episode",
    "execution.options": "take",
    "exit.unfinished": "carry",
    "limits.max_open_episodes": None,
    "limits.max_contracts": None,
    "risk.max_margin_use": None,
    "roll": {},
}


@dataclass(frozen=True)
class Lives:
    """Positions of one currency under one rule that were bought and have ended, in order of entry.

    Attributes
    ----------
    coin, rule : str
    config : Config
        Whose rule it is, and all else that the lives depend on.
    entry_ns, end_ns, expiry_ns : array of int, shape (n,)
    probability : array, shape (n,)
        Of a profit, as told at entry.
    profit : array, shape (n,)
        After all costs, settlement currency.
    premium : array, shape (n,)
        Paid, likewise.
    """

    coin: str
    rule: str
    config: Config
    entry_ns: Ints
    end_ns: Ints
    expiry_ns: Ints
    probability: Floats
    profit: Floats
    premium: Floats

    def __len__(self) -> int:
        return len(self.entry_ns)

    @property
    def paid(self) -> Bools:
        """Whether each made a profit."""
        return self.profit > 0.0

    @property
    def days(self) -> Floats:
        """Days to expiry at entry."""
        return np.asarray((self.expiry_ns - self.entry_ns) / NS_PER_DAY)

    def take(self, which: Bools) -> Lives:
        """Return some of them."""
        return replace(self, **{name: getattr(self, name)[which] for name in COLUMNS})


class LivesFound(NamedTuple):
    """Lives of every rule, and what they come from.

    ``open`` counts positions that had not ended with the data, ``left_out`` says why a rule is missing.
    """

    market: LoadedMarket
    lives: list[Lives]
    open: int
    left_out: list[str]


class _Teller(Signal, frozen=True, kw_only=True):
    """A signal that allows whatever could be weighed, and keeps what signals of several rules told of it."""

    weighers: tuple[Signal, ...] = ()
    told: dict[tuple[int, int], list[float]] = msgspec.field(default_factory=dict)

    def allows(self, chain: ChainSlice, ts_ns: int, picked: Picked, forecast: float, funding: float) -> bool:
        """Ask the signals once for each expiry and moment."""
        key = int(chain.expiry_ns[list(picked.rows)].min()), ts_ns
        if key not in self.told:
            self.told[key] = [
                weigher.chance(chain, ts_ns, picked, forecast, funding) for weigher in self.weighers
            ]
        return any(math.isfinite(chance) for chance in self.told[key])


def neutral(config: Config, rule: str) -> Config:
    """Configure lives under a rule: ``size.contracts`` of every expiry, whatever signal and limits say."""
    size = {"contracts": config.size.units}
    return with_overrides(config, NEUTRAL | {"hedge.rule": rule, "size": size})


def lives_of(config: Config, rules: Sequence[str], progress: Progress | None = None) -> LivesFound:
    """Buy every straddle of the data, and hedge each by several rules.

    Parameters
    ----------
    config : Config
        Its data, structure, hedge, costs, exits and the forecast of its signal are used.
    rules : sequence of str
        Names of ``hedge.rule``; the configured one is refused if it cannot be weighed, others are left out.
    progress : callable(done, total), optional

    Raises
    ------
    ConfigError
        If nothing is bought by the configuration, or its rule has no chance that an entry could know.
    DataError
        If no life has ended within the data.
    """
    if config.entry.structure == "none" and not config.entry.legs:
        raise ConfigError("entry.structure: expected what to weigh, got none")
    configs, left_out = _configs(config, rules)
    market = load_market(next(iter(configs.values())))
    configs = {rule: with_forecast(one, market.tape.forecast) for rule, one in configs.items()}
    told: dict[tuple[int, int], list[float]] = {}
    rows: dict[str, dict[tuple[int, int], list[float]]] = {rule: {} for rule in configs}
    carried = set()
    reports = _reports(progress, len(DAYS) * len(configs))
    look_ns = FEED_NS if market.tape.look_ns is None else market.tape.look_ns
    as_told = {"recalibration": None}
    weighers = tuple(
        msgspec.structs.replace(build_weigher(one, look_ns=look_ns), **as_told) for one in configs.values()
    )
    teller = _Teller(**msgspec.structs.asdict(weighers[0]), weighers=weighers, told=told)
    for days in DAYS:
        window = {"entry.min_days": days - 0.5, "entry.max_days": days + 0.5}
        for number, (rule, one) in enumerate(configs.items()):
            run = replay(with_overrides(one, window), market.tape, next(reports), signal=teller)
            carried |= _book(run, told, number, rows[rule])
    lives = [_columns(configs[rule], rule, found) for rule, found in rows.items()]
    if not any(len(one) for one in lives):
        raise DataError(_none_ended(market.tape, len(carried)))
    return LivesFound(market, lives, len(carried), left_out)


def _configs(config: Config, rules: Sequence[str]) -> tuple[dict[str, Config], list[str]]:
    """Configure each rule; say why some cannot be."""
    found, left_out = {}, []
    for rule in dict.fromkeys(rules):
        try:
            found[rule] = neutral(config, rule)
            build_weigher(found[rule])
        except ConfigError as error:
            if rule == config.hedge.rule or len(rules) == 1:
                raise
            found.pop(rule, None)
            left_out.append(f"{rule}: {error}")
    return found, left_out


def _reports(progress: Progress | None, replays: int) -> Iterator[Progress | None]:
    """Progress of each replay, as part of all."""
    for number in range(replays):
        if progress is None:
            yield None
        else:
            yield lambda done, total, n=number: progress(n * total + done, replays * total)  # type: ignore[misc]


def _book(
    run: Run,
    told: dict[tuple[int, int], list[float]],
    number: int,
    rows: dict[tuple[int, int], list[float]],
) -> set[tuple[int, int]]:
    """Note what a replay booked, by expiry and entry; return what is still open."""
    carried, native = set(), run.native
    for done in run.episode_runs:
        episode = done.episode
        key = min(episode.expiries), episode.entry_ns
        chance = told.get(key, [math.nan] * (number + 1))[number]
        if not episode.close_ns:
            carried.add(key)
        elif math.isfinite(chance):
            profit = episode.ledger.profit()[native]
            rows[key] = [episode.close_ns, chance, profit, episode.premium]
    return carried


def _columns(config: Config, rule: str, rows: dict[tuple[int, int], list[float]]) -> Lives:
    keys = np.array(sorted(rows, key=lambda key: key[::-1]), np.int64).reshape(-1, 2)
    found = np.array([rows[expiry, entry] for expiry, entry in keys.tolist()], object).reshape(-1, 4)
    return Lives(
        config.currency,
        rule,
        config,
        keys[:, 1],
        found[:, 0].astype(np.int64),
        keys[:, 0],
        *found[:, 1:].astype(np.float64).T,
    )


def _none_ended(tape: Tape, carried: int) -> str:
    span = " to ".join(format_time(int(tape.ts_ns[k]))[:16] for k in (0, -1))
    still = f"; {carried} are still open" if carried else ""
    return (
        f"nothing to calibrate from {span}: no position {DAYS[0] - 0.5:g} to {LONGEST_DAYS:g} days before "
        f"its expiry was bought and ended{still}. Prices must reach back a signal.window, and beyond expiries"
    )
