"""A vendor of the catalogue on the real product, whose vault is on AWS KMS: an action, its webhook, a key that is disabled, a goodbye.

The vendor is a stand-in for a GitLab of one's own, over real TLS of an authority of its own; KMS a stand-in with AWS's key states.
"""

import asyncio
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from product import Product, call, run_product, wait_for

from fakes.kms import Key, Kms, run_kms
from fakes.tls_front import make_tls_files

pytestmark = pytest.mark.timeout(180)
ALIAS, TOKEN = "alias/blubees", "glpat-kq83hfd02kLmWx71example"
JSON = {"Content-Type": "application/json"}
WORDS = "canary-Pz55ksd81mQwVt"
OPEN_ISSUE = """
id: open-issue
name: Open an issue
trigger: {on: webhook}
steps:
  - {id: open, kind: gitlab.create_issue, with: {connection: forge, project: shop/web, title: "{{webhookData.title}}"}}
  - {id: known, kind: set, with: {values: {iid: "{{steps.open.iid}}"}}}
"""
ON_ISSUE = """
id: on-issue
name: An issue came
trigger: {on: gitlab.issue, connection: forge, inputs: {project: shop/web}}
steps:
  - {id: known, kind: set, with: {values: {iid: "{{webhookData.object_attributes.iid}}"}}}
"""
CAME = {"object_kind": "issue", "object_attributes": {"iid": 42, "title": WORDS, "action": "open"}}


