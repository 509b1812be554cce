"""What the local exchange encodes our own wire room decodes, method by method and channel by channel."""

import json
import math

import msgspec
import pytest

from gammacore.contracts import ContractSpec, combo_from_legs, parse
from gammacore.daycount import NS_PER_DAY, NS_PER_MILLISECOND, parse_time
from gammacore.deribit import channels
from gammacore.deribit import news as d
from gammacore.deribit.frames import decode_envelope
from gammacore.deribit.levels import Levels
from gammacore.deribit.methods import METHODS, combo_of
from gammacore.exchange.methods import METHODS as ANSWERED
from support.local_exchange import Client, make

PERPETUAL, START_NS = "BTC-PERPETUAL", parse_time("2026-11-26T07:59:00Z")
HISTORY = {"start_timestamp": (START_NS - 2 * NS_PER_DAY) // NS_PER_MILLISECOND}
HISTORY |= {"end_timestamp": (START_NS + NS_PER_DAY) // NS_PER_MILLISECOND}


class Reader(Client):
    """A client that keeps the text of what it receives."""

    def __init__(self, exchange):
        self.texts = []
        super().__init__(exchange)

    def read(self):
        texts = [frame for frame in self.connection.pop() if isinstance(frame, str)]
        self.texts += texts
        return [json.loads(text) for text in texts]

    def decode(self, name, **params):
        """Decode an answer as live and download do."""
        self.texts.clear()
        self.call(name, **params)
        answers = [decode_envelope(text.encode()) for text in self.texts]
        return METHODS[name].decode(next(a.result for a in answers if a.id == self._id), self.exchange.now_ns)


def funded(exchange):
    """A client with positions, open orders and trades, and the names of a position and of an order."""
    client = Reader(exchange)
    listed = exchange.floor.catalog.by_name.values()
    later = START_NS + NS_PER_DAY
    option = next(x for x in listed if x.kind == "option" and x.coin_settled and x.expiry_ns > later)
    _, high = exchange.floor.engine.band(option)
    client.call("private/buy", instrument_name=PERPETUAL, amount=5_000, type="market", label="in")
    client.call("private/buy", instrument_name=option.name, amount=2, price=option.price(high))
    stop = {"type": "stop_market", "trigger": "mark_price", "trigger_price": 60_000}
    client.call("private/sell", instrument_name=PERPETUAL, amount=100, **stop)
    resting = {"amount": 100, "price": 84_500, "label": "rests", "post_only": True}
    order = client.call("private/buy", instrument_name=PERPETUAL, **resting)["order"]
    return client, option, order["order_id"]


@pytest.fixture(scope="module")
def world():
    return funded(make(start_ns=START_NS))


NAMED, OF_BTC = {"instrument_name": PERPETUAL}, {"currency": "BTC"}
BY_METHOD = {  # parameters, and what must hold of the result beside the exchange's own floor
    "public/test": ({}, lambda found, x: found == "1.2.26"),
    "public/get_time": ({}, lambda found, x: found == x.now_ns // NS_PER_MILLISECOND * NS_PER_MILLISECOND),
    "public/status": ({}, lambda found, x: (found.locked, found.indices) == (False, ())),
    "public/auth": (
        {"grant_type": "client_credentials", "client_id": "gammacore", "client_secret": "local"},
        lambda found, x: x.auth.by_access(found.access_token, x.now_ns).user_id == 10_580,
    ),
    "public/set_heartbeat": ({"interval": 30}, lambda found, x: found == "ok"),
    "private/enable_cancel_on_disconnect": ({}, lambda found, x: found == "ok"),
    "public/subscribe": ({"channels": [f"quote.{PERPETUAL}"]}, lambda f, x: f == [f"quote.{PERPETUAL}"]),
    "public/unsubscribe": ({"channels": [f"quote.{PERPETUAL}"]}, lambda f, x: f == [f"quote.{PERPETUAL}"]),
    "private/get_user_locks": (
        {},
        lambda found, x: (
            {(a.currency, a.locked) for a in found} == {("BTC", False), ("ETH", False), ("USDC", False)}
        ),
    ),
    "private/subscribe": ({"channels": ["user.lock"]}, lambda found, x: found == ["user.lock"]),
    "private/unsubscribe": ({"channels": ["user.lock"]}, lambda found, x: found == ["user.lock"]),
    "public/ticker": (NAMED, lambda found, x: found.mark == x.floor.market.forward("BTC", None)),
    "public/get_instrument": (NAMED, lambda found, x: found.instrument_name == PERPETUAL),
    "public/get_instruments": (
        OF_BTC,
        lambda found, x: len(found) == sum(c.currency == "BTC" for c in x.floor.catalog.by_name.values()),
    ),
    "public/get_book_summary_by_currency": (
        OF_BTC,
        lambda found, x: (
            {row.instrument.name: row.mark for row in found}
            == {
                name: x.floor.pricing.mark(c).price
                for name, c in x.floor.catalog.by_name.items()
                if c.currency == "BTC" and c.state == "open"
            }
        ),
    ),
    "public/get_last_trades_by_currency": (OF_BTC | {"count": 7}, lambda found, x: len(found.trades) == 7),
    "public/get_last_trades_by_currency_and_time": (
        OF_BTC | HISTORY | {"count": 9},
        lambda found, x: len(found.trades) == 9 and found.has_more,
    ),
    "public/get_tradingview_chart_data": (
        NAMED | HISTORY | {"resolution": "60"},
        lambda found, x: len(found.ticks) == 48 and all(found.close),
    ),
    "public/get_volatility_index_data": (
        OF_BTC | HISTORY | {"resolution": "3600"},
        lambda found, x: len(found.data) == 48,
    ),
    "public/get_delivery_prices": ({"index_name": "btc_usd"}, lambda found, x: len(found.data) == 10),
    "public/get_funding_rate_value": (NAMED | HISTORY, lambda found, x: abs(found) < 0.005),
    "public/get_funding_rate_history": (NAMED | HISTORY, lambda found, x: len(found) == 48),
    "private/get_open_orders": (
        {},
        lambda found, x: [o.state for o in found] == [d.OrderState.UNTRIGGERED, d.OrderState.OPEN],
    ),
    "private/get_order_state_by_label": (
        OF_BTC | {"label": "in"},
        lambda f, _: f[0].filled_amount == 5_000.0,
    ),
    "private/get_user_trades_by_currency_and_time": (
        OF_BTC | HISTORY | {"sorting": "asc"},
        lambda found, x: sum(t.amount for t in found.trades) == 5_002.0,
    ),
    "private/get_user_trades_by_instrument_and_time": (
        NAMED | HISTORY,
        lambda found, x: sum(t.amount for t in found.trades) == 5_000.0,
    ),
    # Trades are no moves of positions; tests/test_live_audit.py has those.
    "private/get_transaction_log": (OF_BTC | HISTORY, lambda found, x: found == ()),
    "private/get_position": (NAMED, lambda found, x: found.size == 5_000.0),
    "private/get_positions": (OF_BTC, lambda found, x: sorted(p.size for p in found) == [2.0, 5_000.0]),
    "private/get_account_summary": (OF_BTC, lambda found, x: 9.0 < found.equity < 10.01),
    "private/get_account_summaries": (
        {},
        lambda found, x: [a.currency for a in found] == list(x.floor.currencies),
    ),
}
OF_COMBOS = {
    "private/create_combo", "public/get_combos", "public/get_combo_ids", "public/get_combo_details",
}  # fmt: skip
OF_ORDERS = {
    "private/buy", "private/sell", "private/edit", "private/close_position", "private/cancel",
    "private/cancel_by_label", "private/cancel_all", "private/cancel_all_by_currency",
    "private/get_order_state", "private/get_user_trades_by_order",
}  # fmt: skip


def test_every_method_of_ours_is_tried():
    """A method that our room learns needs a line here, and an answer of the exchange."""
    assert set(METHODS) == {*BY_METHOD, *OF_ORDERS, *OF_COMBOS}
    assert set(METHODS) <= set(ANSWERED)


@pytest.mark.parametrize("name", BY_METHOD)
def test_answers(world, name):
    params, holds = BY_METHOD[name]
    found = world[0].decode(name, **params)
    assert holds(found, world[0].exchange), found


def test_answers_about_orders():
    client, _, resting = funded(make(start_ns=START_NS))
    found = client.decode("private/get_order_state", order_id=resting)
    assert (found.price, found.amount, found.post_only, found.label) == (84_500.0, 100.0, True, "rests")
    assert math.isnan(found.average_price)
    found = client.decode("private/edit", order_id=resting, amount=90, price=84_400)
    assert (found.order.price, found.order.amount, found.trades) == (84_400.0, 90.0, ())
    assert client.decode("private/cancel", order_id=resting).state is d.OrderState.CANCELLED
    sold = client.decode("private/sell", amount=1_000, type="market", **NAMED)
    assert sum(t.amount for t in sold.trades) == -1_000.0
    assert sold.order.direction == -1
    rate = client.exchange.floor.find(PERPETUAL).row["taker_commission"]
    owed = sum(rate * -t.amount / t.price for t in sold.trades)
    assert sum(t.fee for t in sold.trades) == pytest.approx(owed, abs=2e-8)
    trades = client.decode("private/get_user_trades_by_order", order_id=sold.order.order_id)
    assert trades == sold.trades
    bought = client.decode("private/buy", amount=10, price=84_000, label="one", **NAMED)
    assert (bought.order.state, bought.order.filled_amount) == (d.OrderState.OPEN, 0.0)
    assert client.decode("private/cancel_by_label", label="one") == 1
    closed = client.decode("private/close_position", type="market", **NAMED)
    assert closed.order.filled_amount == 4_000.0
    assert closed.order.reduce_only
    client.call("private/buy", amount=10, price=84_000, **NAMED)
    assert client.decode("private/cancel_all_by_currency", currency="BTC") == 2  # with the stop
    client.call("private/buy", amount=10, price=84_000, **NAMED)
    assert client.decode("private/cancel_all") == 1


def test_combos():
    client, option, _ = funded(make(start_ns=START_NS))
    exchange, call = client.exchange, parse(option.name)
    put = msgspec.structs.replace(call, kind=-call.kind)
    wanted, count = combo_from_legs([(call, -0.4), (put, -0.4)])
    found = client.decode("private/create_combo", **combo_of(wanted.legs))
    assert (found.combo, found.state, found.ts_ns) == (wanted, "active", exchange.now_ns)
    assert client.decode("public/get_combos", currency="any") == (found,)
    assert client.decode("public/get_combo_ids", **OF_BTC) == [wanted.name]
    assert client.decode("public/get_combo_details", combo_id=wanted.name) == found
    listing = client.decode("public/get_instrument", instrument_name=wanted.name)
    assert listing.spec == ContractSpec(0.0001, 1.0, 0.1, "coin", signed=True)
    channel = channels.combo_trades(wanted.name, "raw")
    client.call("private/subscribe", channels=[channel, channels.CHANGES])
    bid = client.decode("public/ticker", instrument_name=wanted.name).bid
    assert listing.spec.is_on_tick(bid)
    sold = client.decode("private/sell", instrument_name=wanted.name, amount=-count, price=bid, label="both")
    (whole,) = sold.trades
    assert (whole.instrument, whole.amount, whole.price, whole.fee) == (wanted.name, count, bid, 0.0)
    told = {name: [] for name in (channel, channels.CHANGES)}
    for text in client.texts:
        frame = decode_envelope(text.encode())
        if frame.method == "subscription":
            told[frame.params.channel].append(frame.params.data)
    (combo,) = channels.decode_data(channel, told[channel][0], exchange.now_ns)
    assert combo.trade == whole
    news = [n for data in told[channels.CHANGES] for n in channels.decode_data("user.changes", data, 0)]
    kinds = [d.OrderNews, d.TradeNews, *[d.TradeNews, d.PositionNews] * 2]
    assert [type(one) for one in news] == kinds  # the combo, then its legs, each with its position
    legs = [one for one in news[2:] if isinstance(one, d.TradeNews)]
    assert {leg.trade_id: leg for leg in legs} == {leg.trade_id: leg for leg in combo.legs}
    assert {(leg.combo_id, leg.combo_trade_id) for leg in legs} == {(wanted.name, whole.trade_id)}
    assert {leg.label for leg in legs} == {"both"}
    assert sum(leg.price for leg in legs) == pytest.approx(bid)
    held = {one.instrument: one.size for one in news if isinstance(one, d.PositionNews)}
    assert held == {call: 2.0 + count, put: count}
    page = client.decode("private/get_user_trades_by_currency_and_time", **OF_BTC, **HISTORY, sorting="asc")
    ours = [trade for trade in page.trades if not isinstance(trade.instrument, str)]
    assert [trade.trade_id for trade in ours][-2:] == [leg.trade_id for leg in legs]
    assert page.trades[-3] == whole


CHANNELS = {  # by name, the news that they tell
    channels.ticker(PERPETUAL, "raw"): d.TickerNews,
    "ticker.{option}.100ms": d.TickerNews,
    channels.quote(PERPETUAL): d.QuoteNews,
    f"book.{PERPETUAL}.none.10.100ms": d.BookNews,
    channels.trades("future", "BTC", "100ms"): d.PublicTradesNews,
    channels.trades("option", "any", "raw"): d.PublicTradesNews,
    channels.index("btc_usd"): d.IndexNews,
    channels.dvol("BTC"): d.DvolNews,
    "estimated_expiration_price.btc_usd": d.EstimateNews,
    "markprice.options.btc_usd": d.MarkPricesNews,
    f"perpetual.{PERPETUAL}.100ms": d.FundingNews,
    channels.listings("BTC"): d.InstrumentStateNews,
    channels.PLATFORM: d.PlatformNews,
    channels.PUBLIC_METHODS_STATE: d.PlatformNews,
    channels.LOCK: d.LockNews,
    channels.portfolio("BTC"): d.AccountNews,
    channels.CHANGES: d.OrderNews | d.TradeNews | d.PositionNews,
    "user.orders.any.any.raw": d.OrderNews,
    "user.orders.any.any.100ms": d.OrderNews,
    "user.trades.any.any.100ms": d.TradeNews,
}
BOOKS = [channels.book(PERPETUAL, interval) for interval in ("raw", "100ms")]


@pytest.fixture(scope="module")
def told():
    """Raw data by channel, of two minutes with a delivery, trades and locks."""
    exchange = make(start_ns=START_NS)
    client, option, _ = funded(exchange)
    client.texts.clear()
    client.call("private/subscribe", channels=[*(c.format(option=option.name) for c in CHANNELS), *BOOKS])
    for k in range(120):
        client.wait(1)
        if k % 20 == 5:
            client.call("private/sell", instrument_name=PERPETUAL, amount=10, type="market")
            client.call("private/buy", instrument_name=option.name, amount=1, price=option.price(1))
        if k == 30:
            exchange.locks.lock_account("gammacore"), exchange.locks.lock_account("gammacore", False)
            exchange.locks.lock("btc_usd"), exchange.locks.lock("btc_usd", False)
    client.call("private/sell", instrument_name=option.name, amount=2, price=option.price(1))
    client.wait(1)
    found = {}
    for text in client.texts:
        frame = decode_envelope(text.encode())
        if frame.method == "subscription":
            found.setdefault(frame.params.channel, []).append(frame.params.data)
    return exchange, option, found


def test_every_kind_of_channel_is_tried():
    assert {name.partition(".")[0] for name in CHANNELS} == set(channels._CHANNELS)
    ours = channels.locks(private=True), channels.locks(private=False), channels.account(["BTC"])
    assert {name for names in ours for name in names} <= set(CHANNELS)


@pytest.mark.parametrize("name", CHANNELS)
def test_notifications(told, name):
    exchange, option, found = told
    channel = name.format(option=option.name)
    news = [one for data in found[channel] for one in channels.decode_data(channel, data, exchange.now_ns)]
    assert news
    assert all(isinstance(one, CHANNELS[name]) for one in news)
    assert not any(isinstance(one, d.OtherNews) for one in news)


def test_what_is_told_is_what_is(told):
    exchange, _, found = told
    floor, user = exchange.floor, next(a for a in exchange.floor.accounts.values() if not a.house)

    def last(channel):
        return channels.decode_data(channel, found[channel][-1], exchange.now_ns)[-1]

    assert last(channels.ticker(PERPETUAL, "raw")).mark == floor.market.forward("BTC", None)
    assert last(channels.index("btc_usd")).price == pytest.approx(floor.market.index("BTC"), rel=1e-3)
    sides = floor.engine.book(floor.find(PERPETUAL))
    assert last(channels.quote(PERPETUAL)).bid == floor.find(PERPETUAL).price(sides.best(1))
    listed = [
        one
        for data in found[channels.listings("BTC")]
        for one in channels.decode_data(channels.listings("BTC"), data, exchange.now_ns)
    ]
    closed = {one.instrument.name for one in listed if one.state == "closed"}
    delivered = {x.name for x in floor.catalog.by_name.values() if x.state != "open" and x.currency == "BTC"}
    assert closed == delivered
    assert len(closed) > 10
    changes = [
        one
        for data in found[channels.CHANGES]
        for one in channels.decode_data(channels.CHANGES, data, exchange.now_ns)
    ]
    held = {one.instrument.name: one.size for one in changes if isinstance(one, d.PositionNews)}
    assert held == {name: p.size for name, p in user.positions.items()}
    assert held[PERPETUAL] == 5_000.0 - 6 * 10.0
    orders = {one.order_id: one.state for one in changes if isinstance(one, d.OrderNews)}
    assert orders == {k: o.state for k, o in floor.engine.orders.items() if k in orders}
    assert len(orders) > 6


@pytest.mark.parametrize("channel", BOOKS)
def test_whole_books_follow_the_exchange(told, channel):
    exchange, _, found = told
    levels = Levels()
    assert all(levels.apply(channels.decode_book(data)) for data in found[channel])
    assert len(found[channel]) > 100
    listing = exchange.floor.find(PERPETUAL)
    for side, kept in ((1, levels.bids()), (-1, levels.asks())):
        assert list(kept) == exchange.floor.views.levels(listing, side, None)
