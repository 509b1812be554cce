"""Realised volatility, the volatility paid, and the break-even."""

import io
import math
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from rich.console import Console

from gammacore import inverse
from gammacore.alerts import Alerts, Level
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk, build_weigher
from gammacore.config import Duration
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE, NS_PER_SECOND, parse_time
from gammacore.errors import ConfigError
from gammacore.events import Fill, IndexPrice
from gammacore.live.follow import Follower
from gammacore.live.pace import Pace, Paces, breakeven_vol, paid_vol
from gammacore.live.room import Room
from gammacore.live.view import screen
from gammacore.live.watch import Watcher
from gammacore.volatility.forecast_errors import coin_clock
from support.dashboard_world import board_of, made
from support.markets import FREE, START, build, chains_of

MINUTES_A_YEAR = 365 * 24 * 60


def test_a_move_of_one_size_each_minute_has_that_volatility():
    pace, price = Pace(0, NS_PER_DAY, 100.0, 0.5, 0.6), 100.0
    for k in range(1, 101):
        price *= math.exp(0.001 * (-1) ** k)
        pace.price(k * NS_PER_MINUTE, price)
    expected = 0.001 * math.sqrt(MINUTES_A_YEAR)
    assert pace.realised(100 * NS_PER_MINUTE, price) == pytest.approx(expected, rel=1e-12)


def test_ticks_within_a_minute_do_not_count():
    calm, busy = (Pace(0, NS_PER_DAY, 100.0, 0.5, 0.6) for _ in range(2))
    rng = np.random.default_rng(1)
    for k in range(1, 61):
        price = 100.0 + k * 0.01
        for s in range(1, 60):
            busy.price((k - 1) * NS_PER_MINUTE + s * NS_PER_SECOND, 100.0 + rng.normal())
        for pace in (calm, busy):
            pace.price(k * NS_PER_MINUTE, price)
    assert calm.realised(60 * NS_PER_MINUTE, 100.6) == busy.realised(60 * NS_PER_MINUTE, 100.6)


def test_a_long_path_comes_near_the_volatility_it_was_drawn_with():
    rng, vol, n = np.random.default_rng(2), 0.6, 40_000
    path = 60e3 * np.exp(np.cumsum(vol / math.sqrt(MINUTES_A_YEAR) * rng.standard_normal(n)))
    pace = Pace(0, 30 * NS_PER_DAY, 60e3, 0.5, 0.6)
    for k, price in enumerate(path.tolist(), 1):
        pace.price(k * NS_PER_MINUTE, price)
    # The deviation of an estimate from n returns is vol / sqrt(2 n).
    assert pace.realised(n * NS_PER_MINUTE, float(path[-1])) == pytest.approx(
        vol, abs=4 * vol / math.sqrt(2 * n)
    )


def spent(from_ns, to_ns, end_ns):
    """Years of a life that count as spent, by the coin's clock."""
    clock = coin_clock("BTC")
    share = float(clock.elapsed(from_ns, to_ns)) / float(clock.elapsed(from_ns, end_ns))
    return share * (end_ns - from_ns) / (365 * NS_PER_DAY)


def test_a_quiet_weekend_counts_for_less_time_and_the_whole_life_for_all_of_it():
    friday = parse_time("2026-05-01T20:00")
    end = friday + 7 * NS_PER_DAY
    pace = Pace(friday, end, 100.0, 0.5, 0.6, coin_clock("BTC"))
    plain = Pace(friday, end, 100.0, 0.5, 0.6)
    pace.hedged(friday + 2 * NS_PER_DAY, 103.0)  # to Sunday evening
    plain.hedged(friday + 2 * NS_PER_DAY, 103.0)
    years = spent(friday, friday + 2 * NS_PER_DAY, end)
    assert years < 0.9 * 2 / 365
    assert pace.at_hedges() == pytest.approx(math.log(1.03) / math.sqrt(years), rel=1e-12)
    assert pace.at_hedges() > 1.05 * plain.at_hedges()
    assert pace.realised(end, 103.0) == pytest.approx(plain.realised(end, 103.0), rel=1e-12)


