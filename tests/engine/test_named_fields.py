"""Fields of issues by the names that people know them by: found in a run, held over a wait, asked for only where meant."""

import json
from pathlib import Path
from typing import Any

import pytest

from blubees.engine import park as park_module
from blubees.engine.carry import prune_event
from blubees.engine.runner import Ended, Runner
from blubees.engine.surroundings import Surroundings
from blubees.expressions.limits import DEFAULT, FieldIds
from blubees.expressions.running import LateScope
from blubees.expressions.template import compile_template
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import FieldNames
from blubees.model.ids import TenantId
from blubees.model.receipt import RunOutcome
from fakes.engine import FakeLine, make_message, make_plan
from fakes.machine import FakeClock
from fakes.parked_world import park_world
from fakes.world import http

IDS: FieldIds = {"customer name": ("customfield_1", "customfield_2"), "severity": ("customfield_3",), "summary": ("summary",)}
ISSUE = {
    "id": "7",
    "key": "AB-1",
    "fields": {
        "summary": "s",
        "customfield_1": None,
        "customfield_2": "Acme",
        "customfield_3": {"value": "High"},
        "duedate": None,
    },
}
EVENT = {"eventType": "avi:jira:updated:issue", "issue": ISSUE}


@pytest.mark.parametrize(("expression", "expected"), [
    ("issue.Customer name", "Acme"),
    ("issue.customer NAME.toUpperCase()", "ACME"),
    ("issue.fields.Customer name", "Acme"),
    ('issue."Customer name"', "Acme"),
    ("issue.Severity.value", "High"),
    ("issues.Severity.value", ["High"]),
    ("issue.Summary", "s"),
    ("issue.Nothing", None),
    ("other.Severity", None),
])  # fmt: skip
def test_a_name_finds_the_first_of_its_fields_that_has_a_value(expression: str, expected: object) -> None:
    scope = LateScope({"issue": ISSUE, "issues": [ISSUE], "other": {"a": 1}}, {}, IDS)
    template = compile_template("{{" + expression + "}}")
    for _ in range(20):  # by closures, then by written code
        assert template.value(scope, DEFAULT) == expected
    assert compile_template("{{#issue}}{{Customer name}}{{/}}").text(scope) == "Acme"


class World:
    """A run for an event of Jira, and a site whose fields have names."""

    def __init__(self, steps: str, trigger: str = "jira.issue_updated") -> None:
        self.plan = make_plan(steps, trigger=trigger)
        self.asked: list[str] = []
        self.looked_up = 0
        self.failures: list[Failure] = []
        self.runner = Runner(FakeClock(), self.open_line, around=Surroundings(field_names=self.look_up))

    async def look_up(self, _tenant: TenantId) -> FieldNames | Failure:
        self.looked_up += 1
        return self.failures.pop() if self.failures else FieldNames(frozenset(), IDS)

    def open_line(self, _tenant: TenantId) -> FakeLine:
        return FakeLine(self.answer)

    def answer(self, call: Call) -> CallAnswer:
        self.asked.append(call.url.removeprefix("https://a.example.com/"))
        body = {"issues": [ISSUE, ISSUE]} if "search" in call.url else {}
        return CallAnswer(status=200, headers={"content-type": "application/json"}, body=json.dumps(body).encode())

    async def run(self, event: Any = EVENT) -> Ended:
        message = make_message(json.dumps(event).encode())
        message.trigger = self.plan.published.flow.trigger.on
        end = await self.runner.perform(self.plan, message)
        assert isinstance(end, Ended)
        return end


