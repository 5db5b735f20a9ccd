"""Port KeyProvider with a local key file: for one machine. Built by main/control_plane.py.

AWS KMS takes its place in production.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blubees.model.errors import BluBeesError, TamperedError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
VERSION: Final = b"L1"


class LocalKeyProvider:
    """Wraps keys with a key from a file of 64 hex digits, mode 0600, made on first use.

    Raises:
        BluBeesError: others may read the file, or it is not a key.
    """

    def __init__(self, path: Path) -> None:
        self._cipher = AESGCM(_load_or_make(path))

    async def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        """See the port."""
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, key, _bind(context))

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """See the port."""
        head = len(VERSION) + NONCE_BYTES
        if wrapped[: len(VERSION)] != VERSION or len(wrapped) <= head:
            raise TamperedError
        try:
            return self._cipher.decrypt(wrapped[len(VERSION) : head], wrapped[head:], _bind(context))
        except InvalidTag:
            raise TamperedError from None


def _bind(context: Mapping[str, str]) -> bytes:
    return "\x00".join(f"{name}\x01{context[name]}" for name in sorted(context)).encode()


def _load_or_make(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _load(path)
    with os.fdopen(descriptor, "w") as file:
        key = os.urandom(KEY_BYTES)
        file.write(key.hex())
        file.flush()
        os.fsync(file.fileno())
    return key


def _load(path: Path) -> bytes:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise BluBeesError(f"{path}: has mode {mode:03o}, must be 600. Run: chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BluBeesError(f"{path}: is not a key of {KEY_BYTES * 2} hex digits. Restore it from its backup.")
    return key
