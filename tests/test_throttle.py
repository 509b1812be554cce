from itertools import pairwise

import pytest

from gammacore.data.throttle import CATALOG, Throttle
from gammacore.errors import ConfigError


class World:
    """A clock that moves when somebody sleeps."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def make(rate, burst):
    world = World()
    return world, Throttle(rate, burst, clock=lambda: world.now, sleep=world.sleep)


def test_no_window_holds_more_than_burst_and_rate_allow():
    world, throttle = make(5.0, 8)
    sent = []
    for k in range(200):
        if k % 37 == 0:
            world.now += 1.3  # a rest
        throttle.wait("public/ticker")
        sent.append(world.now)
    for i, begin in enumerate(sent):
        for j in range(i, len(sent)):
            assert j - i + 1 <= 8 + 5.0 * (sent[j] - begin) + 1e-6


def test_a_steady_stream_goes_at_the_rate():
    world, throttle = make(4.0, 1)
    for _ in range(41):
        throttle.wait("public/ticker")
    assert world.now - 100.0 == pytest.approx(10.0)


def test_the_catalog_is_asked_for_once_a_second():
    world, throttle = make(100.0, 100)
    times = []
    for _ in range(4):
        throttle.wait(CATALOG)
        times.append(world.now)
    assert [b - a for a, b in pairwise(times)] == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (float("nan"), 1), (1.0, 0)])
def test_nonsense_is_refused(rate, burst):
    with pytest.raises(ConfigError, match="rate"):
        Throttle(rate, burst)
