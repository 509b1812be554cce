"""Orders and questions about them: what is sent, and who hears the answers."""

from itertools import count
from types import SimpleNamespace

import msgspec
import pytest

from gammacore.contracts import Combo, parse
from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND
from gammacore.deribit.codes import Fate
from gammacore.deribit.news import ComboListing, TradesPage
from gammacore.live.actions import CancelPlaced, MakeCombo, Place, Query, QueryKind
from gammacore.live.asked import Asked
from gammacore.live.attempts import Placed
from gammacore.live.dispatch import Dispatch
from gammacore.live.news import Answered, Lost, Refused

NOW = 1_790_000_000 * NS_PER_SECOND
PERPETUAL, CALL, PUT = map(parse, ("BTC-PERPETUAL", "BTC-16JAN26-60000-C", "BTC-16JAN26-60000-P"))
LABEL = "g1-0-hedge-1-0-0"
PLACED = Placed(NOW, LABEL, "0-hedge-1", 0, PERPETUAL, -10.0, 6e4, False, True, NOW + 5 * NS_PER_SECOND)


class Exchange:
    """Notes what is asked; everything that is told ends in ``told``."""

    def __init__(self, placed=PLACED):
        self.numbers, self.asked, self.told = count(1), [], []
        note = self.note
        execution = SimpleNamespace(
            placed=lambda label: placed,
            order=lambda order, now_ns: note("order", order),
            refused=lambda label, fate, reason, now_ns, hopeless: note("refused", label, fate, hopeless),
            not_cancelled=lambda label, now_ns: note("not cancelled", label),
            looked_up=lambda label, orders, now_ns: note("looked up", label, orders),
            all_trades_seen=lambda label, now_ns: note("all seen", label),
            combo_made=lambda order_id, combo, why, now_ns: note("combo", order_id, combo, why),
        )
        risk = SimpleNamespace(
            sent=lambda at: note("sent", at),
            accepted=lambda: note("accepted"),
            refused=lambda code, message, now_ns: None,
            locked=lambda where, locked: note("locked", where),
        )
        feed = SimpleNamespace(currency="BTC")
        parts = SimpleNamespace(session=self, execution=execution, risk=risk, feed=feed)
        self.requests = Asked(self)
        trade, locked = (lambda trade: note("trade", trade.trade_id)), (lambda: note("ask for locks"))
        self.dispatch = Dispatch(parts, self.requests, trade, locked, lambda: NOW, 5.0)

    def note(self, *what):
        self.told.append(what)

    def request(self, method, params, *, timeout_s=10.0):
        self.asked.append((method.name.partition("/")[2], params))
        return next(self.numbers)

    def send_order(self, instrument, amount, *, timeout_s, **options):
        return self.request(SimpleNamespace(name="private/order"), {"amount": amount, **options})

    def cancel(self, order_id):
        return self.request(SimpleNamespace(name="private/cancel"), {"order_id": order_id})

    def answer(self, result):
        self.requests.answered(Answered(NOW, len(self.asked), "any", result))

    def refuse(self, code, fate=Fate.REJECTED):
        self.requests.failed(Refused(NOW, len(self.asked), "any", code, "no", "", fate))


def trade(number, label=LABEL, ts_ns=NOW):
    return SimpleNamespace(trade_id=str(number), label=label, ts_ns=ts_ns)


def test_an_order_goes_out_once_and_its_answer_comes_back():
    exchange = Exchange()
    exchange.dispatch.send(Place(PLACED))
    [(_, sent)] = exchange.asked
    assert (sent["amount"], sent["label"], sent["limit"]) == (-10.0, LABEL, 6e4)
    assert (sent["time_in_force"], sent["post_only"], sent["reject_post_only"]) == (
        "immediate_or_cancel",
        False,
        True,
    )
    exchange.answer(SimpleNamespace(order="open"))
    assert exchange.told == [("sent", NOW), ("accepted",), ("order", "open")]
    assert exchange.dispatch.sent == 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (11098, [("locked", "account ALL"), ("refused", LABEL, Fate.REJECTED, True)]),
        (10019, [("ask for locks",), ("refused", LABEL, Fate.REJECTED, True)]),
        (11051, [("ask for locks",), ("refused", LABEL, Fate.REJECTED, True)]),
        (10007, [("refused", LABEL, Fate.REJECTED, False)]),  # of the price
        (0, [("refused", LABEL, Fate.REJECTED, False)]),  # it was not sent
    ],
)
def test_what_a_refusal_leads_to(code, told):
    exchange = Exchange()
    exchange.dispatch.send(Place(PLACED))
    exchange.refuse(code)
    assert exchange.told[1:] == told


