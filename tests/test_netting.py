"""One hedge for a book: how it is shared out, that the parts sum to it, and what netting saves."""

import math
import os
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.backtest.figures.results import tabulate
from gammacore.backtest.replay.market import LoadedMarket, load_market
from gammacore.backtest.replay.runner import replay
from gammacore.contracts import Option, Perpetual, Settlement
from gammacore.errors import ConfigError, LedgerError
from gammacore.events import Fill
from gammacore.ledger import Ledger, Money, check_gap
from gammacore.netting import RESIDUAL, NettedPortfolio, _fees_of, portions
from gammacore.orders import BOOK, Leg, Order, Purpose
from support.markets import EXPIRIES, FREE, FRIDAY, build, tape_of
from support.messages import PERPETUAL

BOOKS = int(os.environ.get("GAMMACORE_EXAMPLES", "30"))  # each of a structure, rule and target of its own
SIZE = st.floats(-1e5, 1e5, allow_nan=False).filter(lambda x: abs(x) > 1e-3)


@given(SIZE, st.floats(-5, 5), st.dictionaries(st.integers(0, 5), st.floats(-1e5, 1e5), max_size=5))
def test_shares_sum_to_the_trade_and_crossings_to_nothing(amount, excess, wanted):
    found = portions(amount, excess, wanted)
    assert [one.number for one in found] == [*wanted, RESIDUAL]
    assert sum(one.traded for one in found) == pytest.approx(1.0)
    assert sum(one.excess for one in found) == pytest.approx(excess)
    scale = abs(amount) + sum(map(abs, wanted.values())) + 10
    assert sum(one.crossed for one in found) == pytest.approx(0.0, abs=1e-9 * scale)
    for one in found[:-1]:  # traded and crossed together are what it wanted, and its part of the rounding
        own = one.traded * amount + one.crossed
        assert own == pytest.approx(wanted[one.number] + one.excess, abs=1e-9 * scale)
        if wanted[one.number] * amount <= 0:  # who offsets the others pays nothing of the trade
            assert one.traded == 0.0


def test_a_trade_that_two_want_and_one_offsets():
    # 100 and 300 to buy, 150 to sell: 250 are bought, the sellers' 150 are crossed.
    a, b, c, rest = portions(250.0, 0.0, {0: 100.0, 1: 300.0, 2: -150.0})
    assert (a.traded, b.traded, c.traded, rest.traded) == (0.25, 0.75, 0.0, 0.0)
    assert (a.crossed, b.crossed, c.crossed) == pytest.approx((100 - 62.5, 300 - 187.5, -150.0))
    assert rest.crossed == pytest.approx(0.0)


def test_what_is_traded_less_than_wanted_is_the_residuals():
    # To the edge of a band: 40 of the 100 that the episode lacks are bought.
    one, rest = portions(40.0, 0.0, {0: 100.0})
    assert (one.traded, one.crossed, rest.traded, rest.crossed) == (1.0, 60.0, 0.0, -60.0)


def test_a_part_of_who_has_ended_between_two_fills_is_the_residuals():
    portfolio = NettedPortfolio()
    market = SimpleNamespace(ts_ns=1, index=60e3, interest=0.0, future_price=lambda instrument: 60e3)
    for _ in range(2):
        portfolio.begin(FRIDAY, PERPETUAL, 60e3)
    book = portfolio.book
    book.pending["book-hedge-0"] = Order("book-hedge-0", BOOK, Purpose.HEDGE, (Leg(PERPETUAL, -40_000.0),))
    portfolio.wanted = {0: -10_000.0, 1: -30_000.0}
    fill = Fill(2, "book-hedge-0", BOOK, PERPETUAL, -20_000.0, 60_010.0, 60e3, 2e-6, last=False)
    portfolio.apply(fill, market)
    portfolio.open[1].close_ns = 3
    portfolio.retire(portfolio.open[1], market)
    portfolio.apply(msgspec.structs.replace(fill, ts_ns=4, last=True), market)
    amounts = [account.hedge.amount for account in portfolio.accounts]
    assert amounts == pytest.approx([-10_000.0, 0.0, -30_000.0])
    assert sum(amounts) == pytest.approx(book.hedge.amount)
    at_marks = []
    for account in (*portfolio.accounts, book):
        ledger = account.ledger
        at_marks.append(ledger.profit().coin + account.hedge.unrealised(60e3))
    assert math.fsum(at_marks[:-1]) == pytest.approx(at_marks[-1], abs=1e-7)


