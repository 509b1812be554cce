"""Instruments, their names, their price and amount grids, and contract arithmetic."""

from gammacore.contracts.arithmetic import (
    UNITS_PER_COIN,
    from_units,
    inverse_pnl,
    linear_pnl,
    payoff_coin,
    payoff_usd,
    round_coin,
    to_units,
)
from gammacore.contracts.combos import Combo, combo_from_legs, listed_combo, parse_combo
from gammacore.contracts.grids import ContractSpec, spec_from_catalog
from gammacore.contracts.listed import AccountFee, Grids, ListedGrid, kind_of, listed
from gammacore.contracts.names import (
    CALL,
    PUT,
    Future,
    Instrument,
    Option,
    Perpetual,
    Settlement,
    family,
    parse,
)

__all__ = [
    "CALL",
    "PUT",
    "UNITS_PER_COIN",
    "AccountFee",
    "Combo",
    "ContractSpec",
    "Future",
    "Grids",
    "Instrument",
    "ListedGrid",
    "Option",
    "Perpetual",
    "Settlement",
    "combo_from_legs",
    "family",
    "from_units",
    "inverse_pnl",
    "kind_of",
    "linear_pnl",
    "listed",
    "listed_combo",
    "parse",
    "parse_combo",
    "payoff_coin",
    "payoff_usd",
    "round_coin",
    "spec_from_catalog",
    "to_units",
]
