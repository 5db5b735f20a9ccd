"""The command group `blubees connector`: import, look at, search, compare, try, remove. Registered by main/cli.py."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlsplit

import cyclopts

from blubees.main.cli_options import DATA, PROBLEMS, Data, Flag, Json, Tenant, connect, print_json
from blubees.model.errors import InputError

connector_app = cyclopts.App(name="connector", help="Types of third parties: the catalogue's, and those that you import.")
DOCUMENT_MAX_BYTES: Final = 67_108_864  # docs/decisions/0043
FILES_MAX: Final = 100
ROUNDS_MAX: Final = 8
IMPORT_SECONDS: Final = 240.0
_GENERAL: Final = frozenset(
    {
        "openapi",
        "swagger",
        "api",
        "apis",
        "index",
        "spec",
        "docs",
        "v1",
        "v2",
        "v3",
        "schema",
        "latest",
        "json",
        "yaml",
        "dist",
        "www",
    }
)


@connector_app.command(name="import")
def import_document(
    source: str,
    *,
    name: str = "",
    base_url: str = "",
    title: str = "",
    ask: Literal["", "graphql", "mcp"] = "",
    connection: str = "",
    trust_hints: Flag = False,
    yes: Flag = False,
    dry: Flag = False,
    tenant: Tenant = "",
    data: Data = DATA,
    json: Json = False,
) -> int:
    """Make a connector of a document (OpenAPI 3, Swagger 2.0, GraphQL, MCP tools): a file, - or an https address.

    Args:
        source: the document. Files that it refers to are taken from beneath its own folder.
        name: the connector's, as in `kind: NAME.ACTION`; else made of the document's place.
        base_url: where the third party is, instead of what the document says.
        title: for people; else the document's.
        ask: what is at the address is a server of this kind; it is asked what it offers.
        connection: whose credential is shown to that server.
        trust_hints: believe what an MCP server says of its tools' effects.
        yes: import it also when flows break by it.
        dry: tell only what it would change.
    """
    from blubees.main.connector_view import tell_import  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    tenant = client.choose_tenant(tenant)
    name = name or derive_name(source)
    more: dict[str, Any] = {"ask": ask, "connection": connection, "trusts_hints": trust_hints}
    document = {"base_url": base_url, "title": title} | more | read_source(source)
    path = f"/tenants/{tenant}/connectors/{name}/import?may_break={str(yes).lower()}&dry={str(dry).lower()}"
    report = client.post(path, document, seconds=IMPORT_SECONDS)
    for _ in range(ROUNDS_MAX):
        if not report["needs"]:
            break
        document["files"] = document.get("files", {}) | read_files(source, report["needs"])
        report = client.post(path, document, seconds=IMPORT_SECONDS)
    if json:
        print_json(report)
    else:
        tell_import(report, is_dry=dry)
    return PROBLEMS if report["needs"] or not (report["is_kept"] or dry) else 0


@connector_app.command(name="list")
def list_connectors(*, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """List the connectors: those of the catalogue, and those that were imported."""
    from blubees.main.connector_view import tell_connectors  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    found = client.get(f"/tenants/{client.choose_tenant(tenant)}/connectors")
    if json:
        print_json(found)
    else:
        tell_connectors(found)


@connector_app.command
def show(name: str, action: str = "", *, limit: int = 200, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """Show a connector and its actions; or one action: what it takes and gives, and a step to paste into a flow."""
    from blubees.main.connector_view import tell_action, tell_connector  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    base = f"/tenants/{client.choose_tenant(tenant)}/connectors/{name}"
    if action:
        found = client.get(f"{base}/actions/{action}")
        print_json(found) if json else tell_action(found, action)
        return
    found = client.get(base) | {"actions": client.get(f"{base}/actions?limit={limit}")}
    print_json(found) if json else tell_connector(found)


@connector_app.command
def search(
    *words: str, connector: str = "", limit: int = 20, tenant: Tenant = "", data: Data = DATA, json: Json = False
) -> int:
    """Find actions by words, the best first, in all connectors or in one."""
    from blubees.main.connector_view import tell_found  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    path = f"/tenants/{client.choose_tenant(tenant)}/actions?question={quote(' '.join(words))}&connector={connector}"
    found = client.get(f"{path}&limit={limit}")
    print_json(found) if json else tell_found(found)
    return 0 if found else PROBLEMS


@connector_app.command
def diff(
    name: str,
    *,
    file: str = "",
    url: str = "",
    base_url: str = "",
    connection: str = "",
    trust_hints: Flag = False,
    tenant: Tenant = "",
    data: Data = DATA,
    json: Json = False,
) -> int:
    """Tell what another import would change, and which flows it would break; without a source, of where it came from.

    Args:
        file: the new document; url: its address.
        connection, trust_hints: of a server that is asked, as `import` has them.
    """
    client = connect(data)
    tenant = client.choose_tenant(tenant)
    known = client.get(f"/tenants/{tenant}/connectors/{name}")
    source = file or url or known["row"]["origin"]
    if not source:
        raise InputError("Say which document: --file FILE or --url https://…")
    sort, base = known["row"]["source"], known["connector"].get("base_url", "")
    return import_document(
        source,
        name=name,
        base_url=base_url,
        ask=sort if sort in {"graphql", "mcp"} and source.rstrip("/") == base else "",
        connection=connection,
        trust_hints=trust_hints,
        dry=True,
        tenant=tenant,
        data=data,
        json=json,
    )


@connector_app.command(name="try")
def try_action(
    name: str,
    action: str,
    *,
    input: Annotated[tuple[str, ...], cyclopts.Parameter(name="--input", allow_leading_hyphen=True, negative="")] = (),  # noqa: A002
    connection: str = "",
    base_url: str = "",
    dry: Flag = False,
    door: str = "",
    tenant: Tenant = "",
    data: Data = DATA,
    json: Json = False,
) -> int:
    """Perform an action once and watch it: values go from you to a conduit and back to you, and are kept nowhere.

    Args:
        input: NAME=VALUE, as often as needed; VALUE is a text, or JSON where the input is no text; @FILE for a file's content.
        connection: the connection that authorises it.
        base_url: call this place instead of the connector's.
        dry: make no call, show the one that would be made.
        door: the conduits' address, where the control plane does not know it.
    """
    from blubees.main.connector_trial import run_trial  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    order = {"connection": connection, "base_url": base_url, "trial": "dry_run" if dry else "test"}
    is_good = run_trial(client, client.choose_tenant(tenant), (name, action), input, order, door=door, is_json=json)
    return 0 if is_good else PROBLEMS


@connector_app.command
def mock(
    file: Path,
    *,
    port: int = 8791,
) -> None:
    """Run a mock of an OpenAPI 3 document: it checks requests against the document, and answers by its examples and schemas."""
    os.execv(sys.executable, [sys.executable, "-m", "devsite.document_mock", str(file), "--port", str(port)])  # noqa: S606


@connector_app.command(name="serve-stdio")
def serve_stdio(
    *command: Annotated[str, cyclopts.Parameter(allow_leading_hyphen=True)],
    host: str = "127.0.0.1",
    port: int = 8792,
    env: Annotated[tuple[str, ...], cyclopts.Parameter(negative="")] = (),
    allow_host: Annotated[tuple[str, ...], cyclopts.Parameter(negative="")] = (),
    certificate: Path | None = None,
    key: Path | None = None,
) -> int:
    """Start an MCP server that speaks stdio, and serve it over HTTP on this machine, for `connector import --ask mcp`.

    It is a program of yours, outside BluBees: what flows send to it, it may keep. The token is made and shown once, or taken
    from BLUBEES_BRIDGE_TOKEN.

    Args:
        command: the program and its arguments, after `--`.
        host: the address to listen on; another one than loopback needs --certificate and --key.
        env: NAME (a variable of yours) or NAME=VALUE: the program gets it, besides PATH, HOME, LOGNAME, SHELL, TERM and USER.
        allow_host: a name (or name:port) by which it is called, too: that of a front that speaks TLS.
        certificate, key: PEM files, to serve by TLS.
    """
    from blubees.main.stdio_command import serve_program  # noqa: PLC0415 - as in main/cli.py

    is_good = serve_program(command, host=host, port=port, given=env, hosts=allow_host, certificate=certificate, key=key)
    return 0 if is_good else PROBLEMS


@connector_app.command
def remove(name: str, *, yes: Flag = False, tenant: Tenant = "", data: Data = DATA) -> int:
    """Remove an imported connector. Versions that are published go on: they have what they use with them.

    Args:
        yes: also when flows use it.
    """
    from blubees.main.connector_view import tell_breaks  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    path = f"/tenants/{client.choose_tenant(tenant)}/connectors/{name}?may_break={str(yes).lower()}"
    done = client.delete(path)
    if done["removed"]:
        print(f"{name}: removed")  # noqa: T201 - the command's answer
        return 0
    tell_breaks(done["breaks"])
    sys.stderr.write("Nothing was removed. To remove it all the same: --yes\n")
    return PROBLEMS


def derive_name(source: str) -> str:
    """Make a connector's name of where its document is: …/alertmanager.yaml and https://api.alertmanager.io/openapi.json."""
    parts = urlsplit(source) if re.match(r"https?://", source) else None
    words: list[str] = []
    if parts is not None:
        words += [each.rpartition(".")[0] or each for each in reversed(parts.path.split("/")) if each]
        words += reversed((parts.hostname or "").split(".")[:-1])
    elif source != "-":
        path = Path(source).resolve()
        words += [path.stem, *(each.name for each in path.parents)]
    for word in words:
        name = re.sub(r"[^a-z0-9]+", "_", re.sub(r"[-_.]?(openapi|swagger)[-_.]?", "", word.lower())).strip("_")
        if re.fullmatch(r"[a-z][a-z0-9_]{1,62}", name) and name not in _GENERAL and not re.fullmatch(r"v?[0-9_]+", name):
            return name
    raise InputError("Say how the connector shall be called: --name NAME.")


