"""What to hold: entry, size and exit, as pure decisions on what the book shows."""

from gammacore.strategy.exits import ExitRule
from gammacore.strategy.gamma_scalp import Declined, EntryRule, GammaScalp, SizeRule
from gammacore.strategy.signal import Signal
from gammacore.strategy.strikes import Refusal

__all__ = ["Declined", "EntryRule", "ExitRule", "GammaScalp", "Refusal", "Signal", "SizeRule"]
