"""What a store holds for a run: the paths that a user would otherwise write, found by currency.

The paths are those of ``processed/<kind>/<currency>``, which the loaders read; in a configuration they are
like any that were written there, so that a run can be repeated from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from gammacore.config import Config, with_overrides
from gammacore.data.listings import load_listings
from gammacore.data.schemas import currency_of
from gammacore.data.trees import series_of
from gammacore.errors import ConfigError
from gammacore.terms import family_of

__all__ = ["FIELDS", "with_store"]

CHAINS = ("chains", "chains_modelled")  # recorded ones, or else modelled ones: never both
KINDS = {"prices": "candles", "funding": "funding", "delivery": "delivery", "dvol": "dvol"}
FIELDS = ("chains", *KINDS, "instruments")
FILL = "fill a store with gammacore data download, gammacore data record or gammacore data import"


def with_store(
    config: Config, root: str | Path, *, takes: Collection[str] = FIELDS, named: Collection[str] = ()
) -> Config:
    """Name the data of a store for what a configuration leaves open.

    Parameters
    ----------
    config : Config
        What it names under ``data`` stays.
    root : str or Path
        Folder of the store.
    takes : collection of str, optional
        Fields of ``data`` that the run reads.
    named : collection of str, optional
        Paths such as ``data.funding`` that stay as they are even if they are null.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If there is no store, or the store has no chains of the currency, or no price bars for a run without
        chains. The simulated market never takes their place.
    """
    place = _store(root)
    if "currency" in config.vary:
        raise ConfigError(f"vary.currency: store {root} is searched for one currency; run once for each")
    needed = "chains" if "chains" in takes and config.marks.source != "flat" else "prices"
    if f"data.{needed}" in named and getattr(config.data, needed) is None:
        raise ConfigError(f"data.{needed}: is null, and without it nothing of store {root} can be used")
    kept = {*named, *config.vary}
    left = [name for name in takes if getattr(config.data, name) is None and f"data.{name}" not in kept]
    if config.marks.source == "flat":  # such a run takes no chains
        left = [name for name in left if name != "chains"]
    found = {name: str(path) for name in left if (path := _path(place, name, config)) is not None}
    if needed in left and needed not in found:
        raise ConfigError((_no_chains if needed == "chains" else _no_prices)(place, config.currency))
    if "chains" in found:  # the catalog of their store is read without being named, whatever it holds
        found.pop("instruments", None)
    return with_overrides(config, {f"data.{name}": path for name, path in found.items()})


def _store(root: str | Path) -> Path:
    place = Path(root).expanduser()
    if place.is_file():
        raise ConfigError(f"store {root}: is a file, not a folder; {FILL}")
    if not place.is_dir():
        raise ConfigError(f"store {root}: no such folder; {FILL}")
    if not (place / "processed").is_dir():
        above = next((one.parent for one in (place, *place.parents) if one.name == "processed"), None)
        told = FILL if above is None else f"did you mean {above}?"
        raise ConfigError(f"store {root}: is no store, as it has no folder named processed; {told}")
    return place


def _path(place: Path, name: str, config: Config) -> Path | None:
    """Where the store has what a field of ``data`` asks for; None if it has nothing."""
    if name == "instruments":
        return place if load_listings(place, family_of(config), needed=False).rows else None
    folder = place / "processed"
    settled = currency_of(config.currency)
    if name == "chains":
        return next((path for kind in CHAINS if series_of(path := folder / kind / settled)), None)
    if name == "dvol":  # of the coin, whatever its options settle in
        path = folder / "dvol" / config.coin
        return path if series_of(path) else None
    return _of_currency(folder / KINDS[name] / settled, config.currency, several=name == "prices")


def _of_currency(folder: Path, currency: str, *, several: bool) -> Path | None:
    """Folder, or what of it is about the currency: under USDC are all the coins that settle in it.

    ``several`` says that the loader chooses among series of a folder by itself.
    """
    series = series_of(folder)
    own = [name for name in series if re.match(rf"{currency}(?![A-Z0-9])", name.upper())]
    if not own and (not series or "_" in currency):
        return None
    return folder / own[0] if len(own) == 1 < len(series) and not several else folder


def _no_chains(place: Path, currency: str) -> str:
    """Say that there are none, where there are some, and how to come by them."""
    folder, settled = place / "processed", currency_of(currency)
    ways = ["record them (gammacore data record)", "import them (gammacore data import)"]
    if currency == settled:  # none are modelled of options in USDC
        build = f"(gammacore data build-chains --currency {currency} --start DAY --store {place})"
        here = series_of(folder / "option_trades" / settled)
        ways.append(f"model them from {'its' if here else 'downloaded'} trades {build}")
    flat = "; its price bars are enough for a flat volatility (--set marks.source=flat)"
    return (
        f"store {place}: no chains of {currency}, {_others(place, CHAINS)}; the exchange keeps no history of "
        f"them: {', or '.join(ways)}" + (flat if series_of(folder / "candles" / settled) else "")
    )


def _no_prices(place: Path, currency: str) -> str:
    found = _others(place, (KINDS["prices"],))
    fill = f"gammacore data download --currency {currency_of(currency)} --store {place}"
    return f"store {place}: no price bars of {currency}, {found}; download them ({fill})"


def _others(place: Path, kinds: Collection[str]) -> str:
    found = ", ".join(dict.fromkeys(_held(place, kinds)))
    return f"only of {found}" if found else "nor of any other currency"


def _held(place: Path, kinds: Collection[str]) -> Iterator[str]:
    """Currencies that there are files of, in order of kinds."""
    for kind in kinds:
        for folder in sorted((place / "processed" / kind).glob("*")):
            if series_of(folder):
                yield f"{folder.name} (modelled)" if kind == "chains_modelled" else folder.name
