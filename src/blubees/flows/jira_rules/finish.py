"""Makes a document of what was translated, and sees to it that it passes the check. Called by translate.py.

A step that the check refuses (a smart value that nothing is called by, too deep a block) becomes a placeholder, and the
finding of its component says why.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from blubees.flows.check import check_flow
from blubees.flows.document import DEPTH_MAX, Problem
from blubees.flows.jira_rules.build import Step
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.report import ImportedFlow
from blubees.flows.jira_rules.secrets import clean_strictly
from blubees.flows.jira_rules.walk import list_steps
from blubees.flows.jira_rules.writing import COMMENT, PATH, write_document
from blubees.flows.placeholders import PLACEHOLDER
from blubees.steps.book import KindEntry

ROUNDS_MAX: Final = 12
Document = dict[str, Any]
_PART: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def finish_flow(document: Document, notes: Mapping[str, Note], book: Mapping[str, KindEntry]) -> ImportedFlow:
    """Write the document; what the check refuses is replaced, and the notes say so."""
    _cut_depth(document["steps"], 2, notes)
    for number in range(ROUNDS_MAX):
        errors = check_flow(write_document(document), book).errors
        if not errors:
            break
        later = sorted(errors, key=lambda problem: problem.path.startswith("trigger"))  # those move the steps
        if number == ROUNDS_MAX - 1 or not all(_mend(document, problem, notes) for problem in later):
            _give_up(document, errors[0], notes)
    text = write_document(document)
    count = sum(1 for step in list_steps(document["steps"]) if step["kind"] == PLACEHOLDER)
    return ImportedFlow(id=document["id"], text=text, placeholders=count)


def _cut_depth(steps: list[Step], level: int, notes: Mapping[str, Note]) -> None:
    """Hold what stands deeper than a document may be nested: each block costs four levels."""
    for number, step in enumerate(steps):
        own = _measure({key: value for key, value in step.items() if key != "branches"})
        if level + max(own, 4 if "branches" in step else 0) > DEPTH_MAX - 2:
            message = f"It stands in too many blocks: a document is nested {DEPTH_MAX} levels deep at most."
            steps[number] = _hold(step, Problem(path="", line=1, column=1, message=message), notes)
        else:
            for branch in step.get("branches", ()):
                _cut_depth(branch["steps"], level + 4, notes)


def _measure(value: object) -> int:
    """How many levels a value has."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_measure, inner), default=0)


def _mend(document: Document, problem: Problem, notes: Mapping[str, Note]) -> bool:
    """Replace the innermost step that a problem is about; False when there is none."""
    parts = [name or int(number) for name, number in _PART.findall(problem.path)]
    if parts[:1] == ["trigger"]:
        _mend_trigger(document, problem, notes)
        return True
    holder: Any = document
    last: tuple[list[Step], int] | None = None
    for place, part in enumerate(parts):
        if isinstance(part, int) and place and parts[place - 1] == "steps" and isinstance(holder, list) and part < len(holder):
            last = (holder, part)
        try:
            holder = holder[part]
        except (KeyError, IndexError, TypeError):
            break
    if last is None:
        return False
    steps, number = last
    if steps[number]["kind"] == PLACEHOLDER:  # by an earlier problem of the same step
        return True
    steps[number] = _hold(steps[number], problem, notes)
    return True


def _hold(step: Step, problem: Problem, notes: Mapping[str, Note]) -> Step:
    reason = _tell(problem)
    note = notes.get(step.get(PATH, ""))
    if note is not None:
        note.refusal = note.refusal or reason
    inner = sum(1 for _ in list_steps([step])) - 1
    lost = f" {inner} steps stood in it." if inner else ""
    made: Step = {
        COMMENT: [*step.get(COMMENT, ()), f"was: {clean_strictly(step['kind'])}"],
        "id": step["id"],
        "kind": PLACEHOLDER,
    }
    made["name"] = step.get("name") or f"To do: {step['kind']}"
    return made | {"with": {"note": f"{reason}{lost}"}, PATH: step.get(PATH, "")}


def _mend_trigger(document: Document, problem: Problem, notes: Mapping[str, Note]) -> None:
    """A trigger whose condition can't be checked loses it; one that is wrong itself becomes a start by hand."""
    reason = _tell(problem)
    where = document["trigger"].pop("where", None) if problem.path.startswith("trigger.where") else None
    if where is None and document["trigger"].pop("jql", None) is not None:
        document["trigger"].pop("for_each", None)
    elif where is None:
        document["trigger"] = {"on": "manual"}
    note = notes.get("trigger")
    if note is not None:
        note.refusal = note.refusal or reason
    taken = {step["id"] for step in list_steps(document["steps"])}
    name = next(each for number in range(1, 10_000) if (each := f"to_do_trigger_{number}") not in taken)
    made: Step = {COMMENT: [f"was: {clean_strictly(str(where))}"] if where else [], "id": name, "kind": PLACEHOLDER}
    document["steps"].insert(0, made | {"name": "To do: the trigger", "with": {"note": reason}, PATH: "trigger"})


def _give_up(document: Document, problem: Problem, notes: Mapping[str, Note]) -> None:
    """Nothing of the rule stands in the flow but a placeholder: it is too large, for instance."""
    reason = _tell(problem)
    for note in notes.values():
        note.refusal = note.refusal or f"The flow can't be made: {reason}"
    document["trigger"] = {"on": "manual"}
    document.pop("inputs", None)
    document.pop("description", None)
    document["steps"] = [{"id": "to_do", "kind": PLACEHOLDER, "name": "To do: the whole rule", "with": {"note": reason}}]


def _tell(problem: Problem) -> str:
    where = re.sub(r"^steps\[\d+\]\.?", "", problem.path)
    near = f" Did you mean {problem.nearest}?" if problem.nearest and problem.nearest.isidentifier() else ""
    text = clean_strictly(f"{where}: {problem.message}{near}" if where else f"{problem.message}{near}")
    return text.replace("{{", "{ {")
