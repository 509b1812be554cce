"""Plots of chains, forecasts and episodes, in the style of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from gammacore.contracts.names import day_text
from gammacore.errors import DataError
from gammacore.implied import IVStatus

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["episode_figure", "plot_iv_rv", "plot_smile", "plot_term_structure"]

HEIGHT = 420
BLUE, RED, GREEN = "#0072b2", "#b34700", "#00735c"


def plot_smile(frame: pd.DataFrame, expiry: str | None = None) -> go.Figure:
    """Plot implied volatility by strike, one line per expiry.

    Parameters
    ----------
    frame : DataFrame
        An option chain, in any form that `gammacore.chain.analyse` takes.
    expiry : str, optional
        Only this expiry, such as ``27MAR26``.

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> import pandas as pd, gammacore as gc
    >>> names = ["BTC-27MAR26-60000-C", "BTC-27MAR26-70000-C"]
    >>> chain = pd.DataFrame({"instrument_name": names, "mark_price": [0.05, 0.02],
    ...     "underlying": 60e3, "timestamp": "2026-03-01T00:00Z"})
    >>> len(gc.plot_smile(chain).data)
    1
    """
    by_expiry = _priced(frame).groupby("expiry")
    lines = {day_text(part["expiry"].iloc[0].value): _per_strike(part) for _, part in by_expiry}
    if expiry is not None:
        if expiry not in lines:
            known = ", ".join(lines)
            raise ValueError(f"expiry: no volatility of {expiry!r} in this chain; there are {known}")
        lines = {expiry: lines[expiry]}
    shown = [(name, part["strike"], part["vol"] * 100) for name, part in lines.items()]
    return _lines(shown, "strike, USD", "IV, %")


def plot_term_structure(frame: pd.DataFrame) -> go.Figure:
    """Plot at-the-money volatility by expiry: that of the strike nearest to the forward.

    Parameters
    ----------
    frame : DataFrame
        An option chain, as for `plot_smile`.

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> import pandas as pd, gammacore as gc
    >>> names = ["BTC-27MAR26-60000-C", "BTC-24APR26-60000-C"]
    >>> chain = pd.DataFrame({"instrument_name": names, "mark_price": [0.05, 0.08],
    ...     "underlying": 60e3, "timestamp": "2026-03-01T00:00Z"})
    >>> len(gc.plot_term_structure(chain).data[0].x)
    2
    """
    known = _priced(frame)
    off = (known["strike"] / known["forward"] - 1.0).abs()
    near = known.assign(off=off).sort_values("off").groupby("expiry").head(2)
    middle = near.groupby("expiry")["vol"].mean()
    return _lines([("at the money", middle.index, middle * 100)], "expiry", "IV, %")


def plot_iv_rv(implied: pd.Series, realised: pd.Series) -> go.Figure:
    """Plot implied against realised volatility through time.

    Parameters
    ----------
    implied, realised : Series
        Decimals a year, with a DatetimeIndex each; a time without a zone is UTC.

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> import pandas as pd, gammacore as gc
    >>> days = pd.date_range("2026-01-01", periods=3, tz="UTC")
    >>> figure = gc.plot_iv_rv(pd.Series([0.55, 0.6, 0.58], days), pd.Series([0.5, 0.7, 0.4], days))
    >>> [line.name for line in figure.data]
    ['implied', 'realised']
    """
    lines = []
    for name, given in (("implied", implied), ("realised", realised)):
        known = _timed(name, given).dropna().sort_index(kind="stable")
        lines.append((name, known.index, known * 100))
    return _lines(lines, "", "volatility, %")


def _timed(name: str, series: pd.Series) -> pd.Series:
    """Series by times in UTC; a time without a zone is UTC."""
    from gammacore.api.frames import nanoseconds, numbers

    if not isinstance(series, pd.Series) or not isinstance(series.index, pd.DatetimeIndex):
        raise DataError(f"{name}: expected a Series with a DatetimeIndex")
    times = pd.to_datetime(nanoseconds(name, series.index.to_series()), utc=True)
    return pd.Series(numbers(name, series), times)


def episode_figure(row: pd.Series, price: pd.Series, hedges: pd.DataFrame) -> go.Figure:
    """Plot the price during an episode and its hedges: up for bought, down for sold.

    Parameters
    ----------
    row : Series
        Of the episodes' table.
    price : Series
        Of the underlying, USD, by time.
    hedges : DataFrame
        Of this episode, by time: ``amount`` and ``mark``.
    """
    from gammacore.backtest.report.drawing import axis, make_figure, scatter, time_axis

    price = price.loc[row["entry"] : row["closed"] if pd.notna(row["closed"]) else price.index[-1]]
    traces = [scatter(x=price.index, y=price, mode="lines", name="price", line={"color": BLUE})]
    for name, shown, colour, symbol in (
        ("bought", hedges[hedges["amount"] > 0], GREEN, "triangle-up"),
        ("sold", hedges[hedges["amount"] < 0], RED, "triangle-down"),
    ):
        marker = {"color": colour, "symbol": symbol, "size": 8}
        traces.append(scatter(x=shown.index, y=shown["mark"], mode="markers", name=name, marker=marker))
    text, margin = f"Episode {row.name}: {row['instruments']}", {"l": 10, "r": 14, "t": 60, "b": 10}
    title = {"text": text, "x": 0.0, "xref": "paper", "y": 0.98, "yanchor": "top", "font": {"size": 14}}
    axes = {"xaxis": time_axis(), "yaxis": axis("USD")}
    return make_figure(traces, HEIGHT, title=title, margin=margin, **axes).checked()


def _priced(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the options of a chain whose price has a volatility; each must be there once, all of one coin."""
    from gammacore.api.frames import analysed, coins_of

    found, coins = analysed(frame), coins_of(frame)
    if len(coins) > 1:
        raise DataError(f"chain: options of {' and '.join(coins)} are several chains; plot one at a time")
    twice = found.duplicated(["kind", "strike", "expiry"])
    if twice.any():
        raise DataError(
            f"chain: {twice.sum():,} of its {len(found):,} rows are of an option that comes before; "
            "expected the rows of one time, such as frame[frame.timestamp == frame.timestamp.max()]"
        )
    known = found.dropna(subset=["vol"])
    if known.empty:
        why = pd.Series([IVStatus(code).name for code in found["status"]], dtype=object).value_counts()
        told = ", ".join(f"{name} {count:,}" for name, count in why.items())
        raise DataError(f"chain: no price of its {len(found):,} options has a volatility ({told})")
    return known


def _per_strike(part: pd.DataFrame) -> pd.DataFrame:
    """Keep one volatility a strike: of the option that is out of the money."""
    out = (part["kind"] == 1) == (part["strike"] >= part["forward"])
    ordered = part.assign(out=out).sort_values(["strike", "out"])
    return ordered.groupby("strike", as_index=False).last()


def _lines(lines: list[tuple[Any, Any, Any]], across: str, up: str) -> go.Figure:
    from gammacore.backtest.report.drawing import axis, make_figure, scatter

    traces = [scatter(x=x, y=y, mode="lines+markers", name=str(name)) for name, x, y in lines]
    return make_figure(traces, HEIGHT, xaxis=axis(across), yaxis=axis(up)).checked()
