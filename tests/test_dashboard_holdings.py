"""Positions, Greeks, profit and gauges against the desk that wrote the journal."""

from types import SimpleNamespace

import pytest

from gammacore import inverse
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.contracts import Option
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.events import Fill, IndexPrice
from gammacore.live.dashboard.holdings import Profits, gauges, greeks, positions
from gammacore.live.follow import Follower
from gammacore.live.solvency import profit_usd
from gammacore.live.view import _positions
from gammacore.risk import totals
from support.dashboard_world import board_of, made
from support.ledger_sums import by_the_ledger
from support.markets import START, build, chains_of


def test_positions_are_those_of_the_desk_that_traded():
    rows = positions(board_of(made().path).follower.desk)
    expected = {}
    for episode in made().desk.portfolio.open.values():
        for option, amount in episode.legs.items():
            expected[option.name] = amount
    for episode in made().desk.portfolio.hedged:
        expected[episode.hedge.instrument.name] = episode.hedge.amount
    assert {row["instrument"]: row["size"] for row in rows} == expected
    assert len(rows) == 3


def test_the_profit_is_the_ledgers_of_the_desk_that_traded():
    page = Profits().look(board_of(made().path).follower.desk)
    desk = by_the_ledger(made().desk)
    assert page.coin == pytest.approx(desk.coin, abs=1e-8)
    assert page.usd == pytest.approx(desk.usd, abs=1e-8)
    # The risk manager does not round to the ledger's units: half of one for each posting.
    postings = sum(e.ledger.roundings for e in made().desk.portfolio.accounts) + 6
    assert page.usd == pytest.approx(
        profit_usd(made().desk), abs=0.5e-8 * postings * made().desk.market.index
    )


def test_looking_at_the_profit_changes_nothing():
    desk = board_of(made().path).follower.desk
    before = [(e.ledger.profit(), e.ledger.roundings, len(e.ledger.entries)) for e in desk.portfolio.episodes]
    look = Profits()
    assert look.look(desk) == look.look(desk)
    assert before == [
        (e.ledger.profit(), e.ledger.roundings, len(e.ledger.entries)) for e in desk.portfolio.episodes
    ]


def test_rows_add_up_to_the_greeks_of_all():
    desk = board_of(made().path).follower.desk
    rows, seen = positions(desk), totals(desk.portfolio, desk.market)
    for name, whole in (
        ("delta", seen.delta),
        ("gamma", seen.gamma),
        ("vega_usd", seen.vega_usd),
        ("theta_usd", seen.theta_usd),
    ):
        assert sum(row[name] for row in rows) == pytest.approx(whole, rel=1e-12), name


def test_greeks_are_how_the_positions_value_moves():
    """Bumps of price, volatility and time, priced anew."""
    desk = board_of(made().path).follower.desk
    market, portfolio = desk.market, desk.portfolio
    seen = greeks(totals(portfolio, market), market.index)

    def worth(price=1.0, vol=0.0, days=0.0):
        """USD value of the options in coin at an unchanged number of coins."""
        total = 0.0
        for episode in portfolio.open.values():
            for option, amount in episode.legs.items():
                forward, tau = (
                    market.forward(option.expiry_ns) * price,
                    market.tau(option.expiry_ns) - days / 365,
                )
                coin = inverse.price(option.kind, forward, option.strike, tau, market.vol(option) + vol)
                total += amount * coin * forward
        return total

    def delta(price):
        """Coin delta of options and hedge: change of the USD value less the coins that the value is."""
        h = 1e-5
        return (worth(price + h) - worth(price - h)) / (2 * h) / (market.index * price)

    assert seen["vega_usd"] == pytest.approx((worth(vol=1e-4) - worth(vol=-1e-4)) / 2e-4 * 0.01, rel=1e-5)
    assert seen["theta_usd"] == pytest.approx((worth(days=1e-3) - worth(days=-1e-3)) / 2e-3, rel=1e-4)
    assert seen["gamma_coin"] == pytest.approx((delta(1.001) - delta(0.999)) / 0.002 * 0.01, rel=2e-3)
    options = delta(1.0) - worth() / market.index  # net of the coins that the premium is
    hedge = sum(e.hedge.amount / market.index for e in portfolio.hedged)
    assert seen["delta_coin"] == pytest.approx(options + hedge, abs=2e-4)
    for name in ("delta", "gamma", "vega", "theta", "options"):
        assert seen[f"{name}_usd"] == pytest.approx(seen[f"{name}_coin"] * market.index)


