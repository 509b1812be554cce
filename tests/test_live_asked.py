"""Questions under way: whoever asked is told, once, and nobody is asked twice at once."""

from itertools import count

import pytest

from gammacore.deribit.codes import Fate
from gammacore.deribit.methods import GET_POSITIONS, STATUS
from gammacore.live.asked import Asked, Question
from gammacore.live.news import Answered, Expired, Lost, Refused


class Session:
    def __init__(self):
        self.ids, self.asked = count(1), []

    def request(self, method, params, *, timeout_s=10.0):
        self.asked.append((method.name, params))
        return next(self.ids)


def answered(id_, result):
    return Answered(0, id_, "any", result)


def ends(id_):
    return [
        Refused(0, id_, "any", 10001, "error", "", Fate.UNKNOWN),
        Expired(0, id_, "any", Fate.RETRY),
        Lost(0, id_, "any", Fate.RETRY),
    ]


def test_who_asked_is_told_once():
    asked, told = Asked(Session()), []
    first = asked.ask(GET_POSITIONS, {}, lambda found: told.append(("first", found)))
    second = asked.ask(GET_POSITIONS, {}, lambda found: told.append(("second", found)))
    asked.answered(answered(second, ()))
    asked.answered(answered(second, ()))
    asked.answered(answered(99, ()))  # of nobody's question
    assert (told, asked.waits(first), asked.waits(second)) == ([("second", ())], True, False)


@pytest.mark.parametrize("end", range(3))
def test_a_question_without_an_answer_may_be_asked_again(end):
    session, told = Session(), []
    question = Question(Asked(session), STATUS, told.append)
    question.ask(a=1)
    question.ask(a=2)  # under way
    assert (session.asked, question.under_way) == ([("public/status", {"a": 1})], True)
    question._asked.failed(ends(1)[end])
    assert not question.under_way
    question.ask(a=3)
    question._asked.answered(answered(2, "open"))
    assert (len(session.asked), told, question.under_way) == (2, ["open"], False)


def test_of_a_lost_connection_only_orders_are_waited_for():
    asked, failed, told = Asked(Session()), [], []
    question = asked.ask(STATUS, {}, told.append)
    asked.expect(7, "a label", told.append, failed.append)
    asked.forget()
    assert (asked.waits(question), asked.waits(7)) == (False, True)
    lost = ends(7)[2]
    asked.failed(lost)
    asked.failed(lost)
    asked.answered(answered(question, "late"))
    assert (failed, told) == ([lost], [])


def test_a_refusal_is_logged_with_what_it_was_about(caplog):
    asked = Asked(Session())
    asked.expect(3, "g1-0-hedge-1-0-0", print, lambda news: None)
    asked.failed(ends(3)[0])
    (record,) = caplog.records
    assert (record.message, record.request, record.about) == ("refused", "any", "g1-0-hedge-1-0-0")
