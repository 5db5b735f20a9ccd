"""Finds the files of the catalogue, and reads them when they are asked for. Called by main, operations and the tests."""

import functools
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from importlib import resources
from types import ModuleType
from typing import Any, Final

from blubees.connectors.contract.made_examples import add_examples
from blubees.connectors.contract.problems import ConnectorError, Problem
from blubees.connectors.contract.reader import read_connector
from blubees.model.connector import CATALOGUE, Connector

PACKAGE: Final = "blubees.connectors.catalog"
SUFFIX: Final = ".yaml"
MADE: Final = ".examples.json"
"""Ends the name of a file of examples that a machine made."""


@functools.cache
def list_catalogue() -> tuple[str, ...]:
    """Give the names of all connectors of the catalogue."""
    names = (each.name for each in resources.files(PACKAGE).iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)))


@functools.cache
def load_connector(name: str) -> Connector | None:
    """Give a connector of the catalogue, as its file is; None when it has none of this name.

    Examples that stand in a file of their own are left out: who runs flows needs none (`load_documented`).

    Raises:
        ConnectorError: its file is not sound; the tests see to it that none is.
    """
    if name not in list_catalogue():
        return None
    file = name + SUFFIX
    text = resources.files(PACKAGE).joinpath(file).read_text(encoding="utf-8")
    connector = read_connector(text, file, list_hooks(name))
    if connector.name != name:
        raise ConnectorError([Problem(place=("name",), message=f"This must be {name!r}, as the file is called.", file=file)])
    return connector


@functools.cache
def load_documented(name: str) -> Connector | None:
    """Give a connector with all its examples: those of the file that a machine made too. Raises ConnectorError."""
    connector = load_connector(name)
    place = resources.files(PACKAGE).joinpath(name + MADE)
    if connector is None or not place.is_file():
        return connector
    return add_examples(connector, place.read_bytes(), name + MADE, list_hooks(name))


def load_catalogue() -> tuple[Connector, ...]:
    """Give all connectors of the catalogue."""
    return tuple(each for name in list_catalogue() if (each := load_connector(name)) is not None)


def list_hooks(name: str) -> dict[str, Callable[..., Any]]:
    """Give the public functions of a connector's Python twin by name; none where it has no twin."""
    twin = load_twin(name)
    functions = inspect.getmembers(twin, inspect.isfunction) if twin is not None else []
    own = f"{PACKAGE}.{name}"
    return {each: function for each, function in functions if not each.startswith("_") and function.__module__ == own}


def find_hooks(connector: Connector) -> dict[str, Callable[..., Any]]:
    """Give the hooks of a connector: one that was imported has none, whatever its name."""
    return list_hooks(connector.name) if connector.source == CATALOGUE else {}


@functools.cache
def load_twin(name: str) -> ModuleType | None:
    """Give the Python twin of a connector of the catalogue; None where it has none."""
    module = f"{PACKAGE}.{name}"
    if name not in list_catalogue() or importlib.util.find_spec(module) is None:
        return None
    return importlib.import_module(module)


def load_twins() -> None:
    """Import all Python twins, and read the files beside them, whose actions they perform: a conduit does so before its lock.

    The other files are not read there: plans bring their connectors with them (docs/decisions/0055).
    """
    for name in list_catalogue():
        if load_twin(name) is not None:
            load_connector(name)
