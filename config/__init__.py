"""Configurations that come with the package; ``gammacore init`` copies them."""
