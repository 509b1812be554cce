"""What a session asks for as time goes by, with the exchange's answers given by hand."""

import json
from itertools import count
from types import SimpleNamespace

import pytest

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_DAY, NS_PER_SECOND, parse_time
from gammacore.deribit.methods import GET_DELIVERY_PRICES
from gammacore.deribit.news import PlatformNews, StatusNews, SummaryRow
from gammacore.events import Snapshot
from gammacore.live.asked import Asked
from gammacore.live.news import Answered
from gammacore.live.questions import AHEAD_NS, ChainLook, DeliveryPrices, Locks, Questions, Timing
from gammacore.live.risk_manager import Mode

S = NS_PER_SECOND
NOON = parse_time("2026-01-16T12:00:00Z")
CALL = parse("BTC-16JAN26-60000-C")


class Session:
    """Notes questions; answers are given by :meth:`answer`."""

    def __init__(self):
        self.asked, self.numbers, self.now = [], count(1), NOON
        self.requests = Asked(self)

    def request(self, method, params, *, timeout_s=10.0):
        self.params = params
        self.asked.append(method.name.partition("/")[2])
        return next(self.numbers)

    def answer(self, result):
        self.requests.answered(Answered(self.now, len(self.asked), "any", result))

    def now_ns(self):
        return self.now


@pytest.fixture
def session():
    return Session()


def parts(**changes):
    """Parts of a hedger, as far as the questions look at them."""
    told = []
    risk = SimpleNamespace(
        mode=Mode.NORMAL,
        is_locked=False,
        account_locked=False,
        maintenance=False,
        heard_ns=NOON,
        told=told,
        latch=lambda name, reason: told.append((name, reason)),
        locked=lambda name, locked: told.append((name, locked)),
        only_locked=told.append,
    )
    feed = SimpleNamespace(
        base="BTC",
        currency="BTC",
        delivery_index="btc_usd",
        chain=lambda rows: rows or None,
        perpetual=None,
        tickers={},
    )
    leaving = SimpleNamespace(active=False)
    desk = SimpleNamespace(closing=False, portfolio=SimpleNamespace(open={}), leaving=leaving)
    execution = SimpleNamespace(busy=False)
    positions = SimpleNamespace()
    made = {
        "session": None,
        "risk": risk,
        "feed": feed,
        "desk": desk,
        "execution": execution,
        "positions": positions,
    }
    return SimpleNamespace(**(made | changes))


def row(ts_ns):
    return SummaryRow(ts_ns, CALL, 0.1, 0.1, 0.1, 0.5, 60e3, "", 1.0)


# --------------------------------------------------------------------------- chains


def look(session, made):
    taken = []
    return ChainLook(made, session.requests, taken.append, session.now_ns, 10 * S), taken


def test_a_chain_is_asked_for_as_often_as_wanted_and_never_twice_at_once(session):
    chain, taken = look(session, parts())
    for at in (0, 5, 10, 11):
        chain.tick(NOON + at * S)
    assert session.asked == ["get_book_summary_by_currency"]  # the first has no answer yet
    session.answer([row(NOON)])
    chain.tick(NOON + 12 * S)
    assert (len(session.asked), taken) == (2, [[row(NOON)]])


@pytest.mark.parametrize("mode", [Mode.HEDGE_ONLY, Mode.HALT])
def test_no_chain_is_asked_for_or_taken_where_nothing_may_be_entered(session, mode):
    made = parts()
    chain, taken = look(session, made)
    chain.tick(NOON)
    made.risk.mode = mode
    session.answer([row(NOON)])  # on its way when the mode changed
    chain.tick(NOON + 60 * S)
    assert (taken, len(session.asked)) == ([], 1)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("paused", [False, True])
def test_rules_look_at_what_is_held_where_nothing_may_be_entered(session, mode, paused):
    """A stop must not wait for the end of a guard, or of the pause after an entry that was refused."""
    made = parts()
    made.desk.leaving.active, made.desk.portfolio.open = True, {0: "an episode"}
    made.feed.chain = lambda rows: Snapshot(rows[0].ts_ns, None)
    made.risk.mode = mode
    chain, taken = look(session, made)
    chain.pause(NOON + 60 * S if paused else 0)
    chain.tick(NOON)
    if mode is Mode.HALT:
        assert session.asked == []
        return
    session.answer([row(NOON)])
    assert [event.entries for event in taken] == [mode is Mode.NORMAL and not paused]
    made.desk.portfolio.open = {}
    chain.tick(NOON + 10 * S)
    assert len(session.asked) == (2 if mode is Mode.NORMAL and not paused else 1)


