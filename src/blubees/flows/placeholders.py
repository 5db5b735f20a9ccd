"""A flow with placeholders is not whole: it can be saved, not published. Called by flows/check.py and flows/versions.py."""

from collections.abc import Iterable, Iterator
from typing import Final

from blubees.model.errors import InputError
from blubees.model.flow import Flow, Step

PLACEHOLDER: Final = "placeholder"
STANDS_IN_THE_WAY: Final = "This placeholder stands in the way of publishing. Put steps in its place, or remove it."


def forbid_placeholders(flow: Flow) -> None:
    """Refuse a flow that is not whole. Raises InputError, which names the placeholders."""
    found = list(list_placeholders(flow.steps))
    if found:
        lines = tuple(f"the step {step.id}{f' ({step.name})' if step.name else ''}" for step in found)
        raise InputError(f"The flow has {len(found)} placeholders; it was not published. Put steps in their place.", lines)


def list_placeholders(steps: Iterable[Step]) -> Iterator[Step]:
    """Give every placeholder, in blocks too."""
    for step in steps:
        if step.kind == PLACEHOLDER:
            yield step
        for branch in step.branches:
            yield from list_placeholders(branch.steps)
