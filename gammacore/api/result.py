"""The result of a backtest, for people: frames with real times, plots, a verdict."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gammacore.errors import DataError

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gammacore.backtest.figures.results import Results
    from gammacore.config import Config

__all__ = ["Comparison", "Plots", "Result"]

TIMES = ("time", "entry", "expiry", "closed", "start", "end", "opened")
SPARK = 320, 60  # pixels of the small plot


class Result:
    """A backtest: figures, frames with UTC times, plots, the report.

    Made by :func:`gammacore.backtest` and :func:`gammacore.load`.

    Parameters
    ----------
    tables : Results

    Examples
    --------
    >>> import gammacore as gc
    >>> result = gc.backtest(market__days=14)
    >>> result.pnl.index.tz is not None
    True
    """

    def __init__(self, tables: Results) -> None:
        self._tables = tables

    @property
    def config(self) -> Config:
        """Configuration of the run."""
        return self._tables.config

    @property
    def summary(self) -> dict[str, Any]:
        """Every figure of ``summary.json``; ``docs/report.md`` defines them."""
        return self._tables.summary

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        return str(self.summary["verdict"])

    @cached_property
    def episodes(self) -> pd.DataFrame:
        """One row per entry, by its number: strikes, premium, volatilities, profit by line."""
        return _dated(self._tables.episodes).set_index("episode")

    @cached_property
    def fills(self) -> pd.DataFrame:
        """Every execution, by its time: instrument, amount, price, mark, fee."""
        return _dated(self._tables.fills).set_index("time")

    @property
    def hedges(self) -> pd.DataFrame:
        """Executions of hedges alone."""
        return self.fills[self.fills["purpose"] == "hedge"]

    @cached_property
    def pnl(self) -> pd.DataFrame:
        """Cumulative profit and its lines at the times of ``report.pnl_every``, coin and USD."""
        return _dated(self._tables.profit).set_index("time")

    @cached_property
    def attribution(self) -> pd.DataFrame:
        """Profit by line over the whole run: columns ``coin`` and ``usd``, with the total last."""
        lines = pd.DataFrame(self.summary["attribution"]).T.astype("float64")
        lines.loc["total"] = pd.Series(self.summary["total"], dtype="float64")
        return lines.rename_axis("line")

    @property
    def vega_parts(self) -> pd.DataFrame:
        """Parts of the line vega, which sum to it: columns ``coin`` and ``usd``.

        Raises
        ------
        DataError
            If the run was not asked for them.
        """
        parts = self.summary.get("vega_parts")
        if parts is None:
            raise DataError("no parts of vega in this result: run it with report__vega_parts=True")
        return pd.DataFrame(parts).T.astype("float64").rename_axis("part")

    @property
    def plot(self) -> Plots:
        """Plots, as in the report."""
        return Plots(self._tables, self)

    def report(self, folder: str | Path) -> Path:
        """Write the result directory with its report; returns the path of ``report.html``.

        Raises
        ------
        DataError
            If the directory holds anything but an earlier result.
        """
        from gammacore.backtest.report import write_results
        from gammacore.result_files import result_directory

        with result_directory(Path(folder)) as place:
            write_results(self._tables, place, Path(folder))
        return Path(folder) / "report.html"

    def __repr__(self) -> str:
        data = self.summary["data"]
        days = f"{data['start'][:10]} to {data['end'][:10]}"
        return f"<Result {self.config.currency} {days}: {self.verdict}>"

    def _repr_html_(self) -> str:
        from gammacore.backtest.report.view import as_text

        s = self.summary
        rows = {
            "P&L": as_text(s["total"]["usd"], "+,.2f", "USD"),
            "episodes": f"{s['n_episodes']:,}",
            "hedges": f"{s['n_hedges']:,}",
            "largest drawdown": as_text(s["max_drawdown"]["usd"], ",.2f", "USD"),
        }
        cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{v}</td></tr>" for k, v in rows.items())
        warning = "<p>Simulated market: says nothing about real profit.</p>" if s["simulated_data"] else ""
        return f"{warning}<p><b>{html.escape(self.verdict)}</b></p>{self._spark()}<table>{cells}</table>"

    def _spark(self) -> str:
        """Draw the cumulative P&L as a few hundred bytes of SVG."""
        values = self._tables.profit["pnl_usd"].to_numpy(dtype=float)
        if len(values) < 2:
            return ""
        values = values[:: max(len(values) // SPARK[0], 1)]
        low, span = min(values.min(), 0.0), max(values.max(), 0.0) - min(values.min(), 0.0) or 1.0
        width, height = SPARK

        def y(value: float) -> float:
            return float(height - 2 - (value - low) / span * (height - 4))

        step = width / (len(values) - 1)
        points = " ".join(f"{k * step:.1f},{y(value):.1f}" for k, value in enumerate(values))
        return (
            f'<svg width="{width}" height="{height}" role="img" aria-label="Cumulative P&amp;L, USD">'
            f'<line x1="0" x2="{width}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="#999" stroke-dasharray="3"/>'
            f'<polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="1.5"/></svg>'
        )


class Plots:
    """Plots of a result, plotly figures."""

    def __init__(self, tables: Results, result: Result) -> None:
        self._tables, self._result = tables, result

    def pnl(self) -> go.Figure:
        """Cumulative P&L and drawdown."""
        from gammacore.backtest.report.profit_charts import pnl_figure

        return pnl_figure(self._view()).checked()

    def attribution(self) -> go.Figure:
        """Profit by line."""
        from gammacore.backtest.report.profit_charts import attribution_figure

        return attribution_figure(self._view()).checked()

    def episode(self, number: int) -> go.Figure:
        """Price during one episode, with its hedges.

        Raises
        ------
        ValueError
            If there is no episode of that number.
        """
        from gammacore.api.charts import episode_figure

        found, hedges = self._result, self._result.hedges
        if number not in found.episodes.index:
            known = found.episodes.index
            last = f", the last is {known[-1]}" if len(known) else ""
            raise ValueError(f"number: no episode {number!r}; there are {len(known)}{last}")
        own = hedges[hedges["episode"] == number]
        return episode_figure(found.episodes.loc[[number]].iloc[0], found.pnl["index_usd"], own)

    def _view(self) -> Any:
        from gammacore.backtest.report.page import view_of

        return view_of(self._tables)


class Comparison:
    """Two results side by side.

    Attributes
    ----------
    verdict : str
        Which made more, and whether that is more than luck.
    figures : DataFrame
        Each figure of both, and the difference (second minus first).
    configuration : DataFrame
        Parameters that differ, as each has them.
    paired : list of dict
        Mean difference of the episodes that both have, with intervals.

    Examples
    --------
    >>> import gammacore as gc
    >>> narrow, wide = (gc.backtest(market__days=14, hedge__band=band) for band in (0.05, 0.2))
    >>> found = gc.compare(narrow, wide)
    >>> float(found.figures.loc["Hedges", "difference"]) < 0  # second minus first
    True
    """

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.verdict: str = found["verdict"][0]
        names = [run["name"] for run in found["runs"]]
        rows = {f"{row['label']}, {row['unit']}".rstrip(", "): row["values"] for row in found["figures"]}
        self.figures = pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("figure")
        numbers = self.figures.apply(pd.to_numeric, errors="coerce")
        self.figures["difference"] = numbers[names[1]] - numbers[names[0]]
        differ = {row["path"]: row["values"] for row in found["configuration"]}
        self.configuration = pd.DataFrame.from_dict(differ, orient="index", columns=names, dtype=object)
        self.paired: list[dict[str, Any]] = list(found["paired"])
        self._rows = found["figures"]

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict}\n{self._written().to_string()}>"

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(self.verdict)}</b></p>{self._written().to_html()}"

    def _written(self) -> pd.DataFrame:
        """Figures as the page of a comparison writes them."""
        from gammacore.backtest.report.compare_page import figure_row

        texts = [[text for text, _ in figure_row(row)["cells"]] for row in self._rows]
        return pd.DataFrame(texts, self.figures.index.rename(None), self.figures.columns)


def _dated(table: pd.DataFrame) -> pd.DataFrame:
    """Copy of a table with its times as UTC timestamps."""
    found = table.drop(columns="ts_ns", errors="ignore").copy()
    for name in TIMES:
        if name in found:
            found[name] = pd.to_datetime(found[name], utc=True, errors="coerce", format="ISO8601")
    return found
