"""The page in a real browser, over a session that trades on the local exchange."""

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from decimal import ROUND_HALF_UP, Decimal

import msgspec
import pytest

from gammacore.build import build_desk
from gammacore.config import parse_config
from gammacore.live.dashboard.source import JournalTail
from gammacore.live.dashboard.web import serving
from gammacore.live.journal import RecordKind, length, read
from gammacore.live.launch import exchange_process, start_session
from gammacore.live.records import decode_event
from gammacore.live.session import SessionOptions
from gammacore.risk import totals
from support.browser import browser
from support.dashboard_world import LINEAR, made
from support.ledger_sums import by_the_ledger
from support.live_world import lively
from support.platforms import posix
from support.ports import free_port

SPEED = 20.0
SECRET = "a-secret-of-the-local-exchange"
KEY = {"GAMMACORE_CLIENT_ID_TESTNET": "gammacore", "GAMMACORE_CLIENT_SECRET_TESTNET": SECRET}
PROGRAM = [sys.executable, "-c", "from gammacore.cli.main import main; main()", "dashboard"]
SEQ = "Number(document.documentElement.dataset.seq ?? 0)"
SHOWN = """(() => {
  const cells = (id) => [...document.querySelectorAll(`#${id} tbody tr`)].map((row) => [...row.cells].map((c) => c.textContent));
  const cards = Object.fromEntries([...document.querySelectorAll(".card")].map((c) => [c.dataset.card, [...c.children].map((p) => p.textContent)]));
  return { seq: Number(document.documentElement.dataset.seq), cards, positions: cells("tab-positions"), greeks: cells("greeks"),
    fills: cells("tab-fills"), mode: document.getElementById("mode").textContent.trim(), facts: document.getElementById("facts").textContent };
})()"""  # noqa: E501


@pytest.fixture(scope="module")
def page():
    with browser() as page:
        yield page


@pytest.fixture(scope="module")
def exchange():
    with exchange_process("gammacore", SECRET, SPEED, 3) as url:
        yield url


def session(url, journal):
    options = SessionOptions(venue="local", journal=str(journal), url=url, speed=SPEED)
    return start_session(lively(hedge__band=0.005, risk__max_delta=0.5), options, dict(os.environ) | KEY)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    finally:
        process.kill()


def desk_at(journal, seq):
    """Read the journal up to a record, with nothing of the dashboard's."""
    desk = fills = None
    for record in read(journal):
        if record.seq > seq:
            break
        if record.kind is RecordKind.START and desk is None:
            desk, fills = build_desk(parse_config(msgspec.json.decode(record.body)), scope="book"), []
        elif record.kind is RecordKind.EVENT:
            event = decode_event(record.body)
            desk.handle(event)
            fills += [event] if record.name == "Fill" else []
    return desk, fills


