"""Makes step kinds of actions: `slack.post_message` is a kind whose settings are the action's inputs and its connection.

Called by flows/check.py for what a tenant's connectors have, and by engine/plan.py for what a published version has pinned.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from blubees.connectors.actions.perform import CallTools, Perform, compile_action, compile_source
from blubees.connectors.actions.piping import FROM, WITH, PipedFile, SourcePlan
from blubees.connectors.catalogue import find_hooks
from blubees.model.connector import Connector
from blubees.model.failures import Failure
from blubees.steps.book import ActionOf, KindEntry
from blubees.steps.contract import BranchRule, Done, Outcome, Tools


def make_entries(connectors: Iterable[Connector]) -> dict[str, KindEntry]:
    """Make a kind of each action of some connectors, by name."""
    entries: dict[str, KindEntry] = {}
    connectors = tuple(connectors)
    known = {each.name: each for each in connectors}
    for connector in connectors:
        hooks = find_hooks(connector)
        for name in connector.actions:
            entries[f"{connector.name}.{name}"] = _make_entry(connector, name, hooks, known)
    return entries


def with_actions(book: Mapping[str, KindEntry], connectors: Iterable[Connector]) -> dict[str, KindEntry]:
    """Give the book with a kind for each action of some connectors; a kind of the book's own wins over such an action."""
    return {**make_entries(connectors), **book}


def _make_entry(
    connector: Connector, name: str, hooks: Mapping[str, Callable[..., Any]], known: Mapping[str, Connector]
) -> KindEntry:
    return KindEntry(
        name=f"{connector.name}.{name}",
        settings=dict,
        branches=BranchRule.NONE,
        names=(),
        waits=False,
        examples=(),
        perform=_as_step(compile_action(connector, name, hooks)),
        bind=lambda prepared: _bind(prepared, connector, name, known),
        action=ActionOf(connector, name),
    )


def _bind(prepared: dict[str, Any], connector: Connector, name: str, known: Mapping[str, Connector]) -> Callable[[Any], Any]:
    """Make what reads the inputs: as they are, since they are converted when the request is built.

    Where the flow's own text says that a file comes from another action, that one is compiled here: what a smart value gives
    can never name one.
    """
    sources: dict[str, SourcePlan] = {}
    for key, value in prepared.items():
        source = name_source(value)
        if source and key in connector.actions[name].inputs:
            owner, _, own = source.partition(".")
            sources[key] = compile_source(known[owner], own)
    if not sources:
        return lambda rendered: rendered

    def read(rendered: Any) -> Any:  # noqa: ANN401 - JSON
        piped = {key: PipedFile(plan, rendered[key].get(WITH) or {}, f"with.{key}") for key, plan in sources.items()}
        return {**rendered, **piped}

    return read


def name_source(value: object) -> str:
    """Give the action that a file comes from, where an input's literal value says so; else nothing."""
    source = value.get(FROM) if isinstance(value, dict) else None
    return source if isinstance(source, str) and "." in source and "{{" not in source else ""


def _as_step(perform: Perform) -> Callable[[Any, Tools], Any]:
    async def perform_step(settings: dict[str, Any], tools: CallTools) -> Outcome:
        found = await perform(settings, tools)
        return found if isinstance(found, Failure) else Done(found)

    return perform_step
