"""From the exchange's news to the desk's events."""

import math

import msgspec
import numpy as np
import pytest

from gammacore.contracts import Settlement, parse
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, SETTLEMENT_WINDOW_NS
from gammacore.deribit.news import SummaryRow
from gammacore.events import IndexPrice, Snapshot, Ticker
from gammacore.live.feed import Feed
from gammacore.volatility.estimate import Estimate
from gammacore.volatility.index_history import IndexHistory
from support.messages import CALL, PUT, T0, S, perpetual, ticker

OPENS = T0 - T0 % NS_PER_DAY + NS_PER_DAY + 8 * NS_PER_HOUR - SETTLEMENT_WINDOW_NS


def option(iv=0.6, forward=60_100.0, ts=T0):

    return msgspec.structs.replace(ticker(CALL, 0.03, 0.032, ts=ts), mark_iv=iv, forward=forward)


def row(instrument, mark=0.03, bid=0.029, ask=0.031, iv=0.6, forward=60_100.0, ts=T0):
    return SummaryRow(ts, instrument, mark, bid, ask, iv, forward, "BTC-16JAN26", 1.0)


def test_the_perpetuals_mark_is_the_price():
    event = Feed("BTC").ticker(perpetual(61_000.0))
    assert isinstance(event, IndexPrice)
    assert (event.price, event.interest, event.ts_ns) == (61_000.0, 0.0, T0)
    assert math.isnan(event.estimate)


def test_funding_accrues_at_the_rate_that_held():
    feed = Feed("BTC")
    feed.ticker(perpetual(funding=0.0008))
    event = feed.ticker(perpetual(ts=T0 + NS_PER_HOUR, funding=0.0))
    assert event.interest == pytest.approx(0.0008 / 8 / 60_000)
    later = feed.ticker(perpetual(ts=T0 + 2 * NS_PER_HOUR, funding=0.0))
    assert later.interest == event.interest


@pytest.mark.parametrize("index", [math.nan, 0.0, -1.0])
def test_funding_accrues_at_the_mark_where_no_index_is_told(index):
    feed = Feed("BTC")
    feed.ticker(perpetual(50_000.0, funding=0.0008))
    event = feed.ticker(perpetual(50_000.0, ts=T0 + NS_PER_HOUR, index=index))
    assert event.interest == pytest.approx(0.0008 / 8 / 50_000)


@pytest.mark.parametrize("rate", [math.nan, math.inf, 1e300, -2.0])
def test_a_rate_that_is_none_leaves_the_one_before(rate):
    feed = Feed("BTC")
    feed.ticker(perpetual(funding=0.0008))
    feed.ticker(perpetual(ts=T0 + NS_PER_HOUR, funding=rate))
    event = feed.ticker(perpetual(ts=T0 + 2 * NS_PER_HOUR))
    assert event.interest == pytest.approx(2 * 0.0008 / 8 / 60_000)


def test_a_linear_perpetual_pays_usd():
    feed = Feed("BTC", Settlement.LINEAR)
    instrument = parse("BTC_USDC-PERPETUAL")

    first = msgspec.structs.replace(perpetual(funding=0.0008), instrument=instrument)
    feed.ticker(first)
    event = feed.ticker(msgspec.structs.replace(first, ts_ns=T0 + NS_PER_HOUR))
    assert event.interest == pytest.approx(0.0001 * 60_000)


def test_a_silence_longer_than_a_rate_says_nothing_of_funding():
    feed = Feed("BTC")
    feed.ticker(perpetual(funding=0.0008))
    assert feed.ticker(perpetual(ts=T0 + 9 * NS_PER_HOUR)).interest == 0.0


