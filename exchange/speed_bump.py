"""How long an order that would take is held before it enters the book.

Every order that would match on entry waits in a queue, except in the inverse perpetuals of BTC and ETH. It
began with perpetuals in USDC on SOL, XRP and HYPE on 17 September 2026, and with everything else on the 23rd.
That options and dated futures of BTC and ETH are not exempt is announced, and not confirmed.
"""

from __future__ import annotations

from gammacore.daycount import NS_PER_MILLISECOND, parse_time

from .catalog import ListedContract

__all__ = ["EDITS_REFUSED_NS", "bump_ns"]

FIRST_NS, ALL_NS = parse_time("2026-09-17"), parse_time("2026-09-23")
EDITS_REFUSED_NS = parse_time("2026-11-26")  # since then a held order cannot be edited
FIRST, EXEMPT = ("SOL", "XRP", "HYPE"), ("BTC", "ETH")


def bump_ns(listing: ListedContract, now_ns: int, length_ms: float) -> int:
    """Time that a taker waits, 0 where there is no bump."""
    perpetual = listing.kind == "future" and listing.expiry_ns is None
    if perpetual and listing.inverse and listing.base in EXEMPT:
        return 0
    since_ns = FIRST_NS if perpetual and listing.base in FIRST else ALL_NS
    return round(length_ms * NS_PER_MILLISECOND) if now_ns >= since_ns else 0
