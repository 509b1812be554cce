"""Every row of the table of guards in docs/live-reference.md, driven from the exchange's side of the wire."""

import re

import msgspec
import pytest

from gammacore.daycount import NS_PER_SECOND, parse_time
from gammacore.exchange import Fault, MarketModel, trading
from gammacore.exchange.wire import invalid
from gammacore.live import client as client_module
from gammacore.live.hedger import SILENT_NS
from gammacore.live.journal import read
from gammacore.live.parity import check
from gammacore.live.risk_manager import Mode
from support.live_world import ID, SECRET, Process, lively
from support.local_exchange import Client as Holder
from support.watched_session import PERPETUAL, Noted, Played, Watched, hedged

HALT, HEDGE_ONLY = Mode.HALT, Mode.HEDGE_ONLY


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Run a script against a session; further ones go on with the same journal."""

    def playing(script, world=None, **changes):
        world = world or Watched()
        process = Process(world, tmp_path / "j.db", lively(**({"hedge__band": 0.01} | changes)))
        monkeypatch.setattr(client_module, "connect", world.connect)
        process.client.run(Played(world, process, script(world, process.hedger)))
        process.close()
        return world

    return playing


def halts(world, hedger, name, on, off):
    """Hold a guard from the exchange's side: nothing is sent; lift it: the hedge that was due follows."""
    causes = hedger.risk.causes
    yield hedged(hedger)
    assert causes == {}
    on()
    yield lambda: name in causes
    assert causes[name][0] is HALT is hedger.risk.mode
    yield 1.0
    before = len(world.orders())
    world.jump(0.02)
    yield 20.0
    assert name in causes
    assert len(world.orders()) == before
    off()
    yield lambda: name not in causes
    yield lambda: len(world.orders("hedge")) > 0 and len(world.orders()) > before
    assert hedger.risk.mode is Mode.NORMAL


def telling(**fields):
    """What the exchange says of the perpetual, and then no longer says."""
    return (lambda world: world.told.update(fields)), (lambda world: world.told.clear())


def silence(world):
    fault = Fault(kind="gap", match=f"ticker.{PERPETUAL}", count=None)
    world.exchange.inject(fault)


def sound(world):
    world.exchange.faults.clear()


def premium(share):
    def setting(world):
        world.exchange.floor.market.coins["BTC"].premium = share

    return setting


def lock(method, *what):
    def setting(on):
        return lambda world: getattr(world.exchange.locks, method)(*what, on)

    return setting(True), setting(False)


HALTING = {
    "stale": (silence, sound),
    "divergence": (premium(0.02), premium(0.0)),
    "crossed book": telling(best_bid_price=85_000.5, best_ask_price=85_000.0),
    "market": telling(state="closed"),
    "lock btc_usd": lock("lock", "btc_usd"),
    "lock btc_usd, with all": lock("lock", ""),
    "lock maintenance": lock("maintain"),
    "lock account ALL": lock("lock_account", ID),
}


@pytest.mark.parametrize("name", HALTING)
def test_guards_of_the_market_halt_and_lift(name, play):
    on, off = HALTING[name]
    name = name.partition(",")[0]
    play(lambda world, hedger: halts(world, hedger, name, lambda: on(world), lambda: off(world)))


def test_the_whole_exchange_is_told_by_status_as_well_as_index_by_index(play):
    def script(world, hedger):
        yield hedged(hedger)
        world.exchange.locks.whole = True  # nobody is told
        yield 5.0
        assert hedger.risk.causes == {}
        world.jump(0.02)
        yield lambda: "lock exchange" in hedger.risk.causes  # the refusal 10019 makes the session ask
        before = len(world.orders())
        yield 10.0
        assert len(world.orders()) == before
        world.exchange.locks.lock("", False)
        yield lambda: True

    play(script)


@pytest.mark.parametrize("what", ["index", "account"])
def test_a_lock_that_was_there_before_the_session(what, play):
    world = Watched()
    locks = world.exchange.locks
    locks.indices.add("eth_usd")
    if what == "index":
        locks.indices.add("btc_usd")
    else:
        locks.accounts.add(world.account.user_id)

    def script(world, hedger):
        name = "lock btc_usd" if what == "index" else "lock account ALL"
        yield lambda: name in hedger.risk.causes
        assert "lock eth_usd" not in hedger.risk.causes
        refused = len(world.orders())  # the account's is told by the first refusal, index locks by status
        assert (refused == 0) == (what == "index")
        yield 20.0
        assert len(world.orders()) == refused
        assert hedger.filled == 0
        if what == "index":
            locks.lock("btc_usd", False)
        else:
            locks.lock_account(ID, False)
        yield lambda: hedger.filled >= 2
        assert hedger.risk.mode is Mode.NORMAL

    play(script, world)