async def test_a_run_asks_for_the_names_once_and_finds_the_fields() -> None:
    world = World(f"""\
  - {http("a", "{{issue.Customer name}}")}
  - {{id: way, kind: choose, branches: [{{when: '{{{{issue.Severity.value.equals("High")}}}}', steps: [{http("b", "high")}]}}]}}
  - {{id: s, kind: jira.search_issues, with: {{jql: "project = AB"}}}}
  - {{id: e, kind: each, with: {{items: "{{{{steps.s.issues}}}}", name: one}}, branches: [{{steps: [{http("c", "{{one.Customer name}}")}]}}]}}
  - {http("d", "{{lookupIssues.Severity.value}}{{#steps.s.issues}}-{{Customer name}}{{/}}")}""")
    assert (await world.run()).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["Acme", "high", "/rest/api/3/search/jql", "Acme", "Acme", "High, High-Acme-Acme"]
    assert world.looked_up == 1


@pytest.mark.parametrize(("text", "trigger"), [
    ("{{issue.summary}}{{issue.customfield_1}}{{issue.fixVersions.name}}{{issue.fields.dueDate}}", "jira.issue_updated"),
    ("{{webhookData.Customer name}}{{trigger.Customer name}}", "webhook"),
    ("{{inputs.Customer name}}", "manual"),
    ("{{#issue.labels}}{{.}}{{/}}{{now.jqlDate}}{{comment.body}}", "jira.issue_commented"),
])  # fmt: skip
async def test_where_no_name_can_be_meant_nobody_is_asked(text: str, trigger: str) -> None:
    world = World(f"  - {{id: a, kind: set, with: {{values: {{x: '{text}'}}}}}}", trigger)
    assert (await world.run()).receipt.outcome is RunOutcome.FINISHED
    assert world.looked_up == 0


async def test_a_step_whose_names_cannot_be_had_fails_and_is_tried_again_as_it_says() -> None:
    step = http("a", "{{issue.Customer name}}", "method: GET")
    world = World(f"  - {step}")
    world.failures = [Failure(code=FailureCode.BUSY, detail="field_names")]
    failure = (await world.run()).receipt.failure
    assert failure is not None
    assert (failure.code, failure.detail, world.asked) == (FailureCode.BUSY, "field_names", [])
    world = World(f"  - {step[:-1]}, retry: {{attempts: 2, seconds: 1}}}}")
    world.failures = [Failure(code=FailureCode.BUSY, detail="field_names")]
    assert (await world.run()).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["Acme"]


@pytest.mark.parametrize(("field_ids", "expected"), [
    (IDS, {"customfield_1": None, "customfield_2": "Acme"}),
    ({}, {}),
    (None, ISSUE["fields"]),
])  # fmt: skip
def test_a_run_that_waits_holds_what_it_reads_by_name_and_no_more(field_ids: FieldIds | None, expected: object) -> None:
    pruned = prune_event({"issue": ISSUE}, [("issue", "Customer name")], field_ids)
    assert pruned["issue"]["fields"] == expected
    if field_ids:
        again = LateScope(pruned, {}, field_ids)
        assert compile_template("{{issue.Customer name}}").value(again) == "Acme"


def test_what_an_issue_names_itself_is_held_too() -> None:
    issue = ISSUE | {"names": {"customfield_3": "Severity", "duedate": "Due"}}
    pruned = prune_event({"issue": issue}, [("issue", "Severity", "value")], {})
    assert compile_template("{{issue.Severity.value}}").value(pruned) == "High"
    assert set(pruned["issue"]["fields"]) == {"customfield_3"}


async def test_a_parked_run_goes_on_with_a_field_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(park_module, "LOOK_AGAIN_SECONDS", 0)
    steps = f"  - {{id: pause, kind: wait, with: {{days: 2}}}}\n  - {http('last', '{{issue.Customer name}}')}"
    async with park_world(tmp_path, steps, "jira.issue_updated") as world:
        world.field_names = FieldNames(frozenset(), IDS)
        parked = await world.start(EVENT)
        assert parked.message.scope is not None
        assert set(parked.message.scope["issue"]["fields"]) == {"customfield_1", "customfield_2"}
        await world.end(await world.wake(2 * 86_400))
        assert world.asked == ["Acme"]
