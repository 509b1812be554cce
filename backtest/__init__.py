"""Research: replays of markets, their figures, sweeps, simulations and reports."""
