"""Bars that the desk need not see: handling them would leave the same state.

Within a run of bars only the hedge changes. So what the options ask for is worked out once for all of it, and
compiled code looks for the next bar at which the policy fires. Where a decision depends on more, the policy
is asked of a window of bars at a time.
"""

from __future__ import annotations

import numpy as np

from gammacore import _replay
from gammacore.contracts import Option
from gammacore.desk import Desk
from gammacore.episode import Episode
from gammacore.execution.costs import HOURS
from gammacore.hedging import Moment
from gammacore.hedging.ladder import reached

from .compiled import bars_of, plan_of
from .price_block import PriceBlock

_FREE = (0.0, False)
# Where nothing is traded, a contract is its settlement.
_BARE = {inverse: _replay.Contract(inverse, True, [0.0] * HOURS, _FREE, _FREE) for inverse in (False, True)}
WINDOW = 512  # bars looked at together: long enough to vectorise, short enough not to waste


class QuietBars:
    """Finds the bars of a run at which a desk may decide something.

    Parameters
    ----------
    desk : Desk
    block : PriceBlock
        The run.
    """

    def __init__(self, desk: Desk, block: PriceBlock) -> None:
        self._desk, self._block, self._end = desk, block, block.entry + len(block)
        self._searches: dict[int, tuple[dict[Option, float], _replay.Plan, _replay.Bars]] = {}

    def next(self, i: int) -> int:
        """Find the first entry from ``i`` on that the desk has to see, or the end of the run."""
        first = self._end
        if self._desk.policy.snapshots_only:
            return first
        for account in self._desk.portfolio.hedged:
            if account.legs and i < first:
                first = min(first, self._next(account, i))
        return first

    def _next(self, account: Episode, i: int) -> int:
        target, hedge = self._desk.hedge.target, account.hedge
        own_equity = target.numeraire == "usd_neutral" and hedge.inverse
        if own_equity or target.ignore_vol or account.pending or account.resting:
            return self._asked(account, i)
        search = self._searches.get(account.number)
        if search is None or search[0] != account.legs:
            self._searches[account.number] = search = self._search(account)
        (_, plan, bars), start = search, self._block.entry
        last = account.last_hedge_ns, account.last_hedge_price
        return start + plan.next(bars, i - start, hedge.amount, *last)

    def _search(self, account: Episode) -> tuple[dict[Option, float], _replay.Plan, _replay.Bars]:
        """Work out what the run asks of an account's hedge."""
        target, policy, block = self._desk.hedge.target, self._desk.policy, self._block
        seen = target.inputs(account, block, policy)
        moment = Moment(block.ts_ns, None, seen.price, seen.gamma, seen.vol, seen.tau, 0, 0.0)
        bars = bars_of(_BARE[account.hedge.inverse], block, seen, None)
        return dict(account.legs), plan_of(policy, moment, target.delta, own_equity=False), bars

    def _asked(self, account: Episode, i: int) -> int:
        """Ask the policy itself, and whether a price goes through what rests."""
        target, policy = self._desk.hedge.target, self._desk.policy
        for start in range(i, self._end, WINDOW):
            view = self._block.window(start, min(start + WINDOW, self._end))
            seen = target.moment(account, view, policy, deciding=True)
            fires = policy.fires(seen)
            for order in account.resting.values():
                fires = fires | reached(order, seen.price)
            hit = int(np.argmax(fires))
            if fires[hit]:
                return start + hit
        return self._end
