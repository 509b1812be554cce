"""YAML means what a reader takes it for, and a key that stands twice is refused with both lines."""

import math
from datetime import UTC, date, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gammacore.cli.main import app
from gammacore.config import Config, load_config
from gammacore.errors import ConfigError
from gammacore.yaml_text import dump_yaml, read_yaml, read_yaml_file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E-3", 0.001),
        ("-2.5e-3", -0.0025),
        ("1e5", 100_000),
        ("1E+5", 100_000),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+5", 5),
        ("1_000", 1000),
        ("1_000.5", 1000.5),
        ("010", 10),  # 8 in YAML 1.1
        ("0o10", 8),
        ("0x1F", 31),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        # Texts, for the field that they are given to.
        ("1:30", "1:30"),  # 90 in YAML 1.1
        ("yes", "yes"),
        ("off", "off"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01 08:00:00", "2026-01-01 08:00:00"),
        ("2026-01-01T08:00:00Z", "2026-01-01T08:00:00Z"),
        ("'1e-3'", "1e-3"),
        ("1__0", "1__0"),
        ("1e", "1e"),
        ("_1", "_1"),
        (".", "."),
        ("0b1", "0b1"),
    ],
)
def test_scalars(text, value):
    found = read_yaml(f"a: {text}\n", "x")["a"]
    assert (found, type(found)) == (value, type(value))
    assert math.isnan(read_yaml("a: .nan", "x")["a"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("band: 1\nrule: 2\nband: 3\n", "x: band: given in lines 1 and 3; keep one"),
        ("hedge:\n  band: 1\n  # again\n  band: 1\n", "x: hedge.band: given in lines 2 and 4; keep one"),
        ("hedge: {band: 1}\ncosts: {}\nhedge: {band: 2}\n", "x: hedge: given in lines 1 and 3; keep one"),
        ("{band: 1, 'band': 2}", "x: band: given twice in line 1; keep one"),
        ("a:\n- b: {c: 1}\n- b:\n    c: 1\n    c: 2\n", "x: a.b.c: given in lines 4 and 5; keep one"),
        ("a: &a {b: 1, b: 2}\nc: *a\n", "x: a.b: given twice in line 1; keep one"),
        ("a: [1", "x: not valid YAML: expected ',' or ']', but got '<stream end>' (line 1, column 6)"),
        ("a: 1\n---\nb: 2\n", "x: not valid YAML: but found another document (line 2, column 1)"),
        ("a: 1e999\n", "x: not valid YAML: 1e999 is too large (line 1, column 4)"),
        ("a: !!python/object/apply:os.system ['true']\n", "x: not valid YAML: could not determine"),
        ("a: \x00", "x: not valid YAML: unacceptable character"),
        (b"a: \xff\xff", "x: not valid YAML: "),
        ("[" * 5000, "x: not valid YAML: "),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_cannot_be_right_is_refused_in_one_line(text, told):
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "x")
    assert str(caught.value).startswith(told)


def test_merging_is_no_repetition():
    text = "a: &a {xx: 1, yy: 1}\nb: {c: {d: &d {<<: *a, xx: 2}}}\ne: {<<: *d, yy: 3}\n"
    assert read_yaml(text, "x") == {
        "a": {"xx": 1, "yy": 1},
        "b": {"c": {"d": {"xx": 2, "yy": 1}}},
        "e": {"xx": 2, "yy": 3},
    }


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
LOOKS = st.sampled_from(
    ["1e-3", "1e5", ".5", "yes", "no", "1:30", "2026-01-01", "010", "0o7", "null", "~", "="]
)


@given(PLAIN | LOOKS | st.from_regex(r"[-+0-9._eExo:]{1,8}", fullmatch=True))
def test_what_is_written_is_read_again_by_us_and_by_yaml_1_1(value):
    text = dump_yaml({"a": value})
    assert read_yaml(text, "x") == yaml.safe_load(text) == {"a": value}


def test_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"^--map-file .*none\.yaml: No such file"):
        read_yaml_file(tmp_path / "none.yaml", "--map-file ")
    (tmp_path / "m.yaml").write_text("ts_ns: time\nprice: last\nts_ns: known\n")
    with pytest.raises(ConfigError, match=r"m\.yaml: ts_ns: given in lines 1 and 3"):
        read_yaml_file(tmp_path / "m.yaml")


# ------------------------------------------------------------------ configurations and commands

TIMES = ["2026-01-01", "2026-01-01 08:00:00", "2026-01-01T08:00:00Z", "2026-01-01T08:00:00.5+01:00"]


@pytest.mark.parametrize("text", [*TIMES, "2026-01-01 08:00:00 +01:00", "!!timestamp 2026-01-01"])
def test_times_are_taken_with_and_without_quotes_and_zones(text, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(f"data: {{start: {text}}}\nmarket: {{start: {text}}}\nvary: {{data.start: [{text}]}}\n")
    plain = text.removeprefix("!!timestamp ")
    wanted = load_config(None, {"data.start": plain, "market.start": plain, "vary": {"data.start": [plain]}})
    assert load_config(path) == wanted
    assert wanted.data.start == wanted.market.start == plain


def test_times_of_python_are_taken():
    end = datetime(2026, 1, 2, 8, tzinfo=UTC)
    found = load_config(None, {"data.start": date(2026, 1, 1), "data.end": end})
    assert (found.data.start, found.data.end) == ("2026-01-01", "2026-01-02T08:00:00+00:00")


def test_numbers_and_booleans_of_a_configuration(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "hedge: {risk_aversion: 1e-3, band: .5}\nsimulate: {paths: 1e5}\nrisk: {max_order: 1_000}\n"
    )
    found = load_config(path)
    assert (found.hedge.risk_aversion, found.hedge.band) == (0.001, 0.5)
    assert (found.simulate.paths, found.risk.max_order) == (100_000, 1000.0)
    path.write_text("hedge: {lots: yes}\n")
    with pytest.raises(ConfigError, match=r"hedge\.lots: expected true or false, got 'yes'"):
        load_config(path)
    path.write_text("hedge:\n  band: 0.1\n  band: 0.2\n")
    with pytest.raises(ConfigError, match=r"c\.yaml: hedge\.band: given in lines 2 and 3; keep one"):
        load_config(path)
    assert load_config(None, {}) == Config()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["backtest", "--set", "hedge={band: 0.1, band: 0.2}"], "--set hedge: band: given twice in line 1"),
        (["sweep", "--vary", "hedge={a: 1, a: 2}"], "--vary hedge: a: given twice in line 1"),
        (["exchange", "--faults", "f.yaml"], "--faults f.yaml: seed: given in lines 1 and 2"),
        (
            ["data", "import", "x.csv", "--map-file", "f.yaml"],
            "--map-file f.yaml: seed: given in lines 1 and 2",
        ),
    ],
)
def test_commands_refuse_a_key_given_twice(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.yaml").write_text("seed: 1\nseed: 2\n")
    assert told in str(CliRunner().invoke(app, words).exception)


def test_numbers_of_an_option():
    result = CliRunner().invoke(app, ["backtest", "--set", "hedge.risk_aversion=-1e-3"])
    assert "hedge.risk_aversion: expected a number > 0, got -0.001" in str(result.exception)