def test_marks_of_options_are_told_with_the_price_that_the_desk_carries_forwards_by():
    feed = Feed("BTC")
    assert feed.ticker(option()) is None  # no price yet
    feed.ticker(perpetual(59_900.0))
    event = feed.ticker(option(ts=T0 + S))
    assert event == Ticker(T0 + S, CALL, 60_100.0, 59_900.0, 0.6)
    assert feed.ticker(option(iv=0.0, ts=T0 + 2 * S)) is None


def test_times_never_go_back_and_old_news_are_none():
    feed = Feed("BTC")
    feed.ticker(perpetual(ts=T0 + 5 * S))
    assert feed.ticker(perpetual(61e3, ts=T0)) is None
    assert feed.ticker(option(ts=T0)).ts_ns == T0 + 5 * S


def test_prices_that_are_none_and_names_that_are_unknown():
    feed = Feed("BTC")
    assert feed.ticker(perpetual(math.nan)) is None
    assert feed.ticker(perpetual(0.0)) is None

    assert feed.ticker(msgspec.structs.replace(perpetual(), instrument="BTC-FS-25DEC26_PERP")) is None


def test_a_summary_becomes_a_chain():
    feed = Feed("BTC")
    eth, linear = parse("ETH-16JAN26-3000-C"), parse("BTC_USDC-16JAN26-60000-C")
    rows = [row(PUT, bid=0.0), row(CALL, ts=T0 + S), row(eth), row(linear), row("BTC-CS-16JAN26-1_2")]
    assert feed.chain(rows) is None  # no price yet
    feed.ticker(perpetual(59_900.0))
    event = feed.chain(rows)
    assert isinstance(event, Snapshot)
    assert event.ts_ns == T0 + S
    chain = event.chain
    assert (chain.index, chain.settlement, chain.base) == (59_900.0, Settlement.INVERSE, "BTC")
    assert [chain.option(i) for i in range(2)] == [CALL, PUT]
    assert math.isnan(chain.bid[1])
    assert chain.forwards == {CALL.expiry_ns: 60_100.0}
    assert feed.chain([]) is None


def test_the_estimate_is_that_of_a_backtest_on_the_same_minutes():
    estimate = Estimate("forecast", 30 * NS_PER_MINUTE)
    feed, rng = Feed("BTC", estimate=estimate), np.random.default_rng(1)
    ts = T0 + NS_PER_MINUTE * np.arange(200)
    price = 60e3 * np.exp(np.cumsum(1e-3 * rng.standard_normal(200)))
    seen = [feed.ticker(perpetual(float(p), ts=int(t))).estimate for t, p in zip(ts, price, strict=True)]
    np.testing.assert_allclose(seen, estimate.series(ts, price), rtol=1e-12)
    kept = len(feed.sampled)
    for k in range(1, 400):
        feed.ticker(perpetual(ts=int(ts[-1]) + k * NS_PER_MINUTE))
    assert len(feed.sampled) <= 302 > kept  # ten half-lives: memory does not grow


def test_a_restart_goes_on_where_it_was():
    feed = Feed("BTC", interest=0.5, ts_ns=T0 + 9 * S)
    event = feed.ticker(perpetual())
    assert (event.ts_ns, event.interest) == (T0 + 9 * S, 0.5)


def test_prices_from_before_the_session_count_at_once():
    """A window of prices is there with the first ticker; without it the estimate is blind for as long."""
    rng = np.random.default_rng(1)
    ts = T0 - NS_PER_MINUTE * np.arange(3_000, 0, -1)
    price = 60_000 * np.exp(np.cumsum(0.6 * math.sqrt(1 / 525_600) * rng.standard_normal(len(ts))))
    estimate = Estimate("realised", 24 * NS_PER_HOUR)
    blind, warm = (Feed("BTC", estimate=estimate) for _ in range(2))
    warm.remember(list(zip(ts.tolist(), price.tolist(), strict=True)))
    assert warm.looks_back_ns == 10 * 24 * NS_PER_HOUR
    seen = [feed.ticker(perpetual(float(price[-1]), ts=T0)).estimate for feed in (blind, warm)]
    assert math.isnan(seen[0])
    assert seen[1] == pytest.approx(0.6, rel=0.1)
    assert Feed("BTC").looks_back_ns == 0


