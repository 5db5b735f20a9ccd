"""Field mappings: types, value maps, what is missing, and errors that name field, given and expected type."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blubees.connectors.rich_text.adf_schema import list_kinds, list_marks
from blubees.connectors.rich_text.convert import TextForm, read_text, write_text
from blubees.connectors.rich_text.fit import fit_document
from blubees.connectors.rich_text.samples import SAMPLES
from blubees.expressions.document import compile_document
from blubees.flows.check import check_flow
from blubees.model.failures import EXPLANATION, Failure, FailureCode, explain_failure
from blubees.steps.book import load_book
from blubees.steps.mapping.problems import FieldError
from blubees.steps.mapping.reference import render_reference
from blubees.steps.mapping.rule import FieldRule, TypeName, map_fields, prepare_fields
from blubees.steps.mapping.texts import Reading
from blubees.steps.mapping.types import TYPES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "mappings.md"


def run(**rule: Any) -> Any:
    rules = msgspec.convert(
        {"f": {"from": None} | {name.rstrip("_"): value for name, value in rule.items()}}, dict[str, FieldRule]
    )
    found = map_fields(rules, "with.fields")
    return (found.field, found.detail) if isinstance(found, Failure) else found


def test_the_page_is_made_from_the_tables() -> None:
    assert PAGE.read_text() == render_reference()


def test_the_flow_on_the_page_is_good() -> None:
    assert check_flow(PAGE.read_text().split("```yaml\n")[1].split("```")[0], load_book()).problems == ()


def test_the_flow_on_the_page_is_an_example() -> None:
    assert (PAGE.parents[1] / "examples" / "flows" / "take-over.yaml").read_text() in PAGE.read_text()


def test_a_failure_is_told_in_words_with_field_given_and_expected_type() -> None:
    what, _ = explain_failure(Failure(code=FailureCode.FIELD_INVALID, field="with.fields.f[2]", detail="list_not_rich_text"))
    assert what == "with.fields.f[2] was given: list. Expected is: rich text."
    missing, _ = explain_failure(Failure(code=FailureCode.FIELD_INVALID, field="with.fields.f", detail="missing"))
    assert "required" in missing
    plain = explain_failure(Failure(code=FailureCode.FIELD_INVALID, field="with.fields.f", detail="too_deep"))
    assert plain == EXPLANATION[FailureCode.FIELD_INVALID]


def test_each_type_has_its_row() -> None:
    assert set(TYPES) == set(get_args(TypeName))


@pytest.mark.parametrize("name", TYPES)
def test_a_types_examples_give_what_they_say(name: str) -> None:
    for value, result in TYPES[name].examples:
        made = TYPES[name].convert(value, Reading())
        assert (made, type(made)) == (result, type(result))
    for value, detail in TYPES[name].refused:
        with pytest.raises(FieldError) as caught:
            TYPES[name].convert(value, Reading())
        assert caught.value.detail == detail


@pytest.mark.parametrize("name", SAMPLES)
def test_every_node_and_mark_comes_back_from_html_and_markdown(name: str) -> None:
    document = {"version": 1, "type": "doc", "content": SAMPLES[name]}
    assert fit_document(document) == document
    for form in (TextForm.HTML, TextForm.MARKDOWN):
        assert read_text(write_text(document, form), form, is_trusted=True) == document


def test_every_node_and_mark_has_a_sample() -> None:
    shown = str(list(SAMPLES.values()))
    for kind in (list_kinds() | list_marks()) - {"doc"}:
        assert f"'type': '{kind}'" in shown, kind


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.just(2**5_000),
        st.floats(),
        st.text(max_size=8),
        st.datetimes(timezones=st.just(UTC)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["id", "value", "name", "type", "version", "content", "child", "accountId"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


@given(JSON, st.sampled_from(sorted(TYPES)), st.booleans())
def test_any_value_becomes_the_type_or_fails_by_name(value: Any, kind: str, many: bool) -> None:
    found = run(from_=value, as_=kind, many=many)
    assert isinstance(found, dict) or (found[0].startswith("with.fields.f") and found[1])


def test_a_failure_names_field_item_given_and_expected_type() -> None:
    assert run(from_=[3], as_="number") == ("with.fields.f", "list_not_number")
    assert run(from_=["1", 2, {"a": 1}], as_="number", many=True) == ("with.fields.f[2]", "object_not_number")
    assert run(from_={"version": 1, "type": "doc", "content": []}, as_="number") == ("with.fields.f", "document_not_number")
    assert run(from_="a" * 1_048_577, as_="rich_text", reads="html") == ("with.fields.f", "too_large")
    failed = map_fields({"f": FieldRule(source="secret text", kind="number")}, "with.fields")
    assert isinstance(failed, Failure)
    assert failed.code is FailureCode.FIELD_INVALID
    assert "secret" not in str(failed)


@pytest.mark.parametrize("nothing", [None, "", []])
def test_what_is_missing_is_left_out_or_cleared_or_fails(nothing: object) -> None:
    assert run(from_=nothing, as_="number") == {}
    assert run(from_=nothing, as_="number", clear=True) == {"f": None}
    assert run(from_=nothing, as_="number", required=True) == ("with.fields.f", "missing")
    assert run(from_=nothing, as_="number", default="4") == {"f": 4}
    assert run(from_=nothing, as_="text", many=True, default="a") == {"f": ["a"]}
    assert run(from_=[nothing, nothing], many=True, required=True) == ("with.fields.f", "missing")
    assert run(from_=False) == {"f": False}
    assert run(from_=0, required=True) == {"f": 0}


def test_values_stand_for_values() -> None:
    table = {"High": "1", "low": 5, "true": "yes", "3": "three", "none": None}
    assert run(from_="High", values=table) == {"f": "1"}
    assert run(from_="high", values=table) == ("with.fields.f", "not_in_values")
    assert run(from_="high", values=table, ignore_case=True) == {"f": "1"}
    assert run(from_="?", values={**table, "_other": "9"}, as_="number") == {"f": 9}
    assert run(from_="_other", values={"a": "b"}) == ("with.fields.f", "not_in_values")
    assert run(from_=True, values=table) == {"f": "yes"}
    assert run(from_=3, values=table) == {"f": "three"}
    assert run(from_="none", values=table, required=True) == ("with.fields.f", "missing")
    assert run(from_=["High", "x"], values=table) == ("with.fields.f", "list_not_text")
    assert run(from_=["High", "low"], values=table, many=True, as_="option_id") == {"f": [{"id": "1"}, {"id": "5"}]}
    assert run(from_=["High", "x"], values=table, many=True) == ("with.fields.f[1]", "not_in_values")


def test_texts_are_read_as_the_flow_says() -> None:
    bold = {"type": "text", "text": "a", "marks": [{"type": "strong"}]}
    made = run(from_="**a**", as_="rich_text", reads="markdown")
    assert made["f"]["content"] == [{"type": "paragraph", "content": [bold]}]
    assert run(from_="<b>a</b>", as_="markdown", reads="html") == {"f": "**a**"}
    assert run(from_="**a**", as_="html", reads="markdown") == {"f": "<p><strong>a</strong></p>"}
    assert run(from_="**a**", as_="plain_text", reads="markdown") == {"f": "a"}
    assert run(from_="**a**", as_="markdown", reads="markdown") == {"f": "**a**"}
    mention = '<span data-adf="mention" data-adf-attrs="{&quot;id&quot;:&quot;a1&quot;}">@Ann</span>'
    assert "mention" not in str(run(from_=mention, as_="rich_text", reads="html"))
    assert "mention" in str(run(from_=mention, as_="rich_text", reads="html", trusted=True))


def test_a_date_keeps_its_own_day() -> None:
    assert run(from_=datetime(2026, 11, 24, 23, 30, tzinfo=UTC), as_="date") == {"f": "2026-11-24"}
    assert run(from_="0001-01-01T00:00:00+0200", as_="datetime") == ("with.fields.f", "text_not_datetime")


def test_short_fields_are_written_out_once() -> None:
    assert prepare_fields({"a": "x", "b": {"from": "y", "as": "text"}, "c": [1], "d": None}) == {
        "a": {"from": "x"},
        "b": {"from": "y", "as": "text"},
        "c": {"from": [1]},
        "d": {"from": None},
    }


def test_what_a_payload_cannot_change_of_a_rule_is_read_once() -> None:
    """And gives what reading it each time gives; a rule with a smart value beside `from` is read each time."""
    entry = load_book()["map"]
    prepared = entry.prepare({"fields": {"a": "{{x}}", "n": {"from": "{{y}}", "as": "number", "default": "{{z}}"}, "c": 7}})
    read = entry.make_reader(prepared)
    document = compile_document(prepared)
    for scope in ({"x": "1", "y": "2"}, {"x": {"from": "no rule"}, "z": 3}):
        settings = read(document.render(scope))
        assert [isinstance(each, tuple) for each in settings.fields.values()] == [True, False, True]
        again = read(document.render(scope))
        assert settings.fields["a"][0] is again.fields["a"][0]
        rules = msgspec.convert(document.render(scope)["fields"], dict[str, FieldRule])
        bound = {
            name: each if isinstance(each, tuple) else msgspec.convert(each, FieldRule)
            for name, each in settings.fields.items()
        }
        assert map_fields(bound, "with") == map_fields(rules, "with")
