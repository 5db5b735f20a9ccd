"""A whole cluster on real servers: restarted process by process, and a broker node killed, under a steady stream of webhooks."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from product import call, free_port, wait_for

from blubees.main.cluster import is_whole, start_site
from blubees.main.local_cluster import LocalCluster
from blubees.main.operator_client import OperatorClient
from blubees.model.errors import BluBeesError

pytestmark = [pytest.mark.timeout(600), pytest.mark.campaign]  # minutes on two cores: `make rolling` runs it
FLOW = """
id: two-effects
name: Two effects
trigger: {{on: webhook, delivery_id_header: X-Delivery}}
steps:
  - id: first
    kind: http
    with: {{method: POST, url: "{url}", connection: sink, effect: keyed, json: {{n: "{{{{webhookData.n}}}}", of: first}}}}
  - id: second
    kind: http
    with: {{method: POST, url: "{url}", connection: sink, effect: keyed, json: {{n: "{{{{webhookData.n}}}}", of: second}}}}
"""


class Sender:
    """Sends webhooks steadily, as a load balancer would: a conduit that refuses or fails is passed over; until it is a 2xx."""

    def __init__(self, cluster: LocalCluster, path: str, first: int) -> None:
        self._cluster, self._path, self._first = cluster, path, first
        self.accepted: list[int] = []
        self.longest_seconds = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)  # it insists: a test that failed must end

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(150)

    def _send(self) -> None:
        number = self._first
        while not self._ended.is_set():
            started, tries = time.monotonic(), number
            headers = {"Content-Type": "application/json", "X-Delivery": f"d{number}"}
            while True:
                url = self._cluster.url(self._cluster.conduits[tries % 2])
                if call(url + self._path, json.dumps({"n": number}).encode(), headers)[0] in {200, 202}:
                    break
                tries += 1
                time.sleep(0.05)
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
            self.accepted.append(number)
            number += 1
            time.sleep(0.1)


@pytest.fixture(scope="module")
def site() -> int:
    return free_port()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, site: int) -> Iterator[LocalCluster]:
    running = LocalCluster(tmp_path_factory.mktemp("cluster"), f"http://127.0.0.1:{site}")
    process = start_site(site, running.url("conduit1"))
    try:
        running.start_all()
        wait_until_whole(running)
        yield running
    finally:
        running.close()
        process.terminate()
        process.wait(10)


def wait_until_whole(cluster: LocalCluster) -> None:
    for name in (*cluster.control_planes, *cluster.conduits):
        wait_for(lambda name=name: is_whole(cluster.url(name)), 150)


def operator(cluster: LocalCluster, name: str = "control1") -> OperatorClient:
    return OperatorClient.from_folder(cluster.folder / name)


def ask(cluster: LocalCluster, path: str) -> object:
    """Ask whichever control plane answers."""
    for name in cluster.control_planes:
        try:
            return operator(cluster, name).get(path)
        except BluBeesError:
            continue
    return None


@pytest.fixture(scope="module")
def path(cluster: LocalCluster, site: int) -> str:
    tenant = wait_for(lambda: ask(cluster, "/tenants"))[0]["tenant"]
    client = operator(cluster)
    body = {"kind": "bearer", "hosts": [f"127.0.0.1:{site}"], "secret": "demo-third-party-token"}
    client.put(f"/tenants/{tenant}/connections/sink", body)
    client.put_text(f"/tenants/{tenant}/flows", FLOW.format(url=f"http://127.0.0.1:{site}/thirdparty/notify"))
    # published at one control plane, known to all conduits
    token = operator(cluster, "control2").post(f"/tenants/{tenant}/flows/two-effects/publish")["hook_token"]
    found = f"/hooks/{tenant}/{token}"
    for name in cluster.conduits:
        wait_for(lambda name=name: call(cluster.url(name) + found, b"{", {"Content-Type": "application/json"})[0] == 400)
    return found


def problems(cluster: LocalCluster, name: str) -> list[str]:
    """What a service says is missing; while nobody leads, it says that first."""
    facts = call(f"{cluster.url(name)}/readyz")[1]
    return facts["broker"]["problems"] if isinstance(facts, dict) else []


def effects(site: int) -> list[tuple[str, int]]:
    return [(each["of"], each["n"]) for each in call(f"http://127.0.0.1:{site}/thirdparty/received")[1] if "of" in each]


def assert_all_happened_once(cluster: LocalCluster, site: int, path: str, sender: Sender, before: int) -> None:
    expected = {(step, number) for number in sender.accepted for step in ("first", "second")}
    try:
        wait_for(lambda: set(effects(site)[before:]) >= expected, 150)
    except AssertionError:
        others = [run for run in finished(cluster, path.split("/")[2]) if run["outcome"] != "finished"]
        pytest.fail(f"missing: {sorted(expected - set(effects(site)[before:]))}; not finished: {others}")
    happened = effects(site)[before:]
    assert len(happened) == len(set(happened)), "a keyed effect happened twice"
    assert set(happened) == expected
    tenant = path.split("/")[2]
    wait_for(
        lambda: len([run for run in finished(cluster, tenant) if run["outcome"] == "finished"]) * 2 >= len(effects(site)), 150
    )


def finished(cluster: LocalCluster, tenant: str) -> list[dict[str, object]]:
    return ask(cluster, f"/tenants/{tenant}/runs?flow=two-effects&limit=1000") or []  # type: ignore[return-value]


def test_each_process_is_restarted_and_nothing_is_lost(cluster: LocalCluster, site: int, path: str) -> None:
    before = len(effects(site))
    with Sender(cluster, path, 0) as sender:
        for name in (*cluster.names, *cluster.conduits, *cluster.control_planes):
            count = len(sender.accepted)
            cluster.stop(name)
            wait_for(lambda count=count: len(sender.accepted) > count + 2, 150)
            cluster.start(name)
            wait_until_whole(cluster)
    assert len(sender.accepted) > 20
    assert_all_happened_once(cluster, site, path, sender, before)


def test_a_broker_node_dies_and_is_missed_by_name_and_nothing_is_lost(cluster: LocalCluster, site: int, path: str) -> None:
    before = len(effects(site))
    with Sender(cluster, path, 10_000) as sender:
        wait_for(lambda: len(sender.accepted) > 5)
        cluster.stop("node2", kill=True)
        count = len(sender.accepted)
        wait_for(lambda: len(sender.accepted) > count + 10, 150)
        wait_for(lambda: any("node2" in each for each in problems(cluster, "conduit1")), 150)
        assert not is_whole(cluster.url("control1"))
        cluster.start("node2")
        wait_until_whole(cluster)
    assert_all_happened_once(cluster, site, path, sender, before)


def test_a_conduit_knows_no_database_and_a_control_plane_no_key_of_runs(cluster: LocalCluster, path: str) -> None:
    conduit, control = cluster.environment("conduit1"), cluster.environment("control1")
    assert "BLUBEES_DATABASE_URL" not in conduit
    assert "BLUBEES_VAULT_KEY_FILE" not in conduit
    assert "BLUBEES_RUN_KEY_FILE" not in control
    facts = call(cluster.url("conduit1") + "/readyz")[1]
    assert (facts["broker"]["storage"], facts["broker"]["nodes_whole"]) == ("memory", list(cluster.names))
    for name in cluster.conduits:
        service = cluster.processes[name].pid
        children = Path(f"/proc/{service}/task/{service}/children").read_text().split()
        limits = Path(f"/proc/{children[0]}/limits").read_text()
        assert next(row for row in limits.splitlines() if row.startswith("Max file size")).split()[3:5] == ["0", "0"]
