"""Leaky buckets: never more than was granted, whatever the order of requests and times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.deribit.news import RateLimit, RateLimits
from gammacore.live.budget import Bucket, Budget, RequestKind, kind_of

NOW, SECOND = 10**18, 10**9


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("private/buy", RequestKind.ORDER),
        ("private/edit_by_label", RequestKind.ORDER),
        ("private/mass_quote", RequestKind.ORDER),
        ("private/cancel", RequestKind.CANCEL),
        ("private/cancel_all_by_instrument", RequestKind.CANCEL),
        ("public/subscribe", RequestKind.SUBSCRIBE),
        ("private/subscribe", RequestKind.SUBSCRIBE),
        ("public/unsubscribe", RequestKind.OTHER),
        ("public/get_instruments", RequestKind.CATALOG),
        ("public/get_instrument", RequestKind.OTHER),
        ("private/get_transaction_log", RequestKind.SLOW),
        ("private/get_open_orders", RequestKind.OTHER),
    ],
)
def test_classes_of_methods(method, kind):
    assert kind_of(method) is kind


@given(
    st.floats(0.5, 50.0),
    st.floats(1.5, 100.0),
    st.lists(st.tuples(st.integers(-SECOND, 3 * SECOND), st.booleans()), min_size=1, max_size=200),
)
def test_no_window_holds_more_than_burst_and_rate(rate, burst, steps):
    bucket, now, taken = Bucket(RateLimit(rate, burst)), NOW, []
    for step, patient in steps:
        now = max(NOW, bucket.ready_ns(now) if patient else now + step)  # clocks may step back
        if bucket.take(now):
            taken.append(now)
        else:
            assert not patient
    taken.sort()
    for i, start in enumerate(taken):
        for count, end in enumerate(taken[i:], 1):
            assert count <= burst + rate * (end - start) / SECOND + 1e-6


def test_cancels_have_their_own_reserve():
    budget = Budget()
    orders = sum(budget.admit("private/buy", NOW) for _ in range(100))
    cancels = sum(budget.admit("private/cancel", NOW) for _ in range(100))
    assert orders + cancels == 18
    assert cancels >= 4
    assert budget.admit("public/get_time", NOW)


@pytest.mark.parametrize("later_ns", [-3_600 * SECOND, 3_600 * SECOND])
def test_a_clock_that_was_set_gives_nothing_and_takes_nothing(later_ns):
    budget = Budget()
    while budget.admit("private/buy", NOW):
        pass
    now_ns = NOW + later_ns
    budget.clock_set(now_ns)
    assert not budget.admit("private/buy", now_ns)
    assert budget.admit("private/buy", now_ns + SECOND)


def test_the_session_itself_always_goes():
    budget = Budget()
    while budget.admit("public/test", NOW):
        pass
    assert all(budget.admit("public/test", NOW, own=True) for _ in range(30))
    assert not budget.admit("public/test", NOW + SECOND)
    assert budget.ready_ns("public/test", NOW + SECOND) > NOW + SECOND


def test_backing_off_stops_all_but_cancels():
    budget = Budget()
    budget.back_off(NOW + SECOND)
    assert not budget.admit("private/buy", NOW)
    assert not budget.admit("public/get_time", NOW)
    assert budget.admit("private/cancel", NOW)
    assert budget.ready_ns("private/buy", NOW) == NOW + SECOND
    assert budget.ready_ns("private/cancel", NOW) == NOW
    assert budget.admit("private/buy", NOW + SECOND)


def test_new_limits_keep_what_is_used():
    budget = Budget()
    for _ in range(13):
        budget.admit("private/buy", NOW)
    budget.adopt(RateLimits(RateLimit(30.0, 100.0), None))
    assert sum(budget.admit("private/buy", NOW) for _ in range(200)) == 54  # 90 - 22.5 in reserve - 13
    budget.adopt(RateLimits(RateLimit(0.0, 0.0), RateLimit(-1.0, 5.0)))  # nonsense changes nothing
    assert budget.admit("private/cancel", NOW)
