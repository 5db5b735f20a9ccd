"""A queue, a receipt box and a line that stay in memory, and plans made from flow texts."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from blubees.engine.message import RunMessage
from blubees.engine.plan import Plan, PlanShelf, compile_plan
from blubees.flows.check import check_flow
from blubees.model.call import Call, CallAnswer, Transfer, Transferred
from blubees.model.errors import UnavailableError
from blubees.model.failures import Failure
from blubees.model.flow import PublishedFlow, TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.receipt import Receipt
from blubees.ports import Lane, Put, RunTaker, Stand
from blubees.steps.book import load_book
from fakes.transfers import transfer_by_calls

TENANT = TenantId("t" + "0" * 24)
EPOCH = 1_795_000_000_000_000  # when the fake clock starts, in microseconds


def make_plan(
    steps: str, *, tenant: TenantId = TENANT, version: int = 1, trigger: str = "webhook", head: str = "", flow: str = "flow"
) -> Plan:
    """Compile a flow with these steps (YAML lines, two spaces in)."""
    checked = check_flow(f"id: {flow}\nname: Flow\ntrigger: {{on: {trigger}}}\n{head}\nsteps:\n{steps}\n", load_book())
    assert checked.flow is not None, checked.problems
    token_hash = hashlib.sha256(b"token").hexdigest()
    published = PublishedFlow(tenant=tenant, version=version, flow=checked.flow, hook_token_hash=token_hash)
    return compile_plan(published, dict(load_book()))


def make_shelf(*plans: Plan) -> PlanShelf:
    shelf = PlanShelf(dict(load_book()))
    for plan in plans:
        shelf.put(plan.published.tenant, plan.published.flow.id, plan.published)
    return shelf


def make_message(body: bytes = b'{"n": 1}', *, tenant: TenantId = TENANT, number: int = 1, version: int = 1) -> RunMessage:
    return RunMessage(
        run=RunId(f"r{number:026d}"),
        tenant=tenant,
        flow=FlowId("flow"),
        version=version,
        trigger=TriggerKind.WEBHOOK,
        accepted_at_milliseconds=1_795_000_000_000,
        body=body,
    )


class FakeLine:
    """Answers calls by a function, and keeps what was asked."""

    def __init__(self, answer: Callable[[Call], CallAnswer | Failure]) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.request_bytes = self.answer_bytes = self.http_status = 0
        self.attempts = 1
        self.refused: CallAnswer | None = None

    def start_step(self) -> None:
        self.request_bytes = self.answer_bytes = self.http_status = 0
        self.attempts = 1
        self.refused = None

    async def call(self, call: Call) -> CallAnswer | Failure:
        self.calls.append(call)
        found = self.answer(call)
        self.http_status = found.status if isinstance(found, CallAnswer) else 0
        self.refused = found if isinstance(found, CallAnswer) and found.status >= 400 else None
        return found

    call_jira = call

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        return await transfer_by_calls(self.call, transfer)


class FakeTaken:
    """Port TakenRun."""

    def __init__(self, tenant: TenantId, sealed: bytes, deliveries: int = 1) -> None:
        self.tenant, self.sealed, self.deliveries = tenant, sealed, deliveries
        self.epoch = EPOCH
        self.said: list[str] = []
        self.is_heard = self.is_surely_finished = True

    async def finish(self) -> bool:
        self.said.append("finish")
        return self.is_heard

    async def keep(self) -> None:
        self.said.append("keep")

    async def hand_back(self, after_seconds: float = 0.0) -> None:
        _ = after_seconds
        self.said.append("hand back")


class FakeQueue:
    """Port RunQueue: keeps what is put, gives what is told to give."""

    def __init__(self) -> None:
        self.put_runs: list[tuple[TenantId, Lane, bytes, str]] = []
        self.deliveries: set[str] = set()
        self.give: dict[Lane, list[FakeTaken]] = {lane: [] for lane in Lane}
        self.room_for = 1_000
        self.is_away = False
        self.epochs = [1]

    async def put(self, tenant: TenantId, lane: Lane, sealed: bytes, *, delivery: str) -> Put:
        if self.is_away:
            raise UnavailableError("away")
        if len(self.put_runs) >= self.room_for:
            return Put.FULL
        if delivery and delivery in self.deliveries:
            return Put.DUPLICATE
        self.deliveries.add(delivery)
        self.put_runs.append((tenant, lane, sealed, delivery))
        return Put.QUEUED

    async def claim(self, delivery: str) -> bool:
        if delivery in self.deliveries:
            return False
        self.deliveries.add(delivery)
        return True

    async def supply(self, lane: Lane, taker: RunTaker) -> None:
        if self.is_away:
            raise UnavailableError("away")
        while True:
            while self.give[lane] and taker.room() > 0:
                taker.take(self.give[lane].pop(0))
            await asyncio.sleep(0.001)

    async def epoch(self) -> int:
        if self.is_away:
            raise UnavailableError("away")
        return self.epochs.pop(0) if len(self.epochs) > 1 else self.epochs[0]

    async def count_waiting(self) -> int:
        return len(self.put_runs)


class FakeCheckpoints:
    """Port CheckpointStore."""

    def __init__(self) -> None:
        self.kept: dict[tuple[TenantId, RunId], tuple[int, bytes]] = {}
        self.saved: list[bytes] = []
        self.away = 0
        self.unconfirmed = 0
        self.epoch_now = EPOCH

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, after: int) -> int | None:
        if self.away:
            self.away -= 1
            raise UnavailableError("away")
        if self.kept.get((tenant, run), (0, b""))[0] != after:
            return None
        self.saved.append(sealed)
        self.kept[tenant, run] = (len(self.saved), sealed)
        if self.unconfirmed:
            self.unconfirmed -= 1
            raise UnavailableError("saved, but the answer was lost")
        return len(self.saved)

    async def load(self, tenant: TenantId, run: RunId) -> tuple[int, bytes] | None:
        if self.away:
            self.away -= 1
            raise UnavailableError("away")
        return self.kept.get((tenant, run))

    async def epoch(self) -> int:
        return self.epoch_now

    def lose_all(self) -> None:
        """All brokers die; others take their place."""
        self.kept.clear()
        self.epoch_now += 1_000_000

    async def drop(self, tenant: TenantId, run: RunId) -> None:
        self.kept.pop((tenant, run), None)


class FakeGates:
    """Port GateStore: fails as often as told, before or after it has saved."""

    def __init__(self) -> None:
        self.kept: dict[tuple[TenantId, str], tuple[int, bytes]] = {}
        self.number = self.away = self.unconfirmed = self.loads = 0

    async def save(self, tenant: TenantId, name: str, data: bytes, *, after: int) -> int | None:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise UnavailableError("away")
        if self.kept.get((tenant, name), (0, b""))[0] != after:
            return None
        await self.note(tenant, name, data)
        if self.unconfirmed:
            self.unconfirmed -= 1
            raise UnavailableError("saved, but the answer was lost")
        return self.number

    async def load(self, tenant: TenantId, name: str) -> tuple[int, bytes] | None:
        await asyncio.sleep(0)
        self.loads += 1
        if self.away:
            self.away -= 1
            raise UnavailableError("away")
        return self.kept.get((tenant, name))

    async def note(self, tenant: TenantId, name: str, data: bytes) -> None:
        self.number += 1
        self.kept[tenant, name] = (self.number, data)

    async def drop(self, tenant: TenantId, name: str) -> None:
        self.kept.pop((tenant, name), None)


class FakeBox:
    """Port ReceiptBox: keeps what is sent; fails as often as told."""

    def __init__(self) -> None:
        self.sent: list[Receipt] = []
        self.failures = 0
        self.batches = 0
        self.stand = Stand(1, 0)

    async def send(self, receipts: Sequence[Receipt]) -> Stand:
        if self.failures:
            self.failures -= 1
            raise UnavailableError("away")
        self.sent += receipts
        self.batches += 1
        return Stand(self.stand.epoch, self.batches)

    async def kept(self) -> Stand:
        return self.stand

    async def collect(self) -> AsyncIterator[tuple[Sequence[Receipt], int, Callable[[], Awaitable[None]]]]:
        while self.sent:
            yield [self.sent.pop(0)], 0, _do_nothing


async def _do_nothing() -> None:
    """Kept."""
