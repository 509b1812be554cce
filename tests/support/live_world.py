"""A world of one exchange, one client and one clock that nobody waits for: sessions without sockets."""

import random

import pytest

from gammacore.contracts import listed
from gammacore.daycount import NS_PER_SECOND
from gammacore.exchange import Exchange, ExchangeConfig
from gammacore.exchange.connection import Close
from gammacore.exchange.exchange import UnavailableError
from gammacore.live import client as client_module
from gammacore.live import journal as journal_module
from gammacore.live.assemble import build_hedger
from gammacore.live.client import Client
from gammacore.live.credentials import Credentials
from gammacore.live.frames import Disconnected
from gammacore.live.journal import Journal
from gammacore.live.past import past_of
from gammacore.live.tail import Tail
from support.markets import build

ID, SECRET = "gammacore", "a-secret-that-nobody-may-write-down"

LIVELY = {
    "entry.expiries": "any",
    "entry.schedule": "roll",
    "entry.min_days": 0.1,
    "entry.max_days": 3.0,
    "hedge.band": 0.02,
    "size.contracts": 1.0,
    "live.chain_every": "5s",
    "live.audit_every": "5s",
    "risk.max_orders_per_minute": 200,
}


class Killed(BaseException):
    """The process died here."""


class World:
    """Time, the exchange, and what breaks.

    Parameters
    ----------
    seed : int
    faults : FaultPlan, optional
    **config
        Of the exchange.
    """

    def __init__(self, seed=1, faults=None, **config):
        listed = {"seed": seed, "clients": {ID: SECRET}, "expiries": 2, "strikes": 4, "history_days": 1}
        self.exchange = Exchange(ExchangeConfig(**(listed | config)), faults)
        self.now_ns = self.exchange.now_ns
        self.rng = random.Random(seed)
        self.die_at_write = None  # count of frames, before which the process is killed
        self.writes = 0
        self.on_tick = lambda hedger: None  # what else happens in the world
        self.die_in_journal = None  # a step of :class:`Mortal` and how many of them are survived

    def clock(self):
        return self.now_ns

    def pass_time(self, seconds):
        self.now_ns += int(seconds * NS_PER_SECOND)

    def connect(self, url, timeout_s):
        try:
            return Socket(self)
        except UnavailableError as error:
            raise Disconnected(str(error)) from error

    def client(self, since_ns=None, known=(), **options):
        return Client(
            "ws://nowhere",
            Credentials(ID, SECRET),
            since_ns=since_ns,
            known_trades=known,
            idle_s=0.05,
            clock=self.clock,
            sleep=self.pass_time,
            rng=random.Random(self.rng.random()),
            **options,
        )

    def catalog(self, config):
        """What a session reads at its start."""
        rows = [x.row for x in self.exchange.floor.catalog.by_name.values() if x.state == "open"]
        own = [row for row in rows if row["settlement_currency"] == config.settles_in]
        return listed(own, "catalog", config.coin)

    @property
    def account(self):
        return next(a for a in self.exchange.floor.accounts.values() if a.name == ID)


class Socket:
    """What the client holds in place of a socket."""

    def __init__(self, world):
        self.world = world
        self.connection = world.exchange.connect(world.now_ns)

    def read(self, timeout_s):
        world = self.world
        frames = self.connection.pop(world.now_ns)
        if not frames:
            world.now_ns = min(world.now_ns + int(timeout_s * NS_PER_SECOND), self._next())
            frames = self.connection.pop(world.now_ns)
        if frames and isinstance(frames[-1], Close):
            if len(frames) == 1:
                raise Disconnected(f"closed by the exchange: {frames[0].code} {frames[0].reason}")
            self.connection._reported = False  # told again, after the frames
            del frames[-1]
        return [frame.encode() for frame in frames]

    def _next(self):
        return max(self.world.exchange.next_event_ns(), self.world.now_ns + 1_000_000)

    def write(self, text):
        world = self.world
        world.writes += 1
        if world.die_at_write is not None and world.writes >= world.die_at_write:
            world.die_at_write = None
            if world.rng.random() < 0.5:  # the frame left just before
                self.connection.receive(text.decode(), world.now_ns)
            raise Killed
        self.connection.receive(text.decode(), world.now_ns)

    def rehearse(self):
        pass

    def end(self):
        self.connection.lost(self.world.now_ns)


