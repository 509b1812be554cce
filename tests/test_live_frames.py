"""Frames cut from the buffer: split anywhere, fragmented, interleaved with pings, large, masked, broken."""

import contextlib
import io
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gammacore.live import frames
from gammacore.live.frames import Disconnected, FrameSocket, connect, masked
from support.scripted_exchange import CLOSE, PING, PONG, TEXT, Exchange, frame, read_frame

CONTINUATION, BINARY = 0, 2


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    reader = FrameSocket(skip_utf8_validation=True, enable_multithread=False)
    reader.sock, reader.connected = ours, True
    theirs.settimeout(5)
    with ours, theirs:
        yield reader, theirs


def drain(reader, count, timeout_s=0.01):
    found, until = [], time.monotonic() + 5
    while len(found) < count and time.monotonic() < until:
        found += reader.read(timeout_s)
    return found


MESSAGES = [b'{"a":1}', b"x" * 125, b"x" * 126, b"", b"y" * 65_535, b"z" * 65_536, b"w" * 200_000, b"{}"]


def test_many_frames_in_one_piece(pair):
    reader, theirs = pair
    theirs.sendall(b"".join(frame(m) for m in MESSAGES[:4]))
    assert reader.read(1.0) == MESSAGES[:4]
    assert reader.read(0.0) == []


@pytest.mark.parametrize("timeout_s", [0.0, 0.001])
def test_byte_by_byte(pair, timeout_s):
    reader, theirs = pair
    found = []
    for piece in b"".join(frame(m) for m in (MESSAGES[0], MESSAGES[1], MESSAGES[2], b"end")):
        theirs.sendall(bytes([piece]))
        found += reader.read(timeout_s)
    assert found + drain(reader, 4 - len(found)) == [MESSAGES[0], MESSAGES[1], MESSAGES[2], b"end"]


def script(rng):
    """Frames of all sorts and the messages that they carry."""
    sent, carried, pings = b"", [], 0
    for _ in range(rng.randint(1, 12)):
        message = rng.randbytes(rng.choice([0, 1, 5, 125, 126, 300, 70_000]))
        match rng.randrange(5):
            case 0:
                cuts = sorted(rng.randrange(len(message) + 1) for _ in range(rng.randint(1, 3)))
                parts = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
                for i, part in enumerate(parts):
                    last = i == len(parts) - 1
                    sent += frame(part, opcode=CONTINUATION if i else TEXT, fin=last)
                    if not last and rng.random() < 0.5:
                        sent, pings = sent + frame(b"inside", opcode=PING), pings + 1
            case 1:
                sent += frame(message, mask=rng.randbytes(4))
            case 2:
                sent, pings = sent + frame(b"ping", opcode=PING) + frame(message), pings + 1
            case 3:
                sent += frame(b"", opcode=PONG) + frame(message, opcode=BINARY)
            case _:
                sent += frame(message)
        carried.append(message)
    return sent, carried, pings


@given(st.integers(0, 2**32))
@settings(max_examples=100)
def test_any_frames_in_any_pieces(seed):
    rng = random.Random(seed)
    sent, carried, pings = script(rng)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = FrameSocket(skip_utf8_validation=True, enable_multithread=False)
        reader.sock, reader.connected = ours, True
        theirs.setblocking(False)
        found, timeout_s = [], rng.choice([0.0, 0.0001])
        while sent:
            for size in rng.choices([1, 2, 3, 7, 100, 5_000, 20_000], k=2):
                with contextlib.suppress(BlockingIOError):  # full until it is read
                    sent = sent[theirs.send(sent[:size]) :]
            for _ in range(4):
                found += reader.read(timeout_s)
        found += drain(reader, len(carried) - len(found))
        assert found == carried
        assert reader.read(0.0) == []
        theirs.settimeout(5)
        back = theirs.makefile("rb")
        assert [read_frame(back)[0] for _ in range(pings)] == [PONG] * pings


def test_a_whole_message_is_handed_over_before_waiting_for_the_rest_of_another(pair):
    reader, theirs = pair
    theirs.sendall(frame(b"first") + frame(b"sec", fin=False))
    assert reader.read(0.0) == [b"first"]
    assert reader.read(0.001) == []
    theirs.sendall(frame(b"ond", opcode=CONTINUATION) + frame(b"third"))
    assert drain(reader, 2) == [b"second", b"third"]


def test_answering_a_ping_does_not_change_how_long_reading_waits(pair):
    reader, theirs = pair
    theirs.sendall(frame(b"", opcode=PING) + frame(b"half", fin=False))
    start = time.monotonic()
    assert reader.read(0.01) == []
    assert time.monotonic() - start < 2.0


def test_close_frames(pair):
    reader, theirs = pair
    theirs.sendall(frame(b"last") + frame((4000).to_bytes(2, "big") + b"heartbeat close", opcode=CLOSE))
    assert reader.read(0.5) == [b"last"]
    with pytest.raises(Disconnected, match="4000 heartbeat close"):
        reader.read(0.5)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        frame(b"half")[:3],
        frame(b"a", opcode=CONTINUATION),
        frame(b"a", fin=False) + frame(b"b"),
        frame(b"a", fin=False) + frame(b"", opcode=PING) + frame(b"b"),
        frame(b"x" * 130, opcode=PING),
        b"\xc1\x01a",
        b"\x8f\x00",
        b"\x81\x7f" + (2**40).to_bytes(8, "big"),
        b"\x01\x7f" + (2**40).to_bytes(8, "big") + b"x",
        b"\x01\x7f" + (2**63 + 5).to_bytes(8, "big") + b"x",
        frame(b"", opcode=CLOSE),
    ],
)
def test_the_end_and_what_no_server_may_send(pair, sent):
    reader, theirs = pair
    theirs.sendall(sent)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(Disconnected):
        drain(reader, 1, 0.2)