def read_source(source: str) -> dict[str, Any]:
    """Read a document, or name its address. Raises InputError."""
    if re.match(r"https?://", source):
        return {"url": source}
    try:
        if source == "-":
            content, origin = sys.stdin.buffer.read(DOCUMENT_MAX_BYTES + 1), "standard input"
        else:
            content, origin = Path(source).read_bytes(), Path(source).name
    except OSError as error:
        raise InputError(f"{source}: can't be read ({error.strerror}).") from None
    if len(content) > DOCUMENT_MAX_BYTES:
        raise InputError(f"{source}: the document has {len(content):,} bytes, allowed are {DOCUMENT_MAX_BYTES:,}.")
    return {"text": _to_text(content, source), "origin": origin}


def read_files(source: str, paths: list[str]) -> dict[str, str]:
    """Read the files that a document refers to, from beneath its own folder only. Raises InputError."""
    if source == "-" or re.match(r"https?://", source):
        raise InputError(f"The document refers to other files ({len(paths)}). Give it as a file beside them.")
    folder = Path(source).resolve().parent
    files = {}
    for path in paths[:FILES_MAX]:
        target = (folder / path).resolve()
        if not target.is_relative_to(folder):
            raise InputError("The document refers to a file outside its own folder; it is not read.")
        try:
            files[path] = _to_text(target.read_bytes(), path)
        except OSError as error:
            raise InputError(f"The document refers to {path}, which can't be read ({error.strerror}).") from None
    return files


def _to_text(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{source}: is no UTF-8 text.") from None
