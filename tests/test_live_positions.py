"""The account's positions, divided between the session and its holder."""

import math

import msgspec
import pytest

from gammacore.contracts import Settlement, parse
from gammacore.deribit.news import OrderState, PositionNews, TradeNews
from gammacore.live.positions import Baseline, Foreign, Positions, Shares, direct_label
from gammacore.live.selection import Selection
from gammacore.portfolio import Portfolio
from support.markets import FRIDAY
from support.messages import CALL, PERPETUAL, PUT, T0, S

FUTURE = parse("BTC-16JAN26")


def position(instrument, size):
    fields = {field.name: 0.0 for field in msgspec.structs.fields(PositionNews)}
    return PositionNews(**(fields | {"ts_ns": T0, "instrument": instrument, "size": size}))


def trade(instrument, amount, label="", forced=False):
    return TradeNews(
        T0, "t1", 1, "x1", label, instrument, amount, 60e3, 60e3, 60e3, 0.0, "BTC", "T", OrderState.FILLED,
        math.nan, math.nan, forced,
    )  # fmt: skip


@pytest.fixture
def portfolio():
    """Long a straddle of one coin, short 6,000 USD of the perpetual."""
    made = Portfolio()
    episode = made.begin(FRIDAY, PERPETUAL, 60e3)
    episode.legs = {CALL: 1.0, PUT: 1.0}
    episode.hedge.trade(-6_000.0, 60e3)
    return made


def positions(portfolio, theirs=None, **options):
    made = Positions(portfolio, **options)
    made.begin([position(parse(name), size) for name, size in (theirs or {}).items()], (), T0)
    return made


def test_the_baseline_is_taken_once_and_without_what_is_not_held(portfolio):
    made = Positions(portfolio)
    held = [position(PERPETUAL, 500.0), position(FUTURE, 0.0), position("ABC-PERPETUAL", 3.0)]
    assert made.begin(held, ("t7",), T0) == Baseline(
        T0, {"BTC-PERPETUAL": 500.0, "ABC-PERPETUAL": 3.0}, ("t7",)
    )
    assert made.begin([position(PERPETUAL, 9.0)], (), T0 + 1) is None
    assert made.baseline.sizes["BTC-PERPETUAL"] == 500.0


@pytest.mark.parametrize(
    ("given", "theirs", "ours"),
    [
        (trade(PERPETUAL, 1_000.0), {}, 1_000.0),
        (trade(PERPETUAL, 1_000.0), {"BTC-PERPETUAL": -400.0}, 600.0),  # the holder's is reduced first
        (trade(PERPETUAL, 1_000.0), {"BTC-PERPETUAL": -4_000.0}, 0.0),
        (trade(PERPETUAL, 1_000.0), {"BTC-PERPETUAL": 400.0}, 1_000.0),  # and not added to
        (trade(FUTURE, 1_000.0), {}, 0.0),  # nothing of ours
        (trade("ABC-PERPETUAL", 5.0), {}, 0.0),
        (trade(PERPETUAL, 1_000.0, "other"), {}, 0.0),  # another program hedges for itself
        (trade(PERPETUAL, 1_000.0, "other", forced=True), {}, 1_000.0),
        (trade(CALL, -0.4, "other"), {}, -0.4),  # but what it takes of our options is gone
        (trade(CALL, -1.4, "other"), {}, -1.0),
        (trade(CALL, 0.4, "other"), {}, 0.0),
        (trade(CALL, -1.4), {}, -1.4),
        (trade(CALL, -1.4), {CALL.name: 0.5}, -0.9),
    ],
)
def test_a_trade_is_divided(portfolio, given, theirs, ours):
    made = positions(portfolio, theirs)
    assert made.divide(given) == pytest.approx((ours, given.amount - ours))
    on_paper = positions(portfolio, theirs, adopts=False)
    assert on_paper.divide(given) == (0.0, given.amount)


def test_a_trade_of_our_own_label_is_ours_whatever_the_holder_has(portfolio):
    made = positions(portfolio, {"BTC-PERPETUAL": -4_000.0})
    assert made.divide(trade(PERPETUAL, 1_000.0, "direct-1"), own=True) == (1_000.0, 0.0)


