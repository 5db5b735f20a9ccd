"""A step that is an action of a connector is checked: its name, its inputs, its connection, and what is read of its result."""

import orjson
import pytest

from blubees.connectors.importers.mcp import read_mcp
from blubees.flows.check import check_flow
from blubees.flows.connectors import find_connectors, list_named, pin, read_pinned
from blubees.flows.document import Problem
from blubees.flows.offline import check_offline
from blubees.model.action import Action, ActionInput, ActionOutput, Answer, PageKind, Pages, Place, Request
from blubees.model.call import Effect
from blubees.model.connector import AuthScheme, Connector
from blubees.model.errors import InputError
from blubees.model.ids import TenantId
from blubees.steps.book import load_book
from fakes.connectors import FakeShelf

TENANT = TenantId("tenant")
HEAD = "id: f\nname: F\ntrigger: {on: webhook}\nsteps:\n"
TEXT = {"type": "string"}
ACME = Connector(
    name="acme",
    title="Acme",
    base_url="https://acme.example",
    auth={"main": AuthScheme(kind="bearer")},
    source="openapi",
    schemas={
        "Thing": {"type": "object", "description": "A thing.", "properties": {"description": TEXT, "parts": {"type": "array"}}}
    },
    actions={
        "make": Action(
            effect=Effect.UNSAFE,
            request=Request(method="POST", path="/things/{id}"),
            inputs={
                "id": ActionInput(schema={"type": "integer"}, place=Place.PATH, at=("id",), is_required=True),
                "kind": ActionInput(schema={"type": "string", "enum": ["a", "b"]}, place=Place.QUERY, at=("kind",)),
                "parts": ActionInput(schema={"type": "array", "items": TEXT}, place=Place.BODY, at=("parts",)),
                "thing": ActionInput(schema={"$ref": "#/schemas/Thing"}, place=Place.BODY, at=("thing",)),
                "by_name": ActionInput(schema=TEXT, place=Place.QUERY, at=("n",), one_of=("by_key",)),
                "by_key": ActionInput(schema=TEXT, place=Place.QUERY, at=("k",), one_of=("by_name",)),
            },
            answer=Answer(
                outputs={"id": ActionOutput(schema=TEXT, at=("id",)), "tags": ActionOutput(schema={"type": "array"})}
            ),
        ),
        "list": Action(
            effect=Effect.READ,
            request=Request(path="/things"),
            inputs={"page": ActionInput(schema={"type": "integer"}, place=Place.QUERY, at=("p",))},
            pages=Pages(kind=PageKind.PAGE, input="page"),
            answer=Answer(schema={"type": "array", "items": {"$ref": "#/schemas/Thing"}}),
            auth=((),),
        ),
    },
)


async def find(text: str) -> list[Problem]:
    found = await find_connectors(FakeShelf({"acme": ACME}), TENANT, text, load_book())
    return list(check_flow(text, load_book(), found).problems)


GOOD = "- {id: a, kind: acme.make, with: {connection: c, id: 7, kind: a, by_key: x}}\n"


async def test_a_step_that_is_right_has_no_problem() -> None:
    assert await find(HEAD + GOOD + "- {id: b, kind: acme.list, with: {limit: 5}}\n") == []


