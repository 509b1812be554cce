"""Break-even and chance of a straddle by the law, against a simulation in numpy.

    python tools/breakeven_table.py

Prints the table of docs/breakeven.md: the simulation of ``tests/test_breakeven_law.py``, with more paths;
some minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from test_breakeven_law import DAY, RULES, against

DAYS = (0.5, 1.0, 2.0, 5.0, 11.0, 30.0)
PATHS = 40_000


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201


def main() -> None:
    """Print one row a rule and life."""
    say("| rule | days | break-even, % | simulated | P, % | simulated |")
    say("|---|---|---|---|---|---|")
    for name, policy in RULES.items():
        for days in DAYS:
            look = DAY / 144 if days < 10.0 else DAY / 48
            found = against(policy, days, look=look, count=PATHS)
            row = (f"{value:.1f}" for value in found)
            say(f"| {name} | {days:g} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