def written(value, digits, *, signed=True):
    """A number as the page writes it."""
    exact = abs(Decimal(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)  # halves as toFixed does
    text = f"{exact:,}"
    rounded = float(text.replace(",", ""))
    return ("−" if value < 0 and rounded else "+" if signed and rounded else "") + text


def agrees(shown, journal):
    """Whether what a page showed is what the journal says up to that record."""
    desk, fills = desk_at(journal, shown["seq"])
    profit, seen = by_the_ledger(desk), totals(desk.portfolio, desk.market)
    assert shown["cards"]["profit"] == [
        "profit",
        f"{written(profit.usd, 2)} USD",
        f"{written(profit.coin, 8)} BTC",
    ]
    assert shown["cards"]["delta"][1] == written(seen.delta, 4)
    assert shown["cards"]["BTC"][1] == f"{written(desk.market.index, 1, signed=False)} USD"
    assert shown["cards"]["hedges"][1] == str(desk.portfolio.hedges)
    expected = []
    for episode in desk.portfolio.open.values():
        expected += [(o.name, written(a, 2)) for o, a in episode.legs.items()]
    for episode in desk.portfolio.hedged:
        if episode.hedge.amount:
            expected.append((episode.hedge.instrument.name, written(episode.hedge.amount, 0)))
    assert [(row[1], row[2]) for row in shown["positions"]] == expected
    assert shown["greeks"][2] == ["vega per point", *(written(x, d) for x, d in vega(seen, desk))]
    assert [row[1] for row in shown["fills"]] == [fill.order_id for fill in fills[::-1][:50]]


def vega(seen, desk):
    return (seen.vega_usd / desk.market.index, 6), (seen.vega_usd, 2)


@posix
def test_it_shows_what_the_journal_says_follows_restarts_and_never_complains(page, exchange, tmp_path):
    journal, port = tmp_path / "live-local-BTC.db", free_port()
    words = [*PROGRAM, "--journal", str(journal), "--port", str(port)]
    dashboard = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    running = [dashboard]
    try:
        page.size(1280, 900)
        reach(page, port)
        page.wait("document.getElementById('banner').textContent.startsWith('Waiting: the journal')")
        running.append(session(exchange, journal))
        page.wait("document.querySelectorAll('#tab-positions tbody tr').length >= 3", 30)
        page.wait("document.querySelectorAll('#tab-fills tbody tr').length >= 5", 30)
        for _ in range(5):
            agrees(page.value(SHOWN), journal)
            time.sleep(0.13)
        assert "local" in page.value(SHOWN)["facts"]
        assert page.value("document.getElementById('banner').hidden")

        for _ in range(5):  # from the commit of a record to the page
            newest = length(journal)
            assert page.wait(f"{SEQ} >= {newest}", 5) < 1.0
            time.sleep(0.2)

        hedger = running.pop()
        hedger.kill()
        hedger.wait()
        before = length(journal)
        running.append(session(exchange, journal))
        page.wait("document.getElementById('facts').textContent.includes('2 starts')", 30)
        page.wait(f"{SEQ} > {before + 20}", 20)
        agrees(page.value(SHOWN), journal)

        looks(page, tmp_path)
        assert page.complaints == []
    finally:
        for process in running:
            end(process)


def reach(page, port):
    """Open a page whose server is only just starting."""
    until = time.monotonic() + 20.0
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            break
        time.sleep(0.05)
    page.open("about:blank")  # what the page before still has to say about its server is not about this one
    page.complaints.clear()
    page.open(f"http://127.0.0.1:{port}/")


def looks(page, folder):
    """Nothing is wider than the screen, every figure says what it shows, and the charts are drawn."""
    for name, width, height, phone in (("desktop", 1280, 900, False), ("phone", 375, 812, True)):
        for dark in (False, True):
            page.size(width, height, phone=phone, dark=dark)
            page.wait(f"window.innerWidth === {width}", 3)  # a phone widens the page to what is in it
            page.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert page.value("document.documentElement.scrollWidth") <= width
            picture = folder / f"{name}-{'dark' if dark else 'light'}.png"
            page.picture(picture)
            assert picture.stat().st_size > 15_000
            assert page.value(
                "[...document.querySelectorAll('svg')].every((s) => s.getAttribute('aria-label'))"
            )
            assert (
                page.value("document.querySelectorAll('#fig-profit polyline, #fig-price polyline').length")
                == 2
            )
            assert page.value("document.querySelectorAll('#fig-price path').length") >= 3
            outside = page.value(
                "[...document.querySelectorAll('svg text')]"
                ".filter((t) => { const b = t.getBoundingClientRect();"
                " return b.width && (b.left < 0 || b.right > window.innerWidth); })"
                ".map((t) => t.textContent)"
            )
            assert outside == []


def test_a_dashboard_that_comes_back_is_found_again(page):
    port = free_port()
    words = [*PROGRAM, "--journal", str(made().path), "--port", str(port)]

    def start():
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    process = start()
    try:
        reach(page, port)
        page.wait("document.getElementById('mode').textContent.includes('ENDED')")
        page.value("window.same = true")
        process.kill()
        process.wait()
        page.wait("document.getElementById('banner').textContent.startsWith('No connection')")
        process = start()
        page.wait("document.getElementById('banner').hidden")
        assert page.value("window.same")  # without loading it again
    finally:
        process.kill()
        process.wait()


def test_silence_is_said_and_no_foreign_script_runs(page, tmp_path):
    """A session that died an hour ago; and the policy lets no script in that came from elsewhere."""
    path = tmp_path / "j.db"
    shutil.copy(made().path, path)
    db = sqlite3.connect(path)
    db.execute("delete from records where kind = 'stop'")
    db.commit()
    db.close()
    os.utime(path, (time.time() - 3_600,) * 2)
    with serving(JournalTail(path)) as port:
        reach(page, port)
        page.wait("document.getElementById('banner').textContent.startsWith('Nothing new for 60 min')")
        assert page.complaints == []
        page.value(
            "document.head.append(Object.assign(document.createElement('script'),"
            " { textContent: 'window.bad = 1' }))"
        )
        assert page.value("window.bad") is None
        assert any("Content Security Policy" in str(told) for told in page.complaints)


def test_lines_can_be_read_in_coin_by_the_keyboard(page):
    with serving(JournalTail(made().path)) as port:
        reach(page, port)
        page.wait("document.getElementById('lines-note').textContent.includes('USD')")
        page.value("document.querySelector('input[name=unit]').focus()")
        page.press("ArrowRight")
        coin = by_the_ledger(made().desk).coin
        told = f"Sum of all lines {written(coin, 8)} BTC, at "
        page.wait(f"document.getElementById('lines-note').textContent.startsWith('{told}')")


def test_usd_settled_contracts_are_written_in_their_own_units(page):
    """Coins of a linear perpetual, not USD; options in USD."""
    one = made(60.0, more=LINEAR)
    with serving(JournalTail(one.path)) as port:
        reach(page, port)
        page.wait("document.querySelectorAll('#tab-positions tbody tr').length >= 3")
        rows = {row[1]: row for row in page.value(SHOWN)["positions"]}
    (episode,) = one.desk.portfolio.open.values()
    hedge = one.desk.portfolio.book.hedge
    assert rows[hedge.instrument.name][2:4] == [
        written(hedge.amount, 4),
        written(hedge.average, 1, signed=False),
    ]
    for option, amount in episode.legs.items():
        mark = float(one.desk.market.exposure(option).value)
        assert (rows[option.name][2], rows[option.name][4]) == (
            written(amount, 2),
            written(mark, 1, signed=False),
        )


ORDERS = """import("./tables.js").then((made) => {
  const place = document.createElement("table"), box = document.createElement("div");
  const order = (instrument, limit) => ({ order: "h1", purpose: "hedge", legs: [{ instrument, amount: 10 }], stage: "open", limit, tries: 1, since_ms: 0 });
  made.orders(place, [order("SOL_USDC-PERPETUAL", 139.55), order("TRX_USDC-PERPETUAL", 0.10437), order("BTC-PERPETUAL", 60000.5), order("BTC-9JAN26-60000-C", 0.0345), order("BTC-PERPETUAL", null)]);
  const none = { session: { hedges: 1, filled: 1, events: 1 }, health: {}, scalps: { count: 1 } };
  made.cards(box, none);
  return { prices: [...place.tBodies[0].rows].map((row) => row.cells[4].textContent), words: box.textContent };
})"""  # noqa: E501


def test_prices_of_orders_keep_their_ticks_and_one_is_singular(page):
    with serving(JournalTail(made().path)) as port:
        reach(page, port)
        shown = page.value(ORDERS)
    assert shown["prices"] == ["139.55", "0.10437", "60,000.5", "0.0345", "–"]
    assert "1 scalp, 1 fill" in shown["words"]
    assert "1 event" in shown["words"]
    assert "1 events" not in shown["words"]


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_a_long_reason_stays_in_the_window(page, width):
    page.size(width, 900)
    with serving(JournalTail(made().path)) as port:
        reach(page, port)
        page.wait("document.getElementById('mode').textContent.includes('ENDED')")
        for name in ("mode", "banner"):
            page.value(
                f"at = document.getElementById('{name}'), at.hidden = false, at.append('x'.repeat(300))"
            )
            assert page.value("document.documentElement.scrollWidth") == width
