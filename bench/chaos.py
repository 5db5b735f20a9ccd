"""`make chaos`: two-effect runs under faults, and what became of each. Writes docs/chaos.md; exit 1 when a promise is broken.

Defects are planted afterwards (bench/defects.py), each in a product of its own: one that goes unseen voids the campaign.
Parts can be named: `python bench/chaos.py --dry conduits defects`.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "main"), str(ROOT / "src")]

from product import call, free_port, run_product, wait_for  # noqa: E402 - the tests' own starter

import chaos_cluster as cluster_faults  # noqa: E402 - beside this file
import chaos_world as faults  # noqa: E402 - see above
from chaos_page import write_page  # noqa: E402 - see above
from chaos_world import EFFECTS, OPEN, Flow, Round, World, list_runs, send_round, settle  # noqa: E402 - see above
from defects import DEFECTS  # noqa: E402 - see above
from start import LIBRARIES  # noqa: E402 - see above

TAKE_OVER_SECONDS = 15.0  # promised
SETTLE_SECONDS = 90.0
PARKING = frozenset({faults.WAITING, faults.ASKING, faults.FETCHED})  # their silence is no sign of death


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and how much of it.

    Attributes:
        loses: the only broker dies, so that runs may be lost, but never silently.
        jumps: clocks jump: what waits is left out, since a wait that is begun while a clock is ahead ends by that clock's time.
        must_lose: so much dies that runs must be lost, and others launched again: else it was no trial.
    """

    title: str
    do: Callable[[World, Round], None]
    rounds: int
    count: int
    seconds: float
    latency: float = 0.2
    loses: bool = False
    jumps: bool = False
    must_lose: bool = False


FAULTS = {
    "none": Fault("none", faults.do_nothing, 1, 150, 3),
    "conduits": Fault("SIGKILL of conduits", faults.kill_conduits, 4, 150, 2, latency=0.6),
    "control": Fault("SIGKILL of the control plane", faults.kill_control_plane, 2, 120, 5),
    "database": Fault("database locked", faults.hold_database, 2, 120, 6),
    "vendor": Fault("third party errs, hangs, cuts off", faults.misbehave, 2, 210, 6),
    "clock": Fault("clock jumps", faults.jump_clock, 2, 120, 6, jumps=True),
    "broker": Fault("SIGKILL of the only broker", faults.kill_broker, 2, 120, 4, loses=True),
    "payload": Fault(
        "SIGKILL of the only broker and all conduits",
        faults.kill_broker_and_conduits,
        2,
        120,
        4,
        latency=1.7,
        loses=True,
        must_lose=True,
    ),
    "all": Fault("all but the broker's, at once", faults.do_all, 2, 150, 7, latency=0.6, jumps=True),
}


IN_CLUSTER = {
    "cluster": Fault("cluster: none", faults.do_nothing, 1, 120, 3),
    "node": Fault("cluster: SIGKILL of a broker node", cluster_faults.kill_node, 3, 120, 5),
    "cluster-conduits": Fault("cluster: SIGKILL of a conduit", cluster_faults.kill_a_conduit, 2, 120, 3, latency=0.6),
    "cluster-control": Fault("cluster: SIGKILL of a control plane", cluster_faults.kill_a_control_plane, 2, 120, 5),
    "postgresql": Fault("cluster: PostgreSQL hangs, then stops", cluster_faults.stop_database, 2, 120, 8),
    "cluster-all": Fault("cluster: all of them at once", cluster_faults.do_all_in_cluster, 2, 120, 7, latency=0.6),
}


@dataclass(slots=True)
class Tally:
    """What became of the runs of one fault."""

    title: str
    counts: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    take_over_seconds: list[float] = field(default_factory=list)
    may_lose: bool = False
    must_lose: bool = False

    @property
    def broken(self) -> list[str]:
        """The promises that were broken."""
        names = ["lost silently", "repeated after it was finished", "carried wrong"]
        names += [f"twice {effect}" for effect in (*EFFECTS, faults.FETCHED)] + (
            [] if self.may_lose else ["lost", "started twice"]
        )
        found = [f"{name}: {self.counts[name]}" for name in names if self.counts[name]]
        if self.must_lose:
            found += [f"no run was {name}: no trial" for name in ("lost", "launched again") if not self.counts[name]]
        if any(each > TAKE_OVER_SECONDS for each in self.take_over_seconds):
            found.append(f"taken over after {max(self.take_over_seconds):.1f} s")
        return found


@contextlib.contextmanager
def run_world(defect: str = "") -> Iterator[World]:
    """The product with its third party, and perhaps a defect."""
    port = free_port()
    server = subprocess.Popen([sys.executable, str(ROOT / "bench" / "witness.py"), str(port)])
    try:
        with tempfile.TemporaryDirectory() as folder:
            clock = Path(folder) / "clock"
            clock.write_text("+0s")
            starter = (sys.executable, str(ROOT / "bench" / "start.py"), defect, str(clock) if LIBRARIES else "")
            with run_product(Path(folder), more_ports=(port,), starter=starter) as product:
                world = World(product, f"http://127.0.0.1:{port}", clock)
                wait_for(lambda: call(f"{world.witness}/records")[0] == 200)
                yield world
    finally:
        server.terminate()
        server.wait()


