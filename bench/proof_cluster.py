"""The proof in a cluster: PostgreSQL that logs each statement, three broker nodes, two control planes, two conduits.

Called by bench/proof.py. The nodes' folders lie on tmpfs: they are searched as files, as they are at the end.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from product import call, free_port, wait_for

from blubees.main import postgres_child
from blubees.main.cluster import start_site
from chaos_cluster import ChaosCluster, ClusterProduct
from progress import say
from proof_disk import Result, make_disk, make_folder, read_written
from proof_doors import Doors
from proof_scan import Canaries, Canary, say_found, scan
from proof_vendor import Vendor

IMAGE_MEBIBYTES = 768
JSON = {"Content-Type": "application/json"}
LOG_ALL = ("-c", "log_statement=all", "-c", "log_min_messages=debug1", "-c", "log_min_error_statement=debug1")


class ProofCluster(ChaosCluster):
    """A cluster with DEBUG logging."""

    def environment(self, name: str) -> dict[str, str]:
        """See LocalCluster."""
        return super().environment(name) | {"BLUBEES_LOG_LEVEL": "debug"}


class ProofProduct(ClusterProduct):
    """What product.Product is for one machine, as far as bench/proof.py uses it."""

    cluster: ProofCluster

    def __init__(self, cluster: ProofCluster, site_port: int) -> None:
        super().__init__(cluster, f"http://127.0.0.1:{site_port}")
        self.url = cluster.url(cluster.conduits[0])

    def publish(self, text: str) -> Any:
        """Publish a flow; gives one address of its webhook once both conduits know it, or the flow's id."""
        flow = json.loads(text)
        if flow["trigger"]["on"] == "webhook":
            return super().publish(text)[len(flow["id"]) % 2]
        self.operator().put_text(f"/tenants/{self.tenant()}/flows", text)
        self.operator().post(f"/tenants/{self.tenant()}/flows/{flow['id']}/publish")
        wait_for(lambda: all(has_all_plans(self, name) for name in self.cluster.conduits))
        return flow["id"]

    def jira(self, method: str, path: str, body: object = None) -> Any:
        """Act in the site as a person."""
        cloud_id = call(f"{self.site_url}/_dev/sites")[1][0]["cloudId"]
        url = f"{self.site_url}/ex/jira/{cloud_id}/rest/api/3{path}"
        return call(url, None if body is None else json.dumps(body).encode(), {"X-Devsite-Person": "1"}, method)[1]


def has_all_plans(product: ProofProduct, conduit: str) -> bool:
    """Whether a conduit has as many plans as there are flows."""
    flows = product.operator().get(f"/tenants/{product.tenant()}/flows")
    return bool(call(f"{product.cluster.url(conduit)}/readyz")[1]["plans"] >= len(flows))


@contextlib.contextmanager
def run_cluster(folder: Path, vendor: Vendor) -> Iterator[ProofProduct]:
    """Run one, with a development site."""
    site_port, options = free_port(), postgres_child._OPTIONS  # noqa: SLF001 - it has no other way
    postgres_child._OPTIONS = (*options, *LOG_ALL)  # type: ignore[misc,assignment] # noqa: SLF001 - see above
    cluster = ProofCluster(folder, f"http://127.0.0.1:{site_port}", vendor.port)
    site = start_site(site_port, cluster.url(cluster.conduits[0]))
    try:
        cluster.start_all()
        cluster.wait_until_whole()
        yield ProofProduct(cluster, site_port)
    finally:
        cluster.close()
        site.terminate()
        site.wait(20)
        postgres_child._OPTIONS = options  # type: ignore[misc] # noqa: SLF001 - see above


def try_faults(product: ProofProduct, hook: str, plant: Callable[[str], str]) -> list[str]:
    """One of each kind dies, the database's folder is copied, all but the nodes is restarted, while payload is under way."""
    cluster = product.cluster

    def send(place: str) -> None:
        for number in range(4):
            call(hook, json.dumps({"c": plant(f"cluster, {place} {number}"), "pad": "x" * 100_000}).encode(), JSON)

    for name in (cluster.names[0], cluster.conduits[1], cluster.control_planes[0]):
        send(f"SIGKILL of {name}")
        cluster.stop(name, kill=True)
        send(f"after SIGKILL of {name}")
        cluster.start(name)
        cluster.wait_until_whole()
    send("copy of the database")
    shutil.copytree(
        cluster.folder / "postgresql" / "data", cluster.folder / "copy", ignore=shutil.ignore_patterns("postmaster.pid")
    )
    send("restart")
    services = (*cluster.conduits, *cluster.control_planes)
    for name in services:
        cluster.stop(name)
    cluster.stop_database()
    cluster.start_database()
    for name in services:
        cluster.start(name)
    cluster.wait_until_whole()
    return [
        "SIGKILL of a node, a conduit, a control plane",
        "copy of the database's folder during runs",
        "restart of all but the nodes",
    ]


