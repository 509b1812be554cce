"""Oracles: slow, independent, of many digits."""
