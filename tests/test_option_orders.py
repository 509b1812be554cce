"""Options at work in a backtest: what rests fills where the other side goes through it, and not before."""

import math

import msgspec
import numpy as np
import pytest

from gammacore.backtest.replay.fills import SimulatedExchange
from gammacore.backtest.replay.next_bars import NextBars
from gammacore.backtest.replay.option_orders import OptionOrders
from gammacore.backtest.replay.option_quotes import BarPath, OptionQuotes
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.replay.worked import WorkedBars
from gammacore.contracts import Option, Settlement
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.daycount import NS_PER_SECOND as S
from gammacore.errors import ConfigError
from gammacore.events import Rejected
from gammacore.execution.collar import Collar
from gammacore.execution.options import Tactic
from gammacore.execution.pricing import Pricing, Settings
from gammacore.execution.steps import NO_QUOTE_NS
from gammacore.fees import DERIBIT
from gammacore.live.actions import CancelPlaced, Place
from gammacore.live.execution import Execution
from gammacore.orders import Cancel, Leg, Order, Purpose
from gammacore.valuation import value
from support.markets import FRIDAY, START, build, chains_of, prices_of
from support.messages import order as told
from support.messages import trade

CALL = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, 1)
PUT = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, -1)
TICK = 0.0005
POST = Tactic("post", 600 * S, 60 * S, 1)
MID = Tactic("mid_then_take", 600 * S)


class Venue:
    """The exchange on a chain and the minutes after it."""

    def __init__(self, tactic, prices, interval=NS_PER_MINUTE, collar=None, seed=7, chains=None):
        ts = START + np.arange(1, len(prices) + 1) * interval
        chains = chains_of([START], [60e3]) if chains is None else chains
        self.tape = Tape(chains, prices_of(ts, np.array(prices, float), interval))
        settings = Settings(True, 3 * S, 3, 5e-4, 0.05, 5 * S, collar or Collar(), enter=tactic, leave=tactic)
        bars = WorkedBars("post_only", settings, seed, self.tape)
        path = BarPath(seed, self.tape.ts_ns, self.tape.next_bars)
        self.exchange = SimulatedExchange("cross", DERIBIT, bars=bars, path=path, grids=published())
        self.exchange.observe(self.tape.snapshot(0))

    def quote(self, option=CALL):
        chain = self.exchange.market.chain
        row = chain.find(option)
        return float(chain.bid[row]), float(chain.ask[row])

    def submit(self, *legs, purpose=Purpose.ENTRY):
        return self.exchange.submit(Order("0-entry-0", 0, purpose, tuple(Leg(*leg) for leg in legs)))

    def run(self):
        """Events of the entries that follow, with the entry they were told at."""
        return [
            (i, event) for i in range(1, len(self.tape)) for event in self.exchange.observe(self.event(i))
        ]

    def event(self, i):
        return self.tape.snapshot(i) if self.tape.chain_at[i] >= 0 else self.tape.price(i)


def test_what_rests_at_the_bid_is_filled_there_once_the_ask_has_gone_through_it_and_at_the_bars_end():
    """The ask of the call falls by its delta, 0.52 / 60,000 coin a dollar: 1 % of the price is enough."""
    venue = Venue(POST, [60_000.0, 60_000.0, 59_000.0])
    bid, _ = venue.quote()
    assert venue.submit((CALL, 2.0)) == []
    ((at, fill),) = venue.run()
    assert at == 3
    assert (fill.amount, fill.maker, fill.last) == (2.0, True, True)
    assert fill.price == pytest.approx(bid + 2 * TICK)  # it came a tick nearer after each minute
    assert fill.ts_ns == venue.tape.ts_ns[3]
    assert fill.mark == venue.exchange.market.mark(CALL)
    assert fill.fee == pytest.approx(2 * 0.0003)
    assert not venue.exchange.busy


