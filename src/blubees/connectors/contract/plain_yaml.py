"""Reads YAML into plain data with the line of everything: `on`, `yes`, dates stay texts; no aliases, no tags, no doubled keys.

Called by reader.py.
"""

import re
from typing import Any, Final

import yaml

from blubees.connectors.contract.problems import Complaints, Place

TEXT_MAX_BYTES: Final = 2_097_152
DEPTH_MAX: Final = 40
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL: Final = re.compile(r"[-+]?[0-9]{1,30}\.[0-9]{1,30}([eE][-+]?[0-9]{1,3})?")


def read_plain(text: str, complaints: Complaints) -> tuple[Any, dict[Place, int]]:
    """Read one document; gives its data and the line of each place. What is wrong with it is complained of."""
    lines: dict[Place, int] = {}
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_MAX_BYTES:
        complaints.add((), f"The file is larger than {TEXT_MAX_BYTES} bytes.")
        return None, lines
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent) or (isinstance(event, yaml.NodeEvent) and event.anchor):
                line = event.start_mark.line + 1 if event.start_mark else 1
                complaints.add((), f"Line {line}: anchors and aliases are not allowed. Write the value out.")
                return None, lines
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "it ends too early, a bracket is missing, or it is nested too deep"
        complaints.add((), f"This is not YAML: {what}" + (f", line {mark.line + 1}." if mark else "."))
        return None, lines
    if node is None:
        complaints.add((), "The file is empty.")
        return None, lines
    return _build(node, (), lines, complaints), lines


def _build(node: yaml.Node, place: Place, lines: dict[Place, int], complaints: Complaints) -> Any:  # noqa: ANN401 - data
    lines[place] = node.start_mark.line + 1
    if len(place) > DEPTH_MAX:
        complaints.add(place, f"It is nested deeper than {DEPTH_MAX} levels.")
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_build(each, (*place, number), lines, complaints) for number, each in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return read_scalar(node.value, node.style)
    data: dict[str, Any] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is None:
            complaints.add(place, "A key must be a plain name.")
        elif name in data:
            complaints.add((*place, name), f"The key stands here twice (again in line {key.start_mark.line + 1}). Keep one.")
        else:
            data[name] = _build(value, (*place, name), lines, complaints)
    return data


def read_scalar(text: str, style: str | None) -> object:
    """Read a scalar as both kinds of our files do: quoted, a text; else null, true, false, a number, or a text.

    Args:
        text: what stands there, without its quotes.
        style: YAML's: a quote, `|` or `>` where it is no plain one.
    """
    if style in {"'", '"', "|", ">"}:
        return text
    if text in {"", "~", "null"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
