"""What `make chaos` does to the product: flows, senders that insist, faults, and a person who answers what is in doubt."""

import contextlib
import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from product import call, wait_for

JSON = {"Content-Type": "application/json"}
EFFECTS = {
    "keyed": ("POST", "keyed"),
    "idempotent": ("PUT", "auto"),
    "unsafe": ("POST", "auto"),
    "waiting": ("POST", "auto"),
    "asking": ("POST", "auto"),
}
WAITING = "waiting"  # such a flow parks between its two unsafe effects
ASKING = "asking"  # such a flow asks a person between its two unsafe effects
APPROVER = "5b10a2844c20165700ede21g"  # of the development Jira site
FETCHED = "fetched"  # such a flow begins with a Jira event, which can be asked for again: only where all brokers die
FETCHED_RUNS = 10  # in a burst
WAIT_SECONDS = 2
PARKING = frozenset({"waiting", "asking"})
OPEN = frozenset({"accepted", "parked"})
GIVE_UP_SECONDS = 60.0  # a sender that had no 2xx for so long was promised nothing
SENDERS = 12
TWICE = 10  # each tenth delivery is sent again after it was accepted


@dataclass(slots=True)
class Round:
    """One burst of runs while a fault is there.

    Attributes:
        count: runs, over all variants; `seconds`: over which they are sent.
        killed_at: when conduits were killed; 0 for not at all.
    """

    number: int
    count: int
    seconds: float
    killed_at: float = 0.0


@dataclass(slots=True)
class Flow:
    """A flow of two effects, and what its senders heard."""

    name: str
    effect: str
    paths: tuple[str, ...]  # at each conduit that has an address of its own
    accepted: dict[int | str, int] = field(default_factory=dict)  # number of a delivery or key of an issue: in which round
    refused: set[int] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)  # runs, where a person said that the effect had happened
    asked: dict[str, float] = field(default_factory=dict)  # runs in doubt: since when


@dataclass(slots=True)
class World:
    """The product, its third party, and the clock of its conduits."""

    product: Any  # product.Product, or chaos_cluster.ClusterProduct
    witness: str
    clock: Path
    rounds: list[Round] = field(default_factory=list)
    fetched: Flow = field(default_factory=lambda: Flow("", FETCHED, ()))  # of this fault, where it has one
    stop: threading.Event = field(default_factory=threading.Event)
    to_start: list[Callable[[], object]] = field(default_factory=list)  # what a fault has ended, for the main thread
    whole: Callable[[], None] = lambda: None  # returns when all that is to be there is there

    def behave(self, **mode: Any) -> None:
        """Tell the third party how to behave."""
        assert call(f"{self.witness}/mode", json.dumps(mode).encode(), JSON, "PUT")[0] == 200

    def records(self, names: set[str]) -> list[dict[str, Any]]:
        """All requests for these flows that came to the third party, in order."""
        return [each for each in call(f"{self.witness}/records")[1] if each["flow"] in names]

    def publish(self, name: str, effect: str) -> Flow:
        """Publish a flow of two effects, the second of which reads what the first gave."""
        method, declared = EFFECTS["keyed" if effect == FETCHED else effect]
        number_of_run = "{{issue.key}}" if effect == FETCHED else "{{webhookData.n}}"
        retry = {"attempts": 8, "seconds": 0.4}
        steps = [
            {
                "id": word,
                "kind": "http",
                "retry": retry,
                "with": {
                    "method": method,
                    "url": f"{self.witness}/effect/{name}/{number}",
                    "effect": declared,
                    "timeout_seconds": 2,
                    "json": {"n": number_of_run, "run": "{{flow.run}}"}
                    | ({"token": "{{steps.one.body.token}}"} if number == 2 else {}),
                },
            }
            for number, word in ((1, "one"), (2, "two"))
        ]
        if effect == WAITING:
            steps.insert(1, {"id": "pause", "kind": "wait", "with": {"seconds": WAIT_SECONDS}})
        if effect == ASKING:
            steps.insert(1, {"id": "ask", "kind": "sign_off", "with": {"question": "Go on?", "approvers": [APPROVER]}})
        trigger = {"on": "webhook", "delivery_id_header": "X-Delivery"}
        if effect == FETCHED:
            trigger = {"on": "jira.issue_created"}
        path = self.product.publish(json.dumps({"id": name, "name": name, "trigger": trigger, "steps": steps}))
        return Flow(name, effect, (path,) if isinstance(path, str) else path)

    def kill(self, word: str, number: int = 0) -> float:
        """SIGKILL one of the product's processes; gives when."""
        found: list[int] = wait_for(lambda: self.product.find(word))
        os.kill(found[number % len(found)], signal.SIGKILL)
        return time.time()


