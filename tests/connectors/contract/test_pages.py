"""The catalogue's pages are as the files are: whoever changes a file writes the pages anew (`make connector-pages`)."""

from pathlib import Path

import pytest

from blubees.main.connector_files import main, write_pages

ROOT = Path(__file__).resolve().parents[3]
PAGES = write_pages()


@pytest.mark.parametrize("place", PAGES)
def test_a_page_is_current(place: str) -> None:
    assert (ROOT / place).read_text() == PAGES[place], "run: make connector-pages"


def test_there_are_no_others() -> None:
    assert {f"docs/connectors/{each.name}" for each in (ROOT / "docs/connectors").glob("*.md")} == set(PAGES) - {
        "docs/connectors.md"
    }


def test_wrong_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "Acme Two"]) == 2
    assert "acme_two" in capsys.readouterr().err
    assert main(["new", "slack"]) == 2
    assert "there already" in capsys.readouterr().err
    assert main([]) == 2
