"""Hosts written into a flow that its tenant's rules do not permit. Called by flows/versions.py when a flow is published.

A host that only the run knows, since a smart value gives it, is judged when it is called.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from blubees.connectors.actions.perform import CONNECTION, is_called_as_app
from blubees.model.connector import Connector
from blubees.model.egress import HostJudge, read_host_rule
from blubees.model.flow import Flow, Step
from blubees.model.settings import TenantSettings
from blubees.steps.actions import name_source

_OPEN: Final = "{"  # twice: a smart value; once, in a connector's base URL: a parameter of its connection


def list_unreachable(flow: Flow, settings: TenantSettings, connectors: Iterable[Connector] = ()) -> list[str]:
    """Tell each step that calls such a host: a line for people each.

    Args:
        connectors: those of the flow's steps.
    """
    if not settings.egress_allow and not settings.egress_deny:
        return []
    judge = HostJudge(settings.egress_allow, settings.egress_deny)
    known = {each.name: each for each in connectors}
    return [
        f"step {step.id}: {place} leads to {host}, which this tenant's settings do not permit (`tenants settings`: "
        "egress_allow, egress_deny). Call another host, or have an administrator permit it."
        for step in _list_steps(flow.steps)
        for place, host in (*_list_hosts(step.settings, "with"), *_list_hosts_of_action(step, known))
        if not judge.permits(host)
    ]


def _list_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        for branch in step.branches:
            yield from _list_steps(branch.steps)


def _list_hosts_of_action(step: Step, connectors: Mapping[str, Connector]) -> Iterator[tuple[str, str]]:
    """The host of a connector's action, where it is the same for all connections and not the tenant's own Jira."""
    name, _, action = step.kind.partition(".")
    connector = connectors.get(name)
    if connector is None or action not in connector.actions:
        return
    if is_called_as_app(connector, action) and not step.settings.get(CONNECTION):
        return
    host = _read_literal_host(connector.actions[action].request.base_url or connector.base_url)
    if host is not None:
        yield "kind", host
    for key, value in step.settings.items():
        source = name_source(value)
        owner = connectors.get(source.partition(".")[0]) if source else None
        given = owner.actions.get(source.partition(".")[2]) if owner is not None else None
        host = _read_literal_host(given.request.base_url or owner.base_url) if owner is not None and given is not None else None
        if host is not None:
            yield f"with.{key}.from", host


def _list_hosts(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Every `url`, `from_url` and so on among a step's settings whose host is written out."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _list_hosts(inner, f"{place}.{name}")
        elif (name == "url" or name.endswith("_url")) and isinstance(inner, str):
            host = _read_literal_host(inner)
            if host is not None:
                yield f"{place}.{name}", host


def _read_literal_host(url: str) -> str | None:
    scheme, separator, rest = url.strip().partition("://")
    authority = rest.replace("\\", "/").partition("/")[0].partition("?")[0].partition("#")[0]
    if not separator or scheme.lower() not in {"http", "https"} or _OPEN in authority:
        return None
    try:
        host = urlsplit(f"//{authority}").hostname
    except ValueError:
        return None
    return read_host_rule(host) if host else None