def test_parts_too_small_to_book_are_the_residuals_and_nothing_is_lost():
    """A billionth of a coin is 0.00006 USD: in USDC the parts would no longer sum to the book."""
    perpetual = Perpetual("BTC", Settlement.LINEAR)
    portfolio = NettedPortfolio()
    market = SimpleNamespace(ts_ns=1, index=60e3, interest=0.0, future_price=lambda instrument: 60e3)
    for _ in range(2):
        portfolio.begin(FRIDAY, perpetual, 60e3)
    book = portfolio.book
    book.pending["book-hedge-0"] = Order("book-hedge-0", BOOK, Purpose.HEDGE, (Leg(perpetual, -0.5),))
    portfolio.wanted = {0: -8e-10, 1: -0.5}
    portfolio.apply(Fill(2, "book-hedge-0", BOOK, perpetual, -0.5, 60_010.0, 60e3, 0.0), market)
    first, second, residual = (account.hedge.amount for account in portfolio.accounts)
    assert first == 0.0
    assert math.fsum([first, second, residual]) == book.hedge.amount


def book_of(seed, **changes):
    """A random book on a random market."""
    rng = np.random.default_rng(seed)
    settings = {
        "hedge.scope": "book",
        "entry.structure": str(rng.choice(["straddle", "calendar", "risk_reversal", "iron_condor", "ratio"])),
        "entry.side": str(rng.choice(["long", "short"])),
        "entry.max_days": float(rng.choice([9, 16, 23])),
        "hedge.rule": str(rng.choice(["band", "interval", "move", "whalley_wilmott", "fixed_cost"])),
        "hedge.band": float(rng.uniform(0.02, 0.3)),
        "hedge.to": str(rng.choice(["centre", "edge"])),
        "hedge.target": str(rng.choice(["coin_neutral", "usd_neutral", "black"])),
        "hedge.target_delta": float(rng.choice([0.0, 0.5])),
        "hedge.ratio": float(rng.choice([1.0, 0.8])),
        "hedge.risk_aversion": 1e-5,
        "size.contracts": round(float(rng.uniform(1, 20)), 1),
        "exit.hours_before_expiry": [None, 5.0][rng.integers(2)],
        "report.attribution": str(rng.choice(["taylor", "revaluation"])),
        "execution.max_above_mark": None,
        "execution.max_spread": None,
    }
    return build(settings | changes), tape_of(seed, vol=float(rng.uniform(0.4, 0.8)))[0]


@pytest.mark.parametrize("seed", range(BOOKS))
def test_the_compiled_book_is_the_desks_to_the_last_unit(seed):
    config, tape = book_of(seed)
    fast, slow = (replay(config, tape, engine=engine) for engine in ("auto", "desk"))
    assert fast.engine == "compiled"
    a, b = fast.desk.portfolio, slow.desk.portfolio
    assert len(a.episodes) == len(b.episodes) >= 1
    assert a.book.ledger.entries == b.book.ledger.entries
    assert [(f.ts_ns, f.amount, f.price) for f in a.book.fills] == [
        (f.ts_ns, f.amount, f.price) for f in b.book.fills
    ]
    for x, y in zip([*a.episodes, a.residual], [*b.episodes, b.residual], strict=True):
        assert x.ledger.profit() == pytest.approx(y.ledger.profit(), abs=1e-8)
        mine, theirs = ([f.amount for f in e.fills if abs(f.amount) > 1e-6] for e in (x, y))
        assert mine == pytest.approx(theirs, rel=1e-10, abs=1e-7)


def hedges_of(account):
    return [fill for fill in account.fills if not isinstance(fill.instrument, Option)]


def by_real_trades(run):
    """Profit in coin of what was really traded: options and the perpetual, cash and marks, in floats."""
    portfolio, tape = run.desk.portfolio, run.tape
    cash = 0.0
    for fill in portfolio.book.fills:
        if isinstance(fill.instrument, Option):
            cash -= fill.amount * fill.price
        else:  # bought at 1/price, worth 1/now at the end: closed out at the last index
            cash += fill.amount * (1.0 / fill.price - 1.0 / tape.index[-1])
        cash -= fill.fee
    for expiry_ns, price in portfolio.book.delivered.items():
        for option in {f.instrument for f in portfolio.book.fills if isinstance(f.instrument, Option)}:
            held = sum(f.amount for f in portfolio.book.fills if f.instrument == option)
            if option.expiry_ns == expiry_ns:
                cash += held * max(option.kind * (price - option.strike), 0.0) / price
    cash -= sum(portfolio.book.delivery_fees.values())
    held = portfolio.book.legs.items()
    return cash + sum(amount * run.desk.market.mark(option) for option, amount in held)


