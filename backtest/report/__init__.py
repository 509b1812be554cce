"""The report of a run: one HTML file that opens offline.

Figures come from the summary and the tables as they are; only what is drawn is thinned
and rounded, so that a year of minutes stays a page that a phone can open.
"""

from gammacore.backtest.report.page import write_report

__all__ = ["write_report"]