class Mortal:
    """A journal's tail at which the process may be killed: while a block is written, or after a commit."""

    def __init__(self, path, world):
        self.tail, self.path, self.world = Tail(path), path, world

    @property
    def used(self):
        return self.tail.used

    def _dies(self, step):
        planned = self.world.die_in_journal
        if planned is None or planned[0] != step:
            return False
        self.world.die_in_journal = (step, planned[1] - 1) if planned[1] > 0 else None
        return planned[1] <= 0

    def add(self, first, rows):
        start = self.tail.used
        added = self.tail.add(first, rows)
        if added and self._dies("block"):
            torn = self.world.rng.randrange(start, self.tail.used)
            with open(self.path, "r+b") as file:
                file.seek(torn)
                file.write(bytes(self.tail.used - torn))
            raise Killed
        return added

    def clear(self):
        if self._dies("commit"):
            raise Killed
        self.tail.clear()

    def close(self):
        self.tail.close()


class Until:
    """A handler that stops the client at a moment, or as soon as a condition holds after it."""

    def __init__(self, hedger, client, world, end_ns, done=None):
        self.hedger, self.client, self.world, self.end_ns = hedger, client, world, end_ns
        self.done = done

    def on_news(self, news):
        self.hedger.on_news(news)

    def on_idle(self):
        self.hedger.on_idle()

    def on_tick(self, now_ns):
        self.hedger.on_tick(now_ns)
        self.world.on_tick(self.hedger)
        late = self.world.now_ns - self.end_ns
        done = late >= 0 if self.done is None else late >= 0 and self.done()
        if done or late >= 60 * NS_PER_SECOND:
            self.client.stop()


class Process:
    """One process's life: from the journal as it is, to a stop or a kill."""

    def __init__(self, world, path, config):
        self.world = world
        past = past_of(path, config, world.now_ns)
        self.client = world.client(past.since_ns, past.known, currencies=(config.settles_in,))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal_module, "Tail", lambda tail: Mortal(tail, world))
            self.journal = Journal(path)
        try:
            world.pass_time(world.rng.uniform(0.05, 1.5))  # to read a catalog, and bars for estimates
            catalog = world.catalog(config)
            self.hedger = build_hedger(config, past, self.journal, self.client, catalog=catalog)
        except Killed:
            self.die()
            raise

    def run(self, seconds, done=None):
        """Whether it lived to its end."""
        end_ns = self.world.now_ns + int(seconds * NS_PER_SECOND)
        original, client_module.connect = client_module.connect, self.world.connect
        try:
            self.client.run(Until(self.hedger, self.client, self.world, end_ns, done))
        except Killed:
            self.die()
            return False
        finally:
            client_module.connect = original
        return True

    def die(self):
        """Lose what was not committed, and the connection."""
        for connection in list(self.world.exchange.connections.values()):
            connection.lost(self.world.now_ns)
        self.journal.abandon()

    def close(self):
        """Whether it lived to do so."""
        try:
            self.journal.close(self.world.now_ns)
        except Killed:
            self.die()
            return False
        return True


def together(world, processes, seconds, done=lambda: False):
    """Let several sessions live on one account at the same time, until a condition holds; whether it did."""
    end_ns = world.now_ns + int(seconds * NS_PER_SECOND)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "connect", world.connect)
        handlers = [Until(p.hedger, p.client, world, 2**62) for p in processes]
        for process, handler in zip(processes, handlers, strict=True):
            process.client._tell = handler.on_news
        while world.now_ns < end_ns and not done():
            for process, handler in zip(processes, handlers, strict=True):
                process.client._turn(handler)
    return done()


def lively(**changes):
    return build(LIVELY | {name.replace("__", "."): value for name, value in changes.items()})
