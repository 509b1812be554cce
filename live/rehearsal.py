"""A session that nobody hears: it runs the code that news and orders run, so that it is warm in time.

A processor that did something else for a while takes twice as long for the same (see docs/session.md).
"""

from __future__ import annotations

import secrets

import msgspec

from gammacore.deribit.news import RateLimit, RateLimits

from .budget import Budget
from .credentials import Credentials
from .frames import masked
from .news import State
from .protocol import DeribitProtocol

KEY = Credentials("rehearsal", secrets.token_hex())
PLENTY = RateLimit(1e9, 1e9)
GRANTED = {"access_token": "", "refresh_token": "", "expires_in": 1e9}


class Rehearsal:
    """What it hears, or hears nothing of, can end it: it then begins anew."""

    def __init__(self, now_ns: int) -> None:
        self.protocol = _ready(now_ns)

    def run(self, frame: bytes, now_ns: int) -> None:
        """Hear a frame, and send an order that goes nowhere."""
        if self.protocol.state is not State.READY:
            self.protocol = _ready(now_ns)
        protocol = self.protocol
        protocol.receive(frame, now_ns)
        protocol.send_order("BTC-PERPETUAL", 10.0, now_ns, label="rehearsal", limit=0.5, timeout_s=0.0)
        for order in protocol.data_to_send():
            masked(order)
        protocol.tick(now_ns)  # its time is over
        protocol.events_received()


def _ready(now_ns: int) -> DeribitProtocol:
    """Make a session that was granted everything."""
    protocol = DeribitProtocol(KEY, budget=Budget(RateLimits(PLENTY, PLENTY)))
    protocol.connection_made(now_ns)
    while frames := protocol.data_to_send():
        for frame in frames:
            id_ = msgspec.json.decode(frame)["id"]
            protocol.receive(msgspec.json.encode({"id": id_, "result": GRANTED}), now_ns)
    return protocol
