"""What a flow's author may ask a GraphQL server for: fields that the schema has, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blubees.connectors.actions.values import MisfitError, compile_convert
from blubees.connectors.graphql_fields import FieldsError, check_fields

TYPES = {
    "Issue": {"id": "", "title": "", "assignee": "Actor", "parent": "Issue", "children": "Page", "history": "!since,until"},
    "Actor": {"id": "", "name": ""},
    "Page": {"nodes": "Issue", "total": ""},
}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("id title", "id title"),
        ("{ id, title }", "id title"),
        ("id\nassignee { name ... on Person { email } }", "id assignee { name ... on Person { email } }"),
        ("name: title", "name : title"),
        ("__typename id", "__typename id"),
        (
            'children(first: 5, filter: {text: "a \\"b\\" }", in: [1, -2.5e3, OPEN]}) { nodes { id } total }',
            'children ( first : 5 filter : { text : "a \\"b\\" }" in : [ 1 -2.5e3 OPEN ] } ) { nodes { id } total }',
        ),
        ("history(since: 1, until: 2)", "history ( since : 1 until : 2 )"),
        ("parent { parent { parent { id } } }", "parent { parent { parent { id } } }"),
    ],
)
def test_fields_of_the_schema_are_taken(text: str, written: str) -> None:
    assert check_fields(text, "Issue", TYPES) == written


@pytest.mark.parametrize(
    ("text", "path", "wanted"),
    [
        ("", (), "selection"),
        ("{ }", (), "selection"),
        ("id titel", ("titel",), "field_of_Issue"),
        ("assignee { nme }", ("assignee", "nme"), "field_of_Actor"),
        ("assignee", ("assignee",), "selection_of_Actor"),
        ("title { id }", ("title",), "field_without_selection"),
        ("history", ("history",), "field_with_since_and_until"),
        ("history(since: 1)", ("history",), "field_with_since_and_until"),
        ("assignee { }", ("assignee",), "selection"),
        ("assignee { id", ("assignee",), "selection"),
        ("id } }", (), "selection"),
        ("id } mutation { destroy { id }", (), "selection"),
        ("...Everything", (), "selection"),
        ("... on { id }", (), "selection"),
        ("id @include(if: true)", (), "selection"),
        ("children(first: $after) { total }", (), "selection"),
        ("children(first: 1", (), "selection"),
        ("children(first: {a: 1) }", (), "selection"),
        ("children() { total }", (), "selection"),
        ("id # comment", (), "selection"),
        ('title """block"""', (), "selection"),
        ('children(a: "b\\u0041") { total }', (), "selection"),
        ("parent { " * 13 + "id" + " }" * 13, ("parent",) * 13, "shallower_selection"),
        ("id " * 4_000, (), "shorter_selection"),
        ("id," * 3_100, (), "selection"),
    ],
)
def test_everything_else_is_refused(text: str, path: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(FieldsError) as raised:
        check_fields(text, "Issue", TYPES)
    assert (raised.value.path, raised.value.wanted) == (path, wanted)


@given(st.text(alphabet='{}()[]:.@$"\\ ,\nidtle#-1e', max_size=60))
def test_whatever_is_written_braces_stay_balanced_and_nothing_but_fields_comes_through(text: str) -> None:
    try:
        written = check_fields(text, "Unknown", {})
    except FieldsError:
        return
    outside = "".join(written.split('"')[::2])
    depth = 0
    for part in outside:
        depth += {"{": 1, "}": -1}.get(part, 0)
        assert depth >= 0
    assert depth == 0
    assert not set("@$#") & set(outside)


def test_an_input_that_holds_a_plan_makes_the_document() -> None:
    plan = {"before": "query a { a { nodes { ", "after": " } pageInfo { endCursor } } }", "root": "Actor", "types": TYPES}
    convert = compile_convert({"type": "string", "x-graphql": plan}, {})
    assert convert is not None
    assert convert("id name") == "query a { a { nodes { id name } pageInfo { endCursor } } }"
    with pytest.raises(MisfitError) as raised:
        convert("id mail")
    assert (raised.value.path, raised.value.detail) == (".mail", "text_not_field_of_Actor")
