"""The flow check tells everything at once, with its place, and never breaks."""

from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.flows.check import check_flow
from blubees.flows.document import read_document
from blubees.flows.schema import flow_schema
from blubees.steps.book import load_book

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "flows").glob("*.yaml"))
BAD = """\
id: Bad Id
nam: x
trigger: {on: jira.isue_created, where: "{{issue.key}} x", every_seconds: 5}
steps:
  - id: a
    kind: htp
    with: {url: "{{isue.key}}"}
  - id: a
    kind: http
    with: {ur: x, timeout_seconds: 999, json: "{{steps.zz.b}}", headers: {Authorization: "Bearer abcdefghijklmnop"}}
  - id: c
    kind: choose
    branches:
      - steps: []
      - when: "{{issue.summary.toUper()}}"
        steps: [{id: d, kind: stop}]
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_good_and_fit_the_schema(path: Path) -> None:
    checked = check_flow(path.read_text(), load_book())
    assert checked.problems == ()
    assert checked.flow is not None
    document = read_document(path.read_text()).data
    assert jsonschema_rs.is_valid(flow_schema(load_book()), document)
    document["steps"][0]["kind"] = "htp"
    assert not jsonschema_rs.is_valid(flow_schema(load_book()), document)


def test_every_problem_is_told_with_its_place_and_the_nearest_name() -> None:
    found = {(each.line, each.path): each for each in check_flow(BAD, load_book()).problems}
    assert set(found) >= {
        (1, "id"),
        (2, "nam"),
        (3, "trigger.on"),
        (3, "trigger.where"),
        (6, "steps[0].kind"),
        (8, "steps[1].id"),
        (10, "steps[1].with"),
        (10, "steps[1].with.ur"),
        (10, "steps[1].with.timeout_seconds"),
        (10, "steps[1].with.json"),
        (10, "steps[1].with.headers.Authorization"),
        (14, "steps[2].branches[0]"),
        (14, "steps[2].branches[0].steps"),
        (15, "steps[2].branches[1].when"),
    }
    assert found[3, "trigger.on"].nearest == "jira.issue_created"
    assert found[6, "steps[0].kind"].nearest == "http"
    assert found[10, "steps[1].with.ur"].nearest == "url"
    assert "0.1 to 120" in found[10, "steps[1].with.timeout_seconds"].message
    assert "toUpperCase" in found[15, "steps[2].branches[1].when"].nearest


FLOW = "id: a\nname: A\ntrigger: {on: webhook}\nsteps:\n"


@pytest.mark.parametrize(
    ("steps", "part"),
    [
        ("- {id: a, kind: stop, with: {x: '{{steps.b.c}}'}}\n- {id: b, kind: stop}", "runs later"),
        ("- {id: a, kind: respond, with: {text: '{{issue.key}}'}}", "Nothing is called `issue`"),
        ("- {id: a, kind: set, with: {values: {webhookData: 1}}}", "something else"),
        ("- {id: a, kind: stop, branches: []}", "no branches"),
        ("- {id: a, kind: choose}", "needs `branches`"),
    ],
)
def test_a_mistake_in_steps_is_told(steps: str, part: str) -> None:
    assert any(part in each.message for each in check_flow(FLOW + steps, load_book()).problems)


def test_a_step_in_a_branch_may_not_have_run() -> None:
    steps = "- {id: a, kind: choose, branches: [{when: '{{webhookData}}', steps: [{id: b, kind: set, with: {values: {}}}]}]}\n"
    checked = check_flow(FLOW + steps + "- {id: c, kind: respond, with: {json: '{{steps.b.x}}'}}", load_book())
    assert [each.severity for each in checked.problems] == ["warning"]
    assert checked.flow is not None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[" * 10_000, "deeper"),
        ('{"a":' * 10_000, "deeper"),
        ("a: &x 1\nb: *x", "Anchors"),
        ("a: !!python/object 1", "tags"),
        ("- 1\n---\n- 2", "more than one document"),
        ("", "empty"),
        ("\ud800", "character"),
        ('{"id": "a", "id": "b"}', "twice"),
        ("x: 99999999999999999999", "2^53"),
        ("x" * 300_000, "bytes"),
        ("a: [", "neither YAML nor JSON"),
    ],
)
def test_hostile_texts_get_a_clear_problem(text: str, part: str) -> None:
    checked = check_flow(text, load_book())
    assert checked.flow is None
    assert any(part in each.message for each in checked.problems)


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=80) | st.lists(st.sampled_from([*"{}[]:,-\n \"'", "id", "steps", "with", "{{"]), max_size=40).map("".join)
)
def test_the_check_never_breaks(text: str) -> None:
    check_flow(text, load_book())
