"""From when on trades are asked for, by the exchange's clock, and which are told; answers given by hand."""

import pytest

from gammacore.daycount import NS_PER_MINUTE
from gammacore.deribit.news import TradesPage
from gammacore.live.news import Answered
from gammacore.live.reconcile import OVERLAP_NS, Reconciler
from support.messages import account

NOW = 1_000_000 * NS_PER_MINUTE
TRADES = "private/get_user_trades_by_currency_and_time"


class Protocol:
    """Notes questions; :meth:`answers` are empty but for the account's."""

    def __init__(self, skew_s):
        self.skew_s, self.asked = skew_s, []

    def request(self, method, params, now_ns):
        self.asked.append((method.name, params))
        return len(self.asked)

    def answers(self):
        for number, (name, _) in enumerate(self.asked, 1):
            nothing = TradesPage((), False) if name == TRADES else ()
            yield Answered(NOW, number, name, account() if name.endswith("summary") else nothing)

    def spans(self):
        """Spans of time that trades were asked for, ns."""
        keys = "start_timestamp", "end_timestamp"
        return {
            tuple(params[key] * 1_000_000 for key in keys) for name, params in self.asked if name == TRADES
        }


@pytest.mark.parametrize("skew_s", [-900.0, 0.0, 900.0])
@pytest.mark.parametrize("since_ns", [None, NOW - 600 * NS_PER_MINUTE])
def test_trades_are_asked_for_by_the_exchanges_clock(skew_s, since_ns):
    """A session that was down asks for all since then; a fresh one, and later ones, for the last minutes."""
    theirs_ns, recently = NOW + int(skew_s) * 10**9, OVERLAP_NS
    reconciler, protocol = Reconciler(["BTC"], since_ns, ()), Protocol(skew_s)
    reconciler.begin(protocol, NOW)
    began_ns = theirs_ns - recently if since_ns is None else since_ns
    assert protocol.spans() == {(began_ns, theirs_ns + NS_PER_MINUTE)}
    assert len(protocol.asked) == 5  # orders, positions, the account, and trades of two stores
    for answer in protocol.answers():
        assert reconciler.finished(NOW) is None
        assert reconciler.take(answer, NOW)
    (found,) = reconciler.finished(NOW)
    assert (found.trades, found.earlier) == ((), ())
    again = Protocol(skew_s)
    reconciler.begin(again, NOW + 10 * NS_PER_MINUTE)
    assert again.spans() == {(theirs_ns - recently, theirs_ns + 11 * NS_PER_MINUTE)}
