"""What a page says of the session itself: its journal and process, its connection, its mode."""

from __future__ import annotations

import math
from typing import Any, Protocol

import gammacore
from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_SECOND, format_time

from ..follow import Follower
from ..risk_manager import Mode
from .source import Source
from .story import Story

Row = dict[str, Any]
STALE_S = 10.0  # without a new record, until the page warns


class Shown(Protocol):
    """What of a board is shown here."""

    source: Source
    follower: Follower
    story: Story
    trouble: str
    broken: str
    behind: int
    starts: int
    started_ns: int
    skew_s: float


def session_of(board: Shown) -> Row:
    """Journal, process and counts; ``phase`` says whether all of it is of now."""
    follower, began, path = board.follower, board.story.began, board.source.path
    config, desk = follower.config, follower.desk
    waited = board.broken or board.trouble or board.source.waiting
    return {
        "phase": _phase(board),
        "idle": None if waited or (idle := follower.waiting()) is None else str(idle),
        "waiting": waited or ("a session to begin" if desk is None else ""),
        "behind": board.behind,
        "journal": path.name if path is not None else None,
        **{name: getattr(began, name, None) for name in ("venue", "paper", "speed", "version")},
        "shown_by": gammacore.__version__,
        "currency": config.coin if config is not None else None,
        "settlement": None if config is None else "linear" if config.linear else "listed",
        "starts": board.starts,
        "first_ms": follower.first_ns // NS_PER_MILLISECOND or None,
        "started_ms": board.started_ns // NS_PER_MILLISECOND or None,
        "last_ms": follower.last_ns // NS_PER_MILLISECOND or None,
        "uptime_s": max(follower.last_ns - board.started_ns, 0) / NS_PER_SECOND,
        "seq": follower.seq,
        "events": follower.events,
        "placed": len(follower.placed),
        "filled": follower.filled,
        "hedges": desk.portfolio.hedges if desk is not None else 0,
        "episodes": len(desk.portfolio.episodes) if desk is not None else 0,
    }


def _phase(board: Shown) -> str:
    if board.broken:
        return "broken"
    if board.follower.desk is None or board.source.waiting or board.trouble:
        return "waiting"
    if board.behind:
        return "catching up"
    if board.source.replaying:
        return "replay"
    return "ended" if board.follower.stopped else "live"


def price_age_s(board: Shown) -> float:
    """Age of the last price: since the journal was written to, and until then by its own clock."""
    follower, desk, began = board.follower, board.follower.desk, board.story.began
    if desk is None or not desk.market.data_ns:
        return math.nan
    speed = began.speed if began is not None else 1.0
    return board.source.silent_s + max(follower.last_ns - desk.market.data_ns, 0) / NS_PER_SECOND / speed


def health_of(board: Shown) -> Row:
    """Describe connection and ages, as far as the journal says."""
    silent_s, ended = board.source.silent_s, board.follower.stopped
    return {
        "silent_s": silent_s,
        "stale": bool(silent_s > STALE_S and not ended and board.follower.desk is not None),
        "price_age_s": price_age_s(board),
        "link": board.story.link or None,
        "reconnects": board.story.reconnects,
        "gaps": board.story.gaps,
        "skew_s": board.skew_s,
        "parity": board.follower.departure is None,
    }


def past_words(board: Shown) -> str:
    """Say that what is shown is not of now; empty if it is."""
    at, silent_s = format_time(board.follower.last_ns)[:19], board.source.silent_s
    if board.follower.stopped:
        return f"the session has ended; this was at {at} UTC"
    if health_of(board)["stale"]:
        return (
            f"nothing was written for {silent_s:,.0f} s: the session hangs or is gone; this was at {at} UTC"
        )
    return ""


def mode_of(follower: Follower) -> Row | None:
    """Mode with its reasons, None before the start."""
    changed = follower.mode
    if changed is None:
        return None
    return {
        "name": Mode(changed.mode).name,
        "reasons": list(changed.reasons),
        "since_ms": changed.ts_ns // NS_PER_MILLISECOND,
    }