def test_a_lock_of_everything_that_ends_index_by_index_is_lifted(play):
    def script(world, hedger):
        locks = world.exchange.locks
        yield hedged(hedger)
        locks.whole = True
        world.jump(0.02)
        yield lambda: "lock exchange" in hedger.risk.causes
        locks.whole = False  # nobody is told of the exchange, or the message is lost
        yield 12.0
        assert hedger.risk.causes == {}

    play(script)


def test_a_lock_that_ended_while_the_connection_was_gone_is_lifted(play):
    def script(world, hedger):
        locks = world.exchange.locks
        yield hedged(hedger)
        for one in (
            lambda on: locks.lock("btc_usd", on),
            lambda on: locks.lock_account(ID, on),
            locks.maintain,
        ):
            one(True)
        yield lambda: len(hedger.risk.causes) == 3
        world.exchange.restart(world.now_ns, 5.0)
        locks.indices.clear()
        locks.accounts.clear()
        locks.maintenance = False
        yield lambda: not hedger.risk.causes
        assert hedger.session.reconciled

    play(script)


@pytest.mark.parametrize("told", [True, False])
def test_a_lock_of_the_account_whose_end_nobody_tells_is_asked_for(told, play):
    def script(world, hedger):
        locks = world.exchange.locks
        yield hedged(hedger)
        if told:
            locks.lock_account(ID, True)
        else:
            locks.accounts.add(world.account.user_id)
            world.jump(0.02)  # the hedge is refused with 11098
        yield lambda: "lock account ALL" in hedger.risk.causes
        yield 30.0
        assert hedger.risk.causes["lock account ALL"][0] is HALT
        locks.accounts.clear()
        yield lambda: not hedger.risk.causes
        yield from hedges_again(world, hedger)
        assert len(world.exchange.connections) == 1

    play(script)


def test_maintenance_whose_end_nobody_tells_is_asked_for_by_a_new_connection(play):
    def script(world, hedger):
        yield hedged(hedger)
        world.exchange.locks.maintain()
        yield lambda: "lock maintenance" in hedger.risk.causes
        yield 610.0
        assert "lock maintenance" in hedger.risk.causes  # told again
        world.exchange.locks.maintenance = False
        yield 550.0
        assert "lock maintenance" in hedger.risk.causes
        yield 70.0
        assert hedger.risk.causes == {}
        yield from hedges_again(world, hedger)

    play(script)


def test_a_lock_of_the_account_in_another_currency_is_no_lock(play):
    def script(world, hedger):
        yield hedged(hedger)
        world.exchange.locks.accounts.add(world.account.user_id)
        for currency in ("ETH", "BTC"):
            told = {"locked": True, "currency": currency}
            world.exchange.publisher.tell("user.lock", told, world.account.user_id)
            yield 2.0
            assert list(hedger.risk.causes) == ([] if currency == "ETH" else ["lock account BTC"])

    play(script)


def test_news_of_locks_that_were_not_granted_are_asked_for_until_they_are(play):
    def script(world, hedger):
        yield hedged(hedger)
        world.ungranted = "platform_state"
        hedger.session.drop("to subscribe anew")
        yield lambda: not hedger.session.reconciled
        yield lambda: hedger.session.reconciled
        connections = len(world.exchange.connections)
        world.exchange.locks.indices.add("btc_usd")
        yield lambda: "lock btc_usd" in hedger.risk.causes  # by asking for the state
        world.exchange.locks.indices.clear()
        yield lambda: not hedger.risk.causes
        world.ungranted = ""
        yield 10.0
        locks, asked = world.exchange.locks, len(world.sent)
        locks.lock("btc_usd")
        yield lambda: "lock btc_usd" in hedger.risk.causes
        locks.lock("btc_usd", False)
        yield 2.0
        assert hedger.risk.causes == {}
        assert not any("platform_state" in str(m["params"]) for m in world.sent[asked:])
        assert len(world.exchange.connections) == connections

    play(script, Deaf())


