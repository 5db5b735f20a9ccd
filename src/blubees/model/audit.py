"""Audit events as nouns: who did what, when, with which credential or key; no secret. Kept by operations/audit.py."""

from enum import StrEnum

import msgspec

from blubees.model.ids import TenantId


class AuditAction(StrEnum):
    """What was done."""

    LEASE_OPENED = "lease_opened"
    LEASE_REFUSED = "lease_refused"
    CONNECTION_SAVED = "connection_saved"
    CONNECTION_DELETED = "connection_deleted"
    SECRETS_IMPORTED = "secrets_imported"
    KEYS_ROTATED = "keys_rotated"
    TENANT_SHREDDED = "tenant_shredded"
    HOOK_REGISTERED = "hook_registered"
    HOOK_TAKEN_BACK = "hook_taken_back"
    HOOK_LEFT = "hook_left"  # it stays at its vendor: taking it back was given up


class Actor(StrEnum):
    """Who did it."""

    CONDUIT = "conduit"
    OPERATOR = "operator"
    CONTROL_PLANE = "control_plane"


LEASES: frozenset[AuditAction] = frozenset({AuditAction.LEASE_OPENED, AuditAction.LEASE_REFUSED})


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    Attributes:
        event: sorts by time, and tells it from others.
        connection: its name; empty where it is about none.
        purpose, flow, run, step: what a lease was for, as far as it is known.
        uses: for how many calls it was opened (those of one step that were asked for at once).
        detail: a closed word: why it was refused, or which level was rotated.
    """

    event: str
    tenant: TenantId
    at_milliseconds: int
    action: AuditAction
    actor: Actor
    connection: str = ""
    purpose: str = ""
    flow: str = ""
    run: str = ""
    step: str = ""
    uses: int = 1
    detail: str = ""
