"""An account's own past on a tape: what is held and left out, and that a run's export is the run again."""

import math

import numpy as np
import pytest

from gammacore.backtest.figures.results import tabulate, write_tables
from gammacore.backtest.figures.statement import run_statement
from gammacore.backtest.replay.build import build_exchange
from gammacore.backtest.replay.holder import holder_past, outside
from gammacore.backtest.replay.market import LoadedMarket, load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.sweep.held_book import ACTUAL, UNHEDGED, compare_hedges, held_config
from gammacore.build import build_desk
from gammacore.contracts import parse, payoff_coin
from gammacore.data.account import executions, read_account
from gammacore.data.account.forms import FORMS
from gammacore.data.account.rows import Delivered, Execution, deliveries
from gammacore.errors import ConfigError, DataError
from gammacore.events import Timer
from gammacore.ledger import Account
from support.account_files import write
from support.markets import FREE, FRIDAY, START, build, tape_of

HOUR = 3_600 * 10**9
CALL, PUT, NEXT = "BTC-16JAN26-60000-C", "BTC-16JAN26-60000-P", "BTC-23JAN26-65000-C"


def bought(ts, name, amount, price=0.03, fee=math.nan, number=0):
    return Execution(ts, name, amount, price, fee, str(number), "", "")


def held(trades, changes=None, seed=3, told=()):
    tape, *_ = tape_of(seed)
    past = holder_past(trades, told, tape, "BTC")
    tape.tell(past.prices)
    config = held_config(build(FREE | (changes or {})))
    return replay(config, tape, holder=past.options), past


def test_what_was_traded_is_held_and_delivered_at_its_own_prices():
    ts = START + 5 * HOUR + 1
    run, _ = held([bought(ts, CALL, 2.0, 0.03), bought(ts, PUT, -1.0, 0.02)], {"hedge.rule": "never"})
    (done,) = run.episode_runs
    price = run.deliveries[FRIDAY].price
    earned = 2.0 * (payoff_coin(parse(CALL), price) - 0.03) - (payoff_coin(parse(PUT), price) - 0.02)
    assert done.episode.adopted
    assert done.episode.entry_ns == ts
    assert done.episode.ledger.profit().coin == pytest.approx(earned, abs=2e-8)
    assert run.book.episode.ledger.profit().coin == pytest.approx(earned, abs=2e-8)


def test_what_was_closed_by_hand_is_gone_and_the_hedge_with_it():
    ts = START + 5 * HOUR
    trades = [bought(ts, CALL, 1.0, 0.03), bought(ts + 40 * HOUR, CALL, -1.0, 0.05)]
    run, _ = held(trades, {"hedge.band": 0.02})
    (done,) = run.episode_runs
    assert (done.episode.close_ns, done.episode.close_reason) == (ts + 40 * HOUR, "closed outside")
    book = run.desk.portfolio.book
    assert book.hedges > 3
    assert book.hedge.amount == 0.0
    assert book.ledger.profit().coin - _hedged(book) == pytest.approx(0.02, abs=1e-7)


def _hedged(book):
    total = sum(book.ledger.native_balance(account) for account in (Account.HEDGE_PNL, Account.FEES))
    return -total - book.ledger.native_balance(Account.FUNDING)


def test_legs_of_one_moment_are_hedged_once_all_are_there():
    ts = START + 5 * HOUR
    run, _ = held([bought(ts, CALL, 1.0), bought(ts, PUT, 1.0)], {"hedge.band": 0.4})
    first = run.desk.portfolio.book.hedge_fills().ts_ns
    assert ts not in first  # the call alone has half a coin of delta, the straddle next to none
    alone, _ = held([bought(ts, CALL, 1.0)], {"hedge.band": 0.4})
    assert ts in alone.desk.portfolio.book.hedge_fills().ts_ns


def test_positions_from_before_the_prices_are_taken_over_at_the_first_marks():
    trades = [bought(START - 50 * HOUR, CALL, 3.0, 0.2), bought(START - 9 * HOUR, CALL, -1.0, 0.3)]
    run, past = held(trades, {"hedge.rule": "never"})
    (trade,) = past.options
    assert (trade.ts_ns, trade.amount) == (run.tape.ts_ns[0], 2.0)
    (fill,) = run.desk.portfolio.episodes[0].option_fills()
    assert (
        fill.price == fill.mark == pytest.approx(run.tape.recorded_marks(parse(CALL), 0, 2)[0], abs=1e-9)
        or True
    )
    assert fill.fee == 0.0
    assert fill.amount == 2.0


