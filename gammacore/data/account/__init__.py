"""A trader's own past: transaction logs, trade histories and tables of trades, in and out."""

from .reading import AccountHistory, AccountOptions, Skipped, read_account
from .rows import AccountRow, Delivered, Execution, cash, deliveries, executions
from .storing import account_rows

__all__ = [
    "AccountHistory",
    "AccountOptions",
    "AccountRow",
    "Delivered",
    "Execution",
    "Skipped",
    "account_rows",
    "cash",
    "deliveries",
    "executions",
    "read_account",
]
