"""The connectors that a tenant's flows may name: the catalogue's and those that it imported. Port ConnectorShelf.

What is given is small: of an imported connector with thousands of forms only those come along that are nearest to the actions.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from blubees.connectors.catalogue import list_catalogue, load_connector
from blubees.connectors.contract.check_schema import list_action_schemas
from blubees.connectors.packing import cut_references, list_forms_of, unpack_connector, unpack_form
from blubees.connectors.trimming import list_used_actions, trim_connector
from blubees.model.action import Action, Schema
from blubees.model.connector import Connector
from blubees.model.ids import TenantId
from blubees.ports import ConnectorStore

FORMS_MAX_BYTES: Final = 131_072  # docs/decisions/0043: a quarter of what a version may pin (0041)
ROUNDS_MAX: Final = 12  # how many references deep


class TenantShelf:
    """Port ConnectorShelf."""

    def __init__(self, store: ConnectorStore) -> None:
        self._store = store

    async def find(
        self, tenant: TenantId, name: str, *, actions: Collection[str] = (), triggers: Collection[str] = ()
    ) -> Connector | None:
        """See the port."""
        known = load_connector(name)
        if known is not None:
            return trim_connector(known, actions, triggers)
        row = await self._store.load(tenant, name)
        if row is None:
            return None
        head = unpack_connector(row.packed, (), ())
        chosen = {each: head.triggers[each] for each in triggers if each in head.triggers}
        wanted = {*actions, *(used for each in chosen.values() for used in list_used_actions(each))}
        found = unpack_connector(row.packed, await self._store.load_actions(tenant, name, wanted), ())
        kept = {each: msgspec.structs.replace(action, examples=()) for each, action in found.actions.items()}
        roots = [schema for each in kept.values() for _, schema in list_action_schemas(each)]
        forms = await self.load_forms(tenant, name, [*roots, *(each.schema for each in chosen.values())])
        return msgspec.structs.replace(
            found,
            actions={each: cut_action(action, forms) for each, action in kept.items()},
            triggers={
                each: msgspec.structs.replace(trigger, schema=cut_references(trigger.schema, forms))
                for each, trigger in chosen.items()
            },
            schemas=forms,
            trial=None,
            exemptions={},
        )

    async def load_forms(self, tenant: TenantId, name: str, roots: Sequence[object]) -> dict[str, Schema]:
        """Give the forms that are reached, the nearest first, as many as may come along; beyond, anything is allowed."""
        forms: dict[str, Schema] = {}
        wanted = list_forms_of(roots)
        size = 0
        for _ in range(ROUNDS_MAX):
            fresh = [each for each in wanted if each not in forms]
            if not fresh:
                break
            rows = {each.name: each for each in await self._store.load_forms(tenant, name, fresh)}
            added = []
            for each in fresh:
                if each not in rows:
                    continue
                form = unpack_form(rows[each])
                size += len(msgspec.json.encode(form))
                if size > FORMS_MAX_BYTES:
                    return _close(forms)
                forms[each] = form
                added.append(form)
            wanted = list_forms_of(added)
        return _close(forms)

    async def list_connectors(self, tenant: TenantId) -> Sequence[str]:
        """See the port."""
        return sorted({*list_catalogue(), *(each.name for each in await self._store.list(tenant))})

    async def list_names(self, tenant: TenantId, name: str) -> tuple[Sequence[str], Sequence[str]]:
        """See the port."""
        known = load_connector(name)
        if known is not None:
            return sorted(known.actions), sorted(known.triggers)
        row = await self._store.load(tenant, name)
        if row is None:
            return (), ()
        actions = [each.name for each in await self._store.list_actions(tenant, name)]
        return actions, sorted(unpack_connector(row.packed, (), ()).triggers)


def cut_action(action: Action, forms: Collection[str]) -> Action:
    """Give an action whose references lead only to these forms."""
    inputs = {
        name: msgspec.structs.replace(each, schema=cut_references(each.schema, forms)) for name, each in action.inputs.items()
    }
    outputs = {
        name: msgspec.structs.replace(each, schema=cut_references(each.schema, forms))
        for name, each in action.answer.outputs.items()
    }
    answer = msgspec.structs.replace(action.answer, outputs=outputs, schema=cut_references(action.answer.schema, forms))
    return msgspec.structs.replace(action, inputs=inputs, answer=answer)


def _close(forms: dict[str, Schema]) -> dict[str, Schema]:
    return {name: cut_references(form, forms) for name, form in forms.items()}
