"""Canaries through what the clock and people start: JQL schedules, polls, manual runs. Part of `make proof`.

Called by bench/proof.py.
"""

import json
from collections.abc import Callable
from typing import Any

from product import Product, call, wait_for

JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": "Bearer demo-third-party-token"}  # of the development site's third party
KINDS = (
    "JQL schedule, one run",
    "JQL schedule, one an issue",
    "poll",
    "poll whose cursor is a text",
    "Jira poll",
    "manual run",
)


def exercise_clock(product: Product, plant: Callable[[str], str]) -> None:
    """Send canaries through each kind of trigger that no outside event starts. `plant`: makes a canary for a place."""
    fields = {"project": {"key": "DEMO"}, "issuetype": {"name": "Task"}, "summary": plant("an issue found by JQL")}
    schedule = {"on": "schedule", "every_seconds": 3600, "jql": "project = DEMO"}
    flows = {
        "clock-result": (schedule, "{{issues}}"),
        "clock-issue": (schedule | {"for_each": "issue"}, "{{issue}}"),
        "clock-poll": (_poll(product, "{{items.size}}"), "{{item}}"),
        "clock-cursor": (_poll(product, "{{items.last.words}}"), "{{item}}"),
        "clock-jira": ({"on": "poll", "every_seconds": 3600, "poll": {"jql": "project = DEMO", "start": "all"}}, "{{issue}}"),
        "by-hand": ({"on": "manual"}, "{{inputs}}"),
    }
    for name, (trigger, value) in flows.items():
        send = {"method": "POST", "url": f"{product.site_url}/thirdparty/echo", "json": {"all": value}}
        steps = [{"id": "x", "kind": "http", "with": send}]
        product.publish(json.dumps({"id": name, "name": name, "trigger": trigger, "steps": steps}))
    product.jira("POST", "/issue", {"fields": fields})
    body = {"n": plant("an item of a poll"), "words": f"two words {plant('a cursor that is a text')}"}
    call(f"{product.site_url}/thirdparty/notify", json.dumps(body).encode(), JSON | BEARER)
    tenant = product.tenant()
    for name in list(flows)[:5]:
        _fire(product, tenant, name)
    for given in ({"c": plant("an input"), plant("an input's name"): [1]}, [plant("inputs that are no object")]):
        ticket = product.operator().post(f"/tenants/{tenant}/flows/by-hand/ticket")["ticket"]
        path = f"{product.url}/runs/{tenant}/by-hand"
        call(path, json.dumps(given).encode(), JSON | {"Authorization": f"Ticket {ticket}"})
        call(path, json.dumps(given).encode(), JSON | {"Authorization": f"Ticket {plant('a wrong ticket')}"})
    for name in (each for each in flows if each != "clock-cursor"):
        found = wait_for(lambda name=name: product.operator().get(f"/tenants/{tenant}/runs?flow={name}"), 60)
        assert found, name


def _poll(product: Product, cursor: str) -> dict[str, Any]:
    poll = {
        "url": f"{product.site_url}/thirdparty/received",
        "items": "{{response.body}}",
        "id": "{{item.n}}",
        "cursor": cursor,
        "start": "all",
    }
    return {"on": "poll", "every_seconds": 3600, "where": "{{item.n}}", "poll": poll}


def _fire(product: Product, tenant: str, name: str) -> None:
    """Make it due, whenever it is not under way, and wait until this tick is answered."""

    def read() -> dict[str, Any]:
        rows = product.operator().get(f"/tenants/{tenant}/schedules")
        return dict(next(each for each in rows if each["flow"] == name))

    wait_for(lambda: not read()["claimed_due_milliseconds"], 60)
    before = read()["answered_at_milliseconds"]
    if not before or read()["next_due_milliseconds"] > before + 1_800_000:
        product.operator().post(f"/tenants/{tenant}/flows/{name}/fire")
    wait_for(lambda: read()["answered_at_milliseconds"] > before, 60)
