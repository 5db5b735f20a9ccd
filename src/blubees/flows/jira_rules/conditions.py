"""Conditions of a rule as expressions. Called by table.py's entries; what holds is a smart value, searches come before it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import Component, read_text
from blubees.flows.jira_rules.fields import Field, Shape, list_references, read_field
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.related import read_relation
from blubees.flows.jira_rules.smart import join, write_literal

NEVER: Final = 'equals("this condition", "to be written")'
"""Stands for a condition that could not be translated: it does not hold."""
_ORDER: Final = re.compile(r"(?is)\border\s+by\b[^\"']*\Z")
_HOLDS: Final = frozenset({"EXISTS", "EXIST", "NOT_EMPTY", "ARE_PRESENT", "PRESENT", "HAS", "TRUE", "ATTACHMENTS_EXIST"})


@dataclass(slots=True)
class Condition:
    """An expression that holds when the condition does, and the steps that must come before it."""

    expression: str
    prepare: list[Step] = field(default_factory=list)


def compare(build: Build, component: Component, note: Note) -> Condition:
    """{{a}} against {{b}}: jira.comparator.condition."""
    settings = component.settings
    prepare: list[Step] = []
    operator = read_text(settings.get("operator"), 60).upper()
    left = build.expression(settings.get("first"), note, prepare)
    negated, plain = _split_negation(operator)
    is_pattern = plain.startswith("REGEX") or plain == "MATCHES"
    right = "" if is_pattern else build.expression(settings.get("second"), note, prepare)
    if is_pattern:
        found = _write_pattern(plain, left, build.clean(read_text(settings.get("second")), note))
    elif plain in _NUMBERS:
        note.approximate("It compares numbers; texts and dates do not hold.")
        found = _compare_numbers(left, plain, right)
    elif plain in _TEXTS:
        found = _TEXTS[plain](left, right)
    else:
        raise UntranslatableError(f"The operator {_word(operator)} is not known.", "Write the condition by hand.")
    return Condition(f"not({found})" if negated else found, prepare)


def match_jql(build: Build, component: Component, note: Note) -> Condition:
    """The issue matches a search: jira.jql.condition."""
    query = component.value if isinstance(component.value, str) else read_text(component.settings.get("jql"))
    if not query.strip():
        raise UntranslatableError("It has no JQL.", "Write the condition by hand.")
    prepare: list[Step] = []
    jql = strip_order(build.text(query, note, prepare))
    prepare.append(
        build.step("jira.search_issues", {"jql": f'key = "{{{{{build.path("issue.key")}}}}}" AND ({jql})', "limit": 1}, note)
    )
    note.approximate("It is asked by a search, which may lag behind the newest changes for a moment.")
    return Condition(f"steps.{prepare[-1]['id']}.issues.size().gt(0)", prepare)


def compare_field(build: Build, component: Component, note: Note) -> Condition:
    """A field of the issue against values: jira.issue.condition."""
    settings = component.settings
    prepare: list[Step] = []
    found = read_field(settings)
    comparison = read_text(settings.get("comparison", settings.get("operator")), 60).upper()
    path = build.path(f"issue.{found.path}")
    wanted = list_references(settings.get("compareValue", settings.get("compareFieldValue", settings.get("value"))))
    if comparison in {"EMPTY", "IS_EMPTY"}:
        return Condition(f"not(exists({path}))")
    if comparison in {"NOT_EMPTY", "IS_NOT_EMPTY"}:
        return Condition(f"exists({path})")
    if not wanted:
        raise UntranslatableError(
            "It compares with a value that is not in a form that is known.", "Write the condition by hand."
        )
    kinds = {kind for kind, _ in wanted}
    values = [build.expression(text, note, prepare) for _, text in wanted]
    read = path + _part_compared(found, kinds)
    negated, plain = _split_negation(comparison)
    expression = _compare_values(found, plain, read, values)
    return Condition(f"not({expression})" if negated else expression, prepare)


def compare_user(build: Build, component: Component, note: Note) -> Condition:
    """A user of the issue, or the one who did it, is somebody: jira.user.condition."""
    settings = component.settings
    rows = settings.get("conditions") if isinstance(settings.get("conditions"), list) else [settings]
    word = "and" if read_text(settings.get("operator"), 10).upper() in {"AND", "ALL"} else "or"
    prepare: list[Step] = []
    found = [_compare_one_user(build, row, note, prepare) for row in rows or () if isinstance(row, dict)]
    if not found:
        raise UntranslatableError("It names no user in a form that is known.", "Write the condition by hand.")
    return Condition(join(found, word), prepare)


def has_attachments(build: Build, component: Component, note: Note) -> Condition:
    """The issue has attachments, or none: jira.issue.attachment.condition."""
    _ = note
    given = component.value if isinstance(component.value, str | bool) else next(iter(component.settings.values()), "EXISTS")
    exists = f"exists({build.path('issue.attachment')})"
    return Condition(exists if given is True or read_text(given, 40).upper() in _HOLDS else f"not({exists})")


def compare_related(build: Build, component: Component, note: Note) -> Condition:
    """Related issues exist or match: jira.issues.related.condition."""
    settings = component.settings
    prepare: list[Step] = []
    relation = read_relation(build, settings, note, prepare)
    named = next((settings[name] for name in ("matchType", "match", "operator", "comparison") if settings.get(name)), None)
    mode = read_text(named, 40).upper()
    query = strip_order(build.text(settings.get("matchJql", settings.get("compareJql", settings.get("jql"))), note, prepare))
    same = relation == query or not query
    same = same or mode in {"PRESENT", "ABSENT"}
    wanted = relation if same else f"({relation}) AND {'NOT ' * mode.startswith('ALL')}({query})"
    prepare.append(build.step("jira.search_issues", {"jql": wanted, "limit": 1}, note))
    note.approximate("It is asked by a search, which may lag behind the newest changes for a moment.")
    none = mode.startswith(("NONE", "NOT", "NO_", "ALL", "ABSENT"))
    if mode.startswith("ALL") and same:
        raise UntranslatableError("It wants all related issues to match something that is not in a form that is known.")
    count = f"steps.{prepare[-1]['id']}.issues.size()"
    return Condition(f"equals({count}, 0)" if none else f"{count}.gt(0)", prepare)


def strip_order(jql: str) -> str:
    """A search without its order, so that it can stand in brackets."""
    return _ORDER.sub("", jql).strip()


def _compare_one_user(build: Build, row: dict[str, object], note: Note, prepare: list[Step]) -> str:
    who = row.get("field")
    name = (
        read_text(who.get("value") if isinstance(who, dict) else who, 80).removeprefix("{{").removesuffix("}}") or "initiator"
    )
    given = row.get("check", row.get("operator", row.get("comparison")))
    check = read_text(given.get("type", given.get("value")) if isinstance(given, dict) else given, 60).upper()
    if any(word in check for word in ("GROUP", "ROLE", "CUSTOMER", "ORGANI", "TEAM")):
        raise UntranslatableError(
            "Whether a user is in a group or a role can't be asked in a condition.",
            "For the assignee or the reporter, use jira.search_issues with membersOf(…) and a condition on what it finds.",
        )
    root = "initiator" if name.casefold() in {"initiator", "user_initiator", "actor"} else f"issue.{Field(name, '', '').path}"
    path = build.path(f"{root}.accountId")
    wanted = list_references(row.get("criteria", row.get("values", row.get("value"))))
    if "EMPTY" in check or "EXIST" in check:
        return f"not(exists({path}))" if check in {"IS_EMPTY", "EMPTY", "NOT_EXISTS"} else f"exists({path})"
    if not wanted or not any(word in check for word in ("IS", "USER", "EQUAL", "ONE_OF", "ANY")):
        raise UntranslatableError(
            "It asks something of a user that is not in a form that is known.", "Write the condition by hand."
        )
    equal = [f"equals({path}, {build.expression(_account(text), note, prepare)})" for _, text in wanted]
    return f"not({join(equal, 'or')})" if "NOT" in check else join(equal, "or")


def _account(text: str) -> str:
    """Roles of a user in the issue, such as reporter, stand for that user's account."""
    return f"{{{{issue.{text}.accountId}}}}" if text in {"reporter", "assignee", "creator"} else text


