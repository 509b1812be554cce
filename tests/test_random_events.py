"""Portfolio and book under random events: the books balance after every one of them.

What the ledgers should hold is kept a second time here, in exact fractions and without
sharing any arithmetic with the portfolio. A posting is rounded once to 1e-8; the sums
may differ by half a unit for each, and no more.
"""

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_HOUR
from gammacore.events import Delivery, Fill, IndexPrice, Rejected, Snapshot
from gammacore.fees import DERIBIT, delivery_fee
from gammacore.ledger import ASSETS, Account
from gammacore.market import Market
from gammacore.orders import Leg, Order, Purpose
from gammacore.portfolio import Portfolio
from support.markets import FRIDAY, START, chains_of

UNIT = Fraction(1, 10**8)
HEDGES = {
    settlement: (Perpetual("BTC", settlement), Future("BTC", settlement, FRIDAY)) for settlement in Settlement
}
STRIKES = (50e3, 60e3, 70e3)


class Twin:
    """What one episode should hold, in fractions, native currency."""

    def __init__(self, inverse):
        self.inverse = inverse
        self.options, self.trades = {}, []
        self.hedge = self.cash = self.fees = self.funding = Fraction(0)
        self.interest, self.postings = Fraction(0), 0

    def trade(self, amount, price, fee):
        self.trades.append((Fraction(amount), Fraction(price)))
        self.hedge += Fraction(amount)
        self.fees += Fraction(fee)
        self.postings += 3

    def pay_funding(self, interest):
        self.funding += self.hedge * (Fraction(interest) - self.interest)
        self.interest = Fraction(interest)
        self.postings += 1

    def hedge_profit(self, price):
        """Of all trades, marked at ``price``: no averages."""
        price = Fraction(price)
        if self.inverse:
            return sum(a * (1 / p - 1 / price) for a, p in self.trades)
        return sum(a * (price - p) for a, p in self.trades)

    def worth(self, price):
        """Cash and the hedge at ``price``, without options."""
        return self.cash - self.fees - self.funding + self.hedge_profit(price)


