"""Whatever stands in an export: a report, flows that pass the check, and no error but our own."""

import contextlib
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.flows.check import check_flow
from blubees.flows.jira_rules import table
from blubees.flows.jira_rules.export import COMPONENTS_MAX, DEPTH_MAX, FILE_MAX_BYTES, RULES_MAX, read_export
from blubees.flows.jira_rules.translate import import_rules
from blubees.model.errors import InputError
from blubees.steps.book import load_book
from flows.jira_rules import examples
from flows.jira_rules.examples import COMMENT, CREATED, component, rule

BOOK = load_book()
TYPES = sorted(
    {
        *table.TRIGGERS,
        *table.CONDITIONS,
        *table.BRANCHES,
        *table.ACTIONS,
        table.CONTAINER,
        *table.IF_BLOCKS,
        table.GROUP,
        "jira.other",
    }
)
VALUES = [value for kind in ("TRIGGERS", "CONDITIONS", "BRANCHES", "ACTIONS") for _, value, _ in getattr(examples, kind)]
KINDS = ["TRIGGER", "CONDITION", "CONDITION_BLOCK", "BRANCH", "ACTION", "ORCHESTRATION", ""]
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    10**18,
    1.5,
    "",
    "{{",
    "}}",
    "{{issue.key}}",
    "{{#issue.labels}}",
    '{{"',
    "{{a.b(}}",
    "-",
    "\\",
    '"',
    "{{x.get(1)}}",
    "\u2028\x85\x07",
    "x" * 300,
]
ODD += [
    [],
    {},
    [[]],
    {"type": {}},
    {"value": []},
    {"type": "COPY"},
    {"type": "SMART", "value": "{{now}}"},
    ["a", 1, {}],
    {"": {"": ""}},
    "[1, 2]",
    '{"a": 1}',
    "\U0001f600 \u201cquoted\u201d",
]


def mangle(value: Any, chance: Random) -> Any:
    """A copy with some parts exchanged for odd ones, left out, or doubled."""
    if chance.random() < 0.07:
        return chance.choice(ODD)
    if isinstance(value, dict):
        kept = {key: mangle(inner, chance) for key, inner in value.items() if chance.random() > 0.03}
        return kept | ({str(chance.choice(ODD)): chance.choice(ODD)} if chance.random() < 0.1 else {})
    if isinstance(value, list):
        return [mangle(each, chance) for each in value for _ in range(chance.choice([1, 1, 1, 1, 0, 2]))]
    return value


def make_component(chance: Random, depth: int) -> dict[str, Any]:
    made = component(chance.choice(KINDS), chance.choice(TYPES), chance.choice(VALUES), id=str(chance.randrange(9)))
    if chance.random() < 0.2:
        made[chance.choice(["parentId", "conditionParentId"])] = str(chance.randrange(9))
    for place in ("children", "conditions"):
        made[place] = [make_component(chance, depth - 1) for _ in range(chance.choice([0, 0, 1, 2]) if depth else 0)]
    return made


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_mangled_rules_are_translated_or_held(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - no secret
    trigger = component("TRIGGER", *chance.choice(examples.TRIGGERS)[:2])
    whole = rule(trigger, *(make_component(chance, 3) for _ in range(chance.randrange(6))))
    for done in import_rules(orjson.dumps({"rules": [mangle(whole, chance), whole]}), BOOK).rules:
        for flow in done.flows:
            checked = check_flow(flow.text, BOOK)
            assert checked.flow is not None, (checked.problems, flow.text)
        assert all(each.reason for each in done.findings)


JUNK = st.recursive(
    st.sampled_from(ODD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["rules", "rule", "trigger", "components", "name", "value", ""]), inner, max_size=4)
    ),
)


@settings(max_examples=200, deadline=None)
@given(JUNK)
def test_junk_is_refused_with_our_error_or_translated(document: Any) -> None:
    with contextlib.suppress(InputError):
        import_rules(orjson.dumps(document), BOOK)


def test_hostile_files_are_refused() -> None:
    deep = b'{"rules": [{"trigger": {}, "components": ' + b"[" * 200 + b"]" * 200 + b"}]}"
    deeper = b"[" * 100_000
    many = orjson.dumps({"rules": [{"trigger": {}}] * (RULES_MAX + 1)})
    large = orjson.dumps({"rule": rule(CREATED, *[COMMENT] * (COMPONENTS_MAX + 1))})
    huge = b" " * (FILE_MAX_BYTES + 1)
    for content, part in (
        (deep, str(DEPTH_MAX)),
        (deeper, "JSON"),
        (many, str(RULES_MAX)),
        (large, str(COMPONENTS_MAX)),
        (huge, "bytes"),
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[]", "no rules"),
    ):
        with pytest.raises(InputError) as caught:
            read_export(content)
        assert part in caught.value.for_user


