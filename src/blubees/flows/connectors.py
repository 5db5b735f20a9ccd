"""Finds the connectors that a flow's text names: its steps' actions and its trigger. Called by flows/versions.py and the CLI.

What a version uses is pinned with it, cut down to that: docs/decisions/0041.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from blubees.connectors.trimming import pin_connector
from blubees.flows.document import read_document
from blubees.model.connector import Connector
from blubees.model.errors import InputError
from blubees.model.flow import TriggerKind
from blubees.model.ids import TenantId
from blubees.ports import ConnectorShelf
from blubees.steps.actions import name_source, with_actions
from blubees.steps.book import KindEntry

PINNED_MAX_BYTES: Final = 524_288  # docs/decisions/0041: a plan travels as one message
DEPTH_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class FoundConnectors:
    """What the names of a flow's text lead to.

    Attributes:
        connectors: those named, with the actions and triggers named only.
        names: all actions and triggers of connectors of which a wrong one is named, and, where a connector is wrong, all
            connectors: for finding the nearest.
    """

    connectors: tuple[Connector, ...] = ()
    names: frozenset[str] = field(default_factory=frozenset)

    def extend(self, book: Mapping[str, KindEntry]) -> dict[str, KindEntry]:
        """Give the book with the actions that were found."""
        return with_actions(book, self.connectors)

    def has(self, connector: str) -> bool:
        """Whether there is a connector of this name."""
        return any(each.name == connector for each in self.connectors)


NO_CONNECTORS: Final = FoundConnectors()


async def find_connectors(shelf: ConnectorShelf, tenant: TenantId, text: str, book: Collection[str]) -> FoundConnectors:
    """Find the connectors that a text names.

    Args:
        book: the step kinds that are no actions.
    """
    actions, triggers = list_named(read_document(text).data, book)
    found: list[Connector] = []
    names: set[str] = set()
    for name in sorted({*actions, *triggers}):
        wanted, events = actions.get(name, set()), triggers.get(name, set())
        connector = await shelf.find(tenant, name, actions=sorted(wanted), triggers=sorted(events))
        if connector is None:
            names |= {*await shelf.list_connectors(tenant)}
            continue
        found.append(connector)
        if not wanted <= set(connector.actions) or not events <= set(connector.triggers):
            known = await shelf.list_names(tenant, name)
            names |= {f"{name}.{each}" for listed in known for each in listed}
    return FoundConnectors(tuple(found), frozenset(names))


def list_named(data: object, book: Collection[str]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """List what a flow's data names, by connector: actions of steps, and the trigger. Whatever stands there."""
    actions: dict[str, set[str]] = {}
    triggers: dict[str, set[str]] = {}
    if not isinstance(data, dict):
        return actions, triggers
    trigger = data.get("trigger")
    on = trigger.get("on") if isinstance(trigger, dict) else None
    if isinstance(on, str) and on not in {each.value for each in TriggerKind}:
        _note(triggers, on)
    waiting = [(data.get("steps"), 0)]
    while waiting:
        steps, depth = waiting.pop()
        for step in steps if isinstance(steps, list) and depth <= DEPTH_MAX else ():
            if not isinstance(step, dict):
                continue
            kind, branches = step.get("kind"), step.get("branches")
            if isinstance(kind, str) and kind not in book:
                _note(actions, kind)
                settings = step.get("with")
                for value in settings.values() if isinstance(settings, dict) else ():
                    _note(actions, name_source(value))
            inner: list[Any] = branches if isinstance(branches, list) else []
            waiting += [(branch.get("steps"), depth + 1) for branch in inner if isinstance(branch, dict)]
    return actions, triggers


def _note(named: dict[str, set[str]], name: str) -> None:
    connector, dot, own = name.partition(".")
    if dot:
        named.setdefault(connector, set()).add(own)


def pin(connectors: Collection[Connector]) -> bytes:
    """Write what a version pins; empty for nothing. Raises InputError: it is too large."""
    if not connectors:
        return b""
    written = msgspec.json.encode([pin_connector(each) for each in connectors])
    if len(written) > PINNED_MAX_BYTES:
        size = f"{len(written)} bytes, allowed are {PINNED_MAX_BYTES}"
        raise InputError(f"What the flow's actions take and give is described in {size}. Split the flow.")
    return written


def read_pinned(written: bytes) -> tuple[Connector, ...]:
    """Read what a version pins."""
    return msgspec.json.decode(written, type=tuple[Connector, ...]) if written else ()