def test_a_book_whose_entries_are_all_refused_has_a_report():
    config, tape = book_of(237, **{"execution.max_above_mark": 0.15})
    run = replay(config, tape)
    assert run.residual is None
    found = tabulate(run, LoadedMarket(tape, False, {"start": "", "end": ""}, [], ())).summary
    assert (found["n_episodes"], found["total"]["coin"]) == (0, 0.0)
    assert "refused: collar: " in found["reasons"][0]


@pytest.mark.parametrize("seed", range(BOOKS))
def test_episodes_and_residual_sum_to_what_was_really_traded(seed):
    config, tape = book_of(200 + seed, **{"costs.funding": False})
    run = replay(config, tape)
    parts = [done.episode.ledger.profit() for done in run.accounts]
    whole = run.desk.portfolio.book.ledger.profit()
    assert math.fsum(part.coin for part in parts) == pytest.approx(whole.coin, abs=1e-12)
    assert math.fsum(part.usd for part in parts) == pytest.approx(whole.usd, abs=1e-8)
    ledgers = run.desk.portfolio.book.ledger.roundings
    assert whole.coin == pytest.approx(by_real_trades(run), abs=0.5e-8 * ledgers + 1e-9)
    for done in run.accounts:  # and the lines of each to its ledger, step by step and in all
        steps, profit = done.attribution, done.episode.ledger.profit()
        assert sum(v.sum() for v in steps.coin.values()) == pytest.approx(profit.coin, abs=1e-9)
        assert sum(v.sum() for v in steps.usd.values()) == pytest.approx(profit.usd, abs=1e-4)
        assert sum(m.coin for m in steps.totals.values()) == pytest.approx(profit.coin, abs=1e-12)
    tables = tabulate(run, LoadedMarket(tape, False, {"start": "", "end": ""}, [], ()))
    assert tables.summary["total"]["coin"] == pytest.approx(whole.coin, abs=1e-12)
    assert tables.profit["pnl_coin"].iloc[-1] == pytest.approx(whole.coin, abs=1e-7)
    assert tables.profit["pnl_usd"].iloc[-1] == pytest.approx(whole.usd, abs=1e-3)


def test_the_amounts_of_the_parts_are_the_books_at_every_moment():
    config, tape = book_of(
        7, **{"entry.structure": "straddle", "entry.max_days": 23.0, "hedge.rule": "interval"}
    )
    portfolio = replay(config, tape).desk.portfolio
    fills = [f for e in [*portfolio.episodes, portfolio.residual] for f in hedges_of(e)]
    real = hedges_of(portfolio.book)
    assert len(real) > 50
    for moment in {f.ts_ns for f in real}:
        parts = sum(f.amount for f in fills if f.ts_ns <= moment)
        assert parts == pytest.approx(sum(f.amount for f in real if f.ts_ns <= moment), abs=1e-6)
    assert sum(f.fee for f in fills) == pytest.approx(sum(f.fee for f in real), abs=1e-8 * len(real))


def test_without_costs_each_episode_earns_what_it_would_by_itself_when_hedged_at_the_same_times():
    """Hedged at every bar at the mark, sharing has nothing to share: books and episodes earn the same."""
    tape, *_ = tape_of(3)
    every = FREE | {"hedge.rule": "interval", "hedge.every": "1min", "entry.max_days": 16.0}
    book, alone = (replay(build(every | {"hedge.scope": scope}), tape) for scope in ("book", "episode"))
    assert len(book.episode_runs) == len(alone.episode_runs) == 3
    for one, other in zip(book.episode_runs, alone.episode_runs, strict=True):
        assert one.episode.ledger.profit().coin == pytest.approx(other.episode.ledger.profit().coin, abs=2e-6)
    assert abs(book.residual.episode.ledger.profit().coin) < 1e-6


def test_two_episodes_that_offset_pay_for_no_hedge():
    """A calendar sold against the next one bought: what one buys the other sells, and little is traded."""
    tape, *_ = tape_of(1)
    wings = {"entry.structure": "straddle", "entry.max_days": 16.0, "hedge.rule": "interval"}
    book, alone = (replay(build(wings | {"hedge.scope": scope}), tape) for scope in ("book", "episode"))
    traded = {
        name: sum(abs(f.amount) for e in episodes for f in hedges_of(e))
        for name, episodes in {
            "book": [book.desk.portfolio.book],
            "alone": alone.desk.portfolio.episodes,
        }.items()
    }
    assert traded["book"] < traded["alone"]
    fees = [sum(e.episode.fees_paid() for e in run.accounts) for run in (book, alone)]
    assert fees[0] < fees[1]


