"""Structures on made chains: strikes, expiries, refusals; and what several expiries in one episode earn."""

import msgspec
import numpy as np
import pytest

from gammacore import inverse
from gammacore.backtest.figures.results import tabulate
from gammacore.backtest.replay.market import LoadedMarket
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import payoff_coin
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.legs import STRUCTURES, LegRule, parse_expiry, parse_strike, preset
from gammacore.portfolio import Portfolio
from gammacore.strategy import EntryRule, ExitRule, GammaScalp, SizeRule
from gammacore.strategy.structures import pick
from support.markets import EXPIRIES, FREE, FRIDAY, START, STRIKES, build, chains_of, tape_of

WEEK = 7 * NS_PER_DAY


def chain(index=60e3, strikes=STRIKES, expiries=EXPIRIES):
    return Tape(chains_of([START], [index], strikes=strikes, expiries=expiries)).snapshot(0).chain


def entered(legs, quoted=None, **rule):
    scalp = GammaScalp(EntryRule(tuple(legs), **rule), SizeRule(), ExitRule())
    found = scalp.entries(START, chain() if quoted is None else quoted, Portfolio())
    if not found:
        return next(iter(scalp.refusals.values())).why
    return [(e.instrument.expiry_ns, e.instrument.strike, e.instrument.kind, e.amount) for e in found[0].legs]


def leg(kind, strike="atm", expiry=None, amount=1.0):
    rule = parse_expiry(expiry) if expiry else LegRule(kind).expiry
    return LegRule(kind, parse_strike(strike), rule, amount)


def strike_of(kind, delta):
    found = inverse.greeks(kind, 60e3, np.array(STRIKES), 7 / 365, 0.6).delta
    return STRIKES[np.argmin(abs(found - kind * delta))]


def test_of_rows_that_repeat_a_contract_the_first_counts():
    once, legs = chain(), (leg(1, "delta 0.25"), leg(-1, "atm"), leg(1, "sd 1"))
    columns = ("expiry_ns", "strike", "kind", "bid", "ask", "mark", "iv", "bid_size", "ask_size")
    twice = msgspec.structs.replace(once, **{name: np.tile(getattr(once, name), 2) for name in columns})
    found, again = (pick(one, legs, FRIDAY, EXPIRIES, START) for one in (once, twice))
    assert again.rows == found.rows


def test_strikes_by_every_rule():
    sd = 0.6 * np.sqrt(7 / 365)
    wanted = {
        "atm": (60e3, 60e3),
        "atm+2": (62e3, 62e3),
        "atm-3": (57e3, 57e3),
        "delta 0.25": (strike_of(1, 0.25), strike_of(-1, 0.25)),
        "delta 0.25+1": (strike_of(1, 0.25) + 1e3, strike_of(-1, 0.25) + 1e3),
        "moneyness 1.05": (63e3, 63e3),
        "sd 1": (round(60 * np.exp(sd)) * 1e3, round(60 * np.exp(-sd)) * 1e3),
        "sd -0.5": (round(60 * np.exp(-sd / 2)) * 1e3, round(60 * np.exp(sd / 2)) * 1e3),
        "71000": (71e3, 71e3),
    }
    for text, strikes in wanted.items():
        for kind, strike in zip((1, -1), strikes, strict=True):
            assert entered([leg(kind, text)]) == [(FRIDAY, strike, kind, 1.0)]


def test_expiries_by_every_rule():
    for text, expiry in {
        "friday 2": FRIDAY + WEEK,
        "13d-15d": FRIDAY + WEEK,
        "leg 1": FRIDAY,
        "leg 1 + 1d": FRIDAY + WEEK,
        "leg 1 + 8d": FRIDAY + 2 * WEEK,
    }.items():
        (_, far) = entered([leg(1), leg(1, "leg 1 + 1", text)])
        assert far == (expiry, 61e3, 1, 1.0)
    assert entered([leg(-1, expiry="friday 3")])[0][0] == FRIDAY + 2 * WEEK


def test_the_entry_counts_by_its_first_leg_and_goes_on_to_the_next_expiry():
    scalp = GammaScalp(EntryRule(preset("calendar")), SizeRule(), ExitRule())
    book = Portfolio()
    (first,) = scalp.entries(START, chain(), book)
    assert (first.expiry_ns, first.expiries) == (FRIDAY, (FRIDAY, FRIDAY + WEEK))
    from gammacore.contracts import Perpetual, Settlement

    book.begin(first.expiry_ns, Perpetual("BTC", Settlement.INVERSE), 60e3, first.expiries)
    assert scalp.entries(START, chain(), book) == []
    later = Tape(chains_of([START + WEEK], [60e3], strikes=STRIKES, expiries=EXPIRIES)).snapshot(0).chain
    (second,) = scalp.entries(START + WEEK, later, book)
    assert second.expiries == (FRIDAY + WEEK, FRIDAY + 2 * WEEK)


