"""Values as those who looked into Jira's own pages and exports published them: what they become."""

from typing import Any

import orjson
import pytest

from blubees.flows.check import check_flow
from blubees.flows.jira_rules import table
from blubees.flows.jira_rules.report import ImportedRule, Verdict
from blubees.flows.jira_rules.seen import SEEN
from blubees.flows.jira_rules.translate import import_rules
from blubees.model.flow import Flow
from blubees.steps.book import load_book
from flows.jira_rules.examples import COMMENT, COMMENTED, CREATED, component, rule

BOOK = load_book()


def translate(*parts: dict[str, Any]) -> ImportedRule:
    (done,) = import_rules(orjson.dumps({"cloud": True, "rules": [rule(*parts)]}), BOOK).rules
    return done


def read(done: ImportedRule) -> Flow:
    checked = check_flow(done.flows[0].text, BOOK)
    assert checked.flow is not None
    return checked.flow


def settings_of(type_: str, value: Any) -> list[dict[str, Any]]:
    return [step.settings for step in read(translate(COMMENTED, component("ACTION", type_, value))).steps]


def test_what_was_seen_is_in_the_table() -> None:
    known = {*table.TRIGGERS, *table.CONDITIONS, *table.BRANCHES, *table.ACTIONS}
    assert known >= SEEN


def test_subtasks_have_their_own_types() -> None:
    subtasks = [{"id": "1", "type": "10003", "summary": "Part of {{issue.key}}"}, {"type": "Sub-task", "summary": "b"}]
    made = settings_of("jira.issue.create.subtasks", {"subtasks": subtasks})
    assert [(each["type"], each["summary"]) for each in made[-2:]] == [("10003", "Part of {{issue.key}}"), ("Sub-task", "b")]
    assert all(each["fields"]["parent"] for each in made[-2:])


@pytest.mark.parametrize(("given", "holds"), [(True, "exists("), (False, "not(exists(")])
def test_attachments_are_there_or_not(given: bool, holds: str) -> None:
    text = translate(CREATED, component("CONDITION", "jira.issue.hasAttachments", given), COMMENT).flows[0].text
    assert "{{not(" + holds in text, "the run ends where it does not hold"


@pytest.mark.parametrize(("operator", "query", "holds", "jql"), [
    ("present", "", ".size().gt(0)", 'issue in linkedIssues({{issue.key}}, "blocks")'),
    ("absent", "", ".size(), 0)", 'issue in linkedIssues({{issue.key}}, "blocks")'),
    ("allmatch", "statusCategory = Done", ".size(), 0)", "AND NOT (statusCategory = Done)"),
    ("anymatch", "statusCategory = Done", ".size().gt(0)", "AND (statusCategory = Done)"),
])  # fmt: skip
def test_related_issues_are_there_or_match(operator: str, query: str, holds: str, jql: str) -> None:
    value = {"relatedType": "linked", "linkTypes": ["blocks"], "operator": operator, "relatedJql": "", "compareJql": query}
    flow = read(translate(COMMENTED, component("CONDITION", "jira.issues.related.condition", value), COMMENT))
    search = next(step for step in flow.steps if step.kind == "jira.search_issues")
    assert jql in search.settings["jql"]
    assert holds in str(flow.steps)


def test_a_branch_over_values_reads_query_and_name() -> None:
    value = {"query": {"type": "SMART", "value": "{{issue.customfield_10651}}"}, "name": {"type": "FREE", "value": "member"}}
    inner = component("ACTION", "jira.issue.comment", {"comment": "Hello {{member.displayName}}"})
    flow = read(translate(COMMENTED, component("BRANCH", "jira.smart.values.branch", value, children=[inner])))
    loop = next(step for step in flow.steps if step.kind == "each")
    assert loop.settings["name"] == "member"
    assert loop.branches[0].steps[0].settings["body"] == "Hello {{member.displayName}}"


@pytest.mark.parametrize(("value", "query"), [
    ({"versionName": "2.0", "project": {"type": "ID", "value": "10001"}}, {"query": "2.0", "maxResults": "1"}),
    ({"versionName": None, "project": {"type": "COPY", "value": "current"}}, {"status": "unreleased", "orderBy": "sequence", "maxResults": "1"}),
])  # fmt: skip
def test_a_version_is_found_by_its_name_or_is_the_next(value: dict[str, Any], query: dict[str, str]) -> None:
    done = translate(COMMENTED, component("ACTION", "jira.version.release", value))
    assert done.findings[1].verdict is Verdict.APPROXIMATED
    *_, search, release = settings_of("jira.version.release", value)
    assert search["query"] == query
    assert release["parts"]["version"] == "{{steps.find_version.body.values.first.id}}"


@pytest.mark.parametrize(("matches", "when"), [("matches", "{{exists("), ("not_matches", "{{not(exists(")])
def test_attachments_are_deleted_by_their_names(matches: str, when: str) -> None:
    value = {"regex": r".*\.exe", "matches": matches}
    loop = read(translate(COMMENTED, component("ACTION", "jira.issue.deleteattachment", value))).steps[-1]
    condition = loop.branches[0].steps[0].branches[0].when
    assert condition.startswith(when)
    assert r'match("(^(?:.*\.exe)$)")' in condition


def test_a_comment_is_named_by_a_smart_value_or_is_the_one_that_started_the_run() -> None:
    value = {"commentId": {"type": "REFERENCE", "value": "LAST_COMMENT"}, "comment": "Seen"}
    assert settings_of("jira.issue.comment.update", value)[-1]["parts"]["comment"] == "{{comment.id}}"
    value = {"commentId": {"type": "SMART", "value": "{{comment.id}}"}, "comment": "Seen"}
    done = translate(COMMENTED, component("ACTION", "jira.issue.comment.update", value))
    assert done.findings[1].verdict is Verdict.TRANSLATED


def test_fields_are_set_by_their_names() -> None:
    operations = [
        {"field": {"type": "NAME", "value": "Customer name"}, "fieldType": "textfield", "type": "SET", "value": "{{issue.Customer name}}"},
        {"field": {"type": "NAME", "value": "Regions"}, "fieldType": "multiselect", "type": "ADD", "value": [{"type": "NAME", "value": "Asia"}]},
    ]  # fmt: skip
    done = translate(COMMENTED, component("ACTION", "jira.issue.edit", {"operations": operations}))
    assert done.findings[1].verdict is Verdict.TRANSLATED
    assert not done.findings[1].to_do
    settings = read(done).steps[-1].settings
    assert "Customer name" in settings["fields"]
    assert settings["update"] == {"Regions": [{"add": {"value": "Asia"}}]}
