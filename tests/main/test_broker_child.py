"""The broker starts whatever its passwords look like, chooses its port, and can't write to a file."""

import asyncio
import resource
from pathlib import Path

import pytest

from blubees.adapters.broker.link import BrokerAddress, connect_broker
from blubees.main.broker_child import start_broker
from blubees.model.errors import UnavailableError


@pytest.mark.parametrize("password", ["-e1-x", "12345678", "1e5", "true", "$HOME"])
async def test_it_starts_with_any_password(tmp_path: Path, password: str) -> None:
    child = await start_broker(tmp_path, password, password + "c")
    try:
        broker = await connect_broker(BrokerAddress(child.url, "control", password + "c"))
        await broker.create_streams()
        await broker.close()
        assert resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE) == (0, 0)
    finally:
        child.process.terminate()
        await child.process.wait()
    await child.drain


async def test_a_wrong_password_is_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    child = await start_broker(tmp_path, "a", "b")
    with pytest.raises(UnavailableError, match="does not know us"):
        await connect_broker(BrokerAddress(child.url, "conduit", "another"))
    child.process.terminate()
    await child.process.wait()
    await child.drain


async def test_a_broker_that_does_not_start_says_how_to_see_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blubees.main.broker_child.CONFIGURATION", "no: {{ such: configuration")
    with pytest.raises(UnavailableError, match=r"nats\.conf -t"):
        await asyncio.wait_for(start_broker(tmp_path, "a", "b"), 5)
