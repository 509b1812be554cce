"""A session of one process in which a script drives the market, with every answer kept."""

import math

import msgspec

from gammacore.daycount import NS_PER_SECOND
from gammacore.exchange import MarketModel
from support.live_world import Socket, World

PERPETUAL = "BTC-PERPETUAL"
PATIENCE_S = 90
ORDERS = ("private/buy", "private/sell")


class Watched(World):
    """A world that notes what is sent, and whose perpetual may be told otherwise than it is."""

    def __init__(self, **config):
        super().__init__(models={"BTC": MarketModel(vol=1.0)}, linear=(), tick_ms=1000, **config)
        self.sent, self.told, self.ahead_ns = [], {}, 0
        plain = self.exchange.floor.views.ticker

        def ticker(listing, now_ns):
            shown = plain(listing, now_ns)
            return shown | self.told if listing.name == PERPETUAL else shown

        self.exchange.floor.views.ticker = ticker

    def clock(self):
        """Return the session's time; the exchange's is `now_ns`."""
        return self.now_ns + self.ahead_ns

    def connect(self, url, timeout_s):
        found = super().connect(url, timeout_s)
        return Noted(self, found)

    def orders(self, part=""):
        """Orders that were sent, by a part of their labels."""
        return [m for m in self.sent if m["method"] in ORDERS and part in m["params"]["label"]]

    def jump(self, share):
        """Let the index jump."""
        self.exchange.floor.market.coins["BTC"].log_spot += math.log1p(share)


class Noted(Socket):
    def __init__(self, world, socket):
        self.world, self.connection = world, socket.connection

    def write(self, text):
        self.world.sent.append(msgspec.json.decode(text))
        super().write(text)


class Played:
    """A handler that plays a script: a generator of seconds to pass, or of conditions to wait for."""

    def __init__(self, world, process, script):
        self.world, self.process, self.script = world, process, script
        self.on_news, self.on_idle = process.hedger.on_news, process.hedger.on_idle
        self.wake_ns, self.wanted, self.give_up_ns = 0, None, 0

    def on_tick(self, now_ns):
        self.process.hedger.on_tick(now_ns)
        now_ns = self.world.now_ns
        if self.wanted is not None:
            assert now_ns < self.give_up_ns, f"waited in vain: {self.process.hedger.risk.causes}"
            if not self.wanted():
                return
        elif now_ns < self.wake_ns:
            return
        step = next(self.script, None)
        if step is None:
            self.process.client.stop()
        elif callable(step):
            self.wanted, self.give_up_ns = step, now_ns + PATIENCE_S * NS_PER_SECOND
        else:
            self.wanted, self.wake_ns = None, now_ns + int(step * NS_PER_SECOND)


def hedged(hedger):
    return lambda: hedger.filled >= 3 and hedger.quiet
