"""The names of a site's fields: asked for once by however many, kept for ten minutes, and a failure is told and not kept."""

import asyncio
import json
from typing import Any

import pytest

from blubees.connectors.field_names import KEPT_MILLISECONDS, TENANTS_KEPT, FieldDirectory, read_names
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import FieldNames, is_plain_field
from blubees.model.ids import TenantId
from fakes.engine import TENANT, FakeLine
from fakes.machine import FakeClock

FIELDS = [
    {"id": "summary", "name": "Summary"},
    {"id": "customfield_1", "name": "Team"},
    {"id": "customfield_2", "name": " team "},
    {"id": "customfield_3", "name": "Go-live date"},
    {"id": 7, "name": "no id"},
    "nothing",
]


class Jira:
    """A Jira that lists its fields."""

    def __init__(self, status: int = 200, body: Any = FIELDS) -> None:
        self.status, self.body = status, body
        self.line = FakeLine(self.answer)
        self.clock = FakeClock()
        self.directory = FieldDirectory(lambda _tenant: self.line, self.clock)

    def answer(self, _call: Call) -> CallAnswer:
        return CallAnswer(status=self.status, headers={"retry-after": "7"}, body=json.dumps(self.body).encode())


async def test_names_are_asked_for_once_and_again_after_ten_minutes() -> None:
    jira = Jira()
    found = await asyncio.gather(*(jira.directory.of(TENANT) for _ in range(20)))
    assert all(each is found[0] for each in found)
    assert [(call.method, call.url) for call in jira.line.calls] == [("GET", "/rest/api/3/field")]
    jira.clock.milliseconds += KEPT_MILLISECONDS - 1
    await jira.directory.of(TENANT)
    assert len(jira.line.calls) == 1
    jira.clock.milliseconds += 1
    jira.body = [{"id": "customfield_9", "name": "New"}]
    names = await jira.directory.of(TENANT)
    assert isinstance(names, FieldNames)
    assert names.find_ids("new") == ("customfield_9",)


async def test_a_name_means_its_fields_in_jiras_order_and_an_id_itself() -> None:
    names = await Jira().directory.of(TENANT)
    assert isinstance(names, FieldNames)
    assert names.find_ids("TEAM") == ("customfield_1", "customfield_2")
    assert names.find_ids("Go-live date") == ("customfield_3",)
    assert names.find_ids("customfield_2") == ("customfield_2",)
    assert names.find_ids("Nothing") == ()
    assert [is_plain_field(each) for each in ("fixVersions", "customfield_12", "Sprint", "Go-live date")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(("status", "body", "code"), [
    (403, [], FailureCode.CREDENTIAL_REFUSED),
    (429, [], FailureCode.BUSY),
    (200, {"no": "list"}, FailureCode.ANSWER_UNREADABLE),
])  # fmt: skip
async def test_a_failure_is_told_and_not_kept(status: int, body: Any, code: FailureCode) -> None:
    jira = Jira(status, body)
    failure = await jira.directory.of(TENANT)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.detail) == (code, "field_names")
    assert failure.retry_after_seconds == (7.0 if status != 200 else 0.0)
    jira.status, jira.body = 200, FIELDS
    assert isinstance(await jira.directory.of(TENANT), FieldNames)


async def test_a_caller_who_gives_up_leaves_the_question_to_the_others() -> None:
    jira = Jira()
    first = asyncio.create_task(jira.directory.of(TENANT))
    second = asyncio.create_task(jira.directory.of(TENANT))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, FieldNames)


async def test_only_so_many_tenants_are_kept() -> None:
    jira = Jira()
    tenants = [TenantId(f"t{number:024d}") for number in range(TENANTS_KEPT + 1)]
    for tenant in tenants:
        await jira.directory.of(tenant)
    asked = len(jira.line.calls)
    await jira.directory.of(tenants[-1])
    assert len(jira.line.calls) == asked
    await jira.directory.of(tenants[0])
    assert len(jira.line.calls) == asked + 1


@pytest.mark.parametrize("body", [b"", b"{", b'"a"'])
def test_what_is_no_list_of_fields_is_none(body: bytes) -> None:
    assert read_names(body) is None
