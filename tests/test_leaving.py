"""Rolls: what is closed and entered at one chain, and the hedge that stays."""

import msgspec
import numpy as np
import pytest

from gammacore.backtest.figures.reasons import reasons
from gammacore.backtest.replay.build import build_exchange
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.events import Delivery, Flatten, IndexPrice, Timer
from gammacore.orders import Purpose
from gammacore.risk import Limits
from support.ledger_sums import by_the_ledger
from support.markets import FREE, FRIDAY, START, build, chains_of
from support.tapes import minute_tape

NEXT = FRIDAY + 7 * NS_PER_DAY
STRIKES = tuple(np.arange(50e3, 71e3, 1e3))
FREE_ROLL = FREE | {
    "exit.delivery": "last",
    "hedge.rule": "band",
    "hedge.band": 0.05,
    "hedge.lots": True,
    "roll.when": {"moneyness": 0.5},
    "roll.into": {"min_days": 3},
}


class Market:
    """Desk and exchange on chains at given moments and prices; ``at`` plays one and returns its orders."""

    def __init__(self, settings, prices, expiries=(FRIDAY, NEXT), every=NS_PER_DAY):
        config = build(settings)
        self.desk, self.exchange = build_desk(config), build_exchange(config)
        times = [START + k * every for k in range(len(prices))]
        self.tape = Tape(chains_of(times, prices, expiries=expiries, strikes=STRIKES), averaging=False)

    def send(self, event):
        queue, orders = [event], []
        while queue:
            news = queue.pop(0)
            fills = self.exchange.observe(news)
            commands = self.desk.handle(news)
            orders += commands
            for command in commands:
                queue += self.exchange.submit(command)
            queue += fills
        return orders

    def at(self, k):
        return self.send(self.tape.snapshot(k))

    @property
    def episodes(self):
        return self.desk.portfolio.episodes


def purposes(orders):
    return [(order.episode, str(order.purpose)) for order in orders]


def closings(orders):
    """Orders that are no hedges."""
    return [order for order in purposes(orders) if order[1] != "hedge"]


def strikes(episode):
    return {option.strike for option in episode.entered}


def test_a_roll_closes_and_enters_at_one_chain_and_keeps_the_hedge():
    market = Market(FREE_ROLL, [60e3, 61e3, 64e3])
    assert purposes(market.at(0)) == [(0, "entry")]
    market.at(1)
    market.send(IndexPrice(START + NS_PER_DAY + NS_PER_HOUR, 63e3))  # out of the band
    before = market.desk.portfolio.positions()
    old = market.episodes[0]
    held = old.hedge.amount
    assert held < 0.0
    orders = market.at(2)
    assert purposes(orders)[:2] == [(0, "exit"), (1, "entry")]
    assert "unwind" not in [str(order.purpose) for order in orders]
    new = market.episodes[1]
    assert (old.close_reason, old.close_ns, old.heir) == ("moneyness", new.entry_ns, 1)
    assert strikes(old) == {60e3}
    assert strikes(new) == {64e3}
    assert old.hedge.amount == 0.0
    # What the account holds of the perpetual changed by the new straddle's own hedge alone.
    hedged = [order.legs[0].amount for order in orders if order.purpose is Purpose.HEDGE]
    assert market.desk.portfolio.positions()[new.hedge.instrument] == held + sum(hedged)
    assert before[new.hedge.instrument] == held
    transfers = [f for e in (old, new) for f in e.fills if "transfer" in f.order_id]
    assert [(f.episode, f.amount, f.fee) for f in transfers] == [(0, -held, 0.0), (1, held, 0.0)]
    assert {f.price for f in transfers} == {64e3}
    for episode in (old, new):
        episode.ledger.assert_invariants()


def test_nothing_of_the_hedge_is_traded_where_the_new_options_need_the_same():
    """With a band that nothing leaves, the amounts are handed over to the unit."""
    wide = FREE_ROLL | {"hedge.band": 2.0}
    market = Market(wide, [60e3, 63e3])
    market.at(0)
    episode = market.episodes[0]
    episode.hedge.trade(-12_340.0, 60e3)
    assert purposes(market.at(1)) == [(0, "exit"), (1, "entry")]
    assert [e.hedge.amount for e in market.episodes] == [0.0, -12_340.0]
    # Arrays of a hedge that was handed over and never traded are what compiled code takes.
    assert {column.dtype for column in market.episodes[1].hedge_fills()[1:6]} == {np.dtype(float)}


def test_profit_of_both_currencies_is_that_of_the_account():
    """The handing over is no trade: coin of all real ones, by the exchange's formulas."""
    market = Market(FREE_ROLL, [60e3, 63e3, 60e3, 57e3, 60e3])
    for k in range(5):
        market.at(k)
    market.send(Flatten(START + 5 * NS_PER_DAY))
    assert len(market.episodes) >= 3
    assert not market.desk.portfolio.positions()
    total = by_the_ledger(market.desk)
    assert total.coin == pytest.approx(_coin(market), abs=1e-7)
    assert market.episodes[-1].close_reason == "flatten"


