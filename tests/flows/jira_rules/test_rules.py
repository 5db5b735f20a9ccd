"""What is kept of a rule, and what is told of it: names, comments, fields by name, errors of smart values, several triggers."""

from typing import Any

import orjson
import pytest

from blubees.flows.check import check_flow
from blubees.flows.jira_rules.report import Finding, ImportedRule
from blubees.flows.jira_rules.smart import rewrite_roots, write_expression
from blubees.flows.jira_rules.translate import import_rules
from blubees.model.flow import Flow
from blubees.steps.book import load_book
from flows.jira_rules.examples import COMMENT, COMMENTED, CREATED, component, rule

BOOK = load_book()


def translate(*components: Any, trigger: Any = CREATED, **head: Any) -> ImportedRule:
    (done,) = import_rules(orjson.dumps({"rules": [rule(trigger, *components, **head)]}), BOOK).rules
    return done


def read(done: ImportedRule, number: int = 0) -> Flow:
    flow = check_flow(done.flows[number].text, BOOK).flow
    assert flow is not None
    return flow


def finding(done: ImportedRule, path: str = "components[0]") -> Finding:
    return next(each for each in done.findings if each.path == path)


def comment(text: str, **more: Any) -> dict[str, Any]:
    return component("ACTION", "jira.issue.comment", {"comment": text}, **more)


def test_names_descriptions_comments_labels_and_state_are_kept() -> None:
    done = translate(
        comment("Hi", name="Say hi", comment="Politely.\nTwice."),
        name="Greet: people",
        description="For {{whom}}",
        labels=["a", "b"],
        state="DISABLED",
    )
    text = done.flows[0].text
    flow = read(done)
    assert (flow.id, flow.name, flow.description, flow.steps[0].name) == (
        "greet-people",
        "Greet: people",
        "For {{whom}}",
        "Say hi",
    )
    for line in ("# It was disabled in Jira.", "# Labels: a, b", "  # Politely.", "  # Twice."):
        assert f"{line}\n" in text
    assert (done.state, done.labels, finding(done).name) == ("DISABLED", ("a", "b"), "Say hi")


def test_rules_of_one_name_become_flows_of_their_own() -> None:
    report = import_rules(orjson.dumps([rule(CREATED, COMMENT, name=name) for name in ("Same", "same!", "Übung", "")]), BOOK)
    assert [each.flows[0].id for each in report.rules] == ["same", "same-2", "bung", "rule-4"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Hello {{issue.summary.shorten(3)}}", "There is no function shorten(). (character 23 of its text)"),
        ("Hello {{issue.key", "is not closed. (character "),
        ("{{#issue.labels}}a", "A section is not closed."),
        ("{{nothingLikeIt.key}}", "Nothing is called `nothingLikeIt` here."),
    ],
)
def test_a_smart_value_that_is_not_known_is_told_with_its_place(text: str, part: str) -> None:
    done = translate(comment(text), COMMENT)
    assert finding(done).verdict.value == "not_translatable"
    assert part in finding(done).reason
    assert done.flows[0].placeholders == 1
    assert "kind: jira.add_comment" in done.flows[0].text


def test_a_field_is_read_by_its_name_as_in_jira() -> None:
    """The site is asked for its names when the flow runs; an event has few fields, so that the issue is asked for."""
    done = translate(comment("{{issue.Story Points}} {{issue.Due date}} {{issue.customfield_10010.value}}"))
    assert finding(done).verdict.value == "translated"
    steps = read(done).steps
    assert [step.kind for step in steps] == ["jira.get_issue", "jira.add_comment"]
    assert steps[1].settings["body"].startswith("{{steps.the_issue.Story Points}}")


def test_what_other_rules_do_starts_it_where_the_rule_said_so() -> None:
    assert read(translate(COMMENT, canOtherRuleTrigger=True)).trigger.from_flows
    assert not read(translate(COMMENT, canOtherRuleTrigger=False)).trigger.from_flows


def test_a_rule_with_several_events_becomes_several_flows_that_do_the_same() -> None:
    events = {"events": [{"key": "jira:issue_created"}, {"event": "issue_commented"}]}
    done = translate(COMMENT, trigger=component("TRIGGER", "jira.multiple.issue.event", events))
    assert [(flow.id, read(done, number).trigger.on.value) for number, flow in enumerate(done.flows)] == [
        ("a-rule-created", "jira.issue_created"),
        ("a-rule-commented", "jira.issue_commented"),
    ]
    assert len(done.findings) == 2


def test_an_untranslatable_condition_does_not_hold_and_is_held_before_what_it_guards() -> None:
    done = translate(component("CONDITION", "jira.forms.condition", {}), COMMENT, trigger=COMMENTED)
    flow = read(done)
    assert [step.kind for step in flow.steps] == ["placeholder", "choose", "jira.add_comment"]
    assert flow.steps[1].branches[0].steps[0].kind == "stop"


