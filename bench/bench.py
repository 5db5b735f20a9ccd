"""`make bench`: W1 and W2 beside a hard-coded ceiling in the same run, and matching with many flows. Writes docs/bench/.

W1: webhook → 5 mapped fields → answer. W2: webhook → 202, then 10 mapped fields → choose → POST. CPU counts the whole
process tree, broker included; the load and the sink are processes of their own and do not count.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "main")]

from product import call, free_port, run_product, wait_for  # noqa: E402 - the tests' own starter

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the backend is chosen

REQUESTS = 3_000  # a round
ROUNDS = 7
CONNECTIONS = 16
FOLDER = ROOT / "docs" / "bench"
FIELDS = {
    "key": "{{webhookData.issue.key}}",
    "summary": "{{webhookData.issue.fields.summary.toUpperCase()}}",
    "type": "{{webhookData.issue.fields.issuetype.name}}",
    "priority": "{{webhookData.issue.fields.priority.name}}",
    "labels": '{{webhookData.issue.fields.labels.join(", ")}}',
}
MORE = {
    "status": "{{webhookData.issue.fields.status.name.toLowerCase()}}",
    "versions": '{{webhookData.issue.fields.fixVersions.name.join(", ")}}',
    "reporter": "{{webhookData.issue.fields.reporter.displayName}}",
    "assignee": '{{webhookData.issue.fields.assignee.displayName|"nobody"}}',
    "short": "{{webhookData.issue.fields.summary.left(40)}}",
}


@dataclass(frozen=True)
class Load:
    """What is sent where; `sends`: the work ends with a request to the sink."""

    pid: int
    url: str
    body: bytes
    sink_url: str
    sends: bool


@dataclass(frozen=True)
class Figures:
    """One workload on one side."""

    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    cpu_milliseconds_a_run: float
    peak_mebibytes: float


def make_event() -> bytes:
    """An event of Jira's shape and size (6 KB)."""
    user = {
        "accountId": "5b10a2844c20165700ede21g",
        "displayName": "Mia Krystof",
        "active": True,
        "timeZone": "UTC",
        "avatarUrls": {},
    }
    fields: dict[str, Any] = {
        "summary": "The checkout page shows an empty basket after a change of currency",
        "issuetype": {"id": "10004", "name": "Bug"},
        "priority": {"id": "2", "name": "High"},
        "status": {"id": "3", "name": "In Progress"},
        "labels": ["checkout", "currency", "customer"],
        "fixVersions": [{"id": "1", "name": "4.1"}, {"id": "2", "name": "4.2"}],
        "reporter": user,
        "assignee": None,
        "creator": user,
        "description": "It happens in about one of ten tries. " * 60,
    }
    fields |= {f"customfield_{10_000 + number}": {"value": f"Value {number}", "id": str(number)} for number in range(45)}
    items = [{"field": "status", "from": "1", "fromString": "To Do", "to": "3", "toString": "In Progress"}]
    event = {"webhookEvent": "jira:issue_updated", "timestamp": 1, "issue": {"id": "1", "key": "SHOP-77", "fields": fields}}
    return json.dumps(event | {"user": user, "changelog": {"id": "5", "items": items}}).encode()


async def send_all(url: str, body: bytes, count: int) -> list[float]:
    """Send `count` requests over a few kept connections; gives each one's seconds. Anything but 2xx stops the bench."""
    host, _, path = url.removeprefix("http://").partition("/")
    head = f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    left = iter(range(count))
    times: list[float] = []

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(host.partition(":")[2]))
        for _ in left:
            started = time.perf_counter()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            times.append(time.perf_counter() - started)
            assert answer[9:10] == b"2", answer[:200]
        writer.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return times


def list_tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def count_cpu(pid: int) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in list_tree(pid))


