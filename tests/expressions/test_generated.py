"""The code that is written for what is worked out often gives what the closures give, and holds no text of an author."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.expressions.document import compile_document
from blubees.expressions.errors import EvaluationError, TemplateError
from blubees.expressions.functions import FUNCTIONS
from blubees.expressions.generated import SEGMENTS_MAX, WARM_UP_TURNS, WORDS, Text, generate, write_code
from blubees.expressions.limits import DEFAULT
from blubees.expressions.running import Run, guard
from blubees.expressions.signatures import Function
from blubees.expressions.template import Template, compile_template

NAMES = ["issue", "fields", "name", "labels", "first", "size", "Key", "index", '"a.b"', "list", "none", "text"]
CALLS = [
    "toUpperCase", "toUpperCase()", "left(2)", 'equals("x")', "equals(text)", 'join("-")', "size", "size()", "get(0)", "plus(1)",
    'contains("x")', "first()", "asJsonString", "length", 'split(",")', "gt(1)", 'concat(none, "x")', "isEmpty", 'match("(a)")',
]  # fmt: skip
LITERALS = ['"x"', '"text"', "1", "2.5", '""']
ALL = [pytest.param(each, id=f"{each.receiver}-{each.name}") for table in FUNCTIONS.values() for each in table.values()]
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|\"[^\"]*\"|\S")
PUNCTUATION = set("()[]{}:,.=+<>") | {"=="}
OWN_WORDS = {
    "def",
    "make",
    "give",
    "run",
    "scope",
    "return",
    "if",
    "elif",
    "else",
    "is",
    "not",
    "and",
    "or",
    "in",
    "get",
    "find",
    "True",
}
OWN_WORDS |= {"False", "None", "try", "except", "as", "error", "raise", "from", "expect_size", "f", "spend", *WORDS}


def _paths(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    calls = st.sampled_from(CALLS) | st.builds(
        "{}({})".format, st.sampled_from(["equals", "concat", "contains", "plus", "gt", "left"]), inner
    )
    path = st.lists(st.sampled_from(NAMES) | calls, max_size=4)
    return st.builds(lambda start, rest: ".".join([start, *rest]), st.sampled_from([*NAMES, *LITERALS[:3]]), path)


def _globals(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, given: f"{name}({', '.join(given)})",
        st.sampled_from(["and", "or", "if"]),
        st.lists(inner, min_size=2, max_size=3),
    ) | st.builds(
        lambda name, one, two: f"{name}({one}{', ' + two if name == 'equals' else ''})",
        st.sampled_from(["not", "exists", "equals"]),
        inner,
        inner,
    )


EXPRESSIONS = st.recursive(st.sampled_from([*NAMES, *LITERALS]), lambda inner: _paths(inner) | _globals(inner), max_leaves=8)
TAGS = EXPRESSIONS.map("{{{{{}}}}}".format) | st.builds("{{{{{}|{}}}}}".format, EXPRESSIONS, EXPRESSIONS)
SECTIONS = st.builds("{{{{#{}}}}}{}{{{{else}}}}n{{{{/}}}}".format, EXPRESSIONS, TAGS)
TEMPLATES = st.lists(TAGS | SECTIONS | st.sampled_from(["", "a ", "{", "\n"]), min_size=1, max_size=4).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["", "x", "a,b", "12", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([name.strip('"') for name in NAMES] + ["NAME", "key"]), inner, max_size=4)
    ),
    max_leaves=12,
)
SCOPES = st.dictionaries(st.sampled_from([name.strip('"') for name in NAMES]), VALUES, max_size=6)


def _compile(source: str) -> Template | None:
    try:
        return compile_template(source)
    except TemplateError:
        return None


def _work_out(get: Any, scope: dict[str, Any]) -> tuple[object, ...]:
    try:
        value = guard(get, Run(scope, DEFAULT))
    except EvaluationError as error:
        return "error", error.code, error.function, error.position
    return type(value), repr(value)


@settings(max_examples=120, deadline=None)
@given(TEMPLATES, st.lists(SCOPES, min_size=1, max_size=3))
def test_code_gives_what_the_closures_give(source: str, scopes: list[dict[str, Any]]) -> None:
    template = _compile(source)
    if template is None or template.is_constant:
        return
    give = generate(Text(template.nodes, is_value=template.is_single_expression))
    assert give is not None
    for scope in scopes:
        assert _work_out(give, scope) == _work_out(template.evaluate, scope)


@pytest.mark.parametrize("function", ALL)
def test_code_gives_what_a_functions_example_says(function: Function) -> None:
    nodes = compile_template("{{" + function.example + "}}").nodes
    give = generate(Text(nodes, is_value=True))
    assert give is not None
    assert give(Run({}, DEFAULT)) == function.gives


@settings(max_examples=60, deadline=None)
@given(TEMPLATES)
def test_code_holds_our_own_words_and_numbered_names_only(source: str) -> None:
    template = _compile(source)
    if template is None or template.is_constant:
        return
    made = write_code(Text(template.nodes, is_value=template.is_single_expression))
    assert made is not None
    _expect_closed(made[0])


@pytest.mark.parametrize("name", ["x = __import__", "k0", "v0", "run", "\n import os\n", "{open}", "'''", "a\\b", "é", "give"])
def test_no_name_of_an_author_becomes_code(name: str) -> None:
    template = compile_template('{{"%s".left(1)}}{{a."%s".equals("%s")|"%s"}}%s' % ((name,) * 5))
    made = write_code({name: Text(template.nodes, is_value=False)})
    assert made is not None
    _expect_closed(made[0])


def _expect_closed(code: str) -> None:
    for token in TOKEN.findall(code):
        inner = re.fullmatch(r'"((?:\{[kv]\d+\})*)"', token)
        assert inner or token in PUNCTUATION or token in OWN_WORDS or re.fullmatch(r"[kv]\d+|\d+", token), token


def test_the_code_reaches_nothing_built_in() -> None:
    assert WORDS["__builtins__"] == {}


def test_a_document_gives_the_same_before_and_after_it_has_code() -> None:
    constant = {"a": [1, 2]}
    document = compile_document(
        {
            "n": "{{steps.n}}",
            "t": "{{steps.n}}!{{#steps.l}}{{.}}{{/}}",
            "l": ["{{steps.l}}", 1, ["{{steps.none|2}}"]],
            "c": constant,
        }
    )
    scope = {"steps": {"n": 7, "l": ["a", "b"]}}
    expected = {"n": 7, "t": "7!ab", "l": [["a", "b"], 1, [2]], "c": {"a": [1, 2]}}
    for _ in range(WARM_UP_TURNS + 2):
        rendered = document.render(scope)
        assert rendered == expected
        assert list(rendered) == list(expected)
        assert rendered["c"] is constant


def test_a_condition_holds_the_same_before_and_after_it_has_code() -> None:
    template = compile_template('{{and(issue.type.equals("Bug"), issue.none.size.lt(1))}}')
    for turn in range(WARM_UP_TURNS * 2):
        assert template.holds({"issue": {"type": "Bug" if turn % 2 else "Task"}}) is bool(turn % 2)


def test_what_is_too_large_stays_with_the_closures() -> None:
    template = compile_template("{{a.b}}" * SEGMENTS_MAX)
    assert generate(Text(template.nodes, is_value=False)) is None
    for _ in range(WARM_UP_TURNS + 2):
        assert template.value({"a": {"b": 1}}) == "1" * SEGMENTS_MAX
