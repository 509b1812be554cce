"""Replay of recorded or simulated markets through the same desk that trades live."""
