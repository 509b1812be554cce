"""What others do to the account: trades by hand, closed options, liquidation, lives of a journal, no funds.

Driven from the exchange's side: the holder is another client of the same account.
"""

import math

import msgspec
import pytest

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.methods import GET_USER_TRADES_BY_INSTRUMENT_AND_TIME
from gammacore.deribit.news import OrderNews, OrderState, TradeNews
from gammacore.events import Fill, Flatten, Outside
from gammacore.exchange import Fault, FaultPlan, MarketModel, trading
from gammacore.live.attempts import Placed
from gammacore.live.follow import Follower
from gammacore.live.journal import RecordKind, read
from gammacore.live.news import BadFrame, StateChanged
from gammacore.live.parity import check
from gammacore.live.positions import Adopted, Baseline, direct_label
from gammacore.live.records import decode_fact
from gammacore.live.risk_manager import Mode
from gammacore.orders import BOOK, Cancel, Purpose
from gammacore.risk import totals
from support.live_world import ID, SECRET, Killed, Process, Socket, World, lively
from support.local_exchange import Client as Holder

PERPETUAL = "BTC-PERPETUAL"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "j.db"


def process_of(world, path, **changes):
    return Process(world, path, lively(**({"hedge__band": 0.01} | changes)))


def holder(world):
    return Holder(world.exchange, ID, SECRET)


def trade(world, method, **params):
    """Trade as the account's holder, and take the world's clock along."""
    world.exchange.advance(world.now_ns)
    return holder(world).call(f"private/{method}", **params)


def delta(process):
    return totals(process.hedger.desk.portfolio, process.hedger.desk.market).delta


def sizes(world):
    return {name: position.size for name, position in world.account.positions.items() if position.lots}


def agree(world, process):
    """Whether session and exchange hold the same, the holder's part counted."""
    positions, expected = process.hedger.positions, dict(process.hedger.positions.own())
    for part in (positions.others, positions.baseline.sizes):
        for name, size in part.items():
            expected[name] = expected.get(name, 0.0) + size
    return sizes(world) == pytest.approx({name: size for name, size in expected.items() if size})


def facts(path, kind):
    return [decode_fact(r.body, kind) for r in read(path) if r.name == kind.__name__]


def entered(process):
    return lambda: process.hedger.quiet and bool(process.hedger.positions.own())


def begin(world, path, **changes):
    """Start a session and have it hold a hedged straddle."""
    process = process_of(world, path, **changes)
    assert process.run(30, entered(process))
    return process


def test_a_trade_by_hand_in_the_hedge_is_hedged_away(path):
    world = World(linear=())
    process = begin(world, path)
    trade(world, "buy", instrument_name=PERPETUAL, amount=5_000, type="market")
    assert process.run(10, lambda: process.hedger.quiet)
    assert abs(delta(process)) < 0.02
    assert process.hedger.positions.others == {}
    assert agree(world, process)
    process.close()
    again = process_of(world, path)
    assert again.run(40, lambda: again.hedger.quiet)
    assert agree(world, again)
    assert not {"positions", "unexpected trade"} & set(again.hedger.risk.causes)
    again.close()
    assert check(path).departure is None


def test_a_trade_by_hand_in_what_the_session_does_not_hold_is_the_holders(path):
    world = World(linear=())
    process = begin(world, path)
    future = next(
        n for n, x in world.exchange.floor.catalog.by_name.items() if x.kind == "future" and x.expiry_ns
    )
    trade(world, "buy", instrument_name=future, amount=500, type="market")
    process.run(10)
    assert process.hedger.positions.others == {future: 500.0}
    assert agree(world, process)
    process.close()


def test_another_programs_trades_are_not_hedged_here(path):
    world = World(linear=())
    process = begin(world, path)
    before = process.hedger.dispatch.sent
    trade(world, "buy", instrument_name=PERPETUAL, amount=90_000, type="market", label="other-1")
    process.run(10)
    assert process.hedger.positions.others == {PERPETUAL: 90_000.0}
    assert process.hedger.dispatch.sent - before <= 3  # what the market asks for, and no hedge of 90,000 USD
    assert agree(world, process)
    process.close()


