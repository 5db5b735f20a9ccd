"""`blubees keys`: makes the secrets that the services of a cluster share, one file each. Called by the CLI and local_cluster.

A secret store hands them out in production; each service gets those that it needs and no other (docs/cluster.md).
"""

import os
import secrets
from pathlib import Path
from typing import Final

import nkeys

from blubees.model.errors import InputError

KEY_BYTES: Final = 32
USERS: Final = ("conduit", "control")


def make_keys(folder: Path) -> tuple[Path, ...]:
    """Make what is not there yet; gives the files.

    run.key seals runs (conduits only), lease.key what the control plane lends to conduits (both), vault.key wraps tenants' keys
    (control planes only); conduit.seed and control.seed are the broker's two users, and *.public what its nodes know of them;
    operator.token opens the operator API.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = [_keep(folder / f"{name}.key", secrets.token_hex(KEY_BYTES)) for name in ("run", "lease", "vault")]
    for user in USERS:
        seed = _keep(folder / f"{user}.seed", nkeys.encode_seed(os.urandom(KEY_BYTES), nkeys.PREFIX_BYTE_USER).decode())
        public = nkeys.from_seed(seed.read_text().encode()).public_key.decode()
        made += [seed, _keep(folder / f"{user}.public", public)]
    return (*made, _keep(folder / "operator.token", secrets.token_urlsafe(KEY_BYTES)))


def read_secret(path: Path, setting: str) -> str:
    """Read a secret file.

    Raises:
        InputError: it is not there, empty, or others may read it.
    """
    try:
        if path.stat().st_mode & 0o037:
            raise InputError(f"{setting}: {path} may be read by others. Run: chmod 600 {path}")
        text = path.read_text().strip()
    except OSError as error:
        raise InputError(f"{setting}: {path} can't be read ({error.strerror}).") from None
    if not text:
        raise InputError(f"{setting}: {path} is empty.")
    return text


def read_key(path: Path, setting: str) -> bytes:
    """Read a key of 64 hex digits. Raises InputError."""
    try:
        key = bytes.fromhex(read_secret(path, setting))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(f"{setting}: {path} is not a key of {KEY_BYTES * 2} hex digits. `blubees keys` makes one.")
    return key


def _keep(path: Path, text: str) -> Path:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path
