"""Makes step kinds of actions: `slack.post_message` is a kind whose settings are the action's inputs and its connection.

Called by flows/check.py for what a tenant's connectors have, and by engine/plan.py for what a published version has pinned.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from blubees.connectors.actions.perform import CallTools, Perform, compile_action
from blubees.connectors.catalogue import list_hooks
from blubees.model.connector import Connector
from blubees.model.failures import Failure
from blubees.steps.book import ActionOf, KindEntry
from blubees.steps.contract import BranchRule, Done, Outcome, Tools

CATALOGUE: Final = "catalogue"


def make_entries(connectors: Iterable[Connector]) -> dict[str, KindEntry]:
    """Make a kind of each action of some connectors, by name."""
    entries: dict[str, KindEntry] = {}
    for connector in connectors:
        hooks = list_hooks(connector.name) if connector.source == CATALOGUE else {}
        for name in connector.actions:
            entries[f"{connector.name}.{name}"] = _make_entry(connector, name, hooks)
    return entries


def with_actions(book: Mapping[str, KindEntry], connectors: Iterable[Connector]) -> dict[str, KindEntry]:
    """Give the book with a kind for each action of some connectors; a kind of the book's own wins over such an action."""
    return {**make_entries(connectors), **book}


def _make_entry(connector: Connector, name: str, hooks: Mapping[str, Callable[..., Any]]) -> KindEntry:
    return KindEntry(
        name=f"{connector.name}.{name}",
        settings=dict,
        branches=BranchRule.NONE,
        names=(),
        waits=False,
        examples=(),
        perform=_as_step(compile_action(connector, name, hooks)),
        bind=_take_as_they_are,
        action=ActionOf(connector, name),
    )


def _take_as_they_are(_prepared: dict[str, Any]) -> Callable[[Any], Any]:
    """Inputs are converted when the request is built."""
    return lambda rendered: rendered


def _as_step(perform: Perform) -> Callable[[Any, Tools], Any]:
    async def perform_step(settings: dict[str, Any], tools: CallTools) -> Outcome:
        found = await perform(settings, tools)
        return found if isinstance(found, Failure) else Done(found)

    return perform_step
