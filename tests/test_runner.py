"""Whole runs: against a loop written down independently, and line by line in every setting."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import norm

from gammacore.attribution import LINES, attribute, check_rounding
from gammacore.backtest.figures.results import tabulate
from gammacore.backtest.replay.market import LoadedMarket
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.synthetic import flat_chains
from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import Future, Option, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import LedgerError
from gammacore.ledger import Account
from gammacore.scalps import intervals, scalps
from support.markets import FREE, FRIDAY, START, build, chains_of, prices_of, random_path
from support.tapes import YEAR, funding_of, minute_tape


def plain_loop(close, vol, week, band, fee):
    """Roll straddles and hedge to zero whenever |net| exceeds the band: the textbook, bar by bar."""
    entry, strike, hedge, cash, fees, hedges = 0, close[0], 0.0, 0.0, 0.0, 0

    def straddle(i):
        s = vol * math.sqrt((entry + week - i) / (365 * 1440))
        if s == 0:
            return abs(close[i] - strike), float(np.sign(close[i] - strike))
        d1 = math.log(close[i] / strike) / s + s / 2
        n1, n2 = norm.cdf(d1), norm.cdf(d1 - s)
        return close[i] * (2 * n1 - 1) - strike * (2 * n2 - 1), 2 * n1 - 1

    cash -= straddle(0)[0]
    for i, price in enumerate(close):
        if i == entry + week:
            cash += straddle(i)[0]
            entry, strike = i, price
            cash -= straddle(i)[0]
        value, delta = straddle(i)
        net = delta + hedge
        if abs(net) > band:
            paid = fee * abs(net) * price
            cash, fees, hedges, hedge = cash + net * price - paid, fees + paid, hedges + 1, hedge - net
    return cash + value + hedge * close[-1], fees, hedges


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("band", [0.02, 0.05, 0.2])
def test_rolled_straddles_end_where_a_plain_loop_ends(seed, band):
    steps = 4 * 1440 + 333
    close = np.round(random_path(seed, steps, vol=0.9), 2)
    prices = prices_of(START + NS_PER_MINUTE * np.arange(steps + 1), close, NS_PER_MINUTE)
    tape = Tape(flat_chains(prices, "BTC", 0.55, 1.0), prices, linear=True, averaging=False)
    run = replay(
        build(YEAR | {"hedge.band": band, "execution.hedges": "taker", "costs.hedge_taker_fee": 0.0005}), tape
    )
    profit, fees, hedges = plain_loop(close.tolist(), 0.55, 1440, band, 0.0005)
    assert sum(d.episode.hedges for d in run.episode_runs) == hedges
    assert sum(d.episode.ledger.profit().usd for d in run.episode_runs) == pytest.approx(profit, abs=1e-4)
    assert -sum(d.attribution.totals["fees"].usd for d in run.episode_runs) == pytest.approx(fees, abs=1e-4)


@pytest.mark.filterwarnings("error")
def test_options_marked_at_nothing_have_no_return_on_their_premium():
    chains = chains_of([START, START + NS_PER_DAY], [60e3, 60e3])
    chains.mark[:] = 0.0
    prices = prices_of([START, FRIDAY], [60e3, 60e3], NS_PER_HOUR)
    config = build({"costs.fill": "mark", "hedge.rule": "never"})
    tape = Tape(chains, prices)
    results = tabulate(replay(config, tape), LoadedMarket(tape, False, {}, []))
    assert results.episodes["premium_coin"].tolist() == [0.0]
    assert results.episodes["pnl_over_premium"].isna().all()
    assert results.summary["mean_pnl_over_premium"] is None


def test_options_in_usd_are_those_in_coin_valued_in_usd():
    """A linear option is worth the inverse one at the forward: the same decisions and the same profit."""
    steps = 7 * 1440
    close = np.round(random_path(4, steps), 2)
    prices = prices_of(START + NS_PER_MINUTE * np.arange(1, steps + 1), close[1:], NS_PER_MINUTE)
    chains = chains_of(START + 4 * 60 * NS_PER_MINUTE * np.arange(steps // 240), close[:-1:240])
    unit = chains.forward
    linear = dataclasses.replace(
        chains, currency="BTC_USDC", bid=chains.bid * unit, ask=chains.ask * unit, mark=chains.mark * unit
    )
    settings = {"hedge.target": "black", "costs.option_fees": False}
    profits = []
    for config, tape in (
        (build(settings | {"marks.settlement": "linear"}), Tape(chains, prices, linear=True)),
        (build(settings | {"currency": "BTC_USDC"}), Tape(linear, prices, linear=True)),
    ):
        run = replay(config, tape)
        assert run.episode_runs[0].episode.hedges > 3
        assert {o.settlement for o in run.episode_runs[0].episode.entered} == {Settlement.LINEAR}
        profits.append([done.episode.ledger.profit().usd for done in run.episode_runs])
    assert profits[0] == pytest.approx(profits[1], abs=1e-6)


SETTINGS = [
    {},
    {"hedge.rule": "interval", "hedge.every": "30min"},
    {"hedge.instrument": "future"},
    {
        "hedge.instrument": "future",
        "hedge.rule": "interval",
        "hedge.every": "2h",
        "execution.hedges": "maker",
    },
    {"hedge.target": "usd_neutral", "hedge.rule": "interval"},
    {"hedge.target": "black", "hedge.band": 0.1, "hedge.to": "edge"},
    {"hedge.instrument": "forward", "hedge.target": "black", "hedge.lots": False, "costs.fill": "mark"},
    {"entry.side": "short", "entry.structure": "strangle", "costs.fill": "mid"},
    {"entry.side": "short", "hedge.target": "usd_neutral"},
    {"size.premium_usd": 9000.0, "exit.hours_before_expiry": 7.0, "costs.fill": "mark"},
    {"exit.hours_before_expiry": 12.0},
    {"hedge.rule": "never"},
    {"hedge.rule": "snapshot"},
    {"marks.interpolate": True},
    {"entry.schedule": "roll", "entry.min_days": 1, "entry.max_days": 14, "exit.hours_before_expiry": 24.0},
    FREE,
]


@pytest.mark.parametrize("method", ["taylor", "revaluation"])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_lines_sum_to_the_ledger_in_both_currencies(setting, method):
    wide = {"entry.expiries": "any", "entry.max_days": 14.0, "report.attribution": method}
    config = build(wide | setting)
    linear = config.hedge.instrument == "forward"
    tape = minute_tape(days=14.2, interpolate=config.marks.interpolate, linear=linear)
    # Funding that changes sign, so that its line is not zero, and is not quite what was known.
    tape.interest = 1e-7 * np.sin((tape.ts_ns - START) / (2 * NS_PER_DAY))
    tape.owed = 1.1e-7 * np.sin((tape.ts_ns - START) / (2.1 * NS_PER_DAY))
    run = replay(config, tape)
    assert len(run.episode_runs) >= 1
    for done in run.episode_runs:
        check_sums(done)
    hedged = config.hedge.rule != "never"
    if hedged and not linear and config.hedge.instrument == "perpetual" and config.costs.funding:
        assert any(d.attribution.totals["funding"].coin for d in run.episode_runs)


def check_sums(done):
    """Lines, scalps and intervals against the ledger."""
    episode, parts = done.episode, done.attribution
    profit, found, spans = episode.ledger.profit(), scalps(episode, parts), intervals(episode, parts)
    for currency in ("coin", "usd"):
        steps = getattr(parts, currency)
        lines = {line: math.fsum(steps[line]) for line in LINES}
        assert math.fsum(lines.values()) == pytest.approx(getattr(profit, currency), abs=1e-9)
        for line in LINES:
            between = math.fsum(getattr(spans, currency)[line])
            assert between == pytest.approx(lines[line], abs=1e-9 if currency == "coin" else 1e-6)
        # Spread and fees of the options are not the scalps'.
        earned = math.fsum(getattr(found, f"pnl_{currency}"))
        hedged = lines["hedge"] + lines["basis"] + lines["lots"]
        spread = hedge_spread(done)[currency]
        assert earned == pytest.approx(hedged + spread, abs=1e-9 if currency == "coin" else 1e-5)
    native = ("coin", "usd")[episode.ledger.native]
    booked = -episode.ledger.native_balance(Account.HEDGE_PNL)
    assert math.fsum(getattr(found, f"pnl_{native}")) == pytest.approx(
        booked, abs=1e-8 * (len(episode.fills) + 2)
    )
    assert abs(parts.totals["rounding"].coin) < 1e-8 * len(episode.ledger.entries)
    assert parts.totals["delta"].coin != 0
    if type(episode.hedge.instrument) is Future:
        assert abs(parts.totals["basis"].coin) < 1e-12


def hedge_spread(done):
    """Slippage of the hedges in both currencies, fill by fill."""
    parts, inverse = done.attribution, done.episode.ledger.native == 0
    coin = usd = 0.0
    for fill in done.episode.fills:
        if not isinstance(fill.instrument, Option):
            rate = parts.rate[max(int(np.searchsorted(parts.ts_ns, fill.ts_ns, side="right")) - 1, 1)]
            lost = (1 / fill.price - 1 / fill.mark) if inverse else fill.mark - fill.price
            coin += fill.amount * lost / (1 if inverse else rate)
            usd += fill.amount * lost * (rate if inverse else 1)
    return {"coin": coin, "usd": usd}


def test_lines_sum_where_bars_are_older_than_chains():
    """Hourly bars, chains in between with an index of their own."""
    ts = START + NS_PER_HOUR * np.arange(1, 8 * 24)
    path = random_path(5, len(ts) - 1, dt=1 / 8760)
    times = START + NS_PER_HOUR * 6 * np.arange(31) + 20 * NS_PER_MINUTE
    index = np.interp(times, ts, path) * 1.001
    rate = funding_of(
        START + 8 * NS_PER_HOUR * np.arange(1, 25), 1e-3 * (-1.0) ** np.arange(24), 8 * NS_PER_HOUR
    )
    chains = chains_of(times, index, expiries=(FRIDAY, FRIDAY + 7 * NS_PER_DAY))
    tape = Tape(chains, prices_of(ts, path, NS_PER_HOUR), rate)
    for rule in ("band", "interval", "snapshot"):
        run = replay(build({"hedge.rule": rule, "entry.max_days": 14.0}), tape)
        for done in run.episode_runs:
            entries = len(done.episode.ledger.entries)
            assert abs(done.attribution.totals["rounding"].coin) < 1e-8 * entries
            assert done.attribution.totals["funding"].coin != 0


def test_funding_is_received_by_the_short_side_when_longs_pay():
    tape = minute_tape()
    tape.interest = tape.owed = np.linspace(0, 1e-8, len(tape))
    run = replay(build({"hedge.rule": "interval", "entry.structure": "straddle"}), tape)
    (done,) = [d for d in run.episode_runs if d.episode.close_ns]
    held = np.sign([f.amount for f in done.episode.fills if "PERP" in f.instrument.name])
    assert set(held) == {-1.0, 1.0}
    # What was paid is the position times the accumulator's move, step by step.
    amounts = np.zeros(len(tape))
    for f in done.episode.fills:
        if "PERP" in f.instrument.name:
            amounts[np.searchsorted(tape.ts_ns, f.ts_ns, side="right") - 1 :] += f.amount
    owed = (amounts[:-1] * np.diff(tape.interest)).sum()
    assert done.attribution.totals["funding"].coin == pytest.approx(-owed, abs=1e-7)


def test_a_tampered_ledger_is_noticed():
    run = replay(build(FREE), minute_tape())
    done = run.episode_runs[0]
    done.episode.ledger.post(0, Account.CASH, Account.HEDGE_PNL, 1e-4, "out of nowhere")
    with pytest.raises(LedgerError, match="lines and ledger: off by"):
        attribute(done.episode, run.tape, done.last)
    with pytest.raises(LedgerError, match="lines and ledger: off by nan"):
        check_rounding(done.episode, math.nan, 0.0)


def test_lines_of_billions_add_up_but_for_the_rounding_of_floats():
    done = replay(build(FREE | {"size.contracts": 1e6}), minute_tape()).episode_runs[0]
    totals = done.attribution.totals.values()
    assert done.episode.ledger.profit().coin == pytest.approx(sum(money.coin for money in totals), rel=1e-12)
    check_rounding(done.episode, 1e-3, 0.0, 2e10)
    with pytest.raises(LedgerError, match="lines and ledger: off by"):
        check_rounding(done.episode, 1e-3, 0.0, 1e9)


def test_gamma_and_theta_match_the_coin_identity():
    """Mean coin profit of a hedged straddle is half the sum of gamma S (moves squared less variance paid)."""
    run = replay(build(FREE | {"hedge.rule": "interval", "hedge.every": "1min"}), minute_tape(days=7.1))
    done = next(d for d in run.episode_runs if d.episode.close_reason == "delivery")
    totals, profit = done.attribution.totals, done.episode.ledger.profit()
    vega = totals["vega"].coin  # volatility is redrawn at each chain
    leftover = profit.coin - totals["gamma"].coin - totals["theta"].coin - vega
    assert abs(totals["delta"].coin + totals["hedge"].coin) < 0.12 * abs(totals["gamma"].coin)
    assert abs(leftover) < 0.15 * abs(totals["gamma"].coin)


@pytest.mark.parametrize("instrument", ["perpetual", "future"])
def test_a_neutral_position_has_no_first_order(instrument):
    """With exact amounts at every minute, delta and hedge offset each other step by step."""
    setting = {"hedge.rule": "interval", "hedge.every": "1min", "hedge.instrument": instrument}
    run = replay(build(FREE | setting | {"exit.delivery": "last"}), minute_tape(days=7.1, averaging=False))
    # The other one is not hedged at the very moment of this one's delivery.
    done = next(d for d in run.episode_runs if d.episode.close_reason == "delivery")
    coin = done.attribution.coin
    np.testing.assert_allclose(coin["delta"] + coin["hedge"], 0, atol=1e-14)
    assert not coin["lots"].any()


def test_lots_are_the_difference_to_exact_amounts():
    """The excess of each order, held from that hedge to the next, at the moves of its own price."""
    run = replay(build({"hedge.rule": "interval", "hedge.every": "2h"}), minute_tape(days=7.1))
    for done in run.episode_runs:
        parts, expected = done.attribution, 0.0
        fills = done.episode.hedge_fills()
        assert np.all(np.abs(fills.excess[:-1]) <= 5.0)
        points = np.append(parts.points(fills.ts_ns), len(parts.rate) - 1)
        for k, excess in enumerate(fills.excess):
            expected += excess * (1 / parts.hedge_price[points[k]] - 1 / parts.hedge_price[points[k + 1]])
        assert parts.totals["lots"].coin == pytest.approx(expected, abs=1e-15)
        assert parts.totals["lots"].coin != 0


def test_basis_is_what_the_perpetual_did_besides_the_forward():
    """A forward that gains on a price that stands still is the basis's loss, for the whole hedge."""
    times = START + NS_PER_HOUR * np.arange(0, 7 * 24, 4)
    rising = 60e3 * (1 + 1e-4 * np.arange(len(times)))
    chains = chains_of(times, rising)
    chains = dataclasses.replace(chains, index=np.full(len(chains), 60e3))
    run = replay(build(FREE | {"hedge.rule": "interval", "hedge.every": "4h"}), Tape(chains))
    (done,) = run.episode_runs
    coin = done.attribution.coin
    assert np.abs(coin["hedge"]).sum() > 1e-5
    np.testing.assert_allclose(coin["basis"], -coin["hedge"], atol=1e-15)


