"""`blubees cluster` (`make cluster`): a whole cluster and the development Jira site on this machine. Called by the CLI.

Real servers: PostgreSQL, three nodes of the broker, two control planes, two conduits, with TLS and keys between them.
"""

import asyncio
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from blubees.main.broker_child import die_with_parent
from blubees.main.local_cluster import LocalCluster
from blubees.main.supervisor import catch_signals

MANIFEST: Final = Path(__file__).resolve().parents[3] / "forge" / "manifest.yml"
READY_SECONDS: Final = 90.0


def run_cluster(folder: Path, site_port: int) -> int:
    """Run until Ctrl-C. Gives the exit code.

    Args:
        folder: gets certificates, keys, logs and the database; keys and database stay for the next time.
        site_port: where the development Jira site is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = LocalCluster(folder.resolve(), f"http://127.0.0.1:{site_port}")
    site: subprocess.Popen[bytes] | None = None
    try:
        site = start_site(site_port, cluster.url(cluster.conduits[0]))
        cluster.start_all()
        return asyncio.run(_watch(cluster, site_port))
    except KeyboardInterrupt:
        return 0
    finally:
        cluster.close()
        if site is not None:
            site.terminate()
            site.wait(10)


def start_site(site_port: int, app_url: str) -> subprocess.Popen[bytes]:
    """Start the development Jira site, which sends its events to one conduit and tries again when that is away."""
    arguments = ["--port", str(site_port), "--app-url", app_url, "--manifest", str(MANIFEST), "--retry-gap-seconds", "0.5"]
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "devsite", *arguments],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread holds a lock that it needs
    )


async def _watch(cluster: LocalCluster, site_port: int) -> int:
    stop = asyncio.create_task(catch_signals().wait())
    whole = asyncio.create_task(_wait_until_whole(cluster))
    await asyncio.wait({stop, whole}, return_when=asyncio.FIRST_COMPLETED)
    if whole.done():
        await whole
        _print_where(cluster, site_port)
    died: set[str] = set()
    while not stop.done():
        for name, process in cluster.processes.items():
            if process.poll() is not None and name not in died:
                died.add(name)
                sys.stderr.write(f"{name} ended with {process.returncode}; its log: {cluster.folder / name}.log\n")
        await asyncio.wait({stop}, timeout=0.5)
    whole.cancel()
    await asyncio.gather(whole, return_exceptions=True)
    return 0


async def _wait_until_whole(cluster: LocalCluster) -> None:
    async with asyncio.timeout(READY_SECONDS):
        for name in (*cluster.control_planes, *cluster.conduits):
            while not await asyncio.to_thread(is_whole, cluster.url(name)):  # noqa: ASYNC110 - it has no event for that
                await asyncio.sleep(0.2)


def is_whole(url: str) -> bool:
    """Whether a service says that nothing is missing in its cluster."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 - loopback
            return bool(json.loads(answer.read())["whole"])
    except (OSError, ValueError):
        return False


def _print_where(cluster: LocalCluster, site_port: int) -> None:
    table = Table(title="A cluster of BluBees is running", title_justify="left", show_header=False)
    table.add_row("Development Jira site", f"http://127.0.0.1:{site_port}/")
    for name in cluster.conduits:
        table.add_row(name, f"{cluster.url(name)}/readyz")
    for name in cluster.control_planes:
        table.add_row(name, f".venv/bin/blubees runs list --data {cluster.folder / name}")
    for name in cluster.names:
        table.add_row(name, f"tls://127.0.0.1:{cluster.ports[name]}, process {cluster.processes[name].pid}")
    table.add_row("Stop", "Ctrl-C")
    Console().print(table)
