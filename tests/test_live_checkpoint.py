"""A journal that is replayed from a checkpoint leads to what it leads to from its start."""

import hashlib
import math
import os
import pickle
import sqlite3
import time
from functools import partial

import msgspec
import pytest

from gammacore.live import checkpoint as checkpoint_module
from gammacore.live.about import Began
from gammacore.live.checkpoint import MAGIC, Checkpoints, checkpoint_of, recall
from gammacore.live.flatten import held_by
from gammacore.live.follow import Follower
from gammacore.live.journal import Journal, length
from gammacore.live.pace import Paces
from gammacore.live.parity import check
from gammacore.live.past import past_of
from support.live_world import Process, World, lively

VARIANTS = {
    "straddle": {},
    "linear": {"currency": "BTC_USDC", "hedge__target": "black"},
    "short": {"entry__side": "short"},
    "ladder": {"hedge__rule": "ladder"},
    "whalley_wilmott": {"hedge__rule": "whalley_wilmott", "hedge__risk_aversion": 50.0},
    "zakamouline": {"hedge__rule": "zakamouline", "hedge__risk_aversion": 50.0},
    "interval": {"hedge__rule": "interval", "hedge__every": "5s"},
    "move": {"hedge__rule": "move", "hedge__move": 0.0005},
    "usd_neutral": {"hedge__target": "usd_neutral"},
    "smile": {"hedge__smile": "sticky_delta"},
    "leland": {"hedge__rule": "interval", "hedge__every": "5s", "hedge__leland": True},
    "realised": {"hedge__vol": "realised"},
    "future": {"hedge__instrument": "future"},
    "signal": {"signal__min_edge": -0.5, "signal__min_probability": 0.001},
    "kelly": {"size__kelly": 0.25, "size__equity": 10.0, "signal__log_sd": 0.2},
    "margin": {"size__margin_share": 0.5, "size__equity": 10.0, "risk__max_margin_use": 0.9},
    "rules": {"exit__rules": {"drawdown": 0.5, "stop_loss": 0.9, "gamma_over_theta": {"below": 0.1}}},
    "roll": {"roll__when": {"max_days": 20 / 86_400}, "roll__into": {"structure": "strangle", "delta": 0.3}},
    "filters": {"signal__when": {"time_of_week": ["mon-sun"], "term_structure": {"min": -1.0}}},
    "combo": {"execution__combo": "prefer", "entry__structure": "strangle", "entry__delta": 0.3},
    "adopted": {"entry__structure": "none", "live__adopt": "all"},
    "episodes": {"hedge__scope": "episode"},
}


def session(tmp_path, seconds=30.0, **changes):
    """World, configuration and journal of a session that has run and ended."""
    linear = ("BTC",) if changes.get("currency") == "BTC_USDC" else ()
    world, config, path = World(linear=linear), lively(hedge__band=0.01, **changes), tmp_path / "j.db"
    go_on(world, path, config, seconds)
    return world, config, path


def go_on(world, path, config, seconds):
    process = Process(world, path, config)
    process.run(seconds)
    process.close()
    return process.hedger


def kept(path, most=None):
    """A follower of the first records, and the checkpoint that it left."""
    follower = Follower(path, paces=Paces())
    follower.update(most)
    checkpoint_of(path).unlink(missing_ok=True)
    Checkpoints(path, follower, every=1).update()
    return follower