def test_the_holders_own_position_is_reduced_before_ours(path):
    world = World(linear=())
    trade(world, "buy", instrument_name=PERPETUAL, amount=3_000, type="market")
    world.pass_time(1)
    process = begin(world, path)
    trade(world, "sell", instrument_name=PERPETUAL, amount=4_000, type="market")
    assert process.run(5, lambda: process.hedger.quiet)
    assert process.hedger.positions.others == {PERPETUAL: -3_000.0}  # the other 1,000 were hedged away
    assert agree(world, process)
    process.close()


def test_a_trade_from_the_future_does_not_silence_what_comes_after_it(path):
    world = World(linear=())
    process = begin(world, path)
    desk, price = process.hedger.desk, process.hedger.desk.market.index
    late = world.now_ns + 10**18
    news = TradeNews(
        late, "7", 1, "x", "", parse(PERPETUAL), 500.0, price, price, price, 0.0, "BTC", "T",
        OrderState.FILLED, math.nan, math.nan,
    )  # fmt: skip
    process.hedger.on_news(news)
    process.journal.flush()
    assert facts(path, Adopted)[-1].trade_id == "7"
    assert desk.market.ts_ns < world.now_ns + 120 * NS_PER_SECOND
    process.close()


@pytest.mark.parametrize("gone", ["close", "keep"])
def test_options_closed_by_hand_end_the_hedging(path, gone):
    world = World(linear=())
    process = begin(world, path, hedge__orphan=gone)
    trade(world, "buy", instrument_name=PERPETUAL, amount=2_000, type="market", label="hand")  # theirs
    hedger = process.hedger
    for name, size in sizes(world).items():
        if name != PERPETUAL:
            trade(world, "close_position", instrument_name=name, type="market")
            assert size > 0
            assert process.run(10, lambda: hedger.quiet)  # nothing is on its way when the last one goes
    process.run(20, lambda: hedger.quiet)
    mode, reason = hedger.risk.causes["options gone"]
    assert mode is Mode.HEDGE_ONLY
    assert "all options of episode 0 were closed outside" in reason
    sent = hedger.dispatch.sent
    process.run(30)
    assert hedger.dispatch.sent == sent
    kept = hedger.positions.own()
    assert (kept == {}) == (gone == "close")
    assert ("stays" in reason) == (gone == "keep")
    assert agree(world, process)
    if gone == "keep":  # flattening closes it all the same
        hedger.kill("test", flatten=True)
        assert process.run(20, lambda: hedger.flat)
    assert sizes(world) == {PERPETUAL: 2_000.0}
    process.close()
    assert check(path).departure is None


def test_a_journal_that_was_flattened_without_its_session_holds_nothing_when_it_goes_on(path):
    world = World(linear=())
    process = begin(world, path)
    process.close()
    label = direct_label(process.hedger.execution.session)
    for name, size in sizes(world).items():
        way = "sell" if size > 0 else "buy"
        trade(world, way, instrument_name=name, amount=abs(size), type="market", label=label)
    again = process_of(world, path)
    again.run(40)
    assert sizes(world) == {}
    assert again.hedger.positions.own() == again.hedger.positions.others == {}
    assert "unexpected trade" not in again.hedger.risk.causes
    again.close()


def test_options_sold_by_another_program_are_no_longer_held(path):
    world = World(linear=())
    process = begin(world, path)
    call = next(n for n in sizes(world) if n.endswith("-C"))
    trade(world, "sell", instrument_name=call, amount=1.0, type="market", label="other-1")
    assert process.run(10, lambda: process.hedger.quiet)
    assert call not in process.hedger.positions.own()
    assert abs(delta(process)) < 0.02  # the put alone is hedged
    assert agree(world, process)
    process.close()


