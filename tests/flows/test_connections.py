"""Every connection that a flow names is judged when it is published: wherever it stands, and by the function that leases ask."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from blubees.adapters.database import open_database
from blubees.flows.check import check_flow
from blubees.flows.connections import list_references, list_refused
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.connection import Connection, ConnectionKind, Purpose
from blubees.model.errors import InputError
from blubees.model.flow import Flow
from blubees.model.ids import ConnectionName, FlowId, TenantId
from blubees.steps.book import load_book
from fakes.boards import FakeBoard
from fakes.machine import FakeChance, FakeClock

A = TenantId("t" + "a" * 24)
NESTED = """
id: nested
name: Nested
trigger: {on: webhook, signature: {scheme: github, connection: hook-secret}}
steps:
  - id: first
    kind: http
    with: {method: GET, url: "https://a.example.com/x", connection: one}
  - id: tried
    kind: try
    branches:
      - name: try
        steps:
          - id: each_one
            kind: each
            with: {items: "{{webhookData.items}}"}
            branches:
              - steps:
                  - id: side
                    kind: parallel
                    branches:
                      - steps:
                          - {id: deep, kind: http, with: {method: POST, url: "https://{{webhookData.host}}/x", connection: two}}
                      - steps:
                          - {id: other, kind: http, with: {method: GET, url: "https://b.example.com:8443/", connection: three}}
      - name: catch
        steps:
          - {id: caught, kind: http, with: {method: GET, url: "https://b.example.com/", connection: four}}
  - id: moved
    kind: transfer_file
    with: {from_url: "https://a.example.com/f", from_connection: one, to_url: "https://{{webhookData.host}}/f", to_connection: two}
  - id: failing
    kind: http
    on_error: branch
    with: {method: GET, url: "https://a.example.com/", json: {connection: "not one"}}
    branches:
      - name: error
        steps:
          - {id: told, kind: http, with: {method: GET, url: "https://a.example.com/", connection: five}}
"""
POLLED = """
id: polled
name: Polled
trigger:
  on: poll
  every_seconds: 60
  poll: {url: "https://a.example.com/new", items: "{{response.body}}", id: "{{item.id}}", cursor: "{{response.body.last}}", connection: one}
steps:
  - {id: kept, kind: set, with: {values: {a: "1"}}}
"""


def read(text: str) -> Flow:
    checked = check_flow(text, load_book())
    assert checked.flow is not None, checked.problems
    return checked.flow


def connection(name: str, **more: object) -> Connection:
    kind = ConnectionKind.SIGNING_SECRET if name == "hook-secret" else ConnectionKind.BEARER
    hosts = () if name == "hook-secret" else ("a.example.com", "b.example.com:8443")
    facts = {"tenant": A, "name": ConnectionName(name), "kind": kind, "hosts": hosts, **more}
    return Connection(**facts)  # type: ignore[arg-type]


def test_each_is_found_however_deep_it_stands() -> None:
    found = [(each.place, each.name, each.use.purpose, each.use.host) for each in list_references(read(NESTED))]
    assert found == [
        ("trigger.signature.connection", "hook-secret", Purpose.SIGNATURE, ""),
        ("step first: with.connection", "one", Purpose.CALL, "a.example.com"),
        ("step deep: with.connection", "two", Purpose.CALL, ""),
        ("step other: with.connection", "three", Purpose.CALL, "b.example.com:8443"),
        ("step caught: with.connection", "four", Purpose.CALL, "b.example.com"),
        ("step moved: with.from_connection", "one", Purpose.CALL, "a.example.com"),
        ("step moved: with.to_connection", "two", Purpose.CALL, ""),
        ("step told: with.connection", "five", Purpose.CALL, "a.example.com"),
    ]
    assert {each.use.flow for each in list_references(read(NESTED))} == {"nested"}
    (polled,) = list_references(read(POLLED))
    assert (polled.name, polled.use.purpose, polled.use.host) == ("one", Purpose.POLL, "a.example.com")


def test_no_step_kind_has_a_connection_under_another_name_or_deeper() -> None:
    for name, entry in load_book().items():
        fields = {field.name for field in dataclasses.fields(entry.settings) if "connection" in field.name}
        assert all(field == "connection" or field.endswith("_connection") for field in fields), name


def test_each_that_may_not_be_used_so_is_told() -> None:
    flow = read(NESTED)
    known = [connection(name) for name in ("hook-secret", "one", "two", "three")]
    assert [line.partition(":")[0] for line in list_refused(flow, known)] == ["step caught", "step told"]
    known += [connection("four"), connection("five", flows=("another",))]
    host, allowed = list_refused(flow, known)
    assert host.startswith("step caught: with.connection: four may not go to this step's host, but to a.example.com, b.exa")
    assert allowed.startswith("step told: with.connection: five may be used by other flows only. Permit this one too: ")
    wrong = [connection("hook-secret", kind=ConnectionKind.BEARER), connection("one", kind=ConnectionKind.SIGNING_SECRET)]
    told = list_refused(flow, wrong)
    assert told[0].endswith("signatures are checked by one of kind signing_secret.")
    assert told[1].endswith("which authorises no calls.")
    good = [
        connection(name, hosts=("a.example.com", "b.example.com", "b.example.com:8443"))
        for name in ("one", "two", "three", "four")
    ]
    assert list_refused(flow, [connection("hook-secret"), *good, connection("five", flows=("nested", "x"))]) == []


async def test_publishing_and_rolling_back_ask(tmp_path: Path) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    known: list[Connection] = []

    async def list_connections(_tenant: TenantId) -> Sequence[Connection]:
        return known

    clock = FakeClock()
    timetable = Timetable(database.schedules, clock)
    service = FlowService(
        database.flows, FakeBoard(), timetable, clock, FakeChance(), load_book(), list_connections=list_connections
    )
    assert (await service.save_draft(A, POLLED)).errors == ()
    with pytest.raises(InputError) as caught:
        await service.publish(A, FlowId("polled"))
    assert "there is no connection one" in caught.value.problems[0]
    known.append(connection("one"))
    assert (await service.publish(A, FlowId("polled"))).version == 1
    known.clear()
    with pytest.raises(InputError):
        await service.rollback(A, FlowId("polled"), 1)
    await database.close()
