"""Reads a connector's file (YAML with short forms) into the noun. Called by connectors/catalogue.py and `make new-connector`.

What is wrong is told all at once, each with file, line and place. Whether it is sound as a whole: check.py, called from here.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from blubees.connectors.contract.check import check_connector
from blubees.connectors.contract.fields import FieldReader, name_type
from blubees.connectors.contract.plain_yaml import read_plain
from blubees.connectors.contract.problems import Complaints, ConnectorError, Place, Problem
from blubees.connectors.contract.read_action import read_action
from blubees.connectors.contract.words import write_words
from blubees.model.action import Action, ErrorRule, Fixed, Limits
from blubees.model.connector import AuthScheme, Connector, ConnectorTrigger, Hook, Parameter, PollRule, Trial

MAIN: Final = "main"
"""The name of the scheme where a file has but one and gives it none."""


def read_connector(text: str, file: str, hooks: Collection[str] = ()) -> Connector:
    """Read a file.

    Args:
        file: its name, for the problems.
        hooks: the names of the functions of its Python twin.

    Raises:
        ConnectorError: all that is wrong with it.
    """
    complaints = Complaints()
    data, lines = read_plain(text, complaints)
    connector = _read(FieldReader(complaints), data) if not complaints.found or isinstance(data, dict) else None
    if connector is not None and not complaints.found:
        complaints.found.extend(check_connector(connector, hooks))
    if connector is None or complaints.found:
        raise ConnectorError(_locate(problem, file, lines) for problem in complaints.found)
    return connector


def _locate(problem: Problem, file: str, lines: dict[Place, int]) -> Problem:
    known = problem.place
    while known and known not in lines:
        known = known[:-1]
    return msgspec.structs.replace(problem, file=file, line=lines.get(known, 0))


def _read(reader: FieldReader, data: object) -> Connector | None:
    mapping = reader.expect_mapping(data, ())
    if mapping is None:
        return None
    ready: dict[str, Any] = {}
    ready["title"] = mapping.get("title", write_words(str(mapping.get("name", ""))))
    ready["auth"] = _read_auth(reader, mapping.get("auth", {}))
    ready["parameters"] = reader.read_each(Parameter, mapping.get("parameters", {}), ("parameters",))
    ready["limits"] = reader.read(Limits, mapping.get("limits", {}), ("limits",)) or Limits()
    ready["errors"] = reader.read_list(ErrorRule, mapping.get("errors", []), ("errors",))
    if "trial" in mapping:
        ready["trial"] = reader.read(Trial, mapping["trial"], ("trial",))
    actions = reader.expect_mapping(mapping.get("actions", {}), ("actions",)) or {}
    read = {name: read_action(reader, name, each, ("actions", name)) for name, each in actions.items()}
    headers = reader.read(Fixed, {"headers": mapping.get("headers", {})}, ()) or Fixed()
    ready["actions"] = {name: _add_headers(each, headers) for name, each in read.items() if each is not None}
    triggers = reader.expect_mapping(mapping.get("triggers", {}), ("triggers",)) or {}
    seen = {name: _read_trigger(reader, name, each, ("triggers", name)) for name, each in triggers.items()}
    ready["triggers"] = {name: each for name, each in seen.items() if each is not None}
    return reader.read(Connector, mapping, (), ready, also=("headers",))


def _add_headers(action: Action, common: Fixed) -> Action:
    """Give the action with the file's own `headers`: what every call carries (a version, an Accept); its own ones win."""
    fixed = msgspec.structs.replace(action.request.fixed, headers={**common.headers, **action.request.fixed.headers})
    return msgspec.structs.replace(action, request=msgspec.structs.replace(action.request, fixed=fixed))


def _read_auth(reader: FieldReader, data: object) -> dict[str, AuthScheme]:
    mapping = reader.expect_mapping(data, ("auth",)) or {}
    if isinstance(mapping.get("kind"), str):
        one = reader.read(AuthScheme, mapping, ("auth",))
        return {MAIN: one} if one is not None else {}
    return reader.read_each(AuthScheme, mapping, ("auth",))


def _read_trigger(reader: FieldReader, name: str, data: object, place: Place) -> ConnectorTrigger | None:
    mapping = reader.expect_mapping(data, place)
    if mapping is None:
        return None
    ready: dict[str, Any] = {"title": mapping.get("title", write_words(name))}
    if "hook" in mapping:
        ready["hook"] = reader.read(Hook, mapping["hook"], (*place, "hook"))
    if "poll" in mapping:
        ready["poll"] = reader.read(PollRule, mapping["poll"], (*place, "poll"))
    if "schema" in mapping and not isinstance(mapping["schema"], dict):
        reader.complaints.add(
            (*place, "schema"), f"A schema is a mapping (JSON Schema); this is {name_type(mapping['schema'])}."
        )
        return None
    return reader.read(ConnectorTrigger, mapping, place, ready)
