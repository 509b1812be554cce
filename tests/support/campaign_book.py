"""A book that is hedged in a campaign: what its holder opens, closes and moves, and what must hold."""

import json

from gammacore.contracts import Option
from gammacore.exchange.exchange import UnavailableError
from support.campaign_others import EXPOSED_S, Watch
from support.live_world import ID, SECRET
from support.local_exchange import Client as Holder

SUB, SUB_SECRET = "sub", "another-secret"  # the account that positions move from and to
ACTIONS = ("open", "open", "close", "reduce", "move out", "move in", "perpetual", "labelled")


class Market:
    """Ten options of four expiries, and a holder who trades on.

    Parameters
    ----------
    world : World
        With two clients.
    config : Config
    rng : random.Random
    span_s : float
        Within which everything happens.
    """

    def __init__(self, world, config, rng, span_s):
        self.world, self.config, self.rng = world, config, rng
        self.done = []
        by_expiry = {}
        for listing in world.exchange.floor.catalog.by_name.values():
            if self._is_ours(listing):
                by_expiry.setdefault(listing.expiry_ns, []).append(listing.name)
        days = [sorted(by_expiry[day]) for day in sorted(by_expiry)]
        assert len(days) >= 4
        chosen = [rng.choice(day) for day in days[:4]]
        while len(chosen) < 10:
            name = rng.choice(days[rng.randrange(4)])
            chosen += [name] if name not in chosen else []
        for name in chosen:
            self._met(self._trade, name, self._amount())
        for name in rng.sample([name for day in days[:4] for name in day], 3):
            self._met(self._trade, name, self._amount(), client=SUB)
        start, end = world.now_ns, world.now_ns + int(span_s * 1e9)
        count = rng.randrange(3, 9)
        self._plan = sorted((rng.uniform(start, end), rng.choice(ACTIONS)) for _ in range(count))

    def _amount(self):
        return self.rng.choice((-1, 1)) * self.rng.randrange(1, 21) / (1 if self.config.coin == "ETH" else 10)

    def _is_ours(self, listing):
        own = listing.base == self.config.coin and listing.currency == self.config.settles_in
        return own and isinstance(listing.instrument, Option) and listing.state == "open"

    def tick(self):
        """Do what is due."""
        while self._plan and self._plan[0][0] <= self.world.now_ns:
            _, action = self._plan.pop(0)
            if self._met(self._do, action):
                self.done.append(action)

    def _met(self, act, *arguments, **options):
        """Act as the holder, whose own connection may meet a fault: then it is not known what came of it."""
        try:
            return act(*arguments, **options)
        except (AssertionError, AttributeError, TypeError, json.JSONDecodeError, UnavailableError):
            return False

    def _do(self, action):
        rng, perpetual = self.rng, f"{self.config.currency}-PERPETUAL"
        if action == "open":
            listed = [x.name for x in self.world.exchange.floor.catalog.by_name.values() if self._is_ours(x)]
            self._trade(rng.choice(listed), self._amount())
            return True
        if action in ("perpetual", "labelled"):
            label = "other-program" if action == "labelled" else ""
            amount = rng.randrange(1, 200) / 1_000 if self.config.linear else rng.randrange(1, 200) * 10
            self._trade(perpetual, rng.choice((-1, 1)) * amount, label=label)
            return True
        held = self._held(SUB if action == "move in" else ID)
        if not held:
            return False
        name, size = rng.choice(held)
        lot = 1.0 if self.config.coin == "ETH" else 0.1
        part = size if action == "close" or abs(size) < 2 * lot else lot * round(size / 2 / lot)
        if action in ("close", "reduce"):
            self._trade(name, -part, label=rng.choice(("", "other-program")))
        else:
            self._move(name, abs(part), out=action == "move out")
        return True

    def _held(self, client):
        users = self.world.exchange.floor.users
        account = self.world.exchange.floor.accounts[users[client]]
        return sorted(
            (n, p.size) for n, p in account.positions.items() if p.lots and self._is_ours(p.listing)
        )

    def _trade(self, name, amount, *, label="", client=ID):
        secret = SECRET if client == ID else SUB_SECRET
        self.world.exchange.advance(self.world.now_ns)
        Holder(self.world.exchange, client, secret).call(
            f"private/{'buy' if amount > 0 else 'sell'}",
            instrument_name=name,
            amount=abs(amount),
            type="market",
            label=label,
        )

    def _move(self, name, amount, *, out):
        users = self.world.exchange.floor.users
        source, target = (users[ID], users[SUB]) if out else (users[SUB], users[ID])
        self.world.exchange.advance(self.world.now_ns)
        Holder(self.world.exchange, ID, SECRET).call(
            "private/move_positions",
            source_uid=source,
            target_uid=target,
            trades=[{"instrument_name": name, "amount": amount}],
        )


class BookWatch(Watch):
    """Holds a session to its promise for a book: net delta in its band, or an alert within a minute."""

    def _exposed(self, desk):
        book = desk.portfolio.book
        if desk.market.index <= 0 or book is None or not book.open:
            return False
        return book.next_expiry_ns > desk.market.ts_ns and not in_band(desk, self._config.hedge.band)

    def look(self, hedger):
        """Look at a session once more: what is not taken over yet is not hedged either."""
        super().look(hedger)
        waits = hedger.risk.mode == 0 and not hedger.stopping and hedger.adoption.waits
        self._waits_ns = (self._waits_ns or self._world.now_ns) if waits else None
        if waits:
            waited_s = (self._world.now_ns - self._waits_ns) / 1e9
            assert waited_s <= EXPOSED_S, f"not taken over for {waited_s:.0f} s without a word"

    _waits_ns = None

    def content(self, hedger):
        """Whether nothing is left to do."""
        return not (self._exposed(hedger.desk) or self._differs(hedger.positions) or hedger.adoption.waits)


def in_band(desk, half_width):
    """Whether the net delta of the book is within its band, up to two lots; orders under way not counted."""
    book = desk.portfolio.book
    if book is None or not book.open:
        return book is None or book.hedge.amount == 0.0
    price = desk.market.future_price(book.hedge.instrument)
    mismatch = float(desk.hedge.target.mismatch(book, desk.market))
    mismatch -= float(book.pending_delta(price) if book.pending else 0.0)
    return abs(mismatch) <= half_width + 20 / desk.market.index
