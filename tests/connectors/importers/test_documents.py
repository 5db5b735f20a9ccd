"""Bytes become plain data, within limits, and an error repeats none of them."""

import pytest

from blubees.connectors.importers import documents
from blubees.connectors.importers.documents import read_document
from blubees.model.errors import InputError

CANARY = "canary-4711"


def test_json_and_yaml_are_read_alike() -> None:
    assert read_document(b'{"a": [1, 2.5, true, null, "x"]}') == {"a": [1, 2.5, True, None, "x"]}
    assert read_document(b"a:\n  - 1\n  - 2.5\n  - true\n  - ~\n  - x\n") == {"a": [1, 2.5, True, None, "x"]}
    assert read_document(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_what_looks_like_a_word_of_yaml_1_1_stays_a_text() -> None:
    assert read_document(b"on: yes\nday: 2026-11-24\nversion: 1.0.0\ncode: 0123\n200: ok\nhex: 0x10") == {
        "on": "yes",
        "day": "2026-11-24",
        "version": "1.0.0",
        "code": "0123",
        "200": "ok",
        "hex": "0x10",
    }


def test_an_alias_is_what_it_stands_for_and_a_merge_adds_to_an_object() -> None:
    text = b"base: &base {a: 1, b: 2}\nother: *base\nmerged:\n  <<: *base\n  b: 3\n"
    assert read_document(text) == {"base": {"a": 1, "b": 2}, "other": {"a": 1, "b": 2}, "merged": {"a": 1, "b": 3}}


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"- " * 5_000 + CANARY.encode(),
        b"[" * 5_000 + CANARY.encode() + b"]" * 5_000,
        f"a: &a\n  {CANARY}: *a".encode(),
        f"a: 1\n---\n{CANARY}: 2".encode(),
        f"? [{CANARY}]\n: 1".encode(),
        f"<<: {CANARY}".encode(),
        f'{{"{CANARY}": 1'.encode(),
        f"{CANARY}: [1".encode(),
        b"\xff\xff" + CANARY.encode(),
        f"!!python/object/apply:os.system [{CANARY}]\n{{".encode(),
    ],
)
def test_what_is_no_document_is_refused_without_repeating_it(content: bytes) -> None:
    with pytest.raises(InputError) as raised:
        read_document(content)
    assert CANARY not in raised.value.for_user
    assert len(raised.value.for_user) < 200


def test_nine_lines_do_not_become_a_billion_values() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(InputError, match="too many values"):
        read_document("\n".join(lines).encode())


def test_a_document_past_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "DOCUMENT_MAX_BYTES", 100)
    monkeypatch.setattr(documents, "NODES_MAX", 10)
    with pytest.raises(InputError, match="101 bytes, allowed are 100"):
        read_document(b"x" * 101)
    with pytest.raises(InputError, match="too many values"):
        read_document(b"[1,2,3,4,5,6,7,8,9,10,11,12]")
    with pytest.raises(InputError, match="too many values"):
        read_document(b"- 1\n" * 12)


def test_no_tag_makes_an_object() -> None:
    assert read_document(b"!!python/name:os.system ''") == ""
