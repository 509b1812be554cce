"""A session does not grow: what it keeps per price, order and tick is given back."""

import gc
import tracemalloc
from pathlib import Path

from gammacore.exchange import MarketModel
from support.live_world import Process, World, lively

WARM_S, WATCHED_S = 200.0, 400.0
MOST = 160 * 1024  # bytes in seven minutes: what is bounded fills up; a list of events alone has more


def test_memory_is_flat(tmp_path):
    world = World(seed=5, models={"BTC": MarketModel(vol=1.0)}, linear=(), tick_ms=1000)
    process = Process(world, tmp_path / "j.db", lively(hedge__band=0.02))
    hedger, seen = process.hedger, []
    original, start = hedger.on_tick, world.now_ns

    def on_tick(now_ns):
        original(now_ns)
        elapsed = (world.now_ns - start) / 1e9
        if (not seen and elapsed > WARM_S) or (len(seen) == 1 and elapsed > WARM_S + WATCHED_S):
            if not seen:
                tracemalloc.start()
            gc.collect()
            seen.append(tracemalloc.take_snapshot())

    hedger.on_tick = on_tick
    try:
        process.run(WARM_S + WATCHED_S + 5)
    finally:
        tracemalloc.stop()
    process.close()
    before, after = seen
    ours = [
        change
        for change in after.compare_to(before, "lineno")
        if {"gammacore", "live"} & set(Path(change.traceback[0].filename).parts)
        and not {"simulator", "tests"} & set(Path(change.traceback[0].filename).parts)
    ]
    assert hedger.filled > 3
    assert hedger.desk.market.index > 0
    assert sum(change.size_diff for change in ours) < MOST, [str(change) for change in ours[:10]]
