"""A GraphQL schema becomes a connector: by either form of it, with documents that a server takes, and within limits."""

import re
from pathlib import Path

import orjson
import pytest
from graphql import introspection_from_schema, parse, validate

from blubees.connectors.contract.check import check_connector
from blubees.connectors.importers import graphql
from blubees.connectors.importers.graphql import TYPES_MAX, read_graphql, read_schema
from blubees.model.action import Action, PageKind
from blubees.model.call import Effect
from blubees.model.connector import Connector
from blubees.model.errors import InputError

SDL = (Path(__file__).parent / "tracker.graphql").read_text()
ENDPOINT = "https://tracker.example/graphql"


def take(document: bytes | str) -> Connector:
    connector = read_graphql(document, "tracker", endpoint=ENDPOINT).connector
    assert check_connector(connector) == ()
    return connector


@pytest.fixture(scope="module")
def tracker() -> Connector:
    return take(SDL)


def document_of(action: Action) -> str:
    return str(action.request.fixed.body["query"])


def test_queries_read_and_mutations_are_unsafe(tracker: Connector) -> None:
    assert {name: one.effect for name, one in tracker.actions.items() if "issue" in name and "old" not in name} == {
        "issue": Effect.READ,
        "issues": Effect.READ,
        "issue_create": Effect.UNSAFE,
        "issue_update": Effect.UNSAFE,
        "issue_mutation": Effect.UNSAFE,
    }
    assert tracker.actions["issue_create"].title == "Issue create"
    assert (tracker.actions["issue_create"].group, tracker.actions["issues"].group) == ("Issue", "Issue")
    assert tracker.actions["forget"].is_deprecated


def test_every_document_is_one_that_the_schema_takes(tracker: Connector) -> None:
    schema = read_schema(SDL)
    for name, action in tracker.actions.items():
        assert validate(schema, parse(document_of(action))) == [], name


def test_either_form_of_a_schema_gives_the_same_connector(tracker: Connector) -> None:
    told = introspection_from_schema(read_schema(SDL), input_value_deprecation=True, one_of=True, schema_description=True)
    for answer in (told, {"data": told}):
        assert take(orjson.dumps(answer)).actions.keys() == tracker.actions.keys()
        assert take(orjson.dumps(answer)).actions["issue_create"] == tracker.actions["issue_create"]
        assert take(orjson.dumps(answer)).schemas == tracker.schemas


def test_what_is_asked_for_is_what_a_person_looks_at(tracker: Connector) -> None:
    asked = document_of(tracker.actions["issue"])
    assert asked == (
        "query issue($id: ID!) { issue(id: $id) { id title priority labels createdAt estimate { amount currency } "
        "parent { id title createdAt estimate { amount currency } parent { id title } assignee { __typename id name } "
        "reporter { id name } watchers { id name } } assignee { __typename id name ... on Person { email } "
        "... on Robot { robot_email: email } } reporter { id name email manager { id name } } "
        "watchers { id name email manager { id name } } } }"
    )
    form = tracker.actions["issue"].answer.schema
    assert form["type"] == ["object", "null"]
    assert form["properties"]["priority"] == {"type": ["string", "null"], "enum": ["LOW", "HIGH", None]}
    assert form["properties"]["labels"] == {"type": "array", "items": {"type": "string"}}
    assert form["properties"]["estimate"]["properties"]["amount"] == {"type": "number"}
    assert form["properties"]["assignee"]["properties"]["robot_email"] == {"type": "array", "items": {"type": "string"}}


def test_a_list_that_comes_in_pages_is_asked_for_page_by_page(tracker: Connector) -> None:
    action = tracker.actions["issues"]
    assert action.pages is not None
    assert (action.pages.kind, action.pages.items) == (PageKind.CURSOR, ("data", "issues", "nodes"))
    assert (action.pages.input, action.pages.size_input) == ("after", "first")
    assert action.pages.more == ("data", "issues", "pageInfo", "hasNextPage")
    assert list(action.inputs) == ["first", "after", "filter", "fields"]
    assert "pageInfo { hasNextPage endCursor }" in document_of(action)
    assert action.answer.schema["type"] == "array"
    old = tracker.actions["old_issues"]
    assert old.pages is not None
    assert old.pages.items == ("data", "oldIssues", "edges")


def test_the_fields_of_a_mutations_one_input_are_inputs_of_their_own(tracker: Connector) -> None:
    inputs = tracker.actions["issue_create"].inputs
    assert {name: (one.at, one.is_required) for name, one in inputs.items()} == {
        "title": (("variables", "input", "title"), True),
        "priority": (("variables", "input", "priority"), False),
        "labels": (("variables", "input", "labels"), False),
        "parent": (("variables", "input", "parent"), False),
        "input_limit": (("variables", "input", "limit"), False),
        "fields": (("query",), False),
    }
    assert inputs["title"].description == "What it is called."
    assert inputs["priority"].schema == {"type": "string", "enum": ["LOW", "HIGH"], "default": "LOW"}
    assert inputs["parent"].schema == {"$ref": "#/schemas/IssueParentInput"}
    assert list(tracker.actions["issue_update"].inputs) == [
        "id",
        "input",
        "fields",
    ]  # nothing of the object is needed: it is given whole
    assert tracker.actions["person"].inputs["email"].one_of == ("id", "email")


