"""Code of the user's own: loaded from the configuration's folder, once its holder has confirmed it."""

from .loading import OwnFunction, load_function, own_functions
from .trust import confirmed, remember

__all__ = ["OwnFunction", "confirmed", "load_function", "own_functions", "remember"]
