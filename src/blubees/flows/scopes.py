"""Which OAuth scopes live flows need of a connection: the least. Called by flows/versions.py."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from blubees.connectors.actions.perform import CONNECTION
from blubees.flows.check_trigger import find_trigger
from blubees.model.connector import Connector
from blubees.model.flow import PublishedFlow, Step
from blubees.steps.actions import name_source

_WITH: Final = "with"


def list_least_scopes(plans: Iterable[PublishedFlow], connection: str, connector: str = "") -> tuple[str, ...]:
    """Give the scopes of all actions and triggers that are used with this connection, sorted.

    A step whose connection is a smart value is known only when it runs: what it needs is not among them. A trigger that a
    person sets up at the vendor names no connection: what it needs is asked of every connection of its connector.

    Args:
        connector: which one the connection is for; empty: it does not say.
    """
    found: set[str] = set()
    for plan in plans:
        connectors = {each.name: each for each in plan.connectors}
        for step in _list_steps(plan.flow.steps):
            for kind, settings in ((step.kind, step.settings), *_list_sources(step.settings)):
                if settings.get(CONNECTION) == connection:
                    found.update(_list_of_action(connectors, kind))
        found.update(_list_of_trigger(plan, connection, connector))
    return tuple(sorted(found))


def _list_of_trigger(plan: PublishedFlow, connection: str, connector: str) -> Iterator[str]:
    """Those that the trigger says, and those of the actions that ask for it, take what came, register it and take it back."""
    trigger = plan.flow.trigger
    known = find_trigger(plan.connectors, trigger.connector) if trigger.connector else None
    if known is None:
        return
    owner, rule = known
    if trigger.connection != connection and (trigger.connection or owner.name != connector):
        return
    yield from rule.scopes
    used = (rule.hook.register, rule.hook.renew, rule.hook.unregister) if rule.hook is not None else ()
    for name in (*used, *((rule.poll.action, rule.poll.taken_by) if rule.poll is not None else ())):
        yield from _list_of_action({owner.name: owner}, f"{owner.name}.{name}")


def _list_of_action(connectors: Mapping[str, Connector], kind: str) -> tuple[str, ...]:
    name, _, action = kind.partition(".")
    known = connectors[name].actions.get(action) if name in connectors else None
    return known.scopes if known is not None else ()


def _list_sources(settings: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The actions that a step's files come from, each with what it is given."""
    for value in settings.values():
        source = name_source(value)
        if source:
            given = value.get(_WITH)
            yield source, given if isinstance(given, dict) else {}


def _list_steps(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for branch in step.branches:
            yield from _list_steps(branch.steps)