def test_the_clock(play):
    def script(world, hedger):
        yield hedged(hedger)
        world.ahead_ns = 600 * NS_PER_SECOND
        hedger.session.drop("to look at the clock again")
        yield lambda: "clock" in hedger.risk.causes
        mode, reason = hedger.risk.causes["clock"]
        assert mode is HALT
        assert float(re.search(r"[+-][\d.]+", reason)[0]) == pytest.approx(-600.0, abs=1.0)
        assert hedger.session.refused == ""  # the login is signed with the exchange's time
        assert abs(hedger.now_ns() - world.now_ns) < NS_PER_SECOND
        before = len(world.orders())
        world.jump(0.02)
        yield 10.0
        assert len(world.orders()) == before
        world.ahead_ns = 0
        hedger.session.drop("to look at the clock again")
        yield lambda: "clock" not in hedger.risk.causes
        yield lambda: len(world.orders()) > before

    play(script)


def test_a_revoked_key(play):
    def script(world, hedger):
        yield hedged(hedger)
        world.exchange.revoke(ID)
        yield lambda: "authorisation" in hedger.risk.causes
        mode, reason = hedger.risk.causes["authorisation"]
        assert mode is HALT
        assert "13004 invalid_credentials" in reason
        assert "make the key valid" in reason
        before, logins = len(world.orders()), logged_in(world)
        yield 240.0
        assert logged_in(world) - logins <= 6  # 10, 20, 40, ... seconds apart, with jitter
        assert next(iter(hedger.risk.causes)) == "authorisation"  # and not only "last price 11 s ago"
        world.exchange.revoke(ID, False)
        world.jump(0.02)
        yield 150.0
        assert hedger.risk.causes == {}
        assert len(world.orders()) > before

    play(script)


def logged_in(world):
    return sum(m["method"] == "public/auth" for m in world.sent)


def latched(world, hedger, name, mode=HALT):
    """Wait for a latch, and see that nothing is sent afterwards."""
    yield lambda: name in hedger.risk.causes
    assert hedger.risk.causes[name][0] is mode is hedger.risk.mode
    yield 1.0
    before = len(world.orders())
    world.jump(-0.02)
    yield 20.0
    assert name in hedger.risk.causes
    assert len(world.orders()) == before


@pytest.mark.parametrize(
    ("name", "limit"),
    [("order rate", {"risk__max_orders_per_minute": 3}), ("hedge count", {"risk__max_hedges_per_hour": 2})],
)
def test_too_many_orders(name, limit, play):
    def script(world, hedger):
        yield hedged(hedger)
        for k in range(4):
            world.jump(0.02 * (-1) ** k)
            yield 4.0
        yield from latched(world, hedger, name)

    play(script, **limit)


def test_a_fill_that_leaves_more_delta(play, monkeypatch):
    from gammacore.exchange import publisher, trading

    def script(world, hedger):
        yield hedged(hedger)
        for module in (publisher, trading):
            plain = module.user_trade

            def turned(trade, side, plain=plain):
                shown = plain(trade, side)
                other = {"buy": "sell", "sell": "buy"}[shown["direction"]]
                return shown | {"direction": other}

            monkeypatch.setattr(module, "user_trade", turned)
        world.jump(0.02)
        yield from latched(world, hedger, "wrong way")

    play(script)


def test_a_fill_of_an_order_that_was_over(play):
    def script(world, hedger):
        yield hedged(hedger)
        label = world.orders("hedge")[0]["params"]["label"]
        trade = {
            "trade_id": "9999999", "trade_seq": 9999999, "instrument_name": PERPETUAL, "label": label,
            "timestamp": world.now_ns // 1_000_000, "direction": "buy", "price": 85_000.0, "amount": 10.0,
            "order_id": "1", "fee": 0.0, "fee_currency": "BTC",
            "state": "filled",
        }  # fmt: skip
        changes = {"instrument_name": PERPETUAL, "orders": [], "trades": [trade], "positions": []}
        world.exchange.publisher.tell("user.changes", changes, world.account.user_id)
        yield from latched(world, hedger, "unexpected trade")

    play(script)


def test_positions_that_differ(play):
    def script(world, hedger):
        yield hedged(hedger)
        world.account.positions[PERPETUAL].lots += 5
        yield from latched(world, hedger, "positions")
        assert "there" in hedger.risk.causes["positions"][1]

    def again(world, hedger):
        yield lambda: hedger.session.reconciled
        assert hedger.risk.causes.get("positions") is None  # a start lifts latches

    world = play(script)
    world.account.positions[PERPETUAL].lots -= 5
    play(again, world)


