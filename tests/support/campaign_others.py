"""What others do to an account in a campaign: its holder trades, margin goes, positions are forced."""

import json
from collections import Counter

from gammacore.contracts import Option
from gammacore.exchange.account_value import evaluate
from gammacore.exchange.exchange import UnavailableError
from support.live_world import ID, SECRET
from support.local_exchange import Client as Holder

ACTIONS = ("hedge", "labelled", "close", "sell", "future", "liquidation", "no funds")
EXPOSED_S = 60.0  # that a delta may be out of its band without a word


class Others:
    """Draws what others do, and does it when its time has come.

    Parameters
    ----------
    world : World
    currency : str
        Of the configuration.
    rng : random.Random
    span_s : float
        Within which everything happens, and is over.
    """

    def __init__(self, world, config, rng, span_s):
        self.world, self.config, self.rng = world, config, rng
        self.done = []
        self._cuts = []
        start, end = world.now_ns, world.now_ns + int(span_s * 1e9)
        count = rng.choice([0, 0, 1, 2, 4])
        self._plan = sorted((rng.uniform(start, end), rng.choice(ACTIONS)) for _ in range(count))
        self._plan.append((end, "restore"))

    def tick(self):
        """Do what is due."""
        while self._plan and self._plan[0][0] <= self.world.now_ns:
            _, action = self._plan.pop(0)
            try:
                if self._do(action):
                    self.done.append(action)
            except (AssertionError, AttributeError, TypeError, json.JSONDecodeError, UnavailableError):
                pass  # the holder's own connection met a fault

    def _do(self, action):
        world, rng = self.world, self.rng
        perpetual = f"{self.config.currency}-PERPETUAL"
        lots = rng.randrange(1, 200)
        amount = lots / 1_000 if self.config.linear else lots * (1 if self.config.coin == "ETH" else 10)
        side = rng.choice(("buy", "sell"))
        if action == "restore":
            for cut in self._cuts:
                self._change(cut)
            return self._cuts.clear() or False
        if action in ("liquidation", "no funds"):
            return self._cut(0.9 if action == "liquidation" else 1.001, action)
        if action in ("close", "sell"):
            held = [p for p in world.account.positions.values() if p.lots and self._is_ours(p.listing)]
            if not held:
                return False
            position = rng.choice(held)
            if action == "close":
                self._call("close_position", instrument_name=position.listing.name, type="market")
            else:
                part = position.listing.amount(max(abs(position.lots) // 2, 1))
                way = "sell" if position.lots > 0 else "buy"
                label = rng.choice(("", "other-program"))
                self._call(
                    way, instrument_name=position.listing.name, amount=part, type="market", label=label
                )
            return True
        name = perpetual
        if action == "future":
            name = next(
                (
                    x.name
                    for x in world.exchange.floor.catalog.by_name.values()
                    if x.kind == "future" and x.expiry_ns and x.state == "open" and self._is_currency(x)
                ),
                perpetual,
            )
        label = "other-program" if action == "labelled" else ""
        self._call(side, instrument_name=name, amount=amount, type="market", label=label)
        return True

    def _is_currency(self, listing):
        return listing.base == self.config.coin and listing.currency == self.config.settles_in

    def _is_ours(self, listing):
        return isinstance(listing.instrument, Option) and self._is_currency(listing)

    def _call(self, method, **params):
        self.world.exchange.advance(self.world.now_ns)
        Holder(self.world.exchange, ID, SECRET).call(f"private/{method}", **params)

    def _cut(self, share, action):
        x, account = self.world.exchange, self.world.account
        found = evaluate(account, self.config.settles_in, x.engine)
        wanted = found.maintenance_margin if action == "liquidation" else found.initial_margin
        lost = found.margin_balance - wanted * share
        if wanted <= 0 or lost <= 0:
            return False
        cut = int(lost)
        self._change(-cut)
        self._cuts.append(cut)
        return True

    def _change(self, amount):
        wallet = self.world.account.wallet(self.config.settles_in)
        wallet.balance += amount
        wallet.deposited += amount


class Watch:
    """Holds a session to its promise: delta in its band, or an alert within a minute."""

    def __init__(self, world, config):
        self._world, self._config = world, config
        self._since_ns = None
        self.longest_s = 0.0

    def look(self, hedger):
        """Look at a session once more."""
        told = hedger.risk.mode != 0 or hedger.stopping
        if told or not (self._exposed(hedger.desk) or self._differs(hedger.positions)):
            self._since_ns = None
            return
        self._since_ns = self._since_ns or self._world.now_ns
        self.longest_s = max(self.longest_s, (self._world.now_ns - self._since_ns) / 1e9)
        assert self.longest_s <= EXPOSED_S, f"out of band for {self.longest_s:.0f} s without a word"

    def _differs(self, positions):
        """Whether the exchange holds something else than the session believes."""
        believed = Counter(positions.own())
        believed.update(positions.others)
        if positions.baseline is not None:
            believed.update(positions.baseline.sizes)
        held = {name: p.size for name, p in self._world.account.positions.items() if p.lots}
        listed = self._world.exchange.floor.catalog.by_name
        return any(
            abs(believed[name] - held.get(name, 0.0)) > 1e-6
            for name in believed | held
            if listed[name].state == "open"
        )

    def _exposed(self, desk):
        """Whether a position that is held has more delta than its band, orders on their way not counted."""
        if desk.market.index <= 0:
            return False
        lots = 20 / desk.market.index
        for episode in desk.portfolio.open.values():
            if episode.close_ns:
                return True
            if episode.open and episode.expiry_ns > desk.market.ts_ns:
                price = desk.market.future_price(episode.hedge.instrument)
                mismatch = float(desk.hedge.target.mismatch(episode, desk.market))
                mismatch -= float(episode.pending_delta(price) if episode.pending else 0.0)
                if abs(mismatch) > self._config.hedge.band + lots:
                    return True
        return False