@pytest.mark.parametrize(
    ("legs", "why"),
    [
        ([leg(1, "71500")], "leg 1: no call struck at 71,500, nearest 71,000"),
        ([leg(1, "atm+30")], "leg 1: the chain lists no 30 strikes above 60,000"),
        ([leg(-1, "atm-30")], "leg 1: the chain lists no 30 strikes below 60,000"),
        ([leg(1), leg(1, "atm", "leg 1 + 30d")], "leg 2: no expiry 30 days after leg 1 in the chain"),
        ([leg(1), leg(1, "atm", "40d-50d")], "leg 2: no expiry 40 to 50 days out in the chain"),
        ([leg(1), leg(1, "atm", "friday 9")], "leg 2: no expiry 9 Fridays out in the chain"),
        ([leg(1), leg(1, "moneyness 1.001")], "legs 1 and 2 are both BTC-16JAN26-60000-C"),
        ([leg(1, "moneyness 1.5")], "nearest strike 80,000 is 16.7% from the wanted strike 90,000 "),
    ],
)
def test_a_leg_that_no_chain_offers_is_refused_by_name(legs, why):
    assert entered(legs).startswith(why)


def test_a_leg_with_the_strike_of_another_passes_strikes_over_that_one_of_them_lacks():
    quoted = chain()
    quoted.iv[(quoted.expiry_ns == FRIDAY + WEEK) & (quoted.strike == 60e3) & (quoted.kind == 1)] = np.nan
    near, far = entered(preset("calendar"), quoted)
    assert (near[1], far[1]) == (59e3, 59e3)
    assert (near[0], far[0], near[3], far[3]) == (FRIDAY, FRIDAY + WEEK, -1.0, 1.0)


@pytest.mark.parametrize("name", [name for name in STRUCTURES if name != "none"])
def test_sold_is_bought_with_the_signs_turned(name):
    bought, sold = entered(preset(name)), entered(preset(name), long=False)
    assert [(*one[:3], -one[3]) for one in bought] == sold
    strikes = {one[1] for one in bought}
    assert len(strikes) == {"condor": 4, "iron_condor": 4, "butterfly": 3, "iron_butterfly": 3}.get(
        name, 1 if name in ("straddle", "calendar", "call", "put") else 2
    )
    if name == "guts":  # in the money both
        assert bought[0][1] < 60e3 < bought[1][1]


@pytest.mark.parametrize(
    ("budget", "name"), [("premium_usd", "iron_butterfly"), ("vega_usd", "calendar"), ("theta_usd", "ratio")]
)
def test_a_budget_buys_units_of_the_whole(budget, name):
    quoted = chain()
    legs = preset(name)

    def units(**size):
        (entry,) = GammaScalp(EntryRule(legs), SizeRule(lots=False, **size), ExitRule()).entries(
            START, quoted, Portfolio()
        )
        return entry

    one, some = units(), units(**{budget: 500.0})
    scale = some.legs[0].amount / one.legs[0].amount
    assert [a.amount for a in some.legs] == pytest.approx([scale * a.amount for a in one.legs])
    total = 0.0
    for part in some.legs:
        row = quoted.find(part.instrument)
        tau = (part.instrument.expiry_ns - START) / (365 * NS_PER_DAY)
        seen = inverse.greeks(part.instrument.kind, 60e3, part.instrument.strike, tau, 0.6)
        price = (quoted.ask if part.amount > 0 else quoted.bid)[row] * 60e3
        price = quoted.mark[row] * 60e3 if np.isnan(price) else price
        each = {"premium_usd": price, "vega_usd": seen.vega / 100, "theta_usd": seen.theta / 365}
        total += part.amount * each[budget]
    assert abs(total) == pytest.approx(500.0)


# --- several expiries in one episode ---


