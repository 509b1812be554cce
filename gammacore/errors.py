"""Every exception that gammacore raises on purpose.

::

    GammacoreError
    ├── ConfigError          a configuration file or override is wrong
    ├── CodeError            code of the user's own cannot be loaded, or failed: names file and line
    ├── DataError            a data file is wrong: names file, line and column where known
    ├── ContractError        an instrument name or contract quantity is wrong
    ├── CredentialsError     the key of an account is missing or unusable; never says what it is
    ├── SessionError         a live session is called wrongly (a bug of the caller, never the wire)
    ├── RequestError         a blocking request was refused, expired or lost
    ├── JournalError         a session's journal cannot be used: locked, damaged, of another version
    │   └── JournalLostError its writer can write it no more: disk full, removed, truncated
    └── LedgerError          a ledger invariant is broken (a bug, never a market event)

Wrong arguments to a numerical function raise the built-in ``ValueError`` or
``TypeError``, as numpy does.
"""

__all__ = [
    "CodeError",
    "ConfigError",
    "ContractError",
    "CredentialsError",
    "DataError",
    "GammacoreError",
    "JournalError",
    "JournalLostError",
    "LedgerError",
    "RequestError",
    "SessionError",
]


class GammacoreError(Exception):
    """Base of all errors raised by gammacore."""


class ConfigError(GammacoreError):
    """A configuration value is missing, unknown, of the wrong type or out of range."""


class CodeError(GammacoreError):
    """Code of the user's own cannot be loaded, or failed. The message names file, line and function."""


class DataError(GammacoreError):
    """A data file cannot be used. The message names the file and, where known, line and column."""


class ContractError(GammacoreError, ValueError):
    """An instrument name, price or amount does not fit the exchange's grammar or grid."""


class CredentialsError(GammacoreError):
    """The key of an account is missing or unusable. The message never contains a part of it."""


class SessionError(GammacoreError):
    """A live session was called wrongly: a bug of the caller, never something the exchange sent."""


class RequestError(GammacoreError):
    """A blocking request was refused, expired or lost with its connection; the message says which."""


class JournalError(GammacoreError):
    """The journal of a session cannot be used. The message names the file."""


class JournalLostError(JournalError):
    """The journal cannot be written any more: the disk is full, or a file was removed or cut."""


class LedgerError(GammacoreError):
    """Debits and credits do not balance, or a position and its value disagree."""
