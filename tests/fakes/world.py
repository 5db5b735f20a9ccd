"""A third party, a conduit that dies where told, and a broker's memory: for runs that are broken off and go on."""

import asyncio
import json

from blubees.engine.journal import Journal
from blubees.engine.plan import Plan
from blubees.engine.runner import Ended, Runner
from blubees.engine.surroundings import Surroundings
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure
from blubees.vault.seal import Sealer
from fakes.engine import FakeCheckpoints, FakeLine, make_message, make_plan
from fakes.machine import FakeChance, FakeClock

SEALER = Sealer(b"k" * 32, FakeChance())


class KilledError(BaseException):
    """What SIGKILL does to a walk."""


class World:
    """A third party that remembers what it was asked, fails where told, and a conduit that dies where told."""

    def __init__(self, steps: str, body: object = None) -> None:
        self.plan: Plan = make_plan(steps)
        self.body = json.dumps({"items": ["a", "b", "c"]} if body is None else body).encode()
        self.store, self.asked = FakeCheckpoints(), list[str]()
        self.fails: dict[str, int] = {}
        self.slow: set[str] = set()
        self.dies_at = ""
        self.around = Surroundings()
        self.under_way = self.most_at_once = self.begun = 0

    def answer(self, call: Call) -> CallAnswer:
        name = call.url.removeprefix("https://a.example.com/")
        if name == self.dies_at:
            self.dies_at = ""
            raise KilledError
        self.asked.append(name)
        content = json.dumps({"name": name}).encode()
        return CallAnswer(status=self.fails.get(name, 200), headers={"content-type": "application/json"}, body=content)

    def open_line(self, _tenant: str) -> FakeLine:
        world = self

        class Line(FakeLine):
            async def call(self, call: Call) -> CallAnswer | Failure:
                world.begun += 1
                world.under_way += 1
                world.most_at_once = max(world.most_at_once, world.under_way)
                await asyncio.sleep(0.02 if call.url.rpartition("/")[2] in world.slow else 0.002)
                world.under_way -= 1
                return await super().call(call)

        return Line(self.answer)

    async def run_once(self, deliveries: int, number: int = 1) -> Ended:
        message = make_message(self.body, number=number)
        journal = Journal(self.store, SEALER, FakeClock(), message)
        if deliveries > 1:
            message.state = await journal.load() or message.state
        runner = Runner(FakeClock(), self.open_line, around=self.around)
        end = await runner.perform(self.plan, message, journal=journal, deliveries=deliveries)
        assert isinstance(end, Ended)
        return end

    async def run(self, dies_at: str = "", number: int = 1) -> Ended:
        self.dies_at = dies_at
        try:
            return await self.run_once(1, number)
        except KilledError:
            return await self.run_once(2, number)


def http(name: str, path: str, more: str = "method: PUT") -> str:
    return f"{{id: {name}, kind: http, with: {{{more}, url: 'https://a.example.com/{path}'}}}}"
