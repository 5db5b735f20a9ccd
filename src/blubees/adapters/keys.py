"""Port KeyProvider with a local key file: for one machine. Built by main/key_providers.py.

AWS KMS takes its place in production (kms.py). Source: docs/vault.md.
"""

import asyncio
import hashlib
import hmac
import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blubees.model.errors import BluBeesError, InputError, TamperedError
from blubees.ports import ProviderFacts

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
ID_BYTES: Final = 16
FIRST_FORM: Final = b"L1"  # of one key, and without its id
FORM: Final = b"L2"


class LocalKeyProvider:
    """Wraps keys with a key from a file, mode 0600, made on first use: a key a line, 64 hex digits, the newest last.

    Raises:
        BluBeesError: others may read the file, or it is not one of keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            _make(path)
        self._stamp, self._keys = _load(path)

    async def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        """See the port."""
        self._read_again()
        newest = self._keys[-1]
        nonce = os.urandom(NONCE_BYTES)
        return FORM + _name(newest) + nonce + AESGCM(newest).encrypt(nonce, key, _bind(context))

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """See the port."""
        form, rest = wrapped[: len(FORM)], wrapped[len(FORM) :]
        if form == FORM:
            name, rest = rest[:ID_BYTES], rest[ID_BYTES:]
            if not any(hmac.compare_digest(_name(key), name) for key in self._keys):
                self._read_again()
            candidates = [key for key in self._keys if hmac.compare_digest(_name(key), name)]
        else:
            candidates = self._keys if form == FIRST_FORM else []
        for key in candidates:
            try:
                return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _bind(context))
            except (InvalidTag, ValueError):
                continue
        raise TamperedError

    async def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """See the port."""
        return await self.wrap(await self.unwrap(wrapped, context), context)

    async def is_current(self, wrapped: bytes) -> bool:
        """See the port."""
        self._read_again()
        return wrapped.startswith(FORM + _name(self._keys[-1]))

    async def renew(self) -> None:
        """Add a key to the file.

        Raises:
            InputError: the file can't be written, as where a secret store hands it out.
        """
        self._read_again()
        await asyncio.to_thread(self._write, [*self._keys, os.urandom(KEY_BYTES)])

    async def retire(self, in_use: Sequence[bytes]) -> int:
        """Take the keys out of the file that none of these is wrapped with; gives how many."""
        self._read_again()
        used = {wrapped[len(FORM) : len(FORM) + ID_BYTES] for wrapped in in_use if wrapped.startswith(FORM)}
        if any(wrapped.startswith(FIRST_FORM) for wrapped in in_use):
            return 0
        kept = [key for key in self._keys[:-1] if _name(key) in used] + self._keys[-1:]
        gone = len(self._keys) - len(kept)
        if gone:
            await asyncio.to_thread(self._write, kept)
        return gone

    async def describe(self) -> ProviderFacts:
        """See the port."""
        self._read_again()
        made = int(self._path.stat().st_mtime * 1_000)
        return ProviderFacts(
            kind="local file",
            key=_name(self._keys[-1]).hex()[:12],
            keys=len(self._keys),
            changed_at_milliseconds=made,
            forgets=True,
        )

    def _read_again(self) -> None:
        """Read the file if it is another one: a second control plane, or an operator, may have changed it."""
        if _stamp(self._path) != self._stamp:
            self._stamp, self._keys = _load(self._path)

    def _write(self, keys: Sequence[bytes]) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.{time.monotonic_ns()}")
        try:
            _write_new(fresh, keys)
            fresh.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        except OSError as error:
            raise InputError(
                f"{self._path}: can't be written ({error.strerror}). Where a secret store hands it out, add a line of 64 hex "
                "digits there yourself, last, give it to every control plane, and say --no-renew."
            ) from None
        self._stamp, self._keys = _load(self._path)


def _name(key: bytes) -> bytes:
    """A key's id, which also commits to it."""
    return hmac.new(key, b"local key id", hashlib.sha256).digest()[:ID_BYTES]


def _bind(context: Mapping[str, str]) -> bytes:
    return "\x00".join(f"{name}\x01{context[name]}" for name in sorted(context)).encode()


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _write_new(path, [os.urandom(KEY_BYTES)])
    except FileExistsError:
        return


def _write_new(path: Path, keys: Sequence[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("".join(f"{key.hex()}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _load(path: Path) -> tuple[tuple[int, int], list[bytes]]:
    stamp = _stamp(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise BluBeesError(f"{path}: has mode {mode:03o}, must be 600. Run: chmod 600 {path}")
    try:
        keys = [bytes.fromhex(line) for line in path.read_text().split()]
    except ValueError:
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise BluBeesError(f"{path}: is not one of keys, {KEY_BYTES * 2} hex digits a line. Restore it from its backup.")
    return stamp, keys
