"""Matching does not look at flows that don't match."""

from typing import Any

from blubees.engine.scope import trigger_scope
from blubees.flows.match import FlowIndex
from blubees.model.event import RawEvent
from blubees.model.flow import Flow, PublishedFlow, Step, Trigger, TriggerKind
from blubees.model.ids import FlowId, StepId, TenantId

TENANT = TenantId("t" + "0" * 24)


def publish(number: int, where: str, *, tenant: TenantId = TENANT) -> PublishedFlow:
    flow = Flow(
        id=FlowId(f"flow-{number}"),
        name="F",
        trigger=Trigger(on=TriggerKind.ISSUE_CREATED, where=where),
        steps=(Step(id=StepId("a"), kind="stop"),),
    )
    return PublishedFlow(tenant=tenant, version=1, flow=flow)


def match(index: FlowIndex, type_name: str, tenant: TenantId = TENANT) -> list[str]:
    document: Any = {"issue": {"key": "A-1", "fields": {"issuetype": {"name": type_name}}}}
    event = RawEvent(tenant=tenant, trigger=TriggerKind.ISSUE_CREATED, body=b"", document=document)
    return [each.flow.id for each in index.match(event, trigger_scope(event.trigger, document, {}, {}))]


def fill(count: int) -> FlowIndex:
    index = FlowIndex()
    for number in range(count):
        plan = publish(number, f'{{{{issue.issueType.name.equals("Kind{number}")}}}}')
        index.changed(TENANT, plan.flow.id, plan)
    return index


def test_the_work_is_the_same_with_10_and_10000_flows_that_do_not_match() -> None:
    counts = []
    for size in (10, 10_000):
        index = fill(size)
        assert match(index, "Kind3") == ["flow-3"]
        assert match(index, "Other") == []
        counts.append(index.evaluated_conditions)
    assert counts == [1, 1]


def test_other_tenants_flows_never_match() -> None:
    assert match(fill(3), "Kind1", TenantId("t" + "1" * 24)) == []


def test_a_changed_flow_is_found_by_its_new_condition_only_and_a_withdrawn_one_not_at_all() -> None:
    index = fill(2)
    plan = publish(1, '{{issue.issueType.name.equals("New")}}')
    index.changed(TENANT, plan.flow.id, plan)
    assert match(index, "Kind1") == []
    assert match(index, "New") == ["flow-1"]
    index.changed(TENANT, plan.flow.id, None)
    assert match(index, "New") == []
    assert index.count == 1


def test_a_condition_that_fails_does_not_hold_and_is_counted() -> None:
    index = FlowIndex()
    plan = publish(1, '{{issue.key.leftPad(2000000000, "x")}}')
    index.changed(TENANT, plan.flow.id, plan)
    assert match(index, "Bug") == []
    assert index.failed_conditions == 1
