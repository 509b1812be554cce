"""A client that runs against a scripted exchange, and what its handler saw."""

import time


class Recorder:
    """A handler that keeps what it is told, and stops the client when it has seen enough."""

    def __init__(self, client, until, act=None, seconds=10.0):
        self.client, self.until, self.act = client, until, act or {}
        self.news, self.idle, self.ticks = [], 0, 0
        self.deadline = time.monotonic() + seconds

    def on_news(self, news):
        self.news.append(news)
        act = self.act.get(type(news))
        if act is not None:
            act(news)
        if self.until(self.news):
            self.client.stop()

    def on_idle(self):
        self.idle += 1

    def on_tick(self, now_ns):
        self.ticks += 1
        if time.monotonic() > self.deadline:
            raise AssertionError(f"not in time: {self.kinds()}")

    def of(self, kind):
        return [piece for piece in self.news if isinstance(piece, kind)]

    def kinds(self):
        return [type(piece).__name__ for piece in self.news]


def seen(kind, count=1):
    return lambda news: sum(isinstance(piece, kind) for piece in news) >= count


def run(client, until, act=None):
    handler = Recorder(client, until, act)
    client.run(handler)
    return handler
