"""Checks a flow's smart values against what is known of their data. Part of the check (flows/check.py)."""

from collections.abc import Mapping
from typing import Any, Final

from blubees.expressions.shapes import ANYTHING, BOOLEAN, NUMBER, TEXT, Shape, list_of, object_of
from blubees.expressions.static import check_shapes
from blubees.expressions.template import Template
from blubees.flows.action_shapes import shape_form
from blubees.flows.check_trigger import find_trigger
from blubees.flows.connectors import FoundConnectors
from blubees.flows.document import Place, ReadDocument
from blubees.flows.known_shapes import find_result, list_shapes
from blubees.model.connector import TriggerSort
from blubees.model.flow import TriggerKind
from blubees.steps.book import KindEntry

_INPUT_TYPES: Final[dict[str, Shape]] = {"text": TEXT, "number": NUMBER, "boolean": BOOLEAN, "list": list_of()}


def collect_shapes(data: Mapping[str, Any], trigger: TriggerKind | None, book: Mapping[str, KindEntry]) -> dict[str, Shape]:
    """What is known of the first names of a flow, its steps' results among them."""
    results: dict[str, Shape] = {}
    _collect_results(data.get("steps"), book, results)
    inputs = data.get("inputs")
    known = list_shapes(trigger) | {"steps": object_of(results)}
    if isinstance(inputs, dict):
        known["inputs"] = object_of({str(name): _read_input(each) for name, each in inputs.items()}, is_open=False)
    return known


def shape_trigger(found: FoundConnectors, trigger: Mapping[str, Any] | None) -> dict[str, Shape]:
    """What is known of what a connector's trigger brings."""
    known = find_trigger(found.connectors, trigger["connector"]) if trigger is not None else None
    if known is None or not known[1].schema:
        return {}
    shape = shape_form(known[1].schema, known[0].schemas)
    return {"webhookData" if known[1].sort is TriggerSort.WEBHOOK else "item": shape}


def check_known(read: ReadDocument, spot: Place, template: Template, shapes: Mapping[str, Shape], variables: set[str]) -> None:
    """Tell what can't be right in a template. What a `set` step or a loop names hides what is known under that name."""
    for each in check_shapes(template.nodes, hide(shapes, variables)):
        severity = "error" if each.is_sure else "warning"
        read.complain(spot, f"{each.message} (character {each.position + 1})", nearest=each.hint, severity=severity)


def hide(shapes: Mapping[str, Shape], variables: set[str]) -> dict[str, Shape]:
    """Leave out what a flow gave a meaning of its own."""
    hidden = {name.casefold() for name in variables}
    return {name: shape for name, shape in shapes.items() if name.casefold() not in hidden}


def _collect_results(steps: object, book: Mapping[str, KindEntry], results: dict[str, Shape]) -> None:
    for step in steps if isinstance(steps, list) else ():
        if not isinstance(step, dict):
            continue
        if isinstance(step.get("id"), str):
            settings = step.get("with")
            kind = step.get("kind")
            entry = book.get(kind) if isinstance(kind, str) else None
            shape = find_result(entry, settings if isinstance(settings, dict) else {})
            results[step["id"]] = shape if step["id"] not in results else ANYTHING
        branches = step.get("branches")
        for branch in branches if isinstance(branches, list) else ():
            if isinstance(branch, dict):
                _collect_results(branch.get("steps"), book, results)


def _read_input(written: object) -> Shape:
    kind = written.get("type") if isinstance(written, dict) else written
    return _INPUT_TYPES.get(kind, ANYTHING) if isinstance(kind, str) else ANYTHING
