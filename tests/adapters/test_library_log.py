"""What libraries log becomes events that say where, and never what."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from blubees.adapters.library_log import tell_library_logs
from blubees.adapters.machine import EventLog


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers, root.level = handlers, level
    root.setLevel(level)  # forgets what was worked out for each logger


def read(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def write_lines() -> None:
    logger = logging.getLogger("some.library")
    logger.debug("SELECT %s", "secret-debug")
    logger.warning("a header: secret-warning", extra={"more": "secret-extra"})
    try:
        int("secret-error")
    except ValueError:
        logger.exception("secret-text")


def test_debug_tells_each_line_by_its_place_and_none_of_its_words(root: logging.Logger) -> None:
    stream = io.BytesIO()
    tell_library_logs(EventLog(stream), "debug")
    write_lines()
    told = [each for each in read(stream) if each["logger"] == "some.library"]
    assert [(each["event"], each["level"], each["error"]) for each in told] == [
        ("library_logged", "DEBUG", ""),
        ("library_logged", "WARNING", ""),
        ("library_logged", "ERROR", "ValueError"),
    ]
    assert {(each["module"], each["function"]) for each in told} == {("test_library_log", "write_lines")}
    assert b"secret" not in stream.getvalue()


def test_without_debug_only_warnings_and_errors_are_told(root: logging.Logger) -> None:
    stream = io.BytesIO()
    tell_library_logs(EventLog(stream), "info")
    write_lines()
    assert [each["level"] for each in read(stream)] == ["WARNING", "ERROR"]
