"""Runs by hand in the whole product: the data goes to a conduit, and is in no file."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from product import Product, call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
WORD = "canary-Hf72kq0zmPlw93"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with run_product(tmp_path_factory.mktemp("product"), sites=2) as running:
        body = {"kind": "bearer", "hosts": [f"127.0.0.1:{running.site_port}"], "secret": "demo-third-party-token"}
        running.operator().put(f"/tenants/{running.tenant()}/connections/sink", body)
        running.publish(f"""
id: by-hand
name: By hand
trigger: {{on: manual}}
inputs: {{word: {{type: text, required: true}}, count: {{type: number, default: 3}}}}
steps:
  - id: send
    kind: http
    with: {{method: POST, url: "{running.site_url}/thirdparty/notify", connection: sink, json: {{of: by-hand, inputs: "{{{{inputs}}}}"}}}}
""")
        yield running


def run(product: Product, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from blubees.main.cli import main; main()", "flow", "run", *arguments]
    command += ["--tenant", product.tenant(), "--data", str(product.data)]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def received(product: Product) -> list[Any]:
    return [each["inputs"] for each in call(f"{product.site_url}/thirdparty/received")[1] if each.get("of") == "by-hand"]


def test_a_flow_is_run_by_hand_and_its_inputs_are_in_no_file(product: Product) -> None:
    done = run(product, "by-hand", "--inputs", "-", given=json.dumps({"word": WORD, "count": "7"}))
    assert done.returncode == 0, done.stderr
    name = done.stdout.split()[-1]
    wait_for(lambda: {"word": WORD, "count": 7} in received(product))
    shown = wait_for(lambda: product.operator().get(f"/tenants/{product.tenant()}/runs?flow=by-hand"))
    assert shown[0]["run"] == name
    assert shown[0]["trigger"] == "manual"
    for path in product.data.rglob("*"):
        assert not path.is_file() or WORD.encode() not in path.read_bytes(), path


def test_wrong_inputs_are_refused_by_name_and_type(product: Product) -> None:
    done = run(product, "by-hand", "--inputs", "-", given=json.dumps({"word": "x", "count": [WORD]}))
    assert done.returncode == 1
    assert "inputs.count: list not number" in done.stderr
    assert WORD not in done.stderr
    assert "inputs.word: missing" in run(product, "by-hand").stderr
    product.publish("{id: hooked, name: H, trigger: {on: webhook}, steps: [{id: a, kind: stop}]}")
    assert "on: manual" in run(product, "hooked").stderr


def test_a_ticket_starts_one_run_and_opens_no_other_door(product: Product) -> None:
    tenant = product.tenant()
    given = product.operator().post(f"/tenants/{tenant}/flows/by-hand/ticket")
    assert given["door"] == product.url
    headers = {"Authorization": f"Ticket {given['ticket']}", "Content-Type": "application/json"}
    before = len(received(product))
    body = json.dumps({"word": "twice"}).encode()
    answers = [call(f"{product.url}/runs/{tenant}/by-hand", body, headers)[1]["status"] for _ in range(3)]
    assert answers == ["queued", "duplicate", "duplicate"]
    wait_for(lambda: len(received(product)) > before)
    unknown = call(f"{product.url}/runs/{tenant}/by-hand", body, {"Content-Type": "application/json"})
    assert unknown[0] == 404
    for path, ticket in (
        (f"/runs/{product.tenant(1)}/by-hand", given["ticket"]),
        (f"/runs/{tenant}/hooked", given["ticket"]),
        (f"/runs/{tenant}/by-hand", given["ticket"][:-6] + "AAAAAA"),
        (f"/runs/{tenant}/by-hand/x", given["ticket"]),
    ):
        assert call(product.url + path, body, headers | {"Authorization": f"Ticket {ticket}"}) == unknown
    assert call(f"{product.url}/runs/{tenant}/by-hand", b"{", headers)[0] == 400
    assert len(received(product)) == before + 1
