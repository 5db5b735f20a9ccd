"""Orders on a real nats-server: carried out by some conduit, again when that failed, and never by the control plane."""

import asyncio
from types import SimpleNamespace

import msgspec
import nats.errors
import pytest

from blubees.adapters.broker import orders as orders_file
from blubees.adapters.broker.orders import NatsOrders
from blubees.model.errors import UnavailableError
from blubees.model.order import Order, Wake
from fakes.brokers import Brokers

A = "t" + "a" * 24


def wake(number: int) -> Wake:
    return Wake(tenant=A, run=f"r{number:026d}", ordinal=1)


async def test_an_order_is_carried_out_once_and_again_when_it_failed(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders_file, "AGAIN_SECONDS", 0.05)
    box, queue = NatsOrders(brokers.control), NatsOrders(brokers.conduit)
    seen: list[str] = []
    done = asyncio.Event()

    async def perform(order: Order) -> None:
        assert isinstance(order, Wake)
        seen.append(order.run)
        if seen.count(order.run) == 1 and order == wake(2):
            raise UnavailableError("not now", retry_after_seconds=0.05)
        if len(seen) == 4:
            done.set()

    supplies = [asyncio.create_task(queue.supply(perform)) for _ in range(2)]
    for number in (1, 2, 3, 3):
        await box.send(wake(number), name=f"wake {number}")
    async with asyncio.timeout(10):
        await done.wait()
    await asyncio.sleep(0.2)
    assert sorted(seen) == [wake(1).run, wake(2).run, wake(2).run, wake(3).run]
    for supply in supplies:
        supply.cancel()
    await asyncio.gather(*supplies, return_exceptions=True)


async def test_a_conduit_can_give_no_orders_and_the_control_plane_can_take_none(brokers: Brokers) -> None:
    with pytest.raises(UnavailableError):
        await NatsOrders(brokers.conduit).send(wake(1), name="wake")
    await NatsOrders(brokers.control).send(wake(1), name="wake")
    with pytest.raises(nats.errors.Error):
        await brokers.control.client.request("$JS.API.CONSUMER.MSG.NEXT.ORDERS.conduits", b'{"batch":1}', timeout=0.5)


async def test_more_orders_than_one_conduit_carries_out_at_a_time_are_all_carried_out(brokers: Brokers) -> None:
    box, queue = NatsOrders(brokers.control), NatsOrders(brokers.conduit)
    seen: list[str] = []
    most = under_way = 0

    async def perform(order: Order) -> None:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        assert isinstance(order, Wake)
        seen.append(order.run)

    for number in range(150):
        await box.send(wake(number), name=f"wake {number}")
    supply = asyncio.create_task(queue.supply(perform))
    async with asyncio.timeout(20):
        while len(seen) < 150:
            assert not supply.done()
            await asyncio.sleep(0.01)
    assert (len(set(seen)), most) == (150, orders_file.ORDERS_AT_ONCE)
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)


class FakePull:
    """A pull that brings more than it was asked for, as a late answer to an earlier order does."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.left = list(range(orders_file.ORDERS_AT_ONCE + 1))

    async def fetch(self, batch: int, timeout: float) -> list[SimpleNamespace]:  # noqa: ASYNC109 - nats-py's own name
        assert timeout
        self.asked.append(batch)
        found = [SimpleNamespace(data=msgspec.msgpack.encode(wake(number))) for number in self.left]
        self.left = []
        if not found:
            await asyncio.sleep(0.01)
            raise nats.errors.TimeoutError
        return found


class FakeHeld:
    """A taken order."""

    def __init__(self, *_: object) -> None:
        """Nothing to hold."""

    async def finish(self) -> None:
        """Forgotten."""


async def test_more_orders_than_were_asked_for_end_nothing_and_none_are_asked_for_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pull, done = FakePull(), list[Order]()
    monkeypatch.setattr(orders_file, "NatsTakenRun", FakeHeld)
    go_on = asyncio.Event()

    async def bind(*_: object) -> FakePull:
        return pull

    async def perform(order: Order) -> None:
        await go_on.wait() if done else None
        done.append(order)

    broker = SimpleNamespace(stream=SimpleNamespace(pull_subscribe_bind=bind))
    supply = asyncio.create_task(NatsOrders(broker).supply(perform))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.sleep(0.05)
    assert not supply.done()
    assert len(done) == orders_file.ORDERS_AT_ONCE + 1
    assert min(pull.asked) >= 1
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)
