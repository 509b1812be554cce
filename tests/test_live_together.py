"""Several books under one command: their sums, limits for these, and the command itself."""

import math
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from gammacore.cli.books import currencies_of
from gammacore.config import parse_config
from gammacore.config.sections import TogetherConfig
from gammacore.daycount import NS_PER_DAY, NS_PER_SECOND
from gammacore.errors import ConfigError
from gammacore.live.follow import Follower
from gammacore.live.killing import kill_file
from gammacore.live.parity import check
from gammacore.live.risk_manager import DayStart
from gammacore.live.sums import Sums, beyond, sums_of
from gammacore.live.together import Together
from gammacore.risk import totals
from support.dashboard_world import made
from support.ledger_sums import by_the_ledger
from support.live_processes import PATIENCE_S, filled, wait_for
from support.live_world import Process, World, lively, together
from support.platforms import posix


def hedged_in(coin):
    return lively(currency=coin, hedge__band=0.02)


def follower():
    found = Follower(made().path)
    found.update()
    return found


def test_sums_are_of_all_books_in_usd():
    one = follower()
    desk, now_ns = one.desk, one.last_ns
    sums = sums_of([one, Follower("none.db"), one], now_ns)
    seen = totals(desk.portfolio, desk.market)
    assert sums.delta == pytest.approx(2 * seen.delta * desk.market.index)
    assert sums.vega == pytest.approx(2 * seen.vega_usd)
    begun = one.day_start.profit_usd
    assert sums.today == pytest.approx(2 * (by_the_ledger(desk).usd - begun), abs=1e-2)


@pytest.mark.parametrize("before", [100.0, -100.0])
def test_the_profit_of_yesterday_is_not_todays(before):
    """Neither of a book that has ended, nor of one that is resumed; a simulated exchange may be ahead."""
    one = follower()
    profit = by_the_ledger(one.desk).usd
    one.day_start = DayStart(one.last_ns, profit - before)
    assert sums_of([one], one.last_ns).today == pytest.approx(before, abs=1e-2)
    assert sums_of([one], one.last_ns - 2 * NS_PER_DAY).today == pytest.approx(before, abs=1e-2)
    assert sums_of([one], one.last_ns + NS_PER_DAY).today == 0.0
    one.day_start = None
    assert sums_of([one], one.last_ns).today == 0.0


