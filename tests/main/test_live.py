"""Test runs and dry runs on the real product: values go to the one who watches, and nowhere else."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from product import Product, call, run_product, wait_for

from blubees.main.live_view import watch_trial
from blubees.model.errors import InputError

pytestmark = pytest.mark.timeout(120)
CANARY = "canary-Live83hd02kfLmW"
SECRET = "demo-third-party-token"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with run_product(tmp_path_factory.mktemp("live"), sites=2) as running:
        yield running


def flow(product: Product, name: str) -> str:
    return f"""
id: {name}
name: Tried
trigger: {{on: webhook}}
steps:
  - {{id: look, kind: http, with: {{url: "{product.site_url}/thirdparty/slow/50"}}}}
  - {{id: send, kind: http, with: {{method: POST, url: "{product.site_url}/thirdparty/notify", connection: sink, json: {{of: {name}, all: "{{{{webhookData}}}}"}}}}}}
  - {{id: make, kind: jira.create_issue, with: {{project: DEMO, type: Task, summary: "{{{{webhookData.word}}}}"}}}}
"""


def publish(product: Product, name: str) -> str:
    tenant = product.tenant()
    body = {"kind": "bearer", "hosts": [f"127.0.0.1:{product.site_port}"], "secret": SECRET}
    product.operator().put(f"/tenants/{tenant}/connections/sink", body)
    product.publish(flow(product, name))
    return tenant


def watch(product: Product, tenant: str, name: str, *, is_dry: bool) -> list[tuple[str, Any]]:
    event = json.dumps({"word": CANARY, f"{CANARY}-key": [1]}).encode()
    return list(watch_trial(product.operator(), tenant, name, event, "", is_dry=is_dry))


def state_outside(product: Product) -> str:
    received = [
        each for each in call(f"{product.site_url}/thirdparty/received")[1] if str(each.get("of", "")).startswith("tried")
    ]
    found = product.jira("GET", "/search/jql?jql=project%20%3D%20DEMO%20ORDER%20BY%20key&fields=summary&maxResults=100")
    return json.dumps([received, [each["key"] for each in found["issues"]]])


def test_values_go_to_who_watches_and_nowhere_else(product: Product) -> None:
    tenant = publish(product, "tried")
    events = watch(product, tenant, "tried", is_dry=False)
    assert events[-1][1]["outcome"] == "finished"
    assert events[0][1]["event"]["word"] == CANARY
    assert SECRET not in json.dumps(events)
    run = events[0][1]["run"]
    shown = wait_for(
        lambda: next(
            (each for each in product.operator().get(f"/tenants/{tenant}/runs?flow=tried") if each["run"] == run), None
        )
    )
    assert (shown["trial"], shown["outcome"]) == ("test", "finished")
    assert CANARY not in json.dumps(product.operator().get(f"/tenants/{tenant}/runs/{run}"))
    assert CANARY in state_outside(product), "the run was a real one"
    time.sleep(0.2)
    for path in [*product.data.rglob("*"), product.log]:
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_a_dry_run_changes_nothing_outside(product: Product) -> None:
    tenant = publish(product, "tried-dry")
    before = state_outside(product)
    events = watch(product, tenant, "tried-dry", is_dry=True)
    assert [(facts["step"], facts["method"]) for name, facts in events if name == "call_would_begin"] == [
        ("send", "POST"),
        ("make", "POST"),
    ]
    assert [facts["step"] for name, facts in events if name == "call_begins"] == ["look"]
    assert CANARY in json.dumps(events)
    assert state_outside(product) == before
    runs = wait_for(lambda: product.operator().get(f"/tenants/{tenant}/runs?flow=tried-dry"))
    shown = product.operator().get(f"/tenants/{tenant}/runs/{runs[0]['run']}")["run"]
    assert shown["trial"] == "dry_run"
    assert [(step["step"], step["outcome"]) for step in shown["steps"]] == [
        ("look", "done"),
        ("send", "would"),
        ("make", "would"),
    ]
    assert shown["steps"][1]["would"] == {"method": "POST", "effect": "unsafe"}


def test_a_used_a_foreign_and_a_made_up_ticket_are_refused_alike(product: Product) -> None:
    tenant = publish(product, "tried-once")
    list(watch_trial(product.operator(), tenant, "tried-once", b"{}", "", is_dry=True))
    given = product.operator().post(f"/tenants/{tenant}/flows/tried-once/trial-ticket?trial=dry_run")
    path, other = f"{product.url}/live/{tenant}/tried-once", f"{product.url}/live/{product.tenant(1)}/tried-once"

    def ask(url: str, ticket: str) -> tuple[int, Any]:
        return call(url, b"{}", {"Content-Type": "application/json", "Authorization": f"Ticket {ticket}"})

    assert ask(other, given["ticket"])[0] == 404
    status, text = ask(path, given["ticket"])
    assert (status, "event: run_ends" in text) == (200, True)
    refused = [ask(path, given["ticket"]), ask(other, given["ticket"]), ask(path, "A" * 90), ask(path, "")]
    assert refused == [refused[0]] * 4
    assert refused[0][0] == 404


def test_what_a_flow_does_not_take_is_refused(product: Product) -> None:
    tenant = publish(product, "tried-bad")
    with pytest.raises(InputError, match="not what its content type says"):
        list(watch_trial(product.operator(), tenant, "tried-bad", b"{", "", is_dry=True))
