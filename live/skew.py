"""How far our clock is from the exchange's, from the times that its answers carry."""

from __future__ import annotations

from gammacore.daycount import NS_PER_MICROSECOND, NS_PER_SECOND

from .news import ClockSkew

TOLERATED_NS = NS_PER_SECOND // 4  # beyond what a measurement leaves open
PAUSE_NS = 60 * NS_PER_SECOND  # between two complaints


class Skew:
    """The latest measurement; what is off is told, at most once a minute, and that it is over.

    Attributes
    ----------
    seconds : float
        By which our clock is behind.
    uncertainty : float
        Half the round trip of the measurement, seconds; infinite before the first.
    """

    def __init__(self) -> None:
        self.seconds, self.uncertainty = 0.0, float("inf")
        self._told_ns = 0
        self._off = False  # told, and not yet told that it is over

    def measure(self, sent_ns: int, received_ns: int, in_us: int, out_us: int) -> ClockSkew | None:
        """Compare, as NTP does: half the round trip is what stays unknown.

        Parameters
        ----------
        sent_ns, received_ns : int
            Our times of a request and its answer.
        in_us, out_us : int
            The exchange's times of the same, microseconds; 0 if it told none.
        """
        if in_us <= 0 or out_us <= 0:
            return None
        there = in_us * NS_PER_MICROSECOND - sent_ns
        back = out_us * NS_PER_MICROSECOND - received_ns
        skew, unknown = (there + back) / 2, abs(there - back) / 2
        self.seconds, self.uncertainty = skew / NS_PER_SECOND, unknown / NS_PER_SECOND
        off = abs(skew) > unknown + TOLERATED_NS
        if off == self._off and not (off and received_ns - self._told_ns >= PAUSE_NS):
            return None
        self._told_ns, self._off = received_ns, off
        return ClockSkew(received_ns, self.seconds, self.uncertainty)
