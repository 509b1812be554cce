"""Recorded books and trades as a feed: changes, windows, gaps, and what cannot be read."""

import numpy as np
import pytest

from gammacore import _queue as q
from gammacore.backtest.replay.queue_fills import QueueModel, RecordedBook
from gammacore.data.book_feed import _Reader, book_feed
from gammacore.data.schemas import KINDS
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_SECOND, parse_time
from gammacore.errors import DataError

NAME, START = "BTC-PERPETUAL", parse_time("2026-09-01T12:00")
SECOND = NS_PER_SECOND


def kept(root, kind, currency, rows):
    """Write rows of a kind, given as dicts without the times' names."""
    names, defaults = list(KINDS[kind].columns), {"VARCHAR": "", "BIGINT": 0, "DOUBLE": np.nan}
    full = [{name: defaults[KINDS[kind].columns[name]] for name in names} | row for row in rows]
    columns = {name: [row[name] for row in full] for name in names}
    with Store(root) as store:
        store.write(kind, currency, "2026-09-01", "part", columns)


def told(seconds, sort, number, before, bids, asks, seq):
    ts = START + round(seconds * SECOND)
    levels = {"bids": bids, "asks": asks}
    chain = {"type": sort, "change_id": number, "prev_change_id": before}
    return {"ts_ns": ts, "known_ns": ts + 1, "seq": seq, "instrument_name": NAME} | chain | levels


def traded(seconds, direction, price, amount, number):
    ts = START + round(seconds * SECOND)
    what = {"direction": direction, "price": price, "amount": amount}
    ids = {"trade_id": str(number), "trade_seq": number}
    return {"ts_ns": ts, "known_ns": ts + 1, "instrument_name": NAME} | ids | what


BOOK = (
    '[["new",59999.5,100.0],["new",59999.0,40.0]]',
    '[["new",60000.0,70.0],["new",60000.5,30.0]]',
)


def messages(root, seconds=600):
    with Store(root) as store:
        blocks = list(book_feed(store, NAME, 0.5, START, START + seconds * SECOND))
    rows = [
        ((int(ts) - START) / SECOND, int(kind) & ~q.LAST, tick * 0.5, float(amount), bool(int(kind) & q.LAST))
        for block in blocks
        for ts, kind, tick, amount in zip(*block, strict=True)
    ]
    return rows, len(blocks)


def test_a_book_by_changes_with_trades_before_the_book_that_reflects_them(tmp_path):
    changes = ('[["change",59999.5,90.0],["delete",59999.0,0.0]]', "[]")
    kept(
        tmp_path, "books", "BTC", [told(1, "snapshot", 7, 0, *BOOK, 1), told(2, "change", 9, 7, *changes, 2)]
    )
    kept(
        tmp_path,
        "future_trades",
        "BTC",
        [traded(2, "sell", 59999.5, 10.0, 1), traded(400, "buy", 60000.0, 5.0, 2)],
    )
    rows, blocks = messages(tmp_path)
    assert blocks == 2  # five minutes each
    assert rows == [
        (1.0, q.CLEAR, 0.0, 0.0, False),
        (1.0, q.BIDS, 59999.5, 100.0, False),
        (1.0, q.BIDS, 59999.0, 40.0, False),
        (1.0, q.ASKS, 60000.0, 70.0, False),
        (1.0, q.ASKS, 60000.5, 30.0, True),
        (2.0, q.SELL_TRADE, 59999.5, 10.0, True),
        (2.0, q.BIDS, 59999.5, 90.0, False),
        (2.0, q.BIDS, 59999.0, 0.0, True),
        (400.0, q.BUY_TRADE, 60000.0, 5.0, True),
    ]


def test_a_change_that_does_not_follow_loses_the_book_until_it_is_told_whole(tmp_path):
    lost = [told(2, "change", 11, 9, "[]", '[["change",60000.0,60.0]]', 2)]
    lost += [told(3, "change", 12, 11, "[]", '[["change",60000.0,50.0]]', 3)]
    again = [
        told(4, "snapshot", 20, 0, *BOOK, 4),
        told(5, "change", 21, 20, "[]", '[["delete",60000.0,0.0]]', 5),
    ]
    kept(tmp_path, "books", "BTC", [told(1, "snapshot", 7, 0, *BOOK, 1), *lost, *again])
    rows, _ = messages(tmp_path)
    assert [row[:2] for row in rows if row[1] in (q.GAP, q.CLEAR)] == [
        (1.0, q.CLEAR),
        (2.0, q.GAP),
        (4.0, q.CLEAR),
    ]
    assert [row for row in rows if row[0] in (2.0, 3.0)] == [(2.0, q.GAP, 0.0, 0.0, True)]
    assert rows[-1] == (5.0, q.ASKS, 60000.0, 0.0, True)


