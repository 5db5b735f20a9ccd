"""Rows and events that tests of the vault keep. Also used by bench/proof_vault.py."""

from blubees.model.audit import Actor, AuditAction, AuditEvent
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.ports import ParkedRow, ParkedStatus


def make_parked_row(tenant: TenantId, run: RunId, key: tuple[int, bytes]) -> ParkedRow:
    """An open slot of a run. `key`: which of the tenant's keys seals its own, and that, sealed."""
    return ParkedRow(
        tenant=tenant,
        run=run,
        ordinal=1,
        status=ParkedStatus.OPEN,
        flow=FlowId("f"),
        version=1,
        trigger=TriggerKind.WEBHOOK,
        accepted_at_milliseconds=1,
        key_version=key[0],
        sealed_key=key[1],
    )


def make_shredding(tenant: TenantId, at_milliseconds: int = 1) -> AuditEvent:
    """Tells that a tenant was shredded."""
    event = f"e{at_milliseconds:026d}"
    return AuditEvent(
        event=event,
        tenant=tenant,
        at_milliseconds=at_milliseconds,
        action=AuditAction.TENANT_SHREDDED,
        actor=Actor.OPERATOR,
    )