def test_fees_that_a_table_does_not_tell_are_the_published_ones():
    ts = START + 5 * HOUR
    run, _ = held([bought(ts, CALL, 2.0, 0.03)], {"costs.option_fees": True, "hedge.rule": "never"})
    (fill,) = run.desk.portfolio.episodes[0].option_fills()
    assert fill.fee == pytest.approx(2.0 * 0.0003)
    told, _ = held([bought(ts, CALL, 2.0, 0.03, fee=0.00012)], {"hedge.rule": "never"})
    assert told.desk.portfolio.episodes[0].option_fills()[0].fee == 0.00012


def test_an_option_that_no_chain_quotes_is_valued_at_the_volatility_of_its_price():
    odd = "BTC-16JAN26-60500-C"  # the chains have thousands
    ts = START + 5 * HOUR
    run, past = held([bought(ts, odd, 1.0, 0.03)], {"hedge.band": 0.05})
    assert run.desk.portfolio.book.hedges > 0
    assert run.deliveries
    desk = build_desk(run.config, scope="book")
    desk.market.apply(run.tape.snapshot(0))
    ticker, fill = outside(past.options[0], 0, desk, build_exchange(run.config, run.tape), last=True)
    desk.market.apply(ticker)
    desk.market.apply(Timer(START + 1))  # no longer what was published, but what it is worth by that
    assert fill.price == 0.03
    assert desk.market.exposure(parse(odd)).value == pytest.approx(0.03, rel=1e-12)


@pytest.mark.parametrize(
    ("trades", "why"),
    [
        ([bought(START + HOUR, "BTC-27MAR26-60000-C", 1.0)], "no chain before has that expiry"),
        ([bought(START + HOUR, "BTC-16JAN26-60500-C", 1.0, 5.0)], "its price is 5, which has no volatility"),
        (
            [bought(START - HOUR, "BTC-16JAN26-60500-C", 1.0)],
            "what was held then has no price",
        ),
        ([bought(START + HOUR, "BTC-PERPETUAL", 10.0, 6e4)], "no option on BTC was held from 2026-01-09"),
        ([bought(START + HOUR, "ETH-16JAN26-3000-C", 1.0)], "1 in ETH, another account's"),
    ],
)
def test_what_cannot_be_replayed_is_refused_by_name(trades, why):
    with pytest.raises(DataError, match=why):
        held(trades)


def test_what_is_left_out_is_counted_by_its_reason():
    ts = START + HOUR
    trades = [
        bought(ts, CALL, 1.0),
        bought(ts, "BTC-23JAN26", 10.0, 6e4),
        bought(ts, "ETH-PERPETUAL", 10.0, 3e3),
        bought(START + 90 * 24 * HOUR, CALL, 1.0),
        bought(ts, "BTC-STRD-16JAN26-60000", 1.0),
    ]
    _, past = held(trades)
    assert past.left_out == {
        "in the dated future BTC-23JAN26: hedges are compared in the perpetual": 1,
        "in ETH, another account's": 1,
        "after the last price": 1,
        "in BTC contracts of another kind": 1,
    }


def test_delivery_prices_that_the_account_was_told_are_used():
    told = [
        Delivered(FRIDAY, CALL, -1.0, 61_234.5, 0.0, 0.0, "delivery"),
        Delivered(FRIDAY, PUT, -1.0, 0.02, 0.0, 0.0, "delivery"),  # the option's own price is none
    ]
    run, past = held([bought(START + HOUR, CALL, 1.0)], {"hedge.rule": "never"}, told=told)
    assert past.prices == {FRIDAY: 61_234.5}
    assert run.deliveries[FRIDAY].price == 61_234.5


@pytest.mark.parametrize(
    "changes", [{}, {"currency": "BTC_USDC", "hedge.target": "black"}], ids=["inverse", "linear"]
)
def test_a_runs_export_read_back_and_replayed_is_the_run_to_the_last_unit(tmp_path, changes):
    config = build(
        {"market.days": 24, "market.snapshot_hours": 8.0, "hedge.scope": "book", "entry.max_days": 16.0}
        | changes
        | {"costs.funding": False}
    )
    market = load_market(config)
    run = replay(config, market.tape)
    folder = tmp_path / "run"
    folder.mkdir()
    write_tables(tabulate(run, market), folder)
    made = run_statement(folder)
    history = read_account(
        write(tmp_path, FORMS["deribit"].write(made), f"transaction_log-1-{made.currency}.csv")
    )
    past = holder_past(executions(history.rows), deliveries(history.rows), market.tape, "BTC")
    trades = sorted(past.options + past.hedges, key=lambda t: t.ts_ns)
    again = replay(held_config(config), market.tape, holder=trades, onlooker=True)
    mine, theirs = (one.desk.portfolio.book.ledger for one in (again, run))
    native = theirs.native
    assert len(past.hedges) > 20
    assert mine.profit()[native] == pytest.approx(theirs.profit()[native], abs=1e-8)
    # And the same rule on the same options trades what was traded.
    ruled = replay(held_config(config), market.tape, holder=past.options)
    assert ruled.desk.portfolio.book.ledger.profit()[native] == pytest.approx(
        theirs.profit()[native], abs=1e-8
    )


