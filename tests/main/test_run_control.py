"""Cancel and retry runs of the running product on the command line: a mended third party, a run under way, one that is parked."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from product import Product, call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
JSON = {"Content-Type": "application/json"}


class Third(BaseHTTPRequestHandler):
    """A third party that is broken until it is mended, and slow where it is told."""

    asked: list[str]
    status = 500
    gate: threading.Event

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.path)
        if self.path == "/slow":
            self.gate.wait(30)
        self.send_response(self.status if self.path == "/broken" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def third() -> Iterator[tuple[type[Third], int]]:
    kind: type[Third] = type("Mine", (Third,), {"asked": [], "gate": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kind, server.server_address[1]
    kind.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, third: tuple[type[Third], int]) -> Iterator[Product]:
    with run_product(tmp_path_factory.mktemp("control"), more_ports=(third[1],)) as running:
        running.tenant()
        yield running


def blubees(product: Product, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-c", "from blubees.main.cli import main; main()", *arguments, "--data", str(product.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "160", "PATH": "/bin"})
    return done.returncode, done.stdout + done.stderr


def flow(port: int, name: str, *paths: str, more: str = "") -> str:
    steps = "\n".join(
        f'  - {{id: s{number}, kind: http, with: {{method: POST, effect: keyed, url: "http://127.0.0.1:{port}/{path}", json: 1}}}}'
        for number, path in enumerate(paths)
    )
    return f"id: {name}\nname: N\ntrigger: {{on: webhook}}\nsteps:\n{more}{steps}\n"


def outcome(product: Product, name: str) -> tuple[str, str]:
    runs = product.operator().get(f"/tenants/{product.tenant()}/runs?flow={name}")
    return (runs[0]["run"], runs[0]["outcome"]) if runs else ("", "")


def test_a_failed_run_goes_on_from_its_failed_step_once_the_third_party_is_mended(
    product: Product, third: tuple[type[Third], int]
) -> None:
    kind, port = third
    path = product.publish(flow(port, "mended", "first", "broken", "last"))
    assert call(path, b"{}", JSON)[0] == 202
    run = product.ended("flow=mended")[0]
    assert (run["outcome"], run["failed_step"]) == ("failed", "s1")
    assert kind.asked == ["/first", "/broken"]
    kind.status = 200
    said = blubees(product, "runs", "show", run["run"])[1]
    assert f"you can: have it go on from its failed step until {in_an_hour(run)}" in said
    assert f"UTC: `blubees runs retry {run['run']}`\nafter that: its source can't be asked" in said
    code, said = blubees(product, "runs", "retry", run["run"])
    assert (code, "from its failed step" in said) == (0, True), said
    wait_for(lambda: outcome(product, "mended") == (run["run"], "finished"))
    assert kind.asked == ["/first", "/broken", "/broken", "/last"]
    code, said = blubees(product, "runs", "retry", run["run"])
    assert code == 1
    assert "has not failed" in said
    kind.asked.clear()


def in_an_hour(run: dict[str, Any]) -> str:
    """The hour and minute in which what the run held is forgotten: an hour after its end, some seconds more or less."""
    ended = run["started_at_milliseconds"] + run["duration_microseconds"] // 1_000
    assert abs(run["kept_until_milliseconds"] - ended - 3_600_000) < 30_000
    return datetime.fromtimestamp(run["kept_until_milliseconds"] / 1_000, UTC).strftime("%m-%d %H:%M:%S")


def test_what_is_gone_starts_anew_from_jira_as_another_run_and_each_tells_of_the_other(
    product: Product, third: tuple[type[Third], int]
) -> None:
    kind, port = third
    kind.status = 500
    product.operator().put(f"/tenants/{product.tenant()}/settings", {"replay_hours": 0})
    call_it = f'{{method: POST, effect: keyed, url: "http://127.0.0.1:{port}/{{{{issue.summary}}}}", json: 1}}'
    steps = f"steps:\n  - {{id: s, kind: http, with: {call_it}}}\n"
    product.publish(f"id: anew\nname: N\ntrigger: {{on: jira.issue_created}}\n{steps}")
    types = {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}}

    def fails_unkept() -> Any:  # conduits learn the setting soon
        key = product.jira("POST", "/issue", {"fields": types | {"summary": "broken"}})["key"]
        newest = wait_for(lambda: product.ended("flow=anew"))[0]
        said = blubees(product, "runs", "show", newest["run"])[1]
        return (key, newest["run"]) if "you can: start it anew as another run" in said else None

    key, failed = wait_for(fails_unkept, 30)
    product.jira("PUT", f"/issue/{key}", {"fields": {"summary": "renamed"}})
    kind.asked.clear()
    code, said = blubees(product, "runs", "retry", failed)
    fresh = said.split(":")[0]
    assert (code, "starts anew" in said, fresh != failed) == (0, True, True), said
    wait_for(lambda: outcome(product, "anew") == (fresh, "finished"), 30)
    assert kind.asked == ["/renamed"], "the issue as it is today"
    assert f"retry of {failed}" in blubees(product, "runs", "show", fresh)[1]
    assert f"retried as {fresh}: finished" in blubees(product, "runs", "show", failed)[1]
    listed = blubees(product, "runs", "list")[1]
    assert f"retry of {failed}" in " ".join(next(line for line in listed.splitlines() if fresh in line).split())
    product.operator().put(f"/tenants/{product.tenant()}/settings", {"replay_hours": 1})
    kind.asked.clear()


def test_what_can_not_be_retried_says_why_and_what_to_do(product: Product, third: tuple[type[Third], int]) -> None:
    kind, port = third
    kind.status = 500
    product.operator().put(f"/tenants/{product.tenant()}/settings", {"replay_hours": 0})
    path = product.publish(flow(port, "gone", "broken"))

    def fails_unkept() -> bool:  # conduits learn the setting soon
        call(path, b"{}", JSON)
        run = product.ended("flow=gone")[0]["run"]
        code, said = blubees(product, "runs", "retry", run)
        return code == 1 and "Have it sent again" in said

    wait_for(fails_unkept, 30)
    product.operator().put(f"/tenants/{product.tenant()}/settings", {"replay_hours": 1})
    kind.asked.clear()


def test_a_cancelled_run_lets_its_call_finish_and_makes_no_further_one(
    product: Product, third: tuple[type[Third], int]
) -> None:
    kind, port = third
    path = product.publish(flow(port, "cancelled", "slow", "after"))
    call(path, b"{}", JSON)
    wait_for(lambda: kind.asked == ["/slow"] and outcome(product, "cancelled")[1] == "accepted")
    run = outcome(product, "cancelled")[0]
    assert blubees(product, "runs", "cancel", run)[0] == 0
    kind.gate.set()
    wait_for(lambda: outcome(product, "cancelled") == (run, "cancelled"))
    assert kind.asked == ["/slow"]
    code, said = blubees(product, "runs", "cancel", run)
    assert (code, "has ended already: cancelled" in said) == (1, True)
    kind.asked.clear()


def test_a_parked_run_can_be_cancelled(product: Product, third: tuple[type[Third], int]) -> None:
    kind, port = third
    wait = "  - {id: sleep, kind: wait, with: {seconds: 3600}}\n"
    path = product.publish(flow(port, "parked", "after", more=wait))
    call(path, b"{}", JSON)
    wait_for(lambda: outcome(product, "parked")[1] == "parked")
    run = outcome(product, "parked")[0]
    assert blubees(product, "runs", "cancel", run)[0] == 0
    wait_for(lambda: outcome(product, "parked") == (run, "cancelled"))
    assert product.operator().get(f"/tenants/{product.tenant()}/waiting") == []
    assert kind.asked == []
