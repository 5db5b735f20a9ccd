"""The parking desk over the broker: questions of ids, answers sealed with the lease key (ports ParkingDesk, ParkingCounter).

Built by main's processes.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from blubees.adapters.broker.asking import Seal, answer_all, ask
from blubees.adapters.broker.link import Broker
from blubees.model.errors import TamperedError, UnavailableError
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

_VERDICTS: Final = {each.value.encode(): each for each in SlotVerdict}


class NatsParkingDesk:
    """Both ports."""

    def __init__(self, broker: Broker, seal: Seal, unseal: Seal) -> None:
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
        reply = await ask(self._broker, f"parking.{request.tenant}", self._encoder.encode(request))
        if reply in _VERDICTS:
            return _VERDICTS[reply]
        try:
            return self._answers.decode(self._unseal(reply, ("slot", request.tenant, _about(request))))
        except TamperedError:
            return SlotVerdict.UNAVAILABLE

    async def serve(self, answer: Callable[[SlotRequest], Awaitable[SlotAnswer | SlotVerdict]]) -> None:
        """See the port."""

        async def reply(tenant: TenantId, question: bytes) -> bytes:
            request = self._requests.decode(question)
            if request.tenant != tenant:
                raise TamperedError
            found = await answer(request)
            if isinstance(found, SlotVerdict):
                return found.value.encode()
            return self._seal(self._encoder.encode(found), ("slot", tenant, _about(request)))

        await answer_all(self._broker, "parking", reply)


def _about(request: SlotRequest) -> str:
    """What a question is about: bound to its answer."""
    return getattr(request, "run", "") or getattr(request, "name", "") or getattr(request, "issue", "")
