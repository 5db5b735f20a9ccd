"""A flow's trigger of an AWS connector, fired by the real desk, which asks moto over the wire."""

import json
from typing import Any

import msgspec
import orjson

from blubees.connectors.catalogue import load_connector
from blubees.engine.launch import Launcher
from blubees.engine.message import open_run
from blubees.engine.plan import PlanShelf
from blubees.engine.runner import Runner
from blubees.engine.work import Receipts
from blubees.flows.check import check_flow
from blubees.flows.connectors import FoundConnectors
from blubees.flows.firing import FiringDesk
from blubees.flows.intake import Intake
from blubees.flows.match import FlowIndex
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure
from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId
from blubees.model.order import Fire
from blubees.model.receipt import Fired
from blubees.steps.book import load_book
from blubees.vault.seal import Sealer
from fakes.engine import TENANT, FakeBox, FakeQueue
from fakes.machine import FakeChance, FakeClock
from fakes.third_parties import Way


class MotoLine:
    """A run's way to third parties: what goes to AWS goes to moto. `refuses`: a word of the calls that are refused."""

    def __init__(self, way: Way, port: int) -> None:
        self._way, self._port = way, port
        self.refuses = ""
        self.asked: list[str] = []

    async def call(self, call: Call) -> CallAnswer | Failure:
        told = dict(call.headers).get("X-Amz-Target", f"{call.method} {call.url}")
        self.asked.append(told)
        if self.refuses and self.refuses in told:
            return CallAnswer(status=403, headers={"content-type": "application/x-amz-json-1.0"}, body=b"{}")
        path = call.url.partition("://")[2].partition("/")[2]
        return await self._way(msgspec.structs.replace(call, url=f"http://127.0.0.1:{self._port}/{path}"))


class Firing:
    """A conduit's parts around one flow, and what its ticks come to."""

    def __init__(self, connector: str, trigger: dict[str, Any], line: MotoLine, now: int) -> None:
        known = load_connector(connector)
        assert known is not None
        steps = [{"id": "a", "kind": "stop"}]
        text = json.dumps({"id": "tick", "name": "T", "trigger": {"connection": "there", **trigger}, "steps": steps})
        checked = check_flow(text, load_book(), FoundConnectors((known,)))
        assert checked.flow is not None, checked.problems
        published = PublishedFlow(tenant=TENANT, version=1, flow=checked.flow, connectors=(known,))
        self.now, self.clock, self.queue = now, FakeClock(now), FakeQueue()
        self.sealer, chance, index, shelf = (
            Sealer(b"k" * 32, FakeChance()),
            FakeChance(),
            FlowIndex(),
            PlanShelf(dict(load_book())),
        )
        self.receipts = Receipts(FakeBox(), lambda *_args, **_fields: None)
        launcher = Launcher(self.queue, self.sealer, b"d" * 32, self.clock, lambda _accepted: None)
        runner = Runner(self.clock, lambda _tenant: line)  # type: ignore[arg-type,return-value]
        intake = Intake(index, shelf, launcher, runner, self.receipts, self.clock, chance)
        index.changed(TENANT, FlowId("tick"), published)
        shelf.put(TENANT, FlowId("tick"), published)
        self.desk = FiringDesk(index, intake.admit, lambda _: line, launcher, self.receipts, self.clock, chance)  # type: ignore[arg-type,return-value]
        self.cursor, self.last = "", 0

    async def fire(self) -> Fired:
        """Carry out one tick, as the control plane would go on from the last one."""
        order = Fire(
            tenant=TENANT,
            flow="tick",
            version=1,
            due_milliseconds=self.now,
            last_milliseconds=self.last,
            expires_at_milliseconds=self.now + 30_000,
            cursor=self.cursor,
        )
        await self.desk.carry_out(order)
        fired = None
        while not self.receipts._waiting.empty():
            fired = self.receipts._waiting.get_nowait()[0]
        assert isinstance(fired, Fired)
        if fired.failure is None:
            self.cursor, self.last = fired.cursor or self.cursor, self.now
        return fired

    def items(self) -> list[Any]:
        """Give what the runs were started with."""
        opened = [open_run(tenant, sealed, self.sealer) for tenant, _, sealed, _ in self.queue.put_runs]
        return [orjson.loads(each.body)["item"] for each in opened]
