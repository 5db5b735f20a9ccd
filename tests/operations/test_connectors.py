"""Importing, looking at, searching, comparing and removing connectors, on a real database file."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from blubees.adapters.database import Database, open_database
from blubees.connectors import tenant_shelf
from blubees.connectors.tenant_shelf import FORMS_MAX_BYTES, TenantShelf
from blubees.main.import_worker import make
from blubees.model.call import Call, CallAnswer
from blubees.model.errors import ConflictError, InputError, MissingError, UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import TenantId
from blubees.model.web import SentBody, WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.operations import connectors as connectors_room
from blubees.operations.connector_asking import Send
from blubees.operations.connector_uses import Break, UsedFlow
from blubees.operations.connectors import ConnectorService, Document
from blubees.ports import AnswerStream, ImportMade, ImportNeeds, ImportOrder, ImportRefusal
from fakes.machine import FakeClock
from fakes.openapi import answer, json_body, make_document

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)


class HereBench:
    """Port ImportBench, in this process."""

    async def work(self, order: ImportOrder) -> ImportMade | ImportNeeds | ImportRefusal:
        return make(order)


class Pages:
    """Port WebClient: what lies at each URL."""

    def __init__(self, found: Mapping[str, bytes | WebFailure | int]) -> None:
        self.found, self.asked = found, list[str]()

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        self.asked.append(request.url)
        found = self.found.get(request.url, 404)
        if isinstance(found, WebFailure):
            return found
        return WebAnswer(
            status=found if isinstance(found, int) else 200, headers={}, body=found if isinstance(found, bytes) else b""
        )

    async def open(self, request: WebRequest, body: SentBody | None = None) -> AnswerStream | WebFailure:
        raise NotImplementedError

    async def close(self) -> None:
        pass


async def refuse_all(call: Call) -> CallAnswer | Failure:
    raise AssertionError(call.url)


class World:
    """A service with what it stands on."""

    def __init__(self, database: Database) -> None:
        self.send: Send = refuse_all
        self.pages = Pages({})
        self.flows: list[UsedFlow] = []
        self.shelf = TenantShelf(database.connectors)
        self.service = ConnectorService(
            database.connectors, self.shelf, HereBench(), self.pages, FakeClock(), self.list_flows, self.make_send
        )

    def make_send(self, _tenant: TenantId) -> Send:
        return self.send

    async def list_flows(self, _tenant: TenantId) -> list[UsedFlow]:
        return self.flows

    async def take(self, document: dict[str, Any], name: str = "things", **more: Any) -> Any:
        return await self.service.take(A, name, Document(text=orjson.dumps(document).decode(), origin="things.json"), **more)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(connectors_room, "list_catalogue", lambda: ("slack",))  # reading all of it takes a second
    monkeypatch.setattr(tenant_shelf, "list_catalogue", lambda: ("slack",))
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path}/x.sqlite3")
    await database.prepare()
    yield World(database)
    await database.close()


def pets(**changes: Any) -> dict[str, Any]:
    """A document with three operations and a form."""
    document = make_document()
    pet = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
    body = json_body({"properties": {"name": {"type": "string"}, "kind": {"type": "string"}}, "required": ["name"]})
    document["components"] = {"schemas": {"Pet": pet}}
    document["paths"] = {
        "/pets": {
            "get": {"operationId": "listPets", "summary": "List pets"}
            | answer({"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}),
            "post": {"operationId": "addPet", "summary": "Add a pet", "tags": ["Pets"]}
            | body
            | answer({"$ref": "#/components/schemas/Pet"}),
        },
        "/owners": {"get": {"operationId": "listOwners", "summary": "Owners of pets", "responses": {}}},
    }
    return document | changes


FLOW = """
id: greet
name: Greet
trigger: {on: manual}
steps:
  - id: add
    kind: things.add_pet
    with: {connection: c, name: "x", kind: "cat"}
  - id: if
    kind: choose
    branches:
      - steps:
          - {id: all, kind: things.list_pets}
  - id: say
    kind: set
    with: {text: "{{steps.add.age}} {{steps.all.first.name}}"}
