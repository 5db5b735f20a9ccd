"""A run waits while everything is stopped and started again: nothing is lost, and nothing of it was written down by us."""

import json
from pathlib import Path

import pytest
from product import call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
SECRET_WORDS = "canary-81hfmQw0zp"
FLOW = """
id: patient
name: Wait and tell
trigger: {on: jira.issue_created}
steps:
  - {id: words, kind: set, with: {values: {summary: "{{issue.summary}}"}}}
  - {id: pause, kind: wait, with: {seconds: 12}}
  - {id: say, kind: jira.add_comment, with: {issue: "{{issue.key}}", body: "{{summary}} of {{issue.key}}"}}
"""
TYPES = {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}}


def test_a_restart_of_everything_during_a_wait_loses_nothing(tmp_path: Path) -> None:
    with run_product(tmp_path) as product:
        tenant = product.tenant()
        product.publish(FLOW)
        key = product.jira("POST", "/issue", {"fields": TYPES | {"summary": SECRET_WORDS}})["key"]
        waiting = wait_for(lambda: product.operator().get(f"/tenants/{tenant}/waiting"))
        assert [(each["flow"], each["step"], each["kind"]) for each in waiting] == [("patient", "pause", "time")]
        assert product.operator().get(f"/tenants/{tenant}/runs")[0]["outcome"] == "parked"
        names = [each["key"] for each in product.jira("GET", f"/issue/{key}/properties")["keys"]]
        assert names == [f"blubees.run.{waiting[0]['run']}.0"]
        assert SECRET_WORDS not in json.dumps(product.jira("GET", f"/issue/{key}/properties/{names[0]}"))
        assert call(f"{product.url}/readyz")[1]["runs_held"] == 0
        product.publish(FLOW.replace("of {{issue.key}}", "of another version"))
        product.restart()
        product.jira("PUT", f"/issue/{key}", {"fields": {"labels": ["x"]}})  # an event, which brings the app's token
        comments = wait_for(lambda: product.jira("GET", f"/issue/{key}/comment")["comments"], 40)
        assert f"{SECRET_WORDS} of {key}" in json.dumps(comments)
        assert len(comments) == 1
        run = wait_for(lambda: [run for run in product.ended("flow=patient") if run["outcome"] != "parked"])[0]
        assert (run["outcome"], run["version"], run["run"]) == ("finished", 1, waiting[0]["run"])
        wait_for(lambda: product.jira("GET", f"/issue/{key}/properties")["keys"] == [])
        for path in product.data.rglob("*"):
            assert not path.is_file() or SECRET_WORDS.encode() not in path.read_bytes(), path