def send_round(world: World, flows: list[Flow], this: Round, fault: Callable[[World, Round], None]) -> None:
    """Send a burst, with the fault under way."""
    world.stop.clear()
    doing = threading.Thread(target=fault, args=(world, this))
    doing.start()
    started = time.monotonic()

    def send(place: int) -> None:
        time.sleep(max(0.0, started + place * this.seconds / this.count - time.monotonic()))
        flow, number = flows[place % len(flows)], this.number * 10_000 + place
        if _insist(flow, number):
            flow.accepted[number] = this.number
            if place % TWICE == 0:
                _insist(flow, number)
        else:
            flow.refused.add(number)

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(send, range(this.count)))
    world.stop.set()
    doing.join()


def _insist(flow: Flow, number: int) -> bool:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    body, tries = json.dumps({"n": number}).encode(), number
    while time.monotonic() < deadline:
        tries += 1
        if call(flow.paths[tries % len(flow.paths)], body, JSON | {"X-Delivery": f"{flow.name}-{number}"})[0] == 202:
            return True
        time.sleep(0.2)
    return False


def list_runs(world: World, flow: Flow) -> list[dict[str, Any]]:
    """The ledger's runs of a flow."""
    tenant, found = world.product.tenant(), list[dict[str, Any]]()
    while True:
        before = f"&before={found[-1]['run']}" if found else ""
        page = world.product.operator().get(f"/tenants/{tenant}/runs?flow={flow.name}&limit=1000{before}")
        found += page
        if len(page) < 1000:
            return found


def settle(world: World, flows: list[Flow], seconds: float) -> None:
    """Wait until all that was accepted has ended; answer what is in doubt as a person would who looks at the third party."""
    while world.to_start:
        world.to_start.pop(0)()
    world.whole()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):  # the control plane may be away: asked again
            _answer(world, {flow.name: flow for flow in flows})
            runs = [list_runs(world, flow) for flow in flows]
            is_over = [len(found) >= len(flow.accepted) for flow, found in zip(flows, runs, strict=True)]
            if all(is_over) and all(run["outcome"] not in OPEN for found in runs for run in found):
                return
        time.sleep(0.5)


def _answer(world: World, flows: dict[str, Flow]) -> None:
    tenant = world.product.tenant()
    waiting = world.product.operator().get(f"/tenants/{tenant}/waiting?limit=1000")
    for each in waiting:
        if each["kind"] == "sign_off" and each["flow"] in flows:
            _approve(world, each["run"], each["step"])
    doubts = [each for each in waiting if each["kind"] == "doubt" and each["flow"] in flows]
    if not doubts:
        return
    happened = {(each["run"], each["which"]) for each in world.records(set(flows)) if each["happened"]}
    for each in doubts:
        flow = flows[each["flow"]]
        is_done = (each["run"], 1 if each["step"] == "one" else 2) in happened
        body = {"choice": "skip" if is_done else "retry", "step": each["step"]}
        with contextlib.suppress(Exception):  # answered already
            world.product.operator().post(f"/tenants/{tenant}/runs/{each['run']}/answer", body)
            flow.asked.setdefault(each["run"], each["parked_at_milliseconds"] / 1_000)
            if is_done:
                flow.skipped.add(each["run"])