def test_no_chain_is_asked_for_while_everything_is_closed_or_paused(session):
    made = parts()
    chain, _ = look(session, made)
    chain.pause(NOON + 30 * S)
    chain.tick(NOON + 29 * S)
    made.desk.closing = True
    chain.tick(NOON + 31 * S)
    assert session.asked == []
    made.desk.closing = False
    chain.tick(NOON + 31 * S)
    assert len(session.asked) == 1


def test_rows_from_the_future_are_left_out(session):
    chain, taken = look(session, parts())
    chain.tick(NOON)
    session.answer([row(NOON + AHEAD_NS), row(NOON + AHEAD_NS + 1)])
    assert taken == [[row(NOON + AHEAD_NS)]]


# --------------------------------------------------------------------------- locks, delivery prices


def test_locks_are_asked_for_only_while_something_is_locked(session):
    made = parts()
    locks = Locks(made, session.requests)
    locks.tick(NOON)
    assert session.asked == []
    made.risk.is_locked = True
    for at in (0, 1, 5):
        locks.tick(NOON + at * S)
    assert session.asked == ["status"]
    session.answer(StatusNews(NOON, False, ("btc_usd", "eth_usd")))
    assert made.risk.told == [["btc_usd", "eth_usd"], ("btc_usd", True)]
    locks.tick(NOON + 10 * S)
    assert len(session.asked) == 2


def test_a_lock_of_another_coin_is_none_of_ours(session):
    made = parts()
    locks = Locks(made, session.requests)
    for index in ("eth_usd", "btc_usdc", ""):
        locks.changed(PlatformNews(NOON, index, True, False))
    assert made.risk.told == [("btc_usdc", True), ("exchange", True)]


def test_a_delivery_price_is_taken_for_what_has_expired_and_nothing_else(session):
    held = {
        number: SimpleNamespace(legs={parse(f"BTC-{day}JAN26-60000-C"): 1.0})
        for number, day in enumerate((15, 16, 17))
    }
    made = parts(desk=SimpleNamespace(portfolio=SimpleNamespace(open=held)))
    taken = []
    prices = DeliveryPrices(made, session.requests, taken.append, session.now_ns)
    prices.tick(NOON)
    rows = [{"date": f"2026-01-{day}", "delivery_price": 60e3 + day} for day in (17, 16, 15)]
    session.answer(GET_DELIVERY_PRICES.decode(json.dumps({"data": rows}).encode(), 0))
    assert [(event.expiry_ns, event.price) for event in taken] == [
        (parse_time("2026-01-15T08:00:00Z"), 60_015.0),
        (parse_time("2026-01-16T08:00:00Z"), 60_016.0),
    ]


@pytest.mark.parametrize(("days", "rows"), [(0, 2), (1, 3), (40, 42), (5_000, 1_000)])
def test_delivery_prices_are_asked_for_back_to_the_oldest_expiry_that_is_held(days, rows, session):
    open_ = {0: SimpleNamespace(legs={CALL: 1.0})}
    desk = SimpleNamespace(portfolio=SimpleNamespace(open=open_))
    prices = DeliveryPrices(parts(desk=desk), session.requests, print, session.now_ns)
    prices.tick(NOON + days * NS_PER_DAY)
    assert session.params == {"index_name": "btc_usd", "count": rows}


def test_a_session_that_ends_asks_for_no_chain(session):
    take, moved = (lambda event: None), (lambda *move: None)
    questions = Questions(parts(), session.requests, take, session.now_ns, Timing(S, S), moved=moved)
    questions.tick(NOON, stopping=True)
    assert session.asked == ["get_positions"]
    questions.tick(NOON, stopping=False)
    assert session.asked == ["get_positions", "get_book_summary_by_currency"]
