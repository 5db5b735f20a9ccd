"""The command group `blubees connection`. Registered by main/cli.py."""

import sys
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import cyclopts
from rich.console import Console

from blubees.main.cli_options import (
    DATA,
    PROBLEMS,
    Data,
    Json,
    Tenant,
    complain,
    connect,
    print_json,
    print_table,
)

connection_app = cyclopts.App(name=("connection", "connections"), help="Keep credentials of third parties.")


@connection_app.command
def add(
    name: str,
    *,
    kind: str = "",
    connector: str = "",
    mcp: str = "",
    host: tuple[str, ...] = (),
    user_name: str = "",
    parameter: str = "",
    setting: tuple[str, ...] = (),
    fields: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    tenant: Tenant = "",
    data: Data = DATA,
) -> None:
    """Add or replace a connection; the secret is read from standard input, or asked for without showing it.

    Args:
        kind: how calls are authorised (docs/connections.md); left out, the connector's first way.
        connector: of the catalogue, or imported: brings the addresses, headers and hosts that its vendor prescribes.
        mcp: the address of an MCP server that wants OAuth: it says where; a client is registered there, where that is allowed.
        host: host or host:port that the secret may go to; may stand several times.
        user_name: for basic.
        parameter: the header's or query parameter's name, for the API-key kinds.
        setting: name=value of what else it must know and is no secret; may stand several times.
        fields: standard input is a JSON object of secrets by field, for a kind with several.
    """
    from blubees.main.connection_input import read_secrets, read_settings  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    tenant = client.choose_tenant(tenant)
    body: dict[str, Any] = {"kind": kind or None, "hosts": list(host), "user_name": user_name, "parameter": parameter}
    settings = read_settings(setting) | ({"connector": connector} if connector else {})
    body |= {"settings": settings, "mcp": mcp} | ({} if mcp and not fields else read_secrets(is_object=fields))
    saved = client.put(f"/tenants/{tenant}/connections/{name}", body)
    if mcp:
        print(f"{name}: kept, as client {saved['settings']['client_id']}. Now: connection authorize {name}")  # noqa: T201 - see above
    else:
        print(f"{name}: kept, fingerprint {saved['fingerprint']}")  # noqa: T201 - see above