def _compare_values(found: Field, comparison: str, read: str, values: list[str]) -> str:
    if comparison in _NUMBERS:
        return _compare_numbers(read, comparison, values[0])
    if comparison in {"BEFORE", "AFTER"}:
        return f"{_text(read)}.toDate().{'isBefore' if comparison == 'BEFORE' else 'isAfter'}({_text(values[0])}.toDate())"
    if found.is_many:
        has = [f"{read}.contains({value})" for value in values]
        if comparison in {"EQUALS", "IS"}:
            return f"and({', '.join(has)}, equals({read}.size(), {len(has)}))"
        if comparison in {"CONTAINS_ANY", "ONE_OF", "IS_ONE_OF", "ANY_OF", "CONTAINS"}:
            return join(has, "or")
        if comparison in {"CONTAINS_ALL", "ALL_OF"}:
            return join(has, "and")
    elif comparison in {"EQUALS", "IS", "ONE_OF", "IS_ONE_OF", "ANY_OF", "CONTAINS_ANY"} and (
        comparison != "CONTAINS_ANY" or found.shape is not Shape.PLAIN
    ):
        return join([f"equals({read}, {value})" for value in values], "or")
    elif comparison in _TEXTS:
        return join([_TEXTS[comparison](read, value) for value in values], "or")
    elif comparison == "CONTAINS_ANY":
        return join([_TEXTS["CONTAINS"](read, value) for value in values], "or")
    raise UntranslatableError(
        f"The comparison {_word(comparison)} is not known for this field.", "Write the condition by hand."
    )


