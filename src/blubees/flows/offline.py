"""Checks a flow's text where there is no server: against the catalogue only. Called by `blubees flow check` and tests.

Connectors that a tenant has imported are known to its server: publishing checks against them.
"""

from collections.abc import Mapping

from blubees.connectors.catalogue import list_catalogue, load_connector
from blubees.connectors.catalogue_shelf import find_in_catalogue
from blubees.flows.check import CheckedFlow, check_flow
from blubees.flows.connectors import FoundConnectors, list_named
from blubees.flows.document import read_document
from blubees.steps.book import KindEntry


def check_offline(text: str, book: Mapping[str, KindEntry]) -> CheckedFlow:
    """Check a text."""
    actions, triggers = list_named(read_document(text).data, book)
    found, names = [], set(list_catalogue())
    for name in {*actions, *triggers}:
        connector = find_in_catalogue(name, actions.get(name, ()), triggers.get(name, ()))
        whole = load_connector(name)
        if connector is not None and whole is not None:
            found.append(connector)
            names |= {f"{name}.{each}" for each in (*whole.actions, *whole.triggers)}
    return check_flow(text, book, FoundConnectors(tuple(found), frozenset(names)))
