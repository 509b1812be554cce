"""What campaigns of faults share: their faults, lives of a session, and what its journal says."""

import json
import random
from collections import Counter, defaultdict

from gammacore.exchange import Fault, FaultPlan
from gammacore.exchange.faults import ON_CLOCK, ON_FRAME, ON_REQUEST
from gammacore.live.attempts import Booked, Placed
from gammacore.live.checkpoint import Checkpoints, recall
from gammacore.live.follow import Follower
from gammacore.live.journal import RecordKind, length, read
from gammacore.live.positions import Adopted, Foreign
from gammacore.live.records import decode_event, decode_fact
from support.live_world import Killed, Process

TROUBLE_S, CALM_S = 60.0, 45.0  # of faults; until delta must be back in its band
FRAMES = ("", "user.changes", "ticker.{}-PERPETUAL", "private/buy", "private/sell", "private/cancel")
KINDS = (*ON_REQUEST, *ON_FRAME, *ON_CLOCK)


def plan_of(rng, currency):
    """Some faults of some kinds, all over by the end of the trouble."""
    faults = []
    for kind in rng.sample(KINDS, rng.randrange(3, len(KINDS))):
        orders = kind in ("lost_request", "lost_response", "too_many_requests", "settlement")
        common = kind in ("delay", "duplicate", "reorder")
        frame = rng.choice(FRAMES).format(currency) if kind not in ON_CLOCK and not orders else ""
        faults.append(
            Fault(
                kind=kind,
                match="private/" if orders else frame,
                at_s=rng.uniform(0.0, TROUBLE_S / 2),
                until_s=TROUBLE_S,
                probability=1.0
                if kind in ("restart", "revoke")
                else rng.choice([0.02, 0.1] if common else [0.005, 0.05]),
                count=1 if kind == "revoke" else rng.randrange(1, 20 if common else 4),
                seconds=rng.uniform(0.05, 4.0),
            )
        )
    return FaultPlan(faults=tuple(faults), seed=rng.randrange(2**32))


def lives(world, path, config, rng, most_kills=4):
    """Live through the trouble, killed and stopped now and then; returns how often of each."""
    kills, stops, happened = rng.randrange(0, most_kills), rng.randrange(0, 2), Counter()
    end_ns = world.now_ns + int(TROUBLE_S * 1e9)
    while world.now_ns < end_ns:
        if kills:
            kills -= 1
            if rng.random() < 0.6:
                world.die_at_write = world.writes + rng.randrange(1, 60)
            else:
                world.die_in_journal = rng.choice(["block", "commit"]), rng.randrange(60)
        left_s, stops_now = (end_ns - world.now_ns) / 1e9, stops and rng.random() < 0.5
        if stops_now:
            left_s, stops = min(left_s, rng.uniform(1.0, 40.0)), stops - 1
        if not live(world, path, config, left_s, stops_now):
            happened["killed"] += 1
            world.pass_time(rng.uniform(0.1, 3.0))
        elif stops_now:
            happened["stopped"] += 1
            world.pass_time(rng.uniform(0.1, 3.0))
        happened["recalled"] += remember(path)
    world.die_at_write = world.die_in_journal = None
    return happened


def live(world, path, config, seconds, stops=False):
    """Whether a process lived for so long and closed its journal; stopped as by a signal, if asked."""
    try:
        process = Process(world, path, config)
    except Killed:
        return False
    if not process.run(seconds):
        return False
    if stops:
        process.hedger.stop("signal")
        if not process.run(10.0, lambda: process.hedger.quiet):
            return False
    return process.close()


def remember(path):
    """Let a follower leave a checkpoint at any record, where the next process begins; whether it can."""
    follower, records = Follower(path), length(path)
    follower.update(random.Random(records).choice([records, records // 2, records - 1]))
    Checkpoints(path, follower, 1).update()
    return recall(path) is not None


def facts_of(path):
    placed, booked, others, fills = [], [], [], []
    for record in read(path):
        if record.kind is RecordKind.FACT and record.name == "Placed":
            placed.append(decode_fact(record.body, Placed))
        elif record.kind is RecordKind.FACT and record.name == "Booked":
            booked.append(decode_fact(record.body, Booked))
        elif record.kind is RecordKind.FACT and record.name in ("Foreign", "Adopted"):
            others.append(decode_fact(record.body, Foreign if record.name == "Foreign" else Adopted))
        elif record.kind is RecordKind.EVENT and record.name in ("Fill", "Outside"):
            fills.append(decode_event(record.body))
    return (placed, booked, others), fills


def hedged_once(placed, booked):
    """No leg of an order was filled for more than it asked: its first attempt has the whole amount."""
    whole, filled, instrument = {}, defaultdict(float), {}
    for p in placed:
        legs = [(p.instrument, 1)] if p.combo is None else p.combo.legs
        for leg, ratio in legs:
            whole.setdefault((p.order_id, leg.name), p.amount * ratio)
        instrument[p.label] = p.instrument.name
    for trade in booked:
        order_id = trade.label.split("-", 1)[1].rsplit("-", 2)[0]
        filled[order_id, trade.leg or instrument[trade.label]] += trade.amount
    return all(abs(filled[key]) <= abs(whole[key]) + 1e-9 and filled[key] * whole[key] >= 0 for key in filled)


def run_batch(run_session, seeds, folder, capsys):
    """Run sessions and print what happened in them; every seed that fails is told, not only the first."""
    total, failed = Counter(), {}
    for seed in seeds:
        try:
            total += run_session(seed, folder / f"{seed}.db")
        except Exception as error:
            failed[seed] = f"{type(error).__name__}: {str(error)[:300]}"
        (folder / f"{seed}.db").unlink(missing_ok=True)
    with capsys.disabled():
        print(f"\nseeds {seeds.start} to {seeds.stop - 1}: {json.dumps(total)}")  # noqa: T201
    assert not failed, failed
