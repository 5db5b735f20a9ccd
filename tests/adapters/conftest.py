"""A real broker with both of its users, for the tests of the broker ports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blubees.adapters.broker import link
from fakes.brokers import Brokers, run_brokers


@pytest.fixture
async def brokers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Brokers]:
    monkeypatch.setattr(link, "RUNS_PER_TENANT_AND_LANE", 3)
    async with run_brokers(tmp_path) as running:
        yield running
