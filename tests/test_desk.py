"""The desk by hand: each step hands it one event and looks at its orders."""

import numpy as np
import pytest

from gammacore.backtest.replay.build import build_exchange
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE
from gammacore.events import Delivery, IndexPrice, Rejected, Timer
from gammacore.orders import Purpose
from gammacore.risk import Limits
from support.markets import FREE, FRIDAY, START, build, chains_of


class Bench:
    """Desk and exchange; ``send`` plays one event to the end and returns the orders it caused."""

    def __init__(self, **dotted):
        config = build({name.replace("__", "."): value for name, value in dotted.items()})
        self.desk, self.exchange = build_desk(config), build_exchange(config)
        self.tape = Tape(chains_of([START], [60e3]))

    def send(self, event):
        queue, orders = [event], []
        while queue:
            news = queue.pop(0)
            self.exchange.observe(news)
            for order in self.desk.handle(news):
                orders.append(order)
                queue += self.exchange.submit(order)
        return orders

    def enter(self):
        return self.send(self.tape.snapshot(0))

    @property
    def episode(self):
        return self.desk.portfolio.episodes[0]

    def mismatch(self):
        return self.desk.hedge.target.mismatch(self.episode, self.desk.market)


def purposes(orders):
    return [order.purpose for order in orders]


def test_enter_hedge_exit_unwind():
    bench = Bench(
        hedge__rule="interval", hedge__every="1h", exit__hours_before_expiry=6.0, costs__max_quote_age=None
    )
    assert purposes(bench.enter()) == [Purpose.ENTRY, Purpose.HEDGE]
    assert bench.episode.open
    assert abs(bench.mismatch()) < 10 / 60e3  # one lot
    assert bench.send(IndexPrice(START + NS_PER_HOUR - 1, 61e3)) == []
    assert purposes(bench.send(IndexPrice(START + NS_PER_HOUR, 61e3))) == [Purpose.HEDGE]
    assert bench.desk.next_deadline() == FRIDAY - 6 * NS_PER_HOUR
    assert purposes(bench.send(Timer(FRIDAY - 6 * NS_PER_HOUR))) == [Purpose.EXIT, Purpose.UNWIND]
    assert not bench.desk.portfolio.open
    assert bench.episode.hedge.amount == 0.0
    bench.episode.ledger.assert_invariants()


def test_orders_are_named_after_the_decision_and_never_twice():
    bench = Bench(hedge__rule="interval", hedge__every="1min")
    orders = bench.enter()
    for k in range(1, 20):
        orders += bench.send(IndexPrice(START + k * NS_PER_MINUTE, 60e3 + 500 * (-1) ** k))
    names = [order.order_id for order in orders]
    assert names[:2] == ["0-entry-0", "0-hedge-1"]
    assert len(set(names)) == len(names) > 10


@pytest.mark.parametrize(("to", "left"), [("centre", 0.0), ("edge", 0.1)])
def test_band(to, left):
    bench = Bench(hedge__rule="band", hedge__band=0.1, hedge__to=to)
    assert purposes(bench.enter()) == [Purpose.ENTRY]  # at the money: inside the band
    assert bench.send(IndexPrice(START + 1, 60_100.0)) == []
    assert purposes(bench.send(IndexPrice(START + 2, 63e3))) == [Purpose.HEDGE]
    assert bench.mismatch() == pytest.approx(left, abs=10 / 60e3)


def test_an_unanswered_order_blocks_the_next_hedge():
    bench = Bench(hedge__rule="band", hedge__band=0.1)
    bench.enter()
    (order,) = bench.desk.handle(IndexPrice(START + 2, 63e3))
    assert bench.desk.handle(IndexPrice(START + 3, 66e3)) == []
    assert purposes(bench.desk.handle(Rejected(START + 4, order.order_id, 0, "lost"))) == []
    assert purposes(bench.desk.handle(IndexPrice(START + 5, 66e3))) == [Purpose.HEDGE]


