"""The trail of a session against the tape that its events came from: the same lines, the same alarm."""

from collections import deque

import numpy as np
import pytest

from gammacore import inverse
from gammacore.attribution import attribute, share_of
from gammacore.backtest.replay.build import build_exchange
from gammacore.backtest.replay.runner import replay
from gammacore.build import build_desk
from gammacore.live.follow import Trail, carried
from support.markets import build
from support.tapes import minute_tape

SETTING = {"entry.max_days": 7.0, "entry.min_days": 6.0, "hedge.rule": "interval", "hedge.every": "1h"}


def followed(tape):
    """A desk that hears the events of a tape one by one, and the trail of what it saw."""
    config = build(SETTING)
    desk, exchange, trail = build_desk(config), build_exchange(config, tape), Trail(every_ns=1)
    for i in range(len(tape)):
        queue = deque([tape.snapshot(i) if tape.chain_at[i] >= 0 else tape.price(i)])
        while queue:
            event = queue.popleft()
            fills = exchange.observe(event)
            for command in desk.handle(event):
                queue.extend(exchange.submit(command))
            queue.extend(fills)
            trail.add(event, desk)
    trail.freeze()
    return desk, trail


def explained(tape):
    desk, trail = followed(tape)
    (episode,) = (e for e in desk.portfolio.episodes if e.entered)
    return attribute(carried(episode, desk, trail.last_marks()), trail, len(trail) - 1)


def test_a_trail_explains_what_the_tape_does():
    tape = minute_tape(days=2.8)
    theirs = replay(build(SETTING), tape).episode_runs[0].attribution
    ours = explained(tape)
    for line in ("delta", "gamma", "theta", "vega", "hedge", "fees", "spread"):
        assert ours.totals[line].coin == pytest.approx(theirs.totals[line].coin, abs=3e-4), line


@pytest.mark.parametrize(("wrong", "alarm"), [(False, False), (True, True)])
def test_marks_that_the_model_does_not_meet_raise_the_alarm(wrong, alarm):
    tape = minute_tape(days=2.8)
    iv, chains = tape.chains.iv, tape.chains
    tau = (chains.expiry_ns - chains.ts_ns) / (365 * 86_400e9)
    chains.mark[:] = inverse.price(chains.kind, chains.forward, chains.strike, tau, iv)
    if wrong:
        later = chains.ts_ns > chains.snapshot_ts[1]
        chains.mark[:] *= np.where(later, 1.2, 1.0)
    share = share_of("unexplained", [explained(tape).sizes])
    assert (share > 0.05) == alarm, share
