"""A connector in pieces for a database: head, actions and forms, each as compressed JSON. Called by operations and main.

So one action of 22,000 is found, loaded and pinned without the others. The same noun always gives the same bytes.
"""

import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from blubees.connectors.contract.check_schema import REFERENCE, list_references
from blubees.connectors.importers.names import to_name
from blubees.model.action import Action, Schema
from blubees.model.connector import Connector
from blubees.model.ids import TenantId
from blubees.ports import ActionRow, ConnectorRow, FormRow

UNPACKED_MAX_BYTES: Final = 33_554_432  # docs/decisions/0043
WORDS_MAX: Final = 1_000
_DESCRIPTION_WORDS: Final = 400  # characters of a description that a search looks at
_WORD: Final = re.compile(r"[a-z0-9]{2,40}")
_LEVEL: Final = 6


def pack_connector(connector: Connector, tenant: TenantId, origin: str) -> tuple[ConnectorRow, list[ActionRow], list[FormRow]]:
    """Take a connector apart."""
    head = msgspec.structs.replace(connector, actions={}, schemas={})
    row = ConnectorRow(
        tenant=tenant,
        name=connector.name,
        title=connector.title,
        source=connector.source,
        source_version=connector.source_version,
        origin=origin,
        actions=len(connector.actions),
        triggers=len(connector.triggers),
        packed=_pack(head),
    )
    actions = [_pack_action(name, each) for name, each in connector.actions.items()]
    return row, actions, [FormRow(name=name, packed=_pack(each)) for name, each in connector.schemas.items()]


def unpack_connector(packed: bytes, actions: Iterable[ActionRow], forms: Iterable[FormRow]) -> Connector:
    """Put a connector together, of as many of its actions and forms as are given."""
    head = msgspec.json.decode(_unpack(packed), type=Connector)
    return msgspec.structs.replace(
        head,
        actions={each.name: unpack_action(each) for each in actions},
        schemas={each.name: unpack_form(each) for each in forms},
    )


def unpack_action(row: ActionRow) -> Action:
    """Give an action."""
    return msgspec.json.decode(_unpack(row.packed), type=Action)


def unpack_form(row: FormRow) -> Schema:
    """Give a form."""
    form: Schema = msgspec.json.decode(_unpack(row.packed))
    return form


def list_forms_of(schemas: Iterable[object]) -> list[str]:
    """Name the forms that schemas refer to, each once, in order."""
    names = (target.removeprefix(REFERENCE) for each in schemas for target in list_references(each))
    return list(dict.fromkeys(names))


def cut_references(schema: Any, known: Iterable[str]) -> Any:  # noqa: ANN401 - JSON Schema
    """Give a form in which a reference to what is not known allows anything."""
    names = {REFERENCE + each for each in known}

    def cut(value: Any) -> Any:  # noqa: ANN401 - JSON Schema
        if isinstance(value, dict):
            kept = {key: cut(each) for key, each in value.items()}
            if isinstance(kept.get("$ref"), str) and kept["$ref"] not in names:
                del kept["$ref"]
            return kept
        return [cut(each) for each in value] if isinstance(value, list) else value

    return cut(schema)


def to_search_words(text: str) -> Sequence[str]:
    """Give the words of a text that a search goes by: `listRepos for user` → list, repos, for, user."""
    return _WORD.findall(to_name(text, limit=4_000).replace("_", " "))


def _pack_action(name: str, action: Action) -> ActionRow:
    path = action.request.path or action.request.tool
    told = f"{name} {action.title} {action.group} {path} {action.description[:_DESCRIPTION_WORDS]}"
    words = "".join(f" {each}" for each in dict.fromkeys(to_search_words(told)))
    return ActionRow(
        name=name,
        title=action.title,
        group=action.group,
        effect=action.effect.value,
        method=action.request.method,
        path=path[:500],
        is_deprecated=action.is_deprecated,
        words=words[:WORDS_MAX],
        packed=_pack(action),
    )


def _pack(noun: object) -> bytes:
    return zlib.compress(msgspec.json.encode(noun), _LEVEL)


def _unpack(packed: bytes) -> bytes:
    return zlib.decompressobj().decompress(packed, UNPACKED_MAX_BYTES)