def _approve(world: World, run: str, step: str) -> None:
    """As a person does in Jira, who is shown the exact question first; what can't be shown yet is asked for again."""

    def ask_app(method: str, body: Any = None) -> Any:
        asked = {"account": APPROVER, "method": method, "path": f"/forge/ui/sign-offs/{run}/{step}", "body": body}
        return call(f"{world.product.site_url}/_forge/invoke", json.dumps(asked).encode())[1]

    with contextlib.suppress(KeyError, TypeError):  # conduits may be away
        shown = ask_app("GET")["body"]
        ask_app("POST", {"choice": "approve", "question": shown["question_hash"]})


# ---------------------------------------------------------------- faults


def do_nothing(world: World, this: Round) -> None:
    """None at all."""


def kill_conduits(world: World, this: Round) -> None:
    """One of two; in each third round, both."""
    time.sleep(this.seconds * 0.6)
    this.killed_at = world.kill("blubees.main.conduit", this.number)
    if this.number % 3 == 2:
        world.kill("blubees.main.conduit", 1 - this.number % 2)


def kill_control_plane(world: World, this: Round) -> None:
    """Twice in a burst."""
    for _ in range(2):
        time.sleep(this.seconds * 0.3)
        world.kill("blubees.main.control_plane")


def kill_broker(world: World, this: Round) -> None:
    """The only broker of one machine: what was in its memory is gone."""
    time.sleep(this.seconds * 0.5)
    world.kill("nats-server")


def kill_broker_and_conduits(world: World, this: Round) -> None:
    """All that holds payload, at once, when all receipts of what was accepted are kept, and runs are under way."""
    flow = world.fetched
    world.stop.wait()
    _create_issues(world, flow, this, FETCHED_RUNS)
    wait_for(lambda: len(list_runs(world, flow)) >= len(flow.accepted), 30)
    for pid in (*world.product.find("blubees.main.conduit"), *world.product.find("nats-server")):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: call(f"{world.product.url}/readyz")[0] == 200, 60)
    _create_issues(world, flow, this, 1)  # the app's token died with all who held it: an event brings a new one


def _create_issues(world: World, flow: Flow, this: Round, count: int) -> None:
    fields = {"project": {"key": "DEMO"}, "issuetype": {"name": "Task"}, "summary": "s"}
    for _ in range(count):
        flow.accepted[world.product.jira("POST", "/issue", {"fields": fields})["key"]] = this.number


def hold_database(world: World, this: Round) -> None:
    """The database file is locked by another: the control plane can't write."""
    time.sleep(0.3)
    held = sqlite3.connect(world.product.data / "blubees.sqlite3", timeout=10, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    world.stop.wait(this.seconds + 20)
    time.sleep(2)
    held.execute("ROLLBACK")
    held.close()


def misbehave(world: World, _this: Round) -> None:
    """The third party answers with errors, too late, half or not at all, with and without having done the effect."""
    kinds = ["refuse", "error", "hang", "slow", "close", "error_after", "cut"]
    world.behave(share=0.35, kinds=kinds, seconds=0.2)
    world.stop.wait()
    time.sleep(2)


def jump_clock(world: World, this: Round) -> None:
    """The wall clock of conduits and control plane jumps by hours and days, to and fro."""
    for offset in ("+3600s", "-7200s", "+259200s", "-86400s", "+30s"):
        world.clock.write_text(offset)
        if world.stop.wait(this.seconds / 5):
            break
    time.sleep(1.5)
    world.clock.write_text("+0s")


def do_all(world: World, this: Round) -> None:
    """All of them but the broker's death."""
    others = (kill_conduits, kill_control_plane, hold_database, misbehave, jump_clock)
    threads = [threading.Thread(target=each, args=(world, this)) for each in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
