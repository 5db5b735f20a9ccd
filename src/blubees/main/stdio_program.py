"""A program that speaks MCP on its standard input and output, as a transport of the SDK. Used by stdio_bridge.py.

The SDK has one, too; it tells neither how the program ended nor does it end what a program that goes by itself leaves behind.
"""

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import mcp_types as types
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage

LINE_MAX_BYTES: Final = 33_554_432  # docs/decisions/0057
CLOSE_SECONDS: Final = 2.0  # from the end of its input to SIGTERM, and from there to SIGKILL
_POLL_SECONDS: Final = 0.01
_NO_MESSAGE: Final = (
    "The program wrote a line on its standard output that is no message of MCP; it is passed over, as others will be."
)
_LONG: Final = f"The program wrote a line of more than {LINE_MAX_BYTES:,} bytes; that is its end."

Tell = Callable[[str], None]
Streams = tuple[Any, Any]


@dataclass(slots=True)
class Ending:
    """Whether a program has ended by itself, and how.

    Attributes:
        code: its exit code, below zero the signal that ended it; None: not known, or it has only closed its standard output.
        is_asked: we are ending it.
    """

    event: anyio.Event = field(default_factory=anyio.Event)
    code: int | None = None
    is_asked: bool = False

    @property
    def is_there(self) -> bool:
        """Whether it has ended."""
        return self.event.is_set()


@contextlib.asynccontextmanager
async def run_program(
    command: Sequence[str], environment: Mapping[str, str], ending: Ending, tell: Tell
) -> AsyncIterator[Streams]:
    """Run a program in a process group of its own, which is ended as a whole.

    Args:
        environment: besides PATH, HOME, LOGNAME, SHELL, TERM and USER. Its standard error is ours.
        ending: is told when its standard output ends before we end it.

    Raises:
        OSError: it can't be started.
    """
    process = await anyio.open_process(
        [*command], stderr=sys.stderr, env=get_default_environment() | dict(environment), start_new_session=True
    )
    read_in, read_out = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_in, write_out = anyio.create_memory_object_stream[SessionMessage](0)
    with read_in, read_out, write_in, write_out:
        async with anyio.create_task_group() as group:
            group.start_soon(_read_messages, process, read_in, ending, tell)
            group.start_soon(_write_messages, process, write_out)
            try:
                yield read_out, write_in
            finally:
                ending.is_asked = True
                with anyio.CancelScope(shield=True):  # each wait is bounded
                    await _stop(process)
                group.cancel_scope.cancel()


async def _read_messages(
    process: Process, messages: MemoryObjectSendStream[SessionMessage | Exception], ending: Ending, tell: Tell
) -> None:
    if process.stdout is None:
        return
    lines = BufferedByteReceiveStream(process.stdout)
    has_told = False
    with messages, contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        try:
            while True:
                line = await lines.receive_until(b"\n", LINE_MAX_BYTES)
                try:
                    message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    if line.strip() and not has_told:
                        has_told = True
                        tell(_NO_MESSAGE)
                else:
                    await messages.send(SessionMessage(message))
        except (anyio.IncompleteRead, anyio.EndOfStream):
            await _wait(process, 1.0)
        except anyio.DelimiterNotFound:
            tell(_LONG)
        if not ending.is_asked:
            ending.code = process.returncode
            ending.event.set()


async def _write_messages(process: Process, messages: MemoryObjectReceiveStream[SessionMessage]) -> None:
    if process.stdin is None:
        return
    with messages, contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        async for each in messages:
            line = each.message.model_dump_json(by_alias=True, exclude_unset=True)
            await process.stdin.send(f"{line}\n".encode())


async def _stop(process: Process) -> None:
    """End it: its input first, as the protocol has it; then what is left of its process group."""
    if process.stdin is not None:
        with contextlib.suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.aclose()
    if not await _wait(process, CLOSE_SECONDS):
        _signal(process, signal.SIGTERM)
        await _wait(process, CLOSE_SECONDS)
    _signal(process, signal.SIGKILL)
    await _wait(process, CLOSE_SECONDS)
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:  # else who left the group and holds the pipe would keep it open
        transport.close()


async def _wait(process: Process, seconds: float) -> bool:
    """Wait for its end. Not process.wait(), which waits for the pipes as well, and those its children may hold."""
    with anyio.move_on_after(seconds):
        while process.returncode is None:  # noqa: ASYNC110 - asyncio has no event for it alone
            await anyio.sleep(_POLL_SECONDS)
    return process.returncode is not None


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
