"""Fills a connection with what its connector's vendor prescribes: addresses of OAuth, the header's name, hosts.

Called by operations/connections.py when a connection names its connector.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import re2

from blubees.connectors.parameters import fill_url
from blubees.model.authorisation import PARAMETER_PREFIX, write_settings
from blubees.model.connection import ConnectionKind
from blubees.model.connector import AuthScheme, Connector
from blubees.model.errors import InputError

TEXT_MAX_CHARACTERS: Final = 253


def choose_scheme(connector: Connector, kind: ConnectionKind | None) -> tuple[ConnectionKind, AuthScheme]:
    """Choose the way to authorise; with no kind, the connector's first.

    Raises:
        InputError: the connector has none of this kind.
    """
    known = {each.value: each for each in ConnectionKind}
    schemes = [(known[each.kind], each) for each in connector.auth.values() if each.kind in known]
    for found, scheme in schemes:
        if kind in {None, found}:
            return found, scheme
    kinds = " or ".join(dict.fromkeys(found.value for found, _ in schemes)) or "no connection at all"
    raise InputError(f"kind: {connector.name} is authorised by {kinds}.")


def fill_settings(connector: Connector, scheme: AuthScheme, settings: Mapping[str, str]) -> dict[str, str]:
    """Give the settings with those that the vendor prescribes; what a person gives counts more.

    Raises:
        InputError: with all parameters that are missing, or are not what they may be.
    """
    problems = [
        problem for name in connector.parameters if (problem := _check_parameter(connector, name, settings)) is not None
    ]
    if problems:
        raise InputError("The connection can't be taken: " + " ".join(problems), tuple(problems))
    defaults = {name: each.default for name, each in connector.parameters.items()}
    filled = {name: fill_url(text, defaults, settings) or text for name, text in write_settings(scheme.settings).items()}
    return filled | dict(settings)


def find_hosts(connector: Connector, settings: Mapping[str, str]) -> tuple[str, ...]:
    """Give the hosts that the connector calls, as its base URLs and the connection's parameters have them."""
    defaults = {name: each.default for name, each in connector.parameters.items()}
    urls = dict.fromkeys([connector.base_url, *(each.request.base_url for each in connector.actions.values())])
    hosts = [urlsplit(filled).netloc.lower() for url in urls if url and (filled := fill_url(url, defaults, settings))]
    return tuple(dict.fromkeys(each for each in hosts if each))


def _check_parameter(connector: Connector, name: str, settings: Mapping[str, str]) -> str | None:
    parameter = connector.parameters[name]
    text = settings.get(PARAMETER_PREFIX + name) or parameter.default
    setting = PARAMETER_PREFIX + name
    if not text:
        example = f", such as {parameter.example}" if parameter.example else ""
        return f"{setting}: {connector.name} needs it: {parameter.title or name}{example}."
    if parameter.choices and text not in parameter.choices:
        return f"{setting}: must be one of {', '.join(parameter.choices)}."
    if text == parameter.default:
        return None  # ours, and perhaps made of another parameter
    if len(text) > TEXT_MAX_CHARACTERS or not re2.fullmatch(parameter.pattern, text):
        return f"{setting}: is not what {connector.name} has there; it matches {parameter.pattern}."
    return None
