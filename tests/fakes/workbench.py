"""A worker with everything around it in memory; `async with` has it work. Used by tests of what a worker does with runs."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Self

from blubees.engine.plan import Plan
from blubees.engine.runner import Runner
from blubees.engine.work import Receipts, Worker
from blubees.model.call import CallAnswer
from blubees.model.ids import TenantId
from blubees.ports import Lane
from blubees.vault.seal import Sealer
from fakes.engine import TENANT, FakeBox, FakeCheckpoints, FakeLine, FakeQueue, FakeTaken, make_shelf
from fakes.machine import FakeChance, FakeClock
from fakes.parking import make_parker

SEALER = Sealer(b"k" * 32, FakeChance())


class Workbench:
    """One worker or more on one queue; `told`: events, `refused`: runs that were not ours."""

    def __init__(self, *plans: Plan) -> None:
        self.queue, self.box, self.told, self.refused = FakeQueue(), FakeBox(), list[str](), 0
        self.shelf, self.checkpoints = make_shelf(*plans), FakeCheckpoints()
        self.receipts = Receipts(self.box, self.tell)
        self.workers: Sequence[Worker] = ()
        self.tasks: list[asyncio.Task[None]] = []

    def make_worker(self, open_line: Callable[[str], FakeLine] | None = None, **more: Any) -> Worker:
        """Make a worker. `more`: what else Worker takes."""
        runner = Runner(FakeClock(), open_line or (lambda _tenant: FakeLine(_answer)))
        return Worker(
            self.queue,
            self.checkpoints,
            self.shelf,
            runner,
            self.receipts,
            SEALER,
            FakeClock(),
            self.tell,
            parker=make_parker(self.queue),
            refused=self.refuse,
            **more,
        )

    def tell(self, event: str, /, **_fields: float | bool | str) -> None:
        self.told.append(event)

    def refuse(self) -> None:
        self.refused += 1

    def give(self, sealed: bytes, *, tenant: TenantId = TENANT, deliveries: int = 1, lane: Lane = Lane.PROMPT) -> FakeTaken:
        taken = FakeTaken(tenant, sealed, deliveries)
        self.queue.give[lane].append(taken)
        return taken

    async def __aenter__(self) -> Self:
        self.tasks = [asyncio.create_task(worker.work_forever()) for worker in self.workers]
        self.tasks.append(asyncio.create_task(self.receipts.send_forever()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def until(ask: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not ask():  # noqa: ASYNC110 - what is asked for has no event
            await asyncio.sleep(0.005)


def _answer(_call: object) -> CallAnswer:
    return CallAnswer(status=200, headers={}, body=b"")