@connection_app.command(name="show")
def show_connection(name: str, *, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """Show one connection: its settings, what is known of its secrets and its grant, and what to do. Never a secret."""
    from blubees.main.consent_view import draw_connection  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    found = client.get(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}")
    if json:
        print_json(found)
    else:
        Console().print(draw_connection(found))


@connection_app.command
def authorize(
    name: str,
    *,
    browser: Annotated[bool, cyclopts.Parameter(negative="--no-browser")] = True,
    tenant: Tenant = "",
    data: Data = DATA,
) -> int:
    """Have a person say yes (OAuth 2): shows an address, or a code to type, and waits up to ten minutes for it.

    Args:
        browser: open the address here as well.
    """
    from blubees.main.consent_view import ask_person  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    tenant = client.choose_tenant(tenant)
    opens = browser and sys.stdout.isatty()
    return 0 if ask_person(client, tenant, name, Console(), opens_browser=opens) else PROBLEMS


@connection_app.command
def renew(name: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Renew a connection's token now, also one that was given up as dead."""
    client = connect(data)
    client.post(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}/renew")
    print(f"{name}: renewed")  # noqa: T201 - see above


@connection_app.command
def change(
    name: str,
    *,
    setting: tuple[str, ...] = (),
    fields: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    tenant: Tenant = "",
    data: Data = DATA,
) -> None:
    """Change some settings or secrets of a connection; what is granted stays. An empty text takes one away.

    Args:
        setting: name=value; may stand several times.
        fields: read secrets from standard input, a JSON object by field.
    """
    from blubees.main.connection_input import read_secrets, read_settings  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    body = {"settings": read_settings(setting)} | (read_secrets(is_object=True) if fields else {})
    client.patch(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}", body)
    print(f"{name}: changed")  # noqa: T201 - see above


@connection_app.command(name="import")
def import_connection(
    name: str,
    source: str,
    *,
    origin: Annotated[Literal["env", "aws-secrets-manager"], cyclopts.Parameter(name="--from")],
    kind: str,
    host: tuple[str, ...] = (),
    user_name: str = "",
    parameter: str = "",
    setting: tuple[str, ...] = (),
    pick: str = "",
    region: str = "",
    tenant: Tenant = "",
    data: Data = DATA,
) -> None:
    """Add or replace a connection whose secret comes from a variable of the environment, or from AWS Secrets Manager.

    A JSON object gives the kind's secrets and settings by their names; what it has besides is left out, and told.

    Args:
        source: the variable's name, or the secret's name or ARN.
        origin: where the secret is.
        kind: as in `connection add`.
        host: as in `connection add`.
        user_name: as in `connection add`.
        parameter: as in `connection add`.
        setting: as in `connection add`.
        pick: of a JSON object, the entry that is the kind's main secret.
        region: of AWS; else as AWS's own settings say.
    """
    from blubees.main.connection_import import read_source  # noqa: PLC0415 - as in main/cli.py
    from blubees.main.connection_input import read_settings  # noqa: PLC0415 - as in main/cli.py

    found = read_source(origin, source, kind, pick=pick, region=region)
    client = connect(data)
    tenant = client.choose_tenant(tenant)
    given = {"user_name": user_name, "parameter": parameter}
    settings = found.settings | read_settings(setting) | {each: text for each, text in given.items() if text}
    body = {"kind": kind, "hosts": list(host), "secrets": found.secrets, "settings": settings, "source": origin}
    saved = client.put(f"/tenants/{tenant}/connections/{name}", body)
    taken = ", ".join(fact["field"] for fact in saved["fields"])
    print(f"{name}: kept {taken}, fingerprint {saved['fingerprint']}")  # noqa: T201 - see above
    if found.left_out:
        complain(f"left out: {', '.join(found.left_out)}")


@connection_app.command
def permit(name: str, *, flow: tuple[str, ...] = (), tenant: Tenant = "", data: Data = DATA) -> None:
    """Say which flows may use a connection; without one, every flow may.

    Args:
        flow: a flow's id; may stand several times.
    """
    client = connect(data)
    saved = client.post(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}/permit", {"flows": list(flow)})
    print(f"{name}: for {', '.join(saved['flows']) or 'every flow'}")  # noqa: T201 - see above


@connection_app.command(name="list")
def list_connections(*, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """List a tenant's connections; secrets are never shown."""
    client = connect(data)
    found = client.get(f"/tenants/{client.choose_tenant(tenant)}/connections")
    if json:
        print_json(found)
        return
    from blubees.main.connection_input import CONNECTION_COLUMNS, write_row  # noqa: PLC0415 - as in main/cli.py

    print_table(CONNECTION_COLUMNS, [write_row(each) for each in found])


@connection_app.command(name="test")
def try_connection(name: str, *, connector: str = "", tenant: Tenant = "", data: Data = DATA, json: Json = False) -> int:
    """Test a connection: the action by which its connector is tried is performed. Nothing of its answer is kept.

    Args:
        connector: which connector it is for, when the connection does not say so itself (--setting connector=…).
    """
    from blubees.main.connection_input import tell_test  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    query = urlencode({"connector": connector})
    found = client.post(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}/test?{query}")
    if json:
        print_json(found)
    else:
        print(tell_test(found))  # noqa: T201 - the command's answer
    return PROBLEMS if "failure" in found else 0


@connection_app.command
def remove(name: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Delete a connection; webhooks that are registered by it are taken back first."""
    from blubees.main.webhook_view import list_ended  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    ended = client.delete(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}")
    print(f"{name}: deleted")  # noqa: T201 - see above
    for line in list_ended(ended):
        complain(line)
