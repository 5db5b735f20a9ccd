"""`blubees vault`: the keys of the vault, shown, changed while all goes on, and destroyed. Called by the CLI."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table

from blubees.main.operator_client import OperatorClient
from blubees.model.errors import InputError

DAY_MILLISECONDS: Final = 86_400_000


def show_vault(client: OperatorClient, tenants: Sequence[str]) -> dict[str, Any]:
    """Give what there is of keys: the provider's, and each tenant's (all that have one, or these)."""
    found: dict[str, Any] = client.get("/vault")
    chosen = tenants or found["tenants"]
    return {"provider": found["provider"], "tenants": [client.get(f"/tenants/{tenant}/vault") for tenant in chosen]}


def draw_vault(console: Console, found: dict[str, Any]) -> None:
    """Draw it as tables."""
    provider = found["provider"]
    console.print(
        f"key provider: {provider['kind']}, key {provider['key']}, {provider['keys']} in use, changed "
        f"{_write_time(provider['changed_at_milliseconds'])}"
    )
    table = Table("tenant", "key", "made (UTC)", "wrapped (UTC)", "lowest", "connections", "parked runs", "under older keys")
    for each in found["tenants"]:
        for number, version in enumerate(each["versions"]):
            counts = [each["minimum"], each["connections"], each["run_keys"], each["under_older"]] if number == 0 else [""] * 4
            table.add_row(
                each["tenant"] if number == 0 else "",
                f"{version['version']}{' destroyed' if version['is_destroyed'] else ''}",
                _write_time(version["created_at_milliseconds"]),
                _write_time(version["wrapped_at_milliseconds"]),
                *(str(count) for count in counts),
            )
    console.print(table)


def draw_audit(console: Console, found: Sequence[dict[str, Any]]) -> None:
    """Draw audit events as a table."""
    table = Table("at (UTC)", "what", "who", "connection", "for", "run", "uses", "detail")
    for each in found:
        place = "/".join(part for part in (each["flow"], each["step"]) if part)
        at = f"{datetime.fromtimestamp(each['at_milliseconds'] / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        purpose = f"{each['purpose']} {place}".strip()
        table.add_row(
            at, each["action"], each["actor"], each["connection"], purpose, each["run"], str(each["uses"]), each["detail"]
        )
    console.print(table)


def rotate(
    client: OperatorClient, level: str, tenant: str, *, older_than_days: float, renew: bool | None, console: Console
) -> list[str]:
    """Change keys, step by step, telling how far it is; gives what is stuck, for people. Killed, it is run again."""
    start = client.get("/vault")
    before = start["now"] - int(older_than_days * DAY_MILLISECONDS)
    if level == "kms" and (start["provider"]["forgets"] if renew is None else renew):
        client.post("/vault/renew")
    tenants = [tenant] if tenant else start["tenants"]
    stuck = []
    columns = (TextColumn("{task.completed} of {task.total} tenants, {task.fields[rows]} rows, {task.description}"),)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(tenants), rows=0)
        rows = 0
        for each in tenants:
            after, is_done = "", False
            while not is_done:
                step = client.post(f"/tenants/{each}/vault/rotate", {"level": level, "before": before, "after": after})
                rows += step["changed"]
                stuck += [f"{each}: {name} does not open; its key stays" for name in step["stuck"]]
                after, is_done = step["after"], not step["after"]
                progress.update(task, rows=rows, description=each)
            progress.advance(task)
    console.print(f"{level}: {rows} rows of {len(tenants)} tenants are under new keys")
    if level == "kms" and not tenant:
        retired = client.post("/vault/retire")["retired"]
        console.print(
            f"{retired} older keys of the provider destroyed" if retired else "no older key of the provider destroyed"
        )
    return stuck


def shred(client: OperatorClient, tenant: str, *, typed: str, console: Console) -> None:
    """Destroy a tenant's keys, and, where the provider can, the key that wrapped them."""
    if not typed and sys.stdin.isatty():
        console.print(f"All secrets of {tenant} and the values of its parked runs will be gone for good.")
        typed = console.input("Type the tenant's id to go on: ")
    typed = typed or sys.stdin.readline().strip()
    client.post(f"/tenants/{tenant}/vault/shred", {"confirm": typed})
    console.print(f"{tenant}: shredded")
    if not client.get("/vault")["provider"]["forgets"]:
        console.print("A copy of the database from before still opens with the provider's key, until that is destroyed.")
        return
    try:
        rotate(client, "kms", "", older_than_days=0, renew=True, console=console)
    except InputError as error:
        console.print(f"A copy of the database from before still opens with the key file. {error.for_user}")


def _write_time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}" if milliseconds else "-"
