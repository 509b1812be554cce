"""The picture of the rooms shows the imports that there are."""

import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("rooms_picture", ROOT / "tools" / "rooms_picture.py")
rooms_picture = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rooms_picture)


@pytest.fixture(scope="module")
def direct():
    return rooms_picture.graph()


def test_arrows_go_down_and_say_what_is_imported(direct):
    row = rooms_picture.rows(direct)
    shown = rooms_picture.ways(direct, row)
    assert all(row[above] < row[under] and under in direct[above] for above, under in shown)
    assert (("cli",), ("live",)) in shown
    assert (("cli",), ("desk",)) not in shown
    reached = {room: {room} for room in direct}
    for above, under in sorted(shown, key=lambda pair: -row[pair[0]]):
        reached[above] |= reached[under]
    assert all(direct[room] <= reached[room] for room in direct)


def test_the_picture_has_every_room_and_the_page_shows_it(direct, monkeypatch):
    monkeypatch.setattr(rooms_picture, "graph", lambda: direct)  # read once
    texts = " ".join(ElementTree.fromstring(rooms_picture.drawn()).itertext())
    for room in direct:
        assert all(name in texts for name in room)
    kept = (ROOT / "docs" / "img" / "rooms.svg").read_text()
    assert {*ElementTree.fromstring(kept).itertext()} >= {"cli", "live", "exchange", "backtest"}
    assert "(img/rooms.svg)" in (ROOT / "docs" / "design.md").read_text()
