"""Liquidation in a backtest: when it starts, what is taken first, at which price and fee, when it stops."""

from collections import defaultdict

import numpy as np
import pytest

from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.build import build_exchange
from gammacore.backtest.replay.liquidation import Liquidator
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.report.page import write_report
from gammacore.build import build_desk
from gammacore.contracts import Option, Perpetual
from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_HOUR
from gammacore.margin import portfolio_margin
from gammacore.margin_use import held_book, margin_balance
from gammacore.portfolio import LIQUIDATED
from gammacore.strategy.equity import equity_of
from support.markets import START, build, chains_of, prices_of

SHORT = {
    "entry.side": "short",
    "hedge.rule": "never",
    "hedge.every": "never",
    "costs.max_quote_age": None,
    "size.contracts": 10.0,
}


def crash(to=80e3, hours=24, strikes=(50e3, 55e3, 60e3, 65e3, 70e3)):
    """A tape whose price runs away from where a straddle is sold."""
    ts = START + np.arange(hours + 1) * NS_PER_HOUR
    path = np.exp(np.linspace(np.log(60e3), np.log(to), len(ts)))
    chains = chains_of(ts[::4] + 1, path[::4], strikes=strikes)
    return Tape(chains, prices_of(ts, path, NS_PER_HOUR))


def desk_at(tape, settings, chains):
    """Desk and exchange after some chains of a tape."""
    config = build(SHORT | settings)
    desk, exchange = build_desk(config), build_exchange(config)
    for i in np.flatnonzero(tape.chain_at >= 0)[:chains]:
        queue = [tape.snapshot(int(i))]
        while queue:
            news = queue.pop(0)
            exchange.observe(news)
            for order in desk.handle(news):
                queue += exchange.submit(order)
    return desk, exchange


def run_of(tape=None, **settings):
    config = build(SHORT | {name.replace("__", "."): value for name, value in settings.items()})
    return replay(config, crash() if tape is None else tape)


MODELS = pytest.mark.parametrize(("model", "equity"), [("standard", 3.2), ("portfolio", 2.6)])


@MODELS
def test_an_account_that_cannot_carry_its_loss_is_liquidated_and_one_that_can_is_not(model, equity):
    rich = run_of(size__equity=20.0, margin__model=model)
    assert rich.liquidations == []
    assert rich.episode_runs[0].episode.close_reason != LIQUIDATED
    poor = run_of(size__equity=equity, margin__model=model)
    rounds = poor.liquidations
    assert rounds
    assert all(r.maintenance >= r.balance for r in rounds)
    option = rounds[0].instrument
    assert isinstance(option, Option)
    assert rounds[0].amount == pytest.approx(2.5)  # a quarter of ten sold is bought back
    unknown = run_of(margin__model=model)
    assert list(unknown.liquidations) == []


@MODELS
def test_it_stops_once_the_balance_is_above(model, equity):
    config = build(SHORT | {"size.equity": equity, "margin.model": model})
    desk, exchange, tape = build_desk(config), build_exchange(config), crash()
    liquidator = Liquidator(desk, exchange, equity)

    def play(event):
        queue = [event]
        while queue:
            news = queue.pop(0)
            exchange.observe(news)
            for order in desk.handle(news):
                queue += exchange.submit(order)

    def state():
        book = held_book(desk.portfolio.positions(), desk.market)
        now = equity_of(equity, desk.portfolio, desk.market)
        return desk.margins.margin(book).maintenance, margin_balance(book, now, desk.margins)

    for i in np.flatnonzero(tape.chain_at >= 0):
        play(tape.snapshot(int(i)))
        maintenance, balance = state()
        due, before = maintenance >= balance and maintenance > 0, dict(desk.portfolio.positions())
        assert liquidator.run() is due
        maintenance, balance = state()
        assert maintenance < balance or not desk.portfolio.positions()
        if not due:
            assert desk.portfolio.positions() == before
    assert liquidator.rounds