def test_a_cancellation_without_success_is_told():
    exchange = Exchange()
    exchange.dispatch.send(CancelPlaced(LABEL, "7"))
    assert exchange.asked == [("cancel", {"order_id": "7"})]
    exchange.requests.failed(Lost(NOW, 1, "any", Fate.UNKNOWN))
    assert exchange.told == [("not cancelled", LABEL)]


def test_an_order_is_looked_up_by_its_label():
    exchange = Exchange()
    exchange.dispatch.send(Query(QueryKind.STATE, PLACED, "7"))
    assert exchange.asked == [("get_order_state_by_label", {"currency": "BTC", "label": LABEL})]
    exchange.answer(("an order",))
    exchange.dispatch.send(Query(QueryKind.FILLS, PLACED, "7"))
    exchange.answer([trade(1), trade(2)])
    assert exchange.told == [("looked up", LABEL, ("an order",)), ("trade", "1"), ("trade", "2")]


def test_trades_of_an_order_are_asked_for_page_by_page_in_both_stores():
    exchange = Exchange()
    exchange.dispatch.send(Query(QueryKind.TRADES, PLACED, ""))
    later = NOW + 7 * NS_PER_SECOND
    exchange.answer(TradesPage((trade(1), trade(2, "the holder's"), trade(3, ts_ns=later)), True))
    exchange.answer(TradesPage((trade(3, ts_ns=later),), False))
    exchange.answer(TradesPage((), False))
    starts = [(params["start_timestamp"], params["historical"]) for _, params in exchange.asked]
    first = (NOW - NS_PER_MINUTE) // 1_000_000
    assert starts == [(first, False), (later // 1_000_000, False), (first, True)]
    assert exchange.told == [("trade", "1"), ("trade", "3"), ("trade", "3"), ("all seen", LABEL)]


def test_trades_of_a_combos_order_are_asked_for_by_their_currency():
    """Its legs are traded under names of their own."""
    combo = Combo("BTC-STRD-16JAN26-60000", ((CALL, 1), (PUT, 1)))
    placed = msgspec.structs.replace(PLACED, combo=combo)
    exchange = Exchange(placed)
    exchange.dispatch.send(Query(QueryKind.TRADES, placed, ""))
    exchange.answer(TradesPage((trade(1),), False))
    exchange.answer(TradesPage((), False))
    assert {method for method, _ in exchange.asked} == {"get_user_trades_by_currency_and_time"}
    assert {params["currency"] for _, params in exchange.asked} == {"BTC"}
    assert exchange.told == [("trade", "1"), ("all seen", LABEL)]


@pytest.mark.parametrize("answer", ["active", "inactive", "refused"])
def test_a_combo_is_asked_for_and_told_with_what_stands_against_it(answer):
    exchange = Exchange()
    exchange.dispatch.send(MakeCombo("0-entry-0", ((CALL, 1), (PUT, 1))))
    ((method, params),) = exchange.asked
    legs = [{"instrument_name": leg.name, "amount": 1, "direction": "buy"} for leg in (CALL, PUT)]
    assert (method, params) == ("create_combo", {"trades": legs})
    if answer == "refused":
        exchange.refuse(10040)
        assert exchange.told == [("combo", "0-entry-0", None, "10040 no")]
        return
    name = "BTC-STRD-16JAN26-60000"
    exchange.answer(ComboListing(NOW, name, answer, ((CALL, 1), (PUT, 1)), NOW))
    combo = Combo(name, ((CALL, 1), (PUT, 1))) if answer == "active" else None
    why = "" if answer == "active" else f"{name} is inactive"
    assert exchange.told == [("combo", "0-entry-0", combo, why)]


def test_nothing_more_is_asked_of_an_order_that_is_over():
    exchange = Exchange(placed=None)
    exchange.dispatch.ask_trades(PLACED, NOW)
    exchange.answer(TradesPage((trade(1),), True))
    assert (len(exchange.asked), exchange.told) == (1, [("trade", "1")])
