"""`blubees demo` (`make run`): the whole product and the development Jira site on this machine, with the demo flows published.

Called by the CLI. Needs a checkout: the Forge manifest and the demo flows are files of it.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from blubees.main.operator_client import OperatorClient
from blubees.main.settings import Settings
from blubees.main.supervisor import Supervisor, catch_signals, print_event

ROOT: Final = Path(__file__).resolve().parents[3]
FLOWS: Final = ("greet-bug", "ask-before-start")
FLOW_SITE: Final = "http://127.0.0.1:8790"  # as written in the flow; replaced when the site has another port
THIRD_PARTY_TOKEN: Final = "demo-third-party-token"  # noqa: S105 - the development site's own, no secret
TENANT_SECONDS: Final = 30.0
MOCK_PORT: Final = 8791  # of `blubees connector mock`
STOP_SECONDS: Final = 5.0


def run_demo(data: Path, port: int, site_port: int) -> int:
    """Run until Ctrl-C. Gives the exit code.

    Args:
        data: folder of the database and keys.
        port: where BluBees takes events.
        site_port: where the development Jira site is.
    """
    return asyncio.run(_run(data, port, site_port))


async def _run(data: Path, port: int, site_port: int) -> int:
    stopping = catch_signals()
    site_url = f"http://127.0.0.1:{site_port}"
    settings = Settings(
        data=data,
        port=port,
        operator_port=0,
        atlassian_api=site_url,
        forge_keys=f"{site_url}/.well-known/jwks.json",
        allowed_loopback_ports=(site_port, MOCK_PORT),
    )
    supervisor = Supervisor(settings, _print_trouble)
    site = await _start_site(site_port, port)
    working = asyncio.create_task(_start_all(supervisor, settings, site_url))
    stop = asyncio.create_task(stopping.wait())
    gone = asyncio.create_task(site.wait())
    failed = asyncio.create_task(supervisor.failed.wait())
    code = 0
    try:
        await asyncio.wait({working, stop, gone, failed}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
            await asyncio.wait({stop, gone, failed}, return_when=asyncio.FIRST_COMPLETED)
        code = 0 if stop.done() else 1
        if gone.done() and not stop.done():
            sys.stderr.write(f"The development Jira site ended. Is port {site_port} taken? Choose another: --site-port.\n")
    finally:
        for task in (working, stop, gone, failed):
            task.cancel()
        await asyncio.gather(working, stop, gone, failed, return_exceptions=True)
        await supervisor.stop()
        await _stop_site(site)
    return code


async def _start_all(supervisor: Supervisor, settings: Settings, site_url: str) -> None:
    await supervisor.start()
    client = OperatorClient.from_folder(settings.data)
    tenant = await _wait_for_tenant(client)
    await asyncio.to_thread(_publish_demo, client, tenant, site_url)
    _print_where(supervisor, settings, site_url, tenant)


async def _wait_for_tenant(client: OperatorClient) -> str:
    """Wait until the site's `installed` event made it known."""
    async with asyncio.timeout(TENANT_SECONDS):
        while True:
            tenants = await asyncio.to_thread(client.get, "/tenants")
            if tenants:
                return str(tenants[0]["tenant"])
            await asyncio.sleep(0.05)


def _publish_demo(client: OperatorClient, tenant: str, site_url: str) -> None:
    """Make the demo's connection and publish its flows; all stay as they are when they are there already."""
    host = site_url.removeprefix("http://")
    connection = {"kind": "bearer", "hosts": [host], "secret": THIRD_PARTY_TOKEN}
    client.put(f"/tenants/{tenant}/connections/demo-third-party", connection)
    for flow in FLOWS:
        text = (ROOT / "examples" / "flows" / f"{flow}.yaml").read_text()
        client.put_text(f"/tenants/{tenant}/flows", text.replace(FLOW_SITE, site_url))
        client.post(f"/tenants/{tenant}/flows/{flow}/publish")


def _print_where(supervisor: Supervisor, settings: Settings, site_url: str, tenant: str) -> None:
    table = Table(title="BluBees is running", title_justify="left", show_header=False)
    table.add_row("Development Jira site", f"{site_url}/   (create a Bug here, or a Story, which asks for a sign-off)")
    table.add_row("BluBees", f"http://127.0.0.1:{supervisor.port}/readyz")
    table.add_row("Runs", f".venv/bin/blubees runs list --data {settings.data}")
    table.add_row("Tenant", tenant)
    table.add_row("Stop", "Ctrl-C")
    Console().print(table)


def _print_trouble(event: dict[str, object]) -> None:
    """Print what a person should know; the rest would hide it."""
    if event["event"] not in {"conduit_ready", "control_plane_ready", "conduit_stopped", "control_plane_stopped"}:
        print_event(event)


async def _start_site(site_port: int, port: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "devsite",
        "--port",
        str(site_port),
        "--app-url",
        f"http://127.0.0.1:{port}",
        "--manifest",
        str(ROOT / "forge" / "manifest.yml"),
        "--thirdparty-token",
        THIRD_PARTY_TOKEN,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


async def _stop_site(site: asyncio.subprocess.Process) -> None:
    if site.returncode is None:
        site.terminate()
        try:
            await asyncio.wait_for(site.wait(), STOP_SECONDS)
        except TimeoutError:
            site.kill()
            await site.wait()
