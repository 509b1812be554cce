"""A client of the exchange in the tests' own process."""

import json

from gammacore.exchange import Close, Exchange, ExchangeConfig, FaultPlan

SECOND = 10**9
HELD_NS = 10 * 10**6
SMALL = {"expiries": 2, "strikes": 3, "matching_rate": 1_000, "matching_burst": 1_000}


def make(faults=(), recorded=None, **settings):
    config = ExchangeConfig(**(SMALL | settings))
    return Exchange(config, FaultPlan(faults=tuple(faults), seed=config.seed), recorded)


class Client:
    """Sends one request at a time and keeps every notification."""

    def __init__(self, exchange, login="gammacore", secret="local"):
        self.exchange = exchange
        self.connection = exchange.connect(exchange.now_ns)
        self.notes = []
        self.end = None
        self.broken = []
        self._id = 0
        if login:
            self.call("public/auth", grant_type="client_credentials", client_id=login, client_secret=secret)

    def ask(self, method, **params):
        """Send, and return the whole answer, or None if none came."""
        self._id += 1
        self.connection.receive(
            json.dumps({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}),
            self.exchange.now_ns,
        )
        answer = self._answer(self._id)
        if answer is None and self.exchange.floor.engine.held:  # its order is held: the answer takes as long
            self.exchange.advance(self.exchange.now_ns + HELD_NS)
            answer = self._answer(self._id)
        return answer

    def _answer(self, number):
        found = None
        for message in self.read():
            if message.get("id") == number:
                found = message
        return found

    def call(self, method, **params):
        answer = self.ask(method, **params)
        while answer is None and self.connection.next_due_ns is not None:  # a fault delays it
            self.exchange.advance(self.connection.next_due_ns)
            answer = self._answer(self._id)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def error(self, method, **params):
        answer = self.ask(method, **params)
        assert "error" in answer, answer
        return answer["error"]

    def read(self):
        messages = []
        for frame in self.connection.pop():
            if isinstance(frame, Close):
                self.end = frame
                continue
            try:
                message = json.loads(frame)
            except ValueError:
                self.broken.append(frame)
                continue
            messages.append(message)
            if message.get("method"):
                self.notes.append(message)
        return messages

    def wait(self, seconds, step=0.5):
        """Let time pass in steps; everything that arrives, in order."""
        messages, end = [], self.exchange.now_ns + round(seconds * SECOND)
        while self.exchange.now_ns < end:
            self.exchange.advance(min(end, self.exchange.now_ns + round(step * SECOND)))
            messages += self.read()
        return messages

    def on(self, channel):
        """Data of every notification of a channel so far."""
        return [
            note["params"]["data"]
            for note in self.notes
            if note["method"] == "subscription" and note["params"]["channel"] == channel
        ]


def rest(exchange, uri, method="GET", body="", **headers):
    status, answer = exchange.request(method, uri, headers, body, exchange.now_ns)
    return status, json.loads(answer)
