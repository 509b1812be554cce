"""The device that keeps processors awake: held open with a zero in it, and no reason to end a session."""

import os
from pathlib import Path

from gammacore.live import awake as module
from gammacore.live import doctor
from gammacore.live.awake import awake
from support.markets import build


def held():
    """Files that this process has open."""
    return {os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}


def test_it_is_held_with_a_zero_in_it_for_as_long(tmp_path, monkeypatch):
    device = tmp_path / "latency"
    device.write_bytes(b"\xff" * 4)
    monkeypatch.setattr(module, "DEVICE", device)
    with awake(True):
        assert device.read_bytes() == bytes(4)
        if Path("/proc/self/fd").is_dir():
            assert str(device.resolve()) in held()
    if Path("/proc/self/fd").is_dir():
        assert str(device.resolve()) not in held()


def test_nobody_asks_unless_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DEVICE", tmp_path / "latency")
    (tmp_path / "latency").write_bytes(b"as it was")
    with awake(False):
        assert (tmp_path / "latency").read_bytes() == b"as it was"


def test_what_stands_in_the_way_is_said_and_ends_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "DEVICE", tmp_path / "latency")
    with awake(True):
        assert not (tmp_path / "latency").exists()  # nor is a file made in its place
    assert "processors may sleep" in caplog.text


def test_the_doctor_looks_at_the_device(tmp_path, monkeypatch):
    monkeypatch.delenv("GAMMACORE_CLIENT_ID_TESTNET", raising=False)
    monkeypatch.setattr(doctor, "DEVICE", tmp_path / "latency")

    def found(wanted):
        findings = doctor.examine(build({"live.keep_awake": wanted}), "testnet")
        return {finding.subject: finding.verdict for finding in findings}

    assert "processors" not in found(False)
    assert found(True)["processors"] is doctor.Health.WARNING
    (tmp_path / "latency").touch()
    assert found(True)["processors"] is doctor.Health.OK
