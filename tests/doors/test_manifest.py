"""The Forge manifest and the door agree on routes and keys; Forge's own check finds nothing in it."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from blubees.doors.forge_events import ROUTES, TRIGGERS
from blubees.main.settings import APP_ID

ROOT = Path(__file__).resolve().parents[2]
FORGE = ROOT / "forge"
MANIFEST = yaml.safe_load((FORGE / "manifest.yml").read_text())
LINT = ROOT.parent / "shared" / "tools" / "forge-lint" / "lint-offline.sh"
MODULES = Path(os.environ.get("BLUBEES_NODE_MODULES", FORGE / "node_modules"))
INSTALL = "npm install --no-save --ignore-scripts --prefix forge @forge/manifest@13.7.0 @forge/lint@6.3.1 tslib yaml"


def test_every_endpoint_has_a_route_and_every_route_an_endpoint() -> None:
    listed = {each["route"]["path"]: each["key"] for each in MANIFEST["modules"]["endpoint"] if each["key"] != "ui"}
    assert listed == {path: route.module_key for path, route in ROUTES.items()}


def test_the_events_are_the_triggers_and_the_app_is_ours() -> None:
    events = {event for trigger in MANIFEST["modules"]["trigger"] for event in trigger["events"] if "jira" in event}
    assert events == set(TRIGGERS)
    assert MANIFEST["app"]["id"] == APP_ID
    assert "function" not in MANIFEST["modules"]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("before", "after", "is_good"), [("", "", True), ("inScopeEUD: false", "inScopeX: false", False)])
def test_forges_own_check_finds_nothing(tmp_path: Path, before: str, after: str, *, is_good: bool) -> None:
    if not LINT.exists():
        pytest.skip("../shared/tools/forge-lint is not here")
    if not (MODULES / "@forge" / "lint").exists():
        pytest.skip(f"Forge's linter is not here. Get it: {INSTALL}")
    (tmp_path / "src").mkdir()  # where an app's functions would be: it has none
    (tmp_path / "manifest.yml").write_text((FORGE / "manifest.yml").read_text().replace(before, after))
    done = subprocess.run(["/bin/bash", str(LINT), str(tmp_path), str(MODULES)], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert (done.returncode == 0, "manifest OK\nNo issues found." in said) == (is_good, is_good), said
