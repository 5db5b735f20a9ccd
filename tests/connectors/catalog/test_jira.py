"""Jira as a connector: what the app may call, what succeeds by leading elsewhere, files that go on in pieces."""

from pathlib import Path

import pytest
import yaml

from blubees.connectors.actions.perform import compile_source, is_called_as_app
from blubees.connectors.catalogue import load_connector, load_documented
from blubees.connectors.contract.grade import Grade, grade_connector
from blubees.model.connector import Connector

ROOT = Path(__file__).resolve().parents[3]
ASKED = set(yaml.safe_load((ROOT / "forge/manifest.yml").read_text())["permissions"]["scopes"])


def load(name: str) -> Connector:
    found = load_connector(name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["jira", "jira_service_management"])
def test_the_app_calls_only_what_its_manifest_asks_for(name: str) -> None:
    connector = load(name)
    refused = {
        action: each.scopes
        for action, each in connector.actions.items()
        if is_called_as_app(connector, action) and not ASKED.issuperset(each.scopes)
    }
    assert refused == {}


def test_most_of_it_needs_no_connection() -> None:
    jira = load("jira")
    assert sum(is_called_as_app(jira, name) for name in jira.actions) > 200


def test_a_task_that_was_begun_is_a_success() -> None:
    jira = load_documented("jira")
    assert jira is not None
    assert grade_connector(jira).grade is not Grade.DRAFT
    begun = {name for name, each in jira.actions.items() if each.answer.statuses == (303,)}
    assert {"delete_project_in_background", "bulk_set_issue_property", "publish_draft_workflow_scheme"} <= begun
    assert all(jira.actions[name].examples[0].replies[0].status == 303 for name in begun - {"update_workflow_scheme_statuses"})


@pytest.mark.parametrize("name", ["get_attachment_content", "get_attachment_thumbnail"])
def test_an_attachment_is_a_file_that_jira_itself_gives(name: str) -> None:
    jira = load("jira")
    assert compile_source(jira, name).app_prefix is not None
    assert jira.actions[name].request.fixed.query == {"redirect": "false"}
