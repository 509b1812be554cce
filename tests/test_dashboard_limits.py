"""Limits and their use, against counts of the journal."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.deribit.news import AccountNews
from gammacore.live.journal import RecordKind
from gammacore.live.peak import Peak
from gammacore.live.records import decode_command, decode_fact
from gammacore.live.risk_manager import DayStart
from gammacore.orders import Purpose
from gammacore.risk import scenario_profit
from support.dashboard_world import LIMITS, board_of, made

SECOND = 1_000_000_000


def rows(board=None):
    board = board or board_of(made().path)
    return {row["name"]: row for row in board.sections()["limits"]}


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(-100, 100)), min_size=1, max_size=80))
def test_the_peak_is_the_largest_of_the_window(moves):
    peak, ts, values = Peak(60), 0, []
    for step, value in moves:
        ts += step
        peak.add(ts, value)
        values.append((ts, value))
        highest = max(v for t, v in values if t >= ts - 60)
        assert peak.fallen(value) == highest - value


def test_counts_are_those_of_the_journal():
    found, records = rows(), made().records
    now = made().desk.market.ts_ns
    placed = [r for r in records if r.name == "Placed" and r.ts_ns > now - 60 * SECOND]
    orders = [decode_command(r.body) for r in records if r.kind is RecordKind.COMMAND and r.name == "Order"]
    hedges = [o for o in orders if o.purpose is Purpose.HEDGE]
    assert found["orders in a minute"]["used"] == len(placed)
    assert found["hedges in an hour"]["used"] == len(hedges) > 2
    assert found["orders in a minute"]["limit"] == 200
    assert found["hedges in an hour"]["limit"] is None


def test_margin_is_the_exchanges_own_figure():
    last = [decode_fact(r.body, AccountNews) for r in made().records if r.name == "AccountNews"][-1]
    found = rows()
    assert found["margin"]["used"] == last.initial_margin / last.margin_balance
    assert found["margin"]["limit"] == LIMITS["risk__max_margin_use"]
    assert found["liquidation"]["used"] == pytest.approx(last.maintenance_margin / last.margin_balance)


def test_losses_are_counted_from_the_day_and_from_the_peak():
    board = board_of(made().path)
    state = board.sections()
    (start,) = [decode_fact(r.body, DayStart) for r in made().records if r.name == "DayStart"]
    found = {row["name"]: row for row in state["limits"]}
    assert found["loss today"]["used"] == pytest.approx(start.profit_usd - state["profit"]["usd"])
    assert found["loss today"]["share"] == pytest.approx(found["loss today"]["used"] / 5_000.0)
    # The peak was at the start: an entry costs half its spread.
    assert found["drawdown 1 h"]["used"] == pytest.approx(-state["profit"]["usd"], rel=1e-9)


def test_the_worst_scenario_is_that_of_the_grid():
    desk = made().desk
    grid = made().hedger.risk.guards.limits.grid
    assert rows()["worst scenario"]["used"] == pytest.approx(
        max(-float(scenario_profit(desk.portfolio, desk.market, grid).min()), 0.0), rel=1e-9
    )


def test_delta_is_of_all_positions_and_its_share_of_the_limit():
    board = board_of(made().path)
    state = board.sections()
    found = {row["name"]: row for row in state["limits"]}["delta"]
    assert found["used"] == abs(state["greeks"]["delta_coin"])
    assert found["share"] == found["used"] / 0.5


def test_a_new_process_begins_to_count_anew():
    board = board_of(made().path)
    start = made().records[0]
    board.take(start._replace(seq=len(made().records) + 1))
    found = rows(board)
    assert found["orders in a minute"]["used"] == 0
    assert found["drawdown 1 h"]["used"] == rows(board_of(made().path))["drawdown 1 h"]["used"] > 0  # stays
    assert found["loss today"]["used"] > 0  # the day is not forgotten


def test_what_the_journal_says_of_the_clock_is_shown():
    from gammacore.live.journal import Record
    from gammacore.live.news import ClockSkew
    from gammacore.live.records import encode

    board = board_of(made().path)
    fact = ClockSkew(made().desk.market.ts_ns, -0.25, 0.01)
    board.take(Record(10_000, RecordKind.FACT, "ClockSkew", fact.ts_ns, encode(fact)))
    assert rows(board)["clock"]["used"] == 0.25
    assert msgspec.json.encode(board.sections())
