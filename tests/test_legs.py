"""The grammar of legs, and what the structures that have names are made of."""

import pytest

from gammacore.config import load_config
from gammacore.errors import ConfigError
from gammacore.legs import STRUCTURES, ExpiryRule, StrikeRule, parse_expiry, parse_strike, preset


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("atm", StrikeRule("atm")),
        ("ATM + 2", StrikeRule("atm", steps=2)),
        ("atm-1", StrikeRule("atm", steps=-1)),
        ("delta 0.25", StrikeRule("delta", 0.25)),
        ("delta 0.1 - 1", StrikeRule("delta", 0.1, -1)),
        ("moneyness 1.05", StrikeRule("moneyness", 1.05)),
        ("sd -0.5", StrikeRule("sd", -0.5)),
        ("leg 1", StrikeRule("leg", 1)),
        ("leg 2 + 3", StrikeRule("leg", 2, 3)),
        (60_000, StrikeRule("price", 60e3)),
        ("2.4", StrikeRule("price", 2.4)),
    ],
)
def test_strikes(text, rule):
    assert parse_strike(text) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("6d-9d", ExpiryRule("window", 6, 9)),
        ("6d to 9.5d", ExpiryRule("window", 6, 9.5)),
        ("30d", ExpiryRule("window", 30, 30)),
        ("Friday 2", ExpiryRule("friday", 2)),
        ("leg 1", ExpiryRule("leg", 1, 0)),
        ("leg 1 + 7d", ExpiryRule("leg", 1, 7)),
    ],
)
def test_expiries(text, rule):
    assert parse_expiry(text) == rule


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strike": "atn"}, r"entry.legs\[0\].strike: expected atm, .*got 'atn'; did you mean 'atm'\?"),
        ({"strike": "dleta 0.3"}, "did you mean 'delta'"),
        ({"strike": "delta 1.3"}, "a delta between 0 and 1"),
        ({"strike": "delta"}, "expected atm, "),
        ({"strike": "moneyness -1"}, "positive number"),
        ({"strike": 0}, "positive number"),
        ({"expiry": "9d-6d"}, r"entry.legs\[0\].expiry: expected the fewer days first, got '9d-6d'"),
        ({"expiry": "friday 0"}, "positive number"),
        ({"expiry": "next week"}, "expected 6d-9d, friday 2, "),
        ({"amount": 0}, r"entry.legs\[0\].amount: .*got 0"),
        ({"strike": "leg 1"}, r"entry.legs\[0\].strike: expected one of the legs before it, got leg 1"),
        ({"expiry": "leg 3 + 7d"}, r"entry.legs\[0\].expiry: expected one of the legs before it, got leg 3"),
        ({"implied": 0.5}, r"entry.legs\[0\].implied: the market says it"),
        ({"kind": "straddle"}, r"entry.legs\[0\].kind: expected one of call, put, got 'straddle'"),
    ],
)
def test_what_is_no_leg_is_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, {"entry.legs": [{"kind": "call"} | changes]})


def test_a_structure_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"entry.structure: expected one of .* mean iron_butterfly\?"):
        load_config(None, {"entry.structure": "iron_buterfly"})
    with pytest.raises(ConfigError, match="did you mean 'strangle'"):
        preset("strangel")


# Net amounts of calls and of puts, and of all: what each is by definition.
NET = {
    "straddle": (1, 1),
    "strangle": (1, 1),
    "guts": (1, 1),
    "butterfly": (0, 0),
    "iron_butterfly": (0, 0),
    "condor": (0, 0),
    "iron_condor": (0, 0),
    "calendar": (0, 0),
    "diagonal": (0, 0),
    "risk_reversal": (1, -1),
    "ratio": (-2, 0),
    "call": (1, 0),
    "put": (0, 1),
    "none": (0, 0),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_has_the_legs_of_its_name(name):
    legs = preset(name, ratio=3.0)
    assert tuple(sum(leg.amount for leg in legs if leg.kind == kind) for kind in (1, -1)) == NET[name]
    assert load_config(None, {"entry.structure": name}).entry.wanted == preset(name)
    several = {leg.expiry for leg in legs}
    assert (len(several) == 2) == (name in ("calendar", "diagonal"))