def test_a_first_ticker_within_the_minute_of_the_last_remembered_price_has_its_estimate():
    estimate = Estimate("forecast", 30 * NS_PER_MINUTE)
    ts = T0 - 30 * S - NS_PER_MINUTE * np.arange(99, -1, -1)
    price = 60e3 * np.exp(np.cumsum(1e-3 * np.random.default_rng(1).standard_normal(100)))
    feed = Feed("BTC", estimate=estimate)
    feed.remember(list(zip(ts.tolist(), price.tolist(), strict=True)))
    assert feed.ticker(perpetual()).estimate == pytest.approx(estimate.series(ts, price)[-1], rel=1e-12)
    assert len(feed.sampled) == 100


def test_nothing_to_remember_and_nothing_to_estimate():
    feed = Feed("BTC", estimate=Estimate("forecast", 30 * NS_PER_MINUTE))
    feed.remember([])
    assert math.isnan(feed.ticker(perpetual()).estimate)
    feed = Feed("BTC")
    feed.remember([(T0 - S, 60e3)])
    assert math.isnan(feed.ticker(perpetual()).estimate)


def estimating(ts, index, fixed):
    """Price of the perpetual within the window, with the delivery price that the exchange expects then."""
    share = (ts - OPENS) / SETTLEMENT_WINDOW_NS
    expected = share * fixed + (1 - share) * index if share > 0 else index
    return msgspec.structs.replace(perpetual(ts=ts, index=index), estimated_delivery=expected)


def test_the_average_of_the_settlement_window_grows_with_the_prices():
    feed, minute = Feed("BTC"), NS_PER_MINUTE
    assert math.isnan(feed.ticker(estimating(OPENS - minute, 60_000.0, math.nan)).fixed)
    # From 60,000 a minute before the window in a straight line to 60,200 a minute after its beginning.
    event = feed.ticker(estimating(OPENS + minute, 60_200.0, math.nan))
    assert event.fixed == pytest.approx(60_150.0)
    event = feed.ticker(estimating(OPENS + 3 * minute, 60_400.0, math.nan))
    assert event.fixed == pytest.approx((60_150.0 + 2 * 60_300.0) / 3)
    chain = feed.chain([row(CALL, ts=OPENS + 3 * minute), row(PUT, ts=OPENS + 3 * minute)])
    assert chain.fixed == event.fixed
    assert math.isnan(feed.ticker(estimating(OPENS + 31 * minute, 60_000.0, math.nan)).fixed)


def test_a_session_that_starts_within_the_window_takes_over_the_exchanges_average():
    feed, minute = Feed("BTC"), NS_PER_MINUTE
    assert feed.ticker(estimating(OPENS + 12 * minute, 60_200.0, 59_900.0)).fixed == pytest.approx(59_900.0)
    later = feed.ticker(estimating(OPENS + 15 * minute, 60_400.0, math.nan))
    assert later.fixed == pytest.approx((12 * 59_900.0 + 3 * 60_300.0) / 15)


def test_chains_carry_the_volatility_index_as_it_was_last_heard():
    index = IndexHistory([T0 - 200 * S, T0 - 50 * S], [0.5, 0.4], 100 * S, 60 * S, every_ns=30 * S)
    feed = Feed("BTC", volatility=index)
    feed.ticker(perpetual())
    index.add(T0, 0.45)
    event = feed.chain([row(CALL)])
    assert (event.dvol, event.dvol_rank) == (0.45, 0.5)
    late = feed.chain([row(CALL, ts=T0 + 61 * S)])
    assert math.isnan(late.dvol)
    plain = Feed("BTC")
    plain.ticker(perpetual())
    assert math.isnan(plain.chain([row(CALL)]).dvol)
