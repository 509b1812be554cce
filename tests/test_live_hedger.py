"""The hedger on the local exchange, without sockets: decisions, guards, switches, restarts."""

import io
import itertools
import json
import logging
import sqlite3

import msgspec
import numpy as np
import pytest
from rich.console import Console

from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_weigher
from gammacore.config import with_overrides
from gammacore.contracts import Option, parse
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND
from gammacore.deribit.codes import LOCAL, Fate
from gammacore.deribit.methods import GET_DELIVERY_PRICES
from gammacore.deribit.news import OrderAnswer
from gammacore.errors import JournalError, SessionError
from gammacore.events import Delivery, IndexPrice
from gammacore.exchange import Fault, FaultPlan, MarketModel
from gammacore.forecasts import build_estimate
from gammacore.live.actions import CancelPlaced, Place, Query, QueryKind
from gammacore.live.assemble import build_hedger
from gammacore.live.attempts import Placed
from gammacore.live.dashboard.board import Board
from gammacore.live.dashboard.source import JournalTail
from gammacore.live.flatten import held_by
from gammacore.live.follow import Follower
from gammacore.live.journal import Journal, RecordKind, read
from gammacore.live.news import Answered, Expired, Reconciled, Refused
from gammacore.live.paper import Paper
from gammacore.live.parity import check
from gammacore.live.past import past_of
from gammacore.live.risk_manager import Mode
from gammacore.live.supervised import Supervised
from gammacore.live.view import screen
from support.live_world import ID, SECRET, Process, World, lively
from support.local_exchange import Client as Holder
from support.markets import FRIDAY, START, build, chains_of, prices_of, random_path
from support.messages import account, ticker, trade
from support.messages import order as order_news

spec_for = published().spec_for

PERPETUAL = parse("BTC-PERPETUAL")


def start(tmp_path, world=None, **changes):
    world = world or World(models={"BTC": MarketModel(vol=1.5)}, linear=())
    return world, Process(world, tmp_path / "j.db", lively(**changes))


def test_a_straddle_is_bought_and_hedged_and_explained(tmp_path):
    _, process = start(tmp_path, hedge__band=0.01)
    assert process.run(120)
    process.close()
    follower = Follower(tmp_path / "j.db")
    follower.update()
    explained = follower.explain()
    assert follower.filled >= 4
    assert follower.departure is None
    assert follower.stopped
    lines = [sum(money[c] for money in explained.lines.values()) for c in (0, 1)]
    assert lines == pytest.approx(list(explained.total), abs=1e-6)
    assert explained.lines["fees"].coin < 0
    # Marked at the last price that was recorded, a little later than the last look at profit.
    assert explained.total.usd == pytest.approx(process.hedger.risk.profit_usd, abs=20.0)


def test_no_two_events_have_one_time(tmp_path):
    _, process = start(tmp_path)
    hedger = process.hedger
    at = hedger.now_ns()
    for ts_ns in (at, at, at - 5, at + 7):
        hedger.take(IndexPrice(ts_ns, 60e3))
    process.close()
    handled = [r.ts_ns for r in read(tmp_path / "j.db") if r.name == "IndexPrice"]
    assert handled == [at, at + 1, at + 2, at + 7]


def test_the_account_of_the_settlement_currency_counts_and_is_kept_every_ten_seconds(tmp_path):
    _, process = start(tmp_path)
    hedger, at = process.hedger, process.hedger.now_ns()
    hedger.on_news(account(ts_ns=at, currency="ETH", initial_margin=7.0))
    assert hedger.risk.account is None
    for seconds, margin in ((0, 1.0), (9.999, 2.0), (10, 3.0), (12, 4.0)):
        news = account(ts_ns=at + int(seconds * NS_PER_SECOND), currency="btc", initial_margin=margin)
        hedger.on_news(news)
        assert hedger.risk.account is news
    process.close()
    kept = [r.ts_ns - at for r in read(tmp_path / "j.db") if r.name == "AccountNews"]
    assert kept == [0, 10 * NS_PER_SECOND]