def test_what_stands_in_an_untranslatable_branch_is_reported_and_kept_in_the_comment() -> None:
    done = translate(
        component("BRANCH", "jira.issue.related", {"relatedType": "similar"}, children=[comment("Inside {{issue.key}}")])
    )
    assert [each.verdict.value for each in done.findings] == ["translated", "not_translatable", "not_translatable"]
    assert "Inside {{issue.key}}" in done.flows[0].text


def test_long_texts_become_documents_where_jira_takes_no_text() -> None:
    textarea = {
        "field": {"type": "ID", "value": "customfield_1"},
        "fieldType": "com.atlassian.jira.plugin.system.customfieldtypes:textarea",
        "type": "SET",
        "value": "Long",
    }
    done = translate(component("ACTION", "jira.issue.edit", {"operations": [textarea]}))
    assert read(done).steps[0].settings["fields"]["customfield_1"]["type"] == "doc"


@pytest.mark.parametrize(
    ("value", "steps"),
    [
        ({"relatedType": "linked", "linkTypes": ["inward:blocks"]}, 'issue in linkedIssues({{issue.key}}, "blocks")'),
        ({"relatedType": "linked", "linkTypes": []}, "issue in linkedIssues({{issue.key}})"),
        ({"relatedType": "stories"}, "parent = {{issue.key}}"),
        ({"relatedType": "jql", "jql": "labels = {{issue.key}}"}, "labels = {{issue.key}}"),
    ],
)
def test_a_branch_finds_its_issues(value: dict[str, Any], steps: str) -> None:
    flow = read(translate(component("BRANCH", "jira.issue.related", value, children=[COMMENT])))
    assert flow.steps[0].settings["jql"] == steps


def test_a_branch_over_the_parent_is_done_when_there_is_one() -> None:
    flow = read(
        translate(
            component(
                "BRANCH",
                "jira.issue.related",
                {"relatedType": "parent"},
                children=[comment("{{issue.key}} {{triggerIssue.key}}")],
            )
        )
    )
    choose = flow.steps[1]
    assert [step.kind for step in flow.steps] == ["jira.get_issue", "choose"]
    assert choose.branches[0].when == "{{exists(steps.the_issue.parent.key)}}"
    assert choose.branches[0].steps[1].settings["body"] == "{{steps.parent_issue.key}} {{steps.the_issue.key}}"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{{issue.key}} {{ issue.a }}{{issued.x}}", "{{I.key}} {{ I.a }}{{issued.x}}"),
        ('{{f(issue, "issue", x.issue)}}', '{{f(I, "issue", x.issue)}}'),
        ("{{#issue.labels}}{{issue}}{{/issue.labels}}", "{{#I.labels}}{{I}}{{/issue.labels}}"),
        ('{{a|issue}}{{{Issue.x}}}{{issue."a.b"}}', '{{a|I}}{{{I.x}}}{{I."a.b"}}'),
        ("issue {{ {{issue.key}}", "issue {{ {{issue.key}}"),
        ("{{issue", "{{issue"),
    ],
)
def test_roots_are_exchanged_and_nothing_else(text: str, written: str) -> None:
    assert rewrite_roots(text, lambda name, _follows: "I" if name.casefold() == "issue" else None) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", '"plain"'),
        ("{{issue.key}}", "issue.key"),
        ("a {{b}} c", '"".concat("a ").concat(b).concat(" c")'),
        ('say "hi"', '"say \\"hi\\""'),
        ("{{a|b}}", None),
        ("{{#a}}b{{/}}", None),
        ("ends \\", None),
        ("\u201cquoted\u201d", None),
    ],
)
def test_a_template_becomes_one_expression_where_it_can(text: str, written: str | None) -> None:
    assert write_expression(text) == written


@pytest.mark.parametrize(("link", "ends"), [("outward:10003", ("OPS", "NEW")), ("inward:10003", ("NEW", "OPS"))])
def test_a_link_has_its_direction(link: str, ends: tuple[str, str]) -> None:
    """Jira shows the type's outward words at the one that is sent as inwardIssue, as the development site does."""
    create = component("ACTION", "jira.issue.create", {"operations": []})
    made = component("ACTION", "jira.issue.link", {"linkType": link, "issue": {"type": "COPY", "value": "created"}})
    settings = read(translate(create, made)).steps[1].settings
    names = {"{{issue.key}}": "OPS", "{{steps.create.key}}": "NEW"}
    assert (names[settings["inward"]], names[settings["outward"]], settings["type"]) == (*ends, "10003")
    clone = read(translate(component("ACTION", "jira.issue.clone", {}))).steps[-1].settings
    assert (clone["inward"], clone["outward"]) == ("{{steps.create.key}}", "{{steps.the_issue.key}}")