class Play:
    """Random but possible events, each checked."""

    def __init__(self, seed, settlement):
        self.rng = random.Random(seed)
        self.settlement, self.inverse = settlement, settlement is Settlement.INVERSE
        self.market, self.portfolio = Market(), Portfolio(DERIBIT)
        chain = Tape(chains_of([START], [60e3], strikes=STRIKES)).snapshot(0)
        self.send(Snapshot(START, chain.chain))
        self.twins, self.interest, self.rejected = {}, 0.0, 0

    def send(self, event):
        self.market.apply(event)
        self.portfolio.apply(event, self.market)

    def order(self, episode, purpose, *legs):
        order = Order(f"{episode.number}-{purpose}-{episode.orders_sent}", episode.number, purpose, legs)
        episode.orders_sent += 1
        episode.pending[order.order_id] = order
        return order

    def fill(self, order, instrument, amount, price, last=True):
        fee = self.rng.uniform(0, 0.001)
        event = Fill(
            self.market.ts_ns, order.order_id, order.episode, instrument, amount, price, price, fee, last
        )
        twin = self.twins[order.episode]
        if isinstance(instrument, Option):
            twin.options[instrument] = twin.options.get(instrument, 0) + Fraction(amount)
            twin.cash -= Fraction(amount) * Fraction(price)
            twin.fees += Fraction(fee)
            twin.postings += 3
        else:
            if isinstance(instrument, Perpetual):
                twin.pay_funding(self.market.interest)
            twin.trade(amount, price, fee)
        self.send(event)

    def price(self):
        self.interest += self.rng.uniform(-1e-9, 1e-9) if self.inverse else self.rng.uniform(-5, 5)
        price = self.market.index * self.rng.uniform(0.95, 1.05)
        self.send(IndexPrice(self.market.ts_ns + NS_PER_HOUR, price, self.interest))

    def enter(self):
        """One or two legs, each filled in one to three parts; or refused."""
        episode = self.portfolio.begin(FRIDAY, self.rng.choice(HEDGES[self.settlement]), self.market.index)
        twin = self.twins[episode.number] = Twin(self.inverse)
        twin.interest = Fraction(0)
        options = [
            Option("BTC", self.settlement, FRIDAY, strike, kind)
            for strike, kind in self.rng.sample([(k, c) for k in STRIKES for c in (1, -1)], 2)
        ]
        side = self.rng.choice((-1, 1))
        legs = tuple(Leg(option, side * self.rng.randint(3, 30) / 10) for option in options)
        order = self.order(episode, Purpose.ENTRY, *legs)
        if self.rng.random() < 0.2:
            self.rejected += 1
            self.send(Rejected(self.market.ts_ns, order.order_id, episode.number, "no ask"))
            return
        for leg in legs:
            unit = 0.05 if self.inverse else 3000.0
            self.parts(order, leg, self.rng.uniform(0.1, 1.0) * unit, leg is legs[-1])

    def parts(self, order, leg, price, last):
        """Partial fills that add up to the leg's amount."""
        count = self.rng.randint(1, 3)
        cuts = sorted(self.rng.uniform(0, leg.amount) for _ in range(count - 1))
        edges = [0.0, *cuts, leg.amount] if leg.amount > 0 else [0.0, *reversed(cuts), leg.amount]
        sizes = [b - a for a, b in itertools.pairwise(edges)]
        for k, size in enumerate(sizes):
            self.fill(order, leg.instrument, size, price * (1 + 0.001 * k), last and k == len(sizes) - 1)

    def hedge(self, purpose=Purpose.HEDGE, amount=None):
        episode = self.pick(lambda e: not e.pending and (e.open if purpose is Purpose.HEDGE else not e.open))
        if episode is None:
            return
        instrument = episode.hedge.instrument
        if amount is None:
            amount = 10.0 * self.rng.randint(-4000, 4000) if self.inverse else self.rng.randint(-99, 99) / 100
        if amount == 0.0:
            return
        order = self.order(episode, purpose, Leg(instrument, amount))
        if self.rng.random() < 0.1:
            self.rejected += 1
            self.send(Rejected(self.market.ts_ns, order.order_id, episode.number, "no quote"))
        else:
            self.parts(order, order.legs[0], self.market.future_price(instrument), last=True)

    def pick(self, wanted):
        found = [e for e in self.portfolio.open.values() if wanted(e)]
        return self.rng.choice(found) if found else None

    def exit(self):
        episode = self.pick(lambda e: e.open and not e.pending)
        if episode is not None:
            legs = tuple(Leg(option, -amount) for option, amount in episode.legs.items())
            order = self.order(episode, Purpose.EXIT, *legs)
            for leg in legs:
                self.fill(order, leg.instrument, leg.amount, 0.01 if self.inverse else 600.0, leg is legs[-1])
            self.twins[episode.number].options.clear()
            self.twins[episode.number].postings += 1

    def hand_over(self):
        source = self.pick(lambda e: not e.open and e.close_ns and e.hedge.amount and not e.pending)
        if source is None:
            return
        same = source.hedge.instrument
        heir = self.pick(lambda e: e.open and e.hedge.instrument == same and not e.pending)
        if heir is not None:
            price, amount = self.market.future_price(same), source.hedge.amount
            for episode, signed in ((source, -amount), (heir, amount)):
                twin = self.twins[episode.number]
                if isinstance(same, Perpetual):
                    twin.pay_funding(self.market.interest)
                twin.trade(signed, price, 0.0)
            self.portfolio.hand_over(source, heir, self.market)

    def mark(self):
        """Carry at marks, as at the end of a recording, and go on."""
        episode = self.pick(lambda e: bool(e.entered))
        if episode is not None:
            value = 0.03 if self.inverse else 1800.0
            if isinstance(episode.hedge.instrument, Perpetual):
                self.twins[episode.number].pay_funding(self.market.interest)
            self.portfolio.mark(episode, self.market, dict.fromkeys(episode.legs, value))
            self.twins[episode.number].postings += 2
            self.check_marks(episode, value)
            # The option's mark is taken back, since a purchase is carried at cost.
            episode.ledger.mark(self.market.ts_ns, Account.HEDGE, Account.HEDGE_PNL, 0.0, "mark undone")
            self.twins[episode.number].postings += 1

    def deliver(self):
        price = self.market.index
        for episode in self.portfolio.open.values():
            if not episode.open:
                continue
            twin = self.twins[episode.number]
            for option, amount in twin.options.items():
                payoff = max(option.kind * (Fraction(price) - Fraction(option.strike)), Fraction(0))
                value = payoff / Fraction(price) if self.inverse else payoff
                twin.cash += amount * value
                held = episode.legs[option]
                twin.fees += Fraction(
                    float(delivery_fee(DERIBIT.at(FRIDAY), option, held, price, float(value)))
                )
                twin.postings += 3
            twin.options.clear()
            instrument = episode.hedge.instrument
            if isinstance(instrument, Future) and episode.hedge.amount:
                fee = float(delivery_fee(DERIBIT.at(FRIDAY), instrument, episode.hedge.amount, price))
                twin.trade(-twin.hedge, Fraction(price), fee)
        self.send(Delivery(FRIDAY, FRIDAY, price))

    def check_marks(self, episode, value):
        twin, ledger = self.twins[episode.number], episode.ledger
        price = self.market.future_price(episode.hedge.instrument)
        slack = UNIT * (twin.postings + 2)
        assert abs(-Fraction(ledger.native_balance(Account.HEDGE_PNL)) - twin.hedge_profit(price)) <= slack
        expected = sum(twin.options.values()) * Fraction(value)
        assert abs(Fraction(ledger.native_balance(Account.OPTIONS)) - expected) <= slack
        assert abs(Fraction(ledger.equity()) - (twin.worth(price) + expected)) <= slack

    def check(self):
        assert self.portfolio.missing_quotes == self.rejected
        for episode in self.portfolio.episodes:
            twin, ledger = self.twins[episode.number], episode.ledger
            ledger.assert_invariants()
            journal = {account: [0, 0] for account in Account}
            for entry in ledger.entries:
                for account, sign in ((entry.debit, 1), (entry.credit, -1)):
                    journal[account][0] += sign * entry.coin
                    journal[account][1] += sign * entry.usd
            posted = {account: list(ledger.units(account)) for account in Account}
            assert journal == posted  # nothing is posted that is not written down
            self.check_positions(episode, twin)
            slack = UNIT * (twin.postings + 1)
            for account, expected in ((Account.FEES, twin.fees), (Account.FUNDING, twin.funding)):
                assert abs(Fraction(ledger.native_balance(account)) - expected) <= slack
            assets = sum(ledger.balance(asset)[ledger.native] for asset in ASSETS)
            assert ledger.equity() == pytest.approx(assets, abs=1e-9)
            realised = -Fraction(ledger.native_balance(Account.HEDGE_PNL))
            cash = twin.cash - twin.fees - twin.funding + realised
            assert abs(Fraction(ledger.native_balance(Account.CASH)) - cash) <= slack
            left = Fraction(
                float(episode.hedge.unrealised(self.market.future_price(episode.hedge.instrument)))
            )
            total = twin.hedge_profit(self.market.future_price(episode.hedge.instrument))
            assert abs(realised + left - total) <= slack + abs(total) / 10**12

    def check_positions(self, episode, twin):
        assert abs(Fraction(episode.hedge.amount) - twin.hedge) <= Fraction(1, 10**6)
        assert set(episode.legs) == set(twin.options)
        for option, amount in episode.legs.items():
            assert abs(Fraction(amount) - twin.options[option]) <= Fraction(1, 10**12)


