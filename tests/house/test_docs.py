"""The documents are true: commands and settings are all there, examples in them check, and the news has its fragment."""

import re
from pathlib import Path

import pytest

from blubees.flows.offline import check_offline
from blubees.main import cli, settings
from blubees.steps.book import load_book

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_command_stands_in_the_manual() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    names = []
    for name in cli.app:
        inner = [each for each in cli.app[name] if not each.startswith("-")] if not name.startswith("-") else []
        if cli.app[name].name[0] == name:  # and no other name of the same group
            names += [f"{name} {each}" for each in inner] or ([] if name.startswith("-") else [name])
    assert len(names) >= 50
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