def test_orders_on_positions_that_are_gone_are_asked_back(path):
    world = World(linear=())
    desk = begin(world, path).hedger.desk
    (episode,) = desk.portfolio.open.values()
    (first, size), (second, _) = episode.legs.items()
    (exit_order, *_) = desk.handle(Flatten(desk.market.ts_ns + 1))
    assert exit_order.purpose is Purpose.EXIT

    def outside(option, amount, number):
        ts = desk.market.ts_ns + 1
        return Outside(ts, f"0-outside-{number}", 0, option, amount, 0.01, 0.01, 0.0)

    cancels = [c for c in desk.handle(outside(first, -size, 1)) if isinstance(c, Cancel)]
    assert cancels == [Cancel(exit_order.order_id, 0)]
    assert list(episode.legs) == [second]
    # Its other leg was filled all the same, after somebody else had sold it: what is short is still held.
    desk.handle(outside(second, -2 * size, 2))
    fill = Fill(desk.market.ts_ns + 1, exit_order.order_id, 0, second, -size, 0.01, 0.01, 0.0)
    desk.handle(fill)
    assert episode.legs == {second: -2 * size}
    assert episode.open


def test_a_change_of_the_hedge_by_others_is_hedged_at_once(path):
    world = World(linear=())
    desk = begin(world, path).hedger.desk
    event = Outside(
        desk.market.ts_ns + 1,
        "book-outside-1",
        BOOK,
        parse(PERPETUAL),
        9_000.0,
        desk.market.index,
        desk.market.index,
        0.0,
    )
    (order,) = desk.handle(event)
    assert (order.purpose, order.legs[0].instrument) == (Purpose.HEDGE, parse(PERPETUAL))
    assert order.legs[0].amount < -8_000


def test_a_liquidation_is_read_from_its_trades(path):
    world = World(linear=())
    process = begin(world, path, entry__side="short")
    wallet = world.account.wallet("BTC")
    summary = holder(world).call("private/get_account_summary", currency="BTC")
    lost = int((summary["margin_balance"] - 0.9 * summary["maintenance_margin"]) * 1e8)
    wallet.balance -= lost
    wallet.deposited -= lost
    process.run(7)
    hedger = process.hedger
    mode, reason = hedger.risk.causes["liquidated"]
    assert mode is Mode.HEDGE_ONLY
    assert reason.startswith("liquidation by the exchange: ")
    assert process.run(30, lambda: hedger.quiet)
    assert agree(world, process)
    process.close()
    follower = Follower(path)
    follower.update()
    assert any(fact.forced for fact in follower.adopted)
    assert follower.departure is None


def test_a_holders_trade_before_the_first_start_is_no_difference_after_a_restart(path):
    world = World(linear=())
    bought = trade(world, "buy", instrument_name=PERPETUAL, amount=5_000, type="market")
    world.pass_time(1)
    process = begin(world, path)
    process.close()
    (baseline,) = facts(path, Baseline)
    assert baseline.sizes == {PERPETUAL: 5_000.0}
    assert {t["trade_id"] for t in bought["trades"]} <= set(baseline.trades)
    for _ in range(2):
        again = process_of(world, path)
        again.run(40)
        assert "positions" not in again.hedger.risk.causes
        assert again.hedger.positions.others == {}
        assert agree(world, again)
        again.close()


def test_a_first_life_that_ended_before_it_knew_the_account_counts_no_trade_twice(path):
    world = World(linear=())
    trade(world, "buy", instrument_name=PERPETUAL, amount=5_000, type="market")
    world.pass_time(1)
    process_of(world, path).close()
    assert facts(path, Baseline) == []
    again = begin(world, path)
    assert again.hedger.positions.others == {}
    assert agree(world, again)
    again.close()


def test_every_life_of_a_journal_has_one_prefix(path):
    world = World(linear=())
    begin(world, path).close()
    world.pass_time(5)
    again = process_of(world, path, hedge__band=0.01)
    trade(world, "buy", instrument_name=PERPETUAL, amount=9_000, type="market")  # so that it has to hedge
    again.run(20)
    again.close()
    first = next(r for r in read(path) if r.kind is RecordKind.START)
    assert {p.label.partition("-")[0] for p in facts(path, Placed)} == {f"g{first.ts_ns // 1_000_000:x}"}