def test_opposite_options_of_two_episodes_are_delivered_for_no_fee():
    """The far option of a calendar is the near one of the next, sold: the account holds none of it."""
    tape, *_ = tape_of(3)
    config = build({"entry.structure": "calendar", "hedge.scope": "book", "entry.max_days": 16.0})
    portfolio = replay(config, tape).desk.portfolio
    first, second = portfolio.episodes[:2]
    shared = set(first.entered) & set(second.entered)
    assert shared  # both struck at the same price
    (option,) = shared
    assert option not in portfolio.book.legs
    charged = sum(e.delivery_fees.get(option.expiry_ns, 0.0) for e in portfolio.episodes)
    real = portfolio.book.delivery_fees.get(option.expiry_ns, 0.0)
    assert portfolio.residual.delivery_fees.get(option.expiry_ns, 0.0) == pytest.approx(
        real - charged, abs=1e-12
    )


def test_the_hedge_goes_when_the_last_option_does_and_stays_with_the_others_until_then():
    tape, *_ = tape_of(5)
    config = build({"hedge.scope": "book", "entry.max_days": 23.0, "hedge.band": 0.05})
    portfolio = replay(config, tape).desk.portfolio
    purposes = [
        f.order_id.split("-")[1] for f in portfolio.book.fills if not isinstance(f.instrument, Option)
    ]
    assert purposes.count("unwind") == 1
    assert purposes[-1] == "unwind"
    assert portfolio.book.hedge.amount == 0.0
    assert portfolio.residual.hedge.amount == pytest.approx(0.0, abs=1e-6)
    assert all(e.hedge.amount == 0.0 for e in portfolio.episodes)
    assert [e.expiry_ns for e in portfolio.episodes] == list(EXPIRIES)
    assert max(f.ts_ns for f in portfolio.book.fills) >= FRIDAY + 14 * 86_400 * 10**9


def test_a_ladder_rests_for_the_book():
    config, tape = book_of(4, **{"hedge.rule": "ladder", "entry.structure": "straddle", "entry.side": "long"})
    run = replay(config, tape)
    portfolio = run.desk.portfolio
    assert run.engine.startswith("desk: resting orders")
    assert portfolio.book.hedges > 10
    parts = sum(done.episode.ledger.profit().coin for done in run.accounts)
    assert parts == pytest.approx(portfolio.book.ledger.profit().coin, abs=1e-12)


def test_a_book_is_hedged_with_the_perpetual():
    with pytest.raises(ConfigError, match=r"hedge.instrument: expected 'perpetual' for hedge.scope = book"):
        build({"hedge.scope": "book", "hedge.instrument": "future"})


def test_a_gap_that_rounding_cannot_leave_is_refused():
    ledger = Ledger(Settlement.INVERSE, 60e3)
    check_gap(ledger, Money(4e-8, 1e-3), 10, "parts sum to the whole")
    with pytest.raises(LedgerError, match="parts sum to the whole: off by 1e-07 coin"):
        check_gap(ledger, Money(1e-7, 0.0), 10, "parts sum to the whole")
    with pytest.raises(LedgerError, match="off by nan"):
        check_gap(ledger, Money(math.nan, 0.0), 10, "parts sum to the whole")


@pytest.mark.parametrize("target", ["coin_neutral", "usd_neutral"])
def test_funding_at_final_rates_is_shared_out_in_both_currencies(target):
    """What was owed beside what was known is paid at the end, by episodes that ended long before as well."""
    config = build({"hedge.scope": "book", "market.days": 30, "entry.max_days": 16.0, "hedge.target": target})
    market = load_market(config)
    assert market.tape.owed is not market.tape.interest
    run = replay(config, market.tape)
    parts = [done.episode.ledger.profit() for done in run.accounts]
    whole = run.desk.portfolio.book.ledger.profit()
    assert math.fsum(part.coin for part in parts) == pytest.approx(whole.coin, abs=1e-12)
    assert math.fsum(part.usd for part in parts) == pytest.approx(whole.usd, abs=1e-8)
    for done in (*run.accounts, run.book):
        steps, profit = done.attribution, done.episode.ledger.profit()
        assert sum(v.sum() for v in steps.usd.values()) == pytest.approx(profit.usd, abs=1e-4)
    assert run.book.attribution.totals["funding"].coin == pytest.approx(
        math.fsum(done.attribution.totals["funding"].coin for done in run.accounts), abs=1e-6
    )


@given(
    st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=5),
    st.integers(0, 10**6),
)
def test_a_fee_is_paid_by_who_traded_and_nobody_else(traded, fee):
    shares = _fees_of(fee, [*traded, 0.0])
    assert sum(shares) == fee
    assert shares[-1] == 0