"""


async def test_a_document_becomes_a_connector_of_its_tenant(world: World) -> None:
    report = await world.take(pets())
    assert (report.is_kept, report.is_new, report.revision, report.actions) == (True, True, 1, 3)
    listed = {each.name: each for each in await world.service.list(A)}
    assert (listed["things"].origin, listed["things"].source) == ("things.json", "openapi")
    assert "things" not in {each.name for each in await world.service.list(B)}
    row, connector = await world.service.load(A, "things")
    assert (row.actions, connector.title, connector.actions) == (3, "Things", {})
    assert [each.name for each in await world.service.list_actions(A, "things", limit=2)] == ["add_pet", "list_owners"]
    one = await world.service.load_action(A, "things", "add_pet")
    assert (list(one.actions), list(one.schemas)) == (["add_pet"], ["Pet"])
    for wrong in (
        world.service.load_action(A, "things", "no"),
        world.service.load(B, "things"),
        world.service.list_actions(B, "things"),
    ):
        with pytest.raises(MissingError):
            await wrong


async def test_the_shelf_gives_what_a_flow_names_and_nothing_more(world: World) -> None:
    await world.take(pets())
    found = await world.shelf.find(A, "things", actions=["list_pets", "other"])
    assert found is not None
    assert (list(found.actions), list(found.schemas)) == (["list_pets"], ["Pet"])
    assert await world.shelf.find(B, "things") is None
    assert "things" in await world.shelf.list_connectors(A)
    assert await world.shelf.list_names(A, "things") == (["add_pet", "list_owners", "list_pets"], [])
    assert await world.shelf.list_names(B, "things") == ((), ())


async def test_of_forms_that_reach_thousands_the_nearest_come_along(world: World) -> None:
    many = {
        f"F{n}": {"properties": {"text": {"description": "x" * 250}, "next": {"$ref": f"#/components/schemas/F{n + 1}"}}}
        for n in range(2_000)
    } | {"F2000": {}}
    fan = {"properties": {f"p{n}": {"$ref": f"#/components/schemas/F{n}"} for n in range(1_500)}}
    await world.take(make_document(answer({"$ref": "#/components/schemas/Fan"}), components={"schemas": many | {"Fan": fan}}))
    found = await world.shelf.find(A, "things", actions=["get_things"])
    assert found is not None
    assert "Fan" in found.schemas
    assert 100 < len(found.schemas) < 1_000
    assert len(orjson.dumps(found.schemas)) < FORMS_MAX_BYTES
    kept = {f"#/schemas/{name}" for name in found.schemas}
    assert {each["$ref"] for each in found.schemas["Fan"]["properties"].values() if each} <= kept
    assert {} in found.schemas["Fan"]["properties"].values()


async def test_search_finds_the_best_first(world: World) -> None:
    await world.take(pets())

    async def find(question: str) -> list[str]:
        return [row.name for name, row in await world.service.search(A, question, connector="things") if name == "things"]

    assert await find("pets") == ["add_pet", "list_pets", "list_owners"]
    assert await find("list pet") == ["list_pets", "list_owners"]
    assert (await find("Add"))[0] == "add_pet"
    assert await find("add banana") == ["add_pet"]
    assert await find("banana") == []
    assert [name for name, _ in await world.service.search(B, "owners of pets", connector="things")] == []
    with pytest.raises(InputError):
        await world.service.search(A, "?!")


async def test_another_import_tells_what_changes_and_keeps_names(world: World) -> None:
    await world.take(pets())
    changed = pets()
    del changed["paths"]["/owners"]
    changed["paths"]["/pets"]["get"]["operationId"] = "renamed"
    body = json_body({"properties": {"name": {"type": "integer"}, "owner": {"type": "string"}}, "required": ["name", "owner"]})
    changed["paths"]["/pets"]["post"]["requestBody"] = body["requestBody"]
    changed["components"]["schemas"]["Pet"]["properties"] = {"name": {"type": "string"}}
    changed["paths"]["/toys"] = {"get": {"responses": {}}}
    report = await world.take(changed, is_dry=True)
    assert not report.is_kept
    assert {(each.action, each.sort, each.name, each.old, each.new) for each in report.changes} == {
        ("list_owners", "removed", "", "", ""),
        ("get_toys", "added", "", "", ""),
        ("add_pet", "input_type", "name", "text", "integer"),
        ("add_pet", "input_removed", "kind", "", ""),
        ("add_pet", "input_required", "owner", "", "text"),
        ("add_pet", "output_removed", "age", "integer", ""),
        ("list_pets", "output_removed", "[].age", "integer", ""),
    }
    assert (await world.service.load(A, "things"))[0].revision == 1
    assert (await world.take(pets(), is_dry=True)).changes == ()


async def test_an_import_that_breaks_flows_is_kept_only_when_that_is_wanted(world: World) -> None:
    await world.take(pets())
    world.flows = [UsedFlow(flow="greet", version=3, text=FLOW), UsedFlow(flow="other", version=1, text="steps: []")]
    changed = pets()
    body = json_body({"properties": {"name": {"type": "string"}, "owner": {}}, "required": ["owner"]})
    changed["paths"]["/pets"]["post"]["requestBody"] = body["requestBody"]
    changed["components"]["schemas"]["Pet"]["properties"] = {"title": {"type": "string"}}
    del changed["paths"]["/owners"]
    report = await world.take(changed)

    def broken(step: str, action: str, sort: str, name: str) -> Break:
        return Break(flow="greet", version=3, step=step, action=action, sort=sort, name=name)

    assert set(report.breaks) == {
        broken("add", "add_pet", "input_removed", "kind"),
        broken("add", "add_pet", "input_required", "owner"),
        broken("add", "add_pet", "output_removed", "age"),
        broken("all", "list_pets", "output_removed", "[].name"),
    }
    assert not report.is_kept
    assert (await world.service.load(A, "things"))[0].revision == 1
    assert (await world.take(changed, may_break=True)).is_kept
    assert (await world.service.load(A, "things"))[0].revision == 2


async def test_a_connector_that_flows_use_is_removed_only_when_that_is_wanted(world: World) -> None:
    await world.take(pets())
    world.flows = [UsedFlow(flow="greet", version=0, text=FLOW)]
    assert {each.step for each in await world.service.remove(A, "things")} == {"add", "all"}
    await world.service.load(A, "things")
    assert await world.service.remove(A, "things", may_break=True) == ()
    with pytest.raises(MissingError):
        await world.service.load(A, "things")


async def test_a_document_at_a_url_is_fetched_with_the_files_beneath_it_and_no_others(world: World) -> None:
    base = "https://api.example.com/docs/"
    document = make_document(answer({"$ref": "forms/pet.yaml"}), servers=[{"url": "/v1"}])
    document["paths"]["/other"] = {"get": answer({"$ref": "https://169.254.169.254/x"})}
    document["paths"]["/up"] = {"get": answer({"$ref": "../secret.json"})}
    world.pages.found = {base + "openapi.json": orjson.dumps(document), base + "forms/pet.yaml": b"{$ref: deeper/kind.yaml}", base + "forms/deeper/kind.yaml": b"type: string"}  # fmt: skip
    report = await world.service.take(A, "things", Document(url=base + "openapi.json"))
    assert report.is_kept
    assert world.pages.asked == [base + "openapi.json", base + "forms/pet.yaml", base + "forms/deeper/kind.yaml"]
    row, connector = await world.service.load(A, "things")
    assert (row.origin, connector.base_url) == (base + "openapi.json", "https://api.example.com/v1")


async def test_files_of_a_document_that_was_given_as_text_are_asked_for_by_path(world: World) -> None:
    text = orjson.dumps(make_document(answer({"$ref": "forms/pet.yaml"}))).decode()
    report = await world.service.take(A, "things", Document(text=text))
    assert (report.needs, report.is_kept) == (("forms/pet.yaml",), False)
    report = await world.service.take(A, "things", Document(text=text, files={"forms/pet.yaml": "type: string"}))
    assert report.is_kept
    assert world.pages.asked == []


@pytest.mark.parametrize(
    ("found", "error", "words"),
    [
        (WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail="loopback"), InputError, "refused_address loopback"),
        (WebFailure(problem=WebProblem.TOO_LARGE), InputError, "too_large"),
        (WebFailure(problem=WebProblem.TIMEOUT), UnavailableError, "timeout"),
        (403, InputError, "answered 403"),
        (b"<html>canary</html>", InputError, "none of OpenAPI"),
    ],
)
async def test_what_can_t_be_fetched_or_read_is_told_without_its_words(
    world: World, found: Any, error: type[Exception], words: str
) -> None:
    world.pages.found = {"https://a.example/x": found}
    with pytest.raises(error, match=words) as raised:
        await world.service.take(A, "things", Document(url="https://a.example/x"))
    assert "canary" not in str(raised.value)


async def test_a_name_of_the_catalogue_is_taken_and_one_that_is_none_is_refused(world: World) -> None:
    for name in ("jira", "slack", "Things", "a-b", "", "1a", "x" * 64):
        with pytest.raises(InputError):
            await world.take(pets(), name)


async def test_a_tenant_has_a_bounded_number_of_connectors(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectors_room, "CONNECTORS_MAX", 1)
    await world.take(pets(), "one")
    await world.take(pets(), "one")
    with pytest.raises(InputError, match="may import 1 connectors"):
        await world.take(pets(), "two")


async def test_of_two_imports_at_once_one_is_told(world: World) -> None:
    await world.take(pets())
    real = world.service._store.replace

    async def late(*arguments: Any, **more: Any) -> bool:
        await real(*arguments, **more)
        return await real(*arguments, **more)

    world.service._store.replace = late  # type: ignore[method-assign]
    with pytest.raises(ConflictError):
        await world.take(pets())


async def test_a_graphql_schema_is_imported_as_well(world: World) -> None:
    text = "type Query { pet(id: ID!): Pet }\ntype Pet { id: ID! name: String }"
    with pytest.raises(InputError, match="--base-url"):
        await world.service.take(A, "pets", Document(text=text))
    report = await world.service.take(A, "pets", Document(text=text, base_url="https://a.example/graphql"))
    assert report.actions == 1


class Server:
    """An MCP server of one tool, which wants a credential or not."""

    def __init__(self, *, is_open: bool, has_tool: str = "find") -> None:
        self.is_open, self.has_tool = is_open, has_tool

    async def __call__(self, call: Call) -> CallAnswer | Failure:
        if call.url.endswith("/.well-known/oauth-protected-resource/mcp"):
            told = {"resource": "https://mcp.example/mcp", "authorization_servers": ["https://as.example"]}
            return CallAnswer(status=200, body=orjson.dumps(told))
        if call.url.startswith("https://as.example/.well-known/oauth-authorization-server"):
            places = {"authorization_endpoint": "https://as.example/a", "token_endpoint": "https://as.example/t"}
            return CallAnswer(status=200, body=orjson.dumps({"issuer": "https://as.example", **places}))
        if not call.body:
            return CallAnswer(status=404)
        if not self.is_open and call.connection != "there":
            return CallAnswer(status=401)
        asked = orjson.loads(call.body)
        tools = [{"name": self.has_tool, "inputSchema": {"type": "object", "properties": {"key": {"type": "string"}}}}]
        result = {"supportedVersions": ["2026-07-28"]} if asked["method"] == "server/discover" else {"tools": tools}
        body = orjson.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result})
        return CallAnswer(status=200, headers={"content-type": "application/json"}, body=body)


async def test_a_server_of_tools_is_asked_and_again_another_time(world: World) -> None:
    document = Document(url="https://mcp.example/mcp", ask="mcp")
    world.send = Server(is_open=True)
    report = await world.service.take(A, "tools", document)
    assert (report.is_kept, report.actions) == (True, 1)
    found = await world.service.load_action(A, "tools", "find")
    assert found.default_auth[0] == ()
    assert found.actions["find"].request.tool_hash
    world.send = Server(is_open=True, has_tool="seek")
    report = await world.service.take(A, "tools", document, is_dry=True)
    assert {(each.action, each.sort) for each in report.changes} == {("find", "removed"), ("seek", "added")}


def tools(description: str = "", **gives: str) -> str:
    """The list of one tool, as its server writes it."""
    form = {"type": "object", "properties": {name: {"type": kind} for name, kind in gives.items()}}
    tool = {"name": "weigh", "description": description, "inputSchema": {"type": "object"}, "outputSchema": form}
    return orjson.dumps({"tools": [tool]}).decode()


TOOL_FLOW = """
id: weigh
name: Weigh
trigger: {on: manual}
steps:
  - {id: w, kind: scales.weigh}
  - {id: say, kind: set, with: {text: "{{steps.w.structured.grams}} {{steps.w.text}}"}}
