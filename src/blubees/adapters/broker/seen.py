"""Questions of `dedupe` over the broker, sealed both ways (ports SeenDesk, SeenCounter). Built by main's processes."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from blubees.adapters.broker.asking import ANSWER_SECONDS, Seal, answer_all, ask
from blubees.adapters.broker.link import Broker
from blubees.model.errors import TamperedError, UnavailableError
from blubees.model.ids import TenantId
from blubees.model.seen import SeenQuestion

ANSWER_WAIT_SECONDS: Final = ANSWER_SECONDS
_ANSWERS: Final = {b"\x00": False, b"\x01": True}


class NatsSeenDesk:
    """Ports SeenDesk and SeenCounter."""

    def __init__(self, broker: Broker, seal: Seal, unseal: Seal) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(SeenQuestion)

    async def ask(self, tenant: TenantId, question: SeenQuestion) -> bool:
        """See the port."""
        sealed = self._seal(self._encoder.encode(question), ("seen question", tenant))
        reply = await ask(self._broker, f"seen.{tenant}", sealed, seconds=ANSWER_WAIT_SECONDS)
        try:
            return _ANSWERS[self._unseal(reply, ("seen answer", tenant, question.digest.hex(), question.asker.hex()))]
        except (TamperedError, KeyError):
            raise UnavailableError("The control plane does not say whether the key was seen.") from None

    async def serve(self, answer: Callable[[TenantId, SeenQuestion], Awaitable[bool]]) -> None:
        """See the port."""

        async def reply(tenant: TenantId, sealed: bytes) -> bytes:
            question = self._decoder.decode(self._unseal(sealed, ("seen question", tenant)))
            owner = ("seen answer", tenant, question.digest.hex(), question.asker.hex())
            return self._seal(b"\x01" if await answer(tenant, question) else b"\x00", owner)

        await answer_all(self._broker, "seen", reply)
