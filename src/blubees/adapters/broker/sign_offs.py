"""The sign-off desk over the broker, sealed both ways with the lease key (ports SignOffDesk, SignOffCounter).

Built by main's processes.
"""

from collections.abc import Awaitable, Callable

import msgspec

from blubees.adapters.broker.asking import Seal, answer_all, ask
from blubees.adapters.broker.link import Broker
from blubees.model.errors import TamperedError, UnavailableError
from blubees.model.ids import TenantId
from blubees.model.sign_off import SignOffReply, SignOffRequest


class NatsSignOffDesk:
    """Both ports."""

    def __init__(self, broker: Broker, seal: Seal, unseal: Seal) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._encoder = msgspec.msgpack.Encoder()
        self._requests: msgspec.msgpack.Decoder[SignOffRequest] = msgspec.msgpack.Decoder(SignOffRequest)
        self._replies: msgspec.msgpack.Decoder[SignOffReply] = msgspec.msgpack.Decoder(SignOffReply)

    async def ask(self, request: SignOffRequest) -> SignOffReply:
        """See the port."""
        sealed = self._seal(self._encoder.encode(request), ("sign-off", request.tenant))
        reply = await ask(self._broker, f"sign_off.{request.tenant}", sealed)
        try:
            return self._replies.decode(self._unseal(reply, ("signed-off", request.tenant)))
        except (TamperedError, msgspec.DecodeError):
            raise UnavailableError("The control plane does not answer about sign-offs.", retry_after_seconds=2) from None

    async def serve(self, answer: Callable[[SignOffRequest], Awaitable[SignOffReply]]) -> None:
        """See the port."""

        async def reply(tenant: TenantId, question: bytes) -> bytes:
            request = self._requests.decode(self._unseal(question, ("sign-off", tenant)))
            if request.tenant != tenant:
                raise TamperedError
            return self._seal(self._encoder.encode(await answer(request)), ("signed-off", tenant))

        await answer_all(self._broker, "sign_off", reply)
