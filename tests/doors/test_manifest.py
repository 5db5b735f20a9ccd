"""The Forge manifest and the door agree on routes and keys."""

from pathlib import Path

import yaml

from blubees.doors.forge_events import ROUTES, TRIGGERS
from blubees.main.settings import APP_ID

MANIFEST = yaml.safe_load((Path(__file__).resolve().parents[2] / "forge" / "manifest.yml").read_text())


def test_every_endpoint_has_a_route_and_every_route_an_endpoint() -> None:
    listed = {each["route"]["path"]: each["key"] for each in MANIFEST["modules"]["endpoint"] if each["key"] != "ui"}
    assert listed == {path: route.module_key for path, route in ROUTES.items()}


def test_the_events_are_the_triggers_and_the_app_is_ours() -> None:
    events = {event for trigger in MANIFEST["modules"]["trigger"] for event in trigger["events"] if "jira" in event}
    assert events == set(TRIGGERS)
    assert MANIFEST["app"]["id"] == APP_ID
    assert "function" not in MANIFEST["modules"]