ABSURD = (
    {"amount": 1e12}, {"amount": 1e300}, {"price": 1e12}, {"price": 1e300}, {"price": 1e-9},
    {"fee": 1e12}, {"fee": -1e300}, {"fee": 1.0},
)  # fmt: skip


@pytest.mark.parametrize("absurd", ABSURD, ids=str)
def test_a_fill_that_cannot_be_is_not_booked_until_it_is_told_right(absurd, play, monkeypatch):
    from gammacore.exchange import private, publisher

    def script(world, hedger):
        yield hedged(hedger)
        filled = hedger.filled
        with monkeypatch.context() as patch:
            for module in (publisher, trading, private):

                def shown(trade, side, plain=module.user_trade):
                    return plain(trade, side) | absurd

                patch.setattr(module, "user_trade", shown)
            world.jump(0.02)
            yield from latched(world, hedger, "impossible trade")
            assert hedger.filled == filled
        yield lambda: "impossible trade" not in hedger.risk.causes
        assert hedger.filled > filled
        yield from hedges_again(world, hedger)

    play(script)


@pytest.mark.parametrize("absurd", ABSURD, ids=str)
def test_a_trade_of_the_holder_that_cannot_be_is_not_hedged(absurd, play):
    def script(world, hedger):
        yield hedged(hedger)
        trade = {
            "trade_id": "9999999", "trade_seq": 9999999, "instrument_name": PERPETUAL, "label": "",
            "timestamp": world.now_ns // 1_000_000, "direction": "buy", "price": 85_000.0, "amount": 10.0,
            "order_id": "1", "fee": 0.0, "fee_currency": "BTC", "state": "filled",
        } | absurd  # fmt: skip
        changes = {"instrument_name": PERPETUAL, "orders": [], "trades": [trade], "positions": []}
        world.exchange.publisher.tell("user.changes", changes, world.account.user_id)
        yield from latched(world, hedger, "impossible trade")

    play(script)


@pytest.mark.parametrize("flatten", [False, True])
def test_the_kill_switch(flatten, play):
    def script(world, hedger):
        yield hedged(hedger)
        before = len(world.orders())
        hedger.kill("kill switch", flatten=flatten)
        mode, _ = hedger.risk.causes["kill switch"]
        if flatten:
            assert mode is HEDGE_ONLY
            yield lambda: hedger.flat
            assert {n: p.lots for n, p in world.account.positions.items() if p.lots} == {}
            return
        assert mode is HALT
        world.jump(0.02)
        yield 20.0
        assert len(world.orders()) == before
        assert any(m["method"] == "private/cancel_all" for m in world.sent)
        assert {p.lots for p in world.account.positions.values()} != {0}

    play(script)


class Refusing(Noted):
    """A connection of a world whose `refused` methods get an error while it lasts."""

    def write(self, text):
        message = msgspec.json.decode(text)
        if message["method"] != self.world.refused:
            return super().write(text)
        error = {"code": 13028, "message": "temporarily_unavailable"}
        return self.world.errors.append(msgspec.json.encode({"id": message["id"], "error": error}))

    def read(self, timeout_s):
        errors, self.world.errors = self.world.errors, []
        return errors + super().read(timeout_s)


class Ungranting(Noted):
    """A connection on which one channel is left out of what is asked for, while the world says so."""

    def write(self, text):
        message = msgspec.json.decode(text)
        channels = message["params"].get("channels", [])
        if message["method"].endswith("/subscribe") and self.world.ungranted in channels:
            self.world.sent.append(message)
            message["params"]["channels"] = [c for c in channels if c != self.world.ungranted]
            self.connection.receive(msgspec.json.encode(message).decode(), self.world.now_ns)
        else:
            super().write(text)


class Deaf(Watched):
    ungranted = ""

    def connect(self, url, timeout_s):
        return Ungranting(self, super().connect(url, timeout_s))


class Busy(Watched):
    refused, errors = "", []

    def connect(self, url, timeout_s):
        return Refusing(self, super().connect(url, timeout_s))


def hedges_again(world, hedger):
    """Once prices come again, so do hedges."""
    before = len(world.orders())
    world.jump(0.02)
    yield lambda: len(world.orders()) > before and hedger.quiet
    assert hedger.risk.mode is Mode.NORMAL


