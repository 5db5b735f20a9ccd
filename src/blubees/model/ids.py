"""Typed ids and the forms they may have. Used by every room; made in doors (tenants) and through the chance port (the rest)."""

import hashlib
import re
from typing import Final, NewType

TenantId = NewType("TenantId", str)
FlowId = NewType("FlowId", str)
RunId = NewType("RunId", str)
StepId = NewType("StepId", str)
ConnectionName = NewType("ConnectionName", str)

TENANT_PATTERN: Final = r"^t[0-9a-f]{24}$"
FLOW_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
RUN_PATTERN: Final = r"^r[0-9a-v]{26}$"
STEP_PATTERN: Final = r"^[a-z][a-z0-9_]{0,62}$"
CONNECTION_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"

_CLOUD_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def name_tenant(environment_id: str, cloud_id: str) -> TenantId:
    """Give the tenant of one Jira Cloud site in one app environment.

    The id is a digest, so that any process can compute it without asking, and so that it says nothing in a log.

    Args:
        environment_id: the Forge environment (an ARI or a UUID), as in the invocation token.
        cloud_id: the site's cloudId, 36 characters.

    Source: docs/decisions/0005-tenant-isolation.md.
    """
    if not _CLOUD_ID.fullmatch(cloud_id):
        raise ValueError("cloud_id is not a lower-case UUID of 36 characters")
    digest = hashlib.sha256(f"{environment_id}\x00{cloud_id}".encode()).hexdigest()
    return TenantId("t" + digest[:24])