def test_a_late_fill_of_an_earlier_life_halts_and_is_counted(path):
    world = World(linear=())
    begin(world, path).close()
    label = facts(path, Placed)[0].label
    world.pass_time(5)
    again = process_of(world, path)
    again.run(5)
    trade(world, "buy", instrument_name=PERPETUAL, amount=1_000, type="market", label=label)
    again.run(5)
    assert again.hedger.risk.causes["unexpected trade"][0] is Mode.HALT
    assert agree(world, again)
    again.close()
    third = process_of(world, path)  # the latch is lifted, and the position is hedged
    third.run(40, lambda: third.hedger.quiet)
    assert not {"unexpected trade", "positions"} & set(third.hedger.risk.causes)
    assert abs(delta(third)) < 0.02
    assert agree(world, third)
    third.close()


@pytest.mark.parametrize("currency", ["BTC", "ETH", "BTC_USDC"])
def test_part_fills_whose_answers_are_lost_leave_nothing_pending(path, currency):
    linear = currency.endswith("USDC")
    lost = {"kind": "lost_response", "at_s": 20, "until_s": 80, "probability": 0.5, "count": 40}
    plan = FaultPlan(faults=tuple(Fault(match=f"private/{side}", **lost) for side in ("buy", "sell")), seed=3)
    world = World(faults=plan, models={currency[:3]: MarketModel()}, linear=("BTC",) if linear else ())
    changes = {"hedge__target": "black"} if linear else {}
    process = process_of(
        world, path, currency=currency, hedge__band=0.15, size__contracts=15.0, execution__hedges="taker",
        execution__slippage_bp=0.0, risk__max_orders_per_minute=2_000, **changes,
    )  # fmt: skip
    process.run(100)
    assert process.run(30, lambda: process.hedger.quiet)
    assert any(kind == "lost_response" for _, kind, _ in world.exchange.faults.fired)
    assert not {"positions", "unexpected trade", "wrong way"} & set(process.hedger.risk.causes)
    assert agree(world, process)
    process.close()


def recorded(process, monkeypatch):
    """Questions that a session asks for the trades of an order, as (instrument, historical)."""
    asked, request = [], process.client.request

    def noting(method, params, **options):
        if method is GET_USER_TRADES_BY_INSTRUMENT_AND_TIME:
            asked.append((params["instrument_name"], params["historical"]))
        return request(method, params, **options)

    monkeypatch.setattr(process.client, "request", noting)
    return asked


def test_an_order_that_never_left_is_over_once_both_stores_of_trades_are_empty(path, monkeypatch):
    world = World(linear=())
    begin(world, path).close()
    write = Socket.write

    def dies(socket, text):
        if b'"private/buy"' in text or b'"private/sell"' in text:
            raise Killed
        write(socket, text)

    trade(world, "sell", instrument_name=PERPETUAL, amount=9_000, type="market")
    monkeypatch.setattr(Socket, "write", dies)
    process = process_of(world, path)
    assert not process.run(30)  # killed in place of the order that hedges it
    monkeypatch.setattr(Socket, "write", write)
    lost = facts(path, Placed)[-1]
    world.pass_time(45 * 60)
    again = process_of(world, path)
    asked = recorded(again, monkeypatch)
    assert again.run(60, lambda: again.hedger.quiet)
    assert asked[:2] == [(PERPETUAL, False), (PERPETUAL, True)]
    assert facts(path, Placed)[-1].label != lost.label
    assert abs(delta(again)) < 0.02
    assert "pending" not in again.hedger.risk.causes
    assert agree(world, again)
    again.close()


