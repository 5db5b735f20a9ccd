"""Questions of `dedupe` over the broker, sealed both ways (ports SeenDesk, SeenCounter). Built by main's processes."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import nats.errors
from nats.aio.msg import Msg

from blubees.adapters.broker.link import Broker
from blubees.model.errors import BluBeesError, UnavailableError
from blubees.model.ids import TenantId
from blubees.model.seen import SeenQuestion

ANSWER_WAIT_SECONDS: Final = 3.0
_ANSWERS: Final = {b"\x00": False, b"\x01": True}

Seal = Callable[[bytes, tuple[str, ...]], bytes]


class NatsSeenDesk:
    """Ports SeenDesk and SeenCounter."""

    def __init__(self, broker: Broker, seal: Seal, unseal: Seal) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(SeenQuestion)

    async def ask(self, tenant: TenantId, question: SeenQuestion) -> bool:
        """See the port."""
        sealed = self._seal(self._encoder.encode(question), ("seen question", tenant))
        try:
            reply = await self._broker.client.request(f"seen.{tenant}", sealed, timeout=ANSWER_WAIT_SECONDS)
            return _ANSWERS[self._unseal(reply.data, ("seen answer", tenant, question.digest.hex(), question.asker.hex()))]
        except (nats.errors.Error, OSError, BluBeesError, KeyError) as error:
            raise UnavailableError("The control plane does not say whether the key was seen.") from error

    async def serve(self, answer: Callable[[TenantId, SeenQuestion], Awaitable[bool]]) -> None:
        """See the port."""

        async def reply(message: Msg) -> None:
            tenant = TenantId(message.subject.partition(".")[2])
            try:
                question = self._decoder.decode(self._unseal(message.data, ("seen question", tenant)))
                seen = await answer(tenant, question)
            except (BluBeesError, msgspec.DecodeError):
                await message.respond(b"")
                return
            owner = ("seen answer", tenant, question.digest.hex(), question.asker.hex())
            await message.respond(self._seal(b"\x01" if seen else b"\x00", owner))

        await self._broker.client.subscribe("seen.*", queue="seen", cb=reply)
        for _ in range(2):  # then the broker knows that we answer; see leases.py
            await self._broker.client.flush()