def test_forms_that_go_in_circles_are_referred_to(tracker: Connector) -> None:
    form = tracker.schemas["IssueFilter"]
    assert form["properties"]["and"] == {"type": "array", "items": {"$ref": "#/schemas/IssueFilter"}}
    assert form["properties"]["title"] == {"$ref": "#/schemas/TextFilter"}
    for reference in re.findall(r'"#/schemas/(\w+)"', orjson.dumps(tracker.schemas).decode()):
        assert reference in tracker.schemas


def test_a_payload_that_tells_of_a_refusal_is_a_failure(tracker: Connector) -> None:
    assert [rule.body for rule in tracker.actions["issue_create"].errors] == [{"data.issueCreate.userErrors.0": "*"}]
    assert tracker.errors[-1].body == {"errors.0": "*"}
    assert tracker.actions["me"].errors == ()
    assert tracker.trial is not None
    assert tracker.trial.action == "me"


def test_what_takes_a_file_is_left_out_and_that_is_told(tracker: Connector) -> None:
    assert "attach" not in tracker.actions
    assert "entities" not in "".join(tracker.actions)
    found = read_graphql(SDL, "tracker", endpoint=ENDPOINT)
    assert found.left_out == 1
    assert found.notes == ("mutation attach: It is left out: it must be given a file, which is not spoken here.",)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "begins as JSON and is none"),
        ('{"a": 1}', "holds no `__schema`"),
        ('{"__schema": {"types": 5}}', "no schema that can be read"),
        ('{"__schema": {"queryType": {"name": "Q"}, "types": [{"kind": "OBJECT", "name": "Q", "fields": [{}]}]}}', "no schema"),
        ("type Query {", "no schema that can be read"),
        ("type A { b: Int }", "neither a query nor a mutation"),
        ("type Query { a: Missing }", "no schema that can be read"),
        ("type Query { a: " + "[" * 5_000 + "Int" + "]" * 5_000 + " }", "GraphQLSyntaxError, line 1"),
        ("type Query { a(b: Int = " + "[" * 5_000 + "]" * 5_000 + "): Int }", "GraphQLSyntaxError, line 1"),
        (" ".join(f"scalar A{number}" for number in range(TYPES_MAX + 1)), "definitions, allowed 20,000"),
        (orjson.dumps({"__schema": {"types": [{}] * (TYPES_MAX + 1)}}), "types, allowed 20,000"),
        (b"\xff\xfe type", "no schema that can be read"),
    ],
)
def test_what_is_no_schema_or_too_much_is_refused_with_a_sentence(document: bytes | str, told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        take(document)


def test_more_queries_than_anybody_reads_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphql, "ACTIONS_MAX", 10)
    with pytest.raises(InputError, match="more than 10 queries and mutations"):
        take(SDL)


def test_a_hostile_schema_stays_small() -> None:
    circles = " ".join(
        f"type T{number} {{ id: ID! {' '.join(f'f{other}: T{(number * 7 + other) % 100} s{other}: String' for other in range(40))} }}"
        for number in range(100)
    )
    inputs = " ".join(f"input I{number} {{ a: I{(number + 1) % 500} text: String! }}" for number in range(500))
    long = "x" * 100_000
    found = take(f'{circles} {inputs} type Query {{ "{long}" a(i: I0): T0 }}')
    assert len(document_of(found.actions["a"])) < 20_000
    assert len(found.schemas) == 500
    assert len(found.actions["a"].description) == 2_000


def test_names_stay_when_the_schema_grows() -> None:
    first = take("type Query { a: Int } type Mutation { issue: Int }")
    grown = read_graphql("type Query { a: Int issue: Int } type Mutation { issue: Int }", "t", endpoint=ENDPOINT, earlier=first)
    assert {name: one.effect for name, one in grown.connector.actions.items() if "issue" in name} == {
        "issue": Effect.UNSAFE,
        next(name for name in grown.connector.actions if name.startswith("issue_")): Effect.READ,
    }


def test_fields_are_checked_against_what_is_near_in_the_schema(tracker: Connector) -> None:
    plan = tracker.actions["issues"].inputs["fields"].schema["x-graphql"]
    assert plan["root"] == "Issue"
    assert plan["types"]["Issue"]["history"] == "!since"
    assert plan["types"]["Issue"]["children"] == "IssueConnection"
    assert plan["types"]["Actor"] == {"id": "", "name": ""}
    create = tracker.actions["issue_create"].inputs["fields"].schema["x-graphql"]
    assert create["before"].endswith("{ issueCreate(input: $input) { userErrors { field message } ")
