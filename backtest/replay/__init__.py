"""Recorded and made markets, and the runner that walks a desk along them."""
