"""What Jira's descriptions and comments are given: a text becomes a document, a document stays. Used by the jira kinds."""

from typing import Any

from blubees.connectors.rich_text.adf_schema import is_adf
from blubees.connectors.rich_text.plain import read_plain


def to_adf(value: object) -> dict[str, Any]:
    """Make a document: blank lines part paragraphs, line ends become hard breaks. A document stays as it is."""
    if isinstance(value, dict) and is_adf(value):
        return value
    return read_plain("" if value is None else value if isinstance(value, str) else str(value))