"""


async def test_what_a_tool_gives_is_compared_by_its_own_form_and_a_change_of_words_is_told(world: World) -> None:
    async def take(text: str, **more: Any) -> Any:
        document = Document(text=text, base_url="https://mcp.example/mcp", ask="")
        return await world.service.take(A, "scales", document, **more)

    world.flows = [UsedFlow(flow="weigh", version=2, text=TOOL_FLOW)]
    assert (await take(tools(grams="number", unit="string"))).is_kept
    assert (await take(tools(grams="number", unit="string"), is_dry=True)).changes == ()
    report = await take(tools("Weighs."), is_dry=True)
    found = {(each.sort, each.name, each.old, each.new) for each in report.changes}
    assert found == {
        ("output_removed", "structured.grams", "number", ""),
        ("output_removed", "structured.unit", "text", ""),
        ("tool", "", "", ""),
    }
    assert {(each.step, each.sort, each.name) for each in report.breaks} == {("w", "output_removed", "structured.grams")}
    report = await take(tools("Weighs things.", grams="number", unit="string"))
    assert [(each.action, each.sort) for each in report.changes] == [("weigh", "tool")]
    assert (report.breaks, report.is_kept) == ((), True)


async def test_a_server_that_wants_oauth_says_where_and_is_then_asked_with_it(world: World) -> None:
    world.send = Server(is_open=False)
    with pytest.raises(InputError, match=r"wants OAuth, of as\.example\..*--mcp https://mcp\.example/mcp.*client_id"):
        await world.service.take(A, "tools", Document(url="https://mcp.example/mcp", ask="mcp"))
    report = await world.service.take(A, "tools", Document(url="https://mcp.example/mcp", ask="mcp", connection="there"))
    assert report.is_kept
    found = await world.service.load_action(A, "tools", "find")
    assert (found.default_auth, found.auth["oauth"].kind) == ((), "oauth2_code")


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (CallAnswer(status=401), InputError, "Make a connection to it"),
        (CallAnswer(status=200, body=b'{"errors": [{}]}'), InputError, "import it as a file"),
        (Failure(code=FailureCode.EGRESS_REFUSED, detail="loopback"), InputError, "loopback"),
        (Failure(code=FailureCode.TIMEOUT), UnavailableError, "can't be asked now"),
    ],
)
async def test_a_server_that_can_not_be_asked_is_told_with_a_sentence(
    world: World, answer: CallAnswer | Failure, error: type[Exception], told: str
) -> None:
    async def send(_: Call) -> CallAnswer | Failure:
        return answer

    world.send = send
    with pytest.raises(error, match=told):
        await world.service.take(A, "graph", Document(url="https://graph.example/graphql", ask="graphql"))


async def test_a_list_of_tools_is_read_from_a_file_as_well(world: World) -> None:
    text = orjson.dumps({"tools": [{"name": "find", "inputSchema": {"type": "object"}}]}).decode()
    with pytest.raises(InputError, match="names no server"):
        await world.service.take(A, "tools", Document(text=text))
    report = await world.service.take(A, "tools", Document(text=text, base_url="https://mcp.example/mcp"))
    assert report.actions == 1
