"""The parking desk over the broker: questions of ids, answers sealed with the lease key (ports ParkingDesk, ParkingCounter).

Built by main's processes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import nats.errors
from nats.aio.msg import Msg

from blubees.adapters.broker.link import Broker
from blubees.model.errors import BluBeesError, TamperedError, UnavailableError
from blubees.model.ids import TenantId
from blubees.model.parking import (
    ArmSlot,
    BorrowKey,
    CallIn,
    FindWaiters,
    LeaveSlot,
    LentKey,
    OpenSlot,
    Slot,
    SlotAnswer,
    SlotRequest,
    SlotVerdict,
    TakeSlot,
    Waiters,
)

DESK_SECONDS: Final = 3.0
_VERDICTS: Final = {each.value.encode(): each for each in SlotVerdict}


class NatsParkingDesk:
    """Both ports."""

    def __init__(
        self,
        broker: Broker,
        seal: Callable[[bytes, tuple[str, ...]], bytes],
        unseal: Callable[[bytes, tuple[str, ...]], bytes],
    ) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._encoder = msgspec.msgpack.Encoder()
        self._requests: msgspec.msgpack.Decoder[SlotRequest] = msgspec.msgpack.Decoder(SlotRequest)
        self._answers: msgspec.msgpack.Decoder[SlotAnswer] = msgspec.msgpack.Decoder(SlotAnswer)

    async def open(self, request: OpenSlot | TakeSlot) -> Slot | SlotVerdict:
        """See the port."""
        answer = await self._ask(request)
        return answer if isinstance(answer, Slot | SlotVerdict) else SlotVerdict.UNAVAILABLE

    async def tell(self, request: ArmSlot | LeaveSlot | CallIn) -> SlotVerdict:
        """See the port."""
        answer = await self._ask(request)
        return answer if isinstance(answer, SlotVerdict) else SlotVerdict.UNAVAILABLE

    async def find_waiters(self, request: FindWaiters) -> Sequence[str]:
        """See the port."""
        answer = await self._ask(request)
        if not isinstance(answer, Waiters):
            raise UnavailableError("The control plane does not say who waits.", retry_after_seconds=2)
        return answer.names

    async def borrow_call_back_key(self, tenant: TenantId) -> bytes:
        """See the port."""
        answer = await self._ask(BorrowKey(tenant=tenant))
        if not isinstance(answer, LentKey):
            raise UnavailableError("The control plane does not lend the key.", retry_after_seconds=2)
        return answer.key

    async def _ask(self, request: SlotRequest) -> SlotAnswer | SlotVerdict:
        try:
            reply = await self._broker.client.request(
                f"parking.{request.tenant}", self._encoder.encode(request), timeout=DESK_SECONDS
            )
        except (nats.errors.Error, OSError):
            return SlotVerdict.UNAVAILABLE
        if reply.data in _VERDICTS:
            return _VERDICTS[reply.data]
        try:
            return self._answers.decode(self._unseal(reply.data, ("slot", request.tenant, _about(request))))
        except TamperedError:
            return SlotVerdict.UNAVAILABLE

    async def serve(self, answer: Callable[[SlotRequest], Awaitable[SlotAnswer | SlotVerdict]]) -> None:
        """See the port."""

        async def reply(message: Msg) -> None:
            try:
                request = self._requests.decode(message.data)
                found = await answer(request) if message.subject == f"parking.{request.tenant}" else SlotVerdict.UNAVAILABLE
            except (msgspec.DecodeError, BluBeesError):
                await message.respond(SlotVerdict.UNAVAILABLE.value.encode())
                return
            if isinstance(found, SlotVerdict):
                await message.respond(found.value.encode())
            else:
                sealed = self._seal(self._encoder.encode(found), ("slot", request.tenant, _about(request)))
                await message.respond(sealed)

        answering: set[asyncio.Task[None]] = set()

        async def begin(message: Msg) -> None:  # at a time, as many as conduits ask: each of them asks so much and no more
            task = asyncio.create_task(reply(message))
            answering.add(task)
            task.add_done_callback(answering.discard)

        await self._broker.client.subscribe("parking.*", queue="parking", cb=begin)
        for _ in range(2):  # then the broker knows that we answer (as in leases.py)
            await self._broker.client.flush()


def _about(request: SlotRequest) -> str:
    """What a question is about: bound to its answer."""
    return getattr(request, "run", "") or getattr(request, "name", "") or getattr(request, "issue", "")
