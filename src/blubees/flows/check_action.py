"""Checks a step that is an action of a connector: its inputs, by the very conversion that a run makes.

Part of the check (flows/check.py).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from blubees.connectors.actions.bodies import is_file
from blubees.connectors.actions.pages import LIMIT, LIMIT_MAX
from blubees.connectors.actions.perform import CONNECTION, needs_connection
from blubees.connectors.actions.piping import FROM, WITH
from blubees.connectors.actions.values import MisfitError, compile_convert, resolve_form, takes_null
from blubees.connectors.contract.check_action import list_page_inputs
from blubees.expressions.document import list_templates
from blubees.expressions.shapes import Shape
from blubees.expressions.signatures import ValueType
from blubees.expressions.static import find_shape
from blubees.flows.check_shapes import hide
from blubees.flows.connectors import FoundConnectors
from blubees.flows.document import Place, ReadDocument
from blubees.model.action import Action, ActionInput, Content
from blubees.model.action import Place as InputPlace
from blubees.model.ids import CONNECTION_PATTERN
from blubees.steps.actions import name_source
from blubees.steps.book import ActionOf, KindEntry

CHOICES_SHOWN: Final = 12
WORDS: Final = {"list": "a list", "object": "a mapping", "boolean": "true or false", "null": "nothing", "date": "a date"}
_SAMPLES: Final[dict[ValueType, object]] = {  # a text may hold anything
    ValueType.LIST: [],
    ValueType.OBJECT: {},
    ValueType.BOOLEAN: True,
    ValueType.NUMBER: 1,
    ValueType.DATE: datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
}


class Checker(Protocol):
    """What is used of the check."""

    read: ReadDocument
    book: Mapping[str, KindEntry]
    found: FoundConnectors
    variables: set[str]
    shapes: dict[str, Shape]

    def complain_name(self, place: Place, message: str, name: object, known: Iterable[str]) -> None:
        """Complain about a name and suggest the nearest right one."""
        ...

    def expect_text(self, place: Place, data: Mapping[str, Any], pattern: str, allowed: str) -> None:
        """Expect a text of a form, where there is one."""
        ...


def complain_kind(checker: Checker, place: Place, name: object) -> None:
    """Complain about a kind that is none, and an action of no connector."""
    connector, dot, own = name.partition(".") if isinstance(name, str) else ("", "", "")
    if dot and checker.found.has(connector):
        message = f"The connector {connector} has no action `{own[:60]}`."
    elif dot and not any(kind.startswith(f"{connector}.") for kind in checker.book):
        message = f"There is no connector `{connector[:60]}`; so there is no step kind `{str(name)[:60]}`."
        checker.complain_name(place, message, connector, checker.found.names)
        return
    else:
        message = f"There is no step kind `{name[:60]}`." if isinstance(name, str) else "A step kind is a text."
    checker.complain_name(place, message, name, {*checker.book, *checker.found.names})


def check_action(checker: Checker, of: ActionOf, settings: Mapping[str, Any], place: Place) -> None:
    """Check the settings of a step that is an action."""
    action, kind = of.action, f"{of.connector.name}.{of.name}"
    hidden = list_page_inputs(action)
    known = {name for name in action.inputs if name not in hidden} | ({LIMIT} if action.pages is not None else set())
    if of.connector.auth:
        known.add(CONNECTION)
    for name in settings:
        if name not in known:
            what = f"{kind} walks its pages itself: it has no input" if name in hidden else f"{kind} has no input"
            checker.complain_name((*place, str(name)), f"{what} `{str(name)[:60]}`.", name, known)
    for name, each in action.inputs.items():
        if each.is_required and name not in settings and name not in hidden:
            checker.read.complain(place, f"{kind} needs the input `{name}`.")
    for group in {frozenset((name, *each.one_of)) for name, each in action.inputs.items() if each.one_of}:
        if sum(1 for name in group if name in settings) != 1:
            words = ", ".join(sorted(group))
            checker.read.complain(place, f"{kind} needs exactly one of the inputs {words}.")
    if CONNECTION in settings:
        checker.expect_text((*place, CONNECTION), settings, CONNECTION_PATTERN, "the name of a connection")
    elif needs_connection(of.connector, of.name):
        checker.read.complain(place, f"{kind} needs `connection`: the name of a connection to {of.connector.title}.")
    for name, value in settings.items():
        if name in action.inputs and name not in hidden:
            _check_literal(checker, of, action.inputs[name], value, (*place, name))
    _check_limit(checker, action, settings, kind, place)


def _check_source(checker: Checker, of: ActionOf, each: ActionInput, value: Mapping[str, Any], place: Place) -> None:
    """Check a file that comes from another action, in pieces."""
    kind, name = f"{of.connector.name}.{of.name}", name_source(value)
    takes_file = is_file(each, of.connector.schemas) or of.action.request.content is Content.BYTES
    if each.place is not InputPlace.BODY or not takes_file:
        checker.read.complain(place, f"{kind}: `{place[-1]}` takes no file, so it can't come `from` an action.")
        return
    entry = checker.book.get(name)
    if entry is None or entry.action is None:
        complain_kind(checker, (*place, FROM), name)
        return
    if not entry.action.action.answer.is_file or entry.action.action.request.hook:
        checker.read.complain((*place, FROM), f"{name} gives no file that can be passed on.")
        return
    if each.schema.get("type") == "array":
        checker.read.complain(place, f"{kind}: `{place[-1]}` is a list of files; one that comes from an action stands alone.")
    for word in value:
        if word not in {FROM, WITH}:
            checker.complain_name((*place, str(word)), f"`{str(word)[:60]}` is not known here.", word, (FROM, WITH))
    inner = value.get(WITH, {})
    if not isinstance(inner, dict):
        checker.read.complain((*place, WITH), "`with` is a mapping of the action's inputs.")
        return
    check_action(checker, entry.action, inner, (*place, WITH))


def _check_literal(checker: Checker, of: ActionOf, each: ActionInput, value: object, place: Place) -> None:
    """Check a value that no smart value stands in: it is what a run will have."""
    if isinstance(value, dict) and name_source(value):
        _check_source(checker, of, each, value, place)
        return
    if _has_template(value):
        if each.is_literal:
            what = f"`{place[-1]}` has no smart values: what changes from run to run are its parameters"
            checker.read.complain(place, f"{of.connector.name}.{of.name}: {what}.")
        else:
            _check_types(checker, of, each, value, place)
        return
    kind, name = f"{of.connector.name}.{of.name}", place[-1]
    if value is None:
        if each.is_required and not takes_null(each.schema, of.connector.schemas):
            checker.read.complain(place, f"{kind} needs the input `{name}`; this is nothing.")
        return
    convert = compile_convert(each.schema, of.connector.schemas)
    try:
        made = convert(value) if convert is not None else value
    except MisfitError as error:
        checker.read.complain(place, f"{kind}: `{name}{error.path}` is {_tell(error)}.")
        return
    choices = resolve_form(each.schema, of.connector.schemas).get("enum")
    if isinstance(choices, list) and not isinstance(made, dict | list) and made not in choices:
        shown = ", ".join(str(choice) for choice in choices[:CHOICES_SHOWN]) + (", …" if len(choices) > CHOICES_SHOWN else "")
        message = f"{kind}: `{name}` is none of those that {of.connector.title} is known to take: {shown}."
        checker.read.complain(place, message, severity="warning")


def _check_types(checker: Checker, of: ActionOf, each: ActionInput, value: object, place: Place) -> None:
    """Check smart values whose type is known and fits in no case, whatever their value: a list where a text belongs."""
    convert = compile_convert(each.schema, of.connector.schemas)
    if convert is None:
        return
    shapes = hide(checker.shapes, checker.variables)
    for spot, template in list_templates(value):
        sample = _SAMPLES.get(find_shape(template.nodes, shapes).type)
        if sample is None:
            continue
        data: object = sample
        for name in reversed(spot):
            data = [data] if isinstance(name, int) else {name: data}
        try:
            convert(data)
        except MisfitError as error:
            checker.read.complain((*place, *spot), f"{of.connector.name}.{of.name}: `{template.source}` is {_tell(error)}.")


def _check_limit(checker: Checker, action: Action, settings: Mapping[str, Any], kind: str, place: Place) -> None:
    value = settings.get(LIMIT)
    if action.pages is None or value is None or _has_template(value):
        return
    if type(value) is not int or not 1 <= value <= LIMIT_MAX:
        checker.read.complain(
            (*place, LIMIT), f"{kind}: `{LIMIT}` is how many items at most, a whole number from 1 to {LIMIT_MAX}."
        )


def _has_template(value: object) -> bool:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str) and "{{" in each:
            return True
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
    return False


def _tell(error: MisfitError) -> str:
    given, _, wanted = error.detail.partition("_not_")
    return f"{WORDS.get(given, f'a {given}')}, allowed is {_describe(wanted)}"


def _describe(wanted: str) -> str:
    names = {"integer": "a whole number", "object": "a mapping", "boolean": "true or false"}
    return names.get(wanted, f"a {wanted.replace('_', ' ')}")
