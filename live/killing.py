"""``gammacore kill``: cancel everything, block trading until reset, and report the state.

The switch is a file beside the journal. A session answers it in its journal (:class:`.about.SwitchSeen`).
Whether there is a session is told by the lock that it holds while it lives: no reuse of process ids can fake
that.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from gammacore.errors import GammacoreError, JournalError, SessionError
from gammacore.tolerances import DUST

from .about import SwitchSeen
from .follow import Follower
from .journal import absent, is_held, length, read
from .records import decode_fact
from .retold import last_start
from .supervised import kill_file

LOOK_S = 0.2


class Outcome(NamedTuple):
    """What came of a kill.

    ``session`` is ``none`` (nobody writes the journal), ``answered``, ``ended`` (before it answered) or
    ``silent``; ``stage`` the last one of :class:`.about.SwitchSeen`. ``positions`` are those of the journal
    by instrument, in the exchange's unit, None if it cannot be read. ``done`` says whether what was asked
    for has happened.
    """

    done: bool
    said: str
    switch: Path
    flatten: bool
    session: str
    stage: str
    positions: dict[str, float] | None


def pull(journal: Path, *, flatten: bool) -> Path:
    """Throw the kill switch of a session; returns the file that keeps it thrown.

    Raises
    ------
    SessionError
        If there is neither a journal nor a session that has lost it.
    """
    if not is_held(journal):
        if not journal.is_file() and not Path(f"{journal}.lock").is_file():
            raise SessionError(absent(journal))
        if journal.is_file() and not _looks_like_a_journal(journal):
            raise SessionError(f"{journal}: not a journal, so no session looks for a kill switch beside it")
    switch = kill_file(journal)
    fresh = Path(f"{switch}.new")
    # Each throw is another text, so that a session answers every one.
    text = f"{'flatten' if flatten else 'halt'} {time.time_ns()}\n"
    with open(fresh, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    fresh.replace(switch)
    return switch


def kill(journal: Path, *, flatten: bool, wait_s: float) -> Outcome:
    """Throw the switch, and wait for what the session does.

    Parameters
    ----------
    journal : Path
    flatten : bool
        Close all positions, too.
    wait_s : float
        For the answer, and again for what it leads to.

    Returns
    -------
    Outcome

    Raises
    ------
    SessionError
        If there is nothing to kill.
    """
    before = _length(journal)
    held = is_held(journal)
    switch = pull(journal, flatten=flatten)
    stage, session = "", "none"
    if held:
        stage, session = _wait(journal, before, "flat" if flatten else "cancelled", wait_s)
    follower = _followed(journal)
    positions = None if follower is None else own_positions(follower)
    done = stage == "flat" or (session == "ended" and positions == {})
    if not flatten:  # with its connection the exchange cancels what rests
        done = done or stage == "cancelled" or session == "ended"
    said = _words(journal, flatten, session, stage, positions, wait_s) + _staying(follower)
    return Outcome(done, said, switch, flatten, session, stage, positions)


def _wait(journal: Path, before: int, wanted: str, wait_s: float) -> tuple[str, str]:
    """Follow the journal until it has the answer; its last stage, and what is known of the session."""
    stage, until = "", time.monotonic() + wait_s
    while time.monotonic() < until:
        held = is_held(journal)
        for seen in _answers(journal, before):
            until = until if stage else time.monotonic() + wait_s
            stage = seen.stage
        if stage == wanted or stage == "flat":
            return stage, "answered"
        if not held:
            return stage, "ended"
        time.sleep(LOOK_S)
    return stage, "answered" if stage else "silent"


def _answers(journal: Path, before: int) -> list[SwitchSeen]:
    try:
        records = list(read(journal, before))
    except JournalError:
        return []
    return [decode_fact(r.body, SwitchSeen) for r in records if r.name == "SwitchSeen"]


def _length(journal: Path) -> int:
    try:
        return length(journal)
    except JournalError:
        return 0


def _followed(journal: Path) -> Follower | None:
    follower = Follower(journal)
    try:
        follower.update()
    except (ArithmeticError, GammacoreError, LookupError, OSError, ValueError):
        return None
    return follower


def _staying(follower: Follower | None) -> str:
    """Name the adopted options, which a kill never closes."""
    open_ = [] if follower is None or follower.desk is None else follower.desk.portfolio.open.values()
    options = {option for episode in open_ if episode.adopted for option in episode.legs}
    return f"; {len(options)} adopted options stay in the account" if options else ""


def own_positions(follower: Follower) -> dict[str, float]:
    """Sum up what a journal's desk holds, in the exchange's unit; options of the holder are not its own."""
    if follower.desk is None:
        return {}
    held = follower.desk.portfolio.positions()
    for episode in follower.desk.portfolio.open.values():
        for option, amount in episode.legs.items() if episode.adopted else ():
            held[option] -= amount
    return {instrument.name: size for instrument, size in held.items() if abs(size) > DUST}


def _words(
    journal: Path, flatten: bool, session: str, stage: str, positions: dict[str, float] | None, wait_s: float
) -> str:
    """Say what is true, and what to do."""
    held = _count(positions)
    direct = f"gammacore kill {journal} --flatten --direct closes them"
    if session in ("none", "ended"):
        what = "no session runs on this journal" if session == "none" else "the session has ended"
        rest = f"; {direct}" if positions else ""
        return f"{what}, and none starts while the switch is there; {held}{rest}"
    if session == "silent":
        return (
            f"the session did not answer within {wait_s:g} s, but its process{_pid(journal)} is there: it "
            f"may hang; end it (kill -9), the exchange then cancels what rests; {held}; {direct}"
        )
    if flatten:
        if stage == "flat":
            return "the session has closed all positions and ends"
        return f"the session is closing, not yet flat after {wait_s:g} s: it goes on until it is; {held}"
    if stage == "taken":
        return f"the session has halted; not all orders are cancelled after {wait_s:g} s, it tries on; {held}"
    return f"the session has halted, its orders are cancelled; {held}"


def _count(positions: dict[str, float] | None) -> str:
    if positions is None:
        return "its journal cannot be read, so its positions are not known here: look at the exchange"
    if not positions:
        return "no positions remain"
    told = ", ".join(f"{size:+,g} {name}" for name, size in sorted(positions.items()))
    return f"{len(positions)} position{'s' if len(positions) > 1 else ''} of it remain: {told}"


def _pid(journal: Path) -> str:
    """Process of the last start, as far as the journal says."""
    try:
        began = last_start(journal)
    except (JournalError, ValueError):
        return ""
    return f" {began.pid}" if began is not None and began.pid else ""


def _looks_like_a_journal(path: Path) -> bool:
    """Go by the first bytes alone: a damaged journal must not be in the way of stopping."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")