def test_an_order_that_was_filled_and_forgotten_is_booked_from_its_trades_once(path, monkeypatch):
    world = World(linear=())
    process = begin(world, path, execution__hedges="taker")
    trade(world, "buy", instrument_name=PERPETUAL, amount=300, type="market", label="other-1")
    process.run(5, lambda: process.hedger.quiet)
    hedger, send = process.hedger, process.client.send_order
    monkeypatch.setattr(trading, "RECENT_ORDERS_NS", -1)  # the exchange forgets what has ended at once
    monkeypatch.setattr(process.client, "send_order", lambda *a, **o: send(*a, **o) and 0)  # no answer
    for kind in (TradeNews, OrderNews):
        monkeypatch.setitem(hedger._handlers, kind, lambda news: None)
    asked, filled = recorded(process, monkeypatch), hedger.filled
    hedger.desk.hedge.target = msgspec.structs.replace(hedger.desk.hedge.target, delta=0.1)
    process.run(20, lambda: hedger.filled > filled and hedger.quiet)
    assert asked[0] == (PERPETUAL, False)
    assert hedger.filled > filled
    assert hedger.positions.others == {PERPETUAL: 300.0}  # the other program's trade is in the same window
    assert agree(world, process)
    process.close()


def test_an_order_that_stays_unknown_is_told_within_a_minute(path, monkeypatch):
    world = World(linear=())
    process = begin(world, path)
    silent = ("private/get_order_state_by_label", "private/buy", "private/sell")
    request, send = process.client.request, process.client.send_order
    monkeypatch.setattr(
        process.client, "request", lambda m, p, **o: 0 if m.name in silent else request(m, p, **o)
    )
    monkeypatch.setattr(
        process.client, "send_order", lambda *a, **o: send(*a, **o) and 0
    )  # nobody hears the answer
    monkeypatch.setattr(process.hedger.execution, "order", lambda news, now_ns: None)
    monkeypatch.setattr(process.hedger.execution, "trade", lambda news, now_ns: None)
    trade(world, "sell", instrument_name=PERPETUAL, amount=9_000, type="market")
    start = world.now_ns
    process.run(60, lambda: "pending" in process.hedger.risk.causes)
    mode, reason = process.hedger.risk.causes["pending"]
    assert mode is Mode.HEDGE_ONLY
    assert "the book waits since" in reason
    assert world.now_ns - start <= 61 * NS_PER_SECOND
    process.close()


def test_no_funds_back_off_and_say_so(path):
    world = World(linear=())
    process = begin(world, path, size__contracts=2.0, entry__side="short", hedge__band=0.05)
    wallet = world.account.wallet("BTC")
    summary = holder(world).call("private/get_account_summary", currency="BTC")
    lost = int((summary["margin_balance"] - 1.001 * summary["initial_margin"]) * 1e8)
    wallet.balance -= lost
    wallet.deposited -= lost
    hedger, sent = process.hedger, process.hedger.dispatch.sent
    side = -1.0 if hedger.positions.own().get(PERPETUAL, 0.0) < 0 else 1.0
    target = hedger.desk.hedge.target
    hedger.desk.hedge.target = msgspec.structs.replace(target, delta=side)  # a coin more of the same
    process.run(120)
    mode, reason = hedger.risk.causes["no funds"]
    assert mode is Mode.HEDGE_ONLY
    assert "10009" in reason
    assert 2 <= hedger.dispatch.sent - sent <= 10
    assert "order rate" not in hedger.risk.causes
    wallet.balance += lost
    wallet.deposited += lost
    process.run(70, lambda: "no funds" not in hedger.risk.causes)
    assert "no funds" not in hedger.risk.causes
    process.close()


def during(process, act):
    """Make a hook that acts once, a second after the session is ready."""
    done = []

    def on_tick(hedger):
        done.append(hedger.now_ns()) if hedger._ready else None
        if done and done[0] != "done" and hedger.now_ns() - done[0] > NS_PER_SECOND:
            done.insert(0, "done")
            act()

    return on_tick


