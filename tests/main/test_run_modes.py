"""Run modes in the whole product: two conduits, one of them killed; a third party never sees two runs at a time."""

import os
import signal
from pathlib import Path

import pytest
from product import call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
JSON = {"Content-Type": "application/json"}
RUNS = 8


def test_queued_runs_never_overlap_also_when_a_conduit_dies_and_single_ones_are_told_why(tmp_path: Path) -> None:
    with run_product(tmp_path) as product:
        tenant = product.tenant()
        body = {"kind": "bearer", "hosts": [f"127.0.0.1:{product.site_port}"], "secret": "demo-third-party-token"}
        product.operator().put(f"/tenants/{tenant}/connections/sink", body)

        def tell(word: str) -> str:
            json = f"{{of: queued, n: '{{{{webhookData.n}}}}', is: {word}}}"
            url = f"{product.site_url}/thirdparty/notify"
            return f"{{id: {word}, kind: http, with: {{method: POST, effect: idempotent, url: '{url}', connection: sink, json: {json}}}}}"

        slow = f"{{id: slow, kind: http, with: {{url: '{product.site_url}/thirdparty/slow/300'}}}}"
        queued = product.publish(f"""
id: queued
name: Queued
trigger: {{on: webhook, where: "{{{{webhookData.n}}}}"}}
runs: {{mode: queued}}
steps:
  - {tell("begin")}
  - {slow}
  - {tell("end")}
""")
        single = product.publish(f"""
id: single
name: Single
trigger: {{on: webhook, where: "{{{{webhookData.n}}}}"}}
runs: {{mode: single, key: "{{{{webhookData.k}}}}"}}
steps:
  - {slow.replace("slow/300", "slow/1500")}
""")
        for number in range(1, RUNS + 1):
            assert call(queued, b'{"n": %d}' % number, JSON)[0] == 202
        for number in range(1, 4):
            assert call(single, b'{"n": %d, "k": "a"}' % number, JSON)[0] == 202
        assert call(single, b'{"n": 9, "k": "b"}', JSON)[0] == 202
        wait_for(lambda: call(f"{product.site_url}/thirdparty/received")[1])
        os.kill(product.find("blubees.main.conduit")[0], signal.SIGKILL)

        def ended(flow: str, count: int) -> list[dict[str, object]] | None:
            runs: list[dict[str, object]] = product.operator().get(f"/tenants/{tenant}/runs?flow={flow}")
            done = [run for run in runs if run["outcome"] in {"finished", "stopped", "failed"}]
            return done if len(done) == count else None

        runs = wait_for(lambda: ended("queued", RUNS), 60)
        assert {run["outcome"] for run in runs} == {"finished"}
        seen = [each["n"] for each in call(f"{product.site_url}/thirdparty/received")[1]]
        order = [number for place, number in enumerate(seen) if place == 0 or seen[place - 1] != number]
        assert sorted(order) == list(range(1, RUNS + 1)), f"one after the other, each in one piece: {seen}"
        runs = wait_for(lambda: ended("single", 4), 60)
        assert sorted((str(run["outcome"]), str(run.get("reason"))) for run in runs) == [
            ("finished", "None"),
            ("finished", "None"),
            ("stopped", "already_running"),
            ("stopped", "already_running"),
        ]
