"""What a process says of itself when it begins to write a journal."""

from __future__ import annotations

import msgspec

from gammacore.contracts import ListedGrid
from gammacore.errors import JournalError


class Began(msgspec.Struct, frozen=True, tag=True):
    """A process goes on with a journal, or begins it.

    Attributes
    ----------
    ts_ns : int
    version : str
        Of gammacore.
    venue : str
    paper : bool
        Whether orders are filled on paper.
    speed : float
        Seconds of market in one of the machine's.
    pid : int
        Of the process, 0 in journals of before.
    account : str
        Whose key it has, as the exchange numbers accounts; empty without one.
    """

    ts_ns: int
    version: str
    venue: str
    paper: bool
    speed: float
    pid: int = 0
    account: str = ""

    def demand_same(self, journal: str, venue: str, *, paper: bool) -> None:
        """Refuse to go on where the positions of the journal are not.

        Raises
        ------
        JournalError
        """
        if venue != self.venue:
            raise JournalError(
                f"{journal}: kept on {self.venue}, so its positions are not on {venue}; "
                f"start it with --venue {self.venue}, or begin a new journal"
            )
        if self.paper and not paper:
            raise JournalError(
                f"{journal}: filled on paper, so the account does not hold its positions; "
                "go on with --dry-run or --shadow, or begin a new journal"
            )
        if paper and not self.paper:
            raise JournalError(
                f"{journal}: its positions are real, and paper would be mixed with them; "
                "go on without --dry-run and --shadow, or begin a new journal"
            )

    def demand_account(self, journal: str, account: str) -> None:
        """Refuse the key of an account that does not hold the journal's positions.

        Raises
        ------
        JournalError
        """
        if self.account and account and account != self.account:
            raise JournalError(
                f"{journal}: kept with a key of account {self.account}, and this key is of account "
                f"{account}; set a key of the first, or begin a new journal"
            )


class CatalogRead(msgspec.Struct, frozen=True, tag=True):
    """Grids and fees that the desk decides by from here on, as the exchange lists them."""

    ts_ns: int
    rows: tuple[ListedGrid, ...]


class SwitchSeen(msgspec.Struct, frozen=True, tag=True):
    """The session answers the kill switch.

    Attributes
    ----------
    ts_ns : int
    flatten : bool
        Whether it closes its positions, too.
    stage : {'taken', 'cancelled', 'flat'}
        It acts on it; nothing of it is at work any more; it holds nothing any more.
    """

    ts_ns: int
    flatten: bool
    stage: str


class Orphaned(msgspec.Struct, frozen=True, tag=True):
    """The process that supervises the session is gone; ``then`` is what the session does."""

    ts_ns: int
    then: str
