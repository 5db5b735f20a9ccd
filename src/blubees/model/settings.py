"""What a tenant's administrators decide about all of its runs. Kept by operations/settings.py; told to conduits by a board."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from blubees.model.egress import HostJudge, HostRules
from blubees.model.ids import TenantId
from blubees.model.receipt import TenantText

REPLAY_HOURS_MAX: Final = 24.0


class Parking(StrEnum):
    """Whether a flow may carry payload over a wait (sealed, in the customer's own Jira)."""

    ALLOW = "allow"
    REFUSE = "refuse"


class Shapes(StrEnum):
    """Of which runs receipts tell shapes."""

    FAILED = "failed"
    ALL = "all"


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tenant's settings.

    Attributes:
        parking: `refuse`: a flow that would carry payload over a wait is refused when it is published.
        replay_hours: how long the state of a failed run stays in the broker's memory, to go on from its failed step; 0: never.
        shapes: whether the shapes of what went into and out of steps are told of failed runs only, or of all.
        egress_allow: hosts that calls may reach, `example.com` or `*.example.com`; empty: all that are not denied.
        egress_deny: hosts that they may not reach, also where `egress_allow` names them.
    """

    tenant: TenantText
    parking: Parking = Parking.ALLOW
    replay_hours: Annotated[float, msgspec.Meta(ge=0, le=REPLAY_HOURS_MAX)] = 1.0
    shapes: Shapes = Shapes.FAILED
    egress_allow: HostRules = ()
    egress_deny: HostRules = ()


class SettingsShelf:
    """The settings of all tenants, as a conduit knows them from the board. Who is not on it has the defaults."""

    def __init__(self) -> None:
        self._known: dict[TenantId, TenantSettings] = {}
        self._judges: dict[TenantId, HostJudge] = {}

    def learn(self, settings: TenantSettings) -> None:
        """Keep what the board told."""
        tenant = TenantId(settings.tenant)
        self._known[tenant] = settings
        self._judges.pop(tenant, None)
        if settings.egress_allow or settings.egress_deny:
            self._judges[tenant] = HostJudge(settings.egress_allow, settings.egress_deny)

    def of(self, tenant: TenantId) -> TenantSettings:
        """One tenant's settings."""
        return self._known.get(tenant) or TenantSettings(tenant=tenant)

    def find_judge(self, tenant: TenantId) -> HostJudge | None:
        """Who judges a tenant's hosts; None: it has no rules."""
        return self._judges.get(tenant)