def test_prices_that_were_not_granted_are_asked_for_until_they_are(play):
    def script(world, hedger):
        yield hedged(hedger)
        world.refused = "public/subscribe"
        hedger.session.drop("to subscribe anew")
        yield lambda: "stale" in hedger.risk.causes
        world.refused = ""
        yield lambda: "stale" not in hedger.risk.causes
        yield from hedges_again(world, hedger)
        assert hedger.session.attempts == 2  # the same connection since

    play(script, Busy())


def test_a_connection_that_no_longer_brings_prices_is_made_anew(play):
    def script(world, hedger):
        yield hedged(hedger)
        for number in list(world.exchange.connections):
            world.exchange.publisher.lost(number)
        start_ns = world.now_ns
        yield lambda: not hedger.session.reconciled
        assert world.now_ns - start_ns == pytest.approx(SILENT_NS, rel=0.05)
        assert "no price of the perpetual for 60 s" in hedger.session.trouble
        yield lambda: hedger.session.reconciled and not hedger.risk.causes
        yield from hedges_again(world, hedger)

    play(script)


def test_a_market_in_which_nothing_changes_is_not_stale(play):
    def script(world, hedger):
        yield hedged(hedger)
        market = world.exchange.floor.market
        market._move = lambda *whose: None
        yield 5.0
        told = hedger.feed.tickers[hedger.feed.perpetual].ts_ns
        for _ in range(75):
            yield 2.0
            assert hedger.risk.causes == {}
        assert hedger.feed.tickers[hedger.feed.perpetual].ts_ns == told  # nothing came for 150 s
        assert len(world.exchange.connections) == 1
        asked = sum(m["method"] == "public/ticker" for m in world.sent)
        assert 20 < asked < 40
        del market._move
        yield from hedges_again(world, hedger)

    play(script, Watched(flow_per_minute=0.0))


@pytest.mark.parametrize(("what", "size"), [("tick_size", 2.5), ("min_trade_amount", 500.0)])
def test_orders_follow_another_grid(what, size, play, monkeypatch, tmp_path):
    checks, key = ("_limit", "price") if what == "tick_size" else ("_lots", "amount")

    def script(world, hedger):
        yield hedged(hedger)
        plain, row = getattr(trading, checks), world.exchange.floor.find(PERPETUAL).row

        def stricter(first, listing, *others):  # the price, or the call
            number = first if what == "tick_size" else first.params.number("amount")
            if listing.name == PERPETUAL and number % size:
                raise invalid("must conform to the grid", key)
            return plain(first, listing, *others)

        monkeypatch.setattr(trading, checks, stricter)
        monkeypatch.setitem(row, what, size)
        for turn in range(6):
            world.jump(0.02 * (-1) ** turn)
            yield 15.0
        assert getattr(hedger.desk.hedge.grids.spec_for(hedger.feed.perpetual), what) == size
        asked = [m for m in world.sent if m["method"] == "public/get_instruments"]
        assert [m["params"]["kind"] for m in asked] == ["option", "future"]
        assert "refusals" not in hedger.risk.causes
        yield from hedges_again(world, hedger)
        assert world.orders("hedge")[-1]["params"][key] % size == 0.0

    play(script)
    assert check(tmp_path / "j.db").departure is None
    told = [r for r in read(tmp_path / "j.db") if r.name == "CatalogRead"]
    assert len(told) == 2


@pytest.mark.parametrize("kind", ["settlement", "too_many_requests", "lost_request", "lost_response"])
def test_a_kill_cancels_everything_even_if_the_exchange_refuses_at_first(kind, play):
    def script(world, hedger):
        yield hedged(hedger)
        holder = Holder(world.exchange, ID, SECRET)
        world.exchange.advance(world.now_ns)
        holder.call("private/buy", instrument_name=PERPETUAL, amount=1_000, price=40_000.0)
        world.exchange.inject(Fault(kind=kind, match="private/cancel_all"))
        hedger.kill("kill switch", flatten=False)
        assert hedger.cancel_owed
        yield lambda: hedger.quiet
        assert not hedger.cancel_owed
        assert holder.call("private/get_open_orders") == []
        asked = len(world.sent)
        yield 5.0
        assert not any(m["method"] == "private/cancel_all" for m in world.sent[asked:])

    play(script)


