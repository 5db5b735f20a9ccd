"""When a third party says to come back."""

import pytest

from blubees.connectors.meanings import find_meaning, read_retry_after
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
