"""Result directories and their pages: HTML files that open offline.

Figures come from the summary and the tables as they are; only what is drawn is thinned
and rounded, so that a year of minutes stays a page that a phone can open.
"""

from .files import write_results, write_simulation, write_sweep
from .page import write_report

__all__ = ["write_report", "write_results", "write_simulation", "write_sweep"]
