"""A GraphQL server on loopback is imported by its URL, and its actions are performed as a flow performs them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLSchema, build_schema, graphql_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from blubees.connectors.actions.perform import compile_action
from blubees.connectors.importers.graphql import read_graphql
from blubees.connectors.importers.graphql_ask import QUERIES, ask_schema
from blubees.model.connector import Connector
from blubees.model.failures import Failure, FailureCode
from fakes.third_parties import CallingTools, OneKey, Way, find_way, serve, write_lease

SDL = (Path(__file__).parent / "tracker.graphql").read_text()
PERSON = {"__typename": "Person", "id": "p1", "name": "Ana", "email": "ana@tracker.example"}


def make_issue(number: int) -> dict[str, Any]:
    return {
        "id": str(number), "title": f"Issue {number}", "labels": ["a"], "createdAt": "2026-01-01T00:00:00Z",
        "reporter": PERSON, "watchers": [], "assignee": PERSON, "priority": "HIGH",
    }  # fmt: skip


def make_schema() -> GraphQLSchema:
    """Make a tracker of seven issues."""
    schema = build_schema(SDL, assume_valid_sdl=True)
    query, mutation = schema.query_type, schema.mutation_type
    assert query is not None
    assert mutation is not None

    def list_issues(_root: object, _info: object, first: int = 20, after: str = "0", **_: object) -> dict[str, Any]:
        numbers = range(int(after) + 1, min(int(after) + first, 7) + 1)
        info = {"hasNextPage": numbers[-1] < 7, "hasPreviousPage": False, "endCursor": str(numbers[-1])}
        nodes = [make_issue(number) for number in numbers]
        return {"nodes": nodes, "edges": [{"cursor": each["id"], "node": each} for each in nodes], "pageInfo": info}

    def get_issue(_root: object, _info: object, id: str) -> dict[str, Any] | None:  # noqa: A002 - the schema's name
        codes = {
            "401": "UNAUTHENTICATED",
            "429": "RATELIMITED",
            "404": "NOT_FOUND",
            "500": "INTERNAL_SERVER_ERROR",
            "418": "TEAPOT",
        }
        if id in codes:
            raise GraphQLError("words of the server", extensions={"code": codes[id]})
        return {**make_issue(int(id)), **({"assignee": {"__typename": "Robot"}} if id == "99" else {})}

    def create(_root: object, _info: object, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002 - the schema's name
        refused = [{"field": ["title"], "message": "is empty"}] if not input["title"] else []
        return {"success": not refused, "issue": None if refused else make_issue(8) | input, "userErrors": refused}

    query.fields["issues"].resolve = query.fields["oldIssues"].resolve = list_issues
    query.fields["issue"].resolve = get_issue
    query.fields["me"].resolve = lambda *_: PERSON
    mutation.fields["issueCreate"].resolve = create
    return schema


def make_app(_port: int, *, is_old: bool = False, wants_token: bool = False) -> ASGIApp:
    schema = make_schema()

    async def answer(request: Request) -> JSONResponse:
        if wants_token and request.headers.get("authorization") != "Bearer right":
            return JSONResponse({"errors": [{"message": "No token."}]}, 401)
        asked = await request.json()
        if is_old and "specifiedByURL" in asked["query"]:
            return JSONResponse({"errors": [{"message": "Cannot query field."}]}, 400)
        found = graphql_sync(
            schema, asked["query"], variable_values=asked.get("variables"), operation_name=asked["operationName"]
        )
        return JSONResponse(found.formatted)

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


@pytest.fixture
async def way() -> AsyncIterator[tuple[Way, str]]:
    async with serve(make_app) as port, find_way(port) as found:
        yield found, f"http://127.0.0.1:{port}/graphql"


async def take(way: Way, url: str) -> Connector:
    document = await ask_schema(way, url)
    assert isinstance(document, bytes), document
    way.calls.clear()
    return read_graphql(document, "tracker", endpoint=url, is_open=True).connector


async def perform(way: Way, connector: Connector, action: str, **inputs: Any) -> Any:
    return await compile_action(connector, action, {})(inputs, CallingTools(way))


async def test_pages_are_walked_and_their_nodes_joined(way: tuple[Way, str]) -> None:
    connector = await take(*way)
    found = await perform(way[0], connector, "issues", limit=6)
    assert [each["id"] for each in found] == ["1", "2", "3", "4", "5", "6"]
    assert found[0]["assignee"] == {"__typename": "Person", "id": "p1", "name": "Ana", "email": "ana@tracker.example"}
    assert len(way[0].calls) == 1
    found = await perform(way[0], connector, "old_issues", limit=2)
    assert [each["node"]["title"] for each in found] == ["Issue 1", "Issue 2"]


async def test_a_mutation_is_given_its_fields_one_by_one(way: tuple[Way, str]) -> None:
    connector = await take(*way)
    found = await perform(way[0], connector, "issue_create", title="Mend it", priority="LOW")
    assert found["success"] is True
    assert (found["issue"]["title"], found["issue"]["priority"]) == ("Mend it", "LOW")


async def test_a_refusal_in_a_payload_is_a_failure_whatever_is_asked_for(way: tuple[Way, str]) -> None:
    connector = await take(*way)
    refused = Failure(code=FailureCode.REQUEST_REFUSED, http_status=200)
    assert await perform(way[0], connector, "issue_create", title="") == refused
    assert await perform(way[0], connector, "issue_create", title="", fields="success") == refused


async def test_other_fields_are_asked_for_where_the_flow_says_so(way: tuple[Way, str]) -> None:
    connector = await take(*way)
    found = await perform(way[0], connector, "issues", limit=1, fields="title reporter { email }")
    assert found == [{"title": "Issue 1", "reporter": {"email": "ana@tracker.example"}}]
    found = await perform(way[0], connector, "issue", id="3", fields="{ number: id }")
    assert found == {"number": "3"}
    found = await perform(way[0], connector, "issue", id="3", fields="titel")
    assert found == Failure(code=FailureCode.INPUT_INVALID, field="with.fields.titel", detail="text_not_field_of_Issue")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("401", FailureCode.CREDENTIAL_REFUSED),
        ("429", FailureCode.BUSY),
        ("404", FailureCode.NOT_FOUND),
        ("500", FailureCode.VENDOR_BROKEN),
        ("418", FailureCode.REQUEST_REFUSED),
        ("99", FailureCode.REQUEST_REFUSED),  # a part of it could not be had: what is left has a hole
    ],
)
async def test_an_error_with_status_200_has_a_meaning(way: tuple[Way, str], number: str, code: FailureCode) -> None:
    found = await perform(way[0], await take(*way), "issue", id=number)
    assert found == Failure(code=code, http_status=200)


async def test_a_server_of_before_is_asked_for_less() -> None:
    async with serve(lambda port: make_app(port, is_old=True)) as port, find_way(port) as way:
        document = await ask_schema(way, f"http://127.0.0.1:{port}/graphql")
        assert isinstance(document, bytes)
        assert len(way.calls) == 2


async def test_a_schema_is_asked_for_with_the_connections_credential() -> None:
    async with serve(lambda port: make_app(port, wants_token=True)) as port, find_way(port, OneKey(write_lease(port))) as way:
        url = f"http://127.0.0.1:{port}/graphql"
        assert await ask_schema(way, url) == Failure(code=FailureCode.CREDENTIAL_REFUSED, http_status=401)
        assert isinstance(await ask_schema(way, url, "there"), bytes)


async def test_a_server_that_tells_no_schema_is_told_as_such() -> None:
    async def refuse(_: Request) -> JSONResponse:
        return JSONResponse({"errors": [{"message": "GraphQL introspection is not allowed"}]})

    app = Starlette(routes=[Route("/graphql", refuse, methods=["POST"])])
    async with serve(lambda _: app) as port, find_way(port) as way:
        found = await ask_schema(way, f"http://127.0.0.1:{port}/graphql")
        assert found == Failure(code=FailureCode.REQUEST_REFUSED, http_status=200, detail="no_introspection")
        assert len(way.calls) == len(QUERIES)
