"""Positions held against the exchange's, with its answers given by hand."""

import math
from itertools import count
from types import SimpleNamespace

import pytest

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_SECOND, parse_time
from gammacore.deribit.news import PositionMove
from gammacore.live.asked import Asked
from gammacore.live.audit import Audit, explaining, move_of, name_of
from gammacore.live.news import Answered

S = NS_PER_SECOND
NOON = parse_time("2026-01-16T12:00:00Z")
CALL = parse("BTC-16JAN26-60000-C")


class Session:
    """Notes questions; answers are given by :meth:`answer`."""

    def __init__(self):
        self.asked, self.numbers, self.now, self.dropped = [], count(1), NOON, []
        self.requests = Asked(self)

    def request(self, method, params, *, timeout_s=10.0):
        self.asked.append((method.name.partition("/")[2], params))
        return next(self.numbers)

    def answer(self, result):
        self.requests.answered(Answered(self.now, len(self.asked), "any", result))

    def now_ns(self):
        return self.now

    def drop(self, reason):
        self.dropped.append(reason)


@pytest.fixture
def session():
    return Session()


def audit_of(session, every_s=300, **options):
    told, moved = [], []
    parts = SimpleNamespace(
        session=session,
        feed=SimpleNamespace(currency="BTC"),
        execution=SimpleNamespace(busy=False),
        risk=SimpleNamespace(latch=lambda name, reason: told.append((name, reason))),
        positions=SimpleNamespace(
            differences=lambda positions, now_ns: positions, agrees=lambda news: news.size == 1.0
        ),
    )
    book = lambda *move: moved.append(move)  # noqa: E731
    audit = Audit(parts, session.requests, session.now_ns, every_s * S, book, **options)
    return audit, parts, told, moved


def move(number, amount, direction=0, price=math.nan):
    return PositionMove(NOON, number, CALL, direction, amount, price)


def test_a_difference_is_looked_up_then_asked_for_anew_and_halts_the_third_time(session):
    audit, _, told, _ = audit_of(session)
    x = {"BTC-PERPETUAL": (1.0, 2.0)}
    for found in (x, {}, x, x, {"BTC-PERPETUAL": (1.0, 3.0)}):
        audit.tick(session.now)
        assert session.asked[-1][0] == "get_positions"
        session.answer(found)
        if session.asked[-1][0] == "get_transaction_log":
            session.answer(())
        session.now += 5 * S if found else 300 * S
    assert [name for name, _ in session.asked] == [
        "get_positions", "get_transaction_log", "get_positions",
        "get_positions", "get_transaction_log", "get_positions", "get_positions",
    ]  # fmt: skip
    assert session.dropped == ["positions differ: BTC-PERPETUAL 1 here, 2 there"]
    assert told == [("positions", "positions differ: BTC-PERPETUAL 1 here, 3 there")]
    since = [session.asked[k][1]["start_timestamp"] * 1_000_000 for k in (1, 4)]
    # A minute before the last time that they agreed, or before the first look.
    assert since == [NOON - 60 * S, NOON + 5 * S - 60 * S]


def test_moves_in_the_log_explain_a_difference_once(session):
    audit, _, told, moved = audit_of(session, seen=[7])
    for _ in range(2):
        audit.tick(session.now)
        session.answer({CALL.name: (1.0, 3.0)})
        if session.asked[-1][0] == "get_transaction_log":
            session.answer((move(7, 2.0, 1), move(8, 0.5, 1), move(9, 1.5, 1)))
        session.now += 5 * S
    assert [(m.number, amount) for m, amount in moved] == [(8, 0.5), (9, 1.5)]  # 7 was booked before
    assert told == []
    assert len(session.dropped) == 1


def test_news_of_a_position_that_differs_call_for_an_audit(session):
    audit, *_ = audit_of(session)
    audit.tick(NOON)
    session.answer({})
    for size, asked in ((1.0, 1), (2.0, 2)):
        audit.position(SimpleNamespace(instrument=CALL, size=size))
        session.now += 2 * S
        audit.tick(session.now)
        assert len(session.asked) == asked
    session.answer({})
    for instrument in ("ABC-PERPETUAL", parse("ETH-PERPETUAL")):  # which none could name, nor is asked for
        audit.position(SimpleNamespace(instrument=instrument, size=5.0))
        session.now += 2 * S
        audit.tick(session.now)
        assert len(session.asked) == 2


def test_positions_that_settle_in_another_currency_are_not_looked_after(session):
    audit, _, told, _ = audit_of(session)
    other = dict.fromkeys(("ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH-16JAN26-3000-C"), (0.0, 5.0))
    for found in (other, other, other, other | {"BTC-16JAN26": (0.0, 5.0)}):
        audit.tick(session.now)
        session.answer(found)
        assert told == session.dropped == []
        session.now += 300 * S
    assert session.asked[-1][0] == "get_transaction_log"


def test_a_position_that_cannot_be_named_is_told_once_and_halts_nothing(session, caplog):
    audit, _, told, _ = audit_of(session)
    for _ in range(4):
        audit.tick(session.now)
        session.answer({"BTC-NEW-PRODUCT": (0.0, 5.0), "BTC_EURR-PERPETUAL": (0.0, 1.0)})
        session.now += 300 * S
    assert [name for name, _ in session.asked] == ["get_positions"] * 4
    assert told == session.dropped == []
    named = sorted(record.instrument for record in caplog.records if record.levelname == "WARNING")
    assert named == ["BTC-NEW-PRODUCT", "BTC_EURR-PERPETUAL"]
    audit.tick(session.now)
    session.answer({"BTC-NEW-PRODUCT": (0.0, 5.0), CALL.name: (1.0, 0.0)})
    assert session.asked[-1][0] == "get_transaction_log"


def test_positions_are_compared_only_while_nothing_is_at_work(session):
    audit, made, told, _ = audit_of(session, 60)
    made.execution.busy = True
    audit.tick(NOON)
    assert session.asked == []
    made.execution.busy = False
    audit.tick(NOON)
    made.execution.busy = True  # an order left before the answer came
    session.answer({"X": (1.0, 2.0)})
    assert (told, len(session.asked)) == ([], 1)


@pytest.mark.parametrize(
    ("moves", "change", "found"),
    [
        ([(1, 2.0, 1)], 2.0, [2.0]),
        ([(1, 2.0, 0)], -2.0, [-2.0]),  # the log tells no direction
        ([(1, 2.0, 0)], 2.0, [2.0]),
        ([(1, 2.0, -1)], 2.0, []),
        ([(1, 9.0, 1), (2, 2.0, 1), (3, 0.5, -1)], 1.5, [2.0, -0.5]),  # the latest
        ([(1, 2.0, 1)], 3.0, []),
        ([], 1.0, []),
    ],
)
def test_the_latest_moves_that_add_up_explain_a_change(moves, change, found):
    made = [move(number, amount, direction) for number, amount, direction in moves]
    assert [amount for _, amount in explaining(made, change)] == found


def test_a_move_has_a_name_among_trades():
    assert move_of(name_of(move(61_007, 1.0))) == 61_007
    assert move_of("61007") is None
