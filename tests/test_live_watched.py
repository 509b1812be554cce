"""Which tickers are subscribed as positions and orders come and go."""

from types import SimpleNamespace

import pytest

from gammacore.contracts import parse
from gammacore.live.watched import AGAIN_NS, Watched

NOW = 1_000_000_000

PERPETUAL, FUTURE, CALL = (parse(f"BTC-{name}") for name in ("PERPETUAL", "25DEC26", "25DEC26-80000-C"))


class Session:
    def __init__(self):
        self.channels = set()

    def subscribe(self, channels):
        assert not self.channels & set(channels)
        self.channels |= set(channels)

    def unsubscribe(self, channels):
        assert set(channels) <= self.channels
        self.channels -= set(channels)


def watching(session, episodes, execution, volatility=None):
    """Watched, with what it looks at of a hedger's parts."""
    desk = SimpleNamespace(portfolio=SimpleNamespace(open=episodes, hedged=()))
    feed = SimpleNamespace(perpetual=PERPETUAL, base="BTC", volatility=volatility)
    return Watched(SimpleNamespace(session=session, desk=desk, execution=execution, feed=feed))


def test_what_is_held_at_work_or_hedged_with_is_heard_and_nothing_else():
    session, episodes = Session(), {}
    execution = SimpleNamespace(instruments=set())
    watched = watching(session, episodes, execution)
    watched.update(NOW)
    assert session.channels == {"ticker.BTC-PERPETUAL.raw"}
    execution.instruments = {CALL}
    watched.update(NOW)
    assert session.channels == {"ticker.BTC-PERPETUAL.raw", "ticker.BTC-25DEC26-80000-C.100ms"}
    episodes[0] = SimpleNamespace(legs={CALL: 1.0}, hedge=SimpleNamespace(instrument=FUTURE))
    execution.instruments = set()
    watched.update(NOW)
    assert session.channels == {
        "ticker.BTC-PERPETUAL.raw",
        "ticker.BTC-25DEC26.raw",
        "ticker.BTC-25DEC26-80000-C.100ms",
    }
    episodes.clear()
    watched.update(NOW)
    assert session.channels == {"ticker.BTC-PERPETUAL.raw"}


@pytest.mark.parametrize("channel", ["ticker.BTC-25DEC26-80000-C.100ms", "ticker.BTC-25DEC26-80000-C.raw"])
def test_what_was_not_granted_or_is_of_another_connection_is_asked_for_again(channel):
    session = Session()
    watched = watching(session, {}, SimpleNamespace(instruments={CALL}))
    watched.update(NOW)
    session.channels.discard("ticker.BTC-25DEC26-80000-C.100ms")
    watched.update(NOW)
    assert len(session.channels) == 1  # nobody said that it was not granted
    watched.missing([channel], NOW)
    watched.update(NOW + AGAIN_NS - 1)
    assert len(session.channels) == 1
    watched.update(NOW + AGAIN_NS)
    assert len(session.channels) == 2
    session.channels.clear()
    watched.forget()
    watched.update(NOW)
    assert len(session.channels) == 2


def test_the_volatility_index_is_heard_where_decisions_look_at_it():
    session = Session()
    watched = watching(session, {}, SimpleNamespace(instruments=set()), volatility=object())
    index, perpetual = "deribit_volatility_index.btc_usd", "ticker.BTC-PERPETUAL.raw"
    for _ in range(2):
        watched.update(NOW)
        assert session.channels == {index, perpetual}
    session.channels.discard(index)
    watched.missing([index], NOW)
    watched.update(NOW + AGAIN_NS)
    assert session.channels == {index, perpetual}
    session.channels.clear()
    watched.forget()
    watched.update(NOW)
    assert session.channels == {index, perpetual}