def test_a_touch_is_no_fill(monkeypatch):
    venue = Venue(POST, [60_000.0])
    quotes, market = OptionQuotes(venue.exchange.market, published(), None), venue.exchange.market
    quotes.now_ns = START
    _, ask = venue.quote()
    prices = np.array([market.index])
    assert not quotes.reached(CALL, ask, prices, buys=True)
    assert quotes.reached(CALL, ask + TICK, prices, buys=True)
    bid, _ = venue.quote()
    assert not quotes.reached(CALL, bid, prices, buys=False)
    assert quotes.reached(CALL, bid - TICK, prices, buys=False)
    assert not quotes.reached(CALL, ask + TICK, np.empty(0), buys=True)


def test_post_comes_nearer_and_gives_up_when_its_patience_ends():
    still = [60_000.0] * 12
    venue = Venue(POST, still, collar=Collar(max_above_mark=0.9))
    bid, ask = venue.quote()
    venue.submit((CALL, 1.0))
    work = venue.exchange.options._works["0-entry-0"]
    seen, told = [], []
    for i in range(1, len(venue.tape)):
        told += [(i, event) for event in venue.exchange.observe(venue.event(i))]
        seen.append(work.resting[0].limit if work.resting[0] else None)
    steps = [min(bid + k * TICK, ask - TICK) for k in range(1, 10)]
    assert seen[:9] == pytest.approx(steps)
    ((at, end),) = told
    assert (at, type(end), end.reason) == (10, Rejected, "not filled at rest within 600 s")
    assert venue.exchange.options.told() == {"at_rest": 0, "took": 0, "orders_given_up": 1}


@pytest.mark.parametrize(("amount", "purpose"), [(1.0, Purpose.ENTRY), (-1.0, Purpose.EXIT)])
def test_mid_then_take_waits_in_the_middle_and_takes_when_its_patience_ends(amount, purpose):
    venue = Venue(MID, [60_000.0] * 12, collar=Collar(max_above_mark=0.9))
    bid, ask = venue.quote()
    venue.submit((CALL, amount), purpose=purpose)
    resting = venue.exchange.options._works["0-entry-0"].resting[0]
    spec = published().spec_for(CALL)
    assert resting.limit == pytest.approx(spec.round_price((bid + ask) / 2, "down" if amount > 0 else "up"))
    ((at, fill),) = venue.run()
    assert (at, fill.maker, fill.amount) == (10, False, amount)
    quotes = OptionQuotes(venue.exchange.market, published(), None)
    quotes.now_ns, quotes.price = int(venue.tape.ts_ns[10]), 60_000.0
    quote = quotes.get(CALL)
    assert fill.price == (quote.ask if amount > 0 else quote.bid)
    assert quote.ask <= ask


def test_once_a_leg_of_a_straddle_is_filled_the_other_takes():
    venue = Venue(POST, [60_000.0, 60_000.0, 59_000.0])
    venue.submit((CALL, 1.0), (PUT, 1.0))
    (at, first), (also, second) = venue.run()
    assert at == also == 3
    assert {first.instrument, second.instrument} == {CALL, PUT}
    assert (first.maker, first.last) == (True, False)
    assert (second.maker, second.last) == (False, True)
    _, ask = venue.quote(second.instrument)
    assert first.price == pytest.approx(venue.quote(first.instrument)[0] + 2 * TICK)
    assert second.price > ask  # the price had moved: one leg is filled, and the other is dearer
    assert venue.exchange.options.told() == {"at_rest": 1, "took": 1, "orders_given_up": 0}


def test_an_exit_that_rests_sells_at_the_ask_and_gives_up_what_is_not_reached():
    venue = Venue(POST, [60_000.0, 60_000.0, 61_000.0])
    _, ask = venue.quote()
    venue.submit((CALL, -1.0), purpose=Purpose.EXIT)
    ((_, fill),) = venue.run()
    assert (fill.amount, fill.maker) == (-1.0, True)
    assert fill.price == pytest.approx(ask - 2 * TICK)


def test_an_order_that_is_asked_back_ends_at_the_next_price():
    venue = Venue(POST, [60_000.0] * 3)
    venue.submit((CALL, 1.0))
    venue.exchange.submit(Cancel("0-entry-0", 0))
    ((at, end),) = venue.run()
    assert (at, type(end), end.reason) == (1, Rejected, "cancelled")


