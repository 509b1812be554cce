"""Research: replays of markets, their figures, sweeps, simulations and reports."""

from gammacore._lazy import make_callable

make_callable(__name__)
