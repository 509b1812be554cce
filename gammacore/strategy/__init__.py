"""What to hold: entry, size and exit, as pure decisions on what the book shows."""

from gammacore.strategy.exits import ExitRule
from gammacore.strategy.gamma_scalp import Declined, EntryRule, GammaScalp
from gammacore.strategy.signal import Signal
from gammacore.strategy.sizes import SizeRule
from gammacore.strategy.strikes import Refusal

__all__ = ["Declined", "EntryRule", "ExitRule", "GammaScalp", "Refusal", "Signal", "SizeRule"]
