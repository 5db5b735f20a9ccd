"""What the control plane asks conduits to do, since it never sees payload: orders. Delivered at least once, to some conduit.

Made by operations; carried by the port OrderBox; carried out by main/conduit.py's desks, which must bear to get one twice.
An order holds ids and references only.
"""

from typing import Annotated

import msgspec

from blubees.model.receipt import RunText, TenantText


class Wake(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="wake"):
    """A parked run shall go on.

    Attributes:
        ordinal: of the parking that is over, counted from 1 in each run.
    """

    tenant: TenantText
    run: RunText
    ordinal: Annotated[int, msgspec.Meta(ge=1)]


class Clear(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="clear"):
    """A parked run is over: what it left in the customer's Jira shall be deleted.

    Attributes:
        issue: the id of the issue whose properties they are; empty for app properties.
        parts: how many properties.
    """

    tenant: TenantText
    run: RunText
    issue: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,20}$")] = ""
    parts: Annotated[int, msgspec.Meta(ge=0, le=64)]


Order = Wake | Clear
