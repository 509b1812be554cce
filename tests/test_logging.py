"""Logs: readable, JSON in the file, rotated, private, and without secrets."""

import json
import logging
import stat
import sys

import pytest

from gammacore.logging import BLOT, configure, keep_secret, redact

SECRET = "dQw4w9-WgXcQ_value"


@pytest.fixture(autouse=True)
def clean():
    yield
    configure()


@pytest.mark.parametrize(
    "text",
    [
        f'{{"client_secret": "{SECRET}"}}',
        f"client_secret={SECRET}&grant_type=client_credentials",
        f"'access_token': '{SECRET}'",
        f"refresh_token: {SECRET}, more",
        f"Authorization: Bearer {SECRET}",
        f"authorization: deri-hmac-sha256 id=abc,ts=1,nonce=2,sig={SECRET}",
        f"sent Bearer {SECRET} to them",
        f"https://user:{SECRET}@example.org/hook",
        f"SIGNATURE={SECRET}",
    ],
)
def test_what_looks_like_a_secret_is_blotted_out(text):
    assert SECRET not in redact(text)
    assert BLOT in redact(text)


def test_harmless_words_stay():
    for text in ("hedge 10 BTC-PERPETUAL at 60,000.5", "state=ready reason=basic check", "no secret here"):
        assert redact(text) == text


def test_named_values_are_blotted_out_wherever_they_stand(tmp_path):
    keep_secret("hunter22", "")
    log = configure(tmp_path / "log.jsonl")
    log.warning("the word is %s", "xhunter22y", extra={"order": "hunter22", "password": "abc", "price": 60e3})
    try:
        raise ValueError("hunter22 again")
    except ValueError:
        log.exception("failed")
    written = (tmp_path / "log.jsonl").read_text()
    first, second = map(json.loads, written.splitlines())
    assert first["message"] == f"the word is x{BLOT}y"
    assert (first["order"], first["password"], first["price"]) == (BLOT, BLOT, 60e3)
    assert (first["level"], first["logger"]) == ("warning", "gammacore")
    assert first["time"].endswith("Z")
    assert f"ValueError: {BLOT} again" in second["exception"]
    assert "hunter22" not in written


def test_numbers_that_json_has_not_are_words(tmp_path):
    log = configure(tmp_path / "log.jsonl")
    log.info("x", extra={"a": float("nan"), "b": float("inf"), "c": None, "d": True, "e": [1]})
    found = json.loads((tmp_path / "log.jsonl").read_text())
    assert [found[name] for name in "abcde"] == ["nan", "inf", None, True, "[1]"]


def test_files_are_rotated_and_private(tmp_path):
    log = configure(tmp_path / "log.jsonl", max_bytes=2_000, backups=2)
    for i in range(100):
        log.info("line %d", i)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["log.jsonl", "log.jsonl.1", "log.jsonl.2"]
    if sys.platform != "win32":
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["message"] == "line 99"


def test_levels_and_replacement(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    configure(first, level="ERROR")
    logging.getLogger("gammacore.live").warning("quiet")
    configure(second)
    logging.getLogger("gammacore.live").info("once")
    assert first.read_text() == ""
    assert second.read_text().count("once") == 1
