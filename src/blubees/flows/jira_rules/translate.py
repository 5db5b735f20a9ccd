"""Translates an export of Jira Automation into flow documents and a report. Called by main/rule_import.py. Pure.

A rule is gone through twice where it reads more of the issue than its event brings: then the flow asks for the issue first.
What can't be translated is held by a placeholder, so that a flow which is not whole can't be published as if it were.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from blubees.flows.jira_rules.build import EVENT_FIELDS, Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import Component, Rule, read_export
from blubees.flows.jira_rules.finish import finish_flow
from blubees.flows.jira_rules.report import Finding, ImportedFlow, ImportedRule, ImportReport, NeededConnection, Verdict
from blubees.flows.jira_rules.secrets import clean_text, scrub
from blubees.flows.jira_rules.smart import join
from blubees.flows.jira_rules.table import TRIGGERS, find_entry
from blubees.flows.jira_rules.triggers import Start
from blubees.flows.jira_rules.walk import Walker, is_condition
from blubees.flows.jira_rules.writing import COMMENT
from blubees.steps.book import KindEntry

ID_MAX: Final = 50
DESCRIPTION_MAX: Final = 2_000
_GRAVE: Final = list(Verdict)
_ISSUE: Final[dict[str, str | None]] = {"issue": None, "reporter": None, "assignee": None, "creator": None, "project": None}


class Draft(NamedTuple):
    """A rule on its way: how it starts (one of so many `ways`), its steps, and what was gathered."""

    start: Start
    steps: list[Step]
    build: Build
    ways: int


def import_rules(content: bytes, book: Mapping[str, KindEntry], tell: Callable[[int, int], None] | None = None) -> ImportReport:
    """Translate every rule of an export.

    Args:
        content: the file, at most 33,554,432 bytes; 5,000 rules, 1,000 components each.
        tell: is told how many rules of how many are done.

    Raises:
        InputError: the file can't be read as an export. What stands in a rule raises nothing: it is in the report.
    """
    rules = read_export(content)
    taken: set[str] = set()
    shared: dict[str, NeededConnection] = {}
    done = []
    for number, rule in enumerate(rules):
        done.append(translate_rule(rule, book, taken, shared))
        if tell is not None:
            tell(number + 1, len(rules))
    return ImportReport(rules=tuple(done))


def translate_rule(
    rule: Rule, book: Mapping[str, KindEntry], taken: set[str], shared: dict[str, NeededConnection]
) -> ImportedRule:
    """Translate one rule; `taken` holds the ids of the flows so far, `shared` the connections."""
    flows: list[ImportedFlow] = []
    findings: dict[str, Finding] = {}
    connections: dict[str, NeededConnection] = {}
    for draft in _draft_all(rule, shared):
        document = scrub(_write_flow(rule, draft, taken))
        flows.append(finish_flow(document, draft.build.notes, book))
        for path, note in draft.build.notes.items():
            finding = note.finish()
            known = findings.get(path)
            if known is None or _GRAVE.index(known.verdict) < _GRAVE.index(finding.verdict):
                findings[path] = finding
        for name, needed in draft.build.connections.items():
            connections.setdefault(name, needed)
    shared |= connections
    return ImportedRule(
        name=clean_text(rule.name),
        state=clean_text(rule.state),
        labels=tuple(map(clean_text, rule.labels)),
        flows=tuple(flows),
        findings=tuple(findings.values()),
        connections=tuple(connections.values()),
        notes=tuple(_list_notes(rule)),
    )


def take_flow_id(name: str, suffix: str, taken: set[str]) -> str:
    """Make a flow's id of a rule's name."""
    base = re.sub(r"[^a-z0-9]+", "-", clean_text(name).lower()).strip("-")[:ID_MAX].strip("-") or "rule"
    base = f"{base}-{suffix}" if suffix else base
    number, chosen = 1, base
    while chosen in taken:
        number += 1
        chosen = f"{base}-{number}"
    taken.add(chosen)
    return chosen


def _draft_all(rule: Rule, shared: dict[str, NeededConnection]) -> Iterator[Draft]:
    """Draft a flow for each of the rule's triggers; again, asking for the issue, where its event brings too little of it."""
    number, count = 0, 1
    while number < count:
        draft = _draft(rule, number, shared, asks=False)
        if draft.start.is_event and not draft.build.reads <= EVENT_FIELDS:
            draft = _draft(rule, number, shared, asks=True)
        yield draft
        number, count = number + 1, draft.ways


