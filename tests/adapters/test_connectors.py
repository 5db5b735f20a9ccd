"""Imported connectors on a real SQLite file and on a real PostgreSQL: kept whole or not at all, each tenant its own."""

import msgspec

from blubees.adapters.database import Database
from blubees.model.ids import TenantId
from blubees.ports import ActionRow, ConnectorRow, FormRow

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
ROW = ConnectorRow(tenant=A, name="things", title="Things", source="openapi", origin="things.yaml", actions=2, packed=b"head")
ACTIONS = [
    ActionRow(name="add_pet", title="Add a pet", group="Pets", effect="unsafe", words=" add pet", packed=b"1"),
    ActionRow(name="list_pets", title="List pets", effect="read", words=" list pets 100%", packed=b"2"),
]
FORMS = [FormRow(name="Pet", packed=b"f"), FormRow(name="Toy", packed=b"g")]


async def test_a_connector_is_kept_and_belongs_to_its_tenant(database: Database) -> None:
    store = database.connectors
    assert await store.replace(ROW, ACTIONS, FORMS, after=0)
    assert await store.load(A, "things") == ROW
    assert list(await store.list(A)) == [ROW]
    assert list(await store.load_actions(A, "things")) == ACTIONS
    assert list(await store.load_actions(A, "things", ["list_pets", "other"])) == ACTIONS[1:]
    assert list(await store.load_forms(A, "things", ["Toy"])) == FORMS[1:]
    assert await store.load(B, "things") is None
    assert list(await store.list(B)) == []
    assert list(await store.load_actions(B, "things")) == []
    assert list(await store.load_forms(B, "things")) == []
    assert list(await store.list_actions(B, "things")) == []
    assert list(await store.search(B, "", ["pet"], limit=9)) == []
    assert not await store.delete(B, "things")
    assert await store.replace(msgspec.structs.replace(ROW, tenant=B), ACTIONS[:1], (), after=0)
    assert await store.delete(B, "things")
    assert list(await store.load_actions(A, "things")) == ACTIONS


async def test_another_import_takes_its_place_whole_and_only_after_the_one_that_was_seen(database: Database) -> None:
    store = database.connectors
    assert await store.replace(ROW, ACTIONS, FORMS, after=0)
    second = msgspec.structs.replace(ROW, revision=2, title="Things 2")
    assert not await store.replace(second, (), (), after=0)
    assert not await store.replace(second, (), (), after=5)
    assert list(await store.load_actions(A, "things")) == ACTIONS
    assert await store.replace(second, ACTIONS[1:], FORMS[1:], after=1)
    assert await store.load(A, "things") == second
    assert list(await store.load_actions(A, "things")) == ACTIONS[1:]
    assert list(await store.load_forms(A, "things")) == FORMS[1:]


async def test_actions_are_found_by_beginnings_of_words_and_listed_by_name(database: Database) -> None:
    store = database.connectors
    await store.replace(ROW, ACTIONS, (), after=0)
    await store.replace(msgspec.structs.replace(ROW, name="others"), ACTIONS[:1], (), after=0)

    async def find(*beginnings: str, connector: str = "") -> list[tuple[str, str]]:
        return sorted((name, row.name) for name, row in await store.search(A, connector, beginnings, limit=9))

    assert await find("pe", connector="things") == [("things", "add_pet"), ("things", "list_pets")]
    assert await find("pe", "ad") == [("others", "add_pet"), ("things", "add_pet")]
    assert await find("et") == []
    assert await find("%") == []
    assert await find("100%") == [("things", "list_pets")]
    assert len(await store.search(A, "", ["pe"], limit=2)) == 2
    bare = [msgspec.structs.replace(each, words="", packed=b"") for each in ACTIONS]
    assert list(await store.list_actions(A, "things")) == bare
    assert list(await store.list_actions(A, "things", after="add_pet")) == bare[1:]


async def test_many_actions_are_kept_at_once(database: Database) -> None:
    store = database.connectors
    many = [ActionRow(name=f"a{n:05}", title="x", effect="read", packed=b"x") for n in range(1_234)]
    assert await store.replace(ROW, many, [FormRow(name=each.name, packed=b"y") for each in many], after=0)
    assert len(await store.load_forms(A, "things", [each.name for each in many])) == 1_234
    assert [each.name for each in await store.list_actions(A, "things")] == [each.name for each in many]