def test_endless_fragments_are_too_much(pair, monkeypatch):
    monkeypatch.setattr(frames, "MOST", 1_000)
    reader, theirs = pair
    theirs.sendall(frame(b"x" * 600, fin=False) + frame(b"x" * 600, opcode=CONTINUATION, fin=False))
    theirs.sendall(frame(b"x", opcode=CONTINUATION))
    with pytest.raises(Disconnected, match="message of"):
        drain(reader, 1)


def test_a_reader_without_a_socket():
    reader = FrameSocket(skip_utf8_validation=True, enable_multithread=False)
    with pytest.raises(Disconnected):
        reader.read(0.0)
    with pytest.raises(Disconnected):
        reader.write(b"x")
    reader.end()


def test_who_does_not_read_does_not_block_for_ever(pair, monkeypatch):
    monkeypatch.setattr(frames, "SEND_TIMEOUT_S", 0.05)
    reader, _ = pair
    with pytest.raises(Disconnected):
        reader.write(b"x" * 10_000_000)


@pytest.mark.parametrize("timeout_s", [0.0, 0.001])
def test_what_has_no_room_at_once_is_sent_whole_as_it_is_read(pair, timeout_s):
    reader, theirs = pair
    assert reader.read(timeout_s) == []
    found = bytearray()

    def slow():
        while len(found) < 4_000_014:
            found.extend(theirs.recv(100_000))

    with ThreadPoolExecutor() as pool:
        done = pool.submit(slow)
        reader.write(b"x" * 4_000_000)
        done.result(30)
    assert bytes(found[:2]) == b"\x81\xff"
    key = found[10:14]
    assert bytes(b ^ key[at % 4] for at, b in enumerate(found[14:])) == b"x" * 4_000_000


@given(st.integers(0, 2**32))
@settings(max_examples=100)
def test_broken_frames_end_in_messages_or_the_end_of_the_connection(seed):
    rng = random.Random(seed)
    sent = bytearray(script(rng)[0][:5_000])
    for _ in range(rng.randint(0, 5)):
        at = rng.randrange(len(sent) + 1)
        sent[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = FrameSocket(skip_utf8_validation=True, enable_multithread=False)
        reader.sock, reader.connected = ours, True
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        try:
            for _ in range(1_000):
                assert all(isinstance(message, bytes) for message in reader.read(0.01))
        except Disconnected:
            return
    raise AssertionError("the end of the connection went unnoticed")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate for a TLS connection")
    folder = tmp_path_factory.mktemp("tls")
    files = [str(folder / name) for name in ("key.pem", "cert.pem")]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    return files


@pytest.mark.parametrize("timeout_s", [0.0, 0.01])
def test_through_tls(certificate, timeout_s):
    key, cert = certificate
    server, client = (ssl.SSLContext(p) for p in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    server.load_cert_chain(cert, key)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    ours, theirs = socket.socketpair()
    accepted = []
    thread = threading.Thread(target=lambda: accepted.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    reader = FrameSocket(skip_utf8_validation=True, enable_multithread=False)
    reader.sock, reader.connected = client.wrap_socket(ours), True
    thread.join(5)
    [other] = accepted
    with other, reader.sock:
        sender = threading.Thread(target=other.sendall, args=(b"".join(map(frame, MESSAGES)),))
        assert reader.read(timeout_s) == []
        sender.start()
        assert drain(reader, len(MESSAGES), timeout_s) == MESSAGES
        sender.join(5)
        reader.write(b"an order")
        assert read_frame(other.makefile("rb")) == (TEXT, b"an order")
        other.shutdown(socket.SHUT_RDWR)
        other.close()
        with pytest.raises(Disconnected):
            drain(reader, 1, timeout_s)


@given(st.binary(max_size=300) | st.sampled_from([b"x" * 65_535, b"y" * 65_536, b"\0" * 126, b""]))
def test_masked_frames_are_what_a_server_reads(text):
    assert read_frame(io.BytesIO(masked(text))) == (TEXT, text)


def test_masks_differ():
    assert len({masked(b"text") for _ in range(20)}) > 15


def test_connecting():
    with Exchange() as exchange:
        reader = connect(exchange.url, 5)
        reader.write(b'{"id":1,"method":"public/test","params":{}}')
        assert b"1.2.26" in drain(reader, 1)[0]
        reader.end()
        exchange.refuse = 1
        with pytest.raises(Disconnected, match="429"):
            connect(exchange.url, 5)
    with pytest.raises(Disconnected):
        connect(exchange.url, 1)
    with pytest.raises(Disconnected):
        connect("no url", 1)


def _trickle(connection, stop):
    for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-Pad: " + b"a" * 400:
        connection.sendall(bytes([byte]))
        if stop.wait(0.1):
            return


def _endless_headers(connection, stop):
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
    while not stop.wait(0.01):
        connection.sendall(b"X-Pad: y\r\n")


def _trickling_body(connection, stop):
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 400\r\n\r\n")
    while not stop.wait(0.1):
        connection.sendall(b"x")


@pytest.mark.parametrize("serve", [_trickle, _endless_headers, _trickling_body])
def test_a_handshake_has_one_deadline(serve):
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                serve(connection, stop)

        server = threading.Thread(target=talk)
        server.start()
        started = time.monotonic()
        with pytest.raises(Disconnected, match=r"not connected within 0\.3 s"):
            connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/", 0.3)
        assert 0.3 <= time.monotonic() - started < 1.0
        server.join(2.0)  # the connection is ended, not left behind
        left = server.is_alive()
        stop.set()
        server.join()
    assert not left
