"""The command group `blubees vault`. Registered by main/cli.py; what its commands do stands in main/vault_commands.py."""

import sys
from typing import Annotated, Literal

import cyclopts

from blubees.main.cli_options import DATA, PROBLEMS, Data, connect, print_json

vault_app = cyclopts.App(name="vault", help="The keys that credentials are sealed with.")


@vault_app.command
def show(*, tenant: str = "", data: Data = DATA, json: Annotated[bool, cyclopts.Parameter(negative="")] = False) -> None:
    """Show the key provider and each tenant's keys: versions, ages, and what is still sealed under older ones. No key."""
    from blubees.main.run_view import open_console  # noqa: PLC0415 - as in main/cli.py
    from blubees.main.vault_commands import draw_vault, show_vault  # noqa: PLC0415 - as in main/cli.py

    found = show_vault(connect(data), [tenant] if tenant else [])
    if json:
        print_json(found)
    else:
        draw_vault(open_console(), found)


@vault_app.command
def rotate(
    *,
    level: Literal["kms", "tenant", "secret"],
    tenant: str = "",
    older_than_days: float = 0.0,
    renew: bool | None = None,
    data: Data = DATA,
) -> int:
    """Change keys while all goes on. It can be stopped at any time, and run again: it goes on with what is left.

    Args:
        level: kms: wrap tenants' keys anew; tenant: new tenant keys; secret: new keys of connections, and their secrets anew.
        tenant: one tenant only; else all.
        older_than_days: only keys that are older.
        renew: kms: make a new key of the provider's own first; else that is done with a local file only.
    """
    from blubees.main.run_view import open_console  # noqa: PLC0415 - as in main/cli.py
    from blubees.main.vault_commands import rotate as run  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    stuck = run(client, level, tenant, older_than_days=older_than_days, renew=renew, console=open_console())
    for line in stuck:
        sys.stderr.write(line + "\n")
    return PROBLEMS if stuck else 0


@vault_app.command
def shred(*, tenant: str, data: Data = DATA) -> None:
    """Destroy a tenant's keys, and with them all its secrets, for good; asks for the tenant's id once more."""
    from blubees.main.run_view import open_console  # noqa: PLC0415 - as in main/cli.py
    from blubees.main.vault_commands import shred as run  # noqa: PLC0415 - as in main/cli.py

    run(connect(data), tenant, typed="", console=open_console())


@vault_app.command
def audit(
    *,
    connection: str = "",
    limit: int = 100,
    leases: bool = True,
    tenant: str = "",
    data: Data = DATA,
    json: Annotated[bool, cyclopts.Parameter(negative="")] = False,
) -> None:
    """Show what was done with a tenant's credentials and keys, newest first: every lease, for which flow, step and run.

    Args:
        connection: of this one only.
        leases: --no-leases: all but leases.
    """
    from blubees.main.run_view import open_console  # noqa: PLC0415 - as in main/cli.py
    from blubees.main.vault_commands import draw_audit  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    query = f"connection={connection}&limit={limit}&leases={str(leases).lower()}"
    found = client.get(f"/tenants/{client.choose_tenant(tenant)}/audit?{query}")
    if json:
        print_json(found)
    else:
        draw_audit(open_console(), found)
