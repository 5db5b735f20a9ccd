"""What flows say of their runs, in the whole product: run modes with a conduit killed, rates, error flows, called flows, dedupe."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from product import Product, call, run_product, wait_for

from blubees.model.errors import UnavailableError

pytestmark = pytest.mark.timeout(120)
JSON = {"Content-Type": "application/json"}
RUNS = 8


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with run_product(tmp_path_factory.mktemp("product")) as running:
        body = {"kind": "bearer", "hosts": [f"127.0.0.1:{running.site_port}"], "secret": "demo-third-party-token"}
        running.operator().put(f"/tenants/{running.tenant()}/connections/sink", body)
        yield running


def tell(product: Product, step: str, /, **facts: str) -> str:
    """A step that tells the demo third party; texts are smart values."""
    json = ", ".join(f"{name}: '{value}'" for name, value in facts.items())
    url = f"{product.site_url}/thirdparty/notify"
    return f"{{id: {step}, kind: http, with: {{method: POST, effect: idempotent, url: '{url}', connection: sink, json: {{{json}}}}}}}"


def slow(product: Product, milliseconds: int) -> str:
    return f"{{id: slow, kind: http, with: {{url: '{product.site_url}/thirdparty/slow/{milliseconds}'}}}}"


def hook(product: Product, name: str, steps: list[str], head: str = "") -> str:
    lines = "\n".join(f"  - {step}" for step in steps)
    trigger = '{on: webhook, where: "{{webhookData.n}}"}'
    return product.publish(f"id: {name}\nname: {name}\ntrigger: {trigger}\n{head}\nsteps:\n{lines}\n")


def received(product: Product, name: str) -> list[dict[str, Any]]:
    return [each for each in call(f"{product.site_url}/thirdparty/received")[1] if each.get("of") == name]


def ended(product: Product, flow: str, count: int) -> list[dict[str, Any]]:
    """The receipts of so many runs, once all have ended; the control plane may be away meanwhile."""

    def ask() -> list[dict[str, Any]] | None:
        try:
            runs: list[dict[str, Any]] = product.operator().get(f"/tenants/{product.tenant()}/runs?flow={flow}")
        except UnavailableError:
            return None
        done = [run for run in runs if run["outcome"] in {"finished", "stopped", "failed"}]
        return done if len(done) == count else None

    found: list[dict[str, Any]] = wait_for(ask, 60)
    return found


def test_queued_runs_never_overlap_also_when_a_conduit_dies_and_single_ones_are_told_why(product: Product) -> None:
    steps = [tell(product, "begin", of="queued", n="{{webhookData.n}}"), slow(product, 300)]
    steps.append(tell(product, "end", of="queued", n="{{webhookData.n}}"))
    queued = hook(product, "queued", steps, "runs: {mode: queued}")
    single = hook(product, "single", [slow(product, 4000)], 'runs: {mode: single, key: "{{webhookData.k}}"}')
    for key in ("a", "a", "a", "b"):
        assert call(single, b'{"n": 1, "k": "%s"}' % key.encode(), JSON)[0] == 202
    outcomes = sorted((run["outcome"], str(run.get("reason"))) for run in ended(product, "single", 4))
    assert outcomes == [("finished", "None")] * 2 + [("stopped", "already_running")] * 2
    for number in range(1, RUNS + 1):
        assert call(queued, b'{"n": %d}' % number, JSON)[0] == 202
    wait_for(lambda: received(product, "queued"))
    os.kill(product.find("blubees.main.conduit")[0], signal.SIGKILL)
    assert {run["outcome"] for run in ended(product, "queued", RUNS)} == {"finished"}
    seen = [each["n"] for each in received(product, "queued")]
    order = [number for place, number in enumerate(seen) if place == 0 or seen[place - 1] != number]
    assert sorted(order) == list(range(1, RUNS + 1)), f"one after the other, each in one piece: {seen}"


def test_a_later_run_takes_the_place_of_the_earlier_one_before_its_next_call(product: Product) -> None:
    steps = [tell(product, "begin", of="restart", n="{{webhookData.n}}"), slow(product, 800)]
    steps.append(tell(product, "end", of="restart", n="end-{{webhookData.n}}"))
    path = hook(product, "restart", steps, "runs: {mode: restart}")
    assert call(path, b'{"n": 1}', JSON)[0] == 202
    wait_for(lambda: received(product, "restart"))
    for number in (2, 3):
        assert call(path, b'{"n": %d}' % number, JSON)[0] == 202
    outcomes = [(run["outcome"], run.get("reason")) for run in ended(product, "restart", 3)]
    assert sorted(outcomes, key=str) == [("finished", None), ("stopped", "restarted"), ("stopped", "restarted")]
    assert [each["n"] for each in received(product, "restart") if each["n"] != 2] == [1, 3, "end-3"]


def test_above_the_rate_runs_wait_and_none_is_lost(product: Product) -> None:
    path = hook(product, "rated", ["{id: a, kind: set, with: {values: {x: 1}}}"], "runs: {rate: {count: 2, per_seconds: 4}}")
    for number in range(1, 6):
        assert call(path, b'{"n": %d}' % number, JSON)[0] == 202
    begun = sorted(run["started_at_milliseconds"] for run in ended(product, "rated", 5))
    gaps = [later - begun[0] for later in begun]
    assert gaps[2] >= 1_900, gaps
    assert gaps[3] >= 3_900, gaps
    assert gaps[4] >= 5_900, gaps


def test_a_called_flow_that_fails_is_told_by_the_error_flow_once(product: Product) -> None:
    inner = f"""
