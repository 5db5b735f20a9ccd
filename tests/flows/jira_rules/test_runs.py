"""Whole rules, imported and then performed by the engine: what they ask of Jira and of third parties."""

import json
from typing import Any

import orjson
import pytest

from blubees.engine.message import RunMessage
from blubees.engine.plan import Plan, compile_plan
from blubees.engine.runner import Ended, Runner
from blubees.engine.scope import trigger_scope
from blubees.expressions.template import compile_template
from blubees.flows.check import check_flow
from blubees.flows.jira_rules.translate import import_rules
from blubees.model.call import Call, CallAnswer
from blubees.model.flow import Flow, PublishedFlow, TriggerKind
from blubees.model.ids import FlowId, RunId
from blubees.model.receipt import RunOutcome
from blubees.steps.book import load_book
from fakes.engine import TENANT, FakeLine
from fakes.machine import FakeClock
from flows.jira_rules.examples import ARI, CREATED, component, rule

BOOK = load_book()
FIELDS: dict[str, Any] = {
    "summary": "Disk full",
    "issuetype": {"id": "1", "name": "Bug"},
    "project": {"id": "10001", "key": "OPS"},
    "status": {"id": "1", "name": "Open"},
}
ISSUE: dict[str, Any] = {"id": "7", "key": "OPS-7", "fields": FIELDS}
FULL: dict[str, Any] = {
    "id": "7",
    "key": "OPS-7",
    "fields": FIELDS | {"priority": {"id": "1", "name": "Highest"}, "reporter": {"accountId": "ann"}},
}
EVENT: dict[str, Any] = {"eventType": "avi:jira:created:issue", "issue": ISSUE, "atlassianId": "bob"}


def condition(first: str, operator: str, second: str) -> dict[str, Any]:
    return component("CONDITION", "jira.comparator.condition", {"first": first, "second": second, "operator": operator})


def comment(text: str) -> dict[str, Any]:
    return component("ACTION", "jira.issue.comment", {"comment": text})


def read(*components: Any, trigger: Any = CREATED) -> Flow:
    (done,) = import_rules(orjson.dumps(rule(trigger, *components)), BOOK).rules
    checked = check_flow(done.flows[0].text, BOOK)
    assert checked.flow is not None
    assert done.flows[0].placeholders == 0, done.findings
    return checked.flow


