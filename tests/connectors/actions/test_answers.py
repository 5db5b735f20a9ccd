"""Answers are read: by content type, at a path, by outputs; and errors by the table, in a success too."""

from typing import Any

import pytest

from blubees.connectors.actions.answers import ReadAnswer, compile_answer
from blubees.connectors.actions.waits import read_wait
from blubees.model.action import Action, ActionOutput, Answer, Content, ErrorRule, Limits, Meaning
from blubees.model.call import CallAnswer, Effect
from blubees.model.connector import Connector
from blubees.model.failures import Failure, FailureCode

NOW = 1_782_000_000_000
JSON = {"content-type": "application/json; charset=utf-8"}


def read(
    answer: Answer, body: bytes, headers: dict[str, str] | None = None, status: int = 200, errors: tuple[ErrorRule, ...] = ()
) -> Any:
    limits = Limits(reset_header="X-Reset")
    connector = Connector(name="acme", title="Acme", base_url="https://a.example", limits=limits, errors=errors)
    plan = compile_answer(connector, Action(effect=Effect.READ, answer=answer))
    found = plan.read(CallAnswer(status=status, headers=JSON if headers is None else headers, body=body), NOW)
    return plan.give(found) if isinstance(found, ReadAnswer) else found


@pytest.mark.parametrize(
    ("answer", "body", "headers", "given"),
    [
        (Answer(), b'{"a": 1}', JSON, {"a": 1}),
        (Answer(at=("a", "1")), b'{"a": [1, 2]}', JSON, 2),
        (Answer(at=("a", "9")), b'{"a": [1, 2]}', JSON, None),
        (Answer(), b"", JSON, None),
        (Answer(), b"hi", {"content-type": "text/plain"}, "hi"),
        (Answer(), b"<a/>", {"content-type": "application/xml"}, "<a/>"),
        (Answer(), b"a=1&b=%20", {"content-type": "application/x-www-form-urlencoded"}, {"a": "1", "b": " "}),
        (Answer(content=Content.JSON), b"[1]", {"content-type": "text/plain"}, [1]),
        (Answer(content=Content.NONE), b"never mind", {"content-type": "text/plain"}, None),
        (
            Answer(),
            b"\x00",
            {"content-type": "image/png", "content-disposition": 'attachment; filename="../a.png"'},
            {"name": "a.png", "media_type": "image/png", "size": 1, "base64": "AA=="},
        ),
        (
            Answer(outputs={"x": ActionOutput(schema={}, at=("a", "b")), "y": ActionOutput(schema={}, at=("c",))}),
            b'{"a": {"b": 1}}',
            JSON,
            {"x": 1},
        ),
        (Answer(outputs={"tag": ActionOutput(schema={}, header="ETag")}), b"{}", {**JSON, "etag": "t"}, {"tag": "t"}),
        (Answer(), b"{no", JSON, Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=200)),
    ],
)
def test_a_success_is_read(answer: Answer, body: bytes, headers: dict[str, str], given: object) -> None:
    assert read(answer, body, headers) == given


TABLE = (
    ErrorRule(status="429", means=Meaning.BUSY, wait_at="retry.after"),
    ErrorRule(status="4xx", body={"error.code": ["expired", 17]}, means=Meaning.CREDENTIAL_REFUSED),
    ErrorRule(status="403", header={"X-Remaining": "0"}, means=Meaning.BUSY, wait_header="x-until"),
    ErrorRule(body={"ok": False}, means=Meaning.REQUEST_REFUSED),
    ErrorRule(body={"errors": "*"}, means=Meaning.REQUEST_REFUSED),
)


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "wait"),
    [
        (429, b'{"retry": {"after": 7}}', {}, FailureCode.BUSY, 7),
        (429, b"", {"x-reset": str(NOW // 1_000 + 30)}, FailureCode.BUSY, 30),
        (429, b"{}", {"retry-after": "5"}, FailureCode.BUSY, 5),
        (400, b'{"error": {"code": "expired"}}', {}, FailureCode.CREDENTIAL_REFUSED, 0),
        (400, b'{"error": {"code": 17}}', {}, FailureCode.CREDENTIAL_REFUSED, 0),
        (400, b'{"error": {"code": "17"}}', {}, FailureCode.REQUEST_REFUSED, 0),
        (403, b"{}", {"x-remaining": "0", "x-until": "90"}, FailureCode.BUSY, 90),
        (403, b"<html>", {"content-type": "text/html"}, FailureCode.CREDENTIAL_REFUSED, 0),
        (404, b"{}", {}, FailureCode.NOT_FOUND, 0),
        (200, b'{"ok": false}', {}, FailureCode.REQUEST_REFUSED, 0),
        (200, b'{"errors": [{}]}', {}, FailureCode.REQUEST_REFUSED, 0),
        (500, b"", {}, FailureCode.VENDOR_BROKEN, 0),
        (304, b"", {}, FailureCode.REQUEST_REFUSED, 0),
    ],
)
def test_an_error_means_what_the_table_says(
    status: int, body: bytes, headers: dict[str, str], code: FailureCode, wait: float
) -> None:
    found = read(Answer(), body, {**JSON, **headers}, status, TABLE)
    assert found == Failure(code=code, http_status=status, retry_after_seconds=wait)


def test_a_status_can_be_a_success_and_a_success_is_no_error_by_chance() -> None:
    assert read(Answer(statuses=(404,)), b'{"ok": true}', JSON, 404, TABLE) == {"ok": True}
    assert read(Answer(), b'{"ok": true, "errors": null}', JSON, 200, TABLE) == {"ok": True, "errors": None}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (7, 7),
        ("0.5", 0.5),
        (str(NOW // 1_000 + 60), 60),
        (str(NOW + 60_000), 60),
        ("1m30s", 90),
        ("6m0s", 360),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("2026-06-21T00:01:00Z", 60),
        ("Sun, 21 Jun 2026 00:01:00 GMT", 60),
        ("999999", 86_400),
        ("soon", 0),
        ("", 0),
        (None, 0),
        (True, 0),
    ],
)
def test_when_to_come_back_is_read_in_all_that_vendors_write(value: object, seconds: float) -> None:
    assert read_wait(value, 1_782_000_000_000) == seconds
