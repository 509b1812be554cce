"""Positions of the account's holder are taken over, hedged, and never traded."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from gammacore.contracts import Option, parse
from gammacore.deribit.news import PositionMove
from gammacore.live.assemble import build_hedger
from gammacore.live.attempts import Placed
from gammacore.live.follow import Follower, carried
from gammacore.live.journal import Journal, read
from gammacore.live.killing import kill
from gammacore.live.paper import Paper
from gammacore.live.parity import check
from gammacore.live.past import past_of
from gammacore.live.positions import Adopted, TakenOver
from gammacore.live.records import decode_fact
from gammacore.live.risk_manager import Mode
from gammacore.live.view import hedged, screen
from gammacore.orders import Leg, Order, Purpose
from gammacore.risk import totals
from support.live_processes import positions_in
from support.live_world import ID, SECRET, Process, World, lively, together
from support.local_exchange import Client as Holder

PERPETUAL = "BTC-PERPETUAL"
BAND = 0.02


@pytest.fixture
def path(tmp_path):
    return tmp_path / "j.db"


def hedging(**changes):
    return lively(**({"entry__structure": "none", "live__adopt": "all", "hedge__band": BAND} | changes))


def trade(world, method, **params):
    world.exchange.advance(world.now_ns)
    return Holder(world.exchange, ID, SECRET).call(f"private/{method}", **params)


def listed(world, count, expiries=2):
    """Names of options, over several expiries."""
    by_expiry = {}
    for listing in world.exchange.floor.catalog.by_name.values():
        if isinstance(listing.instrument, Option) and listing.state == "open":
            by_expiry.setdefault(listing.instrument.expiry_ns, []).append(listing.name)
    chosen = [by_expiry[ts] for ts in sorted(by_expiry)[:expiries]]
    return [names[i] for i in range(count) for names in chosen][:count]


def buy(world, name, amount=1.0, **params):
    way = "buy" if amount > 0 else "sell"
    return trade(world, way, instrument_name=name, amount=abs(amount), type="market", **params)


def facts(path, kind):
    return [decode_fact(r.body, kind) for r in read(path) if r.name == kind.__name__]


def held(process):
    return {n: s for n, s in process.hedger.positions.own().items() if n != PERPETUAL}


def delta(process):
    return totals(process.hedger.desk.portfolio, process.hedger.desk.market).delta


def calm(process):
    """Whether everything is taken over, and the delta in its band."""
    hedger = process.hedger
    lot = 20 / max(hedger.desk.market.index, 1.0)
    return lambda: hedger.quiet and not hedger.adoption.waits and abs(delta(process)) <= BAND + lot


def never_an_option(path):
    return not [p for p in facts(path, Placed) if isinstance(p.instrument, Option)]


def test_positions_are_taken_over_at_their_mark_and_hedged(path):
    world = World(linear=())
    names = listed(world, 4)
    for name, amount in zip(names, (1.0, -0.5, 2.0, 0.3), strict=True):
        buy(world, name, amount)
    process = Process(world, path, hedging())
    assert process.run(20, lambda: bool(held(process)) and calm(process)())
    assert held(process) == dict(zip(names, (1.0, -0.5, 2.0, 0.3), strict=True))
    desk = process.hedger.desk
    assert all(e.adopted for e in desk.portfolio.open.values())
    assert len(desk.portfolio.open) == 2  # one an expiry
    assert process.hedger.dispatch.sent > 0
    taken = {fact.instrument: fact for fact in facts(path, TakenOver)}
    assert {name: fact.amount for name, fact in taken.items()} == held(process)
    assert not process.hedger.risk.causes
    process.close()
    assert never_an_option(path)
    assert check(path).departure is None
    # What was taken over is not taken over again.
    before = len(facts(path, TakenOver))
    again = Process(world, path, hedging())
    assert again.run(20, calm(again))
    assert held(again) == dict(zip(names, (1.0, -0.5, 2.0, 0.3), strict=True))
    assert len(facts(path, TakenOver)) == before
    assert not again.hedger.risk.causes
    again.close()
    assert check(path).departure is None


def start(world, path, *bought, **changes):
    """Begin a session on an account that has bought something, and have all of it taken over."""
    for name, amount in bought:
        buy(world, name, amount)
    process = Process(world, path, hedging(**changes))
    assert process.run(25, lambda: process.hedger.positions.shares.surveyed and calm(process)())
    return process


def test_the_holders_own_trades_change_the_book_and_the_hedge_follows(path):
    world = World(linear=())
    first, second, third, fourth = listed(world, 4)
    process = start(world, path, (first, 1.0))
    assert held(process) == {first: 1.0}
    buy(world, second, -2.0)  # of another expiry
    buy(world, first, -0.4)
    process.run(20, calm(process))
    assert held(process) == pytest.approx({first: 0.6, second: -2.0})
    assert abs(delta(process)) <= BAND + 0.001
    buy(world, second, 2.0)  # closed by hand: nothing latches, the rest is hedged on
    process.run(20, calm(process))
    assert held(process) == pytest.approx({first: 0.6})
    assert process.hedger.risk.mode == 0
    buy(world, first, -0.6)
    process.run(20, lambda: process.hedger.flat)
    assert process.hedger.flat
    assert process.hedger.positions.own() == {}
    buy(world, third, 1.0)  # a new book
    process.run(20, calm(process))
    assert held(process) == {third: 1.0}
    assert process.hedger.positions.own()[PERPETUAL] != 0.0
    process.close()
    buy(world, fourth, 1.5)  # while nobody looks
    buy(world, third, -1.0)
    again = Process(world, path, hedging())
    assert again.run(30, lambda: held(again) == {fourth: 1.5} and calm(again)())
    assert {p: s for p, s in again.hedger.positions.others.items() if s} == {first: -1.0}
    assert again.hedger.risk.mode == 0
    again.close()
    assert never_an_option(path)
    assert check(path).departure is None


@pytest.mark.parametrize("orphan", ["close", "keep"])
def test_a_book_whose_options_are_gone_has_its_hedge_closed_or_kept(path, orphan):
    world = World(linear=())
    (name,) = listed(world, 1)
    process = start(world, path, (name, 2.0), hedge__orphan=orphan)
    buy(world, name, -2.0)
    process.run(30, lambda: process.hedger.quiet)
    own = process.hedger.positions.own()
    assert (own == {}) == (orphan == "close")
    assert ("orphan" in process.hedger.risk.causes) == (orphan == "keep")
    buy(world, name, 1.0)
    process.run(20, calm(process))
    assert held(process) == {name: 1.0}
    assert "orphan" not in process.hedger.risk.causes
    process.close()
    assert check(path).departure is None


def test_only_what_is_selected_is_taken_over(path):
    world = World(linear=())
    near, far, near_too, _ = listed(world, 4)
    day = near.split("-")[1]
    process = start(
        world, path, (near, 1.0), (far, 1.0), (near_too, 1.0),
        live__adopt_expiries=[day], live__adopt_instruments=[f"*-{near.split('-', 2)[2]}"],
    )  # fmt: skip
    assert held(process) == {near: 1.0}
    buy(world, far, 1.0)
    buy(world, near_too, -1.0)
    buy(world, near, 1.0)
    process.run(20, calm(process))
    assert held(process) == {near: 2.0}
    assert process.hedger.positions.others[far] == 1.0
    process.close()


def test_what_trades_with_a_label_opened_is_told_from_the_rest(path):
    world = World(linear=())
    (name, other) = listed(world, 2)
    buy(world, name, 1.0, label="mine-1")
    buy(world, name, 0.5)
    buy(world, other, 1.0)
    process = start(world, path, live__adopt_labels=["mine-*"])
    assert held(process) == {name: 1.0}
    buy(world, other, 0.3, label="mine-2")
    buy(world, name, 0.2)
    process.run(20, calm(process))
    assert held(process) == pytest.approx({name: 1.0, other: 0.3})
    buy(world, name, -1.7)  # what was not asked for is reduced first
    process.run(20, calm(process))
    assert held(process) == pytest.approx({other: 0.3})
    process.close()
    assert check(path).departure is None


def test_the_exchanges_average_price_is_the_cost_and_the_perpetual_the_hedge(path):
    world = World(linear=())
    (name,) = listed(world, 1)
    buy(world, PERPETUAL, 5_000)
    buy(world, name, 1.0)
    world.pass_time(200)
    world.exchange.advance(world.now_ns)
    averages = {n: p.average_price for n, p in world.account.positions.items()}
    process = start(world, path, live__adopt_futures=True, live__adopt_basis="average")
    taken = {fact.instrument: (fact.amount, fact.price) for fact in facts(path, TakenOver)}
    assert taken[name] == pytest.approx((1.0, averages[name]))
    assert taken[PERPETUAL] == pytest.approx((5_000.0, averages[PERPETUAL]))
    there = {n: p.size for n, p in world.account.positions.items() if p.lots}
    assert process.hedger.positions.own() == there
    process.close()
    assert check(path).departure is None


def test_an_order_in_options_never_leaves_a_session_that_hedges(path):
    world = World(linear=())
    (name,) = listed(world, 1)
    process = start(world, path, (name, 1.0))
    hedger, sent = process.hedger, process.hedger.dispatch.sent
    option, lots = parse(name), world.account.positions[name].lots
    order = Order("0-exit-99", 0, Purpose.EXIT, (Leg(option, -1.0),))
    hedger.desk.portfolio.open[0].pending[order.order_id] = order
    hedger.execution.submit(order, hedger.now_ns())
    process.run(20)
    mode, reason = hedger.risk.causes["option order"]
    assert mode is Mode.HALT
    assert name in reason
    assert hedger.dispatch.sent == sent
    assert world.account.positions[name].lots == lots
    assert not [o for o in world.exchange.floor.engine.orders.values() if o.label.endswith("exit-99-0-0")]
    process.close()


def test_a_session_that_trades_and_one_that_hedges_the_rest_share_an_account(path, tmp_path):
    world = World(linear=())
    mine, mine_too, *_ = listed(world, 4)
    buy(world, mine, 2.0)
    trading = Process(world, tmp_path / "live.db", lively(hedge__band=BAND))
    assert together(world, [trading], 30, lambda: trading.hedger.quiet and bool(held(trading)))
    world.pass_time(2)
    hedging_rest = Process(world, path, hedging())
    both = [trading, hedging_rest]
    done = lambda: all(calm(p)() for p in both) and bool(held(hedging_rest))  # noqa: E731
    assert together(world, both, 30, done)
    straddle = held(trading)
    assert len(straddle) == 2
    assert held(hedging_rest) == {mine: 2.0}
    # By hand: what only one of them holds is its own, in both views.
    buy(world, mine_too, 1.0)
    buy(world, PERPETUAL, 7_000)  # the session that trades takes it, as it would alone
    bought = next(name for name in straddle if name != mine)
    buy(world, bought, 0.5)
    assert together(world, both, 30, lambda: done() and mine_too in held(hedging_rest))
    assert held(hedging_rest) == {mine: 2.0, mine_too: 1.0}
    assert held(trading) == straddle | {bought: straddle[bought] + 0.5}
    there = {name: p.size for name, p in world.account.positions.items() if p.lots}
    sums = {}
    for process in both:
        for name, size in process.hedger.positions.own().items():
            sums[name] = sums.get(name, 0.0) + size
    assert sums == pytest.approx(there)  # nothing is hedged twice, and nothing by nobody
    assert not any(process.hedger.risk.causes for process in both)
    for process, journal in ((trading, tmp_path / "live.db"), (hedging_rest, path)):
        process.close()
        assert check(journal).departure is None
    assert never_an_option(path)


@pytest.mark.parametrize("futures", [False, True])
def test_a_hedge_that_another_session_left_is_not_hedged_twice(path, tmp_path, futures):
    world = World(linear=())
    (name,) = listed(world, 1)
    first = start(world, tmp_path / "first.db", (name, 2.0))
    hedge = first.hedger.positions.own()[PERPETUAL]
    first.close()
    world.pass_time(2)
    second = Process(world, path, hedging(live__adopt_futures=futures))
    second.run(20, lambda: futures and second.hedger.positions.shares.surveyed and calm(second)())
    if futures:
        assert second.hedger.positions.own() == {
            n: p.size for n, p in world.account.positions.items() if p.lots
        }
        assert abs(second.hedger.positions.own()[PERPETUAL] / hedge - 1) < 0.2
    else:
        mode, reason = second.hedger.risk.causes["adoption"]
        assert mode is Mode.HALT
        assert f"session {first.hedger.execution.session} left a hedge of {hedge:+,g} {PERPETUAL}" in reason
        assert second.hedger.dispatch.sent == 0
        assert second.hedger.positions.own() == {}
    second.close()


def test_positions_that_move_between_accounts_are_followed_with_a_warning(path):
    world = World(linear=(), clients={ID: SECRET, "sub": "s"})
    first, second, third, _ = listed(world, 4)
    process = start(world, path, (first, 2.0))

    def move(source, target, name, amount):
        world.exchange.advance(world.now_ns)
        users = world.exchange.floor.users
        trades = [{"instrument_name": name, "amount": amount}]
        Holder(world.exchange, ID, SECRET).call(
            "private/move_positions", source_uid=users[source], target_uid=users[target], trades=trades
        )

    def moved_within(seconds, expected):
        start_ns = world.now_ns
        process.run(seconds, lambda: held(process) == pytest.approx(expected) and calm(process)())
        assert held(process) == pytest.approx(expected)
        return (world.now_ns - start_ns) / 1e9

    sub = Holder(world.exchange, "sub", "s")
    for name, way in ((second, "sell"), (third, "buy")):
        sub.call(f"private/{way}", instrument_name=name, amount=1.0, type="market")
    move(ID, "sub", first, 0.5)
    assert moved_within(15, {first: 1.5}) < 20
    move("sub", ID, second, 1.0)
    assert moved_within(15, {first: 1.5, second: -1.0}) < 20
    process.close()
    move("sub", ID, third, 0.4)  # while nobody looks
    process = Process(world, path, hedging())
    moved_within(30, {first: 1.5, second: -1.0, third: 0.4})
    process.run(20, calm(process))
    assert process.hedger.risk.mode is Mode.NORMAL
    ids = [fact.trade_id for fact in facts(path, Adopted)]
    assert len(ids) == len(set(ids)) == 3
    assert all(i.startswith("moved-") for i in ids)
    process.close()
    assert never_an_option(path)
    assert check(path).departure is None


def test_a_shadow_hedges_the_accounts_options_on_paper(path):
    world = World(linear=())
    first, second = listed(world, 2)
    buy(world, first, 2.0)
    client, made, config = world.client(), [], hedging()
    paper = Paper(client, lambda: made[0], alone=False, adopts=True)
    with Journal(path) as journal:
        made.append(
            build_hedger(config, past_of("none.db", config, world.now_ns), journal, paper, paper=True)
        )
        process = Process.__new__(Process)
        process.world, process.client, process.journal, process.hedger = world, client, journal, paper
        hedger, paper.quiet = made[0], True
        inner = SimpleNamespace(hedger=hedger)
        process.run(30, lambda: held(inner) == {first: 2.0} and calm(inner)())
        buy(world, second, -1.0)
        process.run(20, lambda: held(inner) == {first: 2.0, second: -1.0} and calm(inner)())
        assert held(inner) == {first: 2.0, second: -1.0}
        assert hedger.positions.own()[PERPETUAL] != 0.0
        journal.close(world.now_ns)
    assert PERPETUAL not in {n for n, p in world.account.positions.items() if p.lots}
    assert check(path).departure is None


@pytest.mark.parametrize("flatten", [False, True])
def test_a_kill_closes_the_hedge_and_leaves_the_holders_options(path, flatten):
    world = World(linear=())
    first, second = listed(world, 2)
    process = start(world, path, (first, 2.0), (second, 1.0))
    hedger = process.hedger
    assert hedger.positions.own()[PERPETUAL] != 0.0
    hedger.kill("test", flatten=flatten)
    process.run(30, lambda: hedger.flat if flatten else hedger.quiet)
    assert hedger.flat is flatten
    there = {n: p.size for n, p in world.account.positions.items() if p.lots}
    assert {n: s for n, s in there.items() if n != PERPETUAL} == {first: 2.0, second: 1.0}
    assert (PERPETUAL in there) is not flatten
    process.close()
    assert positions_in(path) == {n: s for n, s in there.items() if n == PERPETUAL}
    said = kill(path, flatten=True, wait_s=0.1).said
    assert said.endswith("; 2 adopted options stay in the account")
    assert check(path).departure is None


def test_a_session_that_trades_may_take_the_rest_over(path):
    world = World(linear=())
    first, second = listed(world, 2)
    buy(world, first, 1.5)
    config = lively(hedge__band=BAND, live__adopt="all", entry__max_days=1.0)
    process = Process(world, path, config)
    done = lambda: calm(process)() and any(not e.adopted for e in portfolio.open.values())  # noqa: E731
    portfolio = process.hedger.desk.portfolio
    assert process.run(40, lambda: done() and bool(portfolio.open) and first in held(process))
    (own,) = (e for e in portfolio.open.values() if not e.adopted)
    straddle = dict(own.legs)
    assert len(straddle) == 2
    # More of what the session holds itself, by hand, is the holder's: it must never be sold here.
    (call, size), *_ = straddle.items()
    buy(world, call.name, 0.7)
    buy(world, second, -1.0)
    process.run(20, done)
    assert own.legs == straddle
    adopted = {o.name: s for e in portfolio.open.values() if e.adopted for o, s in e.legs.items()}
    before = {first: 1.5} if first != call.name else {}
    assert adopted == pytest.approx({**before, call.name: 0.7 + 1.5 * (first == call.name), second: -1.0})
    process.hedger.kill("test", flatten=True)
    process.run(40, lambda: process.hedger.flat)
    assert process.hedger.flat
    assert {n: p.size for n, p in world.account.positions.items() if p.lots} == pytest.approx(adopted)
    process.close()
    assert check(path).departure is None
    assert size == 1.0


def test_the_view_says_what_is_hedged(path):
    world = World(linear=())
    names = listed(world, 3)
    process = start(world, path, *((name, 1.0) for name in names))
    process.close()
    follower = Follower(path)
    follower.update()
    assert hedged(follower) == "hedging 3 adopted options in 2 expiries; gammacore never trades them"
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(screen(follower, "local", paper=False))
    shown = console.export_text()
    assert all(f"{name} (adopted)" in shown for name in names)
    explained, marks = follower.explain(), follower.trail.last_marks()
    whole = carried(follower.desk.portfolio.book, follower.desk, marks).ledger.profit()
    assert explained.total.coin == pytest.approx(whole.coin, abs=1e-6)  # rounding: nothing is left out
    assert abs(explained.lines["unexplained"].usd) < 1.0


def test_changes_at_one_moment_are_no_hedge_in_the_wrong_way(path):
    world = World(linear=())
    first, second = listed(world, 2)
    process = start(world, path, (first, 1.0), execution__hedges="taker", execution__slippage_bp=50.0)
    book, hedger = process.hedger.desk.portfolio.book, process.hedger
    mark = hedger.desk.market.model_mark(parse(first))
    told = []

    def on_tick(hedger):
        if hedger._ready and not told and hedger.quiet:
            told.append(1)
            for number, amount in ((61, 3.0), (62, -3.4)):  # the second turns what the first calls for
                hedger.bookings.moved(
                    PositionMove(world.now_ns, number, parse(first), 1, abs(amount), mark), amount
                )
            hedger._pump()

    world.on_tick = on_tick
    process.run(10, lambda: bool(told) and hedger.quiet)
    assert told
    assert "wrong way" not in hedger.risk.causes
    assert book.legs[parse(first)] == pytest.approx(0.6)
    assert second not in held(process)
    process.close()
    assert check(path).departure is None