def _compare_numbers(left: str, comparison: str, right: str) -> str:
    """Compare as numbers. An argument must be one, whatever it holds; a sum leaves out what is none."""
    function = _NUMBERS[comparison]
    if re.fullmatch(r'"-?\d{1,15}(\.\d{1,15})?"', right):
        return f"{_text(left)}.asNumber().{function}({right.strip(chr(34))})"
    number = f'"0,".concat({right}).split(",").sum()'
    return f"and(exists({_text(right)}.asNumber()), {_text(left)}.asNumber().{function}({number}))"


def _part_compared(found: Field, kinds: set[str]) -> str:
    if found.shape in {Shape.NAMED, Shape.OPTION}:
        return ".id" if kinds == {"ID"} else f".{found.shape.value}"
    if found.shape is Shape.USER:
        return ".accountId"
    return (".id" if kinds == {"ID"} else ".key") if found.shape is Shape.ISSUE else ""


def _write_pattern(operator: str, left: str, pattern: str) -> str:
    if "{{" in pattern:
        raise UntranslatableError(
            "Its pattern is made of smart values, and patterns are fixed.", "Write the condition by hand."
        )
    whole = operator in {"REGEX_MATCHES", "REGEX_MATCH", "REGEX", "MATCHES"}
    literal = write_literal(f"(^(?:{pattern})$)" if whole else f"({pattern})")
    if literal is None:
        raise UntranslatableError("Its pattern has quotes that can't be written here.", "Write the condition by hand.")
    return f"exists({_text(left)}.match({literal}))"


def _split_negation(operator: str) -> tuple[bool, str]:
    """NOT_EQUALS, REGEX_NOT_MATCHES, CONTAINS_NONE and their like as the opposite of another."""
    special = {
        "CONTAINS_NONE": "CONTAINS_ANY",
        "NONE_OF": "ONE_OF",
        "IS_NONE_OF": "ONE_OF",
        "NOT_CONTAIN": "CONTAINS",
        "DOES_NOT_CONTAIN": "CONTAINS",
    }
    if operator in special:
        return True, special[operator]
    for mark in ("DOES_NOT_", "IS_NOT_", "NOT_"):
        if operator.startswith(mark):
            rest = operator.removeprefix(mark)
            return True, {"EQUAL": "EQUALS", "CONTAIN": "CONTAINS", "MATCH": "REGEX_MATCHES", "IN": "ONE_OF"}.get(rest, rest)
    if "_NOT_" in operator:
        return True, operator.replace("_NOT_", "_")
    return (True, "EQUALS") if operator == "IS_NOT" else (False, operator)


def _text(expression: str) -> str:
    return expression if expression.startswith('"') and not expression.startswith('"".') else f'"".concat({expression})'


def _word(word: str) -> str:
    return word if re.fullmatch(r"[A-Z_]{1,60}", word) else "that it has"


def _equals(left: str, right: str) -> str:
    if '""' in (left, right):
        filled = right if left == '""' else left
        return f"{_text(filled)}.isEmpty()"
    return f"equals({left}, {right})"


_NUMBERS: Final = {
    "GREATER_THAN": "gt",
    "LESS_THAN": "lt",
    "GREATER_THAN_OR_EQUAL": "gte",
    "GREATER_THAN_OR_EQUALS": "gte",
    "GREATER_OR_EQUAL": "gte",
    "LESS_THAN_OR_EQUAL": "lte",
    "LESS_THAN_OR_EQUALS": "lte",
    "LESS_OR_EQUAL": "lte",
}
_TEXTS: Final[dict[str, Callable[[str, str], str]]] = {
    "EQUALS": _equals,
    "EXACTLY_EQUALS": _equals,
    "CONTAINS": lambda left, right: f"{_text(left)}.contains({right})",
    "STARTS_WITH": lambda left, right: f"{_text(left)}.startsWith({right})",
    "ENDS_WITH": lambda left, right: f"{_text(left)}.endsWith({right})",
}
