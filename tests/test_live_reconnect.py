"""Delays between attempts to connect."""

import random

import pytest

from gammacore.daycount import NS_PER_SECOND
from gammacore.live.reconnect import (
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    LONGEST_REFUSED_S,
    PROVEN_NS,
    REFUSED_DELAY_S,
    Reconnect,
)

NOW = 1_790_000_000 * NS_PER_SECOND


@pytest.mark.parametrize(
    ("refused", "first", "longest"),
    [(False, 2 * FIRST_DELAY_S, LONGEST_DELAY_S), (True, REFUSED_DELAY_S, LONGEST_REFUSED_S)],
)
def test_delays_double_up_to_a_bound_and_are_jittered(refused, first, longest):
    reconnect, delays = Reconnect(random.Random(1)), []
    for _ in range(14):
        reconnect.trying()
        if refused:
            reconnect.unauthorised("no such key", NOW)
        delays.append(reconnect.plan(NOW))
        assert reconnect.due_ns == NOW + int(delays[-1] * NS_PER_SECOND)
    for k, delay in enumerate(delays):
        ceiling = min(first * 2**k, longest)
        assert ceiling / 2 <= delay <= ceiling
    assert len(set(delays)) == 14


@pytest.mark.parametrize(("lived_ns", "anew"), [(PROVEN_NS - 1, False), (PROVEN_NS, True)])
def test_a_session_that_lasted_starts_the_count_anew(lived_ns, anew):
    reconnect = Reconnect(random.Random(1))
    for _ in range(9):
        reconnect.trying()
        reconnect.plan(NOW)
    reconnect.trying()
    reconnect.ready(NOW)
    assert reconnect.refused == ""
    delay = reconnect.plan(NOW + lived_ns)
    assert (reconnect.attempts == 0, delay <= FIRST_DELAY_S) == (anew, anew)


def test_a_key_that_is_refused_again_after_a_session_that_lasted_is_tried_soon():
    reconnect = Reconnect(random.Random(1))
    for _ in range(5):
        reconnect.trying()
        reconnect.unauthorised("expired", NOW)
        reconnect.plan(NOW)
    reconnect.trying()
    reconnect.ready(NOW)
    reconnect.unauthorised("revoked", NOW + PROVEN_NS)
    assert reconnect.refused == "revoked"
    assert reconnect.plan(NOW + PROVEN_NS) <= REFUSED_DELAY_S
