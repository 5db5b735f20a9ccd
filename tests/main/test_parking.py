"""A run waits while everything is stopped and started again: nothing is lost, and nothing of it was written down by us."""

import json
from pathlib import Path

import pytest
from product import call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
JSON = {"Content-Type": "application/json"}
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


CALL_BACK = """
id: calls-back
name: Ask and wait
trigger: {on: webhook}
steps:
  - id: tell
    kind: http
    with: {method: POST, effect: idempotent, url: "SITE/thirdparty/notify", connection: sink, json: {address: "{{callBacks.reply}}"}}
  - {id: reply, kind: wait_for, with: {hours: 1, where: "{{event.body.ok}}"}}
  - {id: last, kind: http, with: {method: POST, effect: idempotent, url: "SITE/thirdparty/notify", connection: sink, json: {word: "{{steps.reply.event.body.word}}"}}}
"""


def test_a_third_party_calls_back_after_a_restart_and_a_forged_address_is_unknown(tmp_path: Path) -> None:
    with run_product(tmp_path) as product:
        host = f"127.0.0.1:{product.site_port}"
        body = {"kind": "bearer", "hosts": [host], "secret": "demo-third-party-token"}
        tenant = product.tenant()
        product.operator().put(f"/tenants/{tenant}/connections/sink", body)
        path = product.publish(CALL_BACK.replace("SITE", product.site_url))
        assert call(path, b"{}", JSON)[0] == 202

        def received(name: str) -> list[str]:
            return [each[name] for each in call(f"{product.site_url}/thirdparty/received")[1] if name in each]

        address = wait_for(lambda: received("address"))[0]
        wait_for(lambda: product.operator().get(f"/tenants/{tenant}/waiting"))
        product.restart()
        product.jira("POST", "/issue", {"fields": TYPES | {"summary": "an event brings the app's token"}})
        assert call(address[:-3] + "AAA", b"{}", JSON)[0] == 404
        assert call(address, method="GET")[0] == 405
        assert call(address, json.dumps({"ok": False, "word": "no"}).encode(), JSON)[0] == 202
        assert call(address, json.dumps({"ok": True, "word": SECRET_WORDS}).encode(), JSON)[0] == 202
        wait_for(lambda: received("word") == [SECRET_WORDS], 40)
        wait_for(lambda: call(address, b"{}", JSON)[0] == 410)
        for file in product.data.rglob("*"):
            assert not file.is_file() or SECRET_WORDS.encode() not in file.read_bytes(), file
