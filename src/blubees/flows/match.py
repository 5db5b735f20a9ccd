"""Which flows does an event start? An index whose cost does not grow with the flows that don't match. Kept by conduits.

Flows whose condition can only hold for one text at one path (`issue.issueType.name.equals("Bug")`) stand under that text; for
each distinct path of a tenant's flows the event's value is looked up once. Called by flows/intake.py and doors/webhooks.py.
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Final

from blubees.engine.named_fields import list_event_roots, names_fields
from blubees.expressions.errors import EvaluationError
from blubees.expressions.template import Template, compile_template, equality
from blubees.model.event import RawEvent
from blubees.model.flow import PublishedFlow, TriggerKind
from blubees.model.ids import FlowId, TenantId

CONDITIONS_KEPT: Final = 8_192
_Key = tuple[TenantId, FlowId]


class _Group:
    """The flows of one tenant for one kind of trigger."""

    __slots__ = ("by_path", "others")

    def __init__(self) -> None:
        self.by_path: dict[tuple[str, ...], dict[str, dict[FlowId, PublishedFlow]]] = {}
        self.others: dict[FlowId, PublishedFlow] = {}

    def place(self, flow: PublishedFlow) -> dict[FlowId, PublishedFlow]:
        """The shelf that a flow stands on."""
        where = flow.flow.trigger.where
        found = equality(_compile(where)) if where else None
        if found is None:
            return self.others
        path, text = found
        return self.by_path.setdefault(path, {}).setdefault(text, {})

    def remove(self, flow: PublishedFlow) -> None:
        """Take a flow out, and the shelf with it when it is empty."""
        shelf = self.place(flow)
        shelf.pop(flow.flow.id, None)
        where = flow.flow.trigger.where
        found = equality(_compile(where)) if where else None
        if found is None or shelf:
            return
        path, text = found
        del self.by_path[path][text]
        if not self.by_path[path]:
            del self.by_path[path]


class FlowIndex:
    """The live flows of all tenants, as a conduit knows them from the plan board."""

    def __init__(self) -> None:
        self._flows: dict[_Key, PublishedFlow] = {}
        self._groups: dict[tuple[TenantId, TriggerKind], _Group] = {}
        self._hooks: dict[tuple[TenantId, str], PublishedFlow] = {}
        self._from_flows: Counter[TenantId] = Counter()
        self._naming_fields: Counter[TenantId] = Counter()
        self.failed_conditions = 0
        self.evaluated_conditions = 0

    @property
    def count(self) -> int:
        """How many flows are live."""
        return len(self._flows)

    def changed(self, tenant: TenantId, flow_id: FlowId, plan: PublishedFlow | None) -> None:
        """Learn that a flow has another live version, or none."""
        before = self._flows.pop((tenant, flow_id), None)
        if before is not None:
            self._groups[tenant, before.flow.trigger.on].remove(before)
            self._hooks.pop((tenant, before.hook_token_hash), None)
            self._from_flows[tenant] -= before.flow.trigger.from_flows
            self._naming_fields[tenant] -= _names_fields(before)
        if plan is None:
            return
        self._flows[tenant, flow_id] = plan
        self._from_flows[tenant] += plan.flow.trigger.from_flows
        self._naming_fields[tenant] += _names_fields(plan)
        self._groups.setdefault((tenant, plan.flow.trigger.on), _Group()).place(plan)[flow_id] = plan
        if plan.hook_token_hash:
            self._hooks[tenant, plan.hook_token_hash] = plan

    def keep_only(self, keys: AbstractSet[tuple[TenantId, FlowId]]) -> None:
        """Forget every other flow: it was withdrawn while nobody could tell."""
        for tenant, flow in [key for key in self._flows if key not in keys]:
            self.changed(tenant, flow, None)

    def wants_own(self, tenant: TenantId) -> bool:
        """Whether the tenant has flows that are started by what flows did."""
        return self._from_flows[tenant] > 0

    def names_fields(self, tenant: TenantId) -> bool:
        """Whether a condition of the tenant's flows may read a field of an issue by its name."""
        return self._naming_fields[tenant] > 0

    def find_hook(self, tenant: TenantId, token_hash: str) -> PublishedFlow | None:
        """Give the flow that a webhook token belongs to."""
        return self._hooks.get((tenant, token_hash))

    def find(self, tenant: TenantId, flow_id: FlowId) -> PublishedFlow | None:
        """Give a live flow by its id."""
        return self._flows.get((tenant, flow_id))

    def match(self, event: RawEvent, scope: Mapping[str, Any]) -> list[PublishedFlow]:
        """Give the flows that the event starts. A condition that can't be worked out does not hold, and is counted."""
        if event.hook is not None:
            return [event.hook] if self._holds(event.hook, scope) else []
        group = self._groups.get((event.tenant, event.trigger))
        if group is None:
            return []
        candidates = list(group.others.values())
        for path, texts in group.by_path.items():
            shelf = texts.get(_read_path(path, scope))
            if shelf:
                candidates += shelf.values()
        if event.is_own:
            candidates = [flow for flow in candidates if flow.flow.trigger.from_flows]
        return [flow for flow in candidates if self._holds(flow, scope)]

    def _holds(self, flow: PublishedFlow, scope: Mapping[str, Any]) -> bool:
        where = flow.flow.trigger.where
        if not where:
            return True
        self.evaluated_conditions += 1
        try:
            return _compile(where).holds(scope)
        except EvaluationError:
            self.failed_conditions += 1
            return False


def _names_fields(flow: PublishedFlow) -> bool:
    trigger = flow.flow.trigger
    return bool(trigger.where) and names_fields(trigger.where, list_event_roots(trigger))


@lru_cache(maxsize=CONDITIONS_KEPT)
def _compile(where: str) -> Template:
    """Conditions are configuration, not payload: they may be kept."""
    return compile_template(where)


@lru_cache(maxsize=1_024)
def _compile_path(path: tuple[str, ...]) -> Template:
    return compile_template("{{" + ".".join(name if name.isidentifier() else f'"{name}"' for name in path) + "}}")


def _read_path(path: tuple[str, ...], scope: Mapping[str, Any]) -> str:
    try:
        return _compile_path(path).text(scope)
    except EvaluationError:
        return ""
