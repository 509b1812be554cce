"""Option chains modelled from public trades: what no exchange recorded, estimated and marked as such."""

from .build import Built, build_chains
from .recipe import ChainRecipe
from .spread_model import SpreadModel, load_spread_model

__all__ = ["Built", "ChainRecipe", "SpreadModel", "build_chains", "load_spread_model"]