def _coin(market):
    """Coin that all real trades left: premiums, and amount times the sum of 1/price of the perpetual."""
    total = 0.0
    for episode in market.episodes:
        for fill in episode.fills:
            if "transfer" not in fill.order_id:
                perpetual = "PERPETUAL" in fill.instrument.name
                total += (fill.amount / fill.price if perpetual else -fill.amount * fill.price) - fill.fee
    return total


def test_an_exit_rule_comes_before_a_roll():
    market = Market(FREE_ROLL | {"exit.rules": {"moneyness": 0.5}}, [60e3, 63e3])
    market.at(0)
    assert purposes(market.at(1)) == [(0, "exit")]
    assert market.episodes[0].close_reason == "moneyness"


def test_the_options_that_are_held_are_not_rolled_into():
    settings = FREE_ROLL | {"roll.when": {"max_days": 1.0}, "roll.into": {"min_days": 3, "max_days": 6}}
    market = Market(settings, [60e3, 60e3, 61e3])
    market.at(0)
    assert purposes(market.at(1)) == []
    assert market.desk.leaving.held_on == {0: "roll.into chooses the options that are held"}
    # At another strike of the same expiry it does, though that expiry was traded before.
    assert purposes(market.at(2)) == [(0, "exit"), (1, "entry")]
    assert market.episodes[0].close_reason == "max_days"
    assert {o.expiry_ns for o in market.episodes[1].entered} == {FRIDAY}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"roll.into": {"min_days": 20, "max_days": 30}}, "roll.into allows no expiry that is listed now"),
        (
            {"roll.into": {"min_days": 3, "weekday": "sunday"}},
            "roll.into allows no expiry that is listed now",
        ),
        (
            {"roll.into": {"min_days": 3}, "signal.when": {"time_of_week": ["fri"]}},
            "outside of signal.when.time_of_week",
        ),
    ],
)
def test_where_nothing_can_be_entered_nothing_is_closed(changes, why):
    """START is a Friday, the chain after it is of Saturday."""
    market = Market(FREE_ROLL | changes, [60e3, 63e3])
    assert purposes(market.at(0)) == [(0, "entry")]
    assert closings(market.at(1)) == []
    assert market.episodes[0].open
    assert market.desk.leaving.held_on == {0: why}


def test_limits_count_the_new_episode_in_place_of_the_old():
    market = Market(FREE_ROLL, [60e3, 63e3])
    market.desk.limits = Limits(max_open_episodes=1, max_contracts=1.0)
    market.at(0)
    assert purposes(market.at(1))[:2] == [(0, "exit"), (1, "entry")]
    market = Market(FREE_ROLL, [60e3, 63e3])
    market.at(0)
    market.desk.limits = Limits(max_contracts=0.5)
    assert closings(market.at(1)) == []
    assert market.desk.leaving.held_on == {0: "limits forbid the new episode"}
    assert market.episodes[1].close_reason == "limit"


def without_quotes(snapshot, strike):
    of = snapshot.chain.strike == strike
    snapshot.chain.bid[of] = snapshot.chain.ask[of] = np.nan
    return snapshot


CROSSING = FREE_ROLL | {"costs.fill": "cross"}


def test_an_entry_that_is_not_filled_leaves_nothing_hedged():
    market = Market(CROSSING, [60e3, 62e3, 63e3])
    market.at(0)
    market.episodes[0].hedge.trade(-10_000.0, 60e3)
    orders = market.send(without_quotes(market.tape.snapshot(2), 63e3))
    assert purposes(orders) == [(0, "exit"), (1, "entry"), (0, "unwind")]
    assert not market.desk.portfolio.open
    assert market.desk.portfolio.positions() == {}


def test_a_closing_that_is_not_filled_is_tried_again_and_the_hedge_follows():
    market = Market(CROSSING, [60e3, 63e3, 63.2e3])
    market.at(0)
    old = market.episodes[0]
    old.hedge.trade(-10_000.0, 60e3)
    orders = market.send(without_quotes(market.tape.snapshot(1), 60e3))
    assert purposes(orders)[:2] == [(0, "exit"), (1, "entry")]
    assert [e.open for e in market.episodes] == [True, True]
    kept = market.desk.portfolio.positions()[old.hedge.instrument]
    orders = market.at(2)  # the rule may say otherwise by now: a roll is finished
    assert purposes(orders)[0] == (0, "exit")
    assert len(market.episodes) == 2
    assert [e.open for e in market.episodes] == [False, True]
    assert old.hedge.amount == 0.0
    hedged = [order.legs[0].amount for order in orders if order.purpose is Purpose.HEDGE]
    assert market.desk.portfolio.positions()[old.hedge.instrument] == kept + sum(hedged)
    assert old.close_reason == "moneyness"