def test_each_hedge_is_decided_outside_the_band_and_ends_inside():
    follower, band, decided = Follower(made().path), 0.01, 0
    previous = None
    for record in made().records:
        follower.take(record)
        if record.name == "IndexPrice" and (rows := gauges(follower.desk)):
            (row,) = rows
            assert (row["below"], row["above"]) == (-band, band)
            ordered = [o for o in follower.decided if "hedge" in o.order_id]
            if ordered:
                decided += 1
                # The order counts as pending: half a lot of 10 USD is all that is left.
                assert abs(row["mismatch"]) <= 5.0 / follower.desk.market.index + 1e-12
                assert abs(ordered[0].legs[0].amount) / follower.desk.market.index > band - 1e-4
            elif not follower.desk.portfolio.book.pending:
                assert abs(row["mismatch"]) <= band
            previous = row
    assert decided >= 3
    assert previous["hedges"] == follower.desk.portfolio.hedges


def held(prices=(0.03,), **rule):
    """A desk with a straddle, an hour after it was entered, in as many parts as there are prices."""
    config = build({"entry.expiries": "any", "entry.min_days": 1.0, "entry.max_days": 9.0} | rule)
    desk = build_desk(config)
    (order,) = desk.handle(Tape(chains_of([START], [60e3])).snapshot(0))
    parts = [(leg.instrument, leg.amount / len(prices), price) for leg in order.legs for price in prices]
    for part in parts:
        hedges = desk.handle(Fill(START, order.order_id, 0, *part, 0.03, 0.0, part is parts[-1]))
    for hedge in hedges:
        if hedge.limit is None:
            leg = hedge.legs[0]
            desk.handle(Fill(START + 1, hedge.order_id, 0, leg.instrument, leg.amount, 60e3, 60e3, 0.0))
    desk.handle(IndexPrice(START + NS_PER_HOUR, 60_100.0))
    return desk


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ({"hedge.rule": "interval", "hedge.every": "4h"}, "Interval"),
        ({"hedge.rule": "move", "hedge.move": 1.0, "hedge.move_unit": "sigma"}, "Move"),
        ({"hedge.rule": "move", "hedge.move": 500.0, "hedge.move_unit": "usd"}, "Move"),
        ({"hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 1e-3}, "WhalleyWilmott"),
        ({"hedge.rule": "zakamouline", "hedge.risk_aversion": 1e-3}, "Zakamouline"),
        ({"hedge.rule": "fixed_cost", "hedge.risk_aversion": 1e-3}, "FixedCost"),
        ({"hedge.rule": "ladder", "hedge.band": 0.05}, "Ladder"),
        ({"hedge.rule": "never"}, "Never"),
        ({"hedge.rule": "snapshot"}, "Interval"),
    ],
)
def test_every_rule_has_a_gauge(rule, name):
    desk = held(**rule)
    (row,) = gauges(desk)
    assert row["rule"] == name
    episode = desk.portfolio.episodes[0]
    if name != "Zakamouline":  # whose delta is at a volatility of its own
        mismatch = float(desk.hedge.target.mismatch(episode, desk.market))
        assert row["mismatch"] == pytest.approx(mismatch, rel=1e-9)
    if name in ("WhalleyWilmott", "Zakamouline", "FixedCost", "Ladder"):
        assert row["below"] == -row["above"] < 0
        assert (abs(row["mismatch"]) > row["above"]) == bool(
            desk.policy.fires(desk.hedge.target.moment(episode, desk.market, desk.policy))
        )
    else:
        assert row["below"] is None
    if name == "Ladder":
        assert row["inner"] == 0.05
    if rule.get("hedge.every") == "4h":
        assert row["measure"]["limit"] == 4 * 3600
        assert row["measure"]["value"] == pytest.approx(3600, abs=1)
    if rule.get("hedge.move_unit") == "usd":
        assert row["measure"]["value"] == pytest.approx(100.0)


def test_what_is_entered_in_parts_has_the_average_price():
    desk = held((0.02, 0.04), **{"hedge.rule": "never"})
    rows = [row for row in positions(desk) if row["kind"] == "option"]
    assert [row["entry"] for row in rows] == [0.03, 0.03]
    option = next(o for o in desk.portfolio.episodes[0].legs)
    assert isinstance(option, Option)
    assert rows[0]["tau_days"] == pytest.approx((option.expiry_ns - START - NS_PER_HOUR) / NS_PER_DAY)


def test_the_terminal_shows_the_same_average():
    table = _positions(SimpleNamespace(desk=held((0.02, 0.04), **{"hedge.rule": "never"})))
    assert list(table.columns[2].cells) == ["0.0300", "0.0300"]