def test_an_episode_of_one_moment_is_carried_at_cost():
    chains = chains_of([START], [60e3])
    (done,) = replay(build({"hedge.rule": "interval"}), Tape(chains)).episode_runs
    totals = done.attribution.totals
    assert done.episode.close_ns == 0
    assert totals["spread"].coin < 0
    assert totals["fees"].coin < 0
    assert done.episode.ledger.profit().coin == pytest.approx(
        totals["spread"].coin + totals["fees"].coin, abs=1e-7
    )


def test_min_snapshots_leaves_out_what_was_hardly_recorded():
    run = replay(build({"entry.min_snapshots": 1000}), minute_tape())
    assert (len(run.episode_runs), run.skipped) == (0, 2)


def test_progress_reaches_the_end():
    seen = []
    tape = minute_tape()
    replay(build({}), tape, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(tape), len(tape))
    assert seen == sorted(seen)


def test_delivery_at_the_average():
    run = replay(build({}), minute_tape(days=7.2))
    ((expiry, settled),) = run.deliveries.items()
    assert settled.source == "average"
    assert run.episode_runs[0].episode.delivery_price == settled.price
    assert expiry == START + 7 * NS_PER_DAY


def test_an_exit_due_at_the_time_of_a_bar_is_not_put_off_to_the_next_chain():
    run = replay(build(FREE | {"exit.hours_before_expiry": 30.0}), minute_tape(days=7.1))
    (done,) = [d for d in run.episode_runs if d.episode.exited]
    assert done.episode.close_ns == done.episode.expiry_ns - 30 * NS_PER_HOUR
