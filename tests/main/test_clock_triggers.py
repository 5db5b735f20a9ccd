"""Schedules and polls in the whole product: fired by an operator, since nobody waits a minute in a test."""

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from product import Product, call, run_product, wait_for

from blubees.model.errors import UnavailableError

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with run_product(tmp_path_factory.mktemp("product")) as running:
        body = {"kind": "bearer", "hosts": [f"127.0.0.1:{running.site_port}"], "secret": "demo-third-party-token"}
        running.operator().put(f"/tenants/{running.tenant()}/connections/sink", body)
        yield running


def publish(product: Product, name: str, trigger: str, value: str) -> None:
    product.publish(f"""
id: {name}
name: Clock
trigger: {trigger}
steps:
  - id: send
    kind: http
    with: {{method: POST, url: "{product.site_url}/thirdparty/notify", connection: sink, json: {{n: "{value}", of: {name}}}}}
""")


def received(product: Product, name: str) -> list[Any]:
    return [each["n"] for each in call(f"{product.site_url}/thirdparty/received")[1] if each.get("of") == name]


def row(product: Product, name: str) -> dict[str, Any]:
    rows = product.operator().get(f"/tenants/{product.tenant()}/schedules")
    return dict(next(each for each in rows if each["flow"] == name))


def fire(product: Product, name: str) -> None:
    """Make it due, and wait for the answer."""
    before = row(product, name)["answered_at_milliseconds"]
    product.operator().post(f"/tenants/{product.tenant()}/flows/{name}/fire")
    wait_for(lambda: row(product, name)["answered_at_milliseconds"] > before)


def test_a_schedule_fires_one_run_and_knows_when_it_is_due(product: Product) -> None:
    publish(product, "hourly", "{on: schedule, every_seconds: 3600}", "{{schedule.missed}}")
    fire(product, "hourly")
    wait_for(lambda: received(product, "hourly") == [0])
    shown = row(product, "hourly")
    assert (shown["runs"], shown["failure"], shown["claimed_due_milliseconds"]) == (1, "", 0)
    assert shown["next_due_milliseconds"] > shown["last_due_milliseconds"]
    runs = wait_for(lambda: product.operator().get(f"/tenants/{product.tenant()}/runs?flow=hourly"))
    assert [each["trigger"] for each in runs] == ["schedule"]


def test_a_search_starts_a_run_for_each_issue(product: Product) -> None:
    fields = {"project": {"key": "DEMO"}, "issuetype": {"name": "Task"}}
    keys = {product.jira("POST", "/issue", {"fields": fields | {"summary": "by-clock"}})["key"] for _ in range(3)}
    trigger = "{on: schedule, cron: '0 0 1 1 *', jql: 'summary ~ by-clock', for_each: issue}"
    publish(product, "each-issue", trigger, "{{issue.key}} {{issue.summary}}")
    fire(product, "each-issue")
    wait_for(lambda: set(received(product, "each-issue")) == {f"{key} by-clock" for key in keys})
    assert (row(product, "each-issue")["runs"], len(received(product, "each-issue"))) == (3, 3)


def test_a_poll_starts_what_is_new_once_and_its_failure_is_shown(product: Product) -> None:
    source = f"{product.site_url}/thirdparty/received"
    poll = "{url: '%s', items: '{{response.body}}', id: '{{item.n}}', cursor: '{{items.size}}'}"
    trigger = "{on: poll, every_seconds: 3600, where: '{{item.of.equals(\"polled\")}}', poll: %s}"
    publish(product, "poller", trigger % poll % source, "{{item.n}}")
    wait_for(lambda: row(product, "poller")["answered_at_milliseconds"])  # the first poll comes by itself, and passes over
    for number in (1, 2):
        publish(product, "polled", "{on: schedule, every_seconds: 3600}", f"item-{number}")
        fire(product, "polled")
        wait_for(lambda: f"item-{number}" in received(product, "polled"))  # noqa: B023 - asked in this turn
        fire(product, "poller")
    wait_for(lambda: sorted(received(product, "poller")) == ["item-1", "item-2"])
    assert row(product, "poller")["cursor"].isdecimal()
    publish(product, "poller", trigger % poll % f"{product.site_url}/thirdparty/status/500", "{{item.n}}")
    fire(product, "poller")
    shown = row(product, "poller")
    assert (shown["failure"], shown["http_status"], shown["failures"] > 0) == ("vendor_broken", 500, True)


def test_a_tick_survives_the_death_of_every_conduit_and_starts_one_run(product: Product) -> None:
    publish(product, "survivor", "{on: schedule, every_seconds: 3600}", "once")
    for pid in product.find("blubees.main.conduit"):
        os.kill(pid, signal.SIGSTOP)  # they hold what they were given, and answer nothing
    product.operator().post(f"/tenants/{product.tenant()}/flows/survivor/fire")
    wait_for(lambda: row(product, "survivor")["claimed_due_milliseconds"])
    for pid in product.find("blubees.main.conduit"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: received(product, "survivor") == ["once"], 60)
    wait_for(lambda: row(product, "survivor")["claimed_due_milliseconds"] == 0, 60)
    assert received(product, "survivor") == ["once"]


def test_a_tick_that_was_ordered_by_a_control_plane_that_died_is_noted_by_the_next(product: Product) -> None:
    product.publish("{id: orphan, name: O, trigger: {on: schedule, every_seconds: 3600}, steps: [{id: a, kind: stop}]}")
    conduits = product.find("blubees.main.conduit")
    for pid in conduits:
        os.kill(pid, signal.SIGSTOP)
    product.operator().post(f"/tenants/{product.tenant()}/flows/orphan/fire")
    wait_for(lambda: row(product, "orphan")["claimed_due_milliseconds"])
    before = product.find("blubees.main.control_plane")
    os.kill(before[0], signal.SIGKILL)
    for pid in conduits:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: product.find("blubees.main.control_plane") not in ([], before))

    def is_answered() -> bool:
        with contextlib.suppress(UnavailableError):  # it is starting
            return bool(row(product, "orphan")["last_due_milliseconds"])
        return False

    wait_for(is_answered, 60)
    assert [each["outcome"] for each in product.ended("flow=orphan")] == ["stopped"]
