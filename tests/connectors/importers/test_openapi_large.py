"""Large documents: a real one (beside the project, in ../shared), and one made of the nature of the largest public one."""

from pathlib import Path

import pytest

from blubees.connectors.contract.check import check_connector
from blubees.connectors.importers.documents import read_document
from blubees.connectors.importers.openapi.reader import read_openapi
from blubees.connectors.packing import pack_connector, unpack_connector
from blubees.model.ids import TenantId
from large_document import make_document

JIRA = Path(__file__).resolve().parents[4] / "shared" / "data" / "jira" / "jira-swagger-v3.2025-12.json"
TENANT = TenantId("t" + "a" * 24)


@pytest.mark.skipif(not JIRA.exists(), reason="../shared is not there: Jira's own document is no part of the project")
def test_jiras_own_document_is_taken_over_whole() -> None:
    found = read_openapi(read_document(JIRA.read_bytes()), "jira_cloud")
    connector = found.connector
    assert (len(connector.actions), found.left_out) == (616, 0)
    assert check_connector(connector) == ()
    create = connector.actions["create_issue"]
    assert {"fields", "update", "transition"} <= create.inputs.keys()
    assert sum(each.pages is not None for each in connector.actions.values()) > 50


def test_a_made_document_with_circles_and_long_lines_of_heirs_is_sound_and_packs_whole() -> None:
    found = read_openapi(make_document(operations=400, schemas=300), "suite")
    connector = found.connector
    assert (len(connector.actions), found.left_out) == (400, 0)
    assert check_connector(connector) == ()
    row, actions, forms = pack_connector(connector, TENANT, "made")
    assert unpack_connector(row.packed, actions, forms) == connector
    assert any(each.pages is not None and each.pages.next == ("@odata.nextLink",) for each in connector.actions.values())


def test_the_made_document_is_the_same_each_time() -> None:
    assert make_document(operations=50, schemas=20) == make_document(operations=50, schemas=20)
