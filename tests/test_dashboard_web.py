"""The server on loopback: what it serves, to whom, with which headers."""

import http.client
import json
import re
import time
import tomllib
import urllib.request
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path

import pytest

from gammacore.errors import ConfigError
from gammacore.events import Timer
from gammacore.live.dashboard.guard import COOKIE, Guard, is_loopback, token_of
from gammacore.live.dashboard.source import JournalTail
from gammacore.live.dashboard.web import serving
from gammacore.live.journal import Journal
from support.dashboard_world import LINEAR, lines_of, made

TOKEN = "a-token-that-is-long-enough"
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def port():
    with serving(JournalTail(made().path)) as port:
        yield port


@pytest.fixture(scope="module")
def closed():
    with serving(JournalTail(made().path), token=TOKEN, names=["desk.example"]) as port:
        yield port


def ask(port, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host="host" in given)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = b"" if answer.getheader("content-type", "").startswith("text/event-stream") else answer.read()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body
    finally:
        connection.close()


def stream(port, events, **headers):
    """First events of the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/events", headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer, found = connection.getresponse(), b""
        while len(lines_of(found)) < events:
            found += answer.readline()
        return lines_of(found)
    finally:
        connection.close()


def test_the_page_has_everything_and_nothing_from_elsewhere(port):
    status, headers, body = ask(port)
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    page = body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)  # none inline
    assert not re.search(r"\sstyle=|\son\w+=|<style", page)
    for found in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert "//" not in found, found
        assert not found.startswith("/"), found  # the page of one of several books is not at the top
        assert ask(port, f"/{found}")[0] == 200, found
    modules = [name for name in static() if name.endswith(".js")]
    for name in modules:
        status, headers, body = ask(port, f"/{name}")
        assert (status, headers["content-type"].split(";")[0]) == (200, "text/javascript")
        for needed in re.findall(r'from "\./([^"]+)"', body.decode()):
            assert needed in modules
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", body.decode())
        assert "innerHTML" not in body.decode()


def static():
    return [item.name for item in resources.files("gammacore.live.dashboard").joinpath("static").iterdir()]


def test_the_files_are_in_the_package():
    """As installed, and by the patterns that put them into a wheel."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert {"index.html", "dashboard.css", "main.js"} <= set(static())
    for name in static():
        assert any(fnmatch(f"static/{name}", p) for p in patterns["gammacore.live.dashboard"]), name


@pytest.mark.parametrize("path", ["/", "/state", "/events", "/main.js", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_answer_is_hardened(port, path, method):
    _, headers, body = ask(port, path, method)
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers
    if method == "HEAD":
        assert body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/state", "/events"])
def test_nothing_can_be_changed(port, method, path):
    status, headers, _ = ask(port, path, method)
    assert status == 405
    assert headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:9", "127.0.0.1:8050", "[::1]:8050", "[::1]", "10.0.0.7:80", "LOCALHOST:1"],
)
def test_addresses_are_served(port, host):
    assert ask(port, "/state", host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8050",
        "",
        "[::1",
        "::1]:1",
        "desk.example",
        "localhost@evil.example",
        "127.0.0.1:80:evil",
    ],
)
def test_names_of_others_are_not(port, host):
    status, headers, body = ask(port, "/state", host=host)
    assert status in (400, 421)
    assert b"profit" not in body
    assert status == 400 or headers["x-frame-options"] == "DENY"


def test_a_name_that_was_given_is_served(closed):
    assert ask(closed, "/state", host="desk.example:80", authorization=f"Bearer {TOKEN}")[0] == 200


def test_the_state_is_the_journals(port):
    status, headers, body = ask(port, "/state")
    assert (status, headers["content-type"]) == (200, "application/json")
    state = json.loads(body)
    assert state["session"]["events"] == sum(r.kind == "event" for r in made().records)
    assert {r["instrument"]: r["size"] for r in state["positions"]} == made().hedger.positions.own()


def test_the_stream_begins_with_a_snapshot_and_goes_on(port):
    first, second = stream(port, 2)
    assert first[0] == "snapshot"
    assert json.loads(first[2])["session"]["journal"] == "live-local-BTC.db"
    assert second[0] == "delta"
    assert len(second[2]) < len(first[2]) / 4
    (again,) = stream(port, 1, last_event_id=first[1])
    assert again[0] == "delta"


