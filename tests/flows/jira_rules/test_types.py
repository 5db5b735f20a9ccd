"""Every component type, present and future: it has an example, gets the verdict that the example says, and the flow passes the check."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from blubees.flows.check import check_flow
from blubees.flows.jira_rules import table
from blubees.flows.jira_rules.page import render_page
from blubees.flows.jira_rules.report import ImportedRule
from blubees.flows.jira_rules.translate import import_rules
from blubees.steps.book import load_book
from flows.jira_rules import examples
from flows.jira_rules.examples import COMMENT, COMMENTED, CREATED, component, rule

BOOK = load_book()


def translate(document: Any) -> ImportedRule:
    """Translate one rule, and see that its flows pass the check and are whole unless they have placeholders."""
    (done,) = import_rules(orjson.dumps({"cloud": True, "rules": [document]}), BOOK).rules
    for flow in done.flows:
        checked = check_flow(flow.text, BOOK)
        assert checked.flow is not None, (checked.problems, flow.text)
        assert flow.placeholders == flow.text.count("kind: placeholder")
    return done


def verdict_of(done: ImportedRule, path: str) -> str:
    finding = next(each for each in done.findings if each.path == path)
    assert finding.reason
    assert finding.verdict.value == examples.SAME or finding.to_do or finding.verdict.value == examples.NEAR
    return finding.verdict.value


@pytest.mark.parametrize(("name", "value", "verdict"), examples.TRIGGERS, ids=[each[0] for each in examples.TRIGGERS])
def test_a_trigger(name: str, value: Any, verdict: str) -> None:
    done = translate(rule(component("TRIGGER", name, value), component("ACTION", "codebarrel.action.log", "Hello")))
    assert verdict_of(done, "trigger") == verdict
    assert sum(flow.placeholders for flow in done.flows) == (verdict == examples.NONE)


@pytest.mark.parametrize(("name", "value", "verdict"), examples.CONDITIONS, ids=[each[0] for each in examples.CONDITIONS])
def test_a_condition(name: str, value: Any, verdict: str) -> None:
    done = translate(rule(CREATED, component("CONDITION", name, value), COMMENT))
    assert verdict_of(done, "components[0]") == verdict
    assert sum(flow.placeholders for flow in done.flows) == (verdict == examples.NONE)


@pytest.mark.parametrize(("name", "value", "verdict"), examples.BRANCHES, ids=[each[0] for each in examples.BRANCHES])
def test_a_branch(name: str, value: Any, verdict: str) -> None:
    done = translate(rule(CREATED, component("BRANCH", name, value, children=[COMMENT])))
    assert verdict_of(done, "components[0]") == verdict
    assert verdict_of(done, "components[0].children[0]") == examples.SAME
    assert "kind: each" in done.flows[0].text


@pytest.mark.parametrize(("name", "value", "verdict"), examples.ACTIONS, ids=[each[0] for each in examples.ACTIONS])
def test_an_action(name: str, value: Any, verdict: str) -> None:
    done = translate(rule(COMMENTED, component("ACTION", name, value)))
    assert verdict_of(done, "components[0]") == verdict
    finding = next(each for each in done.findings if each.path == "components[0]")
    assert f"id: {finding.step}\n" in done.flows[0].text
    assert done.flows[0].placeholders == (verdict == examples.NONE)


@pytest.mark.parametrize("kind", ["TRIGGERS", "CONDITIONS", "BRANCHES", "ACTIONS"])
def test_each_type_of_the_table_has_an_example_that_gets_its_verdict(kind: str) -> None:
    known = {name: entry.verdict.value for name, entry in getattr(table, kind).items()}
    assert known == {name: verdict for name, _, verdict in getattr(examples, kind)}


def test_the_page_is_made_from_the_table() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "import-jira-rules.md"
    assert page.read_text() == render_page()


def test_a_type_that_nobody_knows_becomes_a_placeholder_and_keeps_what_it_was() -> None:
    unknown = component("ACTION", "jira.some.day", {"text": "Hello {{issue.key}}"}, name="Say hello")
    done = translate(rule(CREATED, unknown, COMMENT))
    assert [each.verdict.value for each in done.findings] == [examples.SAME, examples.NONE, examples.SAME]
    assert "Say hello" in done.flows[0].text
    assert '#   "type": "jira.some.day",\n' in done.flows[0].text
    assert "Hello {{issue.key}}" in done.flows[0].text
