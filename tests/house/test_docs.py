"""The documents are true: commands and settings are all there, examples in them check, and the news has its fragment."""

import re
from pathlib import Path

import pytest

from blubees.flows.offline import check_offline
from blubees.main import cli, cli_connectors, cli_vault, settings
from blubees.steps.book import load_book

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_command_stands_in_the_manual() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    groups = {"flow": cli.flow_app, "runs": cli.runs_app, "connection": cli.connection_app, "tenants": cli.tenants_app}
    groups |= {"waiting": cli.waiting_app, "vault": cli_vault.vault_app, "connector": cli_connectors.connector_app}
    names = [f"{group} {name}" for group, app in groups.items() for name in app if not name.startswith("-")]
    names += [name for name in cli.app if not name.startswith("-") and name not in groups]
    assert len(names) >= 19
    for name in names:
        assert f"`{name}" in page, name


def test_every_setting_stands_in_the_manual() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    for name in set(re.findall(r"BLUBEES_[A-Z_]+", Path(settings.__file__).read_text())) - {"BLUBEES_"}:
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("page", ["flows.md", "schedules.md"])
def test_the_flows_in_the_guides_are_good(page: str) -> None:
    for part in (ROOT / "docs" / page).read_text().split("```yaml\n")[1:]:
        assert check_offline(part.split("```")[0], load_book()).errors == ()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = [page.name[:4] for page in (ROOT / "docs" / "decisions").glob("*.md")]
    assert sorted(numbers) == sorted(set(numbers))


def test_decisions_have_their_parts() -> None:
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        text = page.read_text()
        assert re.match(r"# \d{4} .+\n\d{4}-\d\d-\d\d\n", text), page.name
        assert "**Decision.**" in text, page.name
        assert "**Price.**" in text, page.name
