"""What the door for Forge tells of a site that says goodbye: once, and again when it is back."""

from typing import Any

import pytest

from blubees.doors.forge_events import ForgeEventsDoor
from blubees.doors.identity import Caller
from blubees.model.receipt import LicenceState, TenantSeen
from fakes.engine import TENANT
from fakes.machine import FakeClock


class World:
    """A door whose callers are who they say."""

    def __init__(self) -> None:
        self.clock, self.told = FakeClock(), list[TenantSeen]()
        verifier: Any = self
        admit: Any = None
        self.door = ForgeEventsDoor(verifier, admit, self.told.append, lambda *_: None, self.clock)

    async def verify(self, _authorization: str, *, module_key: str) -> Caller:
        assert module_key
        return Caller(
            tenant=TENANT,
            environment_id="e",
            environment_type="DEVELOPMENT",
            cloud_id="0" * 36,
            installation_id="i",
            principal=None,
            licence=LicenceState.ABSENT,
        )

    async def send(self, path: str) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def keep(_message: object) -> None: ...

        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await self.door(
            {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}, receive, keep
        )


@pytest.mark.parametrize("goodbyes", [1, 2])
async def test_after_a_goodbye_what_straggles_in_is_not_told_and_what_comes_later_is(goodbyes: int) -> None:
    world = World()
    await world.send("/forge/tick")
    await world.send("/forge/tick")
    for _ in range(goodbyes):
        await world.send("/forge/pre-uninstall")
    assert [each.uninstalled for each in world.told] == [False] + [True] * goodbyes
    world.clock.advance(59)
    await world.send("/forge/tick")
    assert len(world.told) == 1 + goodbyes
    world.clock.advance(2)
    for _ in range(2):
        await world.send("/forge/events/lifecycle")
    assert [each.uninstalled for each in world.told[1 + goodbyes :]] == [False]