def test_hedges_see_the_moves_between_them():
    pace = Pace(0, 3 * NS_PER_DAY, 100.0, 0.5, 0.6)
    assert math.isnan(pace.at_hedges())
    assert math.isnan(pace.realised(0, 100.0))
    pace.hedged(NS_PER_DAY, 101.0)
    pace.hedged(2 * NS_PER_DAY, 99.0)
    expected = math.sqrt((math.log(1.01) ** 2 + math.log(99 / 101) ** 2) * 365 / 2)
    assert pace.at_hedges() == pytest.approx(expected, rel=1e-12)


def entered(vol, **changes):
    """A desk that has bought a straddle for what it is worth at a volatility, marks being at 60 %."""
    config = build(FREE | {"entry.expiries": "any", "entry.min_days": 1.0, "entry.max_days": 9.0} | changes)
    desk = build_desk(config)
    orders = desk.handle(Tape(chains_of([START], [60e3])).snapshot(0))
    episode = desk.portfolio.episodes[0]
    for leg in orders[0].legs:
        option = leg.instrument
        price = inverse.price(option.kind, 60e3, option.strike, desk.market.tau(option.expiry_ns), vol)
        fill = Fill(
            START, orders[0].order_id, 0, option, leg.amount, price, price, 0.0, leg is orders[0].legs[-1]
        )
        desk.handle(fill)
    return desk, episode, config


@pytest.mark.parametrize("vol", [0.4, 0.6, 0.9])
def test_the_volatility_paid_is_the_one_that_the_price_was_made_of(vol):
    desk, episode, _ = entered(vol)
    assert paid_vol(episode, desk.market) == pytest.approx(vol, rel=1e-9)


def test_without_costs_the_break_even_is_the_mark():
    desk, episode, config = entered(0.6, **{"hedge.every": "1h", "hedge.rule": "interval"})
    found = breakeven_vol(episode, desk.market, build_weigher(config), 0.6)
    assert found == pytest.approx(0.6, abs=1e-6)


def test_costs_raise_it():
    costly = {"costs.fill": "cross", "costs.option_fees": True, "hedge.every": "1h", "hedge.rule": "interval"}
    desk, episode, config = entered(0.6, **costly)
    assert breakeven_vol(episode, desk.market, build_weigher(config), 0.6) > 0.61


