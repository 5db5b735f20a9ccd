"""Performs a protocol whose library blocks: in a thread, on a socket that the guard has connected. For mysql.py and imap.py."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from blubees.adapters.http_dialer import Dialer
from blubees.adapters.protocols.call import ProtocolCall

THREADS: Final = 64

Result = TypeVar("Result")


class BlockingCalls:
    """Threads for calls that block, and the way out for them."""

    def __init__(self, dialer: Dialer) -> None:
        self.dialer = dialer
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="protocol")

    async def perform(self, call: ProtocolCall, work: Callable[[socket.socket], Result]) -> Result:
        """Connect, and do the work with the connection, whose every wait ends with the call's time.

        Raises:
            CallFailedError, RefusedAddressError: it could not be connected.
        """
        connected = await self.dialer.dial(call.origin)
        connected.settimeout(call.timeout_seconds)
        with connected.dup() as held:  # TLS takes the other one over
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work, connected)
            finally:
                with contextlib.suppress(OSError):
                    held.shutdown(socket.SHUT_RDWR)  # whoever still waits in the thread is woken
                connected.close()

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
