"""Checks the names that steps make, such as webhookResponse: a step that gives it stands before. Called by flows/check.py."""

from collections.abc import Iterable
from typing import Protocol

from blubees.engine.late_names import LATE_NAMES
from blubees.expressions.template import Template
from blubees.flows.document import Place, ReadDocument


class Checks(Protocol):
    """What is needed of the checker."""

    read: ReadDocument
    kinds: dict[str, str]
    maybe: set[str]


def list_known(kinds: Iterable[str]) -> set[str]:
    """Give the names that steps of these kinds make."""
    present = set(kinds)
    return {name for name, rule in LATE_NAMES.items() if rule.kind in present}


def explain_unknown(root: str) -> str:
    """Say what a name is that no step here gives; empty where it is none of these."""
    kind = next((rule.kind for name, rule in LATE_NAMES.items() if name.casefold() == root.casefold()), "")
    return f"`{root}` is what a step of the kind {kind} gives, and no such step is here." if kind else ""


def check_late(checks: Checks, place: Place, template: Template, done: set[str], variables: set[str]) -> None:
    """Check that a step which gives the name has run before. `variables`: names that a flow gave a meaning of its own."""
    names = {name.casefold(): name for name in LATE_NAMES}
    for root in sorted(template.outer_roots):
        name = names.get(root.casefold())
        if name is None or name in variables:
            continue
        makers = {step for step, kind in checks.kinds.items() if kind == LATE_NAMES[name].kind}
        if makers & done or not makers:
            continue
        if makers & checks.maybe:
            message = f"{name} comes from a step in a branch that may not have run; then it is empty."
            checks.read.complain(place, message, severity="warning")
        else:
            checks.read.complain(place, f"{name} comes from a step that runs later ({min(makers)}). Move it before this one.")