def _draft(rule: Rule, number: int, shared: dict[str, NeededConnection], *, asks: bool) -> Draft:
    build = Build(shared=shared)
    starts = _start(build, rule)
    start, walker = starts[number], Walker(build)
    build.aliases = dict(start.aliases)
    build.watched = frozenset({"issue", "triggerissue"}) if start.is_event else frozenset()
    rest = _take_conditions(walker, rule.components, start, asks=asks)
    steps = start.steps
    if asks:
        get = build.step("jira.get_issue", {"issue": "{{issue.key}}"}, wanted="the_issue")
        get[COMMENT] = ["The event brings few of an issue's fields."]
        steps = [*steps, get]
        build.aliases |= {"issue": f"steps.{get['id']}", "triggerIssue": f"steps.{get['id']}"}
        build.watched = frozenset()
    if start.items:
        with build.branch(**_ISSUE):
            inner = walker.walk(rest, in_turn=True)
        if inner:
            loop = build.step("each", {"items": start.items, "name": "issue"}, wanted="each_issue")
            steps = [*steps, loop | {"branches": [{"steps": inner}]}]
    else:
        steps = [*steps, *walker.walk(rest, in_turn=False)]
    return Draft(start, steps or [build.step("stop", {}, wanted="nothing")], build, len(starts))


def _start(build: Build, rule: Rule) -> list[Start]:
    """Translate the trigger; without a translation the flow starts by hand, and a placeholder stands first."""
    entry = find_entry(TRIGGERS, rule.trigger.type)
    note = build.open_note(rule.trigger, entry.becomes)
    try:
        starts: list[Start] = entry.need()(build, rule, note)
    except UntranslatableError as error:
        note.refusal, note.to_do = error.reason, [error.to_do] if error.to_do else []
        starts = [Start({"on": "manual"}, steps=[build.placeholder(note)])]
    note.step = ""
    return starts


def _take_conditions(walker: Walker, components: list[Component], start: Start, *, asks: bool) -> list[Component]:
    """Take conditions that come first into the trigger: a run that would end at once is not started. Gives the others."""
    build, rest = walker.build, list(components)
    while rest and is_condition(rest[0]) and start.trigger["on"] != "manual" and not start.steps:
        ids, reads, aliases = set(build.ids), set(build.reads), dict(build.aliases)
        build.reads = set()
        condition = walker.ask(rest[0])
        enough = build.reads <= EVENT_FIELDS or not asks
        build.reads |= reads
        if condition.prepare or not enough:
            build.ids, build.aliases = ids, aliases
            build.notes.pop(rest[0].path)
            break
        start.holds.append(condition.expression)
        rest.pop(0)
    return rest


def _write_flow(rule: Rule, draft: Draft, taken: set[str]) -> dict[str, Any]:
    start = draft.start
    trigger = dict(start.trigger)
    if start.holds:
        trigger["where"] = f"{{{{{join(start.holds, 'and')}}}}}"
    description = clean_text(rule.description)
    lines = ["Imported from a rule of Jira Automation. A draft: it starts nothing before it is published."]
    lines += [f"It was {clean_text(rule.state).lower()} in Jira."] if rule.state else []
    lines += [f"Labels: {', '.join(map(clean_text, rule.labels))}"] if rule.labels else []
    lines += description.splitlines() if len(description) > DESCRIPTION_MAX else []
    document: dict[str, Any] = {
        COMMENT: lines,
        "id": take_flow_id(rule.name, start.suffix, taken),
        "name": clean_text(rule.name)[:200],
    }
    if description:
        document["description"] = description[:DESCRIPTION_MAX]
    document["trigger"] = trigger
    if start.inputs:
        document["inputs"] = start.inputs
    return document | {"steps": draft.steps}


def _list_notes(rule: Rule) -> Iterator[str]:
    """What holds of the rule as a whole."""
    yield "The flow acts as the BluBees app, not as the rule's actor: the app needs that actor's permissions in the projects."
    if rule.raw.get("canOtherRuleTrigger") is not True:
        yield "What flows do does not start it; what rules of Jira Automation do does: they look like changes by people."
    if rule.projects:
        yield "Projects are named by their ids: they are those of the site that the rule was exported from."
