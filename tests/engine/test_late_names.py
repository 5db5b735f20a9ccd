"""Jira's own names for what steps gave: read when they are read, checked, and kept over a wait."""

from pathlib import Path

import pytest

from blubees.engine import park as park_module
from blubees.engine.late_names import list_late_names
from blubees.engine.scope import ROOTS, trigger_scope
from blubees.expressions.running import LateScope
from blubees.expressions.template import compile_template
from blubees.flows.check import check_flow
from blubees.model.flow import Branch, Step, TriggerKind
from blubees.model.ids import StepId
from blubees.model.receipt import RunOutcome
from blubees.steps.book import load_book
from fakes.parked_world import park_world
from fakes.world import World, http

NEWEST = f"""\
  - {http("first", "first")}
  - {http("second", "second-{{webhookResponse.body.name}}")}
  - {http("third", 'third-{{webhookResponse.status}}-{{webhookResponses.body.name.join("+")}}-{{rule.id}}')}"""
HEAD = "id: f\nname: F\ntrigger: {on: webhook, signature: {scheme: none}}\nsteps:\n"


async def test_the_newest_answer_and_all_of_them_are_read() -> None:
    world = World(NEWEST)
    end = await world.run()
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.asked[1] == "second-first"
    assert world.asked[2] == "third-200-first+second-first-flow"


async def test_a_run_that_waits_keeps_what_such_a_name_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(park_module, "LOOK_AGAIN_SECONDS", 0)
    steps = f"""\
  - {http("first", "first")}
  - {{id: pause, kind: wait, with: {{days: 2}}}}
  - {http("last", "last-{{webhookResponse.body.name}}")}"""
    async with park_world(tmp_path, steps) as world:
        await world.start({})
        await world.end(await world.wake(2 * 86_400))
        assert world.asked == ["first", "last-first"]


def make_steps(*kinds: str) -> tuple[Step, ...]:
    return tuple(Step(id=StepId(f"s{number}"), kind=kind) for number, kind in enumerate(kinds))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("createdIssue.key", "B-2"),
        ("createdIssues.key", ["B-1", "B-2"]),
        ("CREATEDISSUE.key", "B-2"),
        ("lookupIssues.summary", ["x"]),
        ("lookupIssues.size", 1),
        ("webhookResponse", None),
        ("rule.name", "Mine"),
    ],
)
def test_names_read_the_results_of_their_kind(expression: str, expected: object) -> None:
    late = list_late_names(make_steps("jira.create_issue", "jira.create_issue", "jira.create_issue", "jira.search_issues"))
    results = {
        "s0": {"key": "B-1"},
        "s1": {"key": "B-2"},
        "s2": None,
        "s3": {"issues": [{"key": "C", "fields": {"summary": "x"}}]},
    }
    scope = LateScope({"steps": results, "flow": {"name": "Mine"}}, late.values)
    assert compile_template("{{" + expression + "}}").value(scope) == expected
    assert late.reads["createdissue"] == {"s0", "s1", "s2"}


def test_a_steps_own_name_comes_first_and_branches_are_looked_into() -> None:
    inner = Step(id=StepId("in"), kind="http")
    late = list_late_names((Step(id=StepId("out"), kind="choose", branches=(Branch(steps=(inner,)),)),))
    scope = LateScope({"steps": {"in": {"status": 200}}, "webhookresponses": "mine"}, late.values)
    assert compile_template("{{webhookResponse.status}}").value(scope) == 200
    assert compile_template("{{webhookresponses}}").value(scope) == "mine"


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (f"  - {http('a', 'a')}\n  - {http('b', '{{webhookResponse.status}}')}\n", ""),
        (f"  - {http('b', '{{webhookResponse.status}}')}\n", "runs later (b)"),
        ("  - {id: a, kind: set, with: {values: {x: '{{createdIssue.key}}'}}}\n", "no such step is here"),
        (f"  - {http('a', '{{webhookRespons.status}}')}\n", "Nothing is called"),
    ],
)
def test_a_name_is_checked_where_the_flow_is(steps: str, problem: str) -> None:
    problems = check_flow(HEAD + steps, load_book()).problems
    assert [problem in each.message for each in problems] == ([True] if problem else [])


def test_an_event_of_jira_has_what_its_kind_carries() -> None:
    event = {
        "eventType": "x",
        "atlassianId": "me",
        "issue": {"key": "A-1", "fields": {"project": {"key": "A"}}},
        "worklog": {"id": "7"},
    }
    scope = trigger_scope(TriggerKind.ISSUE_UPDATED, event, {}, {})
    assert set(scope) == set(ROOTS[TriggerKind.ISSUE_UPDATED])
    read = compile_template("{{project.key}} {{user.accountId}} {{worklog.id}} {{sprint.name}}.").text(scope)
    assert read == "A me 7 ."
