"""The cluster under faults: PostgreSQL, three broker nodes, two control planes, two conduits. Used by bench/chaos.py.

What a fault has ended is started again by the main thread, when the burst is over: a process ends with the thread that
started it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from product import ROOT, call, free_port, wait_for

from blubees.main.cluster import is_whole, start_site
from blubees.main.local_cluster import LocalCluster
from blubees.main.operator_client import OperatorClient
from blubees.model.errors import BluBeesError
from chaos_world import Round, World, misbehave

WHOLE_SECONDS = 120.0
AWAY_SECONDS = 4.0  # how long PostgreSQL hangs
JSON = {"Content-Type": "application/json"}


class ChaosCluster(LocalCluster):
    """A cluster that may also reach the campaign's third party."""

    def __init__(self, folder: Path, site_url: str, witness_port: int) -> None:
        super().__init__(folder, site_url)
        self._witness_port = witness_port

    def environment(self, name: str) -> dict[str, str]:
        """See LocalCluster."""
        found = super().environment(name)
        ports = "BLUBEES_ALLOW_LOOPBACK_PORTS"
        return found | ({ports: f"{found[ports]},{self._witness_port}"} if ports in found else {})

    def wait_until_whole(self) -> None:
        for name in (*self.control_planes, *self.conduits):
            wait_for(lambda name=name: is_whole(self.url(name)), WHOLE_SECONDS)


class AnyOperator:
    """The operator API of whichever control plane answers."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._clients = [OperatorClient.from_folder(cluster.folder / name) for name in cluster.control_planes]

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def ask(*words: Any) -> Any:
            for client in self._clients[:-1]:
                with contextlib.suppress(BluBeesError):
                    return getattr(client, method)(*words)
            return getattr(self._clients[-1], method)(*words)

        return ask


class ClusterProduct:
    """What product.Product is for one machine."""

    def __init__(self, cluster: ChaosCluster, site_url: str) -> None:
        self.cluster, self.site_url = cluster, site_url

    def operator(self) -> AnyOperator:
        return AnyOperator(self.cluster)

    def tenant(self) -> str:
        return str(wait_for(lambda: self.operator().get("/tenants"))[0]["tenant"])

    def publish(self, text: str) -> tuple[str, ...]:
        """Publish a flow; gives its addresses, once both conduits know it."""
        tenant = self.tenant()
        flow = self.operator().put_text(f"/tenants/{tenant}/flows", text)["flow"]
        token = self.operator().post(f"/tenants/{tenant}/flows/{flow}/publish")["hook_token"]
        paths = tuple(f"{self.cluster.url(name)}/hooks/{tenant}/{token}" for name in self.cluster.conduits)
        for path in paths:
            wait_for(lambda path=path: call(path, b"{", JSON)[0] == 400)
        return paths


@contextlib.contextmanager
def run_cluster() -> Iterator[World]:
    """A cluster with its third party."""
    port, site_port = free_port(), free_port()
    server = subprocess.Popen([sys.executable, str(ROOT / "bench" / "witness.py"), str(port)])
    with tempfile.TemporaryDirectory() as folder:
        cluster = ChaosCluster(Path(folder), f"http://127.0.0.1:{site_port}", port)
        site = start_site(site_port, cluster.url(cluster.conduits[0]))
        try:
            cluster.start_all()
            cluster.wait_until_whole()
            third_party = f"http://127.0.0.1:{port}"
            world = World(
                ClusterProduct(cluster, f"http://127.0.0.1:{site_port}"),
                third_party,
                Path(folder) / "clock",
                whole=cluster.wait_until_whole,
            )
            wait_for(lambda: call(f"{world.witness}/records")[0] == 200)
            yield world
        finally:
            cluster.close()
            for process in (site, server):
                process.terminate()
                process.wait(20)


def _end(world: World, name: str) -> float:
    """SIGKILL one process of the cluster, which is started again after the burst; gives when."""
    cluster: ChaosCluster = world.product.cluster
    cluster.stop(name, kill=True)
    world.to_start.append(lambda: cluster.start(name))
    return time.time()


def kill_node(world: World, this: Round) -> None:
    """One of the three broker nodes, another each time."""
    time.sleep(this.seconds * 0.4)
    _end(world, world.product.cluster.names[this.number % 3])


def kill_a_conduit(world: World, this: Round) -> None:
    """One of the two, with the service that would start it again."""
    time.sleep(this.seconds * 0.6)
    this.killed_at = _end(world, world.product.cluster.conduits[this.number % 2])


def kill_a_control_plane(world: World, this: Round) -> None:
    """One of the two: the other has all to do."""
    time.sleep(this.seconds * 0.3)
    _end(world, world.product.cluster.control_planes[this.number % 2])


def stop_database(world: World, this: Round) -> None:
    """PostgreSQL hangs for some seconds, and is then shut down until the burst is over."""
    cluster: ChaosCluster = world.product.cluster
    time.sleep(this.seconds * 0.2)
    group = [cluster.database.pid, *_list_children(cluster.database.pid)]
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(AWAY_SECONDS)
    for pid in reversed(group):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    time.sleep(1)
    cluster.stop_database()
    world.to_start.append(cluster.start_database)


def do_all_in_cluster(world: World, this: Round) -> None:
    """A node, a conduit and a control plane die in a burst while the third party errs."""
    time.sleep(this.seconds * 0.2)
    _end(world, world.product.cluster.names[(this.number + 1) % 3])
    time.sleep(this.seconds * 0.2)
    _end(world, world.product.cluster.control_planes[1 - this.number % 2])
    time.sleep(this.seconds * 0.2)
    this.killed_at = _end(world, world.product.cluster.conduits[1 - this.number % 2])
    misbehave(world, this)


def _list_children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
