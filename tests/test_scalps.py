"""First in, first out: against a queue in exact fractions."""

from collections import deque
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gammacore.scalps import pair_first_in_first_out

lots = st.lists(st.integers(-9, 9).filter(bool), max_size=40)


def queue_pairs(amounts):
    """(amount, bought in, sold in) by a queue of open lots; -1 where the other side never came."""
    open_, pairs = deque(), []
    for trade, amount in enumerate(amounts):
        left = Fraction(amount)
        while left and open_ and open_[0][1] * left < 0:
            first, held = open_.popleft()
            size = min(abs(held), abs(left))
            pairs.append((size, first, trade) if held > 0 else (size, trade, first))
            sign = 1 if held > 0 else -1
            left += sign * size
            if abs(held) > size:
                open_.appendleft((first, held - sign * size))
        if left:
            open_.append((trade, left))
    rest = [(abs(held), first, -1) if held > 0 else (abs(held), -1, first) for first, held in open_]
    return sorted(pairs + rest)


@given(lots)
def test_pairs_are_those_of_a_queue(amounts):
    found = pair_first_in_first_out(np.array(amounts, dtype=float))
    rows = zip(found.amount.tolist(), found.bought.tolist(), found.sold.tolist(), strict=True)
    assert sorted((Fraction(a), b, s) for a, b, s in rows) == queue_pairs(amounts)


@given(lots, st.floats(1e-3, 1e3))
def test_amounts_that_are_no_whole_numbers_leave_no_dust(amounts, unit):
    found = pair_first_in_first_out(unit * np.array(amounts, dtype=float))
    expected = queue_pairs(amounts)
    assert len(found.amount) == len(expected)
    rows = sorted(zip(found.bought.tolist(), found.sold.tolist(), found.amount.tolist(), strict=True))
    for (b, s, amount), (size, bought, sold) in zip(rows, sorted(expected, key=lambda p: p[1:]), strict=True):
        assert (b, s) == (bought, sold)
        np.testing.assert_allclose(amount, unit * float(size), rtol=1e-9)
