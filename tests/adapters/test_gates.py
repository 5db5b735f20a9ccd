"""Gates on a real broker: each change follows a known one, notes are kept and forgotten, and the control plane sees none."""

import asyncio
from collections.abc import Callable

import pytest

from blubees.adapters.broker.gates import NatsGateStore
from blubees.engine.gate import Gate
from blubees.model.errors import UnavailableError
from blubees.model.ids import TenantId
from fakes.brokers import Brokers
from fakes.engine import make_message, make_plan
from fakes.machine import FakeClock

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)


async def until(store: NatsGateStore, name: str, is_there: Callable[[bytes | None], bool]) -> bytes | None:
    """What is not waited for comes about soon."""
    async with asyncio.timeout(10):
        while True:
            found = await store.load(A, name)
            data = found[1] if found is not None else None
            if is_there(data):
                return data
            await asyncio.sleep(0.01)


async def test_a_change_follows_a_known_one_and_a_note_does_not(brokers: Brokers) -> None:
    store = NatsGateStore(brokers.conduit)
    first = await store.save(A, "g", b"one", after=0)
    assert first
    assert await store.save(A, "g", b"another's", after=0) is None
    second = await store.save(A, "g", b"two", after=first)
    assert await store.load(A, "g") == (second, b"two")
    assert await store.load(B, "g") is None
    await store.note(A, "r", b"1")
    await store.note(A, "r", b"2")
    assert (await until(store, "r", lambda data: data == b"2")) == b"2"
    await store.drop(A, "r")
    assert await until(store, "r", lambda data: data is None) is None
    with pytest.raises((UnavailableError, asyncio.TimeoutError)):
        await asyncio.wait_for(NatsGateStore(brokers.control).save(A, "x", b"forged", after=0), 0.5)
    with pytest.raises((UnavailableError, asyncio.TimeoutError)):
        await asyncio.wait_for(NatsGateStore(brokers.control).load(A, "g"), 0.5)


async def test_two_conduits_at_a_real_broker_never_let_two_in(brokers: Brokers) -> None:
    plan = make_plan("  - {id: a, kind: stop}", head="runs: {mode: queued}")
    gates = [Gate(NatsGateStore(brokers.conduit), b"g" * 32, FakeClock()) for _ in range(2)]
    inside = most = 0

    async def perform(number: int) -> None:
        nonlocal inside, most
        visit = gates[number % 2].visit(plan, make_message(number=number))
        deliveries = 1
        while (wait := await visit.enter(deliveries)) is not None:
            assert isinstance(wait, float)
            deliveries += 1
            await asyncio.sleep(wait / 10)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.005)
        inside -= 1
        await visit.leave()

    async with asyncio.timeout(30):
        await asyncio.gather(*(perform(number) for number in range(1, 31)))
    assert most == 1
