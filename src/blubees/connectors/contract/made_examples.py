"""Examples that a machine made, in a file beside the connector's: `jira.examples.json`, action → examples.

Used by connectors/catalogue.py. What a person writes stands in the YAML file, and wins. docs/decisions/0053.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from blubees.connectors.contract.check import check_connector
from blubees.connectors.contract.fields import FieldReader
from blubees.connectors.contract.problems import Complaints, ConnectorError, Place
from blubees.connectors.contract.read_action import read_examples
from blubees.model.action import ActionExample
from blubees.model.connector import Connector

_PLACE: Final[Place] = ("examples",)


def add_examples(connector: Connector, content: bytes, file: str, hooks: Collection[str] = ()) -> Connector:
    """Give a connector with the examples of a file.

    Raises:
        ConnectorError: the file is not sound, is for an action that is not there, or for one with examples of its own.
    """
    complaints = Complaints()
    reader = FieldReader(complaints)
    try:
        data = reader.expect_mapping(orjson.loads(content), _PLACE) or {}
    except orjson.JSONDecodeError as error:
        complaints.add(_PLACE, f"This is not JSON: {error}.")
        data = {}
    actions = dict(connector.actions)
    for name, given in data.items():
        action = actions.get(name)
        if action is None:
            complaints.add_unknown((*_PLACE, name), "action", name, actions)
        elif action.examples:
            complaints.add((*_PLACE, name), "The connector's own file has examples of it. Keep those.")
        else:
            examples = read_examples(reader, given, ("actions", name, "examples"))
            actions[name] = msgspec.structs.replace(action, examples=examples)
    whole = msgspec.structs.replace(connector, actions=actions)
    if not complaints.found:
        complaints.found.extend(check_connector(whole, hooks))
    if complaints.found:
        raise ConnectorError(msgspec.structs.replace(problem, file=file) for problem in complaints.found)
    return whole


def write_examples(examples: Mapping[str, Sequence[ActionExample]]) -> bytes:
    """Write such a file: a line for each example, so that a change of one is a change of one line."""
    lines: list[bytes] = []
    for name, each in sorted(examples.items()):
        inner = b",\n  ".join(orjson.dumps(_shorten(example)) for example in each)
        lines.append(orjson.dumps(name) + b": [\n  " + inner + b"\n]")
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def _shorten(example: ActionExample) -> dict[str, Any]:
    """Write one example without what goes without saying."""
    written: dict[str, Any] = {"inputs": example.inputs}
    for name in ("asks", "replies"):
        listed = [msgspec.to_builtins(each) for each in getattr(example, name)]
        if listed:
            written[name] = listed[0] if len(listed) == 1 else listed
    written |= {"fails": example.fails} if example.fails else {"gives": example.gives}
    return written