@pytest.mark.parametrize(("currency", "index"), [("BTC", "btc_usd"), ("BTC_USDC", "btc_usdc")])
def test_a_delivery_price_is_asked_for_ten_seconds_after_an_expiry_and_every_five(tmp_path, currency, index):
    target = "black" if currency.endswith("USDC") else "coin_neutral"
    process = Process(World(), tmp_path / "j.db", lively(currency=currency, hedge__target=target))
    hedger, asked = process.hedger, []
    hedger.take(IndexPrice(FRIDAY - NS_PER_SECOND, 60e3))
    hedger.session.request = lambda method, params, **_: asked.append((method.name, params)) or len(asked)
    episode = hedger.desk.portfolio.begin(FRIDAY, hedger.feed.perpetual, 60e3)
    episode.legs[parse(f"{currency}-16JAN26-60000-C")] = 1.0
    counts = []
    for at in (9.999, 10.0, 14.999, 15.0, 19.999, 20.0):
        hedger.questions.prices.tick(FRIDAY + int(at * NS_PER_SECOND))
        counts.append(len(asked))
        hedger.on_news(Expired(FRIDAY, len(asked), "public/get_delivery_prices", Fate.RETRY))
    assert counts == [0, 1, 1, 2, 2, 3]
    assert asked[0] == ("public/get_delivery_prices", {"index_name": index, "count": 2})

    def told(at, **prices):
        hedger.session.now_ns = lambda: FRIDAY + at * NS_PER_SECOND
        hedger.questions.prices.tick(hedger.now_ns())
        rows = [{"date": day.replace("_", "-")[1:], "delivery_price": price} for day, price in prices.items()]
        result = GET_DELIVERY_PRICES.decode(json.dumps({"data": rows}).encode(), 0)
        hedger.on_news(Answered(hedger.now_ns(), len(asked), "public/get_delivery_prices", result))

    told(25, _2026_01_17=61e3)  # not published yet
    assert episode.open
    hedger.questions.prices.tick(FRIDAY + 29 * NS_PER_SECOND)
    assert len(asked) == 4  # five seconds have not passed
    told(30, _2026_01_17=61e3, _2026_01_16=62e3)
    assert (episode.open, episode.delivery_price) == (False, 62e3)
    told(40, _2026_01_16=63e3)  # nobody asks any more
    assert len(asked) == 5
    process.close()
    assert [r.name for r in read(tmp_path / "j.db")].count("Delivery") == 1


