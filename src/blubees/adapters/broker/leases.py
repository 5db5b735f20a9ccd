"""Leases over the broker, sealed on the way (ports LeaseDesk, LeaseCounter). Built by main's processes."""

import asyncio
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
CLUSTER_TRY_SECONDS: Final = 1.0
CLUSTER_WAIT_SECONDS: Final = 12.0  # longer than nodes need to agree on who leads, or a control plane to be replaced
PAUSE_SECONDS: Final = 0.1


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
        self._asking: dict[tuple[TenantId, ConnectionName], asyncio.Task[Lease | LeaseRefusal]] = {}

    async def borrow(self, tenant: TenantId, name: ConnectionName) -> Lease | LeaseRefusal:
        """See the port. Who asks for the same one while a question is under way shares its answer: hundreds may ask at once."""
        asking = self._asking.get((tenant, name))
        if asking is None:
            asking = self._asking[tenant, name] = asyncio.create_task(self._borrow(tenant, name))
            asking.add_done_callback(lambda _: self._asking.pop((tenant, name), None))
        return await asyncio.shield(asking)

    async def _borrow(self, tenant: TenantId, name: ConnectionName) -> Lease | LeaseRefusal:
        reply = await self._ask(f"lease.{tenant}", name.encode())
        if reply is None:
            return LeaseRefusal.UNAVAILABLE
        if len(reply.data) < len(LeaseRefusal.UNAVAILABLE.value) + 1:
            return LeaseRefusal.MISSING if reply.data == LeaseRefusal.MISSING.encode() else LeaseRefusal.UNAVAILABLE
        try:
            return self._decoder.decode(self._unseal(reply.data, ("lease", tenant, name)))
        except TamperedError:
            return LeaseRefusal.UNAVAILABLE

    async def _ask(self, subject: str, question: bytes) -> Msg | None:
        """Ask, in a cluster more than once: a node or a control plane that stops may take a question with it."""
        is_cluster = self._broker.replicas > 1
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CLUSTER_WAIT_SECONDS
        while True:
            try:
                wait = CLUSTER_TRY_SECONDS if is_cluster else LEASE_WAIT_SECONDS
                return await self._broker.client.request(subject, question, timeout=wait)
            except (nats.errors.Error, OSError):
                if not is_cluster or loop.time() > deadline:
                    return None
                await asyncio.sleep(PAUSE_SECONDS)

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
