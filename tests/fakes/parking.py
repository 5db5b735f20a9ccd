"""A Jira that keeps properties, and a desk that answers from a function: what parking a run needs."""

import re
from collections.abc import Awaitable, Callable

import orjson

from blubees.engine.park import Parker
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure
from blubees.model.parking import ArmSlot, LeaveSlot, OpenSlot, Slot, SlotRequest, SlotVerdict, TakeSlot
from blubees.model.receipt import RunReceipt
from blubees.ports import RunQueue
from blubees.vault.seal import Sealer
from fakes.engine import FakeLine
from fakes.machine import FakeChance

_PROPERTY = re.compile(r"/rest/(api/3/issue/\d+|forge/1/app)/properties/([\w.]+)")


class FakeDesk:
    """Port ParkingDesk."""

    def __init__(self, answer: Callable[[SlotRequest], Awaitable[Slot | SlotVerdict]]) -> None:
        self.answer = answer
        self.asked: list[SlotRequest] = []
        self.is_away = False

    async def open(self, request: OpenSlot | TakeSlot) -> Slot | SlotVerdict:
        self.asked.append(request)
        return SlotVerdict.UNAVAILABLE if self.is_away else await self.answer(request)

    async def tell(self, request: ArmSlot | LeaveSlot) -> SlotVerdict:
        self.asked.append(request)
        found = SlotVerdict.UNAVAILABLE if self.is_away else await self.answer(request)
        assert isinstance(found, SlotVerdict)
        return found


class FakeProperties:
    """The properties of a Jira site, as a line sees them."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.status = 0
        self.line = FakeLine(self.reply)

    def reply(self, call: Call) -> CallAnswer | Failure:
        if self.status:
            return CallAnswer(status=self.status)
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
    ended: Callable[[RunReceipt], None] = lambda _receipt: None,
) -> Parker:
    properties = jira or FakeProperties()
    sealer = Sealer(b"k" * 32, FakeChance())
    return Parker(desk or FakeDesk(refuse_all), queue, lambda _tenant: properties.line, sealer, FakeChance(), ended)
