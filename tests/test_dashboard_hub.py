"""The stream: a snapshot, deltas that add up to the state, ids to go on from."""

import asyncio
import itertools
import json

import pytest

from gammacore.live.dashboard import hub as hub_module
from gammacore.live.dashboard.board import Board
from gammacore.live.dashboard.hub import Hub
from gammacore.live.dashboard.source import JournalTail
from support.dashboard_world import board_of, lines_of, made


def applied(state, kind, data):
    """What the page does with an event."""
    data = json.loads(data)
    if kind == "snapshot":
        return data
    state = dict(state)
    for curve, columns in data.pop("curves", {}).items():
        old = state["curves"][curve]
        first = columns["first"]
        state["curves"] = state["curves"] | {
            curve: {"first": 0} | {k: old[k][:first] + columns[k] for k in columns if k != "first"}
        }
    return state | data


def steady(state):
    """Without what the time of the look changes."""
    return {name: section for name, section in state.items() if name not in ("health", "limits", "lines")}


async def collect(stream, events):
    """Read so many events."""
    found = b""
    async for part in stream:
        found += part
        if len(lines_of(found)) >= events:
            break
    return found


def half_read(records=200):
    board = Board(JournalTail(made().path))
    for record in made().records[:records]:
        board.take(record)
    return board


def test_deltas_add_up_to_the_state():
    async def play():
        board, looks = half_read(), itertools.count()
        hub, state = Hub(board, lambda: next(looks) / 5), None
        stream = hub.stream()
        assert lines_of(await anext(stream)) == []  # how soon to connect again
        frames = [await anext(stream)]
        for record in made().records[200:1200]:
            board.take(record)
            if record.seq % 10 == 0:
                hub.publish()
                frames.append(await anext(stream))
        for _ in range(5):  # until the slow ones are due again
            hub.publish()
        frames.append(await anext(stream))
        events = lines_of(b"".join(frames))
        assert events[0][0] == "snapshot"
        assert {kind for kind, _, _ in events[1:]} == {"delta"}
        for kind, _, data in events:
            state = applied(state, kind, data)
        assert steady(state) == steady(json.loads(hub.snapshot()))
        whole, parts = len(events[0][2]), [len(data) for _, _, data in events[1:]]
        assert sum(parts) / len(parts) < whole
        await stream.aclose()

    asyncio.run(play())


def test_a_page_that_comes_back_goes_on_where_it_was():
    async def play():
        board = half_read()
        hub = Hub(board, itertools.count().__next__)
        first = lines_of(await collect(hub.stream(), 1))
        seen, state = first[0][1], applied(None, first[0][0], first[0][2])
        for record in made().records[200:260]:
            board.take(record)
            hub.publish()
        again = lines_of(await collect(hub.stream(seen), 1))
        assert {kind for kind, _, _ in again} == {"delta"}
        for kind, _, data in again:
            state = applied(state, kind, data)
        assert steady(state) == steady(json.loads(hub.snapshot()))

    asyncio.run(play())


@pytest.mark.parametrize(
    "last", ["", "x", "00000000-1", "{run}-999", "{run}--1", "{run}-0x1", "{run}-" + "9" * 400]
)
def test_an_id_from_elsewhere_gets_a_snapshot(last):
    async def play():
        hub = Hub(half_read())
        hub.publish()
        events = lines_of(await collect(hub.stream(last.replace("{run}", hub._run)), 1))
        assert events[0][0] == "snapshot"

    asyncio.run(play())


def test_a_page_that_is_too_slow_gets_another_snapshot(monkeypatch):
    async def play():
        monkeypatch.setattr(hub_module, "KEPT", 5)
        board = half_read()
        hub = Hub(board)
        stream = hub.stream()
        await anext(stream)
        await anext(stream)
        for record in made().records[200:260]:
            board.take(record)
            hub.publish()
        events = lines_of(await anext(stream))
        assert [kind for kind, _, _ in events] == ["snapshot"]
        assert steady(json.loads(events[0][2])) == steady(json.loads(hub.snapshot()))
        await stream.aclose()

    asyncio.run(play())


def test_what_matters_less_is_told_once_a_second():
    async def play():
        now, board = [0.0], half_read()
        hub = Hub(board, lambda: now[0])
        seen = lines_of(await collect(hub.stream(), 1))[0][1]
        for record in made().records[200:240]:
            board.take(record)
            now[0] += 0.25
            hub.publish()
        told = [json.loads(data) for _, _, data in lines_of(await collect(hub.stream(seen), 40))]
        assert sum("session" in delta for delta in told) == len(told) == 40
        assert sum("limits" in delta for delta in told) == 10

    asyncio.run(play())


def test_state_is_worked_out_once_for_all_pages():
    async def play():
        board = half_read()
        hub, looks, original = Hub(board), [0], board.sections

        def counted():
            looks[0] += 1
            return original()

        streams = [hub.stream() for _ in range(20)]
        for stream in streams:
            await anext(stream)
            await anext(stream)
        assert hub.watching == 20
        board.sections = counted
        for record in made().records[200:203]:
            board.take(record)
            hub.publish()
            parts = [lines_of(await anext(stream))[-1] for stream in streams]
            assert len(set(parts)) == 1
        assert looks[0] == 3
        for stream in streams:
            await stream.aclose()
        assert hub.watching == 0

    asyncio.run(play())


def test_a_silent_stream_beats_and_ends_with_the_server(monkeypatch):
    async def play():
        monkeypatch.setattr(hub_module, "BEAT_S", 0.02)
        hub = Hub(half_read())
        stream = hub.stream()
        await anext(stream)
        await anext(stream)
        assert (await anext(stream)).startswith(b":")
        hub.close()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    asyncio.run(play())


def test_frames_are_one_line_of_data_each():
    async def play():
        board = board_of(made().path)
        board.story.tell(0, "info", "a\nb\r\n\n data: c")
        (event,) = lines_of(await collect(Hub(board).stream(), 1))
        assert json.loads(event[2])["alerts"][-1]["text"] == "a\nb\r\n\n data: c"

    asyncio.run(play())
