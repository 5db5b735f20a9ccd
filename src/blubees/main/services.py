"""`blubees conduit` and `blubees control-plane`: the processes as separate services, as a cluster has them. Called by the CLI.

Each is a small process that holds the listening socket, keeps its child alive and passes on known events only.
Where the brokers are, and the keys that services share, come from files that a secret store hands out (docs/cluster.md).
"""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from blubees.adapters.keys import LocalKeyProvider
from blubees.main.cluster_keys import read_key, read_secret
from blubees.main.settings import ProcessStart, Settings
from blubees.main.supervisor import Child, Supervisor, catch_signals, listen, print_event
from blubees.model.errors import InputError

CONDUIT: Final = "conduit"
CONTROL: Final = "control"


class ServiceSupervisor(Supervisor):
    """Keeps the children of one service alive; brokers and the other services are elsewhere."""

    def __init__(self, settings: Settings, user: str) -> None:
        super().__init__(settings, print_event)
        self._user = user

    async def start(self) -> None:
        """Start the children; returns when they are ready. Raises OSError, InputError, TimeoutError."""
        settings = self._settings
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        listener = listen(settings.port if self._user == CONDUIT else settings.operator_port, settings.host)
        self._sockets = [listener]
        self.port = self.operator_port = listener.getsockname()[1]
        start = read_service_start(settings, self._user, listener.fileno())
        if self._user == CONDUIT:
            children = [Child(f"conduit_{each + 1}", "blubees.main.conduit", start) for each in range(settings.conduits)]
        else:
            children = [Child("control_plane", "blubees.main.control_plane", start)]
        await self.keep(children)

    async def stop(self) -> None:
        """Stop the children. No caller waits for them: who comes now is refused at once, and goes to another service."""
        self._stopping = True
        for each in self._sockets:
            each.close()
        await super().stop()


def run_service(settings: Settings, user: str) -> int:
    """Run until SIGINT or SIGTERM. Gives the exit code."""
    return asyncio.run(_run(ServiceSupervisor(settings, user)))


async def _run(supervisor: ServiceSupervisor) -> int:
    stopping = catch_signals()
    starting, stop = asyncio.create_task(supervisor.start()), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            print_event({"event": "serving", "port": supervisor.port})
            await stop
    finally:
        starting.cancel()
        stop.cancel()
        await supervisor.stop()
    return 0


def read_service_start(settings: Settings, user: str, listen_fd: int) -> ProcessStart:
    """Read what a service must know, from BLUBEES_… variables and the files that they name.

    Raises:
        InputError: one is missing, or not what it must be.
    """
    is_conduit = user == CONDUIT
    token = os.environ.get("BLUBEES_OPERATOR_TOKEN_FILE", "")
    vault_key = "" if is_conduit or settings.kms_keys else str(_file("BLUBEES_VAULT_KEY_FILE"))
    if vault_key:
        LocalKeyProvider(Path(vault_key))  # says here what is wrong with it
    if not is_conduit and not settings.database_url:
        raise InputError("BLUBEES_DATABASE_URL is not set: control planes share a PostgreSQL database.")
    return ProcessStart(
        settings=msgspec.structs.replace(settings, database_url="") if is_conduit else settings,
        broker_url=_need("BLUBEES_BROKER_URLS"),
        broker_user=user,
        broker_password="",
        broker_seed=read_secret(_file("BLUBEES_BROKER_SEED_FILE"), "BLUBEES_BROKER_SEED_FILE"),
        broker_authority=_file("BLUBEES_BROKER_AUTHORITY_FILE").read_text(),
        broker_nodes=_nodes(),
        run_key=read_key(_file("BLUBEES_RUN_KEY_FILE"), "BLUBEES_RUN_KEY_FILE") if is_conduit else b"",
        lease_key=read_key(_file("BLUBEES_LEASE_KEY_FILE"), "BLUBEES_LEASE_KEY_FILE"),
        vault_key_file=vault_key,
        listen_fd=listen_fd,
        operator_token="" if is_conduit else _read_token(token),
    )


def _read_token(path: str) -> str:
    return read_secret(Path(path), "BLUBEES_OPERATOR_TOKEN_FILE") if path else secrets.token_urlsafe(32)


def _need(name: str) -> str:
    text = os.environ.get(name, "").strip()
    if not text:
        raise InputError(f"{name} is not set; docs/cluster.md tells what each service needs.")
    return text


def _file(name: str) -> Path:
    path = Path(_need(name))
    if not path.is_file():
        raise InputError(f"{name}: {path} is not there.")
    return path


def _nodes() -> int:
    text = os.environ.get("BLUBEES_BROKER_NODES", "3")
    if text not in {"1", "3", "5"}:
        raise InputError(f"BLUBEES_BROKER_NODES: {text!r} is not 1, 3 or 5.")
    return int(text)
