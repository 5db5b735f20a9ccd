"""Leases over the broker, sealed on the way (ports LeaseDesk, LeaseCounter). Built by main's processes."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import nats
import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from blubees.adapters.broker.link import Broker
from blubees.model.connection import Lease, LeaseRefusal
from blubees.model.errors import TamperedError
from blubees.model.ids import ConnectionName, TenantId

LEASE_WAIT_SECONDS: Final = 3.0


class NatsLeaseDesk:
    """Ports LeaseDesk and LeaseCounter: a question over the broker, an answer sealed with the lease key."""

    def __init__(
        self,
        broker: Broker,
        seal: Callable[[bytes, tuple[str, ...]], bytes],
        unseal: Callable[[bytes, tuple[str, ...]], bytes],
    ) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._decoder = msgspec.msgpack.Decoder(Lease)

    async def borrow(self, tenant: TenantId, name: ConnectionName) -> Lease | LeaseRefusal:
        """See the port."""
        try:
            reply = await self._broker.client.request(f"lease.{tenant}", name.encode(), timeout=LEASE_WAIT_SECONDS)
        except (nats.errors.Error, OSError):
            return LeaseRefusal.UNAVAILABLE
        if len(reply.data) < len(LeaseRefusal.UNAVAILABLE.value) + 1:
            return LeaseRefusal.MISSING if reply.data == LeaseRefusal.MISSING.encode() else LeaseRefusal.UNAVAILABLE
        try:
            return self._decoder.decode(self._unseal(reply.data, ("lease", tenant, name)))
        except TamperedError:
            return LeaseRefusal.UNAVAILABLE

    async def serve(self, answer: Callable[[TenantId, ConnectionName], Awaitable[Lease | LeaseRefusal]]) -> None:
        """See the port."""

        async def reply(message: Msg) -> None:
            tenant = TenantId(message.subject.partition(".")[2])
            name = ConnectionName(message.data.decode("ascii", "replace"))
            lease = await answer(tenant, name)
            if isinstance(lease, LeaseRefusal):
                await message.respond(lease.value.encode())
            else:
                await message.respond(self._seal(msgspec.msgpack.encode(lease), ("lease", tenant, name)))

        await self._broker.client.subscribe("lease.*", queue="vault", cb=reply)
        for _ in range(2):  # then the broker knows that we answer; nats-py's flush overtakes what it has not yet written
            await self._broker.client.flush()
