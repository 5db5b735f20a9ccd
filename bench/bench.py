"""`make bench`: what a run costs beside a hard-coded ceiling in the same run, and what the product holds. Writes docs/bench/.

W1: webhook → 5 mapped fields → answer. W2: webhook → 202, then 10 mapped fields → choose → POST. W3: webhook → 202, then
`each` over 100 items, 10 at a time, each a keyed POST; W3 unsafe: the same one by one, each an unsafe POST (a checkpoint each).
CPU counts the whole process tree, broker included; the load and the sink are processes of their own and do not count.

Parts can be named: `python bench/bench.py w2 inflight`; the figures of the others stay as they are.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "main")]

from product import call, free_port, run_product, wait_for  # noqa: E402 - the tests' own starter

from connectors import try_connectors  # noqa: E402 - beside this file
from expressions import try_expressions  # noqa: E402 - beside this file
from importing import try_import  # noqa: E402 - beside this file
from load import Load, list_tree, make_event, make_list, measure_all, write_flows  # noqa: E402 - beside this file
from parked import try_parked  # noqa: E402 - beside this file
from trials import try_accepting, try_in_flight, try_noise  # noqa: E402 - beside this file

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the backend is chosen

REQUESTS = {"w1": 3_000, "w2": 2_000, "w3": 60, "w3_unsafe": 15}  # a round
EFFECTS = {"w1": 0, "w2": 1, "w3": 100, "w3_unsafe": 100}
ALLOWED = {"w1": 2.5, "w2": 4.0, "w3": 4.0}  # times the ceiling's CPU
ROUNDS = 7
FOLDER = ROOT / "docs" / "bench"
TRIALS = {
    "parked": try_parked,
    "inflight": try_in_flight,
    "accepting": try_accepting,
    "noise": try_noise,
    "connectors": try_connectors,
}
PARTS = (*REQUESTS, *TRIALS, "match", "expressions", "import")
TITLES = {
    "w1": "W1: map and answer",
    "w2": "W2: map, choose, POST",
    "w3": "W3: 100 keyed POSTs",
    "w3_unsafe": "W3 unsafe: 100 POSTs",
}


def run_workloads(names: list[str], ports: tuple[int, int], ceiling: int, rounds: int) -> dict[str, Any]:
    """The workloads on both sides, in turn."""
    sink_url, event, items = f"http://127.0.0.1:{ports[0]}/", make_event(), make_list()
    flows = write_flows(sink_url)
    with tempfile.TemporaryDirectory() as folder, run_product(Path(folder), more_ports=(ports[0],)) as product:
        time.sleep(1)
        # PSS: a page that several processes share counts once
        everything = [*list_tree(product.process.pid), psutil.Process(product.site.pid)]
        idle = sum(each.memory_full_info().pss for each in everything) / 2**20
        loads = {}
        for name in names:
            body, raw = items if name.startswith("w3") else event, name.removesuffix("_unsafe")
            more = (EFFECTS[name], REQUESTS[name])
            if raw == name or raw not in names:
                raw_url = f"http://127.0.0.1:{ports[1]}/{raw}"
                loads["ceiling", raw] = Load(ceiling, raw_url, body, f"{sink_url}ceiling-{raw}", *more)
            loads["blubees", name] = Load(product.process.pid, product.publish(flows[name]), body, f"{sink_url}{name}", *more)
        found = measure_all(loads, rounds)
    result: dict[str, Any] = {"idle_mebibytes_with_development_site": round(idle, 1), "ceiling": {}, "blubees": {}}
    for (side, name), figures in found.items():
        result[side][name] = asdict(figures)
    result["ratio_of_cpu"] = {
        name: round(
            found["blubees", name].cpu_milliseconds_a_run
            / found["ceiling", name.removesuffix("_unsafe")].cpu_milliseconds_a_run,
            2,
        )
        for name in names
    }
    return result


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
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {line.split()[0]: round(float(line.split()[1]), 2) for line in ran.stdout.splitlines() if line}


def start_server(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(ROOT / "bench" / "servers.py"), *map(str, arguments)])


def draw(result: dict[str, Any]) -> None:
    """Draw CPU as a multiple of the ceiling's, by process, and what is allowed."""
    names = [name for name in TITLES if name in result["blubees"]]
    figure, axes = plt.subplots(figsize=(8, 3.2))
    for place, name in enumerate(names):
        base = result["ceiling"][name.removesuffix("_unsafe")]["cpu_milliseconds_a_run"]
        left = 0.0
        for kind, colour in (("conduits", "C0"), ("broker", "C1"), ("control plane", "C2"), ("supervisor", "C3")):
            width = result["blubees"][name]["cpu_by_process"].get(kind, 0.0) / base
            axes.barh(place, width, 0.6, left=left, color=colour, label=kind if place == 0 else None)
            left += width
        axes.text(left, place, f" {left:.2f} x {base:.3f} ms", va="center")
        if name in ALLOWED:
            axes.plot([ALLOWED[name]] * 2, [place - 0.4, place + 0.4], color="black")
    axes.set_yticks(range(len(names)), [TITLES[name] for name in names])
    axes.set_xlabel("CPU of a run, as a multiple of the hard-coded ceiling's (the line: what is allowed)")
    axes.set_xlim(0, axes.get_xlim()[1] * 1.25)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(FOLDER / "cpu.svg", metadata={"Date": None})


def main() -> int:
    """Run the parts that are named, print a table, keep the figures."""
    parser = argparse.ArgumentParser(description="Measure beside the raw ceiling.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; none means all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dry", action="store_true", help="print only, keep nothing")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not a part. Parts are {', '.join(PARTS)}.")
    parts = chosen.parts or list(PARTS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "last.json"
    last: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    ports = free_port(), free_port()
    sink, ceiling = start_server("sink", ports[0]), start_server("ceiling", ports[1], ports[0])
    sink_url = f"http://127.0.0.1:{ports[0]}/"
    result = last

    def keep(**found: Any) -> None:
        """Keep what a part has found as it comes: a part that fails later costs only itself."""
        nonlocal result
        fresh.update(found)
        merged = {name: {**last[name], **value} if isinstance(last.get(name), dict) else value for name, value in fresh.items()}
        result = {**last, **merged}
        if not chosen.dry:
            path.write_text(json.dumps(result, indent=2) + "\n")

    fresh: dict[str, Any] = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "payload_bytes": len(make_event())}
    try:
        wait_for(lambda: call(sink_url)[0] and call(f"http://127.0.0.1:{ports[1]}/w1", make_event())[0])
        names = [name for name in REQUESTS if name in parts]
        if names:
            keep(**run_workloads(names, ports, ceiling.pid, chosen.rounds))
        for name, trial in TRIALS.items():
            if name in parts:
                keep(**{name: trial(sink_url)})
                print(name, fresh[name], flush=True)
    finally:
        for server in (sink, ceiling):
            server.terminate()
            server.wait()
    if "match" in parts:
        keep(match_microseconds_by_flows_that_do_not_match=run_matching())
    if "import" in parts:
        keep(**{"import": try_import()})
    if "expressions" in parts:
        keep(expressions=try_expressions())
    print(json.dumps(fresh, indent=2))
    if not chosen.dry:
        draw(result)
    for name, ratio in fresh.get("ratio_of_cpu", {}).items():
        before, allowed = last.get("ratio_of_cpu", {}).get(name), ALLOWED.get(name)
        print(f"{TITLES[name]:24} {ratio:6.2f} x the ceiling's CPU; last landed {before}; allowed {allowed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