@pytest.mark.parametrize(
    ("old", "new", "told", "nearest"),
    [
        ("acme.make", "acme.mke", "The connector acme has no action `mke`.", "acme.make"),
        ("acme.make", "acne.make", "There is no connector `acne`", "acme"),
        ("acme.make", "make", "There is no step kind `make`.", ""),
        ("kind: a,", "knd: a,", "acme.make has no input `knd`.", "kind"),
        ("id: 7, ", "", "acme.make needs the input `id`.", ""),
        ("id: 7", "id: seven", "`id` is a text, allowed is a whole number.", ""),
        ("id: 7", "id: null", "acme.make needs the input `id`; this is nothing.", ""),
        ("kind: a,", "kind: [a],", "`kind` is a list, allowed is a text.", ""),
        ("kind: a,", "kind: c,", "is none of those that Acme is known to take: a, b.", ""),
        ("connection: c, ", "", "acme.make needs `connection`: the name of a connection to Acme.", ""),
        ("connection: c,", "connection: C/,", "the name of a connection", ""),
        ("by_key: x", "by_key: x, by_name: y", "needs exactly one of the inputs by_key, by_name.", ""),
        ("by_key: x", "kind: b", "needs exactly one of the inputs", ""),
        (
            "acme.make, with: {connection: c, id: 7, kind: a, by_key: x}",
            "acme.list, with: {page: 2}",
            "walks its pages itself",
            "",
        ),
        ("acme.make, with: {connection: c, id: 7, kind: a, by_key: x}", "acme.list, with: {limit: 0}", "from 1 to 10000", ""),
    ],
)
async def test_what_is_wrong_is_told(old: str, new: str, told: str, nearest: str) -> None:
    assert old in GOOD
    problems = await find(HEAD + GOOD.replace(old, new, 1))
    found = [each for each in problems if told in each.message]
    assert found, problems
    assert found[0].nearest.startswith(nearest)


async def test_a_smart_value_is_not_judged_before_it_is_worked_out() -> None:
    assert await find(HEAD + GOOD.replace("id: 7", "id: '{{webhookData.id}}'")) == []


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ("id: '{{issue.key}}'", ""),
        ("id: '{{issue.labels.size}}'", ""),
        ("id: '{{issue.labels}}'", "with.id: acme.make: `{{issue.labels}}` is a list, allowed is a whole number."),
        ("id: '{{now}}'", "`{{now}}` is a date, allowed is a whole number."),
        ("id: '{{issue.labels.first|0}}'", ""),
        ("id: '{{issue.labels|0}}'", ""),
        ("id: '{{issue.labels}}!'", ""),
        ("id: 7, kind: '{{now}}'", ""),
        ("id: 7, kind: '{{issue.priority}}'", "with.kind: acme.make: `{{issue.priority}}` is a mapping, allowed is a text."),
        ("id: 7, kind: '{{issue.fixVersions.name.toUpperCase()}}'", "is a list, allowed is a text."),
        ("id: 7, parts: '{{issue.labels}}'", ""),
        ("id: 7, parts: [a, '{{issue.labels}}']", "with.parts[1]: acme.make: `{{issue.labels}}` is a list, allowed is a text."),
        (
            "id: 7, thing: {description: '{{issue.status}}'}",
            "with.thing.description: acme.make: `{{issue.status}}` is a mapping",
        ),
    ],
)
async def test_a_smart_value_whose_type_fits_in_no_case_is_told(inputs: str, told: str) -> None:
    head = HEAD.replace("on: webhook", "on: jira.issue_created")
    problems = await find(head + GOOD.replace("id: 7, kind: a", inputs))
    found = [f"{problem.path}: {problem.message}" for problem in problems]
    assert [told in each for each in found] == ([True] if told else []), found


async def test_a_name_of_the_flow_hides_what_is_known_of_a_name() -> None:
    step = GOOD.removeprefix("- ").strip().replace("id: 7", "id: '{{user}}'")
    loop = f"- {{id: l, kind: each, with: {{items: [1], name: user}}, branches: [{{steps: [{step}]}}]}}\n"
    head = HEAD.replace("on: webhook", "on: jira.issue_created")
    assert await find(head + loop) == []
    assert [each.path for each in await find(head + loop.replace("name: user", "name: other"))] == [
        "steps[0].branches[0].steps[0].with.id"
    ]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("{{steps.a.id}}", ""),
        ("{{steps.a.idd}}", "idd"),
        ("{{steps.b.first.description}}", ""),
        ("{{steps.b.first.descripton}}", "description"),
    ],
)
async def test_what_is_read_of_a_result_is_checked_by_its_forms(value: str, told: str) -> None:
    text = f"{HEAD}{GOOD}- {{id: b, kind: acme.list}}\n- {{id: c, kind: set, with: {{values: {{x: '{value}'}}}}}}\n"
    problems = await find(text)
    assert any(told in f"{each.message} {each.nearest}" for each in problems) if told else problems == []


