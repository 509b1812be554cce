"""What a notebook needs: runs, their results as frames and plots, chains as frames.

::

    import gammacore as gc

    result = gc.backtest(hedge__band=0.05, entry__side="short")
    result                      # the verdict, and a small plot in a notebook
    result.pnl["pnl_usd"]       # with real times
    result.plot.attribution()
"""

from gammacore.api.charts import plot_iv_rv, plot_smile, plot_term_structure
from gammacore.api.result import Comparison, Result
from gammacore.api.runs import backtest, breakeven, compare, load, simulate
from gammacore.api.volatility import realised_vol

__all__ = [
    "Comparison",
    "Result",
    "backtest",
    "breakeven",
    "compare",
    "load",
    "plot_iv_rv",
    "plot_smile",
    "plot_term_structure",
    "realised_vol",
    "simulate",
]