def state(past):
    portfolio = past.desk.portfolio
    books = [
        (e.number, e.ledger.profit(), e.hedge.amount, dict(e.legs), e.hedges) for e in portfolio.accounts
    ]
    facts = past.seq, past.events, past.commands, past.starts, past.placed, past.booked, past.known
    kept = past.session, past.start_ns, past.began, past.since_ns, past.shares, past.day_start, past.highs
    return books, portfolio.positions(), past.desk.market.ts_ns, past.desk.next_deadline(), facts, kept


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_session_goes_on_from_a_checkpoint_as_from_the_start(changes, tmp_path):
    world, config, path = session(tmp_path, **changes)
    whole = state(past_of(path, config, world.now_ns))
    for most in (length(path) // 3, length(path) // 2, None):
        follower = kept(path, most)
        assert recall(path).seq == follower.seq  # so it is used
        assert state(past_of(path, config, world.now_ns)) == whole
    go_on(world, path, config, 20.0)  # from the checkpoint
    told = check(path)  # from the start
    assert told.departure is None
    assert told.starts == 2


def test_who_looks_on_sees_the_same_and_reads_only_what_is_new(tmp_path):
    _, _, path = session(tmp_path, 60.0)
    whole = Follower(path, paces=Paces())
    whole.update()
    records = kept(path, length(path) // 2).seq
    found = Follower(path, paces=Paces())
    assert found.update() == whole.seq - records
    assert (found.seq, found.path) == (whole.seq, path)
    assert state(found) == state(whole)
    assert found.explain() == whole.explain()
    assert (found.fills, found.filled, found.mode, found.refused) == (
        whole.fills,
        whole.filled,
        whole.mode,
        whole.refused,
    )
    held = whole.desk.portfolio.open
    assert held
    for number, episode in held.items():
        told = found.paces.told(found.desk.portfolio.open[number], found.desk.market)
        assert told == whole.paces.told(episode, whole.desk.market) != ""


def test_what_is_closed_by_hand_is_known_from_a_checkpoint(tmp_path):
    world, _, path = session(tmp_path)
    with Journal(path) as journal:
        journal.told(Began(world.now_ns, "0", "local", paper=False, speed=1.0))
        journal.flush()
    whole = held_by(path)
    kept(path, length(path) // 2)
    assert held_by(path) == whole
    assert whole.positions
    assert whole.known


def test_another_grain_of_the_path_is_read_from_the_start(tmp_path):
    _, _, path = session(tmp_path)
    records = kept(path).seq
    assert Follower(path, 5_000_000_000).update() == records
    assert Follower(path).update() == 0


def edit(path, change):
    lines = path.read_bytes().split(b"\n", 2)
    change(lines)
    path.write_bytes(b"\n".join(lines))


def flipped(lines):
    lines[2] = lines[2][:-20] + bytes([lines[2][-20] ^ 1]) + lines[2][-19:]


class Evil:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-checkpoint",)


# subprocess.Popen(["mkdir", "made-by-a-checkpoint"]), by the name that a module of ours has it under
BORROWED = (
    b"\x80\x04\x8c\x15gammacore.live.launch\x8c\x10subprocess.Popen\x93"
    b"]\x8c\x05mkdira\x8c\x14made-by-a-checkpointa\x85R."
)


def evil(lines, state=None):
    lines[2] = pickle.dumps(Evil()) if state is None else state
    stamp = msgspec.json.decode(lines[1]) | {"state": hashlib.sha256(lines[2]).hexdigest()}
    lines[1] = msgspec.json.encode(stamp)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: edit(path, flipped), "not as it was written"),
        (lambda path: edit(path, evil), "is not expected here"),
        (lambda path: edit(path, partial(evil, state=BORROWED)), "subprocess.Popen is not expected here"),
        (lambda path: edit(path, lambda lines: lines.__setitem__(0, b"something else")), "no checkpoint"),
        (lambda path: edit(path, lambda lines: lines.__setitem__(1, b"{}")), "code"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), ""),
        (lambda path: path.write_bytes(b""), "no checkpoint"),
        (lambda path: path.chmod(0o666), "others may write it"),
        (lambda path: path.chmod(0o620), "others may write it"),
    ],
)
def test_one_that_does_not_fit_is_not_used(spoil, reason, tmp_path, caplog, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world, config, path = session(tmp_path)
    whole = state(past_of(path, config, world.now_ns))
    kept(path)
    spoil(checkpoint_of(path))
    caplog.set_level("INFO", "gammacore.live")
    caplog.clear()
    assert state(past_of(path, config, world.now_ns)) == whole
    (said,) = [record for record in caplog.records if record.message == "checkpoint not used"]
    assert reason in said.reason
    time.sleep(0.2)  # for a process to do what it should not
    assert not (tmp_path / "made-by-a-checkpoint").exists()


def test_one_of_other_code_or_of_another_journal_is_not_used(tmp_path, monkeypatch):
    world, _, path = session(tmp_path)
    kept(path)
    other = tmp_path / "other"
    other.mkdir()
    _, _, second = session(other, 40.0, entry__side="short")
    checkpoint_of(second).write_bytes(checkpoint_of(path).read_bytes())
    assert recall(second) is None
    assert past_of(second, lively(hedge__band=0.01, entry__side="short"), world.now_ns).seq == length(second)
    monkeypatch.setattr(checkpoint_module, "code_digest", lambda: "of tomorrow")
    assert recall(path) is None


def test_a_journal_that_ends_before_its_checkpoint_is_replayed_from_its_start(tmp_path):
    """As after a loss of power, which may take the last commits."""
    world, config, path = session(tmp_path)
    records = kept(path).seq
    with sqlite3.connect(path) as db:
        db.execute("delete from records where seq > ?", (records - 10,))
    db.close()
    assert recall(path) is None
    assert past_of(path, config, world.now_ns).seq == records - 10


def test_another_configuration_is_refused_from_a_checkpoint_too(tmp_path):
    world, _, path = session(tmp_path)
    kept(path)
    with pytest.raises(Exception, match="kept with another configuration"):
        past_of(path, lively(hedge__band=0.05), world.now_ns)


def test_none_is_written_where_decisions_differ_or_a_file_is_in_the_way(tmp_path, caplog):
    _, _, path = session(tmp_path)
    follower = Follower(path)
    follower.update()
    file = checkpoint_of(path)
    file.write_text("mine")
    Checkpoints(path, follower, every=1).update()
    assert file.read_text() == "mine"
    assert "in the way of the checkpoint, and not ours" in caplog.records[-1].reason
    file.unlink()
    follower.departure = object()
    Checkpoints(path, follower, every=1).update()
    assert not file.exists()
    follower.departure = None
    Checkpoints(path, follower, every=1).update()
    assert file.read_bytes().startswith(MAGIC)
    assert file.stat().st_mode & 0o077 == 0


def test_none_is_written_of_code_that_may_remember(tmp_path):
    _, _, path = session(tmp_path)
    follower = Follower(path)
    follower.update()
    follower.config.code["rules"] = object()
    Checkpoints(path, follower, every=1).update()
    assert not checkpoint_of(path).exists()


def test_they_are_written_rarely(tmp_path, monkeypatch):
    _, _, path = session(tmp_path)
    now_s, written = [1_000.0], []
    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: now_s[0])

    def write(journal, told, code):
        written.append(told.seq)
        now_s[0] += 0.5

    monkeypatch.setattr(checkpoint_module, "_write", write)
    follower = Follower(path)
    checkpoints = Checkpoints(path, follower, every=20)
    for passed_s in (0.0, 0.0, 40.0, 20.0, 0.0, 500.0):
        follower.update(15)
        now_s[0] += passed_s
        checkpoints.update()
    assert written == [30, 60, 90]  # 20 records later, and a hundred times as long as it took


def test_a_full_disk_hurts_nothing(tmp_path, monkeypatch, caplog):
    _, _, path = session(tmp_path)
    monkeypatch.setattr(
        checkpoint_module.os, "replace", lambda *names: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    kept(path)
    assert "No space left" in caplog.records[-1].reason
    assert not [file for file in tmp_path.iterdir() if "checkpoint" in file.name]
    assert math.isfinite(Follower(path).update())
