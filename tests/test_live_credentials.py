"""Keys: where they come from, what they sign, and that nobody sees them."""

import pickle
import sys
import types

import pytest

from gammacore.errors import CredentialsError
from gammacore.live.credentials import Credentials
from gammacore.logging import BLOT, configure, redact

SECRET = "AMANDASECRECT"


def test_the_exchange_s_own_example_of_a_signature():
    found = Credentials("AMANDA", SECRET).by_signature(1576074319000, "1iqt2wls")
    assert found == {
        "grant_type": "client_signature",
        "client_id": "AMANDA",
        "timestamp": 1576074319000,
        "nonce": "1iqt2wls",
        "data": "",
        "signature": "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1",
    }


def test_nothing_shows_the_secret(tmp_path):
    key = Credentials("AMANDA", SECRET)
    assert SECRET not in f"{key!r} {key}"
    assert redact(f"they said {SECRET}!") == f"they said {BLOT}!"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        vars(key)
    try:
        configure(tmp_path / "log").warning("sent %s", key.by_secret(), extra={"value": SECRET})
    finally:
        configure()
    written = (tmp_path / "log").read_text()
    assert BLOT in written
    assert SECRET not in written


@pytest.mark.parametrize(("testnet", "suffix"), [(False, ""), (True, "_TESTNET")])
def test_each_exchange_has_its_own_variables(testnet, suffix):
    names = {f"GAMMACORE_CLIENT_ID{suffix}": "x", f"GAMMACORE_CLIENT_SECRET{suffix}": " pass \n"}
    key = Credentials.load(testnet=testnet, environment=names)
    assert key.by_secret()["client_secret"] == "pass"
    with pytest.raises(CredentialsError, match=f"GAMMACORE_CLIENT_SECRET{'' if testnet else '_TESTNET'}"):
        Credentials.load(testnet=not testnet, environment=names)


def test_half_a_key_is_none():
    with pytest.raises(CredentialsError):
        Credentials.load(testnet=True, environment={"GAMMACORE_CLIENT_ID_TESTNET": "x"})
    for parts in (("", "secret"), ("id", " ")):
        with pytest.raises(CredentialsError):
            Credentials(*parts)


def test_keyring(monkeypatch):
    class KeyringError(Exception):
        pass

    def get_password(service, name):
        assert service == "gammacore"
        if not stored:
            raise KeyringError("locked, password hunter2")
        return stored.get(name)

    stored = {"GAMMACORE_CLIENT_ID": "me", "GAMMACORE_CLIENT_SECRET": "kept-secret"}
    keyring, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    keyring.get_password, errors.KeyringError = get_password, KeyringError
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert Credentials.load(testnet=False, environment={}).client_id == "me"
    with pytest.raises(CredentialsError):
        Credentials.load(testnet=True, environment={})
    stored.clear()
    with pytest.raises(CredentialsError) as caught:
        Credentials.load(testnet=False, environment={})
    assert "hunter2" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(CredentialsError, match="keyring"):
        Credentials.load(testnet=False, environment={})