def test_a_chain_without_quotes_is_tried_again():
    bench = Bench()
    snapshot = bench.tape.snapshot(0)
    snapshot.chain.ask[:] = np.nan
    assert purposes(bench.send(snapshot)) == [Purpose.ENTRY]
    assert not bench.desk.portfolio.open
    assert bench.desk.portfolio.missing_quotes == 1
    assert Purpose.ENTRY in purposes(bench.enter())
    assert bench.desk.portfolio.episodes[1].open


def test_a_chain_without_volatilities_between_entry_and_fill():
    """The entry was decided at a volatility; that the next chain has none leaves it the last known."""
    bench = Bench(hedge__rule="interval", hedge__every="1h")
    snapshot = bench.tape.snapshot(0)
    bench.exchange.observe(snapshot)
    (order,) = bench.desk.handle(snapshot)
    fills = bench.exchange.submit(order)
    snapshot.chain.iv[:] = np.nan
    assert bench.desk.handle(snapshot) == []
    (hedge,) = [order for fill in fills for order in bench.desk.handle(fill)]
    assert hedge.purpose == Purpose.HEDGE
    assert np.isfinite(bench.mismatch())


def test_delivery_settles_options_and_the_perpetual_is_unwound():
    bench = Bench(hedge__rule="interval", hedge__every="1h")
    bench.enter()
    bench.send(IndexPrice(FRIDAY, 63e3))
    assert purposes(bench.send(Delivery(FRIDAY, FRIDAY, 62_900.0))) == [Purpose.UNWIND]
    assert not bench.desk.portfolio.open
    assert bench.episode.delivery_price == 62_900.0


def test_nothing_is_hedged_between_expiry_and_delivery():
    bench = Bench(hedge__rule="interval", hedge__every="1min")
    bench.enter()
    assert bench.send(IndexPrice(FRIDAY, 70e3)) == []


def test_a_roll_hands_the_hedge_over():
    bench = Bench(
        **{k.replace(".", "__"): v for k, v in FREE.items()},
        entry__schedule="roll",
        hedge__rule="band",
        exit__delivery="last",
    )
    bench.enter()
    bench.send(IndexPrice(START + NS_PER_DAY, 66e3))
    held = bench.episode.hedge.amount
    assert held < 0
    later = Tape(chains_of([FRIDAY], [66e3], expiries=(FRIDAY + 7 * NS_PER_DAY,), strikes=(66e3,)))
    assert purposes(bench.send(later.snapshot(0))) == [Purpose.ENTRY]
    orders = bench.send(Delivery(FRIDAY, FRIDAY, 66e3))
    assert purposes(orders) == [Purpose.HEDGE]  # the new straddle, out of its band with the old hedge
    assert bench.episode.hedge.amount == 0.0
    assert bench.desk.portfolio.episodes[1].fills[2].amount == held


def test_a_dated_future_is_delivered_with_its_options_and_not_handed_over():
    bench = Bench(entry__schedule="roll", hedge__rule="interval", hedge__instrument="future")
    bench.enter()
    assert bench.episode.hedge.amount != 0.0
    later = Tape(chains_of([FRIDAY], [66e3], expiries=(FRIDAY + 7 * NS_PER_DAY,), strikes=(66e3,)))
    bench.send(later.snapshot(0))
    orders = bench.send(Delivery(FRIDAY, FRIDAY, 66e3))
    assert Purpose.UNWIND not in purposes(orders)
    assert bench.episode.hedge.amount == 0.0
    assert not bench.episode.open


def test_limits_stop_entries_only():
    bench = Bench(entry__expiries="any")
    bench.desk.limits = Limits(max_open_episodes=1)
    bench.tape = Tape(chains_of([START], [60e3], expiries=(FRIDAY, FRIDAY + NS_PER_DAY)))
    bench.enter()
    assert len(bench.desk.portfolio.open) == 1
    assert bench.desk.portfolio.episodes[1].close_reason == "limit"
    bench = Bench(size__contracts=2.0)
    bench.desk.limits = Limits(max_contracts=1.5)
    assert bench.enter() == []
