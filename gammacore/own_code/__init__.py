"""Code of the user's own: loaded from the configuration's folder, once its holder has confirmed it."""

from .loading import Call, OwnFunction, load_function, own_functions
from .trust import confirmed, remember

__all__ = ["Call", "OwnFunction", "confirmed", "load_function", "own_functions", "remember"]
