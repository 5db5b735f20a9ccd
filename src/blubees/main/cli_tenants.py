"""The command group `blubees tenants`. Registered by main/cli.py."""

from typing import Literal

import cyclopts

from blubees.main.cli_options import DATA, Data, Json, Tenant, complain, connect, print_json, print_table

tenants_app = cyclopts.App(name="tenants", help="The Jira sites that are known.")


@tenants_app.command(name="list")
def list_tenants(*, data: Data = DATA, json: Json = False) -> None:
    """List the Jira sites that are known."""
    from blubees.main.cli_tables import tenant_rows  # noqa: PLC0415 - as in main/cli.py

    found = connect(data).get("/tenants")
    if json:
        print_json(found)
        return
    print_table(["tenant", "cloud id", "environment", "licence", "seen (UTC)"], tenant_rows(found))


@tenants_app.command(name="settings")
def change_settings(
    *,
    parking: Literal["allow", "refuse"] | None = None,
    replay_hours: float | None = None,
    shapes: Literal["failed", "all"] | None = None,
    egress_allow: str | None = None,
    egress_deny: str | None = None,
    tenant: Tenant = "",
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Show a tenant's settings, after changing those that are named.

    Args:
        parking: refuse: flows may not carry payload over a wait.
        replay_hours: how long a failed run can go on from its failed step, 0 to 24.
        shapes: all: tell the shapes of what went into and out of steps of each run, not only of those that failed.
        egress_allow: the only hosts that flows may call, with commas between: example.com, *.example.com; "": all.
        egress_deny: hosts that flows may not call, also where egress_allow names them; "": none.
    """
    client = connect(data)
    path = f"/tenants/{client.choose_tenant(tenant)}/settings"
    given = {"parking": parking, "replay_hours": replay_hours, "shapes": shapes}
    chosen: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    for name, text in (("egress_allow", egress_allow), ("egress_deny", egress_deny)):
        if text is not None:
            chosen[name] = [each.strip() for each in text.split(",") if each.strip()]
    found = client.put(path, chosen) if chosen else client.get(path)
    if json:
        print_json(found)
        return
    carrying, unreachable = found.pop("carrying", ()), found.pop("unreachable", ())
    rows = [[name, ", ".join(value) if isinstance(value, list) else str(value)] for name, value in found.items()]
    print_table(["setting", "value"], rows)
    if carrying:
        complain("Runs of these live flows will fail at a wait (not_parked):", tuple(carrying))
    if unreachable:
        complain("Runs of these live flows will fail at a call (egress_refused):", tuple(unreachable))