@pytest.mark.parametrize(("model", "most"), [("standard", 38), ("portfolio", 31)])
def test_without_lots_an_account_with_nothing_left_is_closed_in_rounds_of_ten_usd_at_least(model, most):
    """A quarter of 600,000 USD at a time, down to 40, are 34 rounds; and four of ten."""
    asked = {"hedge__lots": False, "hedge__rule": "interval", "hedge__every": "1h"}
    run = run_of(size__equity=0.01, margin__model=model, **asked)
    taken = defaultdict(list)
    for one in run.liquidations:
        taken[one.ts_ns, one.instrument].append(abs(one.amount))
    assert max(map(len, taken.values())) == most
    for (_, instrument), amounts in taken.items():
        usd = 80e3 if isinstance(instrument, Option) else 1.0  # the highest price
        assert all(amount * usd >= 10.0 for amount in amounts[:-1])
    assert {isinstance(instrument, Option) for _, instrument in taken} == {True, False}


def test_standard_margin_takes_what_needs_most_at_the_ask_for_the_usual_fee():
    run = run_of(size__equity=3.2)
    first = run.liquidations[0]
    assert first.instrument.kind == 1  # the price rose: the call is in the money
    tape = run.tape
    chain = tape.snapshot(int(np.searchsorted(tape.ts_ns, first.ts_ns, side="right")) - 1).chain
    assert first.price == float(chain.ask[chain.find(first.instrument)])
    exchange = build_exchange(run.config)
    exchange.market.ts_ns = first.ts_ns
    assert first.fee == pytest.approx(exchange.fee(first.instrument, first.amount, first.price))


def test_what_has_no_quote_is_passed_over():
    """Options cannot be bought back between chains: what can be traded is the hedge."""
    settings = {"hedge.rule": "interval", "hedge.every": "1h", "margin.model": "portfolio"}
    desk, exchange = desk_at(crash(), settings, chains=2)
    liquidator = Liquidator(desk, exchange, 0.2)
    exchange.max_quote_age_ns, exchange.market.ts_ns = 0, exchange.market.ts_ns + NS_PER_HOUR
    before, paid = desk.portfolio.positions(), desk.portfolio.episodes[0].fees_paid()
    assert liquidator.run()
    assert {type(r.instrument) for r in liquidator.rounds} == {Perpetual}
    first = liquidator.rounds[0]
    assert published_margins().standard_at(first.ts_ns).futures["BTC"].liquidation == 0.0075
    assert first.fee == pytest.approx(0.0075 * abs(first.amount) / first.price)
    fees = sum(r.fee for r in liquidator.rounds)
    assert desk.portfolio.episodes[0].fees_paid() - paid == pytest.approx(fees, abs=1e-7)
    after = desk.portfolio.positions()
    assert {o: a for o, a in after.items() if isinstance(o, Option)} == {
        o: a for o, a in before.items() if isinstance(o, Option)
    }


def test_what_gains_in_the_worst_scenario_is_not_sold():
    """A call sold without a quote, and the perpetual bought against half of it: more of it is bought."""
    settings = {"entry.legs": [{"kind": "call", "strike": "atm"}], "margin.model": "portfolio"}
    settings |= {"hedge.rule": "interval", "hedge.every": "1h", "hedge.ratio": 0.5}
    desk, exchange = desk_at(crash(), settings, chains=2)
    exchange.max_quote_age_ns, exchange.market.ts_ns = 0, exchange.market.ts_ns + NS_PER_HOUR
    book = held_book(desk.portfolio.positions(), desk.market)
    losses = portfolio_margin(book, published_margins().portfolio_at(START, "BTC")).losses
    hedge = next(k for k, held in enumerate(book.holdings) if isinstance(held.instrument, Perpetual))
    assert book.holdings[hedge].size > 0 > losses[hedge]
    liquidator = Liquidator(desk, exchange, 0.2)
    assert liquidator.run()
    first = liquidator.rounds[0]
    assert first.instrument == book.holdings[hedge].instrument
    assert first.amount > 0
    needed = [r.maintenance for r in liquidator.rounds]
    assert needed == sorted(needed, reverse=True)  # no round takes what the one before gave
    assert len(needed) < 60