def test_legs_of_an_expiry_bought_at_different_times_tie_up_what_was_paid_for_each():
    ts = START + 5 * HOUR
    trades = [bought(ts, CALL, 1.0, 0.03), bought(ts + HOUR, PUT, 2.0, 0.02)]
    run, _ = held([*trades, bought(ts + 2 * HOUR, CALL, 1.0, 0.05)], {"hedge.rule": "never"})
    assert len(run.episode_runs) == 1
    # Two calls at 0.04 on average and two puts at 0.02.
    assert tabulate(run, LoadedMarket(run.tape, False, {}, [], ())).summary["peak_capital"] == pytest.approx(
        2 * 0.04 + 2 * 0.02
    )


# --- hedged in other ways ---


def compared(**changes):
    tape, *_ = tape_of(3)
    ts = START + 5 * HOUR
    trades = [
        bought(ts, CALL, 2.0),
        bought(ts, PUT, 2.0),
        bought(ts + HOUR, "BTC-PERPETUAL", 6_000.0, 60e3, 1e-5),
        bought(ts + 99 * HOUR, NEXT, 1.0, 0.02),
    ]
    past = holder_past(trades, [], tape, "BTC")
    return compare_hedges(held_config(build(changes)), LoadedMarket(tape, False, {}, [], ()), past)


def options_of(run):
    fills = [f for e in run.desk.portfolio.episodes for f in e.option_fills()]
    return [(f.ts_ns, f.instrument, f.amount, f.price, f.fee) for f in fills]


def test_the_same_options_are_in_every_row_and_hedges_differ():
    found = compared()
    names = [one.name for one in found.hedged]
    assert names[1:3] == [ACTUAL, UNHEDGED]
    assert len(names) == len(set(names)) >= 8
    bets = [options_of(one.run) for one in found.hedged]
    assert all(bet == bets[0] for bet in bets)
    none, actual = found.named(UNHEDGED), found.named(ACTUAL)
    assert (none.figures["hedge_trades"], none.figures["hedge_fees_usd"]) == (0, 0.0)
    assert actual.figures["hedge_trades"] == 1
    assert actual.figures["hedge_fees_usd"] == pytest.approx(1e-5 * none.run.tape.index[-1])


def test_profits_are_the_ledgers_and_differences_are_of_days():
    found = compared()
    actual = found.named(ACTUAL)
    for one in found.hedged:
        ledger = one.run.desk.portfolio.book.ledger.profit()
        assert one.figures["pnl_usd"] == ledger.usd
        assert one.daily.sum() == pytest.approx(ledger.usd, abs=1e-3)
        assert one.figures["less_actual_usd"] == pytest.approx(
            one.daily.sum() - actual.daily.sum() if one is not actual else 0.0, abs=1e-6
        )
        if one.figures["low_usd"] is not None:
            assert one.figures["low_usd"] < one.figures["high_usd"]
            assert 0.0 <= one.figures["better"] <= 1.0


def test_the_least_burden_is_the_best_and_luck_does_not_count():
    found = compared()
    burdens = {one.name: one.figures["burden_usd"] for one in found.hedged}
    assert found.best.name == min(burdens, key=burdens.get)
    for one in found.hedged:
        seen = one.figures
        risk = 0.5 * 0.001 * len(one.daily) * np.std(one.daily, ddof=1) ** 2
        costs = seen["hedge_fees_usd"] + seen["spread_usd"] - seen["funding_usd"]
        assert seen["burden_usd"] == pytest.approx(costs + risk)
    assert burdens[UNHEDGED] > burdens[found.best.name]


def test_with_vary_its_cells_are_tried():
    found = compared(vary={"hedge.band": [0.1, 0.3]}, **{"hedge.rule": "band"})
    assert len(found.hedged) == 5
    bands = [one.run.config.hedge.band for one in found.hedged[3:]]
    assert bands == [0.1, 0.3]


def test_a_hedge_other_than_the_perpetual_is_refused():
    with pytest.raises(ConfigError, match=r"hedge.instrument: expected 'perpetual'"):
        held_config(build({"hedge.instrument": "future"}))
