"""Who is told the news of a session, and which news may be left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gammacore.deribit.news import TickerNews

from .news import News


class Handler(Protocol):
    """Who is told. All calls come from the thread that called :meth:`.client.Client.run`."""

    def on_news(self, news: News) -> None:
        """One piece of news, in the order received; orders sent from here leave at once."""

    def on_idle(self) -> None:
        """Nothing came for a moment: run the decision dry to keep it warm. Must change nothing."""

    def on_tick(self, now_ns: int) -> None:
        """Ten times a second, connected or not; not while a connection is being made (seconds at most)."""


def conflated(received: Iterable[News]) -> list[News]:
    """News without the tickers that a later one replaces."""
    news = list(received)
    if len(news) < 2:
        return news
    last = {one.instrument: at for at, one in enumerate(news) if type(one) is TickerNews}
    return [one for at, one in enumerate(news) if type(one) is not TickerNews or last[one.instrument] == at]
