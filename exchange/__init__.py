"""A local Deribit: the same text in, the same text out, on a market of its own.

`Exchange` is the whole of it without a socket or a clock; `server` puts it on a port.
"""

from .config import ExchangeConfig, MarketModel
from .connection import Close, Connection
from .exchange import Exchange, UnavailableError
from .faults import Fault, FaultPlan
from .price_model import Recorded

__all__ = [
    "Close",
    "Connection",
    "Exchange",
    "ExchangeConfig",
    "Fault",
    "FaultPlan",
    "MarketModel",
    "Recorded",
    "UnavailableError",
]