def test_a_future_of_another_expiry_is_unwound():
    market = Market(
        FREE_ROLL | {"hedge.instrument": "future", "roll.into": {"min_days": 9, "max_days": 20}},
        [60e3, 61e3, 64e3],
    )
    market.at(0)
    market.send(IndexPrice(START + NS_PER_HOUR, 62e3))
    assert market.episodes[0].hedge.amount
    orders = market.at(2)
    assert (0, "unwind") in purposes(orders)
    assert market.episodes[1].hedge.instrument.expiry_ns == NEXT


def test_realised_volatility_is_sampled_by_the_hour():
    """Chains 20 minutes apart that jump to and fro: nothing has moved from hour to hour, until it has."""
    settings = FREE_ROLL | {
        "exit.rules": {"rv_pace": {"after": "1min", "above": 0.5}},
        "roll.when": {},
        "roll.into": {},
    }
    prices = [60e3, 60.5e3, 60e3, 60e3, 60.5e3, 59.5e3, 60.6e3]
    market = Market(settings, prices, every=NS_PER_HOUR // 3)
    found = [closings(market.at(k)) for k in range(len(prices))]
    assert found[:6] == [[(0, "entry")], [], [], [], [], []]
    assert found[6][0] == (0, "exit")
    assert market.episodes[0].close_reason == "rv_pace"


def test_rules_of_time_wake_the_desk_and_rolls_wait_for_a_chain():
    market = Market(FREE_ROLL | {"exit.rules": {"max_days": 1.5}}, [60e3, 60e3, 60e3])
    market.at(0)
    due = START + 1.5 * NS_PER_DAY
    assert market.desk.next_deadline() == due
    market.at(1)
    assert purposes(market.send(Timer(int(due))))[0] == (0, "exit")
    rolled = Market(FREE_ROLL | {"roll.when": {"max_days": 1.5}}, [60e3, 60e3, 61e3])
    rolled.at(0)
    assert rolled.desk.next_deadline() is None
    assert purposes(rolled.at(1)) == []
    assert purposes(rolled.at(2))[:2] == [(0, "exit"), (1, "entry")]


def test_nothing_is_entered_or_rolled_where_entries_are_blocked_but_rules_still_close():
    market = Market(FREE_ROLL | {"exit.rules": {"stop_loss": 0.01}}, [60e3, 60e3])
    blocked = msgspec.structs.replace(market.tape.snapshot(0), entries=False)
    assert market.send(blocked) == []
    market = Market(FREE_ROLL | {"exit.rules": {"stop_loss": 0.01}}, [60e3, 60e3])
    market.at(0)
    blocked = msgspec.structs.replace(market.tape.snapshot(1), entries=False)  # a day's theta is lost
    assert purposes(market.send(blocked)) == [(0, "exit")]
    market = Market(FREE_ROLL, [60e3, 63e3])
    market.at(0)
    assert closings(market.send(msgspec.structs.replace(market.tape.snapshot(1), entries=False))) == []


def test_an_expired_episode_waits_for_its_delivery():
    settings = FREE_ROLL | {"exit.rules": {"take_profit": 0.01}}
    market = Market(settings, [60e3] * 8, expiries=(FRIDAY, NEXT))
    market.at(0)
    assert purposes(market.at(7)) == [(1, "entry")]
    market.send(Delivery(FRIDAY, FRIDAY, 66e3))
    assert market.episodes[0].close_reason == "delivery"


@pytest.mark.parametrize("target", ["coin_neutral", "usd_neutral", "black"])
@pytest.mark.parametrize("side", ["long", "short"])
def test_lines_sum_to_the_ledgers_in_both_currencies(target, side):
    """The attribution refuses what does not; the ledgers balance, and rolls change no total."""
    settings = {
        "entry.side": side,
        "hedge.target": target,
        "hedge.band": 0.03,
        "costs.max_quote_age": None,
        "roll.when": {"moneyness": 0.3, "days_to_expiry": 3.0},
        "roll.into": {"min_days": 4, "max_days": 15},
        "exit.rules": {"stop_loss": 0.9},
    }
    settings |= {"marks.settlement": "linear"} if target == "black" else {}
    config = build(settings)
    tape = minute_tape(days=12.1, linear=target == "black")
    run = replay(config, tape)
    assert sum(done.episode.heir is not None for done in run.episode_runs) >= 3
    assert run.engine == "compiled"
    for done in run.episode_runs:
        lines = done.attribution.totals
        profit = done.episode.ledger.profit()
        for currency, slack in (("coin", 1e-8), ("usd", 2e-3)):
            total = sum(getattr(money, currency) for money in lines.values())
            assert total == pytest.approx(getattr(profit, currency), abs=slack)
    handed = [f for done in run.episode_runs for f in done.episode.fills if "transfer" in f.order_id]
    assert sum(f.amount for f in handed) == 0.0


def test_a_roll_that_was_put_off_is_said():
    config = build({"roll.when": {"max_days": 1.0}, "roll.into": {"min_days": 40, "max_days": 50}})
    run = replay(config, minute_tape())
    why = "roll.into allows no expiry that is listed now"
    assert reasons(run, [9]) == [f"roll.when could not roll 2 episodes, at least at first: {why} (2)."]
