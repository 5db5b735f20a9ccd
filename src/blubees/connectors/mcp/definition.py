"""A tool as its server defines it, and the hash by which a change of it is seen. Used by tool_call.py and importers/mcp.py."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

HASH_CHARACTERS: Final = 32
_DEFINES: Final = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
"""What people and models go by. Icons and `_meta` may change without anybody being misled."""


def hash_tool(tool: Mapping[str, Any]) -> str:
    """Give the hash of a tool's definition: of the server's own words, before anything was cleaned."""
    told = {key: tool[key] for key in _DEFINES if key in tool}
    try:
        written = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half of a surrogate pair, or a number that is no JSON: never the same as anything
        return ""
    return hashlib.sha256(written).hexdigest()[:HASH_CHARACTERS]
