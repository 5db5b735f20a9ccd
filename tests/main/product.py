"""Starts the real product and the development Jira site for tests: real processes, real broker, real HTTP. Used by tests here."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blubees.main.local_cluster import free_ports
from blubees.main.operator_client import OperatorClient

ROOT = Path(__file__).resolve().parents[2]
PROBES = 8  # each reaches one of the conduits, by chance
STARTER = (sys.executable, "-c", "from blubees.main.cli import main; main()")


@dataclass
class Product:
    """A running product."""

    data: Path
    port: int
    site_port: int
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    site: subprocess.Popen[bytes]
    log: Path
    starter: Sequence[str] = STARTER

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def site_url(self) -> str:
        return f"http://127.0.0.1:{self.site_port}"

    def operator(self) -> OperatorClient:
        return OperatorClient.from_folder(self.data)

    def tenant(self, number: int = 0) -> str:
        """The tenant of a site, once its `installed` event arrived."""
        cloud_id = call(f"{self.site_url}/_dev/sites")[1][number]["cloudId"]
        return str(
            wait_for(lambda: next((t["tenant"] for t in self.operator().get("/tenants") if t["cloud_id"] == cloud_id), None))
        )

    def publish(self, text: str, number: int = 0, *, probe: bool = True) -> str:
        """Publish a flow; gives the webhook's address, once all conduits know it (`probe`), or the flow's id."""
        tenant = self.tenant(number)
        flow = self.operator().put_text(f"/tenants/{tenant}/flows", text)["flow"]
        done = self.operator().post(f"/tenants/{tenant}/flows/{flow}/publish")
        token = done.get("hook_token")
        if token:
            path = f"{self.url}/hooks/{tenant}/{token}"
            if probe:
                wait_for(lambda: all(call(path, b"{", {"Content-Type": "application/json"})[0] == 400 for _ in range(PROBES)))
            return path
        time.sleep(0.2)
        return str(flow)

    def ended(self, query: str, number: int = 0) -> list[Any]:
        """The runs that the query gives, newest first, once there is one and all have ended; runs under way are listed too."""
        tenant = self.tenant(number)

        def ask() -> list[Any] | None:
            runs: list[Any] = self.operator().get(f"/tenants/{tenant}/runs?{query}")
            return runs if runs and all(run["outcome"] != "accepted" for run in runs) else None

        return list(wait_for(ask, 40))

    def jira(self, method: str, path: str, body: object = None, number: int = 0) -> Any:
        """Act in the site as a person."""
        cloud_id = call(f"{self.site_url}/_dev/sites")[1][number]["cloudId"]
        url = f"{self.site_url}/ex/jira/{cloud_id}/rest/api/3{path}"
        return call(url, None if body is None else json.dumps(body).encode(), {"X-Devsite-Person": "1"}, method)[1]

    def restart(self) -> None:
        """Stop all processes of the product, broker included, and start it again on the same folder."""
        self.process.terminate()
        self.process.wait(30)
        self.process = start_product(self.data, self.log, self.environment, self.starter)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        wait_for(lambda: call(f"{self.url}/readyz")[0] == 200 and (self.data / "operator.json").exists())

    def children(self) -> list[int]:
        """Process ids of the supervisor's children."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(each) for each in path.read_text().split()]

    def find(self, word: str) -> list[int]:
        """Children whose command line has the word."""
        found = []
        for pid in self.children():
            with contextlib.suppress(OSError):
                if word in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(pid)
        return found


def call(url: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str = "") -> tuple[int, Any]:
    """One HTTP call: (status, JSON or text)."""
    request = urllib.request.Request(
        url, data=body, headers=headers or {}, method=method or ("POST" if body is not None else "GET")
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    except OSError:
        return 0, None
    try:
        return status, json.loads(content)
    except ValueError:
        return status, content.decode(errors="replace")


def wait_for(ask: Any, seconds: float = 60.0) -> Any:
    """Ask until it is true."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def free_port() -> int:
    return free_ports(1)[0]


def start_product(
    data: Path, log: Path, environment: dict[str, str], starter: Sequence[str] = STARTER
) -> subprocess.Popen[bytes]:
    command = [*starter, "serve", "--data", str(data)]
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment)


@contextlib.contextmanager
def run_product(
    folder: Path,
    *,
    sites: int = 1,
    conduits: int = 2,
    more_ports: tuple[int, ...] = (),
    starter: Sequence[str] = STARTER,
) -> Iterator[Product]:
    """Run all of it; on the way out everything must stop by itself. `starter`: the command line, another one for campaigns."""
    port, site_port = free_port(), free_port()
    data = folder / "data"
    log = folder / "product.log"
    environment = os.environ | {
        "BLUBEES_PORT": str(port),
        "BLUBEES_OPERATOR_PORT": "0",
        "BLUBEES_CONDUITS": str(conduits),
        "BLUBEES_ATLASSIAN_API": f"http://127.0.0.1:{site_port}",
        "BLUBEES_FORGE_KEYS": f"http://127.0.0.1:{site_port}/.well-known/jwks.json",
        "BLUBEES_ALLOW_LOOPBACK_PORTS": ",".join(map(str, (site_port, *more_ports))),
    }
    arguments = ["--port", str(site_port), "--app-url", f"http://127.0.0.1:{port}", "--sites", str(sites)]
    arguments += ["--manifest", str(ROOT / "forge" / "manifest.yml"), "--retry-gap-seconds", "0.3"]
    site = subprocess.Popen([sys.executable, "-m", "devsite", *arguments], stdout=subprocess.DEVNULL)
    product = Product(data, port, site_port, start_product(data, log, environment, starter), environment, site, log, starter)
    try:
        product.wait_until_ready()
        yield product
    finally:
        process = product.process
        children = product.children() if process.poll() is None else []
        process.terminate()
        site.terminate()
        process.wait(30)
        site.wait(10)
        left = [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not left, "processes stayed behind"
