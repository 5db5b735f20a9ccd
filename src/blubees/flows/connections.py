"""Every connection that a flow names, however deep, and whether it may be used so. Called by flows/versions.py at publishing.

A flow that another one calls, or that is started for its failures, is published by itself, and judged then. What smart values
make of a host is judged when the call is made (vault/lease.py).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from blubees.connectors.actions.perform import CONNECTION
from blubees.flows.check_trigger import HOOK_PREFIX
from blubees.model.connection import Connection, Purpose, Use, UseProblem
from blubees.model.flow import Flow, Step
from blubees.vault.allow import judge_use

_TEMPLATE: Final = "{{"


class Reference(NamedTuple):
    """Where a flow names a connection, and for what."""

    place: str
    name: str
    use: Use


def list_references(flow: Flow) -> list[Reference]:
    """Find every connection that a flow names."""
    found = []
    signature, poll = flow.trigger.signature, flow.trigger.poll
    if flow.trigger.connection:
        purpose = Purpose.REGISTER if poll is None else Purpose.POLL
        found.append(Reference("trigger.connection", flow.trigger.connection, Use(purpose=purpose, flow=flow.id)))
    is_ours = bool(flow.trigger.connector) and signature.connection.startswith(HOOK_PREFIX)  # made when it is registered
    if signature.connection and not is_ours:
        use = Use(purpose=Purpose.SIGNATURE, flow=flow.id)
        found.append(Reference("trigger.signature.connection", signature.connection, use))
    if poll is not None and poll.connection:
        use = Use(purpose=Purpose.POLL, flow=flow.id, host=_read_host(poll.url))
        found.append(Reference("trigger.poll.connection", poll.connection, use))
    return found + list(_list_in_steps(flow, flow.steps))


def list_refused(flow: Flow, connections: Sequence[Connection]) -> list[str]:
    """Tell each connection that may not be used as the flow does: a line for people each."""
    known = {connection.name: connection for connection in connections}
    lines = []
    for reference in list_references(flow):
        connection = next((each for name, each in known.items() if name == reference.name), None)
        problem = judge_use(connection, reference.use)
        if problem is not None:
            lines.append(f"{reference.place}: {_explain(problem, reference, connection)}")
    return lines


def _list_in_steps(flow: Flow, steps: Sequence[Step]) -> Iterator[Reference]:
    for step in steps:
        yield from _list_in(flow, step.settings, f"step {step.id}: with")
        for branch in step.branches:
            yield from _list_in_steps(flow, branch.steps)


def _list_in(flow: Flow, settings: dict[str, Any], place: str) -> Iterator[Reference]:
    """Read a step's settings: `connection` and `…_connection` name one in every kind (tests/flows/test_connections.py)."""
    for setting, name in settings.items():
        is_one = setting == CONNECTION or setting.endswith(f"_{CONNECTION}")
        if is_one and isinstance(name, str) and name and _TEMPLATE not in name:
            url = settings.get(setting.removesuffix(CONNECTION) + "url")
            host = _read_host(url) if isinstance(url, str) else ""
            yield Reference(f"{place}.{setting}", name, Use(purpose=Purpose.CALL, flow=flow.id, host=host))


def _read_host(url: str) -> str:
    """Give a URL's host with its port as connections name it; empty where a smart value makes it."""
    scheme, separator, rest = url.strip().partition("://")
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    if not separator or _TEMPLATE in authority or "\\" in authority or "@" in authority:
        return ""
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return host if port is None or port == {"https": 443, "http": 80}.get(scheme.lower()) else f"{host}:{port}"


def _explain(problem: UseProblem, reference: Reference, connection: Connection | None) -> str:
    name = reference.name
    if problem is UseProblem.MISSING or connection is None:
        return f"there is no connection {name}. Add it: blubees connection add {name} …"
    if problem is UseProblem.KIND and reference.use.purpose is Purpose.SIGNATURE:
        return f"{name} is of kind {connection.kind.value}; signatures are checked by one of kind signing_secret."
    if problem is UseProblem.KIND:
        return f"{name} is of kind {connection.kind.value}, which authorises no calls."
    if problem is UseProblem.FLOW:
        return f"{name} may be used by other flows only. Permit this one too: blubees connection permit {name} --flow …"
    allowed = ", ".join(connection.hosts)
    return f"{name} may not go to this step's host, but to {allowed}. Change the URL, or use a connection of that host."
