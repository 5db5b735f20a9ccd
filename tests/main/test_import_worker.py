"""A document is read in a process of its own, which has bounds, and no environment of ours."""

import orjson
import pytest

from blubees.main import import_bench
from blubees.main.import_bench import ProcessBench
from blubees.ports import ImportMade, ImportOrder, ImportRefusal
from fakes.openapi import make_document


async def test_a_document_is_read_in_a_process_of_its_own() -> None:
    order = ImportOrder(name="things", document=orjson.dumps(make_document()))
    made = await ProcessBench().work(order)
    assert isinstance(made, ImportMade)
    assert [each.name for each in made.actions] == ["get_things"]


async def test_a_process_that_dies_or_takes_too_long_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    order = ImportOrder(name="things", document=orjson.dumps(make_document()))
    monkeypatch.setattr(import_bench, "WALL_SECONDS", 0.0)
    refused = await ProcessBench().work(order)
    assert isinstance(refused, ImportRefusal)
    assert "more time or memory" in refused.sentence


async def test_what_takes_more_memory_than_there_is_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 MB of brackets would be 6 GB of lists; the count of values stops it, and the process's own bound what that misses."""
    order = ImportOrder(name="things", document=b"[" + b"{}," * 12_000_001 + b"{}]")
    refused = await ProcessBench().work(order)
    assert isinstance(refused, ImportRefusal)
    assert "too many values" in refused.sentence
