"""Leases over the broker, sealed on the way (ports LeaseDesk, LeaseCounter). Built by main's processes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from blubees.adapters.broker.asking import NOTHING, Seal, answer_all, ask
from blubees.adapters.broker.link import Broker
from blubees.model.connection import Lease, LeaseRefusal, Purpose, Use
from blubees.model.errors import TamperedError
from blubees.model.ids import ConnectionName, TenantId

LEASE_SECONDS: Final = 18.0  # a token may have to be fetched first: vault/oauth/asking.py
CLUSTER_TRY_SECONDS: Final = 1.0
CLUSTER_WAIT_SECONDS: Final = 18.0  # longer than nodes need to agree on who leads, or a control plane to be replaced
PAUSE_SECONDS: Final = 0.1
USES_AT_ONCE: Final = 500
_REFUSALS: Final = {each.value.encode(): each for each in LeaseRefusal}

_Waiting = tuple[Use, "asyncio.Future[Lease | LeaseRefusal]"]
_Group = tuple[TenantId, ConnectionName, Purpose, str, str]


class _Question(msgspec.Struct, frozen=True):
    """What a conduit asks: a lease of this connection, for these uses, all of one flow and purpose.

    `refused`: the hash of a token that the vendor has refused.
    """

    name: str
    uses: tuple[Use, ...]
    refused: str = ""


class NatsLeaseDesk:
    """Ports LeaseDesk and LeaseCounter: a question over the broker, an answer sealed with the lease key.

    A lease is opened for uses that the question names, and handed to nobody else. While one question is under way, those who
    want the same wait, and are asked for together next: hundreds may want it at once.
    """

    def __init__(self, broker: Broker, seal: Seal, unseal: Seal) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._decoder, self._questions = msgspec.msgpack.Decoder(Lease), msgspec.msgpack.Decoder(_Question)
        self._waiting: dict[_Group, list[_Waiting]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def borrow(self, tenant: TenantId, name: ConnectionName, use: Use, refused: str = "") -> Lease | LeaseRefusal:
        """See the port."""
        future: asyncio.Future[Lease | LeaseRefusal] = asyncio.get_running_loop().create_future()
        group = (tenant, name, use.purpose, use.flow, refused)
        if group in self._waiting:
            self._waiting[group].append((use, future))
        else:
            self._waiting[group] = [(use, future)]
            task = asyncio.create_task(self._ask_for(group))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return await future

    async def _ask_for(self, group: _Group) -> None:
        """Ask for all who wait, until nobody does."""
        while self._waiting[group]:
            waiting = [each for each in self._waiting[group] if not each[1].done()]  # who was cancelled wants none
            batch, self._waiting[group] = waiting[:USES_AT_ONCE], waiting[USES_AT_ONCE:]
            if not batch:
                continue
            try:
                answer = await self._borrow(group, tuple(use for use, _ in batch))
            except BaseException:
                for _, future in (*batch, *self._waiting.pop(group)):
                    future.cancel()
                raise
            for _, future in batch:
                if not future.done():
                    future.set_result(answer)
        del self._waiting[group]

    async def _borrow(self, group: _Group, uses: tuple[Use, ...]) -> Lease | LeaseRefusal:
        tenant, name, purpose, flow, refused = group
        question = msgspec.msgpack.encode(_Question(name, uses, refused))
        reply = await self._ask(f"lease.{tenant}", self._seal(question, ("lease_asked", tenant)))
        if reply in _REFUSALS:
            return _REFUSALS[reply]
        try:
            return self._decoder.decode(self._unseal(reply, ("lease", tenant, name, purpose.value, flow)))
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

    async def serve(
        self, answer: Callable[[TenantId, ConnectionName, Sequence[Use], str], Awaitable[Lease | LeaseRefusal]]
    ) -> None:
        """See the port."""

        async def reply(tenant: TenantId, sealed: bytes) -> bytes:
            question = self._questions.decode(self._unseal(sealed, ("lease_asked", tenant)))
            name, uses = ConnectionName(question.name), question.uses
            if len({(use.purpose, use.flow) for use in uses}) != 1:
                return NOTHING
            lease = await answer(tenant, name, uses, question.refused)
            if isinstance(lease, LeaseRefusal):
                return lease.value.encode()
            return self._seal(msgspec.msgpack.encode(lease), ("lease", tenant, name, uses[0].purpose.value, uses[0].flow))

        await answer_all(self._broker, "lease", reply)
