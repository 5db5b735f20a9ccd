"""The broker of a running product dies: what was in its memory is found again or told as lost, and the rest goes on."""

import os
import signal
from pathlib import Path

import pytest
from product import Product, call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
JSON = {"Content-Type": "application/json"}


def sink_flow(product: Product, name: str, *, trigger: str = "{on: webhook}", method: str = "POST", more: str = "") -> str:
    """A flow that asks nothing of Jira and tells the demo third party."""
    url = f"{product.site_url}/thirdparty/notify"
    return f"""
id: {name}
name: Sink
trigger: {trigger}
steps:
  - id: send
    kind: http
    with: {{method: {method}, url: "{url}", connection: sink, json: {{n: "{{{{webhookData.n}}}}", of: {name}}}{more}}}
"""


def add_sink(product: Product) -> None:
    body = {"kind": "bearer", "hosts": [f"127.0.0.1:{product.site_port}"], "secret": "demo-third-party-token"}
    product.operator().put(f"/tenants/{product.tenant()}/connections/sink", body)


def kill_broker(product: Product) -> int:
    """Kill it; gives its process id."""
    pid = product.find("nats-server")[0]
    os.kill(pid, signal.SIGKILL)
    return pid


def received(product: Product, name: str) -> list[object]:
    return [each["n"] for each in call(f"{product.site_url}/thirdparty/received")[1] if each.get("of") == name]


def test_another_broker_takes_its_place_and_all_goes_on(tmp_path: Path) -> None:
    with run_product(tmp_path) as product:
        add_sink(product)
        path = product.publish(sink_flow(product, "goes-on"))
        kept = product.publish(sink_flow(product, "withdrawn"))
        assert call(path, b'{"n": 1}', JSON)[0] == 202
        wait_for(lambda: received(product, "goes-on") == [1])
        assert len(product.ended("flow=goes-on")) == 1
        conduits, pid = product.find("blubees.main.conduit"), kill_broker(product)
        answers = list[int]()

        def send() -> bool:
            answers.append(call(path, b'{"n": 2}', JSON)[0])
            return answers[-1] == 202

        wait_for(send)
        assert set(answers) <= {202, 503}
        wait_for(lambda: 2 in received(product, "goes-on"))
        wait_for(lambda: {run["outcome"] for run in product.ended("flow=goes-on")} == {"finished"})
        assert product.find("nats-server") != [pid]
        assert product.find("blubees.main.conduit") == conduits, "they went on"
        issue = {"fields": {"project": {"key": "DEMO"}, "issuetype": {"name": "Task"}, "summary": "s"}}
        key = product.jira("POST", "/issue", issue)["key"]
        text = f"""
id: looks
name: Looks
trigger: {{on: webhook}}
steps:
  - {{id: look, kind: jira.get_issue, with: {{issue: {key}}}}}
"""
        assert call(product.publish(text), b"{}", JSON)[0] == 202
        assert product.ended("flow=looks")[0]["outcome"] == "finished", "the app's token was shared again"
        product.operator().post(f"/tenants/{product.tenant()}/flows/withdrawn/withdraw")
        kill_broker(product)
        wait_for(lambda: call(path, b'{"n": 3}', JSON)[0] == 202)
        assert call(kept, b'{"n": 3}', JSON)[0] == 404


def test_a_broker_that_dies_again_and_again_ends_all_of_it_with_a_code(tmp_path: Path) -> None:
    with run_product(tmp_path, conduits=1) as product:
        for count in range(5):
            wait_for(lambda count=count: product.log.read_text().count('"event":"broker_restarted"') == count)
            kill_broker(product)
        assert product.process.wait(20) == 1
        assert product.log.read_text().count('"event":"broker_died"') == 5


def test_what_went_down_with_the_brokers_is_launched_again_or_told_as_lost(tmp_path: Path) -> None:
    with run_product(tmp_path) as product:
        add_sink(product)
        slow = f'  - {{id: slow, kind: http, with: {{url: "{product.site_url}/thirdparty/slow/6000"}}}}\n'
        flow = sink_flow(product, "told-as-lost").replace("steps:\n", "steps:\n" + slow)
        path = product.publish(flow)
        asked = sink_flow(product, "asked-again", trigger="{on: jira.issue_created}", more=", effect: keyed")
        asked = asked.replace("{{webhookData.n}}", "{{issue.key}}") + slow
        product.publish(asked)
        doubted = (
            asked.replace("asked-again", "doubted").replace(", effect: keyed", "").replace("issue_created", "issue_updated")
        )
        product.publish(doubted)
        issue = {"fields": {"project": {"key": "DEMO"}, "issuetype": {"name": "Task"}, "summary": "s"}}
        keys = [product.jira("POST", "/issue", issue)["key"] for _ in range(3)]
        product.jira("PUT", f"/issue/{keys[0]}", {"fields": {"summary": "other"}})
        assert [call(path, b'{"n": %d}' % number, JSON)[0] for number in range(3)] == [202] * 3
        wait_for(lambda: sorted(map(str, received(product, "asked-again"))) == sorted(keys) and received(product, "doubted"))
        tenant = product.tenant()
        everything = f"/tenants/{tenant}/runs?limit=100"
        wait_for(lambda: len(product.operator().get(everything)) == 7)
        for pid in product.find("blubees.main.conduit"):
            os.kill(pid, signal.SIGKILL)
        kill_broker(product)
        wait_for(lambda: call(f"{product.url}/readyz")[0] == 200)
        text = {"type": "paragraph", "content": [{"type": "text", "text": "hi"}]}
        words = {"body": {"type": "doc", "version": 1, "content": [text]}}
        made = product.jira("POST", f"/issue/{keys[0]}/comment", words)  # the app's token died with all who held it
        assert made["id"], "an event brings a new one"

        def ask() -> dict[str, list[str]]:
            found: dict[str, list[str]] = {}
            for run in product.operator().get(everything):
                found.setdefault(run["flow"], []).append(run["outcome"])
            return found

        wait_for(lambda: all("accepted" not in outcomes for outcomes in ask().values()), 75)
        assert ask() == {"told-as-lost": ["lost"] * 3, "asked-again": ["finished"] * 3, "doubted": ["parked"]}
        assert sorted(map(str, received(product, "asked-again"))) == sorted(keys), "the same key is the same effect"
        assert received(product, "doubted") == [keys[0]], "what may have happened is asked about, not repeated"
        lost = next(run for run in product.operator().get(everything) if run["outcome"] == "lost")
        shown = product.operator().get(f"/tenants/{tenant}/runs/{lost['run']}")
        assert "sender deliver it again" in shown["explanations"][0]["what_to_do"]