def measure(load: Load) -> Figures:
    """Send once, and wait until the sink has all (W2)."""
    before = int(call(load.sink_url)[1])
    cpu, started = count_cpu(load.pid), time.perf_counter()
    times = sorted(asyncio.run(send_all(load.url, load.body, REQUESTS)))
    if load.sends:
        wait_for(lambda: int(call(load.sink_url)[1]) >= before + REQUESTS, 120)
    seconds = time.perf_counter() - started
    time.sleep(0.5)
    return Figures(
        requests_per_second=round(REQUESTS / seconds),
        p50_milliseconds=round(times[len(times) // 2] * 1e3, 2),
        p99_milliseconds=round(times[int(len(times) * 0.99)] * 1e3, 2),
        cpu_milliseconds_a_run=round((count_cpu(load.pid) - cpu) * 1e3 / REQUESTS, 4),
        peak_mebibytes=round(sum(each.memory_info().rss for each in list_tree(load.pid)) / 2**20, 1),
    )


def measure_all(loads: dict[tuple[str, str], Load]) -> dict[tuple[str, str], Figures]:
    """Take turns, and give each one's median round: neighbours of this machine come and go."""
    rounds: dict[tuple[str, str], list[Figures]] = {name: [] for name in loads}
    for number in range(ROUNDS + 1):  # the first warms up
        for name, load in loads.items():
            found = measure(load)
            rounds[name] += [found] if number else []
        last = {" ".join(name): found[-1].cpu_milliseconds_a_run for name, found in rounds.items() if found}
        print(f"round {number} of {ROUNDS}: CPU ms a run", last or "(warm-up)", flush=True)
    return {name: sorted(found, key=lambda each: each.cpu_milliseconds_a_run)[ROUNDS // 2] for name, found in rounds.items()}


def write_flow(name: str, sink_url: str) -> str:
    if name == "w1":
        steps: list[Any] = [{"id": "answer", "kind": "respond", "with": {"json": FIELDS}}]
    else:
        post = {
            "kind": "http",
            "with": {"method": "POST", "url": sink_url, "json": {n: f"{{{{steps.map.{n}}}}}" for n in {**FIELDS, **MORE}}},
        }
        branches = [
            {"when": '{{priority.equals("Highest")}}', "steps": [{"id": "urgent", **post}]},
            {"steps": [{"id": "normal", **post}]},
        ]
        steps = [
            {"id": "map", "kind": "set", "with": {"values": {**FIELDS, **MORE}}},
            {"id": "way", "kind": "choose", "branches": branches},
        ]
    return json.dumps({"id": name, "name": name, "trigger": {"on": "webhook"}, "steps": steps})


def run_matching() -> dict[str, float]:
    """Microseconds of one match with flows of the same tenant and trigger that don't match."""
    code = """
import sys, timeit
sys.path[:0] = ["tests/flows", "tests"]
from test_match import fill, match
for size in (10, 1000, 100000):
    index = fill(size)
    print(size, min(timeit.repeat(lambda: match(index, "Other"), number=2000, repeat=3)) / 2000 * 1e6)
"""
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split(
        "\n"
    )
    return {line.split()[0]: round(float(line.split()[1]), 2) for line in lines if line}


def start_server(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(ROOT / "bench" / "servers.py"), *map(str, arguments)])


def draw(result: dict[str, Any]) -> None:
    """Draw CPU a run, both sides."""
    figure, axes = plt.subplots(figsize=(7, 3))
    for offset, side in enumerate(("ceiling", "blubees")):
        values = [result[side][name]["cpu_milliseconds_a_run"] for name in ("w1", "w2")]
        bars = axes.barh([position + offset * 0.35 for position in (0, 1)], values, 0.33, label=side)
        axes.bar_label(bars, fmt="%.3f ms")
    axes.set_yticks([0.17, 1.17], ["W1: map and answer", "W2: map, choose, POST"])
    axes.set_xlabel("CPU milliseconds a run (whole process tree, broker included)")
    axes.legend()
    figure.tight_layout()
    figure.savefig(FOLDER / "cpu.svg", metadata={"Date": None})


def main() -> int:
    """Run all, print a table, keep the figures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    last = json.loads((FOLDER / "last.json").read_text()) if (FOLDER / "last.json").exists() else None
    body = make_event()
    sink_port, ceiling_port = free_port(), free_port()
    sink, ceiling = start_server("sink", sink_port), start_server("ceiling", ceiling_port, sink_port)
    sink_url = f"http://127.0.0.1:{sink_port}/"
    try:
        wait_for(lambda: call(sink_url)[0] and call(f"http://127.0.0.1:{ceiling_port}/w1", body)[0])
        with tempfile.TemporaryDirectory() as folder, run_product(Path(folder), more_ports=(sink_port,)) as product:
            time.sleep(1)
            # PSS: a page that several processes share counts once
            everything = [*list_tree(product.process.pid), psutil.Process(product.site.pid)]
            idle = sum(each.memory_full_info().pss for each in everything) / 2**20
            loads = {}
            for name in ("w1", "w2"):
                raw_url, path = f"http://127.0.0.1:{ceiling_port}/{name}", product.publish(write_flow(name, sink_url))
                loads["ceiling", name] = Load(ceiling.pid, raw_url, body, sink_url, name == "w2")
                loads["blubees", name] = Load(product.process.pid, path, body, sink_url, name == "w2")
            best = measure_all(loads)
    finally:
        sink.terminate()
        ceiling.terminate()
        sink.wait()
        ceiling.wait()
    result: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "payload_bytes": len(body),
        **{side: {name: asdict(best[side, name]) for name in ("w1", "w2")} for side in ("ceiling", "blubees")},
        "ratio_of_cpu": {
            name: round(best["blubees", name].cpu_milliseconds_a_run / best["ceiling", name].cpu_milliseconds_a_run, 2)
            for name in ("w1", "w2")
        },
        "idle_mebibytes_with_development_site": round(idle, 1),
        "match_microseconds_by_flows_that_do_not_match": run_matching(),
    }
    (FOLDER / "last.json").write_text(json.dumps(result, indent=2) + "\n")
    draw(result)
    print(json.dumps(result, indent=2))
    if last is not None:
        print("ratio of CPU, last landed:", last["ratio_of_cpu"], "now:", result["ratio_of_cpu"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