class Forge(BaseHTTPRequestHandler):
    """The stand-in: makes issues and hooks for whoever has the token."""

    asked: ClassVar[list[tuple[str, Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        self.asked.append((self.path, body))
        said = {"id": 9001, "iid": 42, "project_id": 77, "web_url": "https://forge/42", "title": body.get("title")}
        content = json.dumps(said if is_known else {"message": "401 Unauthorized"}).encode()
        self.send_response(201 if is_known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_given: object) -> None: ...


@dataclass
class World:
    """The product and what is around it."""

    product: Product
    kms: Kms
    key: Key
    host: str
    asked: list[tuple[str, Any]] = field(default_factory=lambda: Forge.asked)

    def command(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        starter = [sys.executable, "-c", "from blubees.main.cli import main; main()"]
        return subprocess.run(
            [*starter, *arguments, "--data", str(self.product.data)],
            input=given, capture_output=True, text=True, check=False, timeout=60, env=self.product.environment,
        )  # fmt: skip

    def add_connection(self, tenant: str) -> None:
        how = ["--connector", "gitlab", "--setting", f"param_host={self.host}", "--tenant", tenant]
        done = self.command("connection", "add", "forge", *how, given=TOKEN)
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout

    def start(self, path: str) -> Any:
        """Start a run; gives its receipt, whole, when it has ended."""
        before = len(self.list_runs("open-issue"))
        wait_for(lambda: call(path, json.dumps({"title": WORDS}).encode(), JSON)[0] == 202)
        wait_for(lambda: len(self.list_runs("open-issue")) > before)
        newest = self.product.ended("flow=open-issue")[0]["run"]
        return self.product.operator().get(f"/tenants/{self.product.tenant()}/runs/{newest}")

    def list_runs(self, flow: str) -> list[Any]:
        found: list[Any] = self.product.operator().get(f"/tenants/{self.product.tenant()}/runs?flow={flow}")
        return found


@contextmanager
def serve_forge(folder: Path) -> Iterator[tuple[str, Path]]:
    files = make_tls_files(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forge)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", files.authority
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def serve_kms() -> Iterator[Kms]:
    """Serve it by a loop of its own."""
    found, ready = list[Kms](), threading.Event()
    loop, done = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with run_kms() as kms:
            found.append(kms)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(done.set)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("kms")
    with serve_forge(folder) as (host, authority), serve_kms() as kms, pytest.MonkeyPatch.context() as patch:
        key = kms.create_key(ALIAS)
        for name, value in {
            "BLUBEES_EXTRA_CA_FILE": str(authority), "BLUBEES_KMS_KEYS": ALIAS, "BLUBEES_AWS_REGION": "us-east-1",
            "BLUBEES_AWS_ENDPOINT": kms.url, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": str(folder / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        }.items():  # fmt: skip
            patch.setenv(name, value)
        port = int(host.rpartition(":")[2])
        with run_product(folder, sites=2, conduits=1, more_ports=(port,)) as product:
            product.tenant()
            yield World(product, kms, key, host)


def test_an_action_and_a_disabled_key_and_a_goodbye(world: World) -> None:
    product, key = world.product, world.key
    tenant, operator = product.tenant(), product.operator()
    world.add_connection(tenant)
    assert operator.get("/vault")["provider"]["kind"] == "AWS KMS"
    path = product.publish(OPEN_ISSUE, probe=False)

    told = world.start(path)
    assert ("/api/v4/projects/shop%2Fweb/issues", {"title": WORDS}) in world.asked
    assert [(each["step"], each["kind"], each["outcome"], each.get("http_status")) for each in told["run"]["steps"]] == [
        ("open", "gitlab.create_issue", "done", 201),
        ("known", "set", "done", None),
    ]
    shown = world.command("runs", "show", told["run"]["run"], "--tenant", tenant)
    assert "gitlab.create_issue" in shown.stdout

    # the key is disabled, and everything is started anew: nothing opens, and the run says why
    key.state = "Disabled"
    product.restart()
    operator = product.operator()
    failed = world.start(path)
    assert failed["run"]["outcome"] == "failed"
    assert (failed["run"]["failure"]["code"], failed["run"]["failure"]["detail"]) == ("busy", "key_disabled")
    said = world.command("runs", "show", failed["run"]["run"], "--tenant", tenant).stdout
    assert "is disabled at the key management service" in said
    events = operator.get(f"/tenants/{tenant}/audit?limit=5")
    assert ("lease_refused", "forge", "key_disabled") in [(e["action"], e["connection"], e["detail"]) for e in events]

    # enabled again it opens what was kept before, and the run goes on
    key.state = "Enabled"
    count = len(world.asked)
    assert world.command("runs", "retry", failed["run"]["run"], "--tenant", tenant).returncode == 0
    wait_for(lambda: {each["outcome"] for each in world.list_runs("open-issue")} == {"finished"})
    assert len(world.asked) == count + 1

    kept = b"".join(file.read_bytes() for file in product.data.rglob("*") if file.is_file()) + product.log.read_bytes()
    outputs = json.dumps([told, failed]) + shown.stdout + said
    for word in (WORDS, TOKEN):
        assert word.encode() not in kept
        assert word not in outputs

    # the app is uninstalled: all of it is gone at once, and told
    assert call(f"{product.site_url}/_dev/uninstall", b"{}", JSON)[0] == 200
    wait_for(lambda: operator.get(f"/tenants/{tenant}/connections") == [])
    events = operator.get(f"/tenants/{tenant}/audit?leases=false&limit=1")
    assert [(e["action"], e["actor"], e["detail"]) for e in events] == [("tenant_shredded", "control_plane", "uninstalled")]
    assert [each["is_destroyed"] for each in operator.get(f"/tenants/{tenant}/vault")["versions"]] == [True]


def test_a_webhook_is_registered_and_only_what_is_signed_starts_a_run(world: World) -> None:
    product = world.product
    tenant, operator = product.tenant(1), product.operator()
    world.add_connection(tenant)
    product.publish(ON_ISSUE, 1, probe=False)
    ((path, asked),) = [each for each in world.asked if each[0].endswith("/hooks")]
    assert path == "/api/v4/projects/shop%2Fweb/hooks"
    assert (asked["issues_events"], asked["push_events"]) == (True, False)
    assert asked["url"].startswith(f"{product.url}/hooks/{tenant}/")

    def deliver(number: int, token: str) -> int:
        names = {"X-Gitlab-Event": "Issue Hook", "Idempotency-Key": f"delivery-{number}", "X-Gitlab-Token": token}
        return call(asked["url"], json.dumps(CAME).encode(), JSON | names)[0]

    wait_for(lambda: deliver(1, asked["token"]) == 202)
    for number, wrong in enumerate(("", "x", asked["token"][:-1], asked["token"] + "0"), 2):
        assert deliver(number, wrong) == 404
    assert deliver(1, asked["token"]) in {200, 202}  # sent again: it counts once
    (run,) = product.ended("flow=on-issue", 1)
    assert (run["outcome"], run["trigger"]) == ("finished", "webhook")
    assert operator.get(f"/tenants/{tenant}/runs") == [run]
    kept = b"".join(file.read_bytes() for file in product.data.rglob("*") if file.is_file()) + product.log.read_bytes()
    for word in (WORDS, TOKEN, asked["token"]):
        assert word.encode() not in kept