def test_within_a_bar_the_clock_of_the_order_runs_and_its_end_is_booked_at_the_bars_end():
    """An hour in which the price falls by 3 %: a fill on the way, at a price of the time."""
    venue = Venue(POST, [58_200.0], interval=NS_PER_HOUR)
    bid, _ = venue.quote()
    venue.submit((CALL, 1.0))
    ((at, fill),) = venue.run()
    assert (at, fill.maker) == (1, True)
    assert bid <= fill.price <= bid + 10 * TICK
    assert fill.mark < fill.price  # the price went on falling


def test_the_other_sides_quote_moves_with_the_model_and_away_from_the_mark():
    venue = Venue(POST, [61_000.0])
    market = venue.exchange.market
    quotes, spec = OptionQuotes(market, published(), None), published().spec_for(CALL)
    bid, ask = venue.quote()
    venue.exchange.observe(venue.event(1))
    quotes.now_ns, quotes.price = market.ts_ns, 61_000.0
    vol, tau = market.vol(CALL), market.tau(FRIDAY)
    old = float(value(CALL, market.chain.forwards[FRIDAY], market.tau(FRIDAY, START), vol))
    moved = float(value(CALL, market.forward(FRIDAY), tau, vol)) - old
    found = quotes.get(CALL)
    assert found.bid == pytest.approx(spec.round_price(bid + moved, "down"))
    assert found.ask == pytest.approx(spec.round_price(ask + moved, "up"))
    assert found.mark == pytest.approx(float(market.chain.mark[market.chain.find(CALL)]) + moved)
    quotes.price = 1.0  # an ask is a tick at least, a bid may be none
    assert quotes.get(CALL).ask >= 0.0001
    assert math.isnan(quotes.get(CALL).bid)


@pytest.mark.parametrize("change", ["old", "expired", "no chain", "not listed"])
def test_where_there_is_no_quote_nothing_fills(change):
    venue = Venue(POST, [60_000.0])
    quotes = OptionQuotes(venue.exchange.market, published(), 60 * S)
    quotes.now_ns, quotes.price, option = START, 60_000.0, CALL
    assert quotes.get(CALL) is not None
    if change == "old":
        quotes.now_ns = START + 61 * S
    elif change == "expired":
        quotes._max_age_ns, quotes.now_ns = None, FRIDAY
    elif change == "no chain":
        venue.exchange.market.chain = None
    else:
        option = msgspec.structs.replace(CALL, strike=12_345.0)
    assert quotes.get(option) is None
    assert not quotes.reached(option, 9.0, np.array([60_000.0]), buys=True)


def test_the_path_within_a_bar_ends_at_its_close_has_its_variance_and_is_the_same_again():
    ts = START + np.arange(4000) * NS_PER_HOUR
    rng = np.random.default_rng(0)
    closes = 60e3 * np.exp(np.cumsum(rng.standard_normal(4000) * 0.005))
    variance = np.full(4000, 0.005**2 / 3600)
    bars = NextBars(ts + NS_PER_HOUR, 60e3 * np.ones(4000), closes, closes, closes, variance)
    path, again = BarPath(3, ts, bars), BarPath(3, ts, bars)
    half = []
    for k in range(0, 4000, 4):
        start, end = int(ts[k]), int(ts[k]) + NS_PER_HOUR
        prices = path.prices(start, end - 1)
        assert len(prices) == 3599
        assert path.at(start) == 60e3
        assert path.at(end - 1) == prices[-1]
        whole = path._bar(start)[1]
        assert whole[-1] == pytest.approx(closes[k])
        half.append(math.log(whole[1799] / 60e3) - 0.5 * math.log(closes[k] / 60e3))
        np.testing.assert_array_equal(again.prices(start + 5 * S, start + 8 * S), prices[5:8])
    # Half-way a bridge has a quarter of the bar's variance.
    assert np.std(half) == pytest.approx(0.005 / 2, rel=0.07)
    assert np.mean(half) == pytest.approx(0.0, abs=4 * 0.0025 / math.sqrt(1000))


def market(hours=200):
    ts = START + np.arange(1, hours) * NS_PER_HOUR
    rng = np.random.default_rng(1)
    path = 60e3 * np.exp(np.cumsum(rng.standard_normal(hours) * 0.004))
    return Tape(chains_of([START], [60e3]), prices_of(ts, path[1:], NS_PER_HOUR))


