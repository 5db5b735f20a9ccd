"""What Jira's descriptions and comments are given."""

from blubees.connectors.adf_text import to_adf
from blubees.connectors.rich_text.adf_schema import is_valid


def test_a_text_becomes_a_document_whatever_its_size() -> None:
    made = to_adf("a\n\n\n\nb\r\nc\n")
    assert [len(block["content"]) for block in made["content"]] == [1, 3]
    assert is_valid(made)
    assert len(to_adf("a\n\n" * 20_000)["content"]) == 20_000
    assert to_adf(None) == to_adf(" \n ") == {"version": 1, "type": "doc", "content": []}


def test_a_document_stays_as_it_is() -> None:
    document = {"version": 1, "type": "doc", "content": [{"type": "newer"}]}
    assert to_adf(document) is document
