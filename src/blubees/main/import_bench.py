"""Port ImportBench: has a document read in a process of its own (main/import_worker.py). Built by main/control_plane.py."""

import asyncio
import os
import sys
from typing import Final

import msgspec

from blubees.model.errors import UnavailableError
from blubees.ports import ImportMade, ImportNeeds, ImportOrder, ImportRefusal

WALL_SECONDS: Final = 180.0  # a busy machine gives it less than it may take
AT_ONCE: Final = 2
NOT_LOCKED: Final = 3
"""The worker's exit code where this kernel lacks a lock and BLUBEES_REQUIRE_LOCKDOWN=1 asks for all."""
PASSED_ON: Final = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "BLUBEES_REQUIRE_LOCKDOWN")
"""Of our environment: nothing else."""
_ANSWER: Final = ImportMade | ImportNeeds | ImportRefusal
TOO_MUCH: Final = "The document takes more time or memory than an import may take. Import a part of it."


class ProcessBench:
    """Port ImportBench."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._room = asyncio.Semaphore(at_once)

    async def work(self, order: ImportOrder) -> ImportMade | ImportNeeds | ImportRefusal:
        """See the port. Raises UnavailableError: no process could be started, or not be locked as asked."""
        async with self._room:
            return await self._work(msgspec.msgpack.encode(order))

    async def _work(self, order: bytes) -> ImportMade | ImportNeeds | ImportRefusal:
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "blubees.main.import_worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            )
        except OSError as error:
            raise UnavailableError("No process could be started for the import.") from error
        try:
            async with asyncio.timeout(WALL_SECONDS):
                answer, _ = await child.communicate(order)
        except TimeoutError:
            answer = b""
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode == NOT_LOCKED:
            raise UnavailableError(
                "This kernel can't lock the process that reads documents, and BLUBEES_REQUIRE_LOCKDOWN=1 asks for it. "
                "`/readyz` tells which locks are missing."
            )
        if child.returncode != 0 or not answer:
            return ImportRefusal(sentence=TOO_MUCH)
        return msgspec.msgpack.decode(answer, type=_ANSWER)
