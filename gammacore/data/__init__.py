"""Market data: loaders that check what they read, and a store that is read as of a moment."""

from gammacore.data.chain_files import load_chains
from gammacore.data.chains import Chains, ChainSnapshot, Forwards, parity_forward
from gammacore.data.delivery import delivery_from_prices, load_delivery
from gammacore.data.funding import Funding, load_funding
from gammacore.data.prices import Prices, load_prices
from gammacore.data.quality import Finding, Quality, quality_table
from gammacore.data.store import Store
from gammacore.data.surfaces import best_forward, snapshot_index, snapshot_surface

__all__ = [
    "ChainSnapshot",
    "Chains",
    "Finding",
    "Forwards",
    "Funding",
    "Prices",
    "Quality",
    "Store",
    "best_forward",
    "delivery_from_prices",
    "load_chains",
    "load_delivery",
    "load_funding",
    "load_prices",
    "parity_forward",
    "quality_table",
    "snapshot_index",
    "snapshot_surface",
]