@pytest.mark.parametrize("name", ["options", "option_exits", "iv_limit", "max_from_smile"])
def test_what_is_about_quotes_is_refused_where_a_backtest_does_without(name):
    wanted = 0.5 if name in ("iv_limit", "max_from_smile") else "post"
    config = build({f"execution.{name}": wanted, "costs.fill": "mid"})
    with pytest.raises(ConfigError, match=f"costs.fill: expected cross, as execution.{name} is about quotes"):
        replay(config, market())


@pytest.mark.parametrize(("patience", "refused"), [("59min", False), ("1h", True)])
def test_nothing_rests_for_longer_than_a_chain_is_a_quote(patience, refused):
    config = build(
        {"execution.options": "post", "execution.option_patience": patience, "costs.max_quote_age": "1h"}
    )
    if not refused:
        replay(config, market())
        return
    with pytest.raises(ConfigError, match=r"option_patience: expected less than costs\.max_quote_age = 1h"):
        replay(config, market())


SOL = {"currency": "SOL_USDC", "hedge.lots": False, "hedge.target": "black"}


def test_what_rests_needs_ticks():
    with pytest.raises(ConfigError, match=r"execution.options: .*SOL_USDC"):
        replay(
            build(
                {
                    "execution.options": "post",
                    "currency": "SOL_USDC",
                    "hedge.lots": False,
                    "hedge.target": "black",
                }
            ),
            market(),
        )


def test_an_entry_beyond_the_volatility_it_may_pay_is_refused_with_the_reason():
    run = replay(build({"execution.iv_limit": 0.01}), market())
    assert not run.episode_runs
    assert run.missing_quotes == 1
    (episode,) = run.desk.portfolio.episodes
    assert "at 1 % volatility" in episode.close_reason
    assert replay(build({"execution.iv_limit": 3.0}), market()).episode_runs
    short = {"entry.side": "short", "execution.iv_limit": 3.0}
    assert not replay(build(short), market()).episode_runs


@pytest.mark.parametrize("tactic", [POST, MID])
@pytest.mark.parametrize("purpose", [Purpose.ENTRY, Purpose.EXIT])
def test_a_session_sends_the_same_orders_at_the_same_quotes(monkeypatch, tactic, purpose):
    """A market that stands still: the quotes lose a little time value, and everything else is the order's."""
    venue = Venue(tactic, [60_000.0] * 12, collar=Collar(max_above_mark=0.15))
    sent, options = [], venue.exchange.options
    send = OptionOrders._send

    def noted(self, work, leg, step, now_ns):
        sent.append((now_ns, leg, step.limit, step.rests))
        send(self, work, leg, step, now_ns)

    monkeypatch.setattr(OptionOrders, "_send", noted)
    sign = 1.0 if purpose is Purpose.ENTRY else -1.0
    order = Order("0-x-0", 0, purpose, (Leg(CALL, sign), Leg(PUT, sign)))
    venue.exchange.submit(order)
    venue.run()
    monkeypatch.undo()

    live = Execution("g1", options.settings, published().spec_for)
    live.pricing = Pricing(
        options.settings,
        published().spec_for,
        quotes := OptionQuotes(Venue(tactic, [60_000.0]).exchange.market, published(), None),
    )
    placed = []

    def answer(now_ns):
        while actions := live.actions():
            for action in actions:
                if isinstance(action, Place):
                    p = action.placed
                    placed.append((p.ts_ns, p.leg, p.limit, p.rests))
                    live.order(told(p), now_ns)
                    if not p.rests:
                        live.trade(trade(p, p.amount), now_ns)
                elif isinstance(action, CancelPlaced):
                    p = live.placed(action.label)
                    live.order(told(p, "cancelled"), now_ns)

    times = sorted({START, *(at for at, *_ in sent), START + 600 * S, START + 600 * S + NO_QUOTE_NS})
    for at in times:
        quotes.now_ns, quotes.price = at, 60_000.0
        live.submit(order, at) if at == START else live.tick(at)
        answer(at)
    assert len(sent) > 2
    assert placed == sent
    assert not live.busy