def test_a_session_has_the_pace_of_its_own_prices():
    """From the journal alone: its forwards, a minute apart."""
    (row,) = board_of(made().path).sections()["pace"]
    follower, path = Follower(made().path), []
    for record in made().records:
        follower.take(record)
        if record.name in ("IndexPrice", "Snapshot", "Fill") and (open_ := follower.desk.portfolio.open):
            (episode,) = open_.values()
            path.append((record.ts_ns, follower.desk.market.forward(episode.expiry_ns), record.name))
    entry = max(ts for ts, _, name in path if name == "Fill" and ts // 1_000_000 == row["entry_ms"])
    picked = [next((ts, forward) for ts, forward, _ in path if ts == entry)]
    for ts, forward, name in path:
        if name != "Fill" and ts - picked[-1][0] >= NS_PER_MINUTE:
            picked.append((ts, forward))
    market = follower.desk.market
    end = market.ts_ns, market.forward(episode.expiry_ns)
    squares = np.square(np.diff(np.log([forward for _, forward in [*picked, end]]))).sum()
    years = spent(entry, end[0], episode.expiry_ns)
    assert len(picked) == 3
    assert row["realised"] == pytest.approx(math.sqrt(squares / years), rel=1e-9)
    assert row["paid"] > 0.4


def test_alert_screen_and_dashboard_say_the_same_figure():
    """Of a journal: an alert as of its end, the line of the terminal, and the row of the page."""
    (row,) = board_of(made().path).sections()["pace"]
    paces = Paces()
    follower, shown, got = Follower(made().path, paces=paces), io.StringIO(), []
    follower.update()
    Console(file=shown, width=200).print(screen(follower, "local", paper=False))
    (number,) = follower.desk.portfolio.open
    per_day = [100 * row[name] / math.sqrt(365) for name in ("realised", "breakeven")]
    assert row["told"] == f"pace {per_day[0]:.2f} % a day, needed {per_day[1]:.2f} %"
    assert f"episode {number}: {row['told']}" in shown.getvalue()
    soon = msgspec.structs.replace(follower.config.alerts, pace=Duration("1s"))
    follower.config = msgspec.structs.replace(follower.config, alerts=soon)
    Watcher(follower, Alerts(lambda *told: got.append(told) or True)).look()
    assert [told[2] for told in got if told[1] == "gammacore: pace"] == [f"episode {number}: {row['told']}"]


# --------------------------------------------------------------------------- alerts


def watched_for(days, move, side="long", **changes):
    """Alerts of a straddle whose forward moves by so much each minute, up and down, asked every six hours."""
    desk, episode, config = entered(0.6, **{"entry.side": side} | changes)
    paces, got = Paces(), []
    paces.start(config)
    paces.take(list(episode.option_fills())[-1], desk)
    follower = SimpleNamespace(
        seq=1, desk=desk, config=config, paces=paces, mode=None, adopted=[], stopped=False, departure=None
    )
    follower.explain = lambda: None
    follower.room = lambda: Room(10**12, math.inf)
    clock = SimpleNamespace(now=0.0)
    alerts = Alerts(lambda *told: got.append(told) or True, repeat_ns=1)
    watcher = Watcher(follower, alerts, clock=lambda: clock.now)
    for k in range(1, days * 24 * 60 + 1):
        event = IndexPrice(START + k * NS_PER_MINUTE, 60e3 * math.exp(move(k) / 2 * (-1) ** k))
        desk.handle(event)
        paces.take(event, desk)
        if k % 360 == 0:
            follower.seq, clock.now = k, clock.now + 60.0
            watcher.look()
    return got, paces.of(episode)


CALM = 0.3 / math.sqrt(MINUTES_A_YEAR)  # moves of 30 % a year


def test_a_position_that_realises_less_than_it_needs_is_told_once():
    got, pace = watched_for(2, lambda k: CALM)
    (told,) = got
    assert told[0] is Level.WARNING
    needed = 100 * pace.breakeven / math.sqrt(365)
    day = NS_PER_DAY  # after which it is told
    seen = 100 * CALM * math.sqrt(24 * 60 / (365 * spent(START, START + day, START + 7 * day)))
    assert told[1:] == ("gammacore: pace", f"episode 0: pace {seen:.2f} % a day, needed {needed:.2f} %")


def test_not_before_its_time_and_not_where_it_is_switched_off():
    assert watched_for(2, lambda k: CALM, **{"alerts.pace": "3d"})[0] == []
    assert watched_for(2, lambda k: CALM, **{"alerts.pace": None})[0] == []


def test_one_that_has_caught_up_is_told_again_when_it_falls_behind():
    got, _ = watched_for(5, lambda k: CALM * (6.0 if 1_500 < k < 2_000 else 0.5 if k > 2_000 else 1.0))
    assert len(got) == 2


def test_a_short_position_must_stay_below():
    got, pace = watched_for(2, lambda k: 3 * CALM, side="short")
    needed = 100 * pace.breakeven / math.sqrt(365)
    assert [told[2] for told in got] == [f"episode 0: pace 4.82 % a day, at most {needed:.2f} %"]
    assert watched_for(2, lambda k: CALM, side="short")[0] == []


def test_a_break_even_that_cannot_be_found_ends_nobody(monkeypatch):
    def fails(*_):
        raise ConfigError("no")

    monkeypatch.setattr("gammacore.live.pace.breakeven_vol", fails)
    got, pace = watched_for(2, lambda k: CALM)
    assert got == []
    assert math.isnan(pace.breakeven)
