"""How much of an amount is none: below these, a difference is arithmetic and no trade."""

__all__ = ["DUST", "ROUNDING"]

DUST = 1e-9
"""Amount of an option or a contract that counts as nothing left: far below any lot, far above rounding."""
ROUNDING = 1e-12
"""What float arithmetic leaves, as a share of the amounts that it added up (or of one coin)."""
