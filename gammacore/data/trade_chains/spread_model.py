"""How wide options are quoted, as a function of premium, time and moneyness: fitted, and stored as data.

``spread_models.json`` is written by ``tools/spread_table.py``; each entry says what it was fitted to and how
well it does on data that it was not fitted to.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from gammacore import inverse
from gammacore.array_types import Floats
from gammacore.contracts import ContractSpec
from gammacore.errors import DataError

__all__ = ["SpreadModel", "features", "load_spread_model"]

PUBLISHED = Path(__file__).with_name("spread_models.json")
LEAST_PREMIUM = 1e-5  # coin; below it nothing was fitted
FARTHEST = 4.0  # deviations from the money; beyond, nothing was fitted
SURE, UNSURE = 0.002, 0.05  # half widths of a volatility, least and most


Coefficients = tuple[float, float, float, float, float, float, float]


class SpreadModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Half spread of an option in coin: ``tick / 2 + exp(c . features)``.

    The half tick is what rounding a bid down and an ask up adds in the mean; quotes are the mark less and
    plus the rest, rounded so.

    Attributes
    ----------
    name : str
        Coin and when its data ends.
    outside, inside : tuple of float
        Coefficients c of options out of and in the money, see `features`.
    fitted : str
        To what data, how, and with what result.
    """

    name: str
    outside: Coefficients
    inside: Coefficients
    fitted: str

    def half_width(self, kind: Floats, forward: Floats, strike: Floats, tau: Floats, vol: Floats) -> Floats:
        """Half spread before rounding, coin; arrays of one length."""
        found, deviations = features(forward, strike, tau, vol)
        outside = kind * deviations >= 0
        return np.asarray(np.exp(np.where(outside, found @ self.outside, found @ self.inside)))

    def half_vol(self, kind: Floats, forward: Floats, strike: Floats, tau: Floats, vol: Floats) -> Floats:
        """Half spread as volatility, within :data:`SURE` and :data:`UNSURE`."""
        half = self.half_width(kind, forward, strike, tau, vol)
        vega = inverse.sensitivities(("vega",), kind, forward, strike, tau, vol)[0] / forward
        with np.errstate(divide="ignore", over="ignore"):
            found = half / vega
        return np.clip(np.where(np.isfinite(found), found, UNSURE), SURE, UNSURE)

    def quotes(self, mark: Floats, half: Floats, grid: ContractSpec) -> tuple[Floats, Floats]:
        """Bid and ask on the tick grid around marks.

        Parameters
        ----------
        mark, half : array
            Coin.
        grid : ContractSpec

        Returns
        -------
        bid, ask : array
            The bid rounded down and NaN below a tick, the ask rounded up and a tick at least.
        """
        bid = grid.round_price(np.maximum(mark - half, 0.0), "down")
        ask = grid.round_price(np.maximum(mark + half, grid.tick_size), "up")
        return np.where(bid > 0, bid, np.nan), ask


def features(forward: Floats, strike: Floats, tau: Floats, vol: Floats) -> tuple[Floats, Floats]:
    """Work out what the spread depends on.

    Returns
    -------
    array of shape (n, 7)
        1, and with their squares: ln of the premium (coin) of the option out of the money at the strike,
        ln of years to expiry, and standard deviations from the money.
    array of shape (n,)
        Standard deviations, ln(K/F) / (vol sqrt(tau)), with their sign.
    """
    deviations = np.log(strike / forward) / (vol * np.sqrt(tau))
    kind = np.where(strike >= forward, 1, -1).astype(np.int8)
    premium = np.asarray(inverse.price(kind, forward, strike, tau, vol))
    far = np.minimum(np.abs(deviations), FARTHEST)
    small, time = np.log(np.maximum(premium, LEAST_PREMIUM)), np.log(tau)
    columns = (np.ones(far.size), small, small * small, time, time * time, far, far * far)
    return np.stack(columns, axis=1), np.asarray(deviations)


def load_spread_model(currency: str, path: str | Path | None = None) -> SpreadModel:
    """Load the spread model of a coin.

    Parameters
    ----------
    currency : str
        BTC or ETH, or whatever the file has.
    path : str or Path, optional
        JSON as `tools/spread_table.py` writes it, by default what ships with the package.

    Raises
    ------
    DataError
        If the file cannot be read or has no such coin.
    """
    models = _models(PUBLISHED if path is None else Path(path).expanduser())
    if currency not in models:
        raise DataError(
            f"{currency}: no spread model, so no quotes can be modelled; there are {', '.join(models)}. "
            "Fit one to recorded chains with tools/spread_table.py and give --spreads"
        )
    return models[currency]


@lru_cache(maxsize=4)
def _models(path: Path) -> dict[str, SpreadModel]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, SpreadModel])
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: no spread models: {error}") from None
