"""A Jira that keeps properties, and a desk that answers from a function: what parking a run needs."""

import re
from collections.abc import Awaitable, Callable, Sequence

import orjson

from blubees.engine.mail import MailRoom
from blubees.engine.park import Parker
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure
from blubees.model.ids import TenantId
from blubees.model.parking import (
    ArmSlot,
    BorrowKey,
    CallIn,
    FindWaiters,
    LeaveSlot,
    LentKey,
    OpenSlot,
    Slot,
    SlotAnswer,
    SlotRequest,
    SlotVerdict,
    TakeSlot,
    Waiters,
)
from blubees.model.receipt import RunReceipt
from blubees.ports import RunQueue
from blubees.vault.seal import Sealer
from fakes.engine import FakeLine
from fakes.machine import FakeChance

_PROPERTY = re.compile(r"/rest/(api/3/issue/\d+|forge/1/app)/properties/([\w.]+)")


class FakeDesk:
    """Port ParkingDesk."""

    def __init__(self, answer: Callable[[SlotRequest], Awaitable[SlotAnswer | SlotVerdict]]) -> None:
        self.answer = answer
        self.asked: list[SlotRequest] = []
        self.is_away = False

    async def open(self, request: OpenSlot | TakeSlot) -> Slot | SlotVerdict:
        self.asked.append(request)
        found = SlotVerdict.UNAVAILABLE if self.is_away else await self.answer(request)
        assert isinstance(found, Slot | SlotVerdict)
        return found

    async def tell(self, request: ArmSlot | LeaveSlot | CallIn) -> SlotVerdict:
        self.asked.append(request)
        found = SlotVerdict.UNAVAILABLE if self.is_away else await self.answer(request)
        assert isinstance(found, SlotVerdict)
        return found

    async def find_waiters(self, request: FindWaiters) -> Sequence[str]:
        found = await self.answer(request)
        assert isinstance(found, Waiters)
        return found.names

    async def borrow_call_back_key(self, tenant: TenantId) -> bytes:
        found = await self.answer(BorrowKey(tenant=tenant))
        assert isinstance(found, LentKey)
        return found.key


class FakeMail:
    """Port MailStore."""

    def __init__(self) -> None:
        self.boxes: dict[tuple[TenantId, str], list[tuple[int, bytes]]] = {}
        self.deliveries: set[str] = set()
        self.count = 0

    async def put(self, tenant: TenantId, name: str, sealed: bytes, *, delivery: str) -> bool:
        if delivery and f"{name}|{delivery}" in self.deliveries:
            return True
        self.deliveries.add(f"{name}|{delivery}")
        box = self.boxes.setdefault((tenant, name), [])
        self.count += 1
        if len(box) < 20:
            box.append((self.count, sealed))
            return True
        return False

    async def read(self, tenant: TenantId, name: str, *, after: int) -> Sequence[tuple[int, bytes]]:
        return [each for each in self.boxes.get((tenant, name), []) if each[0] > after]


class FakeProperties:
    """The properties of a Jira site, as a line sees them."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.comments: list[dict[str, object]] = []
        self.status = 0
        self.line = FakeLine(self.reply)

    def reply(self, call: Call) -> CallAnswer | Failure:
        if self.status:
            return CallAnswer(status=self.status)
        if "/comment" in call.url:
            if call.method == "POST":
                self.comments.append(orjson.loads(call.body))
            return CallAnswer(status=200, body=orjson.dumps({"comments": self.comments}))
        assert _PROPERTY.fullmatch(call.url), call.url
        if call.method == "PUT":
            assert len(call.body.decode()) <= 32_768, "more than Jira takes in one property"
            self.kept[call.url] = orjson.loads(call.body)
            return CallAnswer(status=201)
        if call.url not in self.kept:
            return CallAnswer(status=404)
        if call.method == "DELETE":
            del self.kept[call.url]
            return CallAnswer(status=204)
        return CallAnswer(status=200, body=orjson.dumps({"key": call.url.rpartition("/")[2], "value": self.kept[call.url]}))


async def refuse_all(_request: SlotRequest) -> SlotVerdict:
    return SlotVerdict.REFUSED


def make_parker(
    queue: RunQueue,
    *,
    desk: FakeDesk | None = None,
    jira: FakeProperties | None = None,
    room: MailRoom | None = None,
    ended: Callable[[RunReceipt], None] = lambda _receipt: None,
) -> Parker:
    properties = jira or FakeProperties()
    sealer = Sealer(b"k" * 32, FakeChance())
    desk = desk or FakeDesk(refuse_all)
    room = room or MailRoom(FakeMail(), desk, sealer)
    return Parker(desk, queue, lambda _tenant: properties.line, sealer, FakeChance(), room, ended)