id: halve
name: Halve
trigger: {{on: called}}
inputs: {{n: {{type: number, required: true}}}}
outputs: {{half: "{{{{inputs.n.divide(2)}}}}"}}
steps:
  - {tell(product, "note", of="halve", n="{{inputs.n}}")}
"""
    product.publish(inner)
    facts = {name: f"{{{{inputs.{name}}}}}" for name in ("flow", "step", "code", "field")}
    product.publish(f"""
id: on-error
name: On error
trigger: {{on: called}}
steps:
  - {tell(product, "say", of="on-error", **facts)}
""")
    call_it = "{id: call, kind: run_flow, with: {flow: halve, inputs: {n: '{{webhookData.n}}'}}}"
    path = hook(
        product, "caller", [call_it, tell(product, "say", of="caller", half="{{steps.call.half}}")], "error_flow: on-error"
    )
    assert call(path, b'{"n": "8"}', JSON)[0] == 202
    wait_for(lambda: received(product, "caller"))
    assert received(product, "caller") == [{"of": "caller", "half": 4}]
    assert call(path, b'{"n": "canary-no-number"}', JSON)[0] == 202
    wait_for(lambda: received(product, "on-error"))
    runs = ended(product, "caller", 2)
    assert received(product, "on-error") == [
        {"of": "on-error", "flow": "caller", "step": "call", "code": "input_invalid", "field": "with.inputs.n"}
    ]
    assert "canary" not in str(runs)


def test_a_key_is_seen_once_also_when_the_control_plane_is_started_again(product: Product) -> None:
    path = hook(
        product,
        "once",
        [
            "{id: once, kind: dedupe, with: {key: 'order-{{webhookData.n}}'}}",
            tell(product, "say", of="once", n="{{webhookData.n}}"),
        ],
    )
    call(path, b'{"n": 1}', JSON)
    wait_for(lambda: received(product, "once"))
    os.kill(product.find("blubees.main.control_plane")[0], signal.SIGKILL)
    for number in (1, 2, 1):
        assert call(path, b'{"n": %d}' % number, JSON)[0] == 202
    wait_for(lambda: product.find("blubees.main.control_plane"))
    runs = ended(product, "once", 4)
    assert sorted(run["outcome"] for run in runs) == ["finished", "finished", "stopped", "stopped"]
    assert [each["n"] for each in received(product, "once")] == [1, 2]