@pytest.mark.parametrize("channel", ["*", f"book.{NAME}.100ms"])
def test_what_was_not_heard_loses_the_book(tmp_path, channel):
    later = [
        told(9, "change", 8, 7, "[]", '[["change",60000.0,60.0]]', 2),
        told(10, "snapshot", 9, 0, *BOOK, 3),
    ]
    kept(tmp_path, "books", "BTC", [told(1, "snapshot", 7, 0, *BOOK, 1), *later])
    gap = {"ts_ns": START + 3 * SECOND, "known_ns": START + 5 * SECOND, "channel": channel, "reason": "lost"}
    kept(tmp_path, "gaps", "all", [gap])
    rows, _ = messages(tmp_path)
    assert [row[:2] for row in rows if row[1] in (q.GAP, q.CLEAR)] == [
        (1.0, q.CLEAR),
        (3.0, q.GAP),
        (10.0, q.CLEAR),
    ]
    assert not [row for row in rows if row[0] == 9.0]


def test_gaps_of_other_channels_do_not(tmp_path):
    kept(tmp_path, "books", "BTC", [told(1, "snapshot", 7, 0, *BOOK, 1)])
    gap = {"ts_ns": START + 3 * SECOND, "known_ns": START + 5 * SECOND, "channel": "book.BTC-PERPETUAL-X.raw"}
    kept(tmp_path, "gaps", "all", [gap | {"reason": "lost"}])
    assert q.GAP not in [row[1] for row in messages(tmp_path)[0]]


def test_windows_tell_what_changed_in_their_range(tmp_path):
    first = ("[[59999.5,100.0],[59999.0,40.0]]", "[[60000.0,70.0],[60000.5,30.0]]")
    moved = ("[[60000.0,20.0],[59999.5,100.0]]", "[[60000.5,35.0],[60001.0,9.0]]")
    kept(tmp_path, "books", "BTC", [told(1, "window", 0, 0, *first, 1), told(2, "window", 0, 0, *moved, 2)])
    rows, _ = messages(tmp_path)
    assert [row[:4] for row in rows if row[0] == 2.0] == [
        (2.0, q.ASKS, 60000.0, 0.0),  # would be shown; 59999.0 is out of range now, and stays
        (2.0, q.BIDS, 60000.0, 20.0),
        (2.0, q.BIDS, 59999.5, 100.0),
        (2.0, q.ASKS, 60000.5, 35.0),
        (2.0, q.ASKS, 60001.0, 9.0),
    ]


def test_orders_fill_against_what_was_recorded(tmp_path):
    changes = ('[["change",59999.5,30.0]]', "[]")
    kept(
        tmp_path, "books", "BTC", [told(1, "snapshot", 7, 0, *BOOK, 1), told(3, "change", 8, 7, *changes, 2)]
    )
    kept(
        tmp_path,
        "future_trades",
        "BTC",
        [traded(2.5, "sell", 59999.5, 70.0, 1), traded(4, "sell", 59999.5, 50.0, 2)],
    )
    with Store(tmp_path) as store:
        book = RecordedBook(book_feed(store, NAME, 0.5, START, START + 60 * SECOND), 0.5, 10.0, QueueModel())
        book.follow(START + 2 * SECOND)
        assert book.quote() == (59999.5, 60000.0)
        order = book.rest(True, 59999.5, 10.0)
        book.follow(START + 30 * SECOND)
    (fill,) = book.fills(order)  # 100 were ahead: 70 traded, 30 left, then 50 more
    assert (fill.ts_ns, fill.price, fill.amount, fill.maker) == (START + 4 * SECOND, 59999.5, 10.0, True)