def try_fault(world: World, name: str, fault: Fault, settle_seconds: float = SETTLE_SECONDS) -> Tally:
    """Send bursts under one fault, and judge what became of them."""
    world.rounds = []
    effects = [effect for effect in EFFECTS if not (fault.jumps and effect in faults.PARKING)]
    flows = [world.publish(f"{name}-{effect}", effect) for effect in effects]
    judged = flows
    if fault.must_lose:
        world.fetched = world.publish(f"{name}-{faults.FETCHED}", faults.FETCHED)
        judged = [*flows, world.fetched]
    for number in range(fault.rounds):
        world.behave(seconds=fault.latency)
        this = Round(number, fault.count, fault.seconds)
        world.rounds.append(this)
        send_round(world, flows, this, fault.do)
        world.behave(seconds=fault.latency)
        settle(world, judged, settle_seconds)
    tally = Tally(fault.title, may_lose=fault.loses, must_lose=fault.must_lose)
    for flow in judged:
        judge(world, flow, tally)
    return tally


def try_and_tell(world: World, name: str, fault: Fault) -> Tally:
    """Try, and print what was found."""
    started = time.monotonic()
    tally = try_fault(world, name, fault)
    print(f"{tally.title}: {dict(tally.counts)} {dict(tally.failures)} {time.monotonic() - started:.0f} s", flush=True)
    print("  BROKEN: " + "; ".join(tally.broken) if tally.broken else "  kept", flush=True)
    return tally


def judge(world: World, flow: Flow, tally: Tally) -> None:
    """Hold what the ledger says against what the third party saw."""
    runs, records, counts = list_runs(world, flow), world.records({flow.name}), tally.counts
    counts["accepted"] += len(flow.accepted)
    counts["not accepted"] += len(flow.refused)
    counts["asked"] += len(flow.asked)
    tally.failures.update(run["failure"]["code"] for run in runs if run.get("failure"))
    counts.update(run["outcome"] for run in runs if run["outcome"] not in OPEN)
    done = {(each["run"], each["which"]) for each in records if not each["refused"]}
    finished = [run["run"] for run in runs if run["outcome"] == "finished"]
    half = [run for run in finished if run not in flow.skipped and not {(run, 1), (run, 2)} <= done]
    still_open = sum(run["outcome"] in OPEN for run in runs)
    counts["lost silently"] += max(0, len(flow.accepted) - len(runs)) + still_open + len(half)
    counts["started twice"] += max(0, len(runs) - len(flow.accepted) - len(flow.refused))
    effects = Counter((each["n"], each["which"]) for each in records if each["happened"])
    counts[f"twice {flow.effect}"] += sum(times > 1 for times in effects.values())
    gone_on = set[str]()
    for each in records:
        if each["which"] == 2:
            gone_on.add(each["run"])
            counts["carried wrong"] += each["token"] not in (None, "", f"t-{each['n']}")
        else:
            again = "launched again" if flow.effect == faults.FETCHED else "repeated after it was finished"
            counts[again] += each["run"] in gone_on  # who is launched again begins at the start, with the same keys
    tally.take_over_seconds += time_take_overs(world, flow, runs, records)


def time_take_overs(world: World, flow: Flow, runs: list[dict[str, Any]], records: list[dict[str, Any]]) -> list[float]:
    """For each run that was delivered again in a round with a kill: the seconds from the kill to its next sign of life."""
    found = []
    for run in runs if flow.effect not in PARKING else []:
        mine = [each for each in records if each["run"] == run["run"]]
        if run.get("deliveries", 1) < 2 or not mine:
            continue
        killed_at = world.rounds[mine[0]["n"] // 10_000].killed_at
        signs = [each["at"] for each in mine] + ([flow.asked[run["run"]]] if run["run"] in flow.asked else [])
        after = [at - killed_at for at in signs if at > killed_at]
        if killed_at and after:
            found.append(min(after))
    return found


PLANTED = {
    "checkpoints are not saved": Fault("", faults.kill_conduits, 1, 90, 2, latency=0.8),
    "runs are finished before they are performed": Fault("", faults.kill_conduits, 1, 90, 2, latency=0.8),
    "each try has another Idempotency-Key": Fault("", faults.misbehave, 1, 60, 2),
    "what is in doubt is tried again unasked": Fault("", faults.kill_conduits, 1, 90, 2, latency=0.8),
    "a delivery's id is ignored": Fault("", faults.do_nothing, 1, 60, 2),
    "a receipt is thrown away": Fault("", faults.do_nothing, 1, 60, 2),
}


def plant_defects() -> dict[str, list[str]]:
    """Each defect with the broken promises that were seen."""
    assert set(PLANTED) == set(DEFECTS)
    seen = {}
    for name, fault in PLANTED.items():
        with run_world(name) as world:
            seen[name] = try_fault(world, "planted", fault, settle_seconds=25).broken
        print(f"planted: {name:50} {'; '.join(seen[name]) or 'NOT SEEN'}", flush=True)
    return seen


def main() -> int:
    """Run; 0 when no promise was broken and every planted defect was seen."""
    parser = argparse.ArgumentParser(description="Two-effect runs under faults.")
    everything = FAULTS | IN_CLUSTER
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(everything)}, defects; none means all")
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    started, tallies, planted = time.monotonic(), list[Tally](), dict[str, list[str]]()
    unknown = set(chosen.parts) - {*everything, "defects"}
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not a part. Parts are {', '.join(everything)}, defects.")
    for group, start in ((FAULTS, run_world), (IN_CLUSTER, cluster_faults.run_cluster)):
        names = [name for name in group if (not chosen.parts or name in chosen.parts) and (name != "clock" or LIBRARIES)]
        if names:
            with start() as world:
                tallies += [try_and_tell(world, name, group[name]) for name in names]
    if not chosen.parts or "defects" in chosen.parts:
        planted = plant_defects()
    if not chosen.dry and not chosen.parts:
        write_page(ROOT / "docs", tallies, planted, time.monotonic() - started, has_clock=bool(LIBRARIES))
    print(f"{sum(each.counts['accepted'] for each in tallies)} accepted runs, {time.monotonic() - started:.0f} s")
    return 1 if any(each.broken for each in tallies) or not all(planted.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