def test_a_resumed_book_that_lost_money_on_other_days_stops_none(tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(made().path.read_bytes())
    found = Follower(path)
    books = [SimpleNamespace(journal=path, follower=found, currency="BTC", process=None)]
    found.update()
    limits = TogetherConfig(max_daily_loss_usd=-by_the_ledger(found.desk).usd / 2)
    for days, stopped in ((1, False), (0, True)):
        at = found.last_ns / NS_PER_SECOND + days * 86_400
        together = Together(books, limits, clock=lambda at=at: at)
        together.look()
        assert bool(together.broken) == kill_file(path).exists() == stopped


@pytest.mark.parametrize(
    ("sums", "limits", "why"),
    [
        (
            Sums(-501.0, 0, 0),
            {"max_daily_loss_usd": 500.0},
            "max_daily_loss_usd: 501.00 of all books",
        ),
        (Sums(-499.0, 0, 0), {"max_daily_loss_usd": 500.0}, ""),
        (Sums(9e9, 0, 0), {"max_daily_loss_usd": 500.0}, ""),
        (Sums(0, -2_001.0, 0), {"max_delta_usd": 2_000.0}, "max_delta_usd: 2,001.00"),
        (Sums(0, 0, 301.0), {"max_vega_usd": 300.0}, "max_vega_usd: 301.00"),
        (Sums(-9e9, 9e9, 9e9), {}, ""),
        (Sums(math.nan, 0, 0), {"max_daily_loss_usd": 500.0}, ""),
    ],
)
def test_a_limit_for_the_sum_is_named(sums, limits, why):
    told = beyond(sums, TogetherConfig(**limits))
    assert told.startswith(f"risk.together.{why}") if why else told == ""


def test_beyond_a_limit_every_book_is_stopped_once_and_it_is_told(tmp_path):
    """The switch is the one that gammacore kill throws."""
    books, told = [], []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.db"
        path.write_bytes(made().path.read_bytes())
        books.append(SimpleNamespace(journal=path, follower=Follower(path), currency=name, process=None))
    alerts = SimpleNamespace(tell=lambda *said: told.append(said))
    at = follower().last_ns / NS_PER_SECOND
    sums = sums_of([follower(), follower()], follower().last_ns)
    limits = TogetherConfig(max_vega_usd=abs(sums.vega) * 0.9)
    together = Together(books, limits, alerts, flatten=True, clock=lambda: at)
    together.look()
    assert together.broken.startswith("risk.together.max_vega_usd: ")
    switches = [kill_file(book.journal) for book in books]
    texts = [switch.read_text() for switch in switches]
    assert all(text.startswith("flatten ") for text in texts)
    assert len(told) == 1
    together.look()  # thrown once: a switch that somebody took back stays so
    assert [switch.read_text() for switch in switches] == texts
    within = Together(books, TogetherConfig(max_vega_usd=abs(sums.vega) * 1.1), clock=lambda: at)
    within.look()
    assert within.broken == ""


def test_a_sum_that_is_not_known_is_told_once_after_a_while(monkeypatch):
    seen, told, now = [Sums(math.nan, 0.0, 0.0)], [], [1e9]
    monkeypatch.setattr("gammacore.live.together.sums_of", lambda books, now_ns: seen[0])
    alerts = SimpleNamespace(tell=lambda *said: told.append(said))
    limits = TogetherConfig(max_daily_loss_usd=500.0, max_vega_usd=1.0)
    together = Together([], limits, alerts, clock=lambda: now[0])
    for second in (0, 29, 31, 90):
        now[0] = 1e9 + second
        together.look()
        assert together.unchecked == ("risk.together.max_daily_loss_usd" if second > 30 else "")
    assert len(told) == 1
    assert told[0][2].startswith("risk.together.max_daily_loss_usd: not checked")
    seen[0] = Sums(0.0, 0.0, 0.0)
    together.look()
    assert together.unchecked == together.broken == ""


def test_currencies_are_separated_by_commas_and_named_once():
    assert currencies_of("btc, ETH,BTC_USDC") == ["BTC", "ETH", "BTC_USDC"]
    assert currencies_of(None) == []
    with pytest.raises(ConfigError, match="--currency: BTC is named twice"):
        currencies_of("BTC,ETH,BTC")


PROGRAM = [sys.executable, "-c", "from gammacore.cli.main import main; main()", "live"]


def command(*words, folder):
    return subprocess.run(
        [*PROGRAM, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_books_of_two_currencies_on_one_account_do_not_halt_each_other(tmp_path):
    """Neither by their trades, of another price, nor by those that a book missed while it was down."""
    world = World(linear=())
    books = {coin: Process(world, tmp_path / f"{coin}.db", hedged_in(coin)) for coin in ("BTC", "ETH")}

    def jump(*coins, hedges):
        world.exchange.floor.market.coins["ETH"].log_spot += 0.02
        ether = books["ETH"].hedger
        done = lambda: ether.filled >= 2 + hedges and ether.quiet  # noqa: E731
        assert together(world, [books[coin] for coin in coins], 60, done)

    both = [book.hedger for book in books.values()]
    assert together(world, list(books.values()), 60, lambda: all(h.filled >= 2 and h.quiet for h in both))
    jump("BTC", "ETH", hedges=1)
    assert not together(world, list(books.values()), 5)  # the other hears of it
    assert [hedger.risk.causes for hedger in both] == [{}, {}]
    books["BTC"].die()
    jump("ETH", hedges=2)
    books["BTC"] = Process(world, tmp_path / "BTC.db", hedged_in("BTC"))
    assert not together(world, list(books.values()), 30)
    held = {name: p.size for name, p in world.account.positions.items() if p.lots}
    assert {name.partition("-")[0] for name in held} == {"BTC", "ETH"}
    for coin, book in books.items():
        assert book.hedger.risk.causes == {}
        own = {name: size for name, size in held.items() if name.startswith(coin)}
        assert book.hedger.positions.own() == pytest.approx(own)


@posix
def test_one_command_runs_a_book_of_each_currency(tmp_path):
    journals = {currency: tmp_path / "books" / f"{currency}.db" for currency in ("BTC", "ETH_USDC")}
    words = ["--currency", ",".join(journals), "--journal", "books"]
    process = subprocess.Popen([*PROGRAM, *words], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        for journal in journals.values():
            wait_for(lambda journal=journal: filled(journal) >= 2)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0, told
    for currency, journal in journals.items():
        found = check(journal)
        assert found.config.currency == currency
        assert found.departure is None
        assert found.events > 2
        assert f"{currency}: ended" in told


@posix
def test_books_that_are_ended_before_they_began_have_not_failed(tmp_path):
    done = command("--currency", "BTC,ETH", "--seconds", "1", "--journal", "books", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {f"{currency}: ended" in done.stdout for currency in ("BTC", "ETH")} == {True}


@posix
def test_what_does_not_fit_a_currency_starts_nothing(tmp_path):
    done = command("--currency", "BTC,eth!", "--seconds", "5", "--journal", "books", folder=tmp_path)
    assert done.returncode == 2
    assert "ETH!" in done.stderr
    assert not (tmp_path / "books").exists()


def test_limits_for_the_sum_are_checked_like_others():
    assert parse_config({"risk": {"together": {"max_delta_usd": 5.0}}}).risk.together.max_delta_usd == 5.0
    with pytest.raises(ConfigError, match=r"did you mean risk.together.max_delta_usd"):
        parse_config({"risk": {"together": {"max_delta": 5.0}}})