class Site:
    """Answers as Jira and a third party would, and keeps what was written."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, Any]] = []
        self.found: list[Any] = []
        self.full: Any = FULL

    def answer(self, call: Call) -> CallAnswer:
        body: Any = json.loads(call.body) if call.body else None
        if call.url.startswith("https://"):
            self.written.append((call.method, call.url, body))
            return self.give({"number": 12})
        if call.url.endswith("/search/jql"):
            self.written.append(("SEARCH", body["jql"], None))
            return self.give({"issues": self.found})
        if call.method == "GET" and call.url.endswith("/transitions"):
            return self.give({"transitions": [{"id": "31", "name": "Finish", "to": {"id": "10002", "name": "Done"}}]})
        if call.method == "GET":
            key = call.url.rpartition("/")[2]
            return self.give(self.full if key == "OPS-7" else {"id": "8", "key": key, "fields": {"summary": f"That is {key}"}})
        self.written.append((call.method, call.url.removeprefix("/rest/api/3"), body))
        return self.give({"id": "8", "key": "OPS-8"}, 201)

    def give(self, document: Any, status: int = 200) -> CallAnswer:
        return CallAnswer(status=status, headers={"content-type": "application/json"}, body=orjson.dumps(document))


async def perform(flow: Flow, site: Site, event: Any = EVENT) -> Ended:
    plan: Plan = compile_plan(PublishedFlow(tenant=TENANT, version=1, flow=flow), dict(BOOK))
    message = RunMessage(
        run=RunId(f"r{1:026d}"),
        tenant=TENANT,
        flow=FlowId(flow.id),
        version=1,
        trigger=flow.trigger.on,
        accepted_at_milliseconds=1_795_000_000_000,
        body=orjson.dumps(event),
    )
    end = await Runner(FakeClock(), lambda _tenant: FakeLine(site.answer)).perform(plan, message)
    assert isinstance(end, Ended)
    return end


def text_of(document: Any) -> str:
    return "".join(part.get("text", "") for block in document["content"] for part in block["content"])


async def test_an_issue_that_is_created_is_commented_moved_and_told_on() -> None:
    request = {
        "url": "https://api.example.com/in",
        "method": "POST",
        "contentType": "custom",
        "customBody": '{"key": "{{issue.key}}", "n": "{{issue.id}}"}',
        "responseEnabled": True,
    }
    flow = read(
        condition("{{issue.issueType.name}}", "EQUALS", "Bug"),
        comment("Seen {{issue.key}}: {{issue.summary}}"),
        component("ACTION", "jira.issue.outgoing.webhook", request),
        component(
            "ACTION",
            "jira.create.variable",
            {"name": {"value": "number"}, "query": {"value": "No. {{webhookResponse.body.number}}"}},
        ),
        component("ACTION", "jira.issue.transition", {"destinationStatus": {"type": "ID", "value": "10002"}, "operations": []}),
        component(
            "ACTION",
            "jira.issue.create",
            {
                "operations": [
                    {"fieldId": "summary", "fieldType": "summary", "type": "SET", "value": "After {{issue.key}}, {{number}}"}
                ]
            },
        ),
        comment("Made {{createdIssue.key}}"),
    )
    assert flow.trigger.on is TriggerKind.ISSUE_CREATED
    assert flow.trigger.where == '{{equals(issue.issueType.name, "Bug")}}'
    site = Site()
    end = await perform(flow, site)
    assert end.receipt.outcome is RunOutcome.FINISHED
    kinds = [(method, url) for method, url, _ in site.written]
    assert kinds == [
        ("POST", "/issue/OPS-7/comment"),
        ("POST", "https://api.example.com/in"),
        ("POST", "/issue/OPS-7/transitions"),
        ("POST", "/issue"),
        ("POST", "/issue/OPS-7/comment"),
    ]
    assert text_of(site.written[0][2]["body"]) == "Seen OPS-7: Disk full"
    assert site.written[1][2] == {"key": "OPS-7", "n": "7"}
    assert site.written[2][2] == {"transition": {"id": "31"}}
    assert site.written[3][2]["fields"] == {
        "project": {"key": "OPS"},
        "issuetype": {"name": "Bug"},
        "summary": "After OPS-7, No. 12",
    }
    assert text_of(site.written[4][2]["body"]) == "Made OPS-8"


@pytest.mark.parametrize(("priority", "outcome", "said"), [("Highest", RunOutcome.FINISHED, 1), ("Low", RunOutcome.STOPPED, 0)])
async def test_what_the_event_does_not_bring_is_asked_for_first(priority: str, outcome: RunOutcome, said: int) -> None:
    flow = read(
        condition("{{issue.priority.name}}", "EQUALS", "Highest"), comment("{{issue.priority.name}} by {{reporter.accountId}}")
    )
    site = Site()
    site.full = {**FULL, "fields": FULL["fields"] | {"priority": {"name": priority}}}
    end = await perform(flow, site)
    assert end.receipt.outcome is outcome
    assert [text_of(body["body"]) for _, _, body in site.written] == ["Highest by ann"] * said


async def test_a_branch_is_done_for_each_issue_and_its_conditions_end_its_turn_only() -> None:
    branch = component(
        "BRANCH",
        "jira.issue.related",
        {"relatedType": "subtasks"},
        children=[condition("{{issue.summary}}", "STARTS_WITH", "b"), comment("{{issue.key}} of {{triggerIssue.key}}")],
    )
    flow = read(branch, comment("Last {{issue.key}}"))
    site = Site()
    site.found = [
        {"id": str(n), "key": f"OPS-{n}", "fields": {"summary": word}}
        for n, word in ((21, "bad"), (22, "good"), (23, "better"))
    ]
    await perform(flow, site)
    assert site.written[0] == ("SEARCH", "parent = OPS-7", None)
    assert [(url, text_of(body["body"])) for _, url, body in site.written[1:]] == [
        ("/issue/OPS-21/comment", "OPS-21 of OPS-7"),
        ("/issue/OPS-23/comment", "OPS-23 of OPS-7"),
        ("/issue/OPS-7/comment", "Last OPS-7"),
    ]


@pytest.mark.parametrize(("summary", "said"), [("Disk full", "full"), ("Disk ok", "fine"), ("Other", "else")])
async def test_if_else_takes_one_way(summary: str, said: str) -> None:
    def block(conditions: list[Any], text: str) -> dict[str, Any]:
        return component(
            "CONDITION_BLOCK",
            "jira.condition.if.block",
            {"conditionMatchType": "ANY"},
            conditions=conditions,
            children=[comment(text)],
        )

    disk, full = condition("{{issue.summary}}", "EQUALS", "Disk ok"), condition("{{issue.summary}}", "ENDS_WITH", "full")
    blocks = [block([full, condition("{{issue.key}}", "EQUALS", "x")], "full"), block([disk], "fine"), block([], "else")]
    flow = read(component("CONDITION", "jira.condition.container.block", {}, children=blocks), comment("after"))
    site = Site()
    await perform(flow, site, EVENT | {"issue": {**ISSUE, "fields": FIELDS | {"summary": summary}}})
    assert [text_of(body["body"]) for _, _, body in site.written] == [said, "after"]


async def test_a_lookup_table_is_asked_where_it_is_read() -> None:
    table = {"name": {"value": "owners"}, "mappings": [{"key": "OPS", "value": "ann"}, {"key": "WEB", "value": "bob"}]}
    flow = read(
        component("ACTION", "jira.create.mapping-variable", table),
        comment('It is {{owners.get(issue.project.key)}}\'s, as {{owners.get("WEB")}} knows'),
    )
    site = Site()
    await perform(flow, site)
    assert text_of(site.written[0][2]["body"]) == "It is ann's, as bob knows"


@pytest.mark.parametrize(
    ("changes", "project", "starts"),
    [
        ([{"field": "status", "from": "1", "fromString": "Open", "to": "10002", "toString": "Done"}], "10001", True),
        ([{"field": "status", "from": "1", "fromString": "Open", "to": "3", "toString": "Doing"}], "10001", False),
        ([{"field": "summary", "from": None, "to": None}], "10001", False),
        ([{"field": "status", "from": "1", "fromString": "Open", "to": "10002", "toString": "Done"}], "10009", False),
    ],
)
def test_a_transition_starts_it_in_its_projects(changes: list[Any], project: str, starts: object) -> None:
    value = {
        "eventFilters": [ARI],
        "fromStatus": [{"type": "NAME", "value": "Open"}],
        "toStatus": [{"type": "ID", "value": "10002"}],
    }
    flow = read(comment("Hello"), trigger=component("TRIGGER", "jira.issue.event.trigger:transitioned", value))
    issue = {**ISSUE, "fields": FIELDS | {"project": {"id": project, "key": "OPS"}}}
    event = {"eventType": "avi:jira:updated:issue", "issue": issue, "changelog": {"items": changes}}
    scope = trigger_scope(flow.trigger.on, event, {}, {})
    assert compile_template(flow.trigger.where).holds(scope) is starts


async def test_a_manual_rule_is_run_with_an_issue_and_its_inputs() -> None:
    trigger = component(
        "TRIGGER",
        "jira.manual.trigger.issue",
        {"inputPrompts": [{"variableName": "why", "inputType": "TEXT", "required": True}]},
    )
    flow = read(
        condition("{{issue.key}}", "EQUALS", "OPS-7"), comment("{{issue.summary}}: {{userInputs.why}}"), trigger=trigger
    )
    assert set(flow.inputs) == {"issue_key", "why"}
    site = Site()
    await perform(flow, site, {"issue_key": "OPS-7", "why": "because"})
    assert text_of(site.written[0][2]["body"]) == "Disk full: because"
