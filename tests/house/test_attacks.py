"""Every attack that we know of has a test in which it is done to us: docs/attacks.md names it, and it is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FACTS = ROOT.parent / "shared" / "facts" / "security.md"
CLASSES = {
    "SSRF",
    "Parser split",
    "TLS",
    "Credentials",
    "Webhook",
    "JWT/FIT",
    "Tenant crossing",
    "Expression injection",
    "JSON",
    "Compression",
    "Slowloris",
    "Headers/logs",
    "Prompt injection",
    "OAuth",
    "Traversal, XXE, ReDoS, redirects, CSRF, clickjack",
}
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in (ROOT / "docs" / "attacks.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| class")
]


def list_tests(path: Path) -> set[str]:
    found = ast.walk(ast.parse(path.read_text()))
    return {each.name for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}"[:60])
def test_an_attack_is_done_to_us(row: tuple[str, ...]) -> None:
    assert len(row) == 4
    named = re.fullmatch(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`", row[3])
    assert named is not None, row[3]
    assert named[2] in list_tests(ROOT / "tests" / named[1])


def test_every_class_of_attack_has_its_row() -> None:
    assert {row[0] for row in ROWS} == CLASSES


def test_no_class_that_the_facts_name_is_left_out() -> None:
    if not FACTS.exists():
        pytest.skip("../shared/facts is not here")
    section = FACTS.read_text().partition("\n## 8.")[2].partition("\n## ")[0]
    named = {line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")} - {"Class", "---"}
    assert len(named) > 10
    assert named <= CLASSES