def read_stores(store: Path) -> bytes:
    """What the nodes have on tmpfs."""
    return b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())


def prove_cluster(vendor: Vendor, exercise: Callable[[Any, Canaries], str]) -> Result:
    """The same canaries and doors in a cluster."""
    canaries, planted = Canaries(), Canaries()
    vendor.mended.clear()
    vendor.kept.clear()
    with make_folder() as folder, make_disk(folder, IMAGE_MEBIBYTES) as (disk, image):
        with run_cluster(disk / "cluster", vendor) as product:
            hook = exercise(product, canaries)
            doors = Doors(product, vendor, canaries.plant)
            say("doors, sign-offs, run modes, calls in doubt")
            done = doors.exercise()
            done.append(doors.doubt(lambda: kill_conduits(product.cluster)))
            say("kills, a copy of the database, a restart of all but the nodes")
            done += try_faults(product, hook, canaries.plant)
            runs = len(product.operator().get("/runs?limit=1000"))
            plant_in_database(product, planted)
            stores = read_stores(product.cluster.store)
        logs = b"".join(path.read_bytes() for path in (disk / "cluster").glob("*.log"))
        statements = (disk / "cluster" / "postgresql" / "log").read_bytes()
        written = read_written(image, disk)
    say(f"a search of {len(written) + len(stores):,} bytes")
    found = scan(written + stores + b"".join(doors.in_jira), canaries.made)
    caught = {canary.text for canary, _ in scan(written, planted.made)}
    missed = [canary.place for canary in planted.made if canary.text not in caught]
    told, executed = logs.count(b"library_logged"), statements.count(b"execute ")
    rows = [
        ("cluster: means", means(image)),
        ("cluster: the nodes' folders on tmpfs, at the end", f"{len(stores):,} bytes: configuration, Raft state"),
        ("cluster: log levels", f"DEBUG: {told} lines of libraries; PostgreSQL: {executed} statements since its last start"),
        ("cluster: doors and faults", "; ".join(done)),
        ("cluster: runs in the ledger", str(runs)),
        ("cluster: canaries planted", str(len(canaries.made))),
        ("cluster: canaries found", say_found(found)),
        ("cluster: planted leaks found", f"{len(planted.made) - len(missed)} of {len(planted.made)}: {tell(planted.made)}"),
    ]
    return Result(rows, not found and not missed and runs > 0 and told > 0 and executed > 0)


def means(image: Path | None) -> str:
    return f"raw image of a loop-mounted ext4, {IMAGE_MEBIBYTES} MiB, /tmp on it" if image else "files (no root: weaker)"


def tell(planted: list[Canary]) -> str:
    return ", ".join(canary.place for canary in planted)


def kill_conduits(cluster: ProofCluster) -> None:
    """Both at once, with the services that would start them again."""
    for name in cluster.conduits:
        cluster.processes[name].kill()
    for name in cluster.conduits:
        cluster.processes[name].wait(20)
        cluster.start(name)
    cluster.wait_until_whole()


def plant_in_database(product: ProofProduct, planted: Canaries) -> None:
    """What stands in a flow's text and in its name is in the database: the search must find it there."""
    name = planted.plant("a text in a column")
    long = " ".join(planted.plant(f"a long text {number}, which PostgreSQL compresses") for number in range(2))
    flow = {"id": "planted", "name": name, "trigger": {"on": "webhook"}, "steps": [{"id": "it", "kind": "stop"}]}
    product.publish(json.dumps(flow))
    text = {"id": "set", "kind": "set", "with": {"values": {"a": long + " repeated " * 600}}}
    product.publish(json.dumps(flow | {"id": "planted-too", "name": "b", "steps": [text]}))
