"""Leases over the broker, sealed on the way (ports LeaseDesk, LeaseCounter). Built by main's processes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from blubees.adapters.broker.asking import NOTHING, Seal, answer_all, ask
from blubees.adapters.broker.link import Broker
from blubees.model.connection import Lease, LeaseRefusal
from blubees.model.errors import TamperedError
from blubees.model.ids import ConnectionName, TenantId

LEASE_SECONDS: Final = 18.0  # a token may have to be fetched first: vault/oauth/asking.py
CLUSTER_TRY_SECONDS: Final = 1.0
CLUSTER_WAIT_SECONDS: Final = 18.0  # longer than nodes need to agree on who leads, or a control plane to be replaced
PAUSE_SECONDS: Final = 0.1
_REFUSALS: Final = {each.value.encode(): each for each in LeaseRefusal}


class NatsLeaseDesk:
    """Ports LeaseDesk and LeaseCounter: a question over the broker, an answer sealed with the lease key."""

    def __init__(self, broker: Broker, seal: Seal, unseal: Seal) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._decoder = msgspec.msgpack.Decoder(Lease)
        self._asking: dict[tuple[TenantId, str], asyncio.Task[Lease | LeaseRefusal]] = {}

    async def borrow(self, tenant: TenantId, name: ConnectionName, refused: str = "") -> Lease | LeaseRefusal:
        """See the port. Who asks for the same one while a question is under way shares its answer: hundreds may ask at once."""
        question = f"{name}\n{refused}" if refused else name
        asking = self._asking.get((tenant, question))
        if asking is None:
            asking = self._asking[tenant, question] = asyncio.create_task(self._borrow(tenant, name, question))
            asking.add_done_callback(lambda _: self._asking.pop((tenant, question), None))
        return await asyncio.shield(asking)

    async def _borrow(self, tenant: TenantId, name: ConnectionName, question: str) -> Lease | LeaseRefusal:
        reply = await self._ask(f"lease.{tenant}", question.encode())
        if reply in _REFUSALS:
            return _REFUSALS[reply]
        try:
            return self._decoder.decode(self._unseal(reply, ("lease", tenant, name)))
        except TamperedError:
            return LeaseRefusal.UNAVAILABLE

    async def _ask(self, subject: str, question: bytes) -> bytes:
        """Ask, in a cluster more than once: a node or a control plane that stops may take a question with it."""
        if self._broker.replicas == 1:
            return await ask(self._broker, subject, question, seconds=LEASE_SECONDS)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CLUSTER_WAIT_SECONDS
        while True:
            reply = await ask(self._broker, subject, question, seconds=CLUSTER_TRY_SECONDS)
            if reply != NOTHING or loop.time() > deadline:
                return reply
            await asyncio.sleep(PAUSE_SECONDS)

    async def serve(self, answer: Callable[[TenantId, ConnectionName, str], Awaitable[Lease | LeaseRefusal]]) -> None:
        """See the port."""

        async def reply(tenant: TenantId, question: bytes) -> bytes:
            first, _, refused = question.decode("ascii", "replace").partition("\n")
            name = ConnectionName(first)
            lease = await answer(tenant, name, refused)
            if isinstance(lease, LeaseRefusal):
                return lease.value.encode()
            return self._seal(msgspec.msgpack.encode(lease), ("lease", tenant, name))

        await answer_all(self._broker, "lease", reply)