def test_portfolio_margin_takes_what_loses_most_in_the_worst_scenario():
    legs = [{"kind": "call", "strike": "atm"}, {"kind": "call", "strike": "delta 0.2", "amount": 0.4}]
    desk, exchange = desk_at(crash(), {"entry.legs": legs, "margin.model": "portfolio"}, chains=2)
    book = held_book(desk.portfolio.positions(), desk.market)
    losses = portfolio_margin(book, published_margins().portfolio_at(START, "BTC")).losses
    assert (losses > 0).sum() == 2
    liquidator = Liquidator(desk, exchange, 0.2)
    assert liquidator.run()
    first = book.holdings[int(np.argmax(losses))]
    assert liquidator.rounds[0].instrument == first.instrument
    assert liquidator.rounds[0].amount == pytest.approx(-0.25 * first.size)


def test_resting_orders_are_cancelled_first():
    settings = {"entry.side": "long", "hedge.rule": "ladder", "hedge.band": 0.3, "margin.model": "portfolio"}
    desk, exchange = desk_at(crash(to=60.5e3), settings, chains=1)
    assert exchange.resting
    assert Liquidator(desk, exchange, -5.0).run()
    assert exchange.resting == {}
    assert not any(account.resting for account in desk.portfolio.hedged)


def test_standard_margin_waits_where_the_worst_has_no_quote():
    desk, exchange = desk_at(crash(), {"size.equity": 3.2}, chains=2)
    exchange.max_quote_age_ns, exchange.market.ts_ns = 0, exchange.market.ts_ns + NS_PER_HOUR
    liquidator = Liquidator(desk, exchange, 0.2)
    assert not liquidator.run()
    assert liquidator.rounds == []


@pytest.mark.parametrize("scope", ["episode", "book"])
@pytest.mark.parametrize("model", ["standard", "portfolio"])
def test_the_simulated_market_in_both_scopes(scope, model, tmp_path):
    settings = {
        "market.days": 30, "market.vol": 1.5, "market.implied_premium": -0.3, "entry.side": "short",
        "size.contracts": 10.0, "size.equity": 2.2, "hedge.scope": scope, "costs.max_quote_age": None,
        "margin.model": model,
    }  # fmt: skip
    results = run_backtest(build(settings))
    found, summary = results.summary["liquidation"], results.summary
    assert found["rounds"] == len(results.liquidations) > 0
    assert summary["closed_by"].get(LIQUIDATED, 0) == found["episodes"]
    lines = [money["coin"] for money in summary["attribution"].values()]
    assert sum(lines) == pytest.approx(summary["total"]["coin"], abs=1e-9)
    assert found["fees"] == pytest.approx(results.liquidations["fee"].sum())
    assert (results.liquidations["maintenance_margin"] >= results.liquidations["margin_balance"]).all()
    write_report(results, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert f"Liquidated: the exchange took positions in {found['rounds']:,} rounds, the first at" in page
    assert f"<td>{results.liquidations['instrument'][0]}</td>" in page
    assert f"The account was liquidated, first at {found['first']}: see Margin." in page


@pytest.mark.parametrize("model", ["standard", "portfolio"])
def test_both_engines_liquidate_alike(model):
    config = build(
        {
            "market.days": 30, "market.vol": 1.5, "market.implied_premium": -0.3, "entry.side": "short",
            "size.contracts": 10.0, "size.equity": 2.2, "costs.max_quote_age": None, "margin.model": model,
            "hedge.rule": "interval", "hedge.every": "4h",
        }
    )  # fmt: skip
    tape = load_market(config).tape
    compiled, desk = replay(config, tape), replay(config, tape, engine="desk")
    assert compiled.engine == "compiled"
    assert len(compiled.liquidations) == len(desk.liquidations) > 0
    for one, other in zip(compiled.liquidations, desk.liquidations, strict=True):
        assert one[:2] == other[:2]
        assert one[2:] == pytest.approx(other[2:], rel=1e-9)
    profits = [[e.episode.ledger.profit() for e in run.episode_runs] for run in (compiled, desk)]
    assert np.array(profits[0]) == pytest.approx(np.array(profits[1]), rel=1e-9, abs=1e-8)


def test_a_page_says_when_nothing_was_liquidated_and_when_that_is_not_known(tmp_path):
    for equity, told in ((1_000.0, "would not have been liquidated"), (None, "Liquidation is not modelled")):
        results = run_backtest(build({"market.days": 12, "size.equity": equity}))
        write_report(results, tmp_path / "report.html")
        assert told in (tmp_path / "report.html").read_text()
        assert len(results.liquidations) == 0
