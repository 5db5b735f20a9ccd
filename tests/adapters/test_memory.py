"""A real broker that dies and is replaced: nothing said in one memory is heard in the next, and all find their way in it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from blubees.adapters.broker.boards import NatsPlanBoard, NatsTokenBoard
from blubees.adapters.broker.receipts import NatsReceiptBox
from blubees.adapters.broker.runs import NatsRunQueue
from blubees.main.memory import follow_forever, furnish_forever
from blubees.model.errors import UnavailableError
from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId, TenantId
from blubees.ports import Lane, Put, TakenRun
from fakes.brokers import Brokers, Taker, post_plan, replace_broker
from fakes.engine import make_plan

A = TenantId("t" + "a" * 24)


async def until(ask: Callable[[], Any], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not ask():  # noqa: ASYNC110 - what is asked for has no event
            await asyncio.sleep(0.02)


async def test_what_is_said_of_a_run_of_an_earlier_memory_meets_no_other_run(brokers: Brokers) -> None:
    queue, taker = NatsRunQueue(brokers.conduit), Taker()
    supply = asyncio.create_task(queue.supply(Lane.PROMPT, taker))
    await queue.put(A, Lane.PROMPT, b"old", delivery="d")
    await taker.until(1)
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)
    old, epoch = taker.taken[0], await queue.epoch()
    await replace_broker(brokers)
    with pytest.raises(UnavailableError):
        await queue.epoch()
    await brokers.control.create_streams()
    assert await queue.epoch() > epoch
    assert await queue.put(A, Lane.PROMPT, b"new", delivery="d") is Put.QUEUED, "an empty memory remembers no delivery"
    fresh = Taker()
    supply = asyncio.create_task(queue.supply(Lane.PROMPT, fresh))
    await fresh.until(1)  # it has the number that the old one had
    for say in (old.finish, old.keep, old.hand_back):
        await say()
    await brokers.conduit.client.flush()
    await asyncio.sleep(0.2)
    assert await queue.count_waiting() == 1
    assert len(fresh.taken) == 1
    await fresh.taken[0].finish()
    await brokers.conduit.client.flush()
    assert await queue.count_waiting() == 0
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)


async def test_runs_are_supplied_from_the_new_memory_without_asking_anew(brokers: Brokers) -> None:
    queue, taken = NatsRunQueue(brokers.conduit), list[TakenRun]()

    class Endless(Taker):
        def room(self) -> int:
            return 10

        def take(self, run: TakenRun) -> None:
            taken.append(run)

    async def supply() -> None:
        while True:
            try:
                await queue.supply(Lane.PROMPT, Endless())
            except UnavailableError:
                await asyncio.sleep(0.1)

    supplying = asyncio.create_task(supply())
    await asyncio.sleep(0.3)
    await replace_broker(brokers)
    await brokers.control.create_streams()
    await queue.put(A, Lane.PROMPT, b"new", delivery="")
    await until(lambda: taken)
    assert taken[0].sealed == b"new"
    supplying.cancel()
    await asyncio.gather(supplying, return_exceptions=True)


async def test_both_sides_find_their_way_in_a_new_memory(brokers: Brokers) -> None:
    plans = [make_plan("  - {id: a, kind: stop}", tenant=A, version=number).published for number in range(1, 4)]
    live, told, epochs = plans[:1], list[int](), list[int]()
    board, tokens = NatsPlanBoard(brokers.control), NatsTokenBoard(brokers.conduit)
    shared = list[bytes]()

    async def fill() -> None:
        for plan in live:
            await post_plan(board, plan)

    def learn(_tenant: TenantId, _flow: FlowId, plan: PublishedFlow | None) -> None:
        told.append(plan.version if plan else 0)

    async def find_way() -> None:
        await NatsPlanBoard(brokers.conduit).watch(learn)
        await tokens.post(A, b"token")
        await tokens.watch(lambda _tenant, sealed: shared.append(sealed))

    def tell(_event: str, /, **_fields: float | bool | str) -> None:
        """Tell nobody."""

    await fill()
    await find_way()
    sides = [
        asyncio.create_task(furnish_forever(brokers.control, fill, epochs.append, tell)),
        asyncio.create_task(follow_forever(brokers.conduit, find_way, tell)),
    ]
    await until(lambda: epochs)
    live.append(plans[1])
    await replace_broker(brokers)
    await until(lambda: told == [1, 1, 2] and shared == [b"token", b"token"])
    await post_plan(board, plans[2])
    await until(lambda: told == [1, 1, 2, 3])
    await asyncio.sleep(0.3)
    assert told == [1, 1, 2, 3], "the watch of before is no more"
    assert len(epochs) == 2
    for side in sides:
        side.cancel()
    await asyncio.gather(*sides, return_exceptions=True)


async def test_receipts_know_which_memory_they_are_in(brokers: Brokers) -> None:
    box = NatsReceiptBox(brokers.conduit)
    first = await box.send([])
    await replace_broker(brokers)
    with pytest.raises(UnavailableError):
        await box.send([])
    await brokers.control.create_streams()
    assert (await box.kept()).epoch > first.epoch
