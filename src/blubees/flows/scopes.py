"""Which OAuth scopes live flows need of a connection: the least. Called by flows/versions.py."""

from collections.abc import Iterable, Iterator

from blubees.model.flow import PublishedFlow, Step


def list_least_scopes(plans: Iterable[PublishedFlow], connection: str) -> tuple[str, ...]:
    """Give the scopes of all actions that are used with this connection, sorted.

    A step whose connection is a smart value is known only when it runs: what it needs is not among them.
    """
    found: set[str] = set()
    for plan in plans:
        connectors = {each.name: each for each in plan.connectors}
        for step in _list_steps(plan.flow.steps):
            name, _, action = step.kind.partition(".")
            known = connectors[name].actions.get(action) if name in connectors else None
            if known is not None and step.settings.get("connection") == connection:
                found.update(known.scopes)
    return tuple(sorted(found))


def _list_steps(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for branch in step.branches:
            yield from _list_steps(branch.steps)
