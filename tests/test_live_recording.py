"""Channels of a recording are ones that the exchange grants."""

import json

import pytest

from gammacore.data.store import Store
from gammacore.deribit.methods import GET_INSTRUMENTS
from gammacore.live.recorder import RecorderOptions
from gammacore.live.recording import channels_of, last_heard_ns
from support.local_exchange import Client, make


@pytest.mark.parametrize("options", ["summary", "tickers", "none"])
def test_the_exchange_grants_them_all(options):
    client = Client(make())
    catalog = {}
    for currency in ("BTC", "ETH", "USDC"):
        rows = client.call("public/get_instruments", currency=currency)
        catalog[currency] = GET_INSTRUMENTS.decode(json.dumps(rows).encode(), 0)
    chosen = RecorderOptions(currencies=tuple(catalog), options=options)
    channels = channels_of(chosen, catalog)
    assert len(channels) == len(set(channels))
    granted = []
    for start in range(0, len(channels), 200):
        granted += client.call("public/subscribe", channels=channels[start : start + 200])
    assert sorted(granted) == sorted(channels)
    tickers = [name for name in channels if name.startswith("ticker.") and name.endswith(".agg2")]
    assert bool(tickers) == (options == "tickers")
    assert {"deribit_price_index.btc_usd", "deribit_price_index.btc_usdc", "trades.option.USDC.100ms"} <= set(
        channels
    )


def test_an_empty_store_has_heard_nothing(tmp_path):
    with Store(tmp_path) as store:
        assert last_heard_ns(store) == 0
