"""README's second section on the real product: a public document that nobody here wrote is imported, and called against its mock."""

import contextlib
import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from product import ROOT, Product, run_product

from blubees.main import cli
from devsite.document_mock import DocumentMock, make_server, read_document

pytestmark = pytest.mark.timeout(120)
DOCUMENT = ROOT / "examples" / "documents" / "galaxy.yaml"


@pytest.fixture(scope="module")
def mocked() -> Iterator[tuple[str, DocumentMock]]:
    server, mock = make_server(read_document(DOCUMENT), 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", mock
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, mocked: tuple[str, DocumentMock]) -> Iterator[Product]:
    with run_product(tmp_path_factory.mktemp("import"), more_ports=(int(mocked[0].rpartition(":")[2]),)) as running:
        running.tenant()
        yield running


def run(product: Product, *arguments: str) -> tuple[int, str, str]:
    """The command line, in this process: a start takes a second."""
    said, wrong, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["blubees", "connector", *arguments, "--data", str(product.data)])
        patch.setenv("COLUMNS", "200")
        try:
            cli.main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return code, said.getvalue(), wrong.getvalue()


def test_a_document_is_imported_and_its_actions_are_called(
    product: Product, mocked: tuple[str, DocumentMock], tmp_path: Path
) -> None:
    url, mock = mocked
    code, said, wrong = run(product, "import", str(DOCUMENT), "--base-url", url)
    assert (code, wrong) == (0, "")
    assert "galaxy (“Scalar Galaxy”), import 1: has 9 actions, 1 triggers" in said
    assert "galaxy.get_planet" in run(product, "search", "planet")[1]
    shown = run(product, "show", "galaxy", "get_planet")[1]
    assert "kind: galaxy.get_planet" in shown
    assert "planet_id" in shown

    # without touching it: what would be asked
    code, said, _ = run(product, "try", "galaxy", "get_planet", "--input", "planet_id=7", "--dry")
    assert code == 0
    assert f"would call GET {url}/planets/7" in said
    assert mock.seen == []

    # for real; the mock's own reader finds nothing wrong with it
    code, said, _ = run(product, "try", "galaxy", "get_planet", "--input", "planet_id=7")
    assert code == 0, said
    assert "answered 200" in said
    assert "Mars" in said
    assert mock.seen == [("GET", "/planets/7", 200)]

    # with a connection, and a body
    tenant = product.tenant()
    secret = {"kind": "bearer", "hosts": [url.removeprefix("http://")], "secret": "example-token"}
    product.operator().put(f"/tenants/{tenant}/connections/my-galaxy", secret)
    body = ["--input", "name=Pluto", "--connection", "my-galaxy"]
    code, said, _ = run(product, "try", "galaxy", "create_planet", *body)
    assert code == 0, said
    assert mock.seen[-1] == ("POST", "/planets", 201)

    # what the flow gets when the third party says no
    assert run(product, "try", "galaxy", "create_planet", "--input", "name=Pluto")[0] == 1
    code, _, wrong = run(product, "try", "galaxy", "get_planet", "--input", "planet=7")
    assert code == 1
    assert "planet: the action has no such input" in wrong

    # nobody has a flow of these, so that there is no run of one; what borrowed the connection is in the trail
    assert product.operator().get(f"/tenants/{tenant}/runs") == []
    (lease,) = [each for each in product.operator().get(f"/tenants/{tenant}/audit") if each["action"] == "lease_opened"]
    assert (lease["connection"], lease["flow"][:4], lease["step"]) == ("my-galaxy", "try-", "call")

    # in a flow, which is told when another import breaks it
    flow = "id: visit\nname: Visit\ntrigger: {on: webhook}\nsteps:\n  - {id: look, kind: galaxy.get_planet, with: {planet_id: 4}}\n"
    product.publish(flow, probe=False)
    changed = tmp_path / "galaxy.yaml"
    changed.write_text(DOCUMENT.read_text().replace("planetId", "planetNumber"))
    code, _, wrong = run(product, "import", str(changed), "--base-url", url)
    assert code == 1
    assert "breaks visit (version 1, step look)" in wrong
    code, said, _ = run(product, "diff", "galaxy", "--file", str(changed), "--base-url", url, "--json")
    assert code == 0
    told: Any = json.loads(said)
    assert {each["step"] for each in told["breaks"]} == {"look"}
    assert run(product, "remove", "galaxy")[0] == 1
    assert run(product, "remove", "galaxy", "--yes")[0] == 0