@pytest.mark.parametrize(
    ("bids", "why"),
    [
        ('[["new",59999.7,1.0]]', "price 59999.7 is no multiple of the tick 0.5"),
        ('[["new","x",1.0]]', "levels cannot be read"),
        ("[[1", "levels cannot be read"),
        ('[["new",null,1.0]]', "levels cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, bids, why):
    kept(tmp_path, "books", "BTC", [told(1, "snapshot", 7, 0, bids, "[]", 1)])
    with pytest.raises(DataError, match=why):
        messages(tmp_path)


def test_levels_that_went_out_of_a_window_are_gone_when_they_would_be_in_it_again(tmp_path):
    """Asks of 60,000 are left behind when the price falls; it comes back above them."""
    rows = [("[[59999.5,1.0]]", "[[60000.0,1.0]]"), ("[[59990.0,1.0]]", "[[59990.5,1.0]]")]
    rows += [("[[60010.0,1.0]]", "[[60010.5,1.0]]")]
    kept(tmp_path, "books", "BTC", [told(k, "window", 0, 0, *levels, k) for k, levels in enumerate(rows, 1)])
    with Store(tmp_path) as store:
        book = RecordedBook(book_feed(store, NAME, 0.5, START, START + 60 * SECOND), 0.5, 0.1, QueueModel())
        book.follow(START + 3 * SECOND)
        assert (book.quote(), book.counts()["crossed"]) == ((60010.0, 60010.5), 0)


@pytest.mark.parametrize("seed", range(6))
def test_a_run_of_changes_reads_as_its_messages_one_by_one(tmp_path, seed):
    """Random books with changes out of sequence, snapshots in between, and what was not heard."""
    rng, rows, number = np.random.default_rng(seed), [told(1, "snapshot", 10, 0, *BOOK, 0)], 10
    for k in range(1, 200):
        skips = rng.random() < 0.05
        sort = "snapshot" if rng.random() < 0.05 else "change"
        before, number = number - 1 if skips else number, number + 1
        sides = [
            "".join(
                f',["change",{price + step * int(rng.integers(6))},{10.0 * k}]'
                for _ in range(rng.integers(3))
            )
            for price, step in ((59999.5, -0.5), (60000.0, 0.5))
        ]
        rows.append(told(1 + k // 3, sort, number, before, *(f"[{side[1:]}]" for side in sides), k))
    names = ("ts_ns", "type", "change_id", "prev_change_id", "bids", "asks")
    columns = {name: np.array([row[name] for row in rows], None if "_" in name else object) for name in names}
    lost = [START + 20 * SECOND, START + 21 * SECOND, START + 40 * SECOND]
    at_once, one_by_one = _Reader(NAME, 0.5), _Reader(NAME, 0.5)
    at_once.books(columns, list(lost))
    for k in range(len(rows)):
        due = [moment for moment in lost if moment <= rows[k]["ts_ns"]]
        lost = lost[len(due) :]
        one_by_one.books({name: column[k : k + 1] for name, column in columns.items()}, due)
    for found, expected in zip(at_once.taken(), one_by_one.taken(), strict=True):
        assert len(found) > 60
        assert found.tolist() == expected.tolist()


def long_recording(root, change_id=7):
    """Changes and a window over a quarter of an hour, trades, and what was not heard."""
    rows = [told(1, "snapshot", change_id, 0, *BOOK, 1)]
    for k in range(1, 90):
        levels = f'[["change",59999.5,{10.0 * k}]]', '[["delete",60000.5,0.0]]'
        rows.append(told(10 * k, "change", change_id + k, change_id + k - 1, *levels, k + 1))
    kept(root, "books", "BTC", rows)
    kept(root, "future_trades", "BTC", [traded(400 + k, "buy", 60000.0, 5.0 + k, k) for k in range(9)])


def windows(root):
    """Best levels only; the price falls in one block and comes back in the next."""
    prices = [(1, 60000.0), (200, 59990.0), (400, 60010.0)]
    rows = [
        told(s, "window", 0, 0, f"[[{p - 0.5},1.0]]", f"[[{p},1.0]]", k) for k, (s, p) in enumerate(prices)
    ]
    kept(root, "books", "BTC", rows)


@pytest.fixture
def texts_read(monkeypatch):
    """Kinds that were read from the store's texts."""
    found, read = [], Store.read
    monkeypatch.setattr(Store, "read", lambda self, *a, **k: found.append(a[0]) or read(self, *a, **k))
    return found


@pytest.mark.parametrize("recording", [long_recording, windows])
def test_what_was_read_once_reads_the_same_without_the_texts(tmp_path, texts_read, recording):
    recording(tmp_path)
    first = messages(tmp_path, 900)
    assert len(texts_read) == 9
    assert messages(tmp_path, 900) == first
    assert len(texts_read) == 9
    assert len(first[0]) >= 8


def test_the_book_goes_on_where_only_the_blocks_before_were_kept(tmp_path, texts_read):
    long_recording(tmp_path)
    whole = messages(tmp_path, 900)
    (tmp_path / "feeds" / NAME / "2026-09-01" / "1205.parquet").unlink()
    texts_read.clear()
    assert messages(tmp_path, 900) == whole
    assert texts_read == ["future_trades", "books", "gaps"]


def test_blocks_of_other_texts_are_made_anew(tmp_path):
    long_recording(tmp_path)
    before, _ = messages(tmp_path, 900)
    gap = {"ts_ns": START + 400 * SECOND, "known_ns": START + 401 * SECOND, "channel": "*", "reason": "lost"}
    kept(tmp_path, "gaps", "all", [gap])
    after, _ = messages(tmp_path, 900)
    assert (before[-1][0], after[-1][0]) == (890.0, 408.0)  # nothing but trades from the gap on
    assert [row[0] for row in after if row[1] == q.GAP] == [400.0]


def test_a_block_is_no_other_where_less_was_known_before(tmp_path):
    """From the second block on the book was never told whole."""
    long_recording(tmp_path)
    messages(tmp_path, 900)
    with Store(tmp_path) as store:
        late = list(book_feed(store, NAME, 0.5, START + 300 * SECOND, START + 900 * SECOND))
    assert [set(block.kind & ~np.uint8(q.LAST)) for block in late] == [{q.BUY_TRADE}]


def test_a_kept_block_that_is_not_whole_is_made_anew(tmp_path):
    long_recording(tmp_path)
    whole = messages(tmp_path, 900)
    path = tmp_path / "feeds" / NAME / "2026-09-01" / "1205.parquet"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:100])
    assert messages(tmp_path, 900) == whole
    assert path.stat().st_size == size


def test_a_store_that_cannot_be_written_is_read_and_says_so_once(tmp_path, caplog):
    long_recording(tmp_path)
    (tmp_path / "feeds").write_text("in the way")
    rows, _ = messages(tmp_path, 900)
    assert len(rows) > 100
    (told_once,) = caplog.records
    assert "feeds cannot be kept, the next run reads all texts again" in told_once.getMessage()
    assert (tmp_path / "feeds").read_text() == "in the way"


@pytest.mark.parametrize("seed", range(4))
def test_levels_are_read_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    shown = [
        ["0", "60000.5", "1e-8", "-0.25", "123456789012345678", "0.1", "4.35", "1.7976931348623157e308"][k]
        for k in rng.integers(0, 8, 400)
    ] + [repr(float(x)) for x in np.exp(rng.normal(0, 12, 2_000))]
    rng.shuffle(shown)
    actions = rng.choice(["new", "change", "delete", None], 1_200).tolist()
    levels = [
        f'["{action}",{p},{a}]' if action else f"[ {p}, {a} ]"
        for action, p, a in zip(actions, shown[::2], shown[1::2], strict=True)
    ]
    counts = [*rng.multinomial(1200, [1 / 100] * 100).tolist(), 0, 0]
    ends = np.cumsum(counts).tolist()
    texts = [f"[{','.join(levels[end - n : end])}]" for n, end in zip(counts, ends, strict=True)]
    texts[-1] = ""
    found, price, amount = q.read_levels(texts)
    assert found.tolist() == counts
    assert price.tolist() == [float(x) for x in shown[::2]]
    assert amount.tolist() == [
        0.0 if action == "delete" else float(x) for action, x in zip(actions, shown[1::2], strict=True)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[]]",
        "[[1,2]",
        "[[1]]",
        "[[1,2,3]]",
        '[["new,1,2]]',
        "[[1.,2]]",
        "[[.5,2]]",
        "[[1,2],]",
        "[[nan,1]]",
        "[[1,2]]\0[",
        "[] x",
        "[[1e,2]]",
        "{}",
    ],
)
def test_levels_of_another_form_are_not_guessed_at(text):
    assert q.read_levels(["[[1,2]]", text]) is None
