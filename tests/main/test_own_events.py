"""Flows that start flows through Jira, in the running product: only where a flow says so, and not for ever."""

from pathlib import Path

import pytest
from product import run_product, wait_for

pytestmark = pytest.mark.timeout(120)
TYPES = {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}}


def flow(name: str, trigger: str, label: str) -> str:
    step = f'{{id: a, kind: jira.edit_issue, with: {{issue: "{{{{issue.key}}}}", update: {{labels: [{{add: {label}}}]}}}}}}'
    return f"id: {name}\nname: N\ntrigger: {{{trigger}}}\nsteps:\n  - {step}\n"


def test_a_flow_that_what_flows_did_may_start_is_started_and_a_loop_ends(tmp_path: Path) -> None:
    with run_product(tmp_path) as product:
        tenant = product.tenant()
        product.publish(flow("first", "on: jira.issue_created", "one"))
        product.publish(flow("alone", "on: jira.issue_updated", "never"))
        product.publish(flow("chained", "on: jira.issue_updated, from_flows: true", "'l{{flow.run}}'"))
        key = product.jira("POST", "/issue", {"fields": TYPES | {"summary": "s"}})["key"]

        def loops() -> list[str]:
            runs = product.operator().get(f"/tenants/{tenant}/runs?flow=chained")
            return [run["run"] for run in runs if run.get("reason") == "loop"]

        wait_for(loops, 60)
        runs = product.ended("flow=chained")
        assert len([run for run in runs if run["outcome"] == "finished"]) == 9, "the tenth of the runs in a row is the first's"
        assert len(product.ended("flow=first")) == 1
        assert product.operator().get(f"/tenants/{tenant}/runs?flow=alone") == []
        assert "never" not in product.jira("GET", f"/issue/{key}")["fields"]["labels"]