def test_the_holders_trades_add_up(portfolio):
    made = positions(portfolio)
    assert made.foreign(trade(FUTURE, 30.0), 30.0) == Foreign(T0, "t1", "BTC-16JAN26", 30.0, 60e3)
    assert made.foreign(trade(FUTURE, -10.0), -10.0).amount == -10.0
    assert made.foreign(trade(FUTURE, 10.0), 1e-10) is None  # rounding
    assert made.foreign(trade("ABC-PERPETUAL", 5.0), 5.0) is None
    assert made.others == {"BTC-16JAN26": 20.0}
    assert made.divide(trade(FUTURE, -5.0)) == (0.0, -5.0)


def test_what_the_holder_traded_since_counts_with_what_was_there(portfolio):
    made = positions(portfolio, {"BTC-PERPETUAL": -400.0}, shares=Shares(others={"BTC-PERPETUAL": -100.0}))
    assert made.divide(trade(PERPETUAL, 1_000.0)) == (500.0, 500.0)


def test_before_the_first_reconciliation_only_what_was_traded_counts(portfolio):
    made = Positions(portfolio, shares=Shares(others={"BTC-PERPETUAL": -100.0}))
    assert made.divide(trade(PERPETUAL, 1_000.0)) == (900.0, 100.0)
    held = [position(CALL, 1.0), position(PUT, 1.0), position(PERPETUAL, -6_100.0)]
    assert made.differences(held, T0) == {}


def test_a_billionth_is_a_trade_but_no_difference(portfolio):
    made = positions(portfolio)
    assert made.foreign(trade(FUTURE, 1e-9), 1e-9).amount == 1e-9
    held = [position(CALL, 1.0), position(PUT, 1.0), position(PERPETUAL, -6_000.0)]
    made.others.clear()
    assert made.differences([*held, position(FUTURE, 1e-9)], T0) == {}
    assert made.differences([*held, position(FUTURE, 2e-9)], T0) == {"BTC-16JAN26": (0.0, 2e-9)}


def test_what_is_held_is_summed_over_episodes(portfolio):
    again = portfolio.begin(FRIDAY, PERPETUAL, 60e3)
    again.legs = {CALL: 0.5, PUT: -1.0}
    again.hedge.trade(1_000.0, 60e3)
    assert positions(portfolio).own() == {CALL.name: 1.5, "BTC-PERPETUAL": -5_000.0}


def test_differences_are_beyond_rounding_and_of_what_has_not_expired(portfolio):
    made = positions(portfolio, {"BTC-PERPETUAL": 500.0}, shares=Shares(others={"BTC-16JAN26": 20.0}))
    right = [position(CALL, 1.0), position(PUT, 1.0), position(PERPETUAL, -5_500.0), position(FUTURE, 20.0)]
    assert made.differences(right, FRIDAY - 61 * S) == {}
    off = [
        position(CALL, 1.0 + 5e-10),
        position(PUT, 0.9),
        position("ABC-PERPETUAL", 3.0),
        position(FUTURE, 20.0),
    ]
    expected = {PUT.name: (1.0, 0.9), "BTC-PERPETUAL": (-5_500.0, 0.0), "ABC-PERPETUAL": (0.0, 3.0)}
    assert made.differences(off, FRIDAY - 61 * S) == expected
    del expected[PUT.name]  # from a minute before its expiry on
    assert made.differences(off, FRIDAY - 60 * S) == expected
    assert made.differences(off, FRIDAY) == expected


def test_labels_of_orders_without_the_session():
    assert direct_label("g1a2b") == "direct-1a2b"


# ------------------------------------------------------------------ taken over

THEIRS, MINE, OTHERS = (
    "g1a2b-0-entry-0-0-0",
    "mine-1",
    "others",
)  # of another session, asked for, not asked for


def taking(others=0.0, apart=0.0, labels=(), priced=True, surveyed=True):
    """Positions of a session that has taken a call over, beside what the account holds of it else."""
    made = Portfolio()
    episode = made.begin(FRIDAY, PERPETUAL, 60e3)
    episode.adopted, episode.legs = True, {CALL: 1.0}
    shares = Shares(Baseline(T0, {}), {CALL.name: others}, {CALL.name: apart} if apart else {}, surveyed)
    selection = Selection("BTC", Settlement.INVERSE, labels=labels)
    return Positions(made, shares, selection=selection, priced=lambda option: priced)


