"""Every step kind, present and future: its examples hold, and its page in docs/ names it and its settings."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blubees.model.failures import Failure, FailureCode
from blubees.steps.book import KindEntry, list_kinds
from blubees.steps.contract import Example
from fakes.tools import FakeTools

DOCS = Path(__file__).resolve().parents[2] / "docs" / "steps.md"
FAIL_ALWAYS = {"fail", "placeholder"}


CASES = [
    pytest.param(entry, example, id=f"{entry.name}-{number}")
    for entry in list_kinds()
    for number, example in enumerate(entry.examples)
]


@pytest.mark.parametrize(("entry", "example"), CASES)
async def test_an_example_gives_what_it_says(entry: KindEntry, example: Example) -> None:
    tools = FakeTools(example)
    settings: Any = msgspec.convert(example.settings, entry.settings, strict=False)
    outcome = await entry.perform(settings, tools)
    if isinstance(example.gives, FailureCode):
        assert isinstance(outcome, Failure)
        assert outcome.code is example.gives
    else:
        assert outcome == example.gives
    assert not tools.replies, "a reply was left over"
    if example.asks:
        assert (tools.calls[0].method, tools.calls[0].url) == example.asks


@pytest.mark.parametrize("entry", list_kinds(), ids=lambda entry: entry.name)
def test_a_kind_has_examples_of_success_and_failure_and_its_documentation(entry: KindEntry) -> None:
    assert any(not isinstance(each.gives, FailureCode) for each in entry.examples) or entry.name in FAIL_ALWAYS
    if any(each.replies for each in entry.examples):
        assert any(isinstance(each.gives, FailureCode) for each in entry.examples)
    page = DOCS.read_text()
    assert f"## {entry.name}\n" in page
    section = page.split(f"## {entry.name}\n")[1].split("\n## ")[0]
    for each in dataclasses.fields(entry.settings):
        assert f"`{each.name}`" in section