def limited(hedger, **limits):
    """Give the session other limits, as a configuration would."""
    guards = hedger.risk.guards
    limits = {name: getattr(guards.limits, name) for name in LIMITS} | limits
    made = type(guards.limits)(guards.limits.grid, **limits)
    hedger.risk.guards = msgspec.structs.replace(guards, limits=made)


LIMITS = (
    "max_delta", "max_gamma", "max_vega_usd", "max_premium_usd", "max_order", "max_scenario_loss_usd",
)  # fmt: skip


def test_a_hedge_larger_than_an_order_may_be(play):
    def script(world, hedger):
        yield hedged(hedger)
        limited(hedger, max_order=1e-4)
        world.jump(0.02)
        yield from latched(world, hedger, "order size", HEDGE_ONLY)

    play(script)


@pytest.mark.parametrize("name", ["delta", "gamma"])
def test_more_exposure_than_allowed(name, play):
    def script(world, hedger):
        yield hedged(hedger)
        limited(hedger, **{f"max_{name}": 1e-9})
        yield lambda: name in hedger.risk.causes
        assert hedger.risk.causes[name][0] is HEDGE_ONLY is hedger.risk.mode
        before = len(world.orders("hedge"))
        world.jump(0.02)
        yield lambda: len(world.orders("hedge")) > before  # hedges pass
        limited(hedger, **{f"max_{name}": 1e9})
        yield lambda: name not in hedger.risk.causes

    play(script)


def balance(world, share):
    """Set the margin balance to a multiple of the maintenance margin."""
    summary = world.exchange.floor.views.summary(world.account, "BTC")
    wanted = share * summary["maintenance_margin"]
    world.account.wallet("BTC").balance += round((wanted - summary["margin_balance"]) * 1e8)


@pytest.mark.parametrize(("name", "on", "off"), [("margin", 3.0, 100.0), ("liquidation", 1.15, 100.0)])
def test_margins(name, on, off, play):
    changes = {"entry__side": "short", "risk__max_margin_use": 0.2 if name == "margin" else None}

    def script(world, hedger):
        yield hedged(hedger)
        assert hedger.risk.causes == {}
        balance(world, on)
        yield lambda: name in hedger.risk.causes
        assert hedger.risk.causes[name][0] is HEDGE_ONLY is hedger.risk.mode
        before, entries = len(world.orders("hedge")), len(world.orders("entry"))
        world.jump(0.01)
        yield lambda: len(world.orders("hedge")) > before
        assert len(world.orders("entry")) == entries
        balance(world, off)
        yield lambda: name not in hedger.risk.causes

    play(script, **changes)


def test_funding(play):
    world = Watched()
    world.told["current_funding"] = 0.01

    def script(world, hedger):
        yield lambda: "funding" in hedger.risk.causes
        assert hedger.risk.causes["funding"][0] is HEDGE_ONLY is hedger.risk.mode
        yield 15.0
        assert world.orders() == []  # no entries
        world.told.clear()
        yield lambda: hedger.filled >= 2
        assert "funding" not in hedger.risk.causes

    play(script, world)


def test_a_days_loss_lasts_until_midnight(play):
    world = Watched(start_ns=parse_time("2026-11-25T23:58:30Z"))

    def script(world, hedger):
        yield lambda: "daily loss" in hedger.risk.causes
        assert hedger.risk.causes["daily loss"][0] is HEDGE_ONLY is hedger.risk.mode
        before = len(world.orders("hedge"))
        world.jump(0.02)
        yield lambda: len(world.orders("hedge")) > before
        assert "daily loss" in hedger.risk.causes  # also if it was won back
        yield lambda: world.now_ns >= parse_time("2026-11-26T00:00:02Z")
        assert "daily loss" not in hedger.risk.causes

    play(script, world, risk__max_daily_loss_usd=1.0)


def test_a_drawdown_lasts_until_its_peak_is_old(play):
    world = Watched()

    def script(world, hedger):
        yield lambda: hedger.filled >= 2
        yield lambda: any(c.startswith("drawdown") for c in hedger.risk.causes)
        [(name, (mode, _))] = hedger.risk.causes.items()
        assert mode is HEDGE_ONLY
        began = world.now_ns
        world.exchange.floor.market.coins["BTC"].model = MarketModel(vol=1e-3)
        yield lambda: name not in hedger.risk.causes
        assert world.now_ns - began >= 20 * NS_PER_SECOND

    play(script, world, risk__max_drawdown_usd={"30s": 20.0})