@pytest.mark.parametrize("connected", [True, False])
def test_a_kill_cancels_orders_that_the_session_does_not_know_of(path, connected):
    world = World(linear=())
    process = begin(world, path)
    price = process.hedger.desk.market.index * 0.99 // 1
    resting = trade(world, "buy", instrument_name=PERPETUAL, amount=100, price=price, label="lost-long-ago")
    assert resting["order"]["order_state"] == "open"
    if connected:
        world.on_tick = during(process, lambda: process.hedger.kill("test", flatten=False))
    else:
        process.hedger.kill("test", flatten=False)
        assert not process.hedger.quiet
    process.run(5)
    assert process.hedger.quiet
    order = world.exchange.floor.engine.orders[resting["order"]["order_id"]]
    assert order.state == "cancelled"
    process.close()


def test_the_rungs_of_a_ladder_are_refused_rather_than_moved(path):
    world = World(linear=())
    process = process_of(world, path, hedge__rule="ladder", hedge__band=0.02)
    process.run(30)
    orders = [o for o in world.exchange.floor.engine.orders.values() if o.account == world.account.user_id]
    rungs = [o for o in orders if "hedge" in o.label]
    assert rungs
    assert all(order.post_only and order.reject_post_only for order in rungs)
    rests = next(p for p in facts(path, Placed) if p.rests)
    assert rests.fixed
    process.close()


def test_a_hedge_that_rests_first_may_be_moved_and_takers_are_immediate(path):
    world = World(linear=())
    process = begin(world, path)
    orders = [o for o in world.exchange.floor.engine.orders.values() if o.account == world.account.user_id]
    hedges = [o for o in orders if "hedge" in o.label]
    assert any(o.post_only for o in hedges)
    assert not any(o.reject_post_only for o in hedges)
    assert {o.time_in_force for o in orders if "entry" in o.label} == {"immediate_or_cancel"}
    process.close()


def test_unreadable_messages_of_our_orders_end_the_connection_and_others_do_not(path):
    world = World(linear=())
    process = begin(world, path)
    lost = {}
    for channel in ("ticker.BTC-PERPETUAL.raw", "user.changes.any.any.raw"):
        before = len(facts(path, StateChanged))
        news = BadFrame(world.now_ns, channel, "not JSON")
        world.on_tick = during(process, lambda news=news: process.hedger.on_news(news))
        process.run(6)
        lost[channel] = [f.after.value for f in facts(path, StateChanged)[before:]].count("lost")
    assert lost == {"ticker.BTC-PERPETUAL.raw": 1, "user.changes.any.any.raw": 2}  # one is the end of the run
    process.close()


def test_refusals_in_a_row_back_off_until_an_order_is_accepted(path):
    world = World(linear=())
    process = begin(world, path)
    hedger, sent = process.hedger, process.hedger.dispatch.sent
    plan = Fault(kind="settlement", match="private/", at_s=0.0, count=None)
    world.exchange.faults.add(plan)
    hedger.desk.hedge.target = msgspec.structs.replace(hedger.desk.hedge.target, delta=0.5)
    process.run(60)
    mode, reason = hedger.risk.causes["refusals"]
    assert mode is Mode.HEDGE_ONLY
    assert "10041" in reason
    assert 3 <= hedger.dispatch.sent - sent <= 12
    world.exchange.faults.clear()
    assert process.run(70, lambda: "refusals" not in hedger.risk.causes and hedger.quiet)
    assert "refusals" not in hedger.risk.causes
    process.close()


def test_options_without_a_price_to_sell_at_hold_a_guard(path):
    world = World(linear=())
    process = begin(world, path)
    hedger, execution = process.hedger, process.hedger.execution
    quote = execution.quote
    execution.quote = lambda news: quote(msgspec.structs.replace(news, bid=news.mark / 3))
    hedger.kill("test", flatten=True)
    process.run(30)
    mode, reason = hedger.risk.causes["exit"]
    assert mode is Mode.HEDGE_ONLY
    assert "is beyond" in reason
    assert any(name.endswith(("-C", "-P")) for name in sizes(world))
    execution.quote = quote
    assert process.run(30, lambda: hedger.flat)
    assert "exit" not in hedger.risk.causes
    process.close()