def test_a_growing_journal_is_told(tmp_path):
    path = tmp_path / "j.db"
    with serving(JournalTail(path)) as port, Journal(path) as journal:
        assert json.loads(stream(port, 1)[0][2])["session"]["phase"] == "waiting"
        journal.start(1_000_000_000, made().records[0].body)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/events")
        answer, found, seen = connection.getresponse(), b"", 0
        journal.handled(Timer(2_000_000_000))
        journal.flush()
        while not seen:
            found += answer.readline()
            seen = sum('"events":1,' in data for _, _, data in lines_of(found))
        connection.close()


def test_what_is_no_journal_is_said(tmp_path):
    (tmp_path / "j.db").write_text("not a database, but long enough to look like something " * 20)
    with serving(JournalTail(tmp_path / "j.db")) as port:
        session = json.loads(stream(port, 1)[0][2])["session"]
    assert session["phase"] == "waiting"
    assert "j.db" in session["waiting"]
    assert "not a database" in session["waiting"]


@pytest.mark.parametrize("path", ["/", "/state", "/events", "/main.js", "/nothing"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"authorization": "Bearer wrong-and-long-enough"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"cookie": f"{COOKIE}={TOKEN}"},  # it is not the cookie
        {"cookie": "=;;\x7f"},
    ],
)
def test_without_the_token_there_is_nothing(closed, path, given):
    status, _, body = ask(closed, path, **given)
    assert status == 401
    assert b"profit" not in body
    assert TOKEN.encode() not in body


def test_a_wrong_token_in_the_address_is_refused(closed):
    status, headers, _ = ask(closed, "/?token=wrong-and-long-enough")
    assert status == 401
    assert "set-cookie" not in headers


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(closed):
    status, headers, _ = ask(closed, f"/?token={TOKEN}")
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert TOKEN not in cookie
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    pair = cookie.split(";")[0]
    for path in ("/", "/state", "/main.js"):
        assert ask(closed, path, cookie=f"other=1; {pair}")[0] == 200
    assert stream(closed, 1, cookie=pair)[0][0] == "snapshot"
    assert ask(closed, "/state", authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_redirect_stays_here(closed):
    for path in ("//evil.example", "/%2fevil.example", "/\\evil.example"):
        _, headers, _ = ask(closed, f"{path}?token={TOKEN}")
        assert headers["location"] == "/"


def test_which_addresses_are_this_machines_alone():
    for host in ("127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "::", "10.0.0.1", "desk.example", "", "localhost.evil.example"):
        assert not is_loopback(host)


def test_others_need_a_token():
    assert token_of(None, "127.0.0.1") == (None, False)
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0.*--token"):
        token_of(None, "0.0.0.0")
    with pytest.raises(ConfigError, match="at least 16"):
        token_of("short", "127.0.0.1")
    with pytest.raises(ConfigError, match="ASCII"):
        token_of("a token with spaces in it", "127.0.0.1")
    first, second = token_of("auto", "0.0.0.0"), token_of("auto", "::")
    assert first[1]
    assert first[0] != second[0]
    assert len(first[0]) >= 32


def test_the_cookie_of_another_token_is_none_of_ours():
    cookies = {Guard(None, token).cookie for token in (TOKEN, TOKEN + "x")}
    assert len(cookies) == 2


def test_several_books_have_a_page_each_and_one_of_all():
    one, other = made(), made(60.0, more=LINEAR)
    with serving({"BTC": JournalTail(one.path), "USDC": JournalTail(other.path)}) as port:

        def get(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.headers.get_content_type(), answer.read()

        until = time.monotonic() + 20
        while time.monotonic() < until:
            found = json.loads(get("/sums")[1])
            if all(row["mode"] == "ended" for row in found["books"]):
                break
            time.sleep(0.2)
        assert get("/")[0] == get("/BTC/")[0] == "text/html"
        assert b"books.js" in get("/")[1]
        assert b"main.js" in get("/USDC/")[1]
        assert get("/USDC/main.js")[0] == "text/javascript"
        states = {name: json.loads(get(f"/{name}/state")[1]) for name in ("BTC", "USDC")}
    assert [row["name"] for row in found["books"]] == ["BTC", "USDC"]
    for row in found["books"]:
        state = states[row["name"]]
        assert row["delta"] == pytest.approx(state["greeks"]["delta_coin"])
        assert row["profit_usd"] == pytest.approx(state["profit"]["usd"], abs=0.01)
        assert row["hedges"] == state["session"]["hedges"] > 0
    vega = sum(state["greeks"]["vega_usd"] for state in states.values())
    assert found["sums"]["vega_usd"] == pytest.approx(vega)
