"""Sealing: AES-256-GCM with what the data belongs to bound to it.

Used by the engine (runs), the vault (secrets) and main (leases).
"""

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blubees.model.errors import TamperedError
from blubees.ports import Chance

VERSION: Final = b"\x01"
NONCE_BYTES: Final = 12
COMMITMENT_BYTES: Final = 16
KEY_BYTES: Final = 32
SEAL_BYTES: Final = 29  # what sealing adds: the version, the nonce, and a tag of 16 bytes


def bind(associated: tuple[str, ...]) -> bytes:
    """Write what the data belongs to, so that no two tuples give the same bytes: ids, names and words with a NUL between."""
    text = "\0".join(associated)
    if text.count("\0") != len(associated) - 1:
        raise ValueError("What data belongs to is told in words without NUL.")
    return text.encode()


class Sealer:
    """Seals and opens with one key. Random 96-bit nonces: one key is good for 2^32 messages, and lives as long as its process.

    Args:
        key: 32 bytes.
        chance: for the nonces.
    """

    __slots__ = ("_chance", "_cipher")

    def __init__(self, key: bytes, chance: Chance) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"key: {len(key)} bytes given, {KEY_BYTES} needed.")
        self._cipher = AESGCM(key)
        self._chance = chance

    def seal(self, plaintext: bytes, associated: tuple[str, ...]) -> bytes:
        """Seal: one version byte, the nonce, the ciphertext with its tag."""
        nonce = self._chance.bytes(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, plaintext, bind(associated))

    def unseal(self, sealed: bytes, associated: tuple[str, ...]) -> bytes:
        """Open what seal() made.

        Raises:
            TamperedError: another key, another owner, or changed bytes.
        """
        nonce = sealed[1 : 1 + NONCE_BYTES]
        if sealed[:1] != VERSION or len(nonce) != NONCE_BYTES:
            raise TamperedError
        try:
            return self._cipher.decrypt(nonce, sealed[1 + NONCE_BYTES :], bind(associated))
        except InvalidTag:
            raise TamperedError from None


def seal_committed(key: bytes, plaintext: bytes, associated: tuple[str, ...], chance: Chance) -> bytes:
    """Seal for keeping: as Sealer.seal, with a commitment to the key in front, since GCM alone does not commit to its key."""
    sealed = Sealer(key, chance).seal(plaintext, associated)
    return _commit(key, sealed) + sealed


def unseal_committed(key: bytes, sealed: bytes, associated: tuple[str, ...], chance: Chance) -> bytes:
    """Open what seal_committed() made.

    Raises:
        TamperedError: another key, another owner, or changed bytes.
    """
    commitment, rest = sealed[:COMMITMENT_BYTES], sealed[COMMITMENT_BYTES:]
    if not hmac.compare_digest(commitment, _commit(key, rest)):
        raise TamperedError
    return Sealer(key, chance).unseal(rest, associated)


def _commit(key: bytes, sealed: bytes) -> bytes:
    nonce = sealed[1 : 1 + NONCE_BYTES]
    return hmac.new(key, b"commit" + nonce, hashlib.sha256).digest()[:COMMITMENT_BYTES]
