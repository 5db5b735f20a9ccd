"""Fields of issues that are given by the names that people know them by. Called by the jira kinds."""

from collections.abc import Mapping, Sequence
from typing import Any

from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import is_plain_field
from blubees.steps.contract import Tools


async def write_ids(tools: Tools, fields: Mapping[str, Any]) -> dict[str, Any] | Failure:
    """Give the fields of an issue by their ids. A name that no field has stays: Jira says what it thinks of it.

    Fails with `several_fields` where a name is that of more than one, and with `given_twice`.
    """
    if all(map(is_plain_field, fields)):
        return dict(fields)
    names = await tools.list_field_names()
    if isinstance(names, Failure):
        return names
    written: dict[str, Any] = {}
    for name, value in fields.items():
        found = (name,) if is_plain_field(name) else names.find_ids(name)
        if len(found) > 1 or (found or (name,))[0] in written:
            detail = "several_fields" if len(found) > 1 else "given_twice"
            return Failure(code=FailureCode.SETTING_INVALID, field="with.fields", detail=detail)
        written[found[0] if found else name] = value
    return written


async def list_ids(tools: Tools, fields: Sequence[str]) -> list[str] | Failure:
    """Give the ids of fields that are asked for; of all that share a name. What begins with `*` or `-` is Jira's own."""
    if all(is_plain_field(name) or name.startswith(("*", "-")) for name in fields):
        return list(fields)
    names = await tools.list_field_names()
    if isinstance(names, Failure):
        return names
    return [each for name in fields for each in (names.find_ids(name) or (name,))]