STEPS = st.lists(
    st.sampled_from(["price", "price", "enter", "hedge", "hedge", "hedge", "exit", "hand_over", "mark"]),
    min_size=5,
    max_size=40,
)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from(list(Settlement)), STEPS)
def test_books_balance_after_every_event(seed, settlement, steps):
    play = Play(seed, settlement)
    for step in ["enter", *steps, "deliver", "price", "hand_over"]:
        getattr(play, step)()
        play.check()


def test_every_kind_of_event_leaves_entries():
    """All the events at once: the plays above are not empty."""
    memos = set()
    for seed in range(12):
        play = Play(seed, Settlement.INVERSE)
        for step in [
            "enter",
            "enter",
            "hedge",
            "price",
            "hedge",
            "exit",
            "hand_over",
            "price",
            "mark",
            "deliver",
        ]:
            getattr(play, step)()
        for episode in list(play.portfolio.open.values()):
            if not episode.open and not episode.pending and episode.hedge.amount == 0.0:
                play.portfolio.finish(episode, play.market)
        play.check()
        memos |= {entry.memo for e in play.portfolio.episodes for entry in e.ledger.entries}
    plain = {memo.partition(" at ")[0] for memo in memos}
    assert plain >= {"trade", "fee", "hedge", "funding", "delivery", "delivery fee", "options closed", "cash"}