def test_a_calendar_held_without_a_hedge_earns_its_payoffs_at_their_own_deliveries():
    tape, *_ = tape_of(3)
    config = build(FREE | {"entry.structure": "calendar", "hedge.rule": "never"})
    run = replay(config, tape)
    episode = run.episode_runs[0].episode
    near, far = episode.entered
    assert (near.expiry_ns, far.expiry_ns) == (FRIDAY, FRIDAY + WEEK)
    assert list(episode.delivered) == [FRIDAY, FRIDAY + WEEK]
    assert (episode.close_ns, episode.close_reason) == (FRIDAY + WEEK, "delivery")
    earned = sum(
        amount * payoff_coin(option, episode.delivered[option.expiry_ns])
        for option, amount in episode.entered.items()
    )
    assert episode.ledger.profit().coin == pytest.approx(earned - episode.premium, abs=3e-8)
    assert episode.delivered[FRIDAY] == run.deliveries[FRIDAY].price


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["calendar", "diagonal", "butterfly", "ratio", "risk_reversal"])
def test_lines_sum_to_the_ledger_in_both_currencies_by_either_method(name, seed):
    """The lines are summed in compiled code and step by step; what rounding cannot explain is refused."""
    rng = np.random.default_rng(seed)
    tape, *_ = tape_of(seed, vol=float(rng.uniform(0.3, 1.0)))
    config = build(
        {
            "entry.structure": name,
            "entry.side": str(rng.choice(["long", "short"])),
            "hedge.rule": str(rng.choice(["band", "interval", "move", "whalley_wilmott"])),
            "hedge.target": str(rng.choice(["coin_neutral", "usd_neutral", "black"])),
            "exit.hours_before_expiry": [None, 3.0][rng.integers(2)],
            "report.attribution": str(rng.choice(["taylor", "revaluation"])),
            "marks.settlement": "listed",
        }
    )
    run = replay(config, tape)
    for done in run.episode_runs:
        steps, profit = done.attribution, done.episode.ledger.profit()
        assert sum(v.sum() for v in steps.coin.values()) == pytest.approx(profit.coin, abs=1e-9)
        assert sum(v.sum() for v in steps.usd.values()) == pytest.approx(profit.usd, abs=1e-5)
    found = tabulate(run, LoadedMarket(tape, False, {"start": "", "end": ""}, [], ()))
    assert len(found.episodes) >= 1
    for row in found.episodes.itertuples():
        for currency in ("coin", "usd"):
            lines = sum(
                getattr(row, f"{line}_{currency}") for line in found.summary["attribution"] if line != "total"
            )
            assert lines == pytest.approx(getattr(row, f"pnl_{currency}"), abs=1e-8)
    # The curve of profit by marks ends where the ledgers do.
    assert found.profit["pnl_coin"].iloc[-1] == pytest.approx(found.episodes["pnl_coin"].sum(), abs=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_compiled_hedges_of_several_expiries_are_the_desks(seed):
    rng = np.random.default_rng(100 + seed)
    tape, *_ = tape_of(seed)
    changes = {
        "entry.structure": str(rng.choice(["calendar", "diagonal"])),
        "entry.side": str(rng.choice(["long", "short"])),
        "hedge.rule": str(rng.choice(["band", "interval", "move", "whalley_wilmott", "fixed_cost"])),
        "hedge.target": str(rng.choice(["coin_neutral", "usd_neutral", "black"])),
        "hedge.instrument": str(rng.choice(["perpetual", "future"])),
        "size.contracts": round(float(rng.uniform(1, 20)), 1),
        "hedge.risk_aversion": 1e-5,
    }
    fast, slow = (replay(build(changes), tape, engine=engine) for engine in ("auto", "desk"))
    assert fast.engine == "compiled"
    assert len(fast.episode_runs) == len(slow.episode_runs) >= 2
    hedged = 0
    for a, b in zip(fast.episode_runs, slow.episode_runs, strict=True):
        assert a.episode.ledger.profit() == b.episode.ledger.profit()
        assert [f.amount for f in a.episode.fills] == [f.amount for f in b.episode.fills]
        assert a.episode.ledger.entries == b.episode.ledger.entries
        hedged += a.episode.hedges
    assert hedged > 0


def test_after_the_near_delivery_what_is_left_is_hedged_at_once():
    # At the last price nothing of the near delta decays before: a call in the money takes a coin with it.
    tape, path, ts = tape_of(4, averaging=False)
    changes = {"entry.structure": "calendar", "hedge.rule": "band", "hedge.band": 0.02}
    run = replay(build(FREE | changes | {"exit.delivery": "last"}), tape, engine="desk")
    episode = run.episode_runs[0].episode
    near, _ = episode.entered
    assert path[ts == FRIDAY] > near.strike
    assert FRIDAY in episode.hedge_fills().ts_ns


def test_hours_before_expiry_count_to_the_first_expiry_held():
    tape, *_ = tape_of(2)
    config = build(FREE | {"entry.structure": "calendar", "exit.hours_before_expiry": 5.0})
    episode = replay(config, tape).episode_runs[0].episode
    assert (episode.close_ns, episode.close_reason) == (FRIDAY - 5 * NS_PER_HOUR, "hours_before_expiry")
    assert not episode.delivered
