"""Loads for the bench: what is sent, how it is sent, and what it costs in CPU and memory. Used by bench.py and trials.py."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from product import call, wait_for

CONNECTIONS = 16
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
    """What is sent where; `effects`: how many requests to the sink each one ends with."""

    pid: int
    url: str
    body: bytes
    sink_url: str
    effects: int
    requests: int


@dataclass(frozen=True)
class Figures:
    """One workload on one side. CPU is that of the whole process tree, and of each kind of process in it."""

    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    cpu_milliseconds_a_run: float
    cpu_by_process: dict[str, float]
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


def make_list() -> bytes:
    """A hundred items."""
    return json.dumps({"items": [{"id": number, "name": f"Item {number}"} for number in range(100)]}).encode()


def write_flow(name: str, steps: list[Any]) -> str:
    return json.dumps({"id": name, "name": name, "trigger": {"on": "webhook"}, "steps": steps})


def write_flows(sink_url: str) -> dict[str, str]:
    """The flows by their workload's name; each sends to a path of its own, where the sink counts."""

    def post(name: str) -> dict[str, Any]:
        values = {n: f"{{{{steps.map.{n}}}}}" for n in {**FIELDS, **MORE}}
        return {"kind": "http", "with": {"method": "POST", "url": f"{sink_url}{name}", "json": values}}

    def loop(name: str, effect: str, at_once: int) -> list[Any]:
        item = {"n": "{{item.id}}", "name": "{{item.name}}"}
        settings = {"method": "POST", "url": f"{sink_url}{name}", "json": item, "effect": effect}
        branch = {"steps": [{"id": "post", "kind": "http", "with": settings}]}
        each = {"items": "{{webhookData.items}}", "at_once": at_once}
        return [{"id": "loop", "kind": "each", "with": each, "branches": [branch]}]

    map_all = {"id": "map", "kind": "set", "with": {"values": {**FIELDS, **MORE}}}
    branches = [
        {"when": '{{priority.equals("Highest")}}', "steps": [{"id": "urgent", **post("w2")}]},
        {"steps": [{"id": "normal", **post("w2")}]},
    ]
    slow = {"method": "POST", "url": f"{sink_url}slow", "json": {"key": FIELDS["key"]}}
    quiet = {"method": "POST", "url": f"{sink_url}quiet", "json": {"n": "{{webhookData.n}}"}}
    flows: dict[str, list[Any]] = {
        "w1": [{"id": "answer", "kind": "respond", "with": {"json": FIELDS}}],
        "w2": [map_all, {"id": "way", "kind": "choose", "branches": branches}],
        "w3": loop("w3", "keyed", 10),
        "w3_unsafe": loop("w3_unsafe", "auto", 1),
        "slow": [{"id": "post", "kind": "http", "with": slow}],
        "slower": [{"id": "post", "kind": "http", "with": {**slow, "url": f"{sink_url}slower", "timeout_seconds": 120}}],
        "quiet": [{"id": "post", "kind": "http", "with": quiet}],
    }
    return {name: write_flow(name.replace("_", "-"), steps) for name, steps in flows.items()}


async def send_all(
    url: str, body: bytes, count: int, connections: int = CONNECTIONS, pause: float = 0.0
) -> tuple[list[float], int]:
    """Send `count` requests over a few kept connections; gives each one's seconds, and how many had to be sent again (429).

    Args:
        pause: seconds between two requests of a connection.
    """
    host, _, path = url.removeprefix("http://").partition("/")
    head = f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    left = iter(range(count))
    times: list[float] = []
    refused = 0

    async def work() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", int(host.partition(":")[2]))
        for _ in left:
            while True:
                started = time.perf_counter()
                writer.write(request)
                answer = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                times.append(time.perf_counter() - started)
                if answer[9:12] != b"429":
                    break
                refused += 1
                await asyncio.sleep(0.2)
            assert answer[9:10] == b"2", answer[:200]
            if pause:
                await asyncio.sleep(pause)
        writer.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return times, refused


def list_tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def count_cpu(pid: int) -> dict[str, float]:
    """CPU seconds so far, by kind of process."""
    found: dict[str, float] = {}
    for process in list_tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline())
            kinds = {"blubees.main.conduit": "conduits", "blubees.main.control_plane": "control plane", "nats-server": "broker"}
            kind = next((kind for word, kind in kinds.items() if word in line), "supervisor")
            found[kind] = found.get(kind, 0.0) + sum(process.cpu_times()[:2])
    return found


def measure(load: Load) -> Figures:
    """Send once, and wait until the sink has all."""
    before = int(call(load.sink_url)[1]) if load.effects else 0
    cpu, started = count_cpu(load.pid), time.perf_counter()
    times = sorted(asyncio.run(send_all(load.url, load.body, load.requests))[0])
    if load.effects:
        wait_for(lambda: int(call(load.sink_url)[1]) >= before + load.requests * load.effects, 120)
    seconds = time.perf_counter() - started
    time.sleep(0.5)
    spent = {kind: value - cpu.get(kind, 0.0) for kind, value in count_cpu(load.pid).items()}
    return Figures(
        requests_per_second=round(load.requests / seconds, 1),
        p50_milliseconds=round(times[len(times) // 2] * 1e3, 2),
        p99_milliseconds=round(times[int(len(times) * 0.99)] * 1e3, 2),
        cpu_milliseconds_a_run=round(sum(spent.values()) * 1e3 / load.requests, 4),
        cpu_by_process={kind: round(value * 1e3 / load.requests, 4) for kind, value in spent.items() if value > 0},
        peak_mebibytes=round(sum(each.memory_info().rss for each in list_tree(load.pid)) / 2**20, 1),
    )


def measure_all(loads: dict[tuple[str, str], Load], rounds: int) -> dict[tuple[str, str], Figures]:
    """Take turns, and give each one's median round: neighbours of this machine come and go."""
    found: dict[tuple[str, str], list[Figures]] = {name: [] for name in loads}
    for number in range(rounds + 1):  # the first warms up
        for name, load in loads.items():
            figures = measure(load)
            found[name] += [figures] if number else []
        last = {" ".join(name): each[-1].cpu_milliseconds_a_run for name, each in found.items() if each}
        print(f"round {number} of {rounds}: CPU ms a run", last or "(warm-up)", flush=True)
    return {name: sorted(each, key=lambda one: one.cpu_milliseconds_a_run)[rounds // 2] for name, each in found.items()}


def read_peak(pid: int) -> float:
    """A process's largest resident memory so far, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
