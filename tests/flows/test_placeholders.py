"""A flow with a placeholder can be saved, says so when it is checked, and is not published."""

from pathlib import Path

import pytest

from blubees.adapters.database import open_database
from blubees.flows.check import check_flow
from blubees.flows.placeholders import forbid_placeholders, list_placeholders
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.errors import InputError
from blubees.model.ids import FlowId
from blubees.steps.book import load_book
from fakes.boards import FakeBoard
from fakes.engine import TENANT
from fakes.machine import FakeChance, FakeClock

HEAD = "id: f\nname: F\ntrigger: {on: webhook}\nsteps:\n"
HOLE = HEAD + (
    "  - id: way\n    kind: choose\n    branches:\n      - steps: [{id: hole, kind: placeholder, name: Tell them, with: {note: later}}]\n"
)


def test_a_placeholder_in_a_block_warns_and_is_not_published() -> None:
    checked = check_flow(HOLE, load_book())
    assert checked.flow is not None
    assert ["stands in the way of publishing" in each.message for each in checked.problems] == [True]
    assert [each.id for each in list_placeholders(checked.flow.steps)] == ["hole"]
    with pytest.raises(InputError) as caught:
        forbid_placeholders(checked.flow)
    assert caught.value.problems == ("the step hole (Tell them)",)


def test_a_whole_flow_is_published() -> None:
    checked = check_flow(HEAD + "  - {id: a, kind: stop}\n", load_book())
    assert checked.flow is not None
    assert not checked.problems
    forbid_placeholders(checked.flow)


async def test_the_service_keeps_it_as_a_draft_and_refuses_to_publish_it(tmp_path: Path) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'flows.sqlite3'}")
    await database.prepare()
    clock = FakeClock()
    service = FlowService(database.flows, FakeBoard(), Timetable(database.schedules, clock), clock, FakeChance(), load_book())
    assert (await service.save_draft(TENANT, HOLE)).flow is not None
    with pytest.raises(InputError):
        await service.publish(TENANT, FlowId("f"))
    assert (await service.load(TENANT, FlowId("f"))).live_version == 0
    await service.save_draft(TENANT, HEAD + "  - {id: a, kind: stop}\n")
    assert (await service.publish(TENANT, FlowId("f"))).version == 1
    await database.close()