@pytest.mark.parametrize(
    ("amount", "label", "given", "ours"),
    [
        (0.5, "", {}, 0.5),
        (-1.4, "", {}, -1.4),
        (0.5, "", {"surveyed": False}, 0.0),
        (0.5, "", {"priced": False}, 0.5),  # held, so it has a price
        (-1.4, "", {"others": 0.5}, -0.9),  # what is not taken over yet is reduced first
        (-1.4, "", {"others": 0.5, "apart": 0.5}, -1.0),  # the rest is the other session's
        (0.5, "", {"others": 0.5, "apart": 0.5}, 0.0),
        (0.5, THEIRS, {}, 0.0),
        (-0.4, THEIRS, {}, -0.4),  # of theirs there is nothing: it took of ours
        (-1.4, THEIRS, {"others": 0.5, "apart": 0.5}, -0.9),
        (0.5, MINE, {"labels": ("mine-*",), "others": 0.5, "apart": 0.5}, 0.5),
        (-1.4, MINE, {"labels": ("mine-*",), "others": 0.5, "apart": 0.5}, -1.4),
        (0.5, OTHERS, {"labels": ("mine-*",)}, 0.0),
        (-0.4, OTHERS, {"labels": ("mine-*",)}, -0.4),
    ],
)
def test_a_trade_in_an_option_that_is_taken_over_is_divided(amount, label, given, ours):
    assert taking(**given).divide(trade(CALL, amount, label)) == pytest.approx((ours, amount - ours))


@pytest.mark.parametrize(("priced", "ours"), [(True, 0.5), (False, 0.0)])
def test_an_option_that_is_not_held_waits_for_a_price(priced, ours):
    assert taking(priced=priced).divide(trade(PUT, 0.5)) == pytest.approx((ours, 0.5 - ours))


@pytest.mark.parametrize(
    ("amount", "label", "given", "apart"),
    [
        (0.5, "", {}, 0.0),
        (0.5, THEIRS, {}, 0.5),
        (0.5, OTHERS, {"labels": ("mine-*",)}, 0.5),
        (0.5, THEIRS, {"surveyed": False}, 0.0),  # the survey looks at all trades
        (0.5, "", {"others": 0.5, "apart": 0.5}, 0.5),
        (-0.5, "", {"others": 0.7, "apart": 0.4}, -0.2),  # what may be taken over is reduced first
    ],
)
def test_what_is_apart_of_the_holders_part_is_never_taken_over(amount, label, given, apart):
    made = taking(**given)
    before = made.shares.apart.get(CALL.name, 0.0)
    assert made.foreign(trade(CALL, amount, label), amount).apart == pytest.approx(apart)
    assert made.shares.apart.get(CALL.name, 0.0) == pytest.approx(before + apart)
    assert made.shares.others[CALL.name] == pytest.approx(given.get("others", 0.0) + amount)


def test_only_what_is_free_and_selected_is_waited_for():
    made = taking(others=0.5, apart=0.2)
    made.others.update({PUT.name: -0.3, "BTC-PERPETUAL": 100.0, "X-PERPETUAL": 3.0, "ETH-16JAN26-100-C": 1.0})
    assert made.waiting() == pytest.approx({CALL.name: 0.3, PUT.name: -0.3})
    assert taking(others=0.5, surveyed=False).waiting() == {}


@pytest.mark.parametrize("amount", [-0.4, -1.0, -1.4, 0.5])
def test_our_part_of_a_trade_goes_to_the_episode_that_holds_it(amount):
    assert dict(taking().parts(CALL, amount)) == pytest.approx({0: amount})


def test_what_closes_an_own_option_opens_nothing(portfolio):
    """The episode that the session entered itself closes, and none is begun for the holder."""
    made = positions(portfolio, selection=Selection("BTC", Settlement.INVERSE))
    assert made.parts(CALL, -1.0) == [(0, -1.0)]
    assert made.parts(CALL, -1.5) == [(0, -1.0), (1, -0.5)]