def test_what_a_text_names_is_found_at_any_depth() -> None:
    data = {
        "trigger": {"on": "acme.made"},
        "steps": [
            {"kind": "http"},
            {"kind": "choose", "branches": [{"steps": [{"kind": "acme.make"}, {"kind": "slack.post"}, {"kind": 7}, "no"]}]},
        ],
    }
    assert list_named(data, {"http", "choose"}) == ({"acme": {"make"}, "slack": {"post"}}, {"acme": {"made"}})
    assert list_named([], {}) == ({}, {})


async def test_a_kind_of_the_book_wins_over_an_action_of_its_name() -> None:
    text = HEAD + "- {id: a, kind: jira.get_issue, with: {issue: A-1}}\n"
    found = await find_connectors(FakeShelf({"jira": ACME}), TENANT, text, load_book())
    assert found.connectors == ()


def test_what_is_pinned_is_bare_and_bounded() -> None:
    kept = read_pinned(pin([ACME]))
    assert kept[0].schemas == {"Thing": {"type": "object", "properties": {"description": TEXT, "parts": {"type": "array"}}}}
    assert kept[0].actions["make"].inputs == ACME.actions["make"].inputs
    assert (pin([]), read_pinned(b"")) == (b"", ())
    huge = {f"S{number}": {"type": "string", "pattern": "x" * 1_000} for number in range(600)}
    with pytest.raises(InputError, match="Split the flow"):
        pin([Connector(name="huge", title="Huge", schemas=huge)])


def test_offline_a_flow_is_checked_against_the_catalogue() -> None:
    text = HEAD + "- {id: say, kind: slack.post_message, with: {connection: team, channel: C1, text: hello}}\n"
    assert check_offline(text, load_book()).problems == ()
    wrong = check_offline(text.replace("post_message", "post_mesage"), load_book()).problems
    assert [each.nearest for each in wrong] == ["slack.post_message"]


def test_a_statement_has_parameters_and_no_smart_values() -> None:
    parameters = "parameters: ['{{webhookData.key}}']"
    step = "- {id: ask, kind: postgresql.query, with: {connection: db, sql: STATEMENT, " + parameters + "}}\n"
    text = HEAD.replace("{on: manual}", "{on: webhook}") + step
    assert check_offline(text.replace("STATEMENT", "'SELECT 1 WHERE k = $1'"), load_book()).problems == ()
    injected = text.replace("STATEMENT", "\"SELECT 1 WHERE k = '{{webhookData.key}}'\"")
    (problem,) = check_offline(injected, load_book()).problems
    assert "`sql` has no smart values" in problem.message


async def test_what_a_tool_of_an_mcp_server_gives_is_known_by_its_output_schema() -> None:
    form = {
        "type": "object",
        "properties": {"degrees": {"type": "number"}, "days": {"type": "array", "items": {"$ref": "#/$defs/Day"}}},
        "$defs": {"Day": {"type": "object", "properties": {"words": {"type": "string"}}}},
    }
    tool = {
        "name": "weather",
        "inputSchema": {"properties": {"town": {"type": "string"}}, "required": ["town"]},
        "outputSchema": form,
    }
    connector = read_mcp(orjson.dumps([tool]), "acme", url="https://acme.example/mcp", is_open=True).connector

    async def ask(value: str, town: str = "town: Kyiv") -> list[Problem]:
        text = (
            HEAD
            + f"  - {{id: w, kind: acme.weather, with: {{{town}}}}}\n  - {{id: say, kind: set, with: {{values: {{t: '{value}'}}}}}}\n"
        )
        found = await find_connectors(FakeShelf({"acme": connector}), TENANT, text, load_book())
        return list(check_flow(text, load_book(), found).problems)

    assert (
        await ask("{{steps.w.structured.degrees.plus(1)}} {{steps.w.structured.days.first.words.left(2)}} {{steps.w.text}}")
        == []
    )
    (slip,) = await ask("{{steps.w.structured.degres}}")
    assert "degrees" in f"{slip.message} {slip.nearest}"
    (deep,) = await ask("{{steps.w.structured.days.first.word}}")
    assert "words" in f"{deep.message} {deep.nearest}"
    (missing,) = await ask("x", town="")
    assert "town" in missing.message
