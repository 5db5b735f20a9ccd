"""The sign-off desk over the broker, sealed both ways with the lease key (ports SignOffDesk, SignOffCounter).

Built by main's processes.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import nats.errors
from nats.aio.msg import Msg

from blubees.adapters.broker.link import Broker
from blubees.model.errors import BluBeesError, TamperedError, UnavailableError
from blubees.model.sign_off import SignOffReply, SignOffRequest

DESK_SECONDS: Final = 3.0


class NatsSignOffDesk:
    """Both ports."""

    def __init__(
        self,
        broker: Broker,
        seal: Callable[[bytes, tuple[str, ...]], bytes],
        unseal: Callable[[bytes, tuple[str, ...]], bytes],
    ) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._encoder = msgspec.msgpack.Encoder()
        self._requests: msgspec.msgpack.Decoder[SignOffRequest] = msgspec.msgpack.Decoder(SignOffRequest)
        self._replies: msgspec.msgpack.Decoder[SignOffReply] = msgspec.msgpack.Decoder(SignOffReply)

    async def ask(self, request: SignOffRequest) -> SignOffReply:
        """See the port."""
        sealed = self._seal(self._encoder.encode(request), ("sign-off", request.tenant))
        try:
            reply = await self._broker.client.request(f"sign_off.{request.tenant}", sealed, timeout=DESK_SECONDS)
            return self._replies.decode(self._unseal(reply.data, ("signed-off", request.tenant)))
        except (nats.errors.Error, OSError, TamperedError, msgspec.DecodeError):
            raise UnavailableError("The control plane does not answer about sign-offs.", retry_after_seconds=2) from None

    async def serve(self, answer: Callable[[SignOffRequest], Awaitable[SignOffReply]]) -> None:
        """See the port."""

        async def reply(message: Msg) -> None:
            tenant = message.subject.partition(".")[2]
            try:
                request = self._requests.decode(self._unseal(message.data, ("sign-off", tenant)))
                if request.tenant != tenant:
                    raise TamperedError
                found = self._seal(self._encoder.encode(await answer(request)), ("signed-off", tenant))
            except (msgspec.DecodeError, BluBeesError):
                found = b""  # which nobody can open: unavailable
            await message.respond(found)

        await self._broker.client.subscribe("sign_off.*", queue="sign_offs", cb=reply)
        for _ in range(2):  # then the broker knows that we answer (as in leases.py)
            await self._broker.client.flush()
