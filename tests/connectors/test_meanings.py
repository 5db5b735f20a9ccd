"""What a third party's answer says: its meaning, when to come back, by which id they find the request."""

import pytest

from blubees.connectors.meanings import find_meaning, read_request_id, read_retry_after
from blubees.model.failures import FailureCode

DATE = "Tue, 24 Nov 2026 05:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "999999"}, 86_400),
        ({"retry-after": "9" * 400}, 0),
        ({"retry-after": "-7"}, 0),
        ({"retry-after": "\u0667"}, 0),
        ({"retry-after": "Tue, 24 Nov 2026 05:02:00 GMT", "date": DATE}, 120),
        ({"retry-after": "Tue, 24 Nov 2026 04:00:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Tue, 24 Nov 2099 04:00:00 GMT", "date": DATE}, 86_400),
        ({"retry-after": "Tue, 24 Nov 2026 05:02:00 GMT"}, 0),
        ({"retry-after": "Tue, 24 Nov 2026 05:02:00 -0000", "date": DATE}, 0),
        ({"retry-after": "soon", "date": DATE}, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float) -> None:
    assert read_retry_after(headers) == seconds


def test_a_status_has_a_meaning() -> None:
    assert find_meaning(503, {"retry-after": "1"}) is FailureCode.BUSY
    assert find_meaning(503, {}) is FailureCode.VENDOR_BROKEN
    assert find_meaning(418, {}) is FailureCode.REQUEST_REFUSED


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, ""),
        ({"x-request-id": "0b7c-4f.A:=/+_"}, "0b7c-4f.A:=/+_"),
        ({"atl-traceid": "0f5f", "x-request-id": "first"}, "first"),
        ({"x-request-id": "two words", "cf-ray": "8f1-FRA"}, "8f1-FRA"),
        ({"x-request-id": "a" * 65}, ""),
        ({"x-request-id": "a@b.example"}, ""),
        ({"x-request-id": "a\n"}, ""),
        ({"x-payload": "word"}, ""),
    ],
)
def test_a_vendors_request_id_is_taken_in_the_form_of_an_id_only(headers: dict[str, str], found: str) -> None:
    assert read_request_id(headers) == found
