"""Which positions are taken over, and whose labels are which."""

import pytest

from gammacore.contracts import Perpetual, Settlement, parse
from gammacore.errors import ConfigError
from gammacore.live.selection import Selection, selection_of, session_of
from support.markets import build

CALL, PUT = parse("BTC-27MAR26-100000-C"), parse("BTC-26JUN26-90000-P")


def test_without_rules_all_options_of_the_currency_are_taken():
    every = Selection("BTC", Settlement.INVERSE)
    others = ("ETH-27MAR26-3000-C", "BTC_USDC-27MAR26-100000-C", "BTC-PERPETUAL", "BTC-27MAR26")
    assert every.takes(CALL)
    assert every.takes(PUT)
    assert not any(every.takes(parse(name)) for name in others)
    assert every.asks("")
    assert every.asks("anything")


@pytest.mark.parametrize(
    ("rules", "call", "put"),
    [
        ({"expiries": (CALL.expiry_ns,)}, True, False),
        ({"instruments": ("*-P",)}, False, True),
        ({"instruments": ("*-P", CALL.name)}, True, True),
        ({"expiries": (CALL.expiry_ns,), "instruments": ("*-P",)}, False, False),  # all of them must fit
    ],
)
def test_rules_choose(rules, call, put):
    chosen = Selection("BTC", Settlement.INVERSE, **rules)
    assert (chosen.takes(CALL), chosen.takes(PUT)) == (call, put)


def test_a_selection_is_that_of_the_configuration():
    assert selection_of(build({})) is None
    config = build(
        {
            "live.adopt": "all",
            "live.adopt_expiries": ["27MAR26"],
            "live.adopt_labels": ["mine-*"],
            "live.adopt_futures": True,
            "live.adopt_basis": "average",
        }
    )
    found = selection_of(config)
    assert found == Selection(
        "BTC", Settlement.INVERSE, (CALL.expiry_ns,), (), ("mine-*",), futures=True, average=True
    )
    assert found.takes(Perpetual("BTC", Settlement.INVERSE))
    assert (found.asks("mine-7"), found.asks("")) == (True, False)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"live.adopt_expiries": ["27MAR26"]}, "live.adopt_expiries: expected live.adopt = all, got 'none'"),
        ({"live.adopt_futures": True}, "live.adopt_futures: expected live.adopt = all, got 'none'"),
        (
            {"live.adopt": "all", "live.adopt_expiries": ["27MRZ26"]},
            "live.adopt_expiries: expected days such as 27MAR26, got '27MRZ26'",
        ),
        ({"live.adopt": "all", "hedge.scope": "episode"}, "hedge.scope: "),
        ({"live.adopt": "all", "hedge.instrument": "future"}, "hedge.instrument: "),
        ({"live.adopt": "all", "hedge.rule": "ladder"}, "hedge.rule: 'ladder' hedges long options only"),
    ],
)
def test_selections_that_cannot_be_are_refused(settings, told):
    with pytest.raises(ConfigError) as refused:
        build(settings)
    assert str(refused.value).startswith(told)


@pytest.mark.parametrize(
    ("label", "session"),
    [
        ("g1a21526e47b-0-hedge-12-0-1", "g1a21526e47b"),
        ("direct-1a21526e47b", "g1a21526e47b"),
        ("gamma-bot-1", ""),
        ("", ""),
        ("g", ""),
    ],
)
def test_a_label_tells_its_session(label, session):
    assert session_of(label) == session