def test_trades_are_asked_for_from_a_minute_before_the_order_to_a_minute_from_now(tmp_path):
    _, process = start(tmp_path)
    hedger, asked = process.hedger, []
    hedger.session.request = lambda method, params, **_: asked.append((method.name, params)) or len(asked)
    at = hedger.now_ns() // NS_PER_MINUTE * NS_PER_MINUTE
    hedger.session.now_ns = lambda: at
    for historical in (False, True):
        hedger.dispatch.ask_trades(placed(at), at - 5 * NS_PER_MINUTE, historical=historical)
        wanted = {"start_timestamp": at // 1_000_000 - 360_000, "end_timestamp": at // 1_000_000 + 60_000}
        wanted |= {"instrument_name": "BTC-PERPETUAL", "count": 1_000, "sorting": "asc"}
        wanted |= {"historical": historical}
        assert asked.pop() == ("private/get_user_trades_by_instrument_and_time", wanted)
    process.close()


def placed(at):
    return Placed(
        at, "g-0-hedge-1-0-0", "0-hedge-1", 0, PERPETUAL, -10.0, 6e4, False, False, at + 5 * NS_PER_SECOND
    )


@pytest.mark.parametrize(
    ("code", "fate", "hopeless"),
    [
        (11029, Fate.REJECTED, True),
        (10007, Fate.REJECTED, False),  # of the price: a fresh quote may cure it
        (LOCAL, Fate.REJECTED, False),
        (10028, Fate.RETRY, False),
        (10001, Fate.UNKNOWN, False),
    ],
)
def test_only_what_another_order_would_meet_too_ends_an_order(tmp_path, code, fate, hopeless):
    _, process = start(tmp_path)
    hedger, seen = process.hedger, []
    hedger.execution.refused = lambda *args, **options: seen.append((*args[:3], options))
    hedger.session.send_order = lambda *args, **options: 7
    hedger.dispatch.send(Place(placed(hedger.now_ns())))
    refused = Refused(hedger.now_ns(), 7, "private/sell", code, "no", "data", fate)
    hedger.on_news(refused)
    hedger.on_news(msgspec.structs.replace(refused, id=8))  # of nothing that is known
    assert seen == [("g-0-hedge-1-0-0", fate, f"{code} no data", {"hopeless": hopeless})]
    process.close()


@pytest.mark.parametrize(("cancels", "looked"), [(True, ["g-0-hedge-1-0-0"]), (False, [])])
def test_a_cancellation_that_is_refused_is_looked_into(tmp_path, cancels, looked):
    _, process = start(tmp_path)
    hedger, seen = process.hedger, []
    hedger.execution.not_cancelled = lambda label, now_ns: seen.append(label)
    order = placed(hedger.now_ns())
    hedger.session.cancel = hedger.session.request = lambda *args, **options: 7
    hedger.dispatch.send(CancelPlaced(order.label, "1") if cancels else Query(QueryKind.STATE, order, "1"))
    hedger.on_news(Refused(hedger.now_ns(), 7, "private/cancel", 11044, "not_open_order", "", Fate.REJECTED))
    assert seen == looked
    process.close()


def test_our_margin_is_the_exchanges(tmp_path):
    _, process = start(tmp_path, hedge__band=0.01, entry__side="short")
    assert process.run(120, lambda: process.hedger.quiet)
    risk = process.hedger.risk
    process.close()
    assert risk.account.initial_margin > 0.2  # of a straddle of a coin: one leg is 0.15 and more
    assert risk.margin_gap == pytest.approx(0.0, abs=2e-3 * risk.account.initial_margin)
    left = 1 - risk.account.maintenance_margin / risk.account.margin_balance
    assert risk.liquidation_distance == left
    records = [r for r in read(tmp_path / "j.db") if r.name == "AccountNews"]
    assert 10 <= len(records) <= 13
    assert all(b.ts_ns - a.ts_ns >= 10 * NS_PER_SECOND for a, b in itertools.pairwise(records))
    follower = Follower(tmp_path / "j.db")
    follower.update()
    assert follower.margin_gap == pytest.approx(0.0, abs=2e-3 * risk.account.initial_margin)
    assert follower.liquidation_distance == pytest.approx(left, abs=1e-3)
    shown = io.StringIO()
    Console(file=shown, width=200).print(screen(follower, "local", paper=False))
    assert f"liquidation {follower.liquidation_distance:.1%} away" in shown.getvalue()
    assert f"margin gap {round(follower.margin_gap, 4) + 0.0:+.4f}" in shown.getvalue()


@pytest.mark.parametrize("model", ["segregated_pm", "segregated_sm"])
def test_our_margin_is_the_exchanges_under_portfolio_margin_too(tmp_path, model, caplog):
    """The exchange computes its own in code of its own; a file that names the other model is told."""
    world = World(margin_model=model, flow_per_minute=0.0)
    settings = {"hedge__band": 0.01, "entry__side": "short", "margin__model": "portfolio"}
    with caplog.at_level("WARNING", "gammacore.live"):
        _, process = start(tmp_path, world=world, **settings)
        assert process.run(120, lambda: process.hedger.quiet)
        risk = process.hedger.risk
        process.close()
    told = [record for record in caplog.records if "margin model" in record.getMessage()]
    if model == "segregated_sm":
        assert [(record.account, record.configured) for record in told] == [("standard", "portfolio")]
    else:
        assert not told
        assert 0.05 < risk.account.initial_margin < 0.2  # standard margin is above 0.2
        assert risk.account.margin_balance == risk.account.equity
    assert risk.margin_gap == pytest.approx(0.0, abs=2e-3 * risk.account.initial_margin)


class Instant:
    """A session that fills every order whole, at once, at its own price or a given one."""

    skew_s = 0.0

    def __init__(self, price_of=lambda instrument: None):
        self.ns, self.waiting, self.numbers = START, [], iter(range(10**9))
        self.orders, self.price_of = [], price_of

    def now_ns(self):
        return self.ns

    def send_order(self, instrument, amount, *, timeout_s=5.0, **options):
        number = next(self.numbers)
        self.orders.append((options["label"], instrument, amount))
        self.waiting.append((number, instrument, amount, options))
        return number

    def request(self, method, params, *, timeout_s=10.0):
        return next(self.numbers)

    cancel = cancel_all = subscribe = unsubscribe = lambda self, *arguments: next(self.numbers)

    def deliver(self, hedger):
        while self.waiting:
            number, instrument, amount, options = self.waiting.pop(0)
            made = type("P", (), {"label": options["label"], "instrument": instrument, "amount": amount})
            made.limit, made.rests = options["limit"], False
            price = self.price_of(instrument)
            hedger.on_news(trade(made, amount, number=number, ts=self.ns, price=price))
            news = order_news(made, "filled", abs(amount), ts=self.ns)
            hedger.on_news(Answered(self.ns, number, "private/buy", OrderAnswer(news, ())))


@pytest.mark.parametrize(
    "setting",
    [
        {"hedge.band": 0.05},
        {"hedge.rule": "interval", "hedge.every": "30min"},
        {"hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 1e-5},
        {"hedge.band": 0.05, "hedge.to": "edge", "exit.hours_before_expiry": 30.0},
        {"hedge.band": 0.05, "signal.min_edge": -0.01, "signal.window": "1d"},
        {"hedge.band": 0.05, "exit.rules": {"take_profit": 0.1}},
        {"hedge.band": 0.05, "entry.side": "short", "exit.rules": {"stop_loss": 0.1, "drawdown": 0.3}},
        {"hedge.band": 0.05, "roll.when": {"moneyness": 0.5}, "roll.into": {"min_days": 2}},
        {
            "hedge.band": 0.05,
            "roll.when": {"rv_pace": {"after": "26h", "above": 1.1}},
            "exit.rules": {"days_to_expiry": 1.3},
        },
        {"hedge.band": 0.05, "signal.when": {"time_of_week": ["fri 14:00-24:00"]}},
    ],
    ids=str,
)
def test_one_tape_through_backtest_and_live_gives_the_same_decisions(tmp_path, setting):
    minutes = 7 * 1440 + 30
    path = random_path(5, minutes, vol=0.8)
    ts = START + NS_PER_MINUTE * (1 + np.arange(minutes + 1))
    every = slice(None, None, 360)
    half = NS_PER_MINUTE // 2  # live, no two events have one time
    chains = chains_of(ts[every] + half, path[every], strikes=tuple(range(40_000, 90_000, 1_000)))
    costs = {
        "costs.max_quote_age": None,
        "costs.fill": "mark",
        "costs.funding": False,
        "execution.hedges": "taker",
    }
    if "exit.rules" in setting:  # of the profit: the same costs on either side
        costs |= {
            "costs.option_fees": False,
            "execution.hedges": "taker",
            "costs.hedge_taker_fee": 0.0,
            "costs.hedge_half_spread_bp": 0.0,
        }
    config = build(costs | {"entry.min_days": 5.0, "entry.max_days": 10.0} | setting)
    tape = Tape(chains, prices_of(ts, path, NS_PER_MINUTE), estimate=build_estimate(config))
    weigher = build_weigher(config) if config.signal.active else None  # looks as often as a session
    run = replay(with_overrides(config, {"hedge.scope": "book"}), tape, engine="desk", signal=weigher)
    expected = [
        (f.order_id, f.instrument, f.amount)
        for f in run.book.episode.fills
        if f.order_id.split("-")[1] in ("entry", "hedge", "exit", "unwind")
    ]
    if "exit.rules" in setting or "roll.when" in setting:
        reasons = {done.episode.close_reason for done in run.episode_runs}
        assert reasons - {"", "delivery", "hours_before_expiry"}, "the rule never fired"

    def price_of(instrument):  # the mark, as in the backtest: rules look at the profit
        market = hedger.desk.market
        return market.mark(instrument) if isinstance(instrument, Option) else market.future_price(instrument)

    session = Instant(price_of)
    with Journal(tmp_path / "j.db") as journal:
        past = past_of(tmp_path / "none.db", config, START)
        hedger = build_hedger(config, past, journal, session)
        hedger.on_news(Reconciled(START, (), (), (), ()))
        delivered = False
        for i in range(len(tape)):
            session.ns = int(tape.ts_ns[i])
            at = round(float(tape.index[i]))
            hedger.risk.ticker(msgspec.structs.replace(ticker(PERPETUAL, at, at + 1), index=at), session.ns)
            hedger.execution.paused = False
            for option in {o for e in hedger.desk.portfolio.open.values() for o in e.legs}:
                hedger.execution.quote(ticker(option, 0.02, 0.021))
            hedger.execution.quote(ticker(PERPETUAL, at, at + 1))
            if session.ns > FRIDAY and not delivered:
                delivered = True
                hedger.take(Delivery(FRIDAY, FRIDAY, tape.delivery(FRIDAY).price))
            due = hedger.desk.next_deadline()
            if due is not None and due <= session.ns:
                hedger._timers(session.ns)
            if tape.chain_at[i] >= 0:
                snapshot = tape.snapshot(i)
                for row in range(len(snapshot.chain.strike)):
                    hedger.execution.quote(ticker(snapshot.chain.option(row), 0.02, 0.021))
                hedger.take(snapshot)
            else:
                hedger.take(tape.price(i))
            for _ in range(3):
                hedger.execution.tick(session.ns)
                hedger._pump()
                session.deliver(hedger)
    decided = [(label.split("-", 1)[1].rsplit("-", 2)[0], i, amount) for label, i, amount in session.orders]
    assert len(expected) > 10
    assert [d for d in decided if d[0].split("-")[1] != "unwind"] == [
        e for e in expected if e[0].split("-")[1] != "unwind"
    ]


def test_a_session_rolls_and_closes_by_rules_and_says_why(tmp_path, caplog):
    """On the local exchange: the hedge stays, books and account agree, and a restart decides the same."""
    settings = {
        "hedge__band": 0.02,
        "roll__when": {"max_days": 40 / 86_400},
        "roll__into": {"structure": "strangle", "delta": 0.3},
        "exit__rules": {"days_to_expiry": 0.01, "stop_loss": 0.9},
        "signal__when": {"dvol": {"min": 0.2, "max": 3.0}},
        "signal__forecast": "dvol",
    }
    world, process = start(tmp_path, **settings)
    with caplog.at_level(logging.INFO, logger="gammacore.live"):
        assert process.run(75, lambda: process.hedger.quiet)
    desk = process.hedger.desk
    assert desk.market.dvol == pytest.approx(world.exchange.floor.market.dvol("BTC") / 100, rel=0.1)
    assert desk.market.estimate == pytest.approx(desk.market.dvol, rel=0.1)
    old, new = desk.portfolio.episodes[:2]
    assert (old.close_reason, old.heir) == ("max_days", new.number)
    assert (len({o.strike for o in old.entered}), len({o.strike for o in new.entered})) == (1, 2)
    assert old.hedge.amount == 0.0
    unwound = [f.order_id for f in old.fills if f.order_id.split("-")[1] == "unwind"]
    assert unwound == []
    said = [r for r in caplog.records if r.message == "decided" and r.order.startswith("0-exit")]
    assert [r.reason for r in said] == ["max_days"]
    assert process.hedger.risk.mode is Mode.NORMAL  # the audit of every five seconds has found nothing
    process.close()
    found = check(tmp_path / "j.db")
    assert found.departure is None
    board = Board(JournalTail(tmp_path / "j.db"))
    while board.read(500):
        pass
    texts = [alert["text"] for alert in board.sections()["alerts"]]
    assert "episode 0 closed: max_days" in texts
    again = Process(world, tmp_path / "j.db", lively(**settings))
    assert again.hedger.desk.portfolio.positions() == desk.portfolio.positions()
    assert again.hedger.desk.leaving.held_on == desk.leaving.held_on
    again.close()


def test_the_wrong_way_halts(tmp_path):
    world, process = start(tmp_path)
    process.run(30)
    hedger = process.hedger
    episode = next(iter(hedger.desk.portfolio.open.values()))
    hedger._aims._left["0-hedge-9"] = 0.05
    from gammacore.events import Fill

    fill = Fill(world.now_ns, "0-hedge-9", episode.number, PERPETUAL, 1_000.0, 85e3, 85e3, 0.0)
    hedger.take = lambda event, fact: None  # the desk does not know this order
    hedger._execution(None, fill)
    assert "wrong way" in hedger.risk.causes
    assert hedger.risk.mode is Mode.HALT
    process.close()


def test_a_position_that_differs_halts(tmp_path):
    """Somebody else's trade that we are not told of: the audit finds it."""
    _, process = start(tmp_path)
    process.run(15)
    process.hedger.positions.others["BTC-PERPETUAL"] = 500.0  # as if they had been traded
    process.run(30)
    assert "positions" in process.hedger.risk.causes
    process.close()


def test_the_holders_own_trades_are_none_of_ours(tmp_path):
    world, process = start(tmp_path, hedge__band=5.0)
    process.run(10)
    listed = world.exchange.floor.catalog.by_name.items()
    future = next(name for name, x in listed if x.kind == "future" and x.expiry_ns)
    Holder(world.exchange, ID, SECRET).call("private/buy", instrument_name=future, amount=500, type="market")
    process.run(40)
    assert process.hedger.positions.others == {future: 500.0}
    assert "positions" not in process.hedger.risk.causes
    assert process.hedger.positions.own().get(future, 0.0) == 0.0
    process.close()
    assert any(r.name == "Foreign" for r in read(tmp_path / "j.db"))
    again = Process(world, tmp_path / "j.db", lively(hedge__band=5.0))
    again.run(20)
    assert again.hedger.positions.others == {future: 500.0}
    assert "positions" not in again.hedger.risk.causes
    again.close()


def test_what_was_held_before_is_left_alone(tmp_path):
    world = World(linear=())
    Holder(world.exchange, ID, SECRET).call(
        "private/sell", instrument_name="BTC-PERPETUAL", amount=2_000, type="market"
    )
    _, process = start(tmp_path, world)
    process.run(40)
    assert process.hedger.positions.baseline.sizes == {"BTC-PERPETUAL": -2_000.0}
    assert "positions" not in process.hedger.risk.causes
    process.close()


@pytest.mark.parametrize("flatten", [False, True])
def test_the_kill_switch(tmp_path, flatten):
    world, process = start(tmp_path, hedge__band=0.01)
    process.run(20)
    hedger = process.hedger
    assert hedger.positions.own()
    hedger.kill("test", flatten=flatten)
    process.run(40)
    open_ = [o for o in world.exchange.floor.engine.orders.values() if o.state == "open" and o.label]
    assert not [o for o in open_ if o.account == world.account.user_id]
    positions = {name: p.size for name, p in world.account.positions.items() if p.lots}
    assert bool(positions) is not flatten
    assert positions == pytest.approx(hedger.positions.own())
    assert hedger.flat is flatten
    assert hedger.risk.mode is not Mode.NORMAL
    process.close()
    assert check(tmp_path / "j.db").departure is None


def test_a_latch_does_not_stand_in_the_way_of_flattening(tmp_path):
    _, process = start(tmp_path, hedge__band=0.01)
    process.run(20)
    hedger = process.hedger
    hedger.risk.latch("positions", "test")
    hedger.kill("test", flatten=True)
    process.run(40)
    assert hedger.flat
    assert hedger.risk.mode is Mode.HALT  # for everything else
    process.close()
    assert check(tmp_path / "j.db").departure is None


@pytest.mark.parametrize(("text", "always", "flat"), [("halt", False, False), ("halt", True, True)])
def test_the_configuration_may_flatten_on_every_kill(tmp_path, text, always, flat):
    _, process = start(tmp_path, hedge__band=0.01)
    process.run(20)
    hedger, switch = process.hedger, tmp_path / "j.db.kill"
    switch.write_text(text)
    process.hedger = Supervised(hedger, hedger, process.client, hedger.journal, flatten=always)
    process.run(40)
    assert hedger.flat is flat
    assert process.hedger.asked == ("killed" if flat else "")  # while it holds something it goes on, halted
    process.close()


def test_a_kill_may_become_a_flattening(tmp_path):
    world, process = start(tmp_path, hedge__band=0.01)
    process.run(20)
    process.hedger.kill("test", flatten=False)
    process.run(10)
    assert process.hedger.positions.own()
    process.hedger.kill("test", flatten=True)
    process.run(40)
    assert process.hedger.flat
    assert not [p for p in world.account.positions.values() if p.lots]
    process.close()


def test_a_stop_cancels_what_rests_and_leaves_positions(tmp_path):
    world, process = start(tmp_path, hedge__band=0.01, execution__patience="1h", execution__slippage_bp=0)
    process.run(30)
    process.hedger.stop("test")
    process.run(5, lambda: process.hedger.quiet)
    orders = [o for o in world.exchange.floor.engine.orders.values() if o.account == world.account.user_id]
    assert not [o for o in orders if o.state == "open"]
    assert process.hedger.positions.own()
    process.close()
    assert [r.kind for r in read(tmp_path / "j.db")][-1] is RecordKind.STOP


def test_a_restart_goes_on_without_repeating_itself(tmp_path):
    world, process = start(tmp_path, hedge__band=0.01)
    process.run(60)
    sizes, orders = process.hedger.positions.own(), len(world.exchange.floor.engine.orders)
    process.close()
    again = Process(world, tmp_path / "j.db", lively(hedge__band=0.01))
    assert again.hedger.positions.own() == pytest.approx(sizes)
    again.run(0.2)
    assert len(world.exchange.floor.engine.orders) - orders <= 1
    again.close()


def test_a_journal_with_a_hole_is_refused(tmp_path):
    _, process = start(tmp_path, hedge__band=0.01)
    assert process.run(30, lambda: process.hedger.filled >= 3)
    process.close()
    with sqlite3.connect(tmp_path / "j.db") as db:
        db.execute("delete from records where seq between 12 and 14")
    db.close()
    with pytest.raises(JournalError, match=r"j\.db: records 12 to 14 are missing"):
        past_of(tmp_path / "j.db", lively(hedge__band=0.01), process.world.now_ns)
    with pytest.raises(SessionError, match="close them at the exchange by hand"):
        held_by(tmp_path / "j.db")


def test_another_configuration_needs_another_journal(tmp_path):
    world, process = start(tmp_path)
    process.run(5)
    process.close()
    with pytest.raises(JournalError, match="another configuration"):
        Process(world, tmp_path / "j.db", lively(hedge__band=0.5))


def test_a_journal_from_before_a_parameter_was_made_goes_on_and_alerts_may_change(tmp_path):
    world, process = start(tmp_path)
    process.run(5)
    process.close()
    with sqlite3.connect(tmp_path / "j.db") as db:
        ((body,),) = db.execute("select body from records where kind = 'start'").fetchall()
        stated = json.loads(body)
        del stated["hedge"]["orphan"], stated["alerts"]
        db.execute("update records set body = ? where kind = 'start'", (json.dumps(stated).encode(),))
    db.close()
    again = Process(world, tmp_path / "j.db", lively(alerts__level="critical"))
    again.run(5)
    again.close()
    with pytest.raises(JournalError, match="another configuration"):
        Process(world, tmp_path / "j.db", lively(hedge__orphan="keep"))


def test_limits_refuse_entries_and_nothing_is_sent(tmp_path):
    _, process = start(tmp_path, risk__max_premium_usd=100.0)
    process.run(30)
    assert process.hedger.dispatch.sent == 0
    assert not process.hedger.desk.portfolio.open
    refused = [r for r in read(tmp_path / "j.db") if r.name == "Rejected"]
    assert 1 <= len(refused) <= 2  # the chain is not looked at again for a minute
    process.close()


def test_an_entry_without_strikes_for_it_is_refused_and_said_once(tmp_path, caplog):
    _, process = start(tmp_path, entry__structure="strangle", entry__delta=0.001)
    with caplog.at_level(logging.WARNING, "gammacore.live"):
        process.run(30)
    refusals = process.hedger.desk.strategy.refusals
    assert [one.chains >= 2 for one in refusals.values()] == [True]
    (said,) = [record for record in caplog.records if record.message == "entry refused"]
    assert said.reason == next(iter(refusals.values())).why
    assert said.reason.endswith("half a chain")
    assert process.hedger.dispatch.sent == 0
    process.close()
    assert check(tmp_path / "j.db").commands == 0


def test_a_silent_market_stops_hedging_until_it_speaks(tmp_path):
    plan = FaultPlan(
        faults=(Fault(kind="delay", match="ticker", at_s=20.0, until_s=40.0, seconds=25.0, count=1),)
    )
    world = World(faults=plan, models={"BTC": MarketModel(vol=3.0)}, linear=())
    _, process = start(tmp_path, world, hedge__band=0.01, risk__stale_after="5s")
    process.run(90)
    modes = [r for r in read(tmp_path / "j.db") if r.name == "ModeChanged"]
    process.close()
    follower = Follower(tmp_path / "j.db")
    follower.update()
    assert len(modes) >= 3  # before the first price, then at least once more, and back
    assert follower.mode.mode == Mode.NORMAL


def test_a_rehearsal_changes_nothing(tmp_path):
    _, process = start(tmp_path)
    process.run(20)
    desk = process.hedger.desk
    before = repr([(e.pending, e.resting, e.hedge.amount, e.orders_sent) for e in desk.portfolio.episodes])
    state = (desk.market.ts_ns, process.hedger.decided, process.hedger.dispatch.sent)
    assert all(leg.amount for leg in desk.rehearse())
    for _ in range(10):
        assert process.hedger.rehearse() == len(desk.rehearse()) > 0  # as far as to orders
        process.hedger.on_idle()
    assert (
        repr([(e.pending, e.resting, e.hedge.amount, e.orders_sent) for e in desk.portfolio.episodes])
        == before
    )
    assert (desk.market.ts_ns, process.hedger.decided, process.hedger.dispatch.sent) == state
    process.close()
    assert check(tmp_path / "j.db").departure is None


def test_rehearsals_count_for_no_limit_and_leave_nothing_behind(tmp_path, caplog):
    process = Process(World(linear=()), tmp_path / "j.db", lively(risk__max_hedges_per_hour=5))
    process.run(20)
    dry, before = process.hedger.rehearse.__self__, dict(process.hedger.risk.causes)
    caplog.clear()
    last = process.hedger.execution.quotes[PERPETUAL]
    process.hedger.execution.quote(msgspec.structs.replace(last, bid=last.ask + 5))  # the twin would halt
    assert {process.hedger.rehearse() for _ in range(50)} == {1}
    assert (caplog.records, process.hedger.risk.causes) == ([], before)
    assert (len(dry._risk._hedges), len(dry._risk._sent), dry._risk.causes) == (0, 0, {})
    process.close()


@pytest.mark.parametrize("execution", ["taker", "post_only"])
def test_on_paper_nothing_reaches_the_exchange(tmp_path, execution):
    world = World(models={"BTC": MarketModel(vol=1.5)}, linear=())
    config = lively(hedge__band=0.01, execution__hedges=execution)
    path = tmp_path / "j.db"
    for filled in (3, 1):  # the second goes on where the first stopped
        client, made = world.client(), []
        paper = Paper(client, lambda made=made: made[0], alone=False)
        with Journal(path) as journal:
            past = past_of(path, config, world.now_ns)
            made.append(build_hedger(config, past, journal, paper, paper=True))
            process = Process.__new__(Process)
            process.world, process.client, process.journal = world, client, journal
            process.hedger, hedger = paper, made[0]
            paper.quiet = True
            assert process.run(30, lambda least=filled, told=hedger: told.filled >= least and told.quiet)
            journal.close(world.now_ns)
        assert hedger.filled >= filled
        assert hedger.quiet
        world.exchange.floor.market.coins["BTC"].log_spot += 0.01
    mine = [o for o in world.exchange.floor.engine.orders.values() if o.account == world.account.user_id]
    assert not mine
    fills = hedger.desk.portfolio.book.fills
    assert all(f.fee > 0 for f in fills)
    for fill in fills:
        assert spec_for(fill.instrument).is_on_tick(fill.price)
    assert {isinstance(f.instrument, Option) for f in fills} == {True, False}
    assert check(tmp_path / "j.db").departure is None


def test_journal_and_log_hold_no_secret(tmp_path):
    from gammacore.logging import configure

    logger = configure(tmp_path / "log.jsonl", level="DEBUG")
    quiet = logging.getLogger("gammacore.live")
    level = quiet.level
    quiet.setLevel(logging.NOTSET)
    try:
        world, process = start(tmp_path)
        process.run(30)
        process.close()
    finally:
        quiet.setLevel(level)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
    token = next(iter(world.exchange.auth.__dict__.get("tokens", {"none-of-these": 0})), "none-of-these")
    for file in tmp_path.iterdir():
        data = file.read_bytes()
        assert SECRET.encode() not in data, file
        assert str(token).encode() not in data, file
        assert file.stat().st_mode & 0o077 == 0, file
    assert (tmp_path / "log.jsonl").stat().st_size > 100
