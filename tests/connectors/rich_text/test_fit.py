"""Any tree becomes a document that Atlassian's schema takes, or is refused: never anything else."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.connectors.rich_text.adf_schema import is_valid, list_kinds, list_marks
from blubees.connectors.rich_text.bounds import DEPTH_MAX, Node, RichTextError, RichTextProblem
from blubees.connectors.rich_text.convert import TextForm, read_text, write_text
from blubees.connectors.rich_text.fit import fit_document

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(2**70), st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    st.sampled_from(["#ff0000", "DONE", "https://a.example/", "javascript:x", "info", "file", "external", "center"]),
)  # fmt: skip
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            "level",
            "url",
            "text",
            "type",
            "id",
            "collection",
            "layout",
            "color",
            "href",
            "title",
            "state",
            "panelType",
            "order",
            "data",
            "shortName",
            "timestamp",
            "alt",
            "localId",
            "extensionKey",
            "extensionType",
            "parameters",
            "width",
            "x",
        ]
    ),
    st.one_of(ODD, st.lists(ODD, max_size=2)),
    max_size=4,
)
MARKS = st.lists(
    st.one_of(
        ODD,
        st.fixed_dictionaries({"type": st.sampled_from(sorted(list_marks()))}, optional={"attrs": st.one_of(ODD, ATTRIBUTES)}),
    ),
    max_size=3,
)
KINDS = st.sampled_from([*sorted(list_kinds()), "group", "break", "newer"])
TREES = st.recursive(
    st.one_of(
        ODD,
        st.builds(
            lambda text, marks: {"type": "text", "text": text, "marks": marks}, st.one_of(ODD, st.text(max_size=6)), MARKS
        ),
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": KINDS},
        optional={"attrs": st.one_of(ODD, ATTRIBUTES), "marks": MARKS, "content": st.one_of(ODD, st.lists(inner, max_size=4))},
    ),
    max_leaves=12,
)


@given(st.lists(TREES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_tree_becomes_a_document(content: list[Any]) -> None:
    document = {"version": 1, "type": "doc", "content": content}
    fitted = fit_document(document)
    assert is_valid(fitted)
    assert fit_document(fitted) == fitted
    for form in TextForm:
        assert isinstance(write_text(document, form), str | dict)
    assert 'href="javascript' not in str(write_text(document, TextForm.HTML))
    with contextlib.suppress(RichTextError):
        assert read_text(document, TextForm.ADF) == fitted
        return
    assert not is_valid(document)


def nest(levels: int) -> Node:
    node: Node = {"type": "paragraph", "content": []}
    for _ in range(levels):
        node = {"type": "bulletList", "content": [{"type": "listItem", "content": [node]}]}
    return {"version": 1, "type": "doc", "content": [node]}


@pytest.mark.parametrize("levels", [DEPTH_MAX // 2, 200, 400])
def test_a_document_that_is_too_deep_is_refused(levels: int) -> None:
    for form in TextForm:
        with pytest.raises(RichTextError):
            write_text(nest(levels), form)
    with pytest.raises(RichTextError):
        read_text(nest(levels), TextForm.ADF)
    assert fit_document(nest(DEPTH_MAX // 2 - 1)) == nest(DEPTH_MAX // 2 - 1)


BOLD = {"type": "text", "text": "a", "marks": [{"type": "strong"}]}
LIGHT = {"type": "status", "attrs": {"text": "x", "color": "neutral"}}


@pytest.mark.parametrize(("node", "most"), [({"type": "rule"}, 5_000), (BOLD, 2_499), (LIGHT, 1_666)])
def test_nodes_marks_and_attributes_are_counted(node: Node, most: int) -> None:
    """So that what a document holds bounds the work that it makes."""

    def make(count: int) -> Node:
        # neighbours with the same marks would become one
        nodes = [node if number % 2 or node is not BOLD else {**BOLD, "marks": [{"type": "em"}]} for number in range(count)]
        content = nodes if node["type"] == "rule" else [{"type": "paragraph", "content": nodes}]
        return {"version": 1, "type": "doc", "content": content}

    for form in TextForm:
        assert write_text(make(most), form)
        with pytest.raises(RichTextError) as caught:
            write_text(make(most + 1), form)
        assert caught.value.problem is RichTextProblem.TOO_MANY_PARTS


def test_values_that_json_has_not_are_no_adf() -> None:
    for odd in (datetime(2026, 1, 1, tzinfo=UTC), float("nan"), 2**70, 2**20_000, object()):
        document = {
            "version": 1,
            "type": "doc",
            "content": [{"type": "extension", "attrs": {"extensionKey": "a", "extensionType": "b", "parameters": {"a": odd}}}],
        }
        assert is_valid(fit_document(document))
        assert write_text(document, TextForm.HTML)


def test_a_document_of_too_much_text_is_refused() -> None:
    lines = {"type": "codeBlock", "content": [{"type": "text", "text": "a\n" * 131_072}]}
    document = {"version": 1, "type": "doc", "content": [lines]}
    assert write_text(document, TextForm.MARKDOWN)
    document["content"] = [lines, {"type": "codeBlock", "content": [{"type": "text", "text": "a"}]}]
    with pytest.raises(RichTextError) as caught:
        write_text(document, TextForm.MARKDOWN)
    assert caught.value.problem is RichTextProblem.TOO_LARGE


@pytest.mark.parametrize("form", [TextForm.MARKDOWN, TextForm.PLAIN])
def test_lines_deep_in_lists_that_would_fill_the_memory_are_refused(form: TextForm) -> None:
    node: Node = {"type": "codeBlock", "content": [{"type": "text", "text": "a\n" * 100_000}]}
    for _ in range(18):
        node = {"type": "bulletList", "content": [{"type": "listItem", "content": [node]}]}
    with pytest.raises(RichTextError) as caught:
        write_text({"version": 1, "type": "doc", "content": [node]}, form)
    assert caught.value.problem is RichTextProblem.TOO_LARGE


def test_a_text_of_special_letters_comes_back() -> None:
    text = "*_a_b_ !&" * 2_000
    document = {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]}
    assert read_text(write_text(document, TextForm.MARKDOWN), TextForm.MARKDOWN) == document