def test_every_form_of_an_export_is_read() -> None:
    one = rule(CREATED, COMMENT)
    forms: list[Any] = [
        {"cloud": True, "rules": [one]},
        {"rule": one, "connections": []},
        [one],
        one,
        {"data": [one]},
        {"rules": [{"rule": one}]},
    ]
    for form in forms:
        assert [each.name for each in read_export(orjson.dumps(form))] == ["A rule"]
    assert read_export(b"\xef\xbb\xbf" + orjson.dumps(one))[0].components[0].type == "jira.issue.comment"


def test_components_that_name_their_parent_are_put_into_it() -> None:
    block = component("CONDITION", "jira.condition.container.block", {}, id="10")
    branch = component("CONDITION_BLOCK", "jira.condition.if.block", {"conditionMatchType": "ALL"}, id="11", parentId="10")
    asked = component(
        "CONDITION",
        "jira.comparator.condition",
        {"first": "{{issue.key}}", "second": "A-1", "operator": "EQUALS"},
        id="12",
        conditionParentId="11",
    )
    done = component("ACTION", "jira.issue.comment", {"comment": "Hello"}, id="13", parentId="11")
    flat = import_rules(orjson.dumps([rule(CREATED, block, branch, asked, done)]), BOOK).rules[0]
    nested = component(
        "CONDITION", "jira.condition.container.block", {}, children=[branch | {"conditions": [asked], "children": [done]}]
    )
    assert flat.flows[0].text == import_rules(orjson.dumps([rule(CREATED, nested)]), BOOK).rules[0].flows[0].text


def test_a_rule_too_large_for_a_flow_is_one_placeholder() -> None:
    (done,) = import_rules(orjson.dumps(rule(CREATED, *[COMMENT] * 300)), BOOK).rules
    assert done.flows[0].placeholders == 1
    assert {each.verdict.value for each in done.findings} == {"not_translatable"}
    assert "allowed are 200" in done.findings[0].reason


def test_blocks_too_deep_are_held_where_they_are() -> None:
    inner: dict[str, Any] = COMMENT
    for _ in range(12):
        branch = component("CONDITION_BLOCK", "jira.condition.if.block", {}, children=[inner])
        inner = component("CONDITION", "jira.condition.container.block", {}, children=[branch])
    (done,) = import_rules(orjson.dumps(rule(CREATED, COMMENT, inner)), BOOK).rules
    assert done.flows[0].placeholders == 1
    assert done.flows[0].text.count("kind: choose") == 7
    assert "kind: jira.add_comment" in done.flows[0].text


@pytest.mark.parametrize(
    "text",
    [
        "{{" * 16_000,
        "{{a.get(" * 4_000,
        "a.get(1)" * 4_000,
        "{{a.get(1)}}" * 2_700,
        "order by " * 3_600,
        "x" * 32_000,
        "token" * 6_000,
        "https://" * 4_000,
        "-----BEGIN PRIVATE KEY-----" * 1_000,
        "[" * 32_000,
    ],
)
def test_long_texts_of_any_kind_come_to_an_end(text: str) -> None:
    """No speed is asserted: what grows too fast runs into the timeout of all tests."""
    table_of = component(
        "ACTION", "jira.create.mapping-variable", {"name": {"value": "a"}, "mappings": [{"key": "1", "value": "b"}]}
    )
    actions = [
        component("ACTION", name, value)
        for name, value in (
            ("jira.issue.comment", {"comment": text}),
            ("jira.issue.outgoing.webhook", {"url": text, "headers": [{"name": "A", "value": text}], "customBody": text}),
            ("jira.some.day", {"a": text}),
        )
    ]
    condition = component("CONDITION", "jira.jql.condition", text)
    (done,) = import_rules(orjson.dumps(rule(CREATED, table_of, condition, *actions, description=text, name=text)), BOOK).rules
    assert check_flow(done.flows[0].text, BOOK).flow is not None


def test_a_block_whose_conditions_and_actions_stand_side_by_side_is_a_branch_too() -> None:
    asked = component(
        "CONDITION", "jira.comparator.condition", {"first": "{{issue.key}}", "second": "A-1", "operator": "EQUALS"}
    )
    group = component(
        "ORCHESTRATION",
        table.GROUP,
        {"name": "Group 2"},
        children=[component("CONDITION", table.CONTAINER, {}, children=[asked, COMMENT])],
    )
    (done,) = import_rules(orjson.dumps(rule(CREATED, group, COMMENT)), BOOK).rules
    flow = check_flow(done.flows[0].text, BOOK).flow
    assert flow is not None
    assert [step.kind for step in flow.steps] == ["choose", "jira.add_comment"]
    assert flow.steps[0].branches[0].when == '{{equals(issue.key, "A-1")}}'
    assert flow.steps[0].branches[0].steps[0].kind == "jira.add_comment"
