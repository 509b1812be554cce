"""Why nothing is held, and when an entry is next possible."""

import math

import msgspec
import numpy as np
import pytest

from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.contracts import parse
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, format_time, parse_time, weekday
from gammacore.exchange.catalog import expiries
from gammacore.live.idle import why_idle
from gammacore.live.launch import first_moment
from gammacore.live.risk_manager import Mode
from gammacore.risk import Limits
from gammacore.strategy import EntryRule
from gammacore.strategy.waiting import next_entry_ns, waiting
from support.live_world import Process, World
from support.markets import START, build, chains_of

ENTERED = "may be entered at the next chain, 1 coin a leg by size.contracts"
SUNDAY = parse_time("2026-11-29T15:30:00Z")


def listed_at(ts_ns, **options):
    return Tape(chains_of([ts_ns], [60e3], expiries=tuple(expiries(ts_ns)), **options)).snapshot(0).chain


def why(ts_ns, chain, limits=None, forecast=math.nan, **changes):
    desk = build_desk(build(changes))
    found = waiting(desk.strategy, ts_ns, chain, desk.portfolio, limits or Limits(), forecast)
    return None if found is None else str(found)


def test_no_expiry_fits_and_the_moment_at_which_one_does():
    told = why(SUNDAY, listed_at(SUNDAY))
    assert told == "no Friday expiry 6 to 9 days out; next entry possible 2 December 08:00 UTC"
    entered = parse_time("2026-12-02T08:00:00Z")
    assert why(entered, listed_at(entered)) == f"11 December: {ENTERED}"
    just_before = listed_at(entered - NS_PER_MINUTE)
    assert why(entered - NS_PER_MINUTE, just_before).startswith("no Friday expiry")


@pytest.mark.parametrize("days", range(7))
def test_the_moment_is_the_first_at_which_the_strategy_itself_finds_an_expiry(days):
    """Against the strategy, every four hours, on what the exchange lists at each of them."""
    ts_ns = SUNDAY + days * NS_PER_DAY
    for rule in (
        EntryRule(),
        EntryRule(weekday=3),
        EntryRule(min_days=1.0, max_days=2.5, fridays_only=False),
        EntryRule(min_days=25.0, max_days=30.0),
    ):
        desk = build_desk(build({}))
        desk.strategy.entry = rule

        def fits(at_ns, desk=desk, rule=rule):
            if rule.weekday is not None and weekday(at_ns) != rule.weekday:
                return False
            stub = msgspec.structs.replace(listed_at(SUNDAY), forwards=dict.fromkeys(expiries(at_ns), 60e3))
            return bool(desk.strategy.eligible(at_ns, stub, desk.portfolio))

        found = next_entry_ns(rule, ts_ns, expiries(ts_ns))
        assert fits(found)
        step = 4 * NS_PER_HOUR
        assert not any(fits(at) for at in range(ts_ns, found, step))


def test_a_rule_that_no_expiry_ever_meets_has_no_moment():
    rule = EntryRule(min_days=6.0, max_days=6.1, weekday=6)  # a Friday is never that far from a Sunday
    assert next_entry_ns(rule, SUNDAY) is None
    changes = {"entry.weekday": "sunday", "entry.max_days": 6.1}
    assert why(SUNDAY, listed_at(SUNDAY), **changes) == "no Friday expiry 6 to 6.1 days out"


def test_a_weekday_is_named_with_its_next_moment():
    told = why(SUNDAY, listed_at(SUNDAY), **{"entry.weekday": "thursday"})
    assert told == "entries on Thursdays only; next entry possible 3 December 00:00 UTC"


def test_before_the_first_chain():
    assert why(SUNDAY, None) == "no chain of options has been seen yet"


def quoted():
    return Tape(chains_of([START], [60e3])).snapshot(0).chain


def test_limits_the_signal_the_size_and_missing_strikes_are_named():
    assert why(START, quoted(), Limits(max_contracts=0.5)).endswith(
        ": limits.max_contracts 0.5 refuses 1 coins a leg"
    )
    assert why(START, quoted(), Limits(max_open_episodes=0)).endswith(": limits.max_open_episodes is 0")
    ask = {"signal.min_probability": 0.5, "signal.window": "1d"}
    assert why(START, quoted(), **ask).endswith(": no forecast of volatility yet")
    assert why(START, quoted(), forecast=0.1, **ask).endswith(": the signal declines")
    assert why(START, quoted(), forecast=0.9, **ask).endswith(f": {ENTERED}")
    assert why(START, quoted(), **{"size.premium_usd": 1.0}).endswith(
        "size.premium_usd does not buy a lot of every leg"
    )
    bare = quoted()
    bare.mark[:] = np.nan
    assert why(START, bare).endswith(": no call and put with a mark and a volatility")


def test_what_was_traded_is_not_entered_again():
    desk, chain = build_desk(build({})), quoted()
    (expiry_ns,) = chain.forwards
    episode = desk.portfolio.begin(expiry_ns, parse("BTC-PERPETUAL"), 60e3)
    assert waiting(desk.strategy, START, chain, desk.portfolio, Limits()) is None  # it holds something
    desk.portfolio.open.clear()
    episode.entered[chain.option(0)] = 1.0
    told = str(waiting(desk.strategy, START, chain, desk.portfolio, Limits()))
    assert told.startswith("every Friday expiry 6 to 9 days out was traded before; next entry possible ")


def test_what_a_session_adds():
    desk = build_desk(build({}))
    desk.market.chain, desk.market.ts_ns = listed_at(SUNDAY), SUNDAY
    assert str(why_idle(desk, Mode.HEDGE_ONLY, ("margin 0.9",))) == "no entries in HEDGE_ONLY: margin 0.9"
    assert str(why_idle(desk, Mode.HALT)) == "no entries in HALT"
    assert str(why_idle(desk, Mode.NORMAL, refused="max_order")).startswith(
        "the last entry was given up: max_order"
    )
    assert str(why_idle(desk, Mode.NORMAL, stopping=True)) == "the session has been asked to stop"
    desk.closing = True
    assert "nothing is entered any more" in str(why_idle(desk, Mode.NORMAL))


@pytest.mark.parametrize("days", range(7))
def test_the_defaults_are_traded_within_a_minute_on_every_day(days, tmp_path):
    """As ``gammacore live`` starts its exchange: a minute of ours is ten of the market."""
    config = build({})
    start_ns = first_moment(config, SUNDAY + days * NS_PER_DAY)
    assert 0 <= start_ns - SUNDAY - days * NS_PER_DAY < 5 * NS_PER_DAY, format_time(start_ns)
    world = World(start_ns=start_ns, expiries=None, linear=(), history_days=0)
    process = Process(world, tmp_path / "j.db", config)
    process.run(0, lambda: process.hedger.filled >= 2)
    assert process.hedger.filled >= 2
    assert (world.now_ns - start_ns) / 1e9 < 600.0
    process.close()
